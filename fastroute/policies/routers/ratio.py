"""The router ``ratio``."""

from typing import ClassVar

from fastroute.kernels.formulas import scores
from fastroute.kernels.types import Formula
from fastroute.policies.part import Rounds, Router, RunNumbers


class Ratio(Router):
    r"""Ranks the models by reward per cost (Tran-Thanh, Chapman, Rogers & Jennings 2012).

    .. math::

        m = \mathrm{argmax}_m \; U_m / c_m

    ``c = L / c_max`` is the cost on the scale of the rewards.  The best model gets as much as
    allowed, then the next; ties by higher U, lower L, lower index.  Has no price and does not look
    at the budget.

    Attributes
    ----------
    resolve_every : int
        Rounds between two rankings.
    """

    name: ClassVar[str] = "ratio"

    score: ClassVar[Formula | None] = staticmethod(scores.ratio_score)

    resolve_every: Rounds = 1

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the scale of the costs."""
        return (run.pace_and_scale[1],)
