"""`replay`: recorded outcomes of real queries, with models arriving by release date."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from fastroute.scenario import _checks as checks
from fastroute.scenario.arrivals import arrivals_by_release, release_order
from fastroute.scenario.base import Scenario
from fastroute.scenario.tables import (
    ModelTable,
    Outcomes,
    find_problems,
    is_pickle,
    read_models,
    read_outcomes,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["replay"]


def replay(
    outcomes: Outcomes,
    models: "ModelTable | None" = None,
    *,
    columns: Mapping[str, str] | None = None,
    tasks: str | Sequence[str] | None = None,
    order: Literal["iid", "table"] = "iid",
    limit: float = 0.4,
    initial: int = 5,
    spread: float = 0.8,
    missing: Literal["error", "drop"] = "error",
    duplicates: Literal["error", "mean"] = "error",
    zero_cost: Literal["error", "keep"] = "error",
    trust_sha256: str | None = None,
    name: str = "replay",
    cost_unit: str = "USD per query",
) -> Scenario:
    """Return a scenario that replays recorded outcomes, query by query.

    A round draws one recorded query (``order="iid"``), or takes the next one
    (``order="table"``), and the chosen model earns exactly the score and cost recorded for it.
    So rewards and costs keep all their dependence within a query.

    Parameters
    ----------
    outcomes : str, Path or polars.DataFrame
        One row per query and model with columns query, task, model, score in [0, 1], cost; or
        a Parquet or CSV file of it; or a RouterBench pickle (``.pkl``).
    models : str, Path, polars.DataFrame or mapping, optional
        ``model`` and ``release_date`` of every model in the outcomes; a mapping from model to
        date will do. May be omitted for a RouterBench pickle, whose dates are known.
    columns : mapping, optional
        Names of the columns where they differ, such as ``{"cost": "cost_filled"}``.
    tasks : str or sequence of str, optional
        Tasks to keep; default all.
    order : {"iid", "table"}
        Draw queries with replacement, or in the order of their first row, again and again.
    limit : float
        Throughput limit of every model, in (0, 1].
    initial : int
        Number of models there from the first round (all, when there are fewer); the others
        arrive by release date (equal dates: order of the models table).
    spread : float
        Fraction of the horizon at which the newest model arrives, in [0, 1].
    missing : {"error", "drop"}
        What to do with a query that lacks the score or cost of a model: refuse, or drop it.
    duplicates : {"error", "mean"}
        What to do with repeated rows of a query and model: refuse, or average them.
    zero_cost : {"error", "keep"}
        What to do with costs of 0, often prices that nobody recorded: refuse, or take them as
        free.
    trust_sha256 : str, optional
        For pickles whose content is not known: see :func:`fastroute.scenario.load_routerbench`.
    name, cost_unit : str
        Kept in the scenario.

    Returns
    -------
    Scenario
        Models by release date.

    Raises
    ------
    ValueError
        For everything that :func:`fastroute.scenario.check_table` reports and no option
        allows; naming the field, the value and the remedy.
    """
    checks.choice("order", order, ("iid", "table"))
    checks.choice("missing", missing, ("error", "drop"))
    checks.choice("duplicates", duplicates, ("error", "mean"))
    checks.choice("zero_cost", zero_cost, ("error", "keep"))
    table = read_outcomes(outcomes, columns, trust_sha256)
    released = _released(outcomes, models)
    if tasks is not None:
        table = _select(table, tasks)
    allowed = {
        kind
        for kind, option in (
            ("missing", missing == "drop"),
            ("duplicates", duplicates == "mean"),
            ("zero_cost", zero_cost == "keep"),
        )
        if option
    }
    for problem in find_problems(table, released):
        if problem.kind not in allowed:
            raise ValueError(f"outcomes: {problem}")

    dates = {model: day for model, day in released.items() if day is not None}
    listed = list(dates)
    names = [listed[index] for index in release_order(list(dates.values()))]
    score, cost, dropped = _matrices(table, names)
    source = f" from {Path(outcomes).name}" if isinstance(outcomes, str | Path) else ""
    note = f"recorded outcomes of {score.shape[0]} queries{source}"
    if dropped:
        note += f"; {dropped} queries with a missing cell dropped"
    return Scenario(
        limit=limit,
        arrival=arrivals_by_release(
            [dates[model] for model in names], limit=limit, initial=initial, spread=spread
        ),
        arrival_unit="horizon",
        reward_law="replay",
        cost_law="replay",
        table_score=score,
        table_cost=cost,
        table_order=order,
        models=names,
        name=name,
        note=note,
        cost_unit=cost_unit,
    )


def _released(outcomes: Outcomes, models: "ModelTable | None") -> dict[str, date | None]:
    """Return release dates from the models table, or RouterBench's own."""
    if models is not None:
        return read_models(models)
    if is_pickle(outcomes):
        from fastroute.scenario.routerbench import published_means

        means = published_means()
        return dict(zip(means.models, means.released, strict=True))
    raise ValueError(
        "models=None; pass a table with columns model and release_date, or a mapping from model "
        "to date"
    )


def _select(table: "pl.DataFrame", tasks: str | Sequence[str]) -> "pl.DataFrame":
    """Return the rows of some tasks."""
    import polars as pl

    wanted = [tasks] if isinstance(tasks, str) else list(tasks)
    if not wanted:
        raise ValueError("tasks=[] selects no query; name at least one task, or omit it")
    known = table["task"].unique(maintain_order=True).to_list()
    for task in wanted:
        checks.choice("tasks", task, known)
    return table.filter(pl.col("task").is_in(wanted))


def _matrices(
    table: "pl.DataFrame", names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return scores and costs [Q, N] of the complete queries, and how many were not."""
    import polars as pl

    cells = table.group_by("query", "model", maintain_order=True).agg(
        pl.col("score").mean(), pl.col("cost").mean()
    )
    queries = cells.select("query").unique(maintain_order=True).with_row_index("row")
    columns = pl.DataFrame({"model": list(names), "column": range(len(names))})
    placed = cells.join(queries, on="query").join(columns, on="model")
    at = placed["row"].to_numpy(), placed["column"].to_numpy()
    matrices = np.full((2, queries.height, len(names)), np.nan)
    for matrix, field in zip(matrices, ("score", "cost"), strict=True):
        matrix[at] = placed[field].to_numpy()
    complete = ~np.isnan(matrices).any(axis=(0, 2))
    if not complete.any():
        raise ValueError(
            "outcomes: no query has a score and a cost for every model, so missing='drop' leaves "
            "nothing; leave out the models with most missing cells"
        )
    score, cost = matrices[:, complete]
    return score, cost, int(queries.height - complete.sum())
