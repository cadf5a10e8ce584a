"""What the fields of a scenario must be: each function checks one of them and returns it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks
from fastroute.scenarios.laws.base import TOLERANCE, CostLaw, RewardLaw, unit_interval
from fastroute.scenarios.laws.recorded import Recorded
from fastroute.scenarios.laws.words import cost_law, reward_law

Array = NDArray[np.float64]

_NEVER: Final = np.iinfo(np.int64).max


def read_laws(
    reward: RewardLaw | str | Mapping[str, Any] | None,
    cost: CostLaw | str | Mapping[str, Any] | None,
    outcomes: Recorded | None,
) -> tuple[RewardLaw, CostLaw]:
    """Return both laws: each by itself, or what was recorded of the same queries."""
    if outcomes is None:
        return (
            reward_law("bernoulli" if reward is None else reward),
            cost_law("uniform" if cost is None else cost),
        )
    if not isinstance(outcomes, Recorded):
        raise checks.refused("outcomes", outcomes, "a Recorded", "pass Recorded(score, cost)")
    for field, law in (("reward", reward), ("cost", cost)):
        if law is not None:
            raise ValueError(
                f"{field}={law!r} with outcomes={outcomes!r}: recorded rewards and costs belong to "
                f"the same query and stand for both laws; drop {field} or outcomes"
            )
    return outcomes.laws


def refuse_tables(reward: RewardLaw, cost: CostLaw) -> None:
    """Raise ValueError when a law cannot have other means in every trial."""
    for field, law in (("reward", reward), ("cost", cost)):
        if not law.elementwise:
            raise ValueError(
                f"{field}={law!r} has one table for all trials, but the means have one row per "
                "trial; pass means of shape [N], or use 'bernoulli' rewards with 'uniform' or "
                "'fixed' costs, or a law with a formula"
            )


def computed_mean(
    field: str, given: ArrayLike | None, law: RewardLaw | CostLaw
) -> ArrayLike | None:
    """Return the means that a law itself says, after comparing them with those given."""
    computed = law.implied_mean()
    if computed is None or given is None:
        return given if computed is None else computed
    stated = np.asarray(given, dtype=np.float64)
    scale = max(float(np.abs(computed).max()), np.finfo(np.float64).tiny)
    if stated.shape != computed.shape or not np.allclose(
        stated, computed, rtol=TOLERANCE, atol=TOLERANCE * scale
    ):
        raise ValueError(
            f"{field}={given!r} is not the mean of {law!r}; omit {field}, it is computed"
        )
    return computed


def check_means(reward_mean: ArrayLike | None, cost_mean: ArrayLike | None) -> tuple[Array, Array]:
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
    unit_interval("reward_mean", rewards)
    checks.refuse_entries("cost_mean", costs, costs < 0.0, "is negative", "use costs >= 0")
    return rewards, costs


def check_limits(limit: ArrayLike, size: int) -> Array:
    """Return checked throughput limits [N]."""
    limits = checks.number_array("limit", limit, (0, 1))
    if limits.ndim == 0:
        limits = np.full(size, float(limits))
    if limits.size != size:
        raise ValueError(
            f"limit has {limits.size} entries for {size} models; pass one number or one per model"
        )
    bad = (limits <= 0.0) | (limits > 1.0)
    checks.refuse_entries(
        "limit", limits, bad, "is outside (0, 1]", "use 1 for a model without a limit"
    )
    return limits


def check_times(
    arrival: ArrayLike | None,
    retirement: ArrayLike | Sequence[float | None] | None,
    unit: str,
    size: int,
) -> tuple[NDArray[np.int64] | Array, NDArray[np.int64] | Array | None]:
    """Return checked arrival and retirement in their unit."""
    arrivals = _time_array("arrival", np.zeros(size) if arrival is None else arrival, unit, size)
    if arrivals.min() > 0:
        raise ValueError(
            f"arrival: no model is available at 0, the first one arrives at {arrivals.min():g}; "
            "let at least one model arrive at 0"
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
    checks.refuse_entries(
        field, times, np.isnan(times), "is not a time", "use None for a model that stays"
    )
    checks.refuse_entries(field, times, times < 0, "is negative", "count rounds from 0")
    if unit == "horizon":
        bad = times > 1.0
        remedy = "use fractions of the horizon, or arrival_unit='round'"
        checks.refuse_entries(field, times, bad, "is above 1", remedy)
        return times
    bad = np.isfinite(times) & (times != np.floor(times))
    checks.refuse_entries(
        field, times, bad, "is not a whole round", "set arrival_unit='horizon' for fractions"
    )
    if field == "arrival":
        checks.refuse_entries(field, times, np.isinf(times), "never comes", "drop the model")
    late = times >= _NEVER
    return np.where(late, _NEVER, np.where(late, 0.0, times).astype(np.int64))


def check_cost_range(
    cost_range: tuple[float, float] | None, low: Array, high: Array
) -> tuple[float, float]:
    """Return the range of costs: as given, or the support of the law of the costs."""
    if cost_range is None:
        c_min, c_max = float(low.min()), float(high.max())
        # Policies divide by c_max, so a world where everything is free gets a unit range.
        return (c_min, c_max) if c_max > 0.0 else (0.0, 1.0)
    try:
        c_min, c_max = (float(x) for x in cost_range)
    except (TypeError, ValueError):
        raise ValueError(f"cost_range={cost_range!r}; pass a pair (c_min, c_max)") from None
    if not (0.0 <= c_min <= c_max < np.inf and c_max > 0.0):
        raise ValueError(f"cost_range={cost_range!r}; pass 0 <= c_min <= c_max with c_max > 0")
    return c_min, c_max
