"""`means`: a leaderboard, one row per model with its mean score and cost."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

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
from fastroute.scenarios.laws import CostLaw, RewardLaw
from fastroute.scenarios.laws.words import cost_law, reward_law
from fastroute.scenarios.problems import find_mean_problems, refuse
from fastroute.scenarios.tables import drop_models, read_means, releases

__all__ = ["means"]


def means(
    models: "Frame | Outcomes",
    *,
    columns: Mapping[str, str] | None = None,
    score_range: tuple[float, float] | None = None,
    cost_per: str | None = None,
    exclude: str | Sequence[str] | None = None,
    limit: float = 0.4,
    initial: int = 5,
    spread: float = 0.8,
    zero_cost: Literal["error", "keep"] = "error",
    reward: RewardLaw | str | Mapping[str, Any] = "bernoulli",
    cost: CostLaw | str | Mapping[str, Any] = "uniform",
    cost_range: tuple[float, float] | None = None,
    name: str = "means",
    cost_unit: str = "USD per query",
) -> Scenario:
    """Return a **surrogate** with the means of a leaderboard.

    What it keeps are the mean score and the mean cost of each model. The laws around the means
    are assumptions, and given the means the models are independent: the hard queries of one are
    not hard for the others. Where single outcomes are known, replay them.

    Parameters
    ----------
    models : Outcomes, str, Path, frame, array, mapping or sequence
        One row per model with columns model, score (or reward, pass_rate, accuracy, ...) in
        [0, 1], cost (or total_cost with n) and, optionally, release_date: a CSV, Parquet, JSON,
        JSON lines or YAML file, a Polars or pandas frame, a mapping of columns, a list of rows
        that are mappings, or a NumPy array with named fields; or what
        :func:`fastroute.read_outcomes` returned: of outcomes of queries, the estimated means.
    columns : mapping, optional
        Names of the columns where they differ, such as ``{"score": "elo"}``.
    score_range : (low, high), optional
        Of the scores in the table, which are brought to [0, 1]; (0, 100) for percentages.
    cost_per : str, optional
        Unit of the costs in the table where it is not a query: "run" for what all n queries cost
        together, or "1K-queries".
    exclude : str or sequence of str, optional
        Models to leave out.
    limit : float
        Throughput limit of every model, in (0, 1].
    initial : int
        Number of models there from the first round (all, when there are fewer); the others
        arrive by release date (equal dates: order of the table). Without a column of release
        dates all models are there from the first round.
    spread : float
        Fraction of the horizon at which the newest model arrives, in [0, 1].
    zero_cost : {"error", "keep"}
        What to do with costs of 0, often prices that nobody recorded: refuse, or take them as
        free.
    reward : RewardLaw, str or mapping
        Law of a reward around its mean: ``"bernoulli"``, ``{"name": "beta", "concentration": 5}``
        or one of your own.
    cost : CostLaw, str or mapping
        Law of a cost around its mean: ``"uniform"``, ``"fixed"``,
        ``{"name": "lognormal", "sigma": 0.5}`` or one of your own.
    cost_range : (c_min, c_max), optional
        Range of the costs that policies know; default: the support of the law.
    name, cost_unit : str
        Kept in the scenario.

    Returns
    -------
    Scenario
        Models by release date, or in the order of the table when it has no dates.

    Raises
    ------
    ValueError
        When the table cannot be read, a value is missing or out of range, or a model occurs
        twice; naming the model, the value and the remedy.

    Examples
    --------
    >>> rows = [("a", 0.5, 0.1), ("b", 0.9, 3.0)]
    >>> board = [{"model": model, "score": score, "cost": cost} for model, score, cost in rows]
    >>> means(board, limit=1.0).models
    ('a', 'b')
    """
    checks.choice("zero_cost", zero_cost, ("error", "keep"))
    rewards_by, costs_by = reward_law(reward), cost_law(cost)
    table = read_means(models, columns, score_range, cost_per)
    if exclude is not None:
        table = drop_models(table, exclude)
    frame = table.frame
    released = None
    if "release_date" in frame.columns:
        released = releases(frame["model"], frame["release_date"])
        if not any(release.day or release.wrong for release in released.values()):
            released = None
    allowed = ["zero_cost"] if zero_cost == "keep" else []
    refuse("models", find_mean_problems(table, released), allowed)

    # Models without dates are as good as released on one day.
    days = [date.min] * frame.height
    if released is not None:
        days = [release.day for release in released.values() if release.day is not None]
    order = release_order(days)
    frame = frame[order]
    arrival = arrivals_by_release(
        [days[index] for index in order], limit=limit, initial=initial, spread=spread
    )
    calendar = release_calendar([days[index] for index in order], initial=initial, spread=spread)
    source = "" if table.name == "frame" else f" from {table.name}"
    dates = "" if released else "; no release dates, so all models are there from the first round"
    return Scenario(
        reward_mean=frame["score"].to_numpy(),
        cost_mean=frame["cost"].to_numpy(),
        limit=limit,
        arrival=arrival,
        arrival_unit="horizon",
        retirement=retirements_by_date(frame["model"].to_list(), table.retired, calendar),
        calendar=calendar,
        reward=rewards_by,
        cost=costs_by,
        cost_range=cost_range,
        models=frame["model"].to_list(),
        name=name,
        note=(
            f"surrogate: mean score and cost of {frame.height} models{source}; single outcomes are "
            f"not known, so rewards ({rewards_by.name} law) and costs ({costs_by.name} law) vary "
            f"around the means, of each model by itself{dates}"
        ),
        cost_unit=cost_unit,
    )
