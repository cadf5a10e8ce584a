"""Feature columns of a table: found by patterns, one row of numbers for each query."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.kernels.types import MOST_FEATURES
from fastroute.outcomes.features import feature_columns, feature_values
from fastroute.outcomes.frames import Frame, find_columns, read_source, texts
from fastroute.outcomes.sources import plain

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
    chosen = feature_columns(field, read.frame.columns, patterns, outcomes)
    size = len(chosen) + intercept
    if size > MOST_FEATURES:
        constant = " and the constant one" if intercept else ""
        raise ValueError(
            f"features={patterns!r} finds {len(chosen)} columns{constant}, above {MOST_FEATURES}; "
            "name fewer, such as the first principal components"
        )
    found = pl.DataFrame([texts(read, "query", query), *(feature_values(read, c) for c in chosen)])
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
