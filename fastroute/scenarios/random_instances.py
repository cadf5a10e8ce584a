"""`random`: a fresh instance of a given difficulty for every trial."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.laws import CostLaw
from fastroute.scenarios.laws.words import cost_law
from fastroute.scenarios.placement import (
    LIMITS,
    MEANS,
    ArrivalRule,
    instance_draws,
    place_arrivals,
)

__all__ = ["random_instances"]


def random_instances(
    *,
    trials: int,
    seed: int = 0,
    n_models: int = 20,
    initial: int = 5,
    best: float = 0.9,
    gap: float = 0.05,
    worst: float = 0.1,
    correlation: float = 0.6,
    price_ratio: float = 20.0,
    limit: float | tuple[float, float] = 0.4,
    arrivals: ArrivalRule = "regular",
    until: float = 0.8,
    horizon: int | None = None,
    stages: int | str = "T^(1/3)",
    cost: CostLaw | str | Mapping[str, Any] = "uniform",
) -> Scenario:
    """Return random means, drawn afresh for every trial.

    In each trial one model, any of them, has the reward ``best``, another one ``best - gap``, and
    the others are uniform between ``worst`` and ``best - gap``. Costs lie between 1 and
    ``price_ratio``, log-uniform, and tied to rewards by a normal copula of the given correlation.
    The first ceil(1 / limit) models cost 1, so that in every trial any budget >= 1 can be met
    from the start. The optimum of each trial is computed, exactly, by whoever runs it.

    Parameters
    ----------
    trials : int
        Trials of the run, with an instance each.
    seed : int
        Seed of the instances: that of trial i depends on (seed, i) alone.
    n_models : int
        All models that ever appear, >= 2.
    initial : int
        Models there from the first round, at most ``n_models``.
    best, gap, worst : float
        Largest reward, its lead over the second, and the lower end of all rewards:
        0 <= worst <= best - gap and best <= 1.
    correlation : float
        Between the normal scores of price and reward, in [-1, 1]; 1 makes better models dearer
        without exception.
    price_ratio : float
        Dearest over cheapest price, >= 1.
    limit : float or (float, float)
        Throughput limit of every model, or the range in which each model's limit is drawn
        (uniform, the same for all trials).
    arrivals : {"regular", "random", "adversarial"}
        Where arrivals lie: evenly, at random (the same for all trials), or one round after a
        stage opens.
    until : float
        End of the time in which models arrive, as a fraction of the horizon.
    horizon : int, optional
        Rounds of the run; needed by ``arrivals="adversarial"``.
    stages : int or str
        Stages of the run, used by ``arrivals="adversarial"``.
    cost : CostLaw, str or mapping
        Law of the costs around their means: ``"uniform"``, ``"fixed"`` or a formula of your own.

    Returns
    -------
    Scenario
        For this number of trials only, unless it is 1.

    Raises
    ------
    ValueError
        When an option is out of range.
    """
    trials = checks.integer("trials", trials, 1)
    n_models = checks.integer("n_models", n_models, 2, checks.MOST_MODELS)
    initial = checks.integer("initial", initial, 1)
    best = checks.fraction("best", best, zero=False)
    gap = checks.fraction("gap", gap, zero=True)
    worst = checks.fraction("worst", worst, zero=True)
    price_ratio = checks.positive("price_ratio", price_ratio)
    law = cost_law(cost)
    if initial > n_models:
        raise ValueError(f"initial={initial} is above n_models={n_models}; use at most as many")
    if worst > best - gap:
        raise ValueError(
            f"worst={worst:g} is above best - gap = {best - gap:g}; lower worst or gap"
        )
    correlation = checks.number(
        "correlation", correlation, "a number in [-1, 1]", lambda x: -1.0 <= x <= 1.0
    )
    if price_ratio < 1.0:
        raise ValueError(f"price_ratio={price_ratio:g} must be >= 1, dearest over cheapest")
    low, high = _range(limit)
    cheap = math.ceil(1.0 / low - 1e-9)
    if cheap > initial:
        raise ValueError(
            f"limit={limit!r} needs {cheap} models to serve all traffic but initial={initial}; "
            f"use limit >= {1.0 / initial:.4g} or initial >= {cheap}"
        )
    draws = instance_draws(seed, trials, 2 * n_models, MEANS)
    quality, other = draws[:, :n_models], draws[:, n_models:]
    price = _prices(quality, other, correlation, price_ratio)
    price[:, :cheap] = 1.0
    lowest, highest = law.support(np.array([1.0, price_ratio]))
    place = place_arrivals(
        arrivals,
        initial,
        n_models - initial,
        until=until,
        horizon=horizon,
        stages=stages,
        seed=seed,
    )
    return Scenario(
        reward_mean=_rewards(quality, best, gap, worst),
        cost_mean=price,
        limit=low + (high - low) * instance_draws(seed, 1, n_models, LIMITS)[0],
        **place._asdict(),
        # Of the option and not of the draws, which would make a trial depend on all others.
        cost_range=(float(lowest.min()), float(highest.max())),
        cost=law,
        name="random",
        note="synthetic: random means, an instance of its own for every trial",
    )


def _range(limit: float | tuple[float, float]) -> tuple[float, float]:
    """Return the smallest and the largest limit that can be drawn."""
    if isinstance(limit, tuple | list):
        if len(limit) != 2:
            raise ValueError(f"limit={limit!r} must be a number or a pair (low, high)")
        low, high = (checks.fraction("limit", end, zero=False) for end in limit)
        if low > high:
            raise ValueError(f"limit={limit!r} must be a pair (low, high) with low <= high")
        return low, high
    low = checks.fraction("limit", limit, zero=False)
    return low, low


def _rewards(
    quality: NDArray[np.float64], best: float, gap: float, worst: float
) -> NDArray[np.float64]:
    """Turn uniforms [trials, N] into rewards in the same order."""
    rows = np.arange(len(quality))
    second, first = np.argsort(quality, axis=1)[:, -2:].T
    # Given the second largest, the smaller uniforms are uniform below it.
    share = quality / quality[rows, second][:, None]
    reward = worst + np.minimum(share, 1.0) * (best - gap - worst)
    reward[rows, second] = best - gap
    reward[rows, first] = best
    return reward


def _prices(
    quality: NDArray[np.float64], other: NDArray[np.float64], correlation: float, ratio: float
) -> NDArray[np.float64]:
    """Log-uniform prices on [1, ratio] whose normal scores are correlated with quality."""
    from scipy.special import ndtr, ndtri

    rest = math.sqrt(1.0 - correlation**2)
    score = correlation * ndtri(quality) + rest * ndtri(other)
    return np.clip(ratio ** ndtr(score), 1.0, ratio)
