"""A world to route in: the models, their true means, and the laws around them.

:class:`Scenario` is what users build and read; :class:`World` is the same thing for one run,
as plain arrays that kernels can index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks
from fastroute.kernels import codes
from fastroute.scenarios.laws import (
    LOGNORMAL_HEADROOM,
    alias_table,
    beta_strata,
    lognormal_strata,
)

__all__ = ["CostLaw", "RewardLaw", "Scenario", "World"]

Array = NDArray[np.float64]
RewardLaw = Literal["bernoulli", "beta", "task", "replay"]
CostLaw = Literal["uniform", "fixed", "lognormal", "replay"]

REWARD_LAWS: Final = ("bernoulli", "beta", "task", "replay")
COST_LAWS: Final = ("uniform", "fixed", "lognormal", "replay")

_NEVER: Final = np.iinfo(np.int64).max
# Slack for sums and products that are exact on paper.
_TOLERANCE: Final = checks.ROUNDING
# Default cut of a lognormal law: this many standard deviations above the median of the
# dearest model (its 0.999 quantile).
_CUT_DEVIATIONS: Final = 3.090232306167813


class World(NamedTuple):
    """A scenario resolved for one run: C-contiguous arrays only.

    Attributes
    ----------
    reward_mean, cost_mean : f8 [R, N]
        True means; R = 1 (shared by all trials) or the number of trials.
    limit : f8 [N]
        Throughput limits.
    arrival, retirement : i8 [N]
        Model ``m`` is available in rounds ``arrival <= t < retirement``; a model that never
        retires has ``retirement = horizon``.
    cost_min, cost_max : float
        Range of the costs that can be drawn.
    reward_kind, cost_kind : int
        ``REWARD_*`` and ``COST_*`` of :mod:`fastroute.kernels.codes`.
    reward_table, cost_table : f8 [S, N]
        Means of the tasks, equally likely atoms, or recorded outcomes; [1, N] of zeros when
        the law needs none.
    task_prob : f8 [J]
    task_alias : i8 [J]
        Alias table of the task weights; ([1], [0]) when the law needs none.
    in_order : bool
        Replay rows in table order (row = round mod Q) and not uniformly at random.
    """

    reward_mean: Array
    cost_mean: Array
    limit: Array
    arrival: NDArray[np.int64]
    retirement: NDArray[np.int64]
    cost_min: float
    cost_max: float
    reward_kind: int
    cost_kind: int
    reward_table: Array
    cost_table: Array
    task_prob: Array
    task_alias: NDArray[np.int64]
    in_order: bool


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Scenario:
    """Models that arrive and leave, with the laws of their rewards and costs.

    N is the number of all models that ever appear. Everything is checked here, so that a
    scenario that exists can be run.

    Parameters
    ----------
    reward_mean : [N] or [trials, N]
        True mean rewards in [0, 1]; with two dimensions each trial has its own instance.
        Computed when omitted for the laws "task" and "replay".
    cost_mean : [N] or [trials, N]
        True mean costs >= 0, in ``cost_unit``. Computed when omitted for "replay".
    limit : float or [N]
        Largest share of the traffic that each model may get, in (0, 1].
    arrival : [N], default 0
        First round in which a model is available (whole numbers from 0), or a fraction of the
        horizon when ``arrival_unit="horizon"``. At least one model must be there at 0.
    retirement : [N], optional
        First round (or fraction) in which a model is gone; None, for all models or for one,
        means never.
    cost_range : (c_min, c_max), optional
        Range of the costs; policies clip their bounds to it. Default: the support of the cost
        law. For "lognormal" the law is cut at ``c_max`` (default: 0.999 quantile of the
        dearest model).
    reward_law : {"bernoulli", "beta", "task", "replay"}
        Law of a reward around its mean. "task": a task is drawn by ``task_weight``, then
        Bernoulli with that task's mean.
    cost_law : {"uniform", "fixed", "lognormal", "replay"}
        Law of a cost around its mean. "uniform": mean * (0.5 + uniform), support
        [0.5 mean, 1.5 mean].
    reward_concentration : float, optional
        Needed by "beta": the variance is mean * (1 - mean) / (concentration + 1).
    cost_sigma : float, optional
        Needed by "lognormal": standard deviation of the logarithm before the cut.
    task_weight : [J], optional
    task_mean : [J, N], optional
        Needed by "task": how often each task occurs (normalised here), and its mean rewards.
    table_score, table_cost : [Q, N], optional
        Needed by "replay": recorded outcome of each query with each model.
    table_order : {"iid", "table"}
        Replay queries drawn uniformly with replacement, or in the order of the table (and
        again from its start).
    arrival_unit : {"round", "horizon"}
        Unit of ``arrival`` and ``retirement``.
    horizon : int, optional
        The only horizon the scenario is made for; None means any.
    models : sequence of str, optional
        Unique names; default "model-0", "model-1", ...
    name, note, cost_unit : str
        What the scenario is called, what a reader must know about it, and the unit of costs.

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.

    Examples
    --------
    >>> scenario = Scenario([0.9, 0.6], [2.0, 0.5], limit=[0.5, 1.0])
    >>> scenario.cost_range
    (0.25, 3.0)
    """

    reward_mean: Array
    cost_mean: Array
    limit: Array
    arrival: NDArray[np.int64] | Array
    retirement: NDArray[np.int64] | Array | None
    cost_range: tuple[float, float]
    reward_law: RewardLaw
    cost_law: CostLaw
    reward_concentration: float | None
    cost_sigma: float | None
    task_weight: Array | None
    task_mean: Array | None
    table_score: Array | None
    table_cost: Array | None
    table_order: Literal["iid", "table"]
    arrival_unit: Literal["round", "horizon"]
    horizon: int | None
    models: tuple[str, ...]
    name: str
    note: str
    cost_unit: str

    def __init__(
        self,
        reward_mean: ArrayLike | None = None,
        cost_mean: ArrayLike | None = None,
        limit: ArrayLike = 1.0,
        arrival: ArrayLike | None = None,
        retirement: ArrayLike | Sequence[float | None] | None = None,
        cost_range: tuple[float, float] | None = None,
        reward_law: RewardLaw = "bernoulli",
        cost_law: CostLaw = "uniform",
        reward_concentration: float | None = None,
        cost_sigma: float | None = None,
        task_weight: ArrayLike | None = None,
        task_mean: ArrayLike | None = None,
        table_score: ArrayLike | None = None,
        table_cost: ArrayLike | None = None,
        table_order: Literal["iid", "table"] = "iid",
        arrival_unit: Literal["round", "horizon"] = "round",
        horizon: int | None = None,
        models: Sequence[str] | None = None,
        name: str = "custom",
        note: str = "",
        cost_unit: str = "cost",
    ) -> None:
        checks.choice("reward_law", reward_law, REWARD_LAWS)
        checks.choice("cost_law", cost_law, COST_LAWS)
        checks.choice("table_order", table_order, ("iid", "table"))
        checks.choice("arrival_unit", arrival_unit, ("round", "horizon"))
        if (reward_law == "replay") != (cost_law == "replay"):
            raise ValueError(
                f"reward_law={reward_law!r} with cost_law={cost_law!r}: recorded rewards and "
                "costs belong to the same query; set both laws to 'replay' or neither"
            )
        _only_with("task_weight", task_weight, reward_law == "task", "reward_law='task'")
        _only_with("task_mean", task_mean, reward_law == "task", "reward_law='task'")
        _only_with("table_score", table_score, reward_law == "replay", "reward_law='replay'")
        _only_with("table_cost", table_cost, cost_law == "replay", "cost_law='replay'")
        concentration = _parameter(
            "reward_concentration", reward_concentration, reward_law == "beta", "reward_law='beta'"
        )
        sigma = _parameter(
            "cost_sigma", cost_sigma, cost_law == "lognormal", "cost_law='lognormal'"
        )

        weight = tasks = scores = costs = None
        if task_weight is not None and task_mean is not None:
            weight, tasks = _task_arrays(task_weight, task_mean)
            reward_mean = _implied("reward_mean", reward_mean, weight @ tasks, "task_mean")
        if table_score is not None and table_cost is not None:
            scores, costs = _table_arrays(table_score, table_cost)
            reward_mean = _implied("reward_mean", reward_mean, scores.mean(axis=0), "table_score")
            cost_mean = _implied("cost_mean", cost_mean, costs.mean(axis=0), "table_cost")

        rewards, prices = _means(reward_mean, cost_mean)
        if rewards.ndim == 2 or prices.ndim == 2:
            for field, law in (("reward_law", reward_law), ("cost_law", cost_law)):
                if law not in ("bernoulli", "uniform", "fixed"):
                    raise ValueError(
                        f"{field}={law!r} has one table for all trials, but the means have one "
                        "row per trial; pass means of shape [N], or use 'bernoulli' rewards with "
                        "'uniform' or 'fixed' costs"
                    )
        if cost_law == "lognormal":
            checks.reject(
                "cost_mean",
                prices,
                prices == 0.0,
                "has no lognormal law",
                "use cost_law='fixed' or 'uniform' for free models",
            )
        size = rewards.shape[-1]
        limits = _limits(limit, size)
        arrivals, retirements = _times(arrival, retirement, arrival_unit, size)
        span = _span(cost_range, prices, costs, cost_law, sigma)
        names = checks.unique_names("models", models, size)

        for array in (rewards, prices, limits, arrivals, retirements, weight, tasks, scores, costs):
            if array is not None:
                checks.read_only(array)
        fields = {
            "reward_mean": rewards,
            "cost_mean": prices,
            "limit": limits,
            "arrival": arrivals,
            "retirement": retirements,
            "cost_range": span,
            "reward_law": reward_law,
            "cost_law": cost_law,
            "reward_concentration": concentration,
            "cost_sigma": sigma,
            "task_weight": weight,
            "task_mean": tasks,
            "table_score": scores,
            "table_cost": costs,
            "table_order": table_order,
            "arrival_unit": arrival_unit,
            "horizon": None if horizon is None else checks.whole("horizon", horizon, 1),
            "models": names,
            "name": name,
            "note": note,
            "cost_unit": cost_unit,
        }
        for field, value in fields.items():
            # The dataclass is frozen; its own construction is the one place that may write.
            object.__setattr__(self, field, value)

    @property
    def n_models(self) -> int:
        """Number of all models that ever appear, N."""
        return len(self.models)

    @property
    def instances(self) -> int:
        """Number of rows of the means: 1 (shared by all trials) or one per trial."""
        return max(
            array.shape[0] if array.ndim == 2 else 1 for array in (self.reward_mean, self.cost_mean)
        )

    def __repr__(self) -> str:
        """Return one line: the name, the size and the laws."""
        return (
            f"Scenario({self.name!r}, n_models={self.n_models}, reward_law={self.reward_law!r}, "
            f"cost_law={self.cost_law!r}, cost_range={self.cost_range}, "
            f"cost_unit={self.cost_unit!r})"
        )

    def resolve(self, horizon: int, trials: int, part: slice = slice(None)) -> World:
        """Return the arrays of one run.

        Fractions of the horizon become rounds (rounded down), and continuous laws become
        tables of equally likely atoms. Models that arrive at the horizon or later are kept and
        never available.

        Parameters
        ----------
        horizon : int
            Number of rounds T >= 1.
        trials : int
            Number of trials >= 1; must equal the rows of means that have one row per trial.
        part : slice
            The trials of which rows of means are returned, where every trial has its own.

        Returns
        -------
        World

        Raises
        ------
        ValueError
            When ``horizon`` or ``trials`` does not fit the scenario.
        """
        horizon = checks.whole("horizon", horizon, 1)
        if self.horizon not in (None, horizon):
            raise ValueError(
                f"horizon={horizon} but scenario {self.name!r} is made for horizon={self.horizon}; "
                f"build it with horizon={horizon}"
            )
        trials = checks.whole("trials", trials, 1)
        if self.instances not in (1, trials):
            raise ValueError(
                f"trials={trials} but the scenario has {self.instances} instances (rows of "
                f"means), one per trial; run it with trials={self.instances}"
            )
        arrival, retirement = self._rounds(horizon)
        shape = (self.instances, self.n_models)
        none = np.zeros((1, self.n_models))
        prob, alias = np.ones(1), np.zeros(1, dtype=np.int64)

        reward_kind, reward_table = codes.REWARD_BERNOULLI, none
        if self.reward_concentration is not None:
            reward_kind = codes.REWARD_TABLE
            reward_table = beta_strata(self.reward_mean, self.reward_concentration)
        elif self.task_weight is not None and self.task_mean is not None:
            reward_kind, reward_table = codes.REWARD_TASK, self.task_mean
            prob, alias = alias_table(self.task_weight)
        elif self.table_score is not None:
            reward_kind, reward_table = codes.REWARD_REPLAY, self.table_score

        cost_kind, cost_table = codes.COST_UNIFORM, none
        if self.cost_law == "fixed":
            cost_kind = codes.COST_FIXED
        elif self.cost_sigma is not None:
            cost_kind = codes.COST_TABLE
            cost_table = lognormal_strata(self.cost_mean, self.cost_sigma, self.cost_range[1])
            lowest = float(cost_table.min())
            if lowest < self.cost_range[0]:
                raise ValueError(
                    f"cost_range={self.cost_range} but cost_law='lognormal' draws costs down to "
                    f"{lowest:g}; lower c_min, for instance to 0"
                )
        elif self.table_cost is not None:
            cost_kind, cost_table = codes.COST_REPLAY, self.table_cost

        mine = part if self.instances > 1 else slice(None)

        def means(array: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.array(np.broadcast_to(array, shape)[mine], order="C")

        return World(
            reward_mean=means(self.reward_mean),
            cost_mean=means(self.cost_mean),
            limit=self.limit,
            arrival=arrival,
            retirement=retirement,
            cost_min=self.cost_range[0],
            cost_max=self.cost_range[1],
            reward_kind=reward_kind,
            cost_kind=cost_kind,
            reward_table=np.ascontiguousarray(reward_table),
            cost_table=np.ascontiguousarray(cost_table),
            task_prob=prob,
            task_alias=alias,
            in_order=self.table_order == "table",
        )

    def _rounds(self, horizon: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return arrival and retirement [N] in rounds of this horizon."""
        scale, slack = (horizon, _TOLERANCE) if self.arrival_unit == "horizon" else (1, 0)
        # The slack keeps 0.29 * 100 = 28.999... in round 29.
        arrival = np.minimum(np.floor(self.arrival * scale + slack), horizon).astype(np.int64)
        if self.retirement is None:
            return arrival, np.full(self.n_models, horizon, dtype=np.int64)
        if self.arrival_unit == "round":
            return arrival, np.minimum(self.retirement, horizon).astype(np.int64)
        retirement = np.floor(self.retirement * horizon + slack).astype(np.int64)
        gone = np.flatnonzero(retirement <= arrival)
        if gone.size:
            model = int(gone[0])
            raise ValueError(
                f"horizon={horizon} is too short: model {self.models[model]!r} would arrive and "
                f"retire in round {int(arrival[model])}; use a longer horizon"
            )
        return arrival, retirement


