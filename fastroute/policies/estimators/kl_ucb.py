"""The estimator ``kl_ucb``."""

import math
from typing import ClassVar

from fastroute.kernels.formulas import divergence
from fastroute.kernels.types import Formula
from fastroute.policies.estimators.learner import Learner
from fastroute.policies.part import Positive, RunNumbers


class KLUCB(Learner):
    r"""Bounds by the Kullback-Leibler divergence of Bernoulli laws (Garivier & Cappe 2011).

    .. math::

        U &= \max \{q : n \, \mathrm{kl}(\bar r, q) \le \ell\} \\
        L &= c_\max \min \{q : n \, \mathrm{kl}(\bar c / c_\max, q) \le \ell\} \\
        \ell &= \mathrm{scale} \, \log(T) \\
        \mathrm{kl}(p, q) &= p \, \log\, \frac{p}{q} + (1 - p) \, \log\, \frac{1 - p}{1 - q}

    with the plain means r and c; they hold for any rewards in [0, 1].  U is narrower than that of
    ``ucb`` where rewards are near 0 or 1.  The two ends q are found to 2e-6.

    Attributes
    ----------
    scale : float
        Width of the bounds: 1 is what the paper's proof asks for, up to log log T.
    init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Learner` has them; a model without any
        observation counts as one with a single observation of nothing where ``init="formula"``.
    """

    name: ClassVar[str] = "kl_ucb"
    bounds: ClassVar[Formula] = staticmethod(divergence.divergence_bounds)
    interval: ClassVar[Formula | None] = staticmethod(divergence.divergence_interval)

    scale: Positive = 1.0

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the level, the range of the costs, and when a model counts as observed."""
        level = self.scale * math.log(run.horizon)
        return level, run.cost_min, run.cost_max, self.unobserved_below
