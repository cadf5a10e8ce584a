"""Means of models by a regression of what they scored on features of the queries.

For each model, a ridge regression on the features and tasks is fitted in each half of the queries
and predicts the other half, so that no prediction has seen its own row. The mean of a model is that
of its predictions over all queries ("by features"), and with propensities plus the weighted mean of
what they leave over ("doubly robust").

A draw of the bootstrap weighs the queries. Predictions move with it to first order, which again is
a sum over queries: so all draws are products of their weights with four columns for each model.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.outcomes.estimates import Array
from fastroute.outcomes.logged import Log

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["feature_sums", "from_feature_sums"]

#: Columns for each model: what is predicted, the weights, the weighted rest, how predictions move.
PER_MODEL: Final = 4
# Penalty of the coefficients of features with variance 1, in rows.
_PENALTY: Final = 1.0


def feature_sums(
    log: Log, name: str, *, weighted: bool, groups: "csr_array | None" = None
) -> Array:
    """Return what is summed over the queries, [Q, N, 4].

    Parameters
    ----------
    log : Log
        With features.
    name : {"score", "cost"}
    weighted : bool
        Whether the rest is added, by propensity.
    groups : sparse array [G, Q], optional
        Which queries are summed together, for [G, N, 4].
    """
    design = _design(log)
    # Halves by lot, the same at any time: files often alternate.
    half = np.random.default_rng(0).permutation(log.queries) % 2
    values = log.score if name == "score" else log.cost
    found = np.zeros((log.queries if groups is None else groups.shape[0], log.models, PER_MODEL))
    for model in range(log.models):
        rows = np.flatnonzero((log.model == model) & np.isfinite(values))
        columns = _columns(log, design, half, rows, values[rows], weighted=weighted)
        found[:, model] = columns if groups is None else groups @ columns
    return found


def from_feature_sums(sums: Array, queries: Array, centre: Array, log: Log, name: str) -> Array:
    """Return the mean of each model, [draws, N].

    Parameters
    ----------
    sums : f8 [draws, N, 4]
        Of :func:`feature_sums`, with the weights of each draw.
    queries : f8 [draws]
        Sum of the weights of all queries.
    centre : f8 [N]
        Sum of how predictions move with all weights 1.
    log : Log
    name : {"score", "cost"}
    """
    predicted, weight, rest, moved = np.moveaxis(sums, -1, 0)
    correction = np.divide(rest, weight, out=np.zeros_like(rest), where=weight > 0.0)
    found = predicted / queries[:, None] + correction + (moved - centre)
    values = log.score if name == "score" else log.cost
    values = values[np.isfinite(values)]
    # A regression can lead beyond what was ever seen, such as a score above 1.
    return np.clip(found, values.min(), values.max()) if values.size else found


def _design(log: Log) -> Array:
    """Return the columns of the regression, [Q, d]: 1, features of variance 1, tasks."""
    assert log.features is not None
    spread = log.features.std(axis=0)
    kept = spread > 0.0
    scaled = (log.features[:, kept] - log.features[:, kept].mean(axis=0)) / spread[kept]
    tasks = np.arange(log.tasks) if log.tasks > 1 else np.arange(0)
    of_task = (log.query_task[:, None] == tasks).astype(np.float64)
    return np.hstack([np.ones((log.queries, 1)), scaled, of_task])


def _columns(
    log: Log,
    design: Array,
    half: NDArray[np.int64],
    rows: NDArray[np.int64],
    values: Array,
    *,
    weighted: bool,
) -> Array:
    """Return the columns of one model, [Q, 4]; NaN where nothing is known of it."""
    found = np.zeros((log.queries, PER_MODEL))
    if not rows.size:
        found[:, 0] = np.nan
        return found
    query = log.query[rows]
    weight = np.zeros(rows.size)
    if weighted and log.weight is not None:
        weight = log.weight[rows]
    total = weight.sum()
    rest = np.empty(rows.size)
    penalty = np.full(design.shape[1], _PENALTY)
    penalty[0] = 0.0
    for side in (0, 1):
        fitted = np.flatnonzero(half[query] != side)
        if not fitted.size:
            # Nothing in the other half: its own rows, which is better than nothing.
            fitted = np.arange(rows.size)
        inner = design[query[fitted]]
        gram = np.linalg.inv(inner.T @ inner + np.diag(penalty))
        beta = gram @ (inner.T @ values[fitted])
        there = half == side
        found[there, 0] = design[there] @ beta
        judged = half[query] == side
        rest[judged] = values[judged] - design[query[judged]] @ beta
        # How the estimate moves with the coefficients, and these with the weight of each row.
        slope = design[there].sum(axis=0) / log.queries
        if total > 0.0:
            slope = slope - (weight[judged, None] * design[query[judged]]).sum(axis=0) / total
        moves = (values[fitted] - inner @ beta) * (inner @ (gram @ slope))
        np.add.at(found[:, 3], query[fitted], moves)
    np.add.at(found[:, 1], query, weight)
    np.add.at(found[:, 2], query, weight * rest)
    return found
