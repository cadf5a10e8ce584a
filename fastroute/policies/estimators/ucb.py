"""The estimator ``ucb``."""

from typing import ClassVar

from fastroute.policies.estimators.learner import Bounded


class UCB(Bounded):
    r"""Upper bound on the reward, lower bound on the cost (Li & Li 2025, arXiv 2506.17254).

    .. math::

        U &= \mathrm{clip}(\bar r + 2 f_\mathrm{rad}(\bar r, n + 1),\; 0,\; 1) \\
        L &= \mathrm{clip}(\bar c - 2 f_\mathrm{rad}(\bar c, n + 1),\; c_\min,\; c_\max) \\
        f_\mathrm{rad}(v, n) &= \sqrt{\gamma v / n} + \gamma / n

    with means shrunk to sum / (n + 1).

    Attributes
    ----------
    gamma, delta, init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Bounded` has them.
    """

    name: ClassVar[str] = "ucb"
