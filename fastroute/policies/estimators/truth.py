"""The estimator ``truth``."""

from typing import ClassVar

from fastroute.policies.part import Estimator


class KnownMeans(Estimator):
    """The true means: the oracle."""

    name: ClassVar[str] = "truth"
