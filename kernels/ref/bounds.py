"""Confidence bounds of StageRoute (Li & Li 2025, arXiv 2506.17254, section 4)."""

import math

import numpy as np

from fastroute.kernels.codes import INIT_FORCED, INIT_OPTIMISTIC
from fastroute.kernels.types import F8


def radius(mean: float, inverse: float, gamma: float) -> float:
    """``f_rad(v, n) = sqrt(gamma v / n) + gamma / n`` with ``inverse = 1 / n``."""
    return math.sqrt(gamma * mean * inverse) + gamma * inverse


def unobserved_below(init: int, init_pulls: float) -> float:
    """Observations below which a model counts as unobserved, and as the best and cheapest."""
    return 1.0 if init == INIT_OPTIMISTIC else init_pulls if init == INIT_FORCED else 0.0


def bounds(
    count: float,
    sum_reward: float,
    sum_cost: float,
    gamma: float,
    cost_min: float,
    cost_max: float,
    init: int,
    init_pulls: float,
    cost_side: float = -1.0,
) -> tuple[float, float]:
    """Upper bound U on the mean reward and lower bound L on the mean cost of one model.

    ``U = clip(r + 2 f_rad(r, n + 1), 0, 1)`` and ``L = clip(c - 2 f_rad(c, n + 1), c_min, c_max)``
    with means shrunk to ``sum / (n + 1)``.  The radius is meant for values in [0, 1], so costs
    are divided by ``cost_max`` before and multiplied after.

    Parameters
    ----------
    count : float
        Observations n of the model, pseudo-observations included.
    sum_reward, sum_cost : float
        Their sums; cost in the scenario's unit.
    gamma : float
        Width of the radius; 0 gives the shrunk means themselves.
    cost_min, cost_max : float
        Range of the costs, same unit.
    init : int
        Rule for a model without observations, one of the ``INIT_*`` codes.
    init_pulls : float
        With ``INIT_FORCED``: a model counts as unobserved until it has that many pulls.
    cost_side : float
        +1 gives the upper bound on the mean cost, ``clip(c + 2 f_rad(c, n + 1), c_min, c_max)``.

    Returns
    -------
    tuple of float
        ``(U, L)``.
    """
    if count < unobserved_below(init, init_pulls):
        return 1.0, cost_min
    inverse = 1.0 / (count + 1.0)
    reward = sum_reward * inverse
    upper = reward + 2.0 * radius(reward, inverse, gamma)
    cost = sum_cost * inverse * (1.0 / cost_max)
    lower = (cost + cost_side * (2.0 * radius(cost, inverse, gamma))) * cost_max
    return min(max(upper, 0.0), 1.0), min(max(lower, cost_min), cost_max)


def bounds_batch(
    count: F8,
    sum_reward: F8,
    sum_cost: F8,
    gamma: float,
    cost_min: float,
    cost_max: float,
    init: int,
    init_pulls: float,
    upper: F8,
    lower: F8,
    cost_side: float = -1.0,
) -> None:
    """Bounds of every model and trial, all arrays ``[N, trials]``; the last two are written."""
    for m, t in np.ndindex(*count.shape):
        upper[m, t], lower[m, t] = bounds(
            float(count[m, t]),
            float(sum_reward[m, t]),
            float(sum_cost[m, t]),
            gamma,
            cost_min,
            cost_max,
            init,
            init_pulls,
            cost_side,
        )


def posterior(
    count: float, sum_reward: float, normal: float, init: int, init_pulls: float
) -> float:
    """Sample of a model's mean reward from the posterior after a uniform prior.

    The Beta posterior of n rewards in [0, 1] with sum S is replaced by the normal law of its mean
    and variance: ``clip(m + z sqrt(m (1 - m) / (n + 3)), 0, 1)`` with ``m = (S + 1) / (n + 2)``.

    Parameters
    ----------
    count, sum_reward : float
        n and S.
    normal : float
        Standard normal draw z.
    init, init_pulls : int, float
        As in :func:`bounds`: a model without observations may count as best.
    """
    if count < unobserved_below(init, init_pulls):
        return 1.0
    mean = (sum_reward + 1.0) / (count + 2.0)
    sample = mean + normal * math.sqrt(mean * (1.0 - mean) / (count + 3.0))
    return min(max(sample, 0.0), 1.0)


def posterior_batch(
    count: F8, sum_reward: F8, normal: F8, init: int, init_pulls: float, upper: F8
) -> None:
    """Posterior samples of every model and trial, ``[N, trials]``; the last array is written."""
    for m, t in np.ndindex(*count.shape):
        upper[m, t] = posterior(
            float(count[m, t]), float(sum_reward[m, t]), float(normal[m, t]), init, init_pulls
        )
