"""The router ``pacer``."""

from typing import Annotated, ClassVar

from pydantic import Field

from fastroute.kernels.formulas import scores
from fastroute.kernels.types import Formula
from fastroute.policies.part import Positive, Rounds, Router, RunNumbers


class Pacer(Router):
    r"""Ranks the models by ``U - lam c``, with a price that paces the spending (ParetoBandit 2026).

    .. math::

        e &\leftarrow (1 - \mathrm{smoothing}) \, e + \mathrm{smoothing} \; c_t \\
        \lambda &\leftarrow \mathrm{clip}\left(
        \lambda + \mathrm{step} \left(\frac{e}{\min(b, c_\max)} - 1\right),\;
        0,\; \mathrm{ceiling}\right)

    ``c = L / c_max`` is the cost on the scale of the rewards.  The best model gets as much as
    allowed, then the next; ties by higher U, lower L, lower index.

    Attributes
    ----------
    step : float
        Step of the price.
    smoothing : float
        Weight of the last cost in its running mean, in (0, 1].
    ceiling : float
        Largest price.
    resolve_every : int
        Rounds between two rankings; the price follows every round.
    """

    name: ClassVar[str] = "pacer"

    score: ClassVar[Formula | None] = staticmethod(scores.pacer_score)
    learn: ClassVar[Formula | None] = staticmethod(scores.pacer_learn)

    step: Positive = 0.05
    smoothing: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    ceiling: Positive = 5.0
    resolve_every: Rounds = 1

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the step, the pace and the scale of the costs, smoothing and ceiling."""
        return self.step, *run.pace_and_scale, self.smoothing, self.ceiling

    def first_state(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the price, and the running mean of the costs: at first the budget."""
        return 0.0, min(run.budget, run.cost_max)
