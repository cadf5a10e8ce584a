"""Costs that are uniform around their mean."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.formulas import outcomes
from fastroute.kernels.types import Formula
from fastroute.scenarios.laws.base import CostLaw

__all__ = ["UniformCost"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class UniformCost(CostLaw):
    """The cost is mean × (0.5 + uniform), so between 0.5 and 1.5 times the mean."""

    name: ClassVar[str] = "uniform"

    draw: ClassVar[Formula] = staticmethod(outcomes.uniform_cost)

    def support(self, mean: Array) -> tuple[Array, Array]:
        """Return 0.5 and 1.5 times the means."""
        return mean * 0.5, mean * 1.5
