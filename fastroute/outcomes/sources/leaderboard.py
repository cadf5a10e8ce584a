"""Leaderboards: one row for each model with its mean score and cost, and no queries."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from fastroute.outcomes.files import Content, Source, rows_source
from fastroute.outcomes.frames import known_columns
from fastroute.outcomes.sources.base import Found, Schema, SourceKind, has_columns
from fastroute.outcomes.sources.plain import ROLES as QUERY_ROLES
from fastroute.outcomes.table import RowCount

__all__ = ["LEADERBOARD", "ROLES"]

_RUN_COSTS: Final = ("total_cost", "total_cost_usd")
# Aider writes them as percentages.
_PERCENTAGES: Final = ("pass_rate_2", "pass_rate_1")
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("model", "model_name", "name", "llm", "system"),
    "score": (
        *("score", "mean_score", "reward", "pass_rate", "accuracy", "performance", "resolved"),
        *("average", "global average", "global_average", "avg_score", *_PERCENTAGES),
    ),
    "cost": (
        *("cost", "mean_cost", "mean_cost_usd", "cost_per_query", "instance_cost", "avg_cost"),
        *_RUN_COSTS,
    ),
    "release_date": ("release_date", "released", "date"),
    "n": ("n", "n_queries", "n_prompts", "test_cases", "num_queries", "queries", "count"),
}
#: A column of these has a query in each row; one named index may number the rows.
_QUERIES: Final = tuple(name for name in QUERY_ROLES["query"] if name != "index")
# A leaderboard with a row for each model and data set says in one of these columns which row is
# that of all data sets, by one of these words.
_SETS: Final = ("dataset", "data_set", "benchmark", "task", "category", "eval_name")
_OVERALL: Final = ("all", "overall", "average", "total")


def _by_model(content: Content) -> Source | None:
    """Return the table of a file that maps models to objects with their score and cost."""
    entries = content.entries
    if not isinstance(entries, Mapping) or not entries:
        return content.table
    if not all(isinstance(entry, Mapping) for entry in entries.values()):
        return content.table
    rows = [{"model": model, **entry} for model, entry in entries.items()]
    return replace(rows_source(rows), path=content.path, locate=lambda row: f"entry {row + 1}")


def _matches(content: Content) -> bool:
    """Return whether there is one row for each model, with a score and a cost."""
    source = _by_model(content)
    if source is None:
        return False
    table = replace(content, table=source)
    if not has_columns(table, ROLES["model"], ROLES["score"], ROLES["cost"]):
        return False
    if has_columns(table, _QUERIES):
        return False
    source, _ = _overall(source)
    model = source.frame[known_columns(source.frame.columns, ROLES)["model"]]
    return bool(model.drop_nulls().is_unique().all())


def _overall(source: Source) -> tuple[Source, tuple[RowCount, ...]]:
    """Return the rows of all data sets together, where models have rows of several."""
    import polars as pl

    names = known_columns(source.frame.columns, {"model": ROLES["model"], "set": _SETS})
    if "model" not in names or "set" not in names:
        return source, ()
    model = source.frame[names["model"]]
    if model.drop_nulls().is_unique().all():
        return source, ()
    words = source.frame[names["set"]].cast(pl.String).str.strip_chars().str.to_lowercase()
    single = ~words.fill_null("").is_in(_OVERALL)
    if model.filter(~single).n_unique() < model.n_unique():
        # Of a model without such a row nobody knows how good it is on all of them.
        return source, ()
    first = source.place(int(source.rows[single.arg_true()[0]]))
    rule = f"of single data sets (column {names['set']!r})"
    return source.kept(~single), (RowCount(rule, int(single.sum()), first),)


def _read(content: Content) -> Found:
    """Return the rows; whether scores are percentages and costs those of a run."""
    source = _by_model(content)
    assert source is not None
    read = source.frame.height
    source, account = _overall(source)
    found = Schema(ROLES).read(replace(content, table=source))
    found = replace(found, rows_read=read, account=(*account, *found.account))
    columns = {role: name.casefold() for role, name in found.columns.items()}
    return replace(
        found,
        score_range=(0.0, 100.0) if columns.get("score") in _PERCENTAGES else None,
        cost_per_run=columns.get("cost") in _RUN_COSTS,
    )


LEADERBOARD: Final = SourceKind(
    "leaderboard",
    "a leaderboard: one row for each model, no queries",
    _matches,
    _read,
    by_columns=True,
)
