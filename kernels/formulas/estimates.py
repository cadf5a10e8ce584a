"""What a policy believes of a model, from what it has observed of it.

``seen`` is what an estimator keeps of a model: observations n, sum of rewards, sum of costs, and
whatever else the estimator keeps.  An estimator is made of up to three formulas::

    observe(seen, reward, cost, *parameters) -> seen
    bounds(seen, *parameters) -> (upper, lower)
    interval(seen, *parameters) -> (reward, cost, reward_width, cost_width)

Where a world teaches rewards and costs apart, two formulas stand for ``observe``, and ``seen`` has
a count of the costs beside that of the rewards::

    observe_reward(seen, reward, *parameters) -> seen
    observe_cost(seen, cost, *parameters) -> seen

Parameters are the numbers of the estimator, in the order in which it gives them.  With a
confidence radius these are ``gamma`` (its width), ``cost_min`` and ``cost_max``, ``cost_side`` (-1
for the lower bound on the cost, +1 for the upper), ``unobserved_below`` (observations below which a
model counts as the best and the cheapest), and ``discount`` (weight that earlier observations keep
at a new one).
"""

from typing import Any

from fastroute.kernels.formulas.names import maximum, minimum, rounded, sqrt, where
from fastroute.kernels.tolerances import DOMINATED


def radius(mean: Any, inverse: Any, gamma: Any) -> Any:
    """``f_rad(v, n) = sqrt(gamma v / n) + gamma / n`` with ``inverse = 1 / n`` (section 4)."""
    return sqrt(gamma * mean * inverse) + rounded(gamma * inverse)


def count_observation(seen: Any, reward: Any, cost: Any, *parameters: Any) -> Any:
    """Count an observation and add up its reward and cost."""
    count, sum_reward, sum_cost = seen
    return count + 1.0, sum_reward + reward, sum_cost + cost


def count_reward(seen: Any, reward: Any, *parameters: Any) -> Any:
    """Count a reward that is learnt apart from its cost; the costs have a count of their own."""
    count, sum_reward, sum_cost, cost_count = seen
    return count + 1.0, sum_reward + reward, sum_cost, cost_count


def count_cost(seen: Any, cost: Any, *parameters: Any) -> Any:
    """Count a cost that is learnt apart from its reward."""
    count, sum_reward, sum_cost, cost_count = seen
    return count, sum_reward, sum_cost + cost, cost_count + 1.0


def bounds(
    seen: Any,
    gamma: Any,
    cost_min: Any,
    cost_max: Any,
    cost_side: Any,
    unobserved_below: Any,
    *others: Any,
) -> Any:
    """Upper bound U on the mean reward and bound L on the mean cost of a model.

    ``U = clip(r + 2 f_rad(r, n + 1), 0, 1)`` and ``L = clip(c - 2 f_rad(c, n + 1), c_min, c_max)``
    with means shrunk to ``sum / (n + 1)`` (Li & Li 2025, arXiv 2506.17254, section 4).  The radius
    is meant for values in [0, 1], so costs are divided by ``cost_max`` before and multiplied after.
    """
    count, sum_reward, sum_cost = seen[:3]
    inverse = 1.0 / (count + 1.0)
    reward = rounded(sum_reward * inverse)
    upper = reward + 2.0 * radius(reward, inverse, gamma)
    cost = rounded(sum_cost * inverse * (1.0 / cost_max))
    lower = (cost + cost_side * (2.0 * radius(cost, inverse, gamma))) * cost_max
    unobserved = count < unobserved_below
    upper = where(unobserved, 1.0, minimum(maximum(upper, 0.0), 1.0))
    lower = where(unobserved, cost_min, minimum(maximum(lower, cost_min), cost_max))
    return upper, lower


