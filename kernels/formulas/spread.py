"""Bounds that are as wide as the observations are spread.

``seen`` holds the observations n, the sums of rewards and of costs, and the sums of their squares;
where rewards and costs are learnt apart, also the number of costs, and n is that of the rewards.
"""

from typing import Any

from fastroute.kernels.formulas.names import maximum, minimum, rounded, sqrt, where


def squared_observation(seen: Any, reward: Any, cost: Any, *parameters: Any) -> Any:
    """Count an observation and add up its reward and cost, and their squares."""
    count, sum_reward, sum_cost, square_reward, square_cost = seen
    return (
        count + 1.0,
        sum_reward + reward,
        sum_cost + cost,
        square_reward + rounded(reward * reward),
        square_cost + rounded(cost * cost),
    )


def spread_bounds(
    seen: Any, level: Any, cost_min: Any, cost_max: Any, unobserved_below: Any
) -> Any:
    """Bounds by the empirical variance, U above the mean reward and L below the mean cost."""
    reward, cost, width, cost_width = spread_interval(
        seen, level, cost_min, cost_max, unobserved_below
    )
    lower = minimum(maximum(cost - cost_width, cost_min), cost_max)
    lower = where(seen[0] < unobserved_below, cost_min, lower)
    return minimum(maximum(reward + width, 0.0), 1.0), lower


def spread_interval(
    seen: Any, level: Any, cost_min: Any, cost_max: Any, unobserved_below: Any
) -> Any:
    """Means of a model, and the half-widths of their intervals by the empirical variance.

    The width of the reward is infinite for a model that counts as unobserved.
    """
    count, sum_reward, sum_cost, square_reward, square_cost = seen
    share = 1.0 / maximum(count, 1.0)
    reward, cost = rounded(sum_reward * share), rounded(sum_cost * share)
    width = half_width(reward, square_reward, 1.0, share, level)
    cost_width = half_width(cost, square_cost, cost_max, share, level)
    return reward, cost, where(count < unobserved_below, float("inf"), width), cost_width


def squared_reward(seen: Any, reward: Any, *parameters: Any) -> Any:
    """As :func:`squared_observation`, for a reward that is learnt apart from its cost."""
    count, sum_reward, sum_cost, square_reward, square_cost, cost_count = seen
    square_reward = square_reward + rounded(reward * reward)
    return count + 1.0, sum_reward + reward, sum_cost, square_reward, square_cost, cost_count


def squared_cost(seen: Any, cost: Any, *parameters: Any) -> Any:
    """As :func:`squared_observation`, for a cost that is learnt apart from its reward."""
    count, sum_reward, sum_cost, square_reward, square_cost, cost_count = seen
    square_cost = square_cost + rounded(cost * cost)
    return count, sum_reward, sum_cost + cost, square_reward, square_cost, cost_count + 1.0


def spread_bounds_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`spread_bounds`, where rewards and costs have been counted apart."""
    count, sum_reward, sum_cost, square_reward, square_cost, cost_count = seen
    upper, _ = spread_bounds((count, sum_reward, 0.0, square_reward, 0.0), *parameters)
    _, lower = spread_bounds((cost_count, 0.0, sum_cost, 0.0, square_cost), *parameters)
    return upper, lower


def spread_interval_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`spread_interval`, where rewards and costs have been counted apart."""
    count, sum_reward, sum_cost, square_reward, square_cost, cost_count = seen
    rewards = count, sum_reward, 0.0, square_reward, 0.0
    costs = cost_count, 0.0, sum_cost, 0.0, square_cost
    reward, _, reward_width, _ = spread_interval(rewards, *parameters)
    _, cost, _, cost_width = spread_interval(costs, *parameters)
    return reward, cost, reward_width, cost_width


def half_width(mean: Any, squares: Any, most: Any, share: Any, level: Any) -> Any:
    """``sqrt(2 V level / n) + 3 most level / n`` for values in [0, most], V their variance."""
    variance = maximum(rounded(squares * share) - rounded(mean * mean), 0.0)
    return sqrt(2.0 * variance * (level * share)) + rounded(3.0 * most * (level * share))
