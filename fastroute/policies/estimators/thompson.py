"""The estimator ``thompson``."""

from typing import ClassVar

from fastroute.policies.estimators.learner import Learner


class Thompson(Learner):
    """A sample of the mean reward, drawn again whenever a deployer or a router looks at it.

    Ferreira, Simchi-Levi & Wang 2018, *Online Network Revenue Management Using Thompson
    Sampling*::

        U = clip(m + z sqrt(m (1 - m) / (n + 3)), 0, 1),   m = (S + 1) / (n + 2),   z ~ N(0, 1)

    which is the normal law with mean and variance of the Beta posterior after a uniform prior.
    L is the shrunk mean of the costs.

    Attributes
    ----------
    init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Learner` has them.
    """

    name: ClassVar[str] = "thompson"
    passes: ClassVar[str] = "sampled"
