"""LLMRouterBench: one file of records for each data set and model, in folders."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastroute.outcomes.files import Content, rows_source
from fastroute.outcomes.sources.base import Found, SourceKind
from fastroute.outcomes.table import RowCount

__all__ = ["LLMROUTERBENCH"]

_FIELDS: Final = {
    "score": ("score",),
    "cost": ("cost",),
    "tokens_in": ("prompt_tokens", "input_tokens"),
    "tokens_out": ("completion_tokens", "output_tokens"),
}


def _matches(content: Content) -> bool:
    """Return whether a file holds records with scores."""
    entries = content.entries
    records = entries.get("records") if isinstance(entries, Mapping) else None
    return (
        isinstance(records, list)
        and bool(records)
        and isinstance(records[0], Mapping)
        and "score" in records[0]
    )


class _Run(NamedTuple):
    """What a file of records is of."""

    task: str
    split: str | None
    model: str
    demo: bool


def _run(content: Content) -> _Run:
    """Return what a file is of: as it says itself, else as its folders do.

    They are DATASET/SPLIT/MODEL/TIME.json, DATASET/MODEL/TIME.json or DATASET/MODEL.json.
    """
    entries: Mapping[str, Any] = content.entries
    folders: tuple[str | None, ...] = (None, None, None)
    match content.inside:
        case (*_, first, second, third, _):
            folders = first, second, third
        case (first, second, _):
            folders = first, None, second
        case (first, file):
            folders = first, None, Path(file).stem
    model = entries.get("model_name") or entries.get("model") or folders[2]
    task = entries.get("dataset_name") or entries.get("dataset") or folders[0]
    for what, value in (("model_name", model), ("dataset_name", task)):
        if not value:
            raise ValueError(f"no {what}; write it beside the records")
    split = entries.get("split") or folders[1]
    return _Run(str(task), split, str(model), entries.get("demo") is True)


def _read(content: Content) -> Found:
    """Return one row for each record, but none of a demonstration."""
    entries: Mapping[str, Any] = content.entries
    task, split, model, demo = _run(content)
    prefix = task if split is None else f"{task}/{split}"
    rows, columns = [], {"query": "query", "model": "model", "task": "task"}
    for number, record in enumerate(entries["records"]):
        if not isinstance(record, Mapping) or "index" not in record:
            raise ValueError(f"record {number + 1} of {content.name} has no index; number it")
        row: dict[str, Any] = {"query": f"{prefix}/{record['index']}", "model": model, "task": task}
        for role, names in _FIELDS.items():
            name = next((name for name in names if name in record), None)
            if name is not None:
                row[role] = record[name]
                columns[role] = role
        rows.append(row)
    source = replace(rows_source(rows), path=content.path, locate=lambda row: f"record {row + 1}")
    account: tuple[RowCount, ...] = ()
    if demo:
        account = (RowCount("records of a demonstration ('demo': true)", len(rows)),)
        source = source.kept(source.frame["query"].is_null())
    words = {
        "query": "dataset_name, split and records.index",
        "model": "model_name",
        "task": "dataset_name",
    }
    return Found(source, columns, len(rows), words=words, account=account)


LLMROUTERBENCH: Final = SourceKind(
    "llmrouterbench", "records of LLMRouterBench", _matches, _read, run=_run
)
