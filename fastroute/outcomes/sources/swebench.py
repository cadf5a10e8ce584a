"""SWE-bench: what agents resolved and spent, instance by instance, and its leaderboards."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from fastroute import checks
from fastroute.outcomes.files import Content, rows_source
from fastroute.outcomes.sources.base import Found, Schema, SourceKind
from fastroute.outcomes.table import RowCount

__all__ = ["SWEBENCH", "SWEBENCH_BOARD"]

_DETAILS: Final = "per_instance_details"


def _is_details(value: object) -> bool:
    """Return whether an object maps instances to what was resolved."""
    if not isinstance(value, Mapping) or not value:
        return False
    first = next(iter(value.values()))
    return isinstance(first, Mapping) and "resolved" in first


def _one_model(content: Content) -> str | None:
    """Return the model of a file of details, which only its name or its folder says.

    A leaderboard may map models to what they resolved in the same way; there that is a number.
    """
    entries = content.entries
    if content.path is None or not isinstance(entries, Mapping) or not entries:
        return None
    first = next(iter(entries.values()))
    if not isinstance(first, Mapping) or not isinstance(first.get("resolved"), bool):
        return None
    own = content.path.stem == _DETAILS
    return content.path.absolute().parent.name if own else content.path.stem


def _boards(entries: object) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return the leaderboards of a file, each with its name and entries."""
    if isinstance(entries, Mapping) and isinstance(entries.get("leaderboards"), list):
        found = [
            (str(board.get("name", "")), board.get("results"))
            for board in entries["leaderboards"]
            if isinstance(board, Mapping)
        ]
    elif isinstance(entries, Mapping) and _DETAILS in entries:
        found = [("", [entries])]
    else:
        found = [("", entries)]
    return [
        (name, [entry for entry in results if isinstance(entry, Mapping) and "name" in entry])
        for name, results in found
        if isinstance(results, list)
    ]


def _matches(content: Content) -> bool:
    """Return whether a file has details of instances."""
    entries = content.entries
    if isinstance(entries, Mapping) and entries and _is_details(next(iter(entries.values()))):
        return True
    if _one_model(content) is not None:
        return True
    return any(_is_details(entry.get(_DETAILS)) for _, board in _boards(entries) for entry in board)


def _board_matches(content: Content) -> bool:
    """Return whether a file has leaderboards without details."""
    return any("resolved" in entry for _, board in _boards(content.entries) for entry in board)


def _cells(content: Content) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield leaderboard, model and details of each."""
    entries = content.entries
    model = _one_model(content)
    if model is not None:
        yield "", model, entries
        return
    if isinstance(entries, Mapping) and _is_details(next(iter(entries.values()), None)):
        yield from (("", str(model), details) for model, details in entries.items())
        return
    for name, board in _boards(entries):
        for entry in board:
            details = entry.get(_DETAILS)
            yield name, str(entry["name"]), details if isinstance(details, Mapping) else {}


def _read(content: Content) -> Found:
    """Return one row for each instance and model."""
    rows: list[dict[str, Any]] = []
    without = 0
    cells = list(_cells(content))
    several = len({board for board, _, details in cells if details}) > 1
    for board, model, details in cells:
        without += not details
        for instance, cell in details.items():
            if not isinstance(cell, Mapping):
                raise ValueError(
                    f"instance {checks.quoted(instance)} of {model!r} is {checks.quoted(cell)}; "
                    'write an object such as {"resolved": true, "cost": 0.2}'
                )
            # One instance may be in several leaderboards.
            query = f"{board}/{instance}" if several else instance
            row = {"query": query, "model": model, "score": cell.get("resolved")}
            if (cost := cell.get("cost", cell.get("instance_cost"))) is not None:
                row["cost"] = cost
            rows.append(row | ({"task": board} if board else {}))
    source = replace(
        rows_source(rows),
        path=content.path,
        locate=lambda row: f"entry {rows[row]['query']!r} of {rows[row]['model']!r}",
    )
    roles = [role for role in ("query", "model", "score", "cost", "task") if role in source.frame]
    words = {"query": "instance", "model": "name of the entry", "score": "resolved"}
    account = (RowCount(f"entries without {_DETAILS}", without),) if without else ()
    return Found(
        source, {role: role for role in roles}, len(rows) + without, words=words, account=account
    )


_BOARD: Final = Schema(
    {
        "model": ("name",),
        "score": ("resolved",),
        # Their "cost" is that of the whole run.
        "cost": ("instance_cost", "cost_per_instance"),
        "release_date": ("model_release_date", "date"),
        "n": ("n", "instances"),
    }
)


def _read_board(content: Content) -> Found:
    """Return one row for each entry of the one leaderboard that a file has."""
    import polars as pl

    boards = [(name, board) for name, board in _boards(content.entries) if board]
    if len(boards) > 1:
        raise ValueError(
            f"it holds the leaderboards {checks.first_names(name for name, _ in boards)}; keep one"
        )
    source = replace(rows_source(boards[0][1]), path=content.path, locate=_entry_place)
    found = _BOARD.read(replace(content, table=source))
    resolved = source.frame[found.columns["score"]].cast(pl.Float64, strict=False).max()
    percent = isinstance(resolved, float) and resolved > 1.0
    return replace(found, score_range=(0.0, 100.0) if percent else None)


def _entry_place(row: int) -> str:
    return f"entry {row + 1}"


SWEBENCH: Final = SourceKind("swebench", "instances of SWE-bench", _matches, _read)
SWEBENCH_BOARD: Final = SourceKind(
    "swebench board", "a leaderboard of SWE-bench", _board_matches, _read_board
)
