"""Scores from a table of their own, put to the rows of a log."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fastroute import checks
from fastroute.outcomes.columns import Table
from fastroute.outcomes.files import Source
from fastroute.outcomes.frames import find_columns, numbers, read_source, texts

if TYPE_CHECKING:
    from fastroute.outcomes.frames import Frame

__all__ = ["with_scores"]

_ROLES: Final = {
    "query": (
        *("query", "query_id", "request_id", "observationId", "observation_id", "traceId"),
        *("trace_id", "session_id", "span_id", "id"),
    ),
    "score": ("score", "value", "reward", "rating", "label"),
    "model": ("model", "model_name"),
    "name": ("name", "score_name"),
}


def with_scores(table: Table, source: Source, scores: "Frame") -> Table:
    """Return a table of a log with the scores of another table.

    Parameters
    ----------
    table : Table
    source : Source
        What the table was read from; a column of it that the scores have too is what they are
        joined by, else the queries.
    scores : str, Path, frame, mapping or sequence
        Columns of queries and scores; with a column of models, of the answer of each.

    Raises
    ------
    ValueError
        When the scores cannot be read, are of several names, or no query has one.
    """
    import polars as pl

    read = read_source("scores", scores)
    chosen = find_columns("scores", read.frame.columns, _ROLES, {}, ("model", "name"))
    if "name" in chosen:
        names = texts(read, "name", chosen["name"]).drop_nulls().unique(maintain_order=True)
        if names.len() > 1:
            raise ValueError(
                f"scores: column {chosen['name']!r} has scores of several names "
                f"({checks.first_names(names)}); keep the rows of one"
            )
    score, wrong = numbers(read, "score", chosen["score"])
    if wrong.null_count() < wrong.len():
        at = int(wrong.is_not_null().arg_true()[0])
        raise ValueError(
            f"scores: column {chosen['score']!r} holds {checks.quoted(wrong[at])} in "
            f"{read.place(int(read.rows[at]))}, which is not a number; write a number"
        )
    keys = ["_key", *(["model"] if "model" in chosen else [])]
    columns = [score] + ([texts(read, "model", chosen["model"])] if "model" in chosen else [])
    before = [n for n in ("score", "score_wrong") if n in table.frame.columns]
    candidates = _alike(read.frame.columns, _ROLES["query"]) or [chosen["query"]]
    for name in candidates:
        alike = _alike(source.frame.columns, (name, f"context.{name}"))
        key = texts(source, "_key", alike[0]) if alike else table.frame["query"]
        by_key = pl.DataFrame([texts(read, "_key", name), *columns]).drop_nulls().group_by(keys)
        means = by_key.agg(pl.col("score").mean())
        frame = table.frame.drop(before).with_columns(key.alias("_key"))
        joined = frame.join(means, on=keys, how="left", maintain_order="left")
        if joined["score"].count():
            break
    else:
        some = read.frame[candidates[0]].drop_nulls()
        raise ValueError(
            f"scores: no {candidates[0]!r} of the scores is a query of {table.name} (such as "
            f"{checks.quoted(some[0]) if some.len() else 'none'}, and {checks.quoted(key[0])} "
            "there); name the column of both alike"
        )
    by = name if not alike or alike[0] == name else f"{name} ({alike[0]!r} of {table.name})"
    unused = means.join(frame, on=keys, how="anti").height
    notes = (f"scores: {unused:,} of {means.height:,} belong to no row",) if unused else ()
    return replace(
        table,
        frame=joined.drop("_key").with_columns(score_wrong=pl.lit(None, dtype=pl.String)),
        columns={**table.columns, "score": chosen["score"]},
        words={**table.words, "score": f"{chosen['score']} of the scores, by {by}"},
        notes=(*table.notes, *notes),
    )


def _alike(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the column of each of some names, where there is one; traceId is trace_id too."""
    by_plain = {_plain(column): column for column in reversed(columns)}
    found = [name if name in columns else by_plain.get(_plain(name)) for name in names]
    return list(dict.fromkeys(column for column in found if column is not None))


def _plain(name: str) -> str:
    """Return the name of a column without case and underscores."""
    return name.replace("_", "").casefold()
