"""The estimator ``mean``."""

from typing import ClassVar

from fastroute.policies.estimators.learner import Learner


class Mean(Learner):
    """The shrunk means themselves, ``sum / (n + 1)``: ``ucb`` with gamma = 0.

    Attributes
    ----------
    init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Learner` has them.
    """

    name: ClassVar[str] = "mean"
