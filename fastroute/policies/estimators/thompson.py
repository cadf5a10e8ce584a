"""The estimator ``thompson``."""

from collections.abc import Callable
from typing import Any, ClassVar

from fastroute.kernels.formulas.estimates import posterior
from fastroute.kernels.normal import normal
from fastroute.kernels.types import F8 as Array
from fastroute.kernels.types import EstimatorKernel
from fastroute.policies.estimators.learner import Learner


class Thompson(Learner):
    r"""A sample of the mean reward, drawn again whenever a deployer or a router looks at it.

    Ferreira, Simchi-Levi & Wang 2018, *Online Network Revenue Management Using Thompson
    Sampling*:

    .. math::

        U = \mathrm{clip}\left(m + z \sqrt{\frac{m (1 - m)}{n + 3}},\; 0,\; 1\right), \qquad
        m = \frac{S + 1}{n + 2}, \qquad z \sim N(0, 1)

    with S the sum of the rewards: the normal law with mean and variance of the Beta posterior after
    a uniform prior. L is the shrunk mean of the costs.

    Attributes
    ----------
    init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Learner` has them.
    """

    name: ClassVar[str] = "thompson"
    passes: ClassVar[str] = "sampled"

    def bounds_of_all(
        self,
        kernel: EstimatorKernel,
        seen: tuple[Array, ...],
        means: tuple[Array, Array],
        uniforms: Callable[[], Array],
    ) -> tuple[Any, Any]:
        """Return a sample of the mean rewards, and the shrunk means of the costs."""
        _, lower = super().bounds_of_all(kernel, seen, means, uniforms)
        drawn = normal(uniforms())
        return posterior(seen[0], seen[1], drawn, kernel.unobserved_below), lower
