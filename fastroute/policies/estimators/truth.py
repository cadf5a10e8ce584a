"""The estimator ``truth``."""

from typing import ClassVar

from fastroute.kernels.formulas import estimates
from fastroute.kernels.types import Formula
from fastroute.policies.part import Estimator


class KnownMeans(Estimator):
    """The true means: the oracle."""

    name: ClassVar[str] = "truth"
    passes: ClassVar[str] = "known_means"
    # Never asked: the bounds are the means.
    bounds: ClassVar[Formula] = staticmethod(estimates.bounds)

    @property
    def has_interval(self) -> bool:
        """Known means need no confidence interval."""
        return True
