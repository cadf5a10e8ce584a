"""`replay`: recorded outcomes of real queries, with models arriving by release date."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.outcomes import Outcomes
from fastroute.outcomes.frames import Frame
from fastroute.scenarios.arrivals import (
    arrivals_by_release,
    release_calendar,
    release_order,
    retirements_by_date,
)
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.laws import Recorded
from fastroute.scenarios.problems import find_problems, missing_remedies, refuse
from fastroute.scenarios.query_features import read_features
from fastroute.scenarios.tables import (
    ModelTable,
    Release,
    drop_models,
    is_pickle,
    keep_tasks,
    read_outcomes,
    read_releases,
    releases,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["replay"]


def replay(
    outcomes: "Frame | Outcomes",
    models: "ModelTable | None" = None,
    *,
    columns: Mapping[str, str] | None = None,
    score_range: tuple[float, float] | None = None,
    tasks: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
    order: Literal["iid", "table"] = "iid",
    features: str | Sequence[str] | None = None,
    queries: "Frame | None" = None,
    intercept: bool = True,
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
    outcomes : Outcomes, str, Path, frame, array, mapping or sequence
        What every model scored and cost on every query: a file, a folder or a table in memory, as
        for :func:`fastroute.read_outcomes`, or what that returned; or a RouterBench pickle
        (``.pkl``). Without a column of tasks all queries are of the task "all".
    models : str, Path, frame, array, mapping or sequence, optional
        ``model`` and ``release_date`` of every model in the outcomes, and of others if need be,
        which are not used; a mapping from model to date will do. May be omitted for a
        RouterBench pickle and for outcomes with a price list that has the dates.
    columns : mapping, optional
        Names of the columns where they differ, such as ``{"cost": "cost_filled"}``.
    score_range : (low, high), optional
        Of the scores in the table, which are brought to [0, 1].
    tasks : str or sequence of str, optional
        Tasks to keep; default all.
    exclude : str or sequence of str, optional
        Models to leave out, with all their outcomes.
    order : {"iid", "table"}
        Draw queries with replacement, or in the order of their first row, again and again.
    features : str or sequence of str, optional
        Columns that hold features of the query, or patterns such as ``"emb_*"``: numbers, the same
        in every row of a query. At most 64 with the constant one.
    queries : str, Path, frame, array, mapping or sequence, optional
        A table of queries with these columns; default the outcomes.
    intercept : bool
        Put a feature that is always 1 in front of the others.
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
        For pickles whose content is not known: see :func:`fastroute.scenarios.load_routerbench`.
    name, cost_unit : str
        Kept in the scenario.

    Returns
    -------
    Scenario
        Models by release date.

    Raises
    ------
    ValueError
        For everything that :func:`fastroute.scenarios.check_table` reports and no option
        allows; naming the field, the value and the remedy.
    """
    checks.choice("order", order, ("iid", "table"))
    checks.choice("missing", missing, ("error", "drop"))
    checks.choice("duplicates", duplicates, ("error", "mean"))
    checks.choice("zero_cost", zero_cost, ("error", "keep"))
    table = read_outcomes(outcomes, columns, trust_sha256, score_range)
    released = _released(outcomes, models)
    if tasks is not None:
        table = keep_tasks(table, tasks)
    if exclude is not None:
        table = drop_models(table, exclude, released)
    options = {
        "missing": missing == "drop",
        "duplicates": duplicates == "mean",
        "zero_cost": zero_cost == "keep",
    }
    allowed = [kind for kind, option in options.items() if option]
    refuse("outcomes", find_problems(table, released), allowed)

    recorded = set(table.frame["model"].unique())
    dates = {m: r.day for m, r in released.items() if r.day is not None and m in recorded}
    listed = list(dates)
    names = [listed[index] for index in release_order(list(dates.values()))]
    score, cost, kept, dropped = _matrices(table.frame, names)
    about = None
    if features is not None:
        about = _features(outcomes, queries, features, kept, columns, intercept)
    elif queries is not None:
        raise ValueError("queries without features; name the columns, features=[...]")
    source = "" if table.name == "frame" else f" from {table.name}"
    calendar = release_calendar([dates[model] for model in names], initial=initial, spread=spread)
    note = f"recorded outcomes of {score.shape[0]} queries{source}{dropped}"
    return Scenario(
        limit=limit,
        arrival=arrivals_by_release(
            [dates[model] for model in names], limit=limit, initial=initial, spread=spread
        ),
        arrival_unit="horizon",
        retirement=retirements_by_date(names, table.retired, calendar),
        calendar=calendar,
        outcomes=Recorded(score, cost, order, about),
        models=names,
        name=name,
        note=note,
        cost_unit=cost_unit,
    )


