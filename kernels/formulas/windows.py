"""What an estimator keeps that trusts the latest observations of a model more than all of them.

``seen`` holds the observations n, the sums of rewards and of costs, and then the same three of the
newest block alone, which is complete with ``block`` observations.  Where rewards and costs are
learnt apart, these are the numbers and blocks of the rewards, and the number of costs and that of
their newest block follow.
"""

from typing import Any

from fastroute.kernels.formulas.estimates import bounds, interval
from fastroute.kernels.formulas.names import maximum, rounded, sqrt, where


def windowed_observation(
    seen: Any,
    reward: Any,
    cost: Any,
    gamma: Any,
    cost_min: Any,
    cost_max: Any,
    cost_side: Any,
    unobserved_below: Any,
    block: Any,
) -> Any:
    """Count an observation; when it completes a block, all but this block is forgotten."""
    n, rewards, costs, new_n, new_rewards, new_costs = added(seen, reward, cost)
    complete = new_n >= block
    return (
        where(complete, new_n, n),
        where(complete, new_rewards, rewards),
        where(complete, new_costs, costs),
        where(complete, 0.0, new_n),
        where(complete, 0.0, new_rewards),
        where(complete, 0.0, new_costs),
    )


def tested_observation(
    seen: Any,
    reward: Any,
    cost: Any,
    gamma: Any,
    cost_min: Any,
    cost_max: Any,
    cost_side: Any,
    unobserved_below: Any,
    block: Any,
    level: Any,
    first_n: Any,
    first_rewards: Any,
    first_costs: Any,
) -> Any:
    """Count an observation; when it completes a block, compare this with all before it.

    Where means differ by more than ``sqrt(level / 2 (1 / block + 1 / n))``, n the observations
    before, on the scale of the rewards or of costs divided by ``cost_max``, the model starts again
    as it began.
    """
    n, rewards, costs, new_n, new_rewards, new_costs = added(seen, reward, cost)
    complete = new_n >= block
    old_n = n - new_n - first_n
    new_share, old_share = 1.0 / maximum(new_n, 1.0), 1.0 / maximum(old_n, 1.0)
    width = sqrt(0.5 * level * (new_share + old_share))
    moved = distance(new_rewards, new_share, rewards - new_rewards - first_rewards, old_share)
    cost_moved = distance(new_costs, new_share, costs - new_costs - first_costs, old_share)
    alarm = complete & (old_n >= block) & ((moved > width) | (cost_moved > width * cost_max))
    return (
        where(alarm, first_n, n),
        where(alarm, first_rewards, rewards),
        where(alarm, first_costs, costs),
        where(complete, 0.0, new_n),
        where(complete, 0.0, new_rewards),
        where(complete, 0.0, new_costs),
    )


def windowed_reward(seen: Any, reward: Any, *parameters: Any) -> Any:
    """As :func:`windowed_observation`, for a reward that is learnt apart from its cost."""
    mine, costs = of_rewards(seen), of_costs(seen)
    return joined(windowed_observation(mine, reward, 0.0, *parameters), costs)


def windowed_cost(seen: Any, cost: Any, *parameters: Any) -> Any:
    """As :func:`windowed_observation`, for a cost that is learnt apart from its reward."""
    rewards, mine = of_rewards(seen), of_costs(seen)
    return joined(rewards, windowed_observation(mine, 0.0, cost, *parameters))


def tested_reward(seen: Any, reward: Any, *parameters: Any) -> Any:
    """As :func:`tested_observation`, for a reward that is learnt apart from its cost.

    An alarm forgets rewards alone.
    """
    mine, costs = of_rewards(seen, parameters[-1]), of_costs(seen)
    return joined(tested_observation(mine, reward, 0.0, *parameters), costs)


def tested_cost(seen: Any, cost: Any, *parameters: Any) -> Any:
    """As :func:`tested_observation`, for a cost that is learnt apart from its reward.

    An alarm forgets costs alone.
    """
    rewards, mine = of_rewards(seen), of_costs(seen, parameters[-2])
    return joined(rewards, tested_observation(mine, 0.0, cost, *parameters))


def of_rewards(seen: Any, costs: Any = 0.0) -> Any:
    """Return what was seen of the rewards, as where rewards and costs are learnt together."""
    n, rewards, _, new_n, new_rewards, _, _, _ = seen
    return n, rewards, costs, new_n, new_rewards, 0.0


def of_costs(seen: Any, rewards: Any = 0.0) -> Any:
    """Return what was seen of the costs, as where rewards and costs are learnt together."""
    _, _, costs, _, _, new_costs, n, new_n = seen
    return n, rewards, costs, new_n, 0.0, new_costs


def joined(of_rewards: Any, of_costs: Any) -> Any:
    """Put together what was seen of the rewards and of the costs."""
    n, rewards, _, new_n, new_rewards, _ = of_rewards
    cost_n, _, costs, new_cost_n, _, new_costs = of_costs
    return n, rewards, costs, new_n, new_rewards, new_costs, cost_n, new_cost_n


def window_bounds_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`estimates.bounds`, where rewards and costs have been counted apart."""
    upper, _ = bounds(of_rewards(seen), *parameters)
    _, lower = bounds(of_costs(seen), *parameters)
    return upper, lower


def window_interval_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`estimates.interval`, where rewards and costs have been counted apart."""
    reward, _, reward_width, _ = interval(of_rewards(seen), *parameters)
    _, cost, _, cost_width = interval(of_costs(seen), *parameters)
    return reward, cost, reward_width, cost_width


def added(seen: Any, reward: Any, cost: Any) -> Any:
    """Count an observation, in all and in the newest block."""
    n, rewards, costs, new_n, new_rewards, new_costs = seen
    return (
        n + 1.0,
        rewards + reward,
        costs + cost,
        new_n + 1.0,
        new_rewards + reward,
        new_costs + cost,
    )


def distance(total: Any, share: Any, other_total: Any, other_share: Any) -> Any:
    """Distance of two means."""
    one, other = rounded(total * share), rounded(other_total * other_share)
    return maximum(one - other, other - one)
