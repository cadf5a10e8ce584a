"""Bounds by Kullback-Leibler divergence.

Logarithms are a formula of their own here, so that they are the same to the bit everywhere.
"""

from typing import Any, Final

from fastroute.kernels.formulas.names import frexp, maximum, minimum, rounded, sqrt, where

# The least distance from 0 and from 1 at which logarithms are taken.
_TINY: Final = 1e-12
# Steps towards a bound: one of Halley's, which follows the curvature, and one of Newton's.
_STEPS: Final = 1.0, 0.0

_LOG_2: Final = 0.6931471805599453
_ROOT_2: Final = 1.4142135623730951
# Coefficients of (log((1 + s) / (1 - s)) - 2 s) / s as a polynomial in s^2, for |s| up to
# (sqrt 2 - 1) / (sqrt 2 + 1): those of the logarithm in FreeBSD's msun, exact to 2^-58.
_LOG_1: Final = 6.666666666666735130e-01
_LOG_2ND: Final = 3.999999999940941908e-01
_LOG_3: Final = 2.857142874366239149e-01
_LOG_4: Final = 2.222219843214978396e-01
_LOG_5: Final = 1.818357216161805012e-01
_LOG_6: Final = 1.531383769920937332e-01
_LOG_7: Final = 1.479819860511658591e-01


def log_ratio(x: Any, y: Any) -> Any:
    """``log(x / y)`` of two numbers above 0, with a relative error of at most 4e-15.

    With the mantissas brought within a factor of the root of 2 of each other,
    ``log(a / b) = 2 artanh(s)`` with ``s = (a - b) / (a + b)``.
    """
    a, power = frexp(x)
    b, other = frexp(y)
    high, low = a > _ROOT_2 * b, b > _ROOT_2 * a
    power = power - other + where(high, 1.0, where(low, -1.0, 0.0))
    a = where(high, 0.5 * a, where(low, 2.0 * a, a))
    s = (a - b) / (a + b)
    z = rounded(s * s)
    tail = _LOG_5 + rounded(z * (_LOG_6 + rounded(z * _LOG_7)))
    tail = _LOG_3 + rounded(z * (_LOG_4 + rounded(z * tail)))
    tail = z * (_LOG_1 + rounded(z * (_LOG_2ND + rounded(z * tail))))
    return rounded(power * _LOG_2) + (2.0 * s + rounded(s * tail))


def divergence_bound(mean: Any, level: Any) -> Any:
    """Largest q whose Kullback-Leibler divergence ``kl(mean, q)`` is at most ``level``.

    ``kl(m, q) = m log(m / q) + (1 - m) log((1 - m) / (1 - q))`` is that of two Bernoulli laws.  As
    a function of q it is convex and rises above m, so that a step of Newton's, from wherever,
    ends right of the end that is looked for: what is returned is a bound, up to rounding, and at
    most 4e-7 too large.
    """
    rest, some = maximum(1.0 - mean, _TINY), maximum(mean, _TINY)
    spread = 0.5 * (mean * (1.0 - mean))
    bound = first_bound(mean, rest, level)
    for curved in _STEPS:
        left, right = maximum(1.0 - bound, _TINY), maximum(bound, _TINY)
        excess = rounded(mean * log_ratio(some, right)) + rounded(rest * log_ratio(rest, left))
        excess, gap = excess - level, maximum(bound - mean, _TINY)
        square = rounded(gap * gap)
        bend = rounded(curved * excess * (0.5 * square + spread))
        step = excess * gap * (right * left) / maximum(square - bend, 0.5 * square)
        bound = minimum(maximum(bound - step, mean), 1.0)
    return bound


def first_bound(mean: Any, rest: Any, level: Any) -> Any:
    """Bound from which Newton's steps start: the smaller of two, without logarithms.

    Near the mean, from ``kl(m, m + x) >= x^2 / (2 (v + (2/3) (1 - 2 m) x))`` with
    ``v = m (1 - m)``, because the variance at m + x is at most ``v + (1 - 2 m) x``.  Far from it,
    from ``kl(m, q) >= m log m + (1 - m) log((1 - m) / (1 - q))`` and
    ``m log m >= -2 r (1 - r)`` with ``r = sqrt(m)``; there, ``exp(-y)`` is
    ``(1 - z + z^2 / 2 - z^3 / 6)^64`` with ``z = y / 64``, which is less.
    """
    lean = level * (1.0 - 2.0 * mean) * (2.0 / 3.0)
    variance = mean * (1.0 - mean)
    near = mean + (lean + sqrt(rounded(lean * lean) + rounded(2.0 * level * variance)))
    root = sqrt(mean)
    z = (level + rounded(2.0 * root * (1.0 - root))) / (64.0 * rest)
    power = 1.0 - rounded(z * (1.0 - rounded(z * (0.5 - rounded(z * (1.0 / 6.0))))))
    power = maximum(power, 0.0)
    for _ in range(6):
        power = power * power
    return minimum(minimum(near, 1.0 - rounded(rest * power)), 1.0)


def divergence_bounds(
    seen: Any, level: Any, cost_min: Any, cost_max: Any, unobserved_below: Any
) -> Any:
    """Bounds by Kullback-Leibler divergence, U above the mean reward and L below the mean cost."""
    count, sum_reward, sum_cost = seen
    share = 1.0 / maximum(count, 1.0)
    reward, cost = means(sum_reward * share, sum_cost * share / cost_max)
    upper = divergence_bound(reward, level * share)
    lower = (1.0 - divergence_bound(1.0 - cost, level * share)) * cost_max
    unobserved = count < unobserved_below
    upper = where(unobserved, 1.0, upper)
    return upper, where(unobserved, cost_min, minimum(maximum(lower, cost_min), cost_max))


def divergence_interval(
    seen: Any, level: Any, cost_min: Any, cost_max: Any, unobserved_below: Any
) -> Any:
    """Means of a model, and the wider sides of their intervals by Kullback-Leibler divergence."""
    count, sum_reward, sum_cost = seen
    share = 1.0 / maximum(count, 1.0)
    reward, cost = means(sum_reward * share, sum_cost * share / cost_max)
    width, cost_width = wider_side(reward, level * share), wider_side(cost, level * share)
    width = where(count < unobserved_below, float("inf"), width)
    return reward, cost * cost_max, width, cost_width * cost_max


def wider_side(mean: Any, level: Any) -> Any:
    """Distance from a mean to the farther end of its interval."""
    above = divergence_bound(mean, level) - mean
    return maximum(above, divergence_bound(1.0 - mean, level) - (1.0 - mean))


def means(reward: Any, cost: Any) -> Any:
    """Keep means of values in [0, 1] there, whatever the rounding."""
    return minimum(maximum(reward, 0.0), 1.0), minimum(maximum(cost, 0.0), 1.0)
