"""Decision logs of online routers: each query went to the model that served it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fastroute.outcomes.files import Content
from fastroute.outcomes.sources.base import Found, SourceKind, has_columns
from fastroute.outcomes.table import RowCount

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DECISIONS"]

_COLUMNS: Final[Mapping[str, str]] = {
    "query": "query",
    "model": "served",
    "score": "reward",
    "cost": "cost",
    "task": "task",
    "propensity": "propensity",
    "time": "time",
}
_WORDS: Final[Mapping[str, str]] = {
    "query": "replica and number of the decision",
    "model": "the model that served",
    "propensity": "of the model that served",
}


def _matches(content: Content) -> bool:
    return isinstance(content.entries, Mapping) and has_columns(
        content, ("replica",), ("number",), ("chosen",), ("served",)
    )


def _read(content: Content) -> Found:
    """Return the decisions that were served and of which something is known."""
    import polars as pl

    assert content.table is not None
    source, account = content.table, []
    rows = source.frame.height
    if rows and source.frame["served"].null_count() == rows:
        raise ValueError("no decision was served: no model could take a query")
    for rule, kept in (
        ("decisions that no model could serve", pl.col("served").is_not_null()),
        (
            "decisions of which neither reward nor cost was observed",
            pl.any_horizontal(pl.col("reward", "cost").is_not_null()),
        ),
    ):
        good = source.frame.select(kept).to_series()
        if not good.all():
            first = source.place(int(source.rows[(~good).arg_true()[0]]))
            account.append(RowCount(rule, int((~good).sum()), first))
            source = source.kept(good)
    if rows and not source.frame.height:
        raise ValueError("no outcome was observed yet; tell the router rewards and costs")
    notes = _notes(source.frame, content.entries)
    there = {
        role: name
        for role, name in _COLUMNS.items()
        if role != "task" or source.frame[name].null_count() < source.frame.height
    }
    settings: Any = content.entries
    return Found(
        source,
        there,
        rows,
        {role: words for role, words in _WORDS.items() if role in there},
        tuple(account),
        notes=tuple(notes),
        budget=settings.get("budget"),
        max_deployed=settings.get("max_deployed"),
    )


def _notes(frame: "pl.DataFrame", settings: Any) -> list[str]:
    """Return what is to be known of decisions in which another model served than was chosen."""
    others = int((frame["served"] != frame["chosen"]).fill_null(True).sum())
    mode = settings.get("mode", "apply")
    if mode != "apply":
        return [
            f"propensity: in mode {mode!r} {settings.get('serve')!r} takes every query, with "
            f"probability 1; another model was chosen in {others:,} of {frame.height:,} decisions, "
            "and nothing can be weighted"
        ]
    if others:
        return [
            f"propensity: {others:,} of {frame.height:,} decisions were served by another model "
            "than was chosen, because the money of the window was spent; they have no propensity "
            "and cannot be weighted"
        ]
    return []


DECISIONS: Final = SourceKind(
    "decision log",
    "the decision log of an online router",
    _matches,
    _read,
    by_columns=True,
)
