"""The bootstrap over queries: all means of one draw come from the same queries.

A draw gives each query a Poisson(1) weight, as good as drawing that many queries with replacement,
and every estimate is a function of weighted sums. So the sums of all draws are products of a matrix
of weights, which is made in blocks, with a matrix of what is summed.
"""

from collections.abc import Iterator
from math import factorial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.outcomes.by_features import feature_sums, from_feature_sums
from fastroute.outcomes.estimates import METHODS, Array, Estimates, Method
from fastroute.outcomes.logged import (
    CellSums,
    Log,
    cell_columns,
    check_method,
    default_method,
    estimate_from,
    log_of,
    overlap_notes,
)
from fastroute.outcomes.table import Outcomes

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["estimate", "query_weights"]

# Numbers of a block of weights: 64 MB.
_BLOCK: Final = 8_000_000
# Queries that are drawn one by one; of more, random groups are drawn.
_MOST_DRAWN: Final = 20_000
# Numbers of a matrix of sums that is kept with its zeros: 128 MB.
_DENSE: Final = 16_000_000
# Weights are looked up by 16 random bits, which moves their mean by 1e-6 at most.
_LEVELS: Final = 1 << 16
_VALUES: Final = ("score", "cost")
# A model with fewer rows has intervals that are too narrow.
_FEW_ROWS: Final = 30


