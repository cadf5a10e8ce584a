"""The estimator ``pessimistic``."""

from typing import ClassVar

from fastroute.policies.estimators.learner import Bounded


class Pessimistic(Bounded):
    r"""``ucb`` with an *upper* bound on the cost.

    .. math::

        L = \mathrm{clip}(\bar c + 2 f_\mathrm{rad}(\bar c, n + 1),\; c_\min,\; c_\max)

    Reward optimistic, cost pessimistic (Pacchiano, Ghavamzadeh, Bartlett & Jiang 2021, *Stochastic
    Bandits with Linear Constraints*).

    Attributes
    ----------
    gamma, delta, init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Bounded` has them.
    """

    name: ClassVar[str] = "pessimistic"
    cost_side: ClassVar[float] = 1.0
