"""LLMRouterBench: one file of records for each data set and model, in folders."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from fastroute.outcomes.files import Content, rows_source
from fastroute.outcomes.sources.base import Found, SourceKind

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


def _from_folders(inside: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return model and data set of DATASET/SPLIT/MODEL/TIME.json or DATASET/MODEL.json."""
    match inside:
        case (*_, task, _, model, _) | (task, model, _):
            return model, task
        case (task, file):
            return Path(file).stem, task
    return None, None


def _read(content: Content) -> Found:
    """Return one row for each record; the file, or else its folders, name data set and model."""
    entries: Mapping[str, Any] = content.entries
    model_folder, task_folder = _from_folders(content.inside)
    model = entries.get("model_name") or entries.get("model") or model_folder
    task = entries.get("dataset_name") or entries.get("dataset") or task_folder
    for what, value in (("model_name", model), ("dataset_name", task)):
        if not value:
            raise ValueError(f"no {what}; write it beside the records")
    rows, columns = [], {"query": "query", "model": "model", "task": "task"}
    for number, record in enumerate(entries["records"]):
        if not isinstance(record, Mapping) or "index" not in record:
            raise ValueError(f"record {number + 1} of {content.name} has no index; number it")
        row: dict[str, Any] = {"query": f"{task}/{record['index']}", "model": model, "task": task}
        for role, names in _FIELDS.items():
            name = next((name for name in names if name in record), None)
            if name is not None:
                row[role] = record[name]
                columns[role] = role
        rows.append(row)
    source = replace(rows_source(rows), path=content.path, locate=lambda row: f"record {row + 1}")
    words = {
        "query": "dataset_name and records.index",
        "model": "model_name",
        "task": "dataset_name",
    }
    return Found(source, columns, len(rows), words=words)


LLMROUTERBENCH: Final = SourceKind("llmrouterbench", "records of LLMRouterBench", _matches, _read)