def _only_with(field: str, value: object, needed: bool, law: str) -> None:
    """Raise ValueError when an argument of a law is missing, or given without its law."""
    if needed and value is None:
        raise ValueError(f"{field}=None but {law} needs it; pass {field}")
    if not needed and value is not None:
        raise ValueError(f"{field} is given but only {law} uses it; drop it or set {law}")


def _parameter(field: str, value: float | None, needed: bool, law: str) -> float | None:
    """Return a positive parameter of a law, or None when the law is another one."""
    _only_with(field, value, needed, law)
    if value is None:
        return None
    return checks.positive(field, value)


def _task_arrays(task_weight: ArrayLike, task_mean: ArrayLike) -> tuple[Array, Array]:
    """Return checked task weights [J], adding up to 1, and task means [J, N]."""
    weight = checks.number_array("task_weight", task_weight, (1,))
    tasks = checks.number_array("task_mean", task_mean, (2,))
    if tasks.shape[0] != weight.size:
        raise ValueError(
            f"task_mean has {tasks.shape[0]} rows but task_weight has {weight.size} entries; "
            "pass one row of means per task"
        )
    checks.reject("task_weight", weight, weight < 0.0, "is negative", "use weights >= 0")
    if weight.sum() <= 0.0:
        raise ValueError("task_weight adds up to 0; give at least one task a positive weight")
    _unit_interval("task_mean", tasks)
    return weight / weight.sum(), tasks


