"""Bounds by Kullback-Leibler divergence.

Logarithms are a formula of their own here, so that they are the same to the bit everywhere.
"""

from typing import Any, Final

from fastroute.kernels.formulas.names import frexp, maximum, minimum, rounded, sqrt, where

# The least distance from 0 and from 1 at which logarithms are taken.
_TINY: Final = 1e-12

# To 40 binary places: products with whole numbers are exact, which compilers know not to be nan,
# so that ``rounded`` would not keep them apart from a sum.
_LOG_2: Final = 0.6931471805601177
_ROOT_2: Final = 1.4142135623730951


def reduced(x: Any, y: Any) -> Any:
    """Return a, b in [0.5, 2) and a whole number e with ``x / y = (a / b) 2^e``.

    ``a / b`` is between the root of 1/2 and that of 2.
    """
    a, power = frexp(x)
    b, other = frexp(y)
    high, low = where(a > _ROOT_2 * b, 1.0, 0.0), where(b > _ROOT_2 * a, 1.0, 0.0)
    return a * (1.0 - 0.5 * high + low), b, power - other + (high - low)


def log_quotient(s: Any, power: Any) -> Any:
    """``log(2^e (1 + s) / (1 - s))`` for |s| up to 0.1716, to 1e-9 where s is not small.

    The series ``2 s + (2/3) s^3 + ...`` up to s^9, with a relative error of at most s^10.
    """
    z = rounded(s * s)
    tail = rounded(z * (2.0 / 5.0 + rounded(z * (2.0 / 7.0 + rounded(z * (2.0 / 9.0))))))
    return power * _LOG_2 + rounded(s * (2.0 + rounded(z * (2.0 / 3.0 + tail))))


def divergence(mean: Any, rest: Any, other: Any, other_rest: Any) -> Any:
    """``m log(m / q) + (1 - m) log((1 - m) / (1 - q))`` of two Bernoulli laws.

    The logarithms are ``2 artanh((a - b) / (a + b))`` of mantissas a and b, besides powers of 2.
    """
    a, b, power = reduced(maximum(mean, _TINY), other)
    c, d, power_of_rest = reduced(rest, other_rest)
    near, far = a + b, c + d
    inverse = 1.0 / (near * far)
    s, t = (a - b) * (far * inverse), (c - d) * (near * inverse)
    return rounded(mean * log_quotient(s, power)) + rounded(rest * log_quotient(t, power_of_rest))


def divergence_bound(mean: Any, level: Any) -> Any:
    """Largest q whose Kullback-Leibler divergence ``kl(mean, q)`` is at most ``level``.

    One step of Householder's method of order 4 from a bound near it.  On a fine grid of means and
    levels, what is returned is at most 1e-9 too small and 2e-6 too large.
    """
    rest, variance = maximum(1.0 - mean, _TINY), rounded(mean * (1.0 - mean))
    bound = first_bound(mean, rest, variance, level)
    left, right = maximum(1.0 - bound, _TINY), maximum(bound, _TINY)
    excess = divergence(mean, rest, right, left) - level
    gap = maximum(bound - mean, _TINY)
    # The derivatives of the divergence at q are gap / w, (gap^2 + v) / w^2 and 2 third / w^3 with
    # w = q (1 - q).
    square = rounded(gap * gap)
    bend = rounded(0.5 * excess * (square + variance))
    third = rounded(rest * (right * right * right)) - rounded(mean * (left * left * left))
    above = excess * (square - bend)
    below = rounded(gap * (square - 2.0 * bend)) + rounded(excess * excess * third * (1.0 / 3.0))
    step = above / maximum(below, 0.5 * gap * square) * (right * left)
    return minimum(maximum(bound - rounded(step), mean), 1.0)


def first_bound(mean: Any, rest: Any, variance: Any, level: Any) -> Any:
    """Bound from which the step starts: the smaller of two, without logarithms.

    Near the mean, from ``kl(m, m + x) >= x^2 / (2 v + (4/3) (1 - 2 m) x - x^2)``, v the variance
    at m; the two sides agree up to x^3.  Far from it, from
    ``kl(m, q) >= m log m + (1 - m) log((1 - m) / (1 - q))``, where three tangents are above
    ``-m log m / (1 - m)``, which is concave, and ``(1 - z + z^2 / 2 - z^3 / 6)^64`` with
    ``z = y / 64`` is below ``exp(-y)``.
    """
    lean = rounded(level * (1.0 - 2.0 * mean) * (2.0 / 3.0))
    more = 1.0 + level
    # One division for both.
    inverse = 1.0 / (more * rest)
    root = sqrt(rounded(lean * lean) + rounded(2.0 * level * more * variance))
    near = mean + rounded((lean + root) * (rest * inverse))
    tangent = minimum(0.045 + rounded(2.267 * mean), 0.208 + rounded(1.029 * mean))
    tangent = minimum(tangent, 0.5 + rounded(0.5 * mean))
    z = (rounded(level * (more * inverse)) + tangent) * (1.0 / 64.0)
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
    reward, cost = means(sum_reward * share, sum_cost * share / cost_max)
    width, cost_width = wider_side(reward, level * share), wider_side(cost, level * share)
    width = where(count < unobserved_below, float("inf"), width)
    return reward, cost * cost_max, width, cost_width * cost_max


def divergence_interval_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`divergence_interval`, where rewards and costs have been counted apart."""
    count, sum_reward, sum_cost, cost_count = seen
    reward, _, reward_width, _ = divergence_interval((count, sum_reward, 0.0), *parameters)
    _, cost, _, cost_width = divergence_interval((cost_count, 0.0, sum_cost), *parameters)
    return reward, cost, reward_width, cost_width


def wider_side(mean: Any, level: Any) -> Any:
    """Distance from a mean to the farther end of its interval."""
    above = divergence_bound(mean, level) - mean
    return maximum(above, divergence_bound(1.0 - mean, level) - (1.0 - mean))


def means(reward: Any, cost: Any) -> Any:
    """Keep means of values in [0, 1] there, whatever the rounding."""
    return minimum(maximum(reward, 0.0), 1.0), minimum(maximum(cost, 0.0), 1.0)
