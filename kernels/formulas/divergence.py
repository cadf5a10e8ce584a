"""Bounds by Kullback-Leibler divergence.

They need ``exp`` and ``log``, whose last digit may differ from library to library, and with it the
results of backends.
"""

from typing import Any, Final

from fastroute.kernels.formulas.names import exp, log, maximum, minimum, rounded, sqrt, where

# The least distance from 0 and from 1 at which logarithms are taken, and Newton's steps.
_TINY: Final = 1e-12
_NEWTON_STEPS: Final = 4


def divergence_bound(mean: Any, level: Any) -> Any:
    """Largest q whose Kullback-Leibler divergence ``kl(mean, q)`` is at most ``level``.

    ``kl(m, q) = m log(m / q) + (1 - m) log((1 - m) / (1 - q))`` is that of two Bernoulli laws.  As
    a function of q it is convex and rises above m, so that Newton's steps from the right stay on
    the right: what is returned is a bound after any number of them.  They start at the smaller of
    two bounds, from ``kl(m, q) >= (q - m)^2 / (2 v)``, v the largest variance between m and q, and
    from ``kl(m, q) >= m log m + (1 - m) log((1 - m) / (1 - q))``.
    """
    rest = maximum(1.0 - mean, _TINY)
    entropy = rounded(mean * log(maximum(mean, _TINY))) + rounded(rest * log(rest))
    middle = maximum(mean, 0.5)
    near = mean + sqrt(2.0 * middle * (1.0 - middle) * level)
    far = 1.0 - exp((entropy - level) / rest)
    bound = minimum(minimum(near, far), 1.0 - _TINY)
    for _ in range(_NEWTON_STEPS):
        some, left = maximum(bound, _TINY), 1.0 - bound
        excess = entropy - rounded(mean * log(some)) - rounded(rest * log(left)) - level
        slope = maximum((bound - mean) / (some * left), _TINY)
        bound = minimum(maximum(bound - excess / slope, mean), 1.0 - _TINY)
    return bound


def divergence_bounds(
    seen: Any, level: Any, cost_min: Any, cost_max: Any, unobserved_below: Any
) -> Any:
    """Bounds by Kullback-Leibler divergence, U above the mean reward and L below the mean cost."""
    count, sum_reward, sum_cost = seen
    share = 1.0 / maximum(count, 1.0)
    reward, cost = _means(sum_reward * share, sum_cost * share / cost_max)
    upper = divergence_bound(reward, level * share)
    lower = (1.0 - divergence_bound(1.0 - cost, level * share)) * cost_max
    unobserved = count < unobserved_below
    upper = where(unobserved, 1.0, upper)
    return upper, where(unobserved, cost_min, minimum(maximum(lower, cost_min), cost_max))


def divergence_bounds_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`divergence_bounds`, where rewards and costs have been counted apart."""
    count, sum_reward, sum_cost, cost_count = seen
    upper, _ = divergence_bounds((count, sum_reward, 0.0), *parameters)
    _, lower = divergence_bounds((cost_count, 0.0, sum_cost), *parameters)
    return upper, lower


def divergence_interval(
    seen: Any, level: Any, cost_min: Any, cost_max: Any, unobserved_below: Any
) -> Any:
    """Means of a model, and the wider sides of their intervals by Kullback-Leibler divergence."""
    count, sum_reward, sum_cost = seen
    share = 1.0 / maximum(count, 1.0)
    reward, cost = _means(sum_reward * share, sum_cost * share / cost_max)
    width, cost_width = _wider_side(reward, level * share), _wider_side(cost, level * share)
    width = where(count < unobserved_below, float("inf"), width)
    return reward, cost * cost_max, width, cost_width * cost_max


def divergence_interval_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`divergence_interval`, where rewards and costs have been counted apart."""
    count, sum_reward, sum_cost, cost_count = seen
    reward, _, reward_width, _ = divergence_interval((count, sum_reward, 0.0), *parameters)
    _, cost, _, cost_width = divergence_interval((cost_count, 0.0, sum_cost), *parameters)
    return reward, cost, reward_width, cost_width


def _wider_side(mean: Any, level: Any) -> Any:
    """Distance from a mean to the farther end of its interval."""
    above = divergence_bound(mean, level) - mean
    return maximum(above, divergence_bound(1.0 - mean, level) - (1.0 - mean))


def _means(reward: Any, cost: Any) -> Any:
    """Keep means of values in [0, 1] there, whatever the rounding."""
    return minimum(maximum(reward, 0.0), 1.0), minimum(maximum(cost, 0.0), 1.0)
