"""The estimator ``bernstein``."""

import math
from typing import ClassVar

from fastroute.kernels.formulas import spread
from fastroute.kernels.types import Formula
from fastroute.policies.estimators.learner import Learner
from fastroute.policies.part import Positive, RunNumbers


class Bernstein(Learner):
    r"""Bounds by the empirical variance (Audibert, Munos & Szepesvari 2009, UCB-V).

    .. math::

        U &= \mathrm{clip}(\bar r + \sqrt{2 V_r \ell / n} + 3 \ell / n,\; 0,\; 1) \\
        L &= \mathrm{clip}(\bar c - \sqrt{2 V_c \ell / n} - 3 c_\max \ell / n,\;
        c_\min,\; c_\max) \\
        \ell &= \mathrm{scale} \, \log(T)

    with the plain means r and c, and V_r and V_c the variances of the rewards and costs observed
    (divided by n).  The paper has the logarithm of the round in the place of log T.  Narrow where
    rewards are near 0 or 1 or graded, and where costs vary little.

    Attributes
    ----------
    scale : float
        Width of the bounds; the paper's proof asks for more than 1.
    init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Learner` has them; pseudo-observations
        have no variance, and a model without any observation counts as one with a single
        observation of nothing where ``init="formula"``.
    """

    name: ClassVar[str] = "bernstein"
    observe: ClassVar[Formula] = staticmethod(spread.squared_observation)
    bounds: ClassVar[Formula] = staticmethod(spread.spread_bounds)
    interval: ClassVar[Formula | None] = staticmethod(spread.spread_interval)

    scale: Positive = 1.0

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the level, the range of the costs, and when a model counts as observed."""
        level = self.scale * math.log(run.horizon)
        return level, run.cost_min, run.cost_max, self.unobserved_below

    def first(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the pseudo-observations of ``init="prior"``, and their squares; else none."""
        count, rewards, costs = super().first(run)
        n = max(count, 1.0)
        return count, rewards, costs, rewards * rewards / n, costs * costs / n
