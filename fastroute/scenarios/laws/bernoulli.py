"""Rewards that are 1 or 0."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fastroute.kernels.formulas import where
from fastroute.scenarios.laws.base import RewardLaw

__all__ = ["Bernoulli"]


@dataclass(frozen=True)
class Bernoulli(RewardLaw):
    """The reward is 1 with the mean as its probability, else 0."""

    name: ClassVar[str] = "bernoulli"

    @staticmethod
    def draw(uniform: Any, mean: Any) -> Any:
        """Return one reward."""
        return where(uniform < mean, 1.0, 0.0)
