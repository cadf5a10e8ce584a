"""The router ``primal_dual``."""

import math
from typing import ClassVar

from fastroute.kernels.formulas import scores
from fastroute.kernels.types import Formula
from fastroute.policies.part import Positive, Rounds, Router, RunNumbers


class PrimalDual(Router):
    r"""Ranks the models by ``U / (v c + b')``: reward per unit of money and rounds.

    .. math::

        m = \mathrm{argmax}_m \; \frac{U_m}{v c_m + b'}, \qquad
        v \leftarrow v \, \frac{1 + \varepsilon c_t}{1 + \varepsilon b'}

    v is the price of money in rounds: PrimalDualBwK of Badanidiyuru, Kleinberg & Slivkins 2013,
    with linear steps of the multiplicative weights, charged by what was spent.  ``c = L / c_max``
    and ``b' = min(b, c_max) / c_max`` are costs on the scale of the rewards.  The best model gets
    as much as allowed, then the next; ties by higher U, lower L, lower index.

    Attributes
    ----------
    step : float or None
        eps, the step of the price; None is ``min(1, sqrt(log 2 / (T b')))``.
    resolve_every : int
        Rounds between two rankings; the price follows every round.
    """

    name: ClassVar[str] = "primal_dual"

    score: ClassVar[Formula | None] = staticmethod(scores.primal_dual_score)
    learn: ClassVar[Formula | None] = staticmethod(scores.primal_dual_learn)

    step: Positive | None = None
    resolve_every: Rounds = 1

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the step, the pace and the scale of the costs."""
        if self.step is not None:
            return self.step, *run.pace_and_scale
        spent = run.horizon * run.scaled_budget
        step = min(1.0, math.sqrt(math.log(2.0) / spent)) if spent > 0.0 else 1.0
        return step, *run.pace_and_scale

    def first_state(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the price of money in rounds."""
        del run
        return (1.0,)
