"""Confidence bounds of StageRoute (Li & Li 2025, arXiv 2506.17254, section 4)."""

import math

import numpy as np

from fastroute.kernels.codes import INIT_FORCED, INIT_OPTIMISTIC
from fastroute.kernels.types import F8


def radius(mean: float, inverse: float, gamma: float) -> float:
    """``f_rad(v, n) = sqrt(gamma v / n) + gamma / n`` with ``inverse = 1 / n``."""
    return math.sqrt(gamma * mean * inverse) + gamma * inverse


def bounds(
    count: float,
    sum_reward: float,
    sum_cost: float,
    gamma: float,
    cost_min: float,
    cost_max: float,
    init: int,
    init_pulls: float,
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

    Returns
    -------
    tuple of float
        ``(U, L)``.
    """
    if (init == INIT_OPTIMISTIC and count == 0.0) or (init == INIT_FORCED and count < init_pulls):
        return 1.0, cost_min
    inverse = 1.0 / (count + 1.0)
    reward = sum_reward * inverse
    upper = reward + 2.0 * radius(reward, inverse, gamma)
    cost = sum_cost * inverse * (1.0 / cost_max)
    lower = (cost - 2.0 * radius(cost, inverse, gamma)) * cost_max
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
        )
