"""Rewards that are 1 or 0."""

from dataclasses import dataclass
from typing import ClassVar

from fastroute.kernels.formulas import outcomes
from fastroute.kernels.types import Formula
from fastroute.scenarios.laws.base import RewardLaw

__all__ = ["Bernoulli"]


@dataclass(frozen=True)
class Bernoulli(RewardLaw):
    """The reward is 1 with the mean as its probability, else 0."""

    name: ClassVar[str] = "bernoulli"

    draw: ClassVar[Formula] = staticmethod(outcomes.bernoulli)
