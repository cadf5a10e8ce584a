"""Confidence bounds compiled; the same operations in the same order as :mod:`..ref.bounds`."""

import math

import numpy as np
from numba import njit

from fastroute.kernels.codes import INIT_FORCED, INIT_OPTIMISTIC


@njit(inline="always")
def radius(mean, inverse, gamma):
    """``f_rad(v, n) = sqrt(gamma v / n) + gamma / n`` with ``inverse = 1 / n``."""
    return math.sqrt(gamma * mean * inverse) + gamma * inverse


@njit(nogil=True, error_model="numpy", cache=True)
def bounds(count, sum_reward, sum_cost, gamma, cost_min, cost_max, init, init_pulls):
    """Upper reward bound U and lower cost bound L of one model; see the reference."""
    if (init == INIT_OPTIMISTIC and count == 0.0) or (init == INIT_FORCED and count < init_pulls):
        return 1.0, cost_min
    inverse = 1.0 / (count + 1.0)
    reward = sum_reward * inverse
    upper = reward + 2.0 * radius(reward, inverse, gamma)
    cost = sum_cost * inverse * (1.0 / cost_max)
    lower = (cost - 2.0 * radius(cost, inverse, gamma)) * cost_max
    return min(max(upper, 0.0), 1.0), min(max(lower, cost_min), cost_max)


@njit(nogil=True, error_model="numpy", cache=True)
def bounds_batch(
    count, sum_reward, sum_cost, gamma, cost_min, cost_max, init, init_pulls, upper, lower
):
    """Bounds of every model and trial, all arrays ``[N, trials]``; the last two are written."""
    for m in range(count.shape[0]):
        for t in range(count.shape[1]):
            upper[m, t], lower[m, t] = bounds(
                count[m, t],
                sum_reward[m, t],
                sum_cost[m, t],
                gamma,
                cost_min,
                cost_max,
                init,
                np.float64(init_pulls),
            )
