"""Costs that do not vary."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.formulas import outcomes
from fastroute.kernels.types import Formula
from fastroute.scenarios.laws.base import CostLaw

__all__ = ["FixedCost"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FixedCost(CostLaw):
    """Every query costs the mean of its model."""

    name: ClassVar[str] = "fixed"

    draw: ClassVar[Formula] = staticmethod(outcomes.always)

    def support(self, mean: Array) -> tuple[Array, Array]:
        """Return the means, twice."""
        return mean, mean