def bounds_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`bounds`, where rewards and costs have been counted apart."""
    count, sum_reward, sum_cost, cost_count = seen
    upper, _ = bounds((count, sum_reward, 0.0), *parameters)
    _, lower = bounds((cost_count, 0.0, sum_cost), *parameters)
    return upper, lower


def interval(
    seen: Any,
    gamma: Any,
    cost_min: Any,
    cost_max: Any,
    cost_side: Any,
    unobserved_below: Any,
    *others: Any,
) -> Any:
    """Means of a model and the half-widths of their confidence intervals.

    The width of the reward is infinite for a model that counts as unobserved.
    """
    count, sum_reward, sum_cost = seen[:3]
    inverse = 1.0 / (count + 1.0)
    reward, cost = rounded(sum_reward * inverse), rounded(sum_cost * inverse)
    scaled = rounded(cost * (1.0 / cost_max))
    reward_width = 2.0 * radius(reward, inverse, gamma)
    cost_width = 2.0 * radius(scaled, inverse, gamma) * cost_max
    return reward, cost, where(count < unobserved_below, float("inf"), reward_width), cost_width


def interval_apart(seen: Any, *parameters: Any) -> Any:
    """As :func:`interval`, where rewards and costs have been counted apart."""
    count, sum_reward, sum_cost, cost_count = seen
    reward, _, reward_width, _ = interval((count, sum_reward, 0.0), *parameters)
    _, cost, _, cost_width = interval((cost_count, 0.0, sum_cost), *parameters)
    return reward, cost, reward_width, cost_width


def discounted_observation(
    seen: Any,
    reward: Any,
    cost: Any,
    gamma: Any,
    cost_min: Any,
    cost_max: Any,
    cost_side: Any,
    unobserved_below: Any,
    discount: Any,
) -> Any:
    """As ``count_observation``, where earlier observations lose weight at each new one."""
    count, sum_reward, sum_cost = seen
    return (
        rounded(discount * count) + 1.0,
        rounded(discount * sum_reward) + reward,
        rounded(discount * sum_cost) + cost,
    )


def discounted_reward(seen: Any, reward: Any, *parameters: Any) -> Any:
    """As :func:`count_reward`, where earlier rewards lose weight at each new one."""
    count, sum_reward, sum_cost, cost_count = seen
    mine = discounted_observation((count, sum_reward, 0.0), reward, 0.0, *parameters)
    return mine[0], mine[1], sum_cost, cost_count


def discounted_cost(seen: Any, cost: Any, *parameters: Any) -> Any:
    """As :func:`count_cost`, where earlier costs lose weight at each new one."""
    count, sum_reward, sum_cost, cost_count = seen
    mine = discounted_observation((cost_count, 0.0, sum_cost), 0.0, cost, *parameters)
    return count, sum_reward, mine[2], mine[0]


def exact_interval(seen: Any, *parameters: Any) -> Any:
    """Mean reward and mean cost that are known, without a width; ``seen`` are these two."""
    reward, cost = seen
    return reward, cost, 0.0, 0.0


def posterior(count: Any, sum_reward: Any, normal: Any, unobserved_below: Any) -> Any:
    """Sample of a model's mean reward from the posterior after a uniform prior.

    The Beta posterior of n rewards in [0, 1] with sum S is replaced by the normal law of its mean
    and variance: ``clip(m + z sqrt(m (1 - m) / (n + 3)), 0, 1)`` with ``m = (S + 1) / (n + 2)``
    and z standard normal.
    """
    mean = (sum_reward + 1.0) / (count + 2.0)
    deviation = sqrt(mean * (1.0 - mean) / (count + 3.0))
    sample = mean + rounded(normal * deviation)
    return where(count < unobserved_below, 1.0, minimum(maximum(sample, 0.0), 1.0))


def worth(reward: Any, cost: Any, reward_width: Any, cost_width: Any, price: Any) -> Any:
    """Lower and upper end of what a model is worth, ``r - price c``, at a price of the budget."""
    middle = reward - rounded(price * cost)
    width = reward_width + rounded(price * cost_width)
    return middle - width, middle + width


def surely_better(low: Any, high: Any, margin: Any = DOMINATED) -> Any:
    """Whether a model worth at least ``low`` is better than one worth at most ``high``."""
    return low > high + margin
