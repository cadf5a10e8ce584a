"""Confidence bounds compiled; the same operations in the same order as :mod:`..ref.bounds`."""

import math

import numpy as np
from numba import njit

from fastroute.kernels.codes import INIT_FORCED, INIT_OPTIMISTIC
from fastroute.kernels.numba_ import CACHE


@njit(inline="always")
def radius(mean, inverse, gamma):
    """``f_rad(v, n) = sqrt(gamma v / n) + gamma / n`` with ``inverse = 1 / n``."""
    return math.sqrt(gamma * mean * inverse) + gamma * inverse


@njit(inline="always")
def unobserved_below(init, init_pulls):
    """Observations below which a model counts as unobserved, and as the best and cheapest."""
    return 1.0 if init == INIT_OPTIMISTIC else init_pulls if init == INIT_FORCED else 0.0


@njit(nogil=True, error_model="numpy", cache=CACHE)
def bounds(
    count, sum_reward, sum_cost, gamma, cost_min, cost_max, init, init_pulls, cost_side=-1.0
):
    """Upper reward bound U and lower cost bound L of one model; see the reference."""
    if count < unobserved_below(init, init_pulls):
        return 1.0, cost_min
    inverse = 1.0 / (count + 1.0)
    reward = sum_reward * inverse
    upper = reward + 2.0 * radius(reward, inverse, gamma)
    cost = sum_cost * inverse * (1.0 / cost_max)
    lower = (cost + cost_side * (2.0 * radius(cost, inverse, gamma))) * cost_max
    return min(max(upper, 0.0), 1.0), min(max(lower, cost_min), cost_max)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def bounds_batch(
    count,
    sum_reward,
    sum_cost,
    gamma,
    cost_min,
    cost_max,
    init,
    init_pulls,
    upper,
    lower,
    cost_side=-1.0,
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
                cost_side,
            )


@njit(inline="always")
def posterior(count, sum_reward, normal):
    """Sample of an observed model's mean reward; see the reference."""
    mean = (sum_reward + 1.0) / (count + 2.0)
    sample = mean + normal * math.sqrt(mean * (1.0 - mean) / (count + 3.0))
    return min(max(sample, 0.0), 1.0)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def posterior_batch(count, sum_reward, normal, init, init_pulls, upper):
    """Posterior samples of every model and trial, ``[N, trials]``; the last array is written."""
    until = unobserved_below(init, init_pulls)
    for m in range(count.shape[0]):
        for t in range(count.shape[1]):
            upper[m, t] = 1.0
            if count[m, t] >= until:
                upper[m, t] = posterior(count[m, t], sum_reward[m, t], normal[m, t])
