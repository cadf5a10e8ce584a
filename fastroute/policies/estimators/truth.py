"""The estimator ``truth``."""

from collections.abc import Callable
from typing import Any, ClassVar

from fastroute.kernels.formulas import estimates
from fastroute.kernels.types import F8 as Array
from fastroute.kernels.types import EstimatorKernel, Formula
from fastroute.policies.part import Estimator


class KnownMeans(Estimator):
    """The true means: the oracle."""

    name: ClassVar[str] = "truth"
    needs_truth: ClassVar[bool] = True
    passes: ClassVar[str] = "known_means"
    # Never asked: the bounds are the means.
    bounds: ClassVar[Formula] = staticmethod(estimates.bounds)

    def bounds_of_all(
        self,
        kernel: EstimatorKernel,
        seen: tuple[Array, ...],
        means: tuple[Array, Array],
        uniforms: Callable[[], Array],
    ) -> tuple[Any, Any]:
        """Return the true means."""
        del kernel, seen, uniforms
        return means

    @property
    def has_interval(self) -> bool:
        """Known means need no confidence interval."""
        return True