def query_weights(
    draws: int, queries: int, rng: np.random.Generator
) -> Iterator[tuple[slice, Array]]:
    """Yield bootstrap weights of the queries in blocks: which draws, and weights [draws, Q]."""
    table = _poisson_table()
    size = max(1, min(draws, _BLOCK // max(queries, 1)))
    for start in range(0, draws, size):
        stop = min(start + size, draws)
        weights = table[rng.integers(0, _LEVELS, (stop - start, queries), dtype=np.uint16)]
        # A draw of no query at all, which only a few queries can have, says nothing.
        weights[~weights.any(axis=1)] = 1.0
        yield slice(start, stop), weights


def _poisson_table() -> Array:
    """Return the Poisson(1) weight of each of 2**16 equally likely numbers."""
    share = np.cumsum([np.exp(-1.0) / factorial(k) for k in range(12)])
    ends = np.rint(share * _LEVELS).astype(np.int64)
    return np.searchsorted(ends, np.arange(_LEVELS), side="right").astype(np.float64)


def estimate(outcomes: Outcomes, draws: int, seed: int, method: Method | None) -> Estimates:
    """Return what :meth:`Outcomes.estimate` does."""
    draws = checks.integer("draws", draws, 1)
    rng = np.random.default_rng(checks.seed("seed", seed))
    if method is not None:
        checks.choice("method", method, METHODS)
    if outcomes.kind == "means":
        if method not in (None, "means"):
            raise ValueError(f"method={method!r} with a leaderboard, which has its means only")
        return _board(outcomes, draws, rng)
    return _of_queries(outcomes, draws, rng, method)


def _board(outcomes: Outcomes, draws: int, rng: np.random.Generator) -> Estimates:
    """Return the means of a leaderboard; scores vary as those of n right and wrong answers."""
    frame = outcomes.frame
    size = len(outcomes.models)
    score, cost = (_column(outcomes, name) for name in ("score", "cost"))
    number = _column(outcomes, "n")
    known = np.isfinite(number) & (score >= 0.0) & (score <= 1.0)
    scores = np.tile(score, (draws, 1))
    count = np.where(known, number, 1.0).round().astype(np.int64)
    right = rng.binomial(count, np.where(known, score, 0.5), (draws, size))
    scores[:, known] = (right / count)[:, known]
    notes = []
    if "n" not in frame.columns:
        notes.append(
            "a leaderboard without the number of queries: how sure its means are is not known"
        )
    elif known.any():
        notes.append(
            "a leaderboard: scores vary as n right or wrong answers would, each model by itself; "
            "how sure its costs are is not known"
        )
    return Estimates(
        outcomes.models,
        score,
        cost,
        scores,
        np.tile(cost, (draws, 1)),
        np.where(np.isfinite(number), number, np.nan),
        tuple(notes),
    )


def _column(outcomes: Outcomes, name: str) -> Array:
    """Return a column of a leaderboard; NaN where it has none."""
    if name not in outcomes.frame.columns:
        return np.full(outcomes.frame.height, np.nan)
    return np.array(outcomes.frame[name].to_numpy(), dtype=np.float64)


def _of_queries(
    outcomes: Outcomes, draws: int, rng: np.random.Generator, method: Method | None
) -> Estimates:
    """Return the means of outcomes of queries."""
    log = log_of(outcomes)
    used: Method = method or ("means" if outcomes.kind == "full" else default_method(log))
    check_method(outcomes, log, used)
    size = len(outcomes.models)
    whole = _sums(log)
    if log.features is not None and used in ("by features", "doubly robust"):
        means, drawn = _by_features(log, draws, rng, weighted=used == "doubly robust")
    else:
        means, drawn = _by_cells(log, whole, draws, rng, used)
    for name, found in drawn.items():
        # A draw without a row of a model says nothing of it.
        np.copyto(found, means[name], where=np.isnan(found))
    rows_of = np.bincount(log.model, minlength=size)
    unbiased = outcomes.kind == "full" and used == "means"
    notes = () if unbiased else overlap_notes(outcomes, log, used)
    return Estimates(
        outcomes.models,
        means["score"],
        means["cost"],
        drawn["score"],
        drawn["cost"],
        log.effective_rows(weighted=used in ("weighted", "doubly robust")),
        (*notes, *_few_rows(outcomes, rows_of)),
        used,
        outcomes.tasks,
        _named(whole, "score", outcomes),
        _named(whole, "cost", outcomes),
    )


def _by_cells(
    log: Log, whole: CellSums, draws: int, rng: np.random.Generator, used: Method
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the means of scores and costs from sums over models and tasks, and their draws."""
    means = {name: estimate_from(whole, used, name)[0] for name in _VALUES}
    drawn = {name: np.empty((draws, log.models)) for name in means}
    # Where the tasks do not matter they need not be summed apart.
    summed = log if used in ("by task", "doubly robust") else log.without_tasks()
    columns = cell_columns(summed)
    if log.queries > _MOST_DRAWN:
        columns = _random_groups(log.queries, rng) @ columns
    matrix = columns.toarray() if np.prod(columns.shape) <= _DENSE else columns.T.tocsr()
    for rows, weights in query_weights(draws, columns.shape[0], rng):
        if isinstance(matrix, np.ndarray):
            sums = CellSums(summed, (weights @ matrix).T)
        else:
            sums = CellSums(summed, matrix @ np.ascontiguousarray(weights.T))
        for name, found in drawn.items():
            found[rows] = estimate_from(sums, used, name)
    return means, drawn


def _by_features(
    log: Log, draws: int, rng: np.random.Generator, *, weighted: bool
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the means of scores and costs by a regression on features, and their draws."""
    grouped = log.queries > _MOST_DRAWN
    groups = _random_groups(log.queries, rng) if grouped else None
    size = np.ones(log.queries) if groups is None else np.asarray(groups.sum(axis=1)).ravel()
    sums = {name: feature_sums(log, name, weighted=weighted, groups=groups) for name in _VALUES}
    centre = {name: found[:, :, -1].sum(axis=0) for name, found in sums.items()}
    whole = np.array([float(log.queries)])
    means = {
        name: from_feature_sums(found.sum(axis=0)[None], whole, centre[name], log, name)[0]
        for name, found in sums.items()
    }
    drawn = {name: np.empty((draws, log.models)) for name in sums}
    flat = {name: found.reshape(len(found), -1) for name, found in sums.items()}
    for rows, weights in query_weights(draws, len(size), rng):
        for name, found in drawn.items():
            shaped = (weights @ flat[name]).reshape(len(weights), log.models, -1)
            found[rows] = from_feature_sums(shaped, weights @ size, centre[name], log, name)
    return means, drawn


def _sums(log: Log) -> CellSums:
    """Return the sums of all queries, each counted once."""
    return CellSums(log, cell_columns(log).T @ np.ones((log.queries, 1)))


def _random_groups(queries: int, rng: np.random.Generator) -> "csr_array":
    """Return which of the groups each query is in, [groups, Q].

    What is drawn are groups then, each with the sums of its queries. As queries are put into them
    at random, the spread of the draws is the same on the mean, and off by 1 / sqrt(2 groups).
    """
    from scipy.sparse import csr_array

    group = rng.permutation(queries) % _MOST_DRAWN
    entries = (np.ones(queries), (group, np.arange(queries)))
    return csr_array(entries, shape=(_MOST_DRAWN, queries))


def _named(whole: CellSums, name: str, outcomes: Outcomes) -> Array | None:
    """Return the mean of each task and model, [T, N]; None where no task is known."""
    return whole.means(name)[0].T[: len(outcomes.tasks)] if outcomes.tasks else None


def _few_rows(outcomes: Outcomes, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return which models have so few rows that their intervals are too narrow."""
    few = np.flatnonzero(rows < _FEW_ROWS)
    if not few.size:
        return ()
    names = checks.first_names(outcomes.models[at] for at in few)
    return (f"fewer than {_FEW_ROWS} rows of {names}: the intervals of such models are too narrow",)