def _table_arrays(table_score: ArrayLike, table_cost: ArrayLike) -> tuple[Array, Array]:
    """Return checked replay tables [Q, N]."""
    scores = checks.number_array("table_score", table_score, (2,))
    costs = checks.number_array("table_cost", table_cost, (2,))
    if scores.shape != costs.shape:
        raise ValueError(
            f"table_cost has shape {costs.shape} but table_score has {scores.shape}; pass one "
            "cost per score, [queries, models]"
        )
    _unit_interval("table_score", scores)
    checks.reject("table_cost", costs, costs < 0.0, "is negative", "use costs >= 0")
    return scores, costs


def _implied(field: str, given: ArrayLike | None, computed: Array, source: str) -> ArrayLike:
    """Return means computed from a table, after comparing them with those given."""
    if given is not None:
        stated = np.asarray(given, dtype=np.float64)
        scale = max(float(np.abs(computed).max()), np.finfo(np.float64).tiny)
        if stated.shape != computed.shape or not np.allclose(
            stated, computed, rtol=_TOLERANCE, atol=_TOLERANCE * scale
        ):
            raise ValueError(
                f"{field}={given!r} is not the mean of {source}; omit {field}, it is computed"
            )
    return computed


def _means(reward_mean: ArrayLike | None, cost_mean: ArrayLike | None) -> tuple[Array, Array]:
    """Return checked means of rewards and costs."""
    if reward_mean is None or cost_mean is None:
        field = "reward_mean" if reward_mean is None else "cost_mean"
        raise ValueError(f"{field}=None; pass one mean per model")
    rewards = checks.number_array("reward_mean", reward_mean, (1, 2))
    costs = checks.number_array("cost_mean", cost_mean, (1, 2))
    if rewards.shape[-1] != costs.shape[-1]:
        raise ValueError(
            f"cost_mean has {costs.shape[-1]} models but reward_mean has {rewards.shape[-1]}; "
            "pass one cost per model"
        )
    if rewards.ndim == costs.ndim == 2 and rewards.shape != costs.shape:
        raise ValueError(
            f"cost_mean has {costs.shape[0]} trials but reward_mean has {rewards.shape[0]}; "
            "pass the same number of rows"
        )
    _unit_interval("reward_mean", rewards)
    checks.reject("cost_mean", costs, costs < 0.0, "is negative", "use costs >= 0")
    return rewards, costs


