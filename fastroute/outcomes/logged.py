"""Means of models of which each answered some of the queries, as in the log of a gateway.

All estimates are made of sums over cells, a model and a task: the number of rows and the sum of
their values, each plain and with every row counting for one over its propensity. Of one draw of the
bootstrap, the sums weigh each query by its weight in the draw.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.outcomes.estimates import Array, Method
from fastroute.outcomes.features import FEATURE
from fastroute.outcomes.table import Outcomes

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "CellSums",
    "Log",
    "cell_columns",
    "check_method",
    "default_method",
    "estimate_from",
    "log_of",
    "overlap_notes",
]

# Of the queries of a task, the part that a model saw below which nothing can be said.
_LEAST_SHARE: Final = 0.01
# Rows of a model and task that say something however small their part is.
_ENOUGH_ROWS: Final = 100
# Of the rows, the effective part below which a few of them decide.
_LEAST_EFFECTIVE: Final = 0.1
_MOST_NOTES: Final = 12


@dataclass(frozen=True)
class Log:
    """Rows of outcomes as arrays.

    Attributes
    ----------
    query, model, task : i8 [rows]
        Numbers of query, model and task; the task is 0 where tasks are not known.
    score, cost : f8 [rows]
        NaN where missing.
    weight : f8 [rows] or None
        One over the propensity; 0 where a row has none.
    queries, models, tasks : int
        How many there are.
    query_task : i8 [Q]
        Task of each query.
    features : f8 [Q, d] or None
        Features of each query, where some were asked for.
    """

    query: NDArray[np.int64]
    model: NDArray[np.int64]
    task: NDArray[np.int64]
    score: Array
    cost: Array
    weight: Array | None
    queries: int
    models: int
    tasks: int
    query_task: NDArray[np.int64]
    features: Array | None = None

    def without_tasks(self) -> "Log":
        """Return the same with all queries of one task."""
        return replace(
            self,
            task=np.zeros_like(self.task),
            query_task=np.zeros_like(self.query_task),
            tasks=1,
        )

    def effective_rows(self, *, weighted: bool) -> Array:
        """Return the effective sample size of each model, [N]."""
        weight = self.weight if weighted and self.weight is not None else np.ones(self.model.size)
        total = np.bincount(self.model, weight, self.models)
        squares = np.bincount(self.model, weight**2, self.models)
        return np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0.0)


def log_of(outcomes: Outcomes) -> Log:
    """Return outcomes of queries as arrays."""
    import polars as pl

    frame = outcomes.frame
    model = frame["model"].cast(pl.Enum(outcomes.models)).to_physical().cast(pl.Int64).to_numpy()
    numbers = frame.select(pl.col("query").unique(maintain_order=True)).with_row_index("number")
    query = (
        frame.select("query")
        .join(numbers, on="query", maintain_order="left")["number"]
        .cast(pl.Int64)
        .to_numpy()
    )
    queries = outcomes.n_queries
    if outcomes.tasks:
        # A row without a task is of the last one, which has no name.
        task = frame["task"].cast(pl.Enum(outcomes.tasks)).to_physical().cast(pl.Int64)
        task_of = task.fill_null(len(outcomes.tasks)).to_numpy()
    else:
        task_of = np.zeros(frame.height, dtype=np.int64)
    query_task = np.zeros(queries, dtype=np.int64)
    query_task[query[::-1]] = task_of[::-1]
    weight = None
    if "propensity" in frame.columns and frame["propensity"].count():
        weight = (1.0 / frame["propensity"]).fill_null(0.0).to_numpy()

    def values(name: str) -> Array:
        if name not in frame.columns:
            return np.full(frame.height, np.nan)
        return np.array(frame[name].to_numpy(), dtype=np.float64)

    return Log(
        query=query,
        model=model,
        task=query_task[query],
        score=values("score"),
        cost=values("cost"),
        weight=weight,
        queries=queries,
        models=len(outcomes.models),
        tasks=int(task_of.max()) + 1,
        query_task=query_task,
        features=_features_of(outcomes, query, queries),
    )


def _features_of(outcomes: Outcomes, query: NDArray[np.int64], queries: int) -> Array | None:
    """Return the features of each query, [Q, d].

    Raises
    ------
    ValueError
        When they differ between the rows of a query.
    """
    if not outcomes.features:
        return None
    rows = outcomes.frame.select(FEATURE + name for name in outcomes.features).to_numpy()
    found = np.empty((queries, len(outcomes.features)))
    found[query[::-1]] = rows[::-1]
    differ = np.flatnonzero((found[query] != rows).any(axis=1))
    if differ.size:
        name = outcomes.frame["query"][int(differ[0])]
        raise ValueError(
            f"features: those of query {checks.quoted(name)} differ from row to row; features are "
            "of the query, the same for every model"
        )
    return found


def cell_columns(log: Log) -> "csr_array":
    """Return what is summed over the queries, [Q, columns].

    For score and cost, plain and weighted where there are propensities: the number of rows of each
    cell and the sum of their values; then which task each query has.
    """
    from scipy.sparse import csr_array

    cell = log.model * log.tasks + log.task
    cells = log.models * log.tasks
    queries, columns, values = [], [], []
    start = 0
    for value in (log.score, log.cost):
        there = np.isfinite(value)
        rows, at, filled = log.query[there], cell[there], value[there]
        weights = [np.ones(filled.size)]
        if log.weight is not None:
            weights.append(log.weight[there])
        for weight in weights:
            for entries in (weight, weight * filled):
                queries.append(rows)
                columns.append(at + start)
                values.append(entries)
                start += cells
    queries.append(np.arange(log.queries))
    columns.append(log.query_task + start)
    values.append(np.ones(log.queries))
    placed = (np.concatenate(queries), np.concatenate(columns))
    return csr_array((np.concatenate(values), placed), shape=(log.queries, start + log.tasks))


class CellSums:
    """Sums over the cells for some draws, and the means that follow from them.

    Parameters
    ----------
    log : Log
    sums : f8 [columns, draws]
        Columns as in :func:`cell_columns`.
    """

    def __init__(self, log: Log, sums: Array) -> None:
        draws = sums.shape[1]
        per_value = 2 if log.weight is None else 4
        cells = log.models * log.tasks
        parts = sums[: 2 * per_value * cells].reshape(2, per_value, log.models, log.tasks, draws)
        self._parts = {"score": parts[0], "cost": parts[1]}
        self.queries = sums[2 * per_value * cells :]
        self._log = log

    def range(self, name: str) -> tuple[float, float]:
        """Return the least and the greatest value of all rows; NaN where there is none."""
        values = self._log.score if name == "score" else self._log.cost
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)

    def plain(self, name: str) -> tuple[Array, Array]:
        """Return number of rows and sum of values, [N, T, draws]."""
        return self._parts[name][0], self._parts[name][1]

    def by_weight(self, name: str) -> tuple[Array, Array]:
        """Return sum of weights and sum of weighted values, [N, T, draws]."""
        return self._parts[name][2], self._parts[name][3]

    def means(self, name: str) -> Array:
        """Return the mean of each cell, [draws, N, T]; NaN where it has no row."""
        rows, total = self.plain(name)
        return np.moveaxis(_ratio(total, rows), -1, 0)


def _ratio(total: Array, count: Array) -> Array:
    """Return a mean; NaN where nothing was counted."""
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0.0)


def estimate_from(sums: CellSums, method: Method, name: str) -> Array:
    """Return the mean of each model, [draws, N].

    Parameters
    ----------
    sums : CellSums
    method : {"means", "by task", "weighted", "doubly robust"}
    name : {"score", "cost"}
    """
    rows, total = sums.plain(name)
    means = _ratio(total.sum(axis=1), rows.sum(axis=1))
    if method == "means":
        return means.T
    if method == "weighted":
        weight, weighted = sums.by_weight(name)
        return _ratio(weighted.sum(axis=1), weight.sum(axis=1)).T
    # A cell without rows is taken for as good as the model is elsewhere.
    cell = np.where(rows > 0.0, _ratio(total, rows), means[:, None])
    share = sums.queries / np.maximum(sums.queries.sum(axis=0), 1.0)
    direct = (cell * share).sum(axis=1)
    if method == "by task":
        return direct.T
    weight, weighted = sums.by_weight(name)
    low, high = sums.range(name)
    rest = np.where(weight > 0.0, weighted - weight * cell, 0.0).sum(axis=1)
    # Without a weighted row there is nothing to correct by.
    corrected = direct + np.nan_to_num(_ratio(rest, weight.sum(axis=1)))
    # A correction can lead beyond what was ever seen, such as a score above 1.
    return np.clip(corrected, low, high).T


def default_method(log: Log) -> Method:
    """Return the best method that a log allows."""
    if log.weight is not None:
        return "doubly robust" if log.tasks > 1 or log.features is not None else "weighted"
    if log.features is not None:
        return "by features"
    return "by task" if log.tasks > 1 else "means"


def check_method(outcomes: Outcomes, log: Log, method: Method) -> None:
    """Raise ValueError when a log lacks what a method needs."""
    if method in ("weighted", "doubly robust") and log.weight is None:
        raise ValueError(
            f"method={method!r} needs the probability with which each model was chosen; map it, "
            "read_outcomes(..., columns={'propensity': ...})"
        )
    if method == "by features" and log.features is None:
        raise ValueError(
            f"method={method!r} needs columns that describe the queries; name them, "
            "read_outcomes(..., features=['length', 'emb_*'])"
        )
    if method == "by task" or (method == "doubly robust" and log.features is None):
        _check_tasks(outcomes, method)


def _check_tasks(outcomes: Outcomes, method: Method) -> None:
    if not outcomes.tasks:
        raise ValueError(
            f"method={method!r} needs the task of each query; map it, "
            "read_outcomes(..., columns={'task': ...})"
        )


def overlap_notes(outcomes: Outcomes, log: Log, method: Method) -> tuple[str, ...]:
    """Return what the estimates do not show, in words: bias, and what models did not see."""
    notes = []
    if method == "means":
        notes.append(
            "the means are those of the queries that each model answered: they are biased where it "
            "depended on the query which model answered; log propensities or tasks"
        )
    elif method == "by task":
        notes.append(
            "the queries of a task are taken for alike: the means are biased where it depended on "
            "more than the task which model answered; log propensities"
        )
    elif method == "by features":
        notes.append(
            "the means are those of a linear regression on the features: they are biased where it "
            "depended on more than these which model answered; log propensities"
        )
    unweighted = 0 if log.weight is None else int((log.weight == 0.0).sum())
    if unweighted and method in ("weighted", "doubly robust"):
        notes.append(f"{unweighted:,} rows have no propensity and are not weighted")
    notes += _unseen(outcomes, log)
    if method in ("weighted", "doubly robust"):
        effective = log.effective_rows(weighted=True)
        rows = np.bincount(log.model, minlength=log.models)
        for at in np.flatnonzero(effective < _LEAST_EFFECTIVE * rows):
            notes.append(
                f"{outcomes.models[at]!r}: {int(rows[at]):,} rows say as much as "
                f"{effective[at]:.0f}, because a few were chosen with a small probability"
            )
    return tuple(notes)


def _unseen(outcomes: Outcomes, log: Log) -> list[str]:
    """Return the tasks of which models saw too little."""
    if not outcomes.tasks:
        return []
    seen = np.zeros((log.models, log.tasks))
    np.add.at(seen, (log.model, log.task), 1.0)
    size = np.bincount(log.query_task, minlength=log.tasks)
    found: list[tuple[float, str]] = []
    for model, task in zip(*np.nonzero(seen < _ENOUGH_ROWS), strict=True):
        share = seen[model, task] / max(size[task], 1)
        if task >= len(outcomes.tasks) or share >= _LEAST_SHARE or size[task] == 0:
            continue
        part = f"{100.0 * share:.1f} %" if seen[model, task] else "none"
        found.append(
            (
                -float(size[task]),
                f"{outcomes.models[model]!r} saw {part} of the queries of task "
                f"{checks.quoted(outcomes.tasks[task])}: nothing can be said there",
            )
        )
    found.sort(key=lambda entry: entry[0])
    words = [note for _, note in found[:_MOST_NOTES]]
    if len(found) > _MOST_NOTES:
        words.append(f"{len(found) - _MOST_NOTES} more pairs of model and task have no overlap")
    return words
