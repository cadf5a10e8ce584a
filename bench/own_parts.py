"""Built-in parts as a user would write them: what a part of one's own costs."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import fastroute as fr
from fastroute.kernels.formulas import maximum, minimum, rounded, sqrt, where


class CopiedUCB(fr.Estimator):
    """The estimator ``ucb`` with ``init="optimistic"``."""

    name: ClassVar[str] = "copied_ucb"

    gamma: float = 0.1

    def parameters(self, run: Any) -> tuple[float, ...]:
        """Return the numbers of the formulas."""
        return self.gamma, run.cost_min, run.cost_max

    @staticmethod
    def bounds(seen: Any, gamma: Any, cost_min: Any, cost_max: Any) -> Any:
        """U and L of a model."""
        count, rewards, costs = seen
        inverse = 1.0 / (count + 1.0)
        reward = rounded(rewards * inverse)
        upper = reward + 2.0 * (sqrt(gamma * reward * inverse) + rounded(gamma * inverse))
        cost = rounded(costs * inverse * (1.0 / cost_max))
        wide = 2.0 * (sqrt(gamma * cost * inverse) + rounded(gamma * inverse))
        lower = (cost - wide) * cost_max
        new = count < 1.0
        upper = where(new, 1.0, minimum(maximum(upper, 0.0), 1.0))
        return upper, where(new, cost_min, minimum(maximum(lower, cost_min), cost_max))

    @staticmethod
    def interval(seen: Any, gamma: Any, cost_min: Any, cost_max: Any) -> Any:
        """Means of a model and half-widths of their intervals."""
        count, rewards, costs = seen
        inverse = 1.0 / (count + 1.0)
        reward, cost = rounded(rewards * inverse), rounded(costs * inverse)
        scaled = rounded(cost * (1.0 / cost_max))
        wide = 2.0 * (sqrt(gamma * reward * inverse) + rounded(gamma * inverse))
        wide_cost = 2.0 * (sqrt(gamma * scaled * inverse) + rounded(gamma * inverse)) * cost_max
        return reward, cost, where(count < 1.0, math.inf, wide), wide_cost


class CopiedDrift(fr.Router):
    """The router ``drift_plus_penalty``."""

    name: ClassVar[str] = "copied_drift"

    def parameters(self, run: Any) -> tuple[float, ...]:
        """Return the numbers of the formulas."""
        return math.sqrt(run.horizon), min(run.budget, run.cost_max), 1.0 / run.cost_max

    def first_state(self, run: Any) -> tuple[float, ...]:
        """Return the empty queue."""
        return (0.0,)

    @staticmethod
    def score(upper: Any, lower: Any, state: Any, weight: Any, pace: Any, scale: Any) -> Any:
        """Reward less the price of the queue."""
        (queue,) = state
        return rounded(weight * upper) - rounded(queue * rounded(lower * scale))

    @staticmethod
    def learn(state: Any, reward: Any, cost: Any, weight: Any, pace: Any, scale: Any) -> Any:
        """Let the queue follow the spending."""
        (queue,) = state
        return (maximum(queue + rounded((cost - pace) * scale), 0.0),)


def drift(
    now: Any,
    upper: Any,
    lower: Any,
    limit: Any,
    count: Any,
    budget: Any,
    reward: Any,
    cost: Any,
    state: Any,
    share: Any,
) -> None:
    """Drift plus penalty with V = 100, as a function that writes shares."""
    models, trials = upper.shape
    if now > 0:
        for t in range(trials):
            state[0, t] = max(state[0, t] + cost[t] - budget, 0.0)
    for m in range(models):
        for t in range(trials):
            state[1, t] = 0.0
        for k in range(models):
            if k == m:
                continue
            first = k < m
            for t in range(trials):
                mine = 100.0 * upper[m, t] - state[0, t] * lower[m, t]
                theirs = 100.0 * upper[k, t] - state[0, t] * lower[k, t]
                better = (theirs > mine) | ((theirs == mine) & first)
                before = state[1, t]
                state[1, t] = before + (limit[k, t] if better else 0.0)
        for t in range(trials):
            share[m, t] = min(max(1.0 - state[1, t], 0.0), limit[m, t])


@dataclass(frozen=True)
class CopiedUniform(fr.CostLaw):
    """The law ``uniform``."""

    @staticmethod
    def draw(uniform: Any, mean: Any) -> Any:
        """Return one cost."""
        return mean * (0.5 + uniform)

    def support(self, mean: Any) -> Any:
        """Return the smallest and the largest cost."""
        return mean * 0.5, mean * 1.5
