"""Costs that do not vary."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastroute.scenarios.laws.base import CostLaw

__all__ = ["FixedCost"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FixedCost(CostLaw):
    """Every query costs the mean of its model."""

    name: ClassVar[str] = "fixed"

    @staticmethod
    def draw(uniform: Any, mean: Any) -> Any:
        """Return the mean."""
        return mean

    def support(self, mean: Array) -> tuple[Array, Array]:
        """Return the means, twice."""
        return mean, mean
