"""Feature columns of a table: found by patterns, one row of numbers for each query."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.kernels.types import MOST_FEATURES
from fastroute.outcomes.frames import Frame, Source, find_columns, numbers, read_source, texts
from fastroute.outcomes.sources import plain

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_features"]

_QUERY: Final = {"query": plain.ROLES["query"]}
#: Columns that say what came of a query; whoever knows these needs no estimate.
_OUTCOMES: Final = ("model", "score", "cost")


def read_features(
    field: str,
    source: Frame,
    patterns: str | Sequence[str],
    names: Sequence[str],
    columns: Mapping[str, str] | None,
    intercept: bool,
) -> NDArray[np.float64]:
    """Return the features of some queries, [Q, d].

    Parameters
    ----------
    field : str
        What the table is called in messages.
    source : str, Path, frame, array, mapping or sequence
        A table with a column of queries; a query may have several rows, with the same features.
    patterns : str or sequence of str
        Names of columns, or patterns such as ``"emb_*"``.
    names : sequence of str
        The queries, in their order.
    columns : mapping or None
        As in :func:`fastroute.scenarios.tables.read_outcomes`.
    intercept : bool
        Whether a feature that is always 1 comes first.

    Raises
    ------
    ValueError
        When a pattern finds no column, a column is no feature, or a query has none.
    """
    import polars as pl

    read = read_source(field, source)
    given = {role: name for role, name in (columns or {}).items() if name in read.frame.columns}
    query = find_columns(field, read.frame.columns, _QUERY, _only(given, "query"))["query"]
    outcomes = {given.get(role, role) for role in _OUTCOMES} | {query}
    chosen = _chosen(field, read.frame.columns, patterns, outcomes)
    size = len(chosen) + intercept
    if size > MOST_FEATURES:
        constant = " and the constant one" if intercept else ""
        raise ValueError(
            f"features={patterns!r} finds {len(chosen)} columns{constant}, above {MOST_FEATURES}; "
            "name fewer, such as the first principal components"
        )
    found = pl.DataFrame([texts(read, "query", query), *(_column(read, c) for c in chosen)])
    found = found.drop_nulls("query").unique(maintain_order=True)
    twice = found.filter(found["query"].is_duplicated())
    if twice.height:
        raise ValueError(
            f"{field}: the features of query {checks.quoted(twice['query'][0])} differ from row to "
            "row; features are of the query, the same for every model"
        )
    wanted = pl.DataFrame({"query": list(names)})
    joined = wanted.join(found, on="query", how="left", maintain_order="left")
    lost = wanted.join(found, on="query", how="anti", maintain_order="left")
    if lost.height:
        raise ValueError(
            f"{field}: query {checks.quoted(lost['query'][0])} has no row, so that its features "
            "are not known; add it, or drop its outcomes"
        )
    table = joined.drop("query").to_numpy().astype(np.float64).reshape(len(names), len(chosen))
    return np.column_stack([np.ones(len(names)), table]) if intercept else table


def _only(columns: Mapping[str, str], role: str) -> dict[str, str]:
    return {role: columns[role]} if role in columns else {}


def _chosen(
    field: str, names: Sequence[str], patterns: str | Sequence[str], outcomes: set[str]
) -> list[str]:
    """Return the columns that patterns find, in the order of the patterns and of the table."""
    chosen: dict[str, None] = {}
    for pattern in checks.name_list("features", patterns):
        if not isinstance(pattern, str):
            raise checks.refused(
                "features", patterns, "names of columns, or patterns", 'as ["emb_*"]'
            )
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            raise ValueError(
                f"features: {pattern!r} finds no column of the table of {field}"
                f"{checks.nearest(pattern, names)}"
            )
        for name in found:
            if name in outcomes:
                raise ValueError(
                    f"features: {pattern!r} finds column {name!r}, which is no feature of a query; "
                    "use a pattern that leaves it out"
                )
        chosen |= dict.fromkeys(found)
    if not chosen:
        raise ValueError("features=[] names no column; name at least one, or omit it")
    return list(chosen)


def _column(read: Source, name: str) -> "pl.Series":
    """Return a column of numbers; every entry must be one."""
    import polars as pl

    values, wrong = numbers(read, f"features: {name}", name)
    words = wrong.is_not_null().arg_true()
    if words.len():
        row = int(words[0])
        raise ValueError(
            f"features: column {name!r} holds {checks.quoted(wrong[row])} in "
            f"{read.place(int(read.rows[row]))}, which is not a number; use numeric columns"
        )
    bad = (values.is_null() | ~values.is_finite().fill_null(False)).arg_true()
    if bad.len():
        row = int(bad[0])
        raise ValueError(
            f"features: column {name!r} has no finite number in {read.place(int(read.rows[row]))}; "
            "fill it, or use other columns"
        )
    return values.cast(pl.Float64).alias(name)
