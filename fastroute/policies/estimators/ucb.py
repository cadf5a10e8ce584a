"""The estimator ``ucb``."""

from typing import ClassVar

from fastroute.policies.estimators.learner import Bounded


class UCB(Bounded):
    """Upper bound on the reward, lower bound on the cost (Li & Li 2025, arXiv 2506.17254).

    ::

        U = clip(r + 2 f_rad(r, n + 1), 0, 1)
        L = clip(c - 2 f_rad(c, n + 1), c_min, c_max)
        f_rad(v, n) = sqrt(gamma v / n) + gamma / n,   means shrunk to sum / (n + 1)

    Attributes
    ----------
    gamma, delta, init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Bounded` has them.
    """

    name: ClassVar[str] = "ucb"