def _unit_interval(field: str, array: Array) -> None:
    """Raise ValueError when a reward is outside [0, 1]; rounding beyond it is trimmed."""
    bad = (array < -_TOLERANCE) | (array > 1.0 + _TOLERANCE)
    checks.reject(field, array, bad, "is outside [0, 1]", "rescale the rewards to [0, 1]")
    np.clip(array, 0.0, 1.0, out=array)


def _limits(limit: ArrayLike, size: int) -> Array:
    """Return checked throughput limits [N]."""
    limits = checks.number_array("limit", limit, (0, 1))
    if limits.ndim == 0:
        limits = np.full(size, float(limits))
    if limits.size != size:
        raise ValueError(
            f"limit has {limits.size} entries for {size} models; pass one number or one per model"
        )
    bad = (limits <= 0.0) | (limits > 1.0)
    checks.reject("limit", limits, bad, "is outside (0, 1]", "use 1 for a model without a limit")
    return limits


def _times(
    arrival: ArrayLike | None,
    retirement: ArrayLike | Sequence[float | None] | None,
    unit: str,
    size: int,
) -> tuple[NDArray[np.int64] | Array, NDArray[np.int64] | Array | None]:
    """Return checked arrival and retirement in their unit."""
    arrivals = _time_array("arrival", np.zeros(size) if arrival is None else arrival, unit, size)
    if arrivals.min() > 0:
        raise ValueError(
            f"arrival: no model is there at 0, the first comes at {arrivals.min():g}; let at least "
            "one model arrive at 0"
        )
    if retirement is None:
        return arrivals, None
    if isinstance(retirement, Sequence):
        never = 1.0 if unit == "horizon" else np.inf
        retirement = [never if value is None else value for value in retirement]
    retirements = _time_array("retirement", retirement, unit, size)
    bad = np.flatnonzero(retirements <= arrivals)
    if bad.size:
        model = int(bad[0])
        raise ValueError(
            f"retirement[{model}] = {retirements[model]:g} is not after arrival[{model}] = "
            f"{arrivals[model]:g}; retire a model after it arrived, or use None for never"
        )
    return arrivals, retirements


