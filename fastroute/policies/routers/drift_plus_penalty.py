"""The router ``drift_plus_penalty``."""

import math
from typing import ClassVar

from fastroute.kernels.formulas import scores
from fastroute.kernels.types import Formula
from fastroute.policies.part import Positive, Rounds, Router, RunNumbers


class DriftPlusPenalty(Router):
    r"""Ranks the models by ``V U - Q c``, with a queue Q of what was spent beyond the budget.

    .. math::

        m = \mathrm{argmax}_m \; V U_m - Q c_m, \qquad Q \leftarrow \max(Q + c_t - b',\; 0)

    Liu, Li, Shi & Ying 2021, *An Efficient Pessimistic-Optimistic Algorithm for Stochastic Linear
    Bandits with General Constraints*; their epsilon is the ``margin``.  ``c = L / c_max`` and
    ``b' = min(b, c_max) / c_max`` are costs on the scale of the rewards.  The best model gets as
    much as allowed, then the next; ties by higher U, lower L, lower index.

    Attributes
    ----------
    weight : float or None
        V, the weight of the reward; None is ``sqrt(T)``.
    resolve_every : int
        Rounds between two rankings; the queue follows every round.
    """

    name: ClassVar[str] = "drift_plus_penalty"

    score: ClassVar[Formula | None] = staticmethod(scores.drift_score)
    learn: ClassVar[Formula | None] = staticmethod(scores.drift_learn)

    weight: Positive | None = None
    resolve_every: Rounds = 1

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return V, the pace and the scale of the costs."""
        weight = math.sqrt(run.horizon) if self.weight is None else self.weight
        return weight, *run.pace_and_scale

    def first_state(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the empty queue."""
        del run
        return (0.0,)
