"""Built-in parts as a user would write them: formulas of a module outside of the package."""

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
        return self.gamma, run.cost_min, run.cost_max

    @staticmethod
    def bounds(seen: Any, gamma: Any, cost_min: Any, cost_max: Any) -> Any:
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
        return math.sqrt(run.horizon), min(run.budget, run.cost_max), 1.0 / run.cost_max

    def first_state(self, run: Any) -> tuple[float, ...]:
        return (0.0,)

    @staticmethod
    def score(upper: Any, lower: Any, state: Any, weight: Any, pace: Any, scale: Any) -> Any:
        (queue,) = state
        return rounded(weight * upper) - rounded(queue * rounded(lower * scale))

    @staticmethod
    def learn(state: Any, reward: Any, cost: Any, weight: Any, pace: Any, scale: Any) -> Any:
        (queue,) = state
        return (maximum(queue + rounded((cost - pace) * scale), 0.0),)


class Remembers(fr.Router):
    """Keeps as many numbers as there may be; the last of them counts the rounds."""

    name: ClassVar[str] = "remembers"

    numbers: int = 8

    def first_state(self, run: Any) -> tuple[float, ...]:
        return (0.0,) * self.numbers

    @staticmethod
    def score(upper: Any, lower: Any, state: Any) -> Any:
        return upper - state[-1] * lower

    @staticmethod
    def learn(state: Any, reward: Any, cost: Any) -> Any:
        return (*state[1:], state[0] + 1.0 / 1024.0)


@dataclass(frozen=True)
class CopiedUniform(fr.CostLaw):
    """The law ``uniform``."""

    @staticmethod
    def draw(uniform: Any, mean: Any) -> Any:
        return mean * (0.5 + uniform)

    def support(self, mean: Any) -> Any:
        return mean * 0.5, mean * 1.5