def _features(
    outcomes: "Frame | Outcomes",
    queries: "Frame | None",
    features: str | Sequence[str],
    kept: Sequence[str],
    columns: Mapping[str, str] | None,
    intercept: bool,
) -> NDArray[np.float64]:
    """Return the features of the queries that are replayed."""
    if queries is None and is_pickle(outcomes):
        raise ValueError(
            f"features={features!r}: a RouterBench pickle has none; pass a table of queries that "
            "has, queries=..."
        )
    if queries is None and isinstance(outcomes, Outcomes):
        raise ValueError(
            f"features={features!r}: outcomes that are read keep none; pass a table of queries "
            "that has them, queries=..."
        )
    field, source = ("outcomes", outcomes) if queries is None else ("queries", queries)
    assert not isinstance(source, Outcomes)
    return read_features(field, source, features, kept, columns, intercept)


def _released(outcomes: "Frame | Outcomes", models: "ModelTable | None") -> Mapping[str, Release]:
    """Return releases from the models table, or RouterBench's own."""
    if models is not None:
        return read_releases(models)
    if isinstance(outcomes, Outcomes) and outcomes.released:
        return releases(outcomes.released.keys(), outcomes.released.values())
    if is_pickle(outcomes):
        from fastroute.scenarios.routerbench import published_means

        means = published_means()
        return releases(means.models, means.released)
    raise ValueError(
        "models=None; pass a table with columns model and release_date, or a mapping from model "
        "to date"
    )


def _matrices(
    table: "pl.DataFrame", names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str], str]:
    """Return scores and costs [Q, N] of the complete queries, these, and what to note of others."""
    import polars as pl

    cells = table.group_by("query", "model", maintain_order=True).agg(
        pl.col("score").mean(), pl.col("cost").mean()
    )
    queries = (
        table.group_by("query", maintain_order=True)
        .agg(pl.col("task").first())
        .with_row_index("row")
    )
    columns = pl.DataFrame({"model": list(names), "column": range(len(names))})
    placed = cells.join(queries, on="query").join(columns, on="model")
    at = placed["row"].to_numpy(), placed["column"].to_numpy()
    matrices = np.full((2, queries.height, len(names)), np.nan)
    for matrix, field in zip(matrices, ("score", "cost"), strict=True):
        matrix[at] = placed[field].to_numpy()
    complete = ~np.isnan(matrices).any(axis=(0, 2))
    if not complete.any():
        remedies = missing_remedies(table) or ["fill the missing cells"]
        raise ValueError(
            "outcomes: missing='drop' leaves nothing, as no query has a score and a cost for every "
            f"model; {'; or '.join(remedies)}"
        )
    score, cost = matrices[:, complete]
    whole = queries.filter(complete)["query"].to_list()
    if complete.all():
        return score, cost, whole, ""
    note = f"; {int((~complete).sum())} queries with a missing cell dropped"
    kept = queries.filter(complete)["task"]
    lost = [task for task in queries["task"].unique(maintain_order=True) if task not in set(kept)]
    if lost:
        note += f", and with them every query of task {checks.first_names(lost)}"
    return score, cost, whole, note
