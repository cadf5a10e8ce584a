"""The estimator ``linear_thompson``."""

from typing import ClassVar

from fastroute.kernels.types import F8 as Array
from fastroute.kernels.types import Outcome
from fastroute.policies.estimators.linear import ridge_at_first
from fastroute.policies.estimators.thompson import Thompson
from fastroute.policies.part import Positive, RunNumbers


class LinearThompson(Thompson):
    r"""``thompson`` for the features x of the query, by a ridge regression for each model.

    .. math::

        U = \mathrm{clip}(\theta \cdot x + v z \left\lVert x \right\rVert_P,\; 0,\; 1), \qquad
        z \sim N(0, 1)

    with theta and P as in ``linear`` (Agrawal & Goyal 2013, *Thompson Sampling for Contextual
    Bandits with Linear Payoffs*).  They sample weights from N(theta, v^2 P) and score the query
    with them; of one query that score has exactly the normal law from which U is drawn here, with
    one normal number for each model and query.  Costs, and what deployers and routers that hold
    their shares see, are as in ``thompson``.  Needs what ``linear`` needs, and as much memory.

    Attributes
    ----------
    deviation : float
        The factor v, > 0.
    ridge : float
        Weight of the penalty, > 0.
    init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Learner` has them.
    """

    name: ClassVar[str] = "linear_thompson"
    needs_features: ClassVar[bool] = True
    learns_late: ClassVar[bool] = False
    passes: ClassVar[str] = "sampled_by_features"

    deviation: Positive = 0.25
    ridge: Positive = 1.0

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the parameters of ``thompson``, and the deviation for features."""
        return (*super().parameters(run), self.deviation)

    def first_contexts(self, run: RunNumbers, queries: Outcome) -> Array:
        """Return P and theta of every model before its first round, [N, d + 1, d]."""
        return ridge_at_first(self.label, run.n_models, queries.features.shape[1], self.ridge)