def _time_array(field: str, value: ArrayLike, unit: str, size: int) -> NDArray[np.int64] | Array:
    """Return one checked array of rounds (i8) or of fractions of the horizon (f8)."""
    times = np.array(value, dtype=np.float64)
    if times.shape != (size,):
        raise ValueError(f"{field} has shape {times.shape}; pass one entry per model, ({size},)")
    checks.reject(field, times, np.isnan(times), "is no time", "use None for a model that stays")
    checks.reject(field, times, times < 0, "is negative", "count rounds from 0")
    if unit == "horizon":
        bad = times > 1.0
        remedy = "use fractions of the horizon, or arrival_unit='round'"
        checks.reject(field, times, bad, "is above 1", remedy)
        return times
    bad = np.isfinite(times) & (times != np.floor(times))
    checks.reject(
        field, times, bad, "is not a whole round", "set arrival_unit='horizon' for fractions"
    )
    if field == "arrival":
        checks.reject(field, times, np.isinf(times), "never comes", "drop the model")
    late = times >= _NEVER
    return np.where(late, _NEVER, np.where(late, 0.0, times).astype(np.int64))


def _span(
    cost_range: tuple[float, float] | None,
    prices: Array,
    costs: Array | None,
    law: str,
    sigma: float | None,
) -> tuple[float, float]:
    """Return the range of costs, checked against what the law can draw."""
    factor = (0.5, 1.5) if law == "uniform" else (1.0, 1.0)
    drawn = prices if costs is None else costs
    low, high = float(drawn.min()) * factor[0], float(drawn.max()) * factor[1]
    if sigma is not None:
        low = 0.0
        cut = float(np.exp(_CUT_DEVIATIONS * sigma - 0.5 * sigma * sigma))
        high *= max(cut, 1.0 / LOGNORMAL_HEADROOM)
    if cost_range is None:
        # Policies divide by c_max, so a world where everything is free gets a unit range.
        return (low, high) if high > 0.0 else (0.0, 1.0)
    try:
        c_min, c_max = (float(x) for x in cost_range)
    except (TypeError, ValueError):
        raise ValueError(f"cost_range={cost_range!r}; pass a pair (c_min, c_max)") from None
    if not (0.0 <= c_min <= c_max < np.inf and c_max > 0.0):
        raise ValueError(f"cost_range={cost_range!r}; pass 0 <= c_min <= c_max with c_max > 0")
    if sigma is not None:
        dearest = float(prices.max())
        if dearest > LOGNORMAL_HEADROOM * c_max * (1.0 + _TOLERANCE):
            raise ValueError(
                f"cost_range={cost_range!r} cuts the lognormal law of mean {dearest:g} too close "
                f"to its mean; use c_max >= {dearest / LOGNORMAL_HEADROOM:g}"
            )
    elif low < c_min * (1.0 - _TOLERANCE) or high > c_max * (1.0 + _TOLERANCE):
        raise ValueError(
            f"cost_range={cost_range!r} but cost_law={law!r} draws costs in [{low:g}, {high:g}]; "
            "widen cost_range, omit it, or use another cost_law"
        )
    return c_min, c_max
