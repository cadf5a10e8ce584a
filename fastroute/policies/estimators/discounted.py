"""The estimator ``discounted``."""

from typing import Annotated, ClassVar

from pydantic import Field

from fastroute.kernels.formulas import estimates
from fastroute.kernels.types import Formula
from fastroute.policies.estimators.learner import Bounded
from fastroute.policies.part import RunNumbers


class Discounted(Bounded):
    """``ucb`` that forgets (Garivier & Moulines 2011).

    When a model is pulled, the weight of its earlier observations is multiplied by ``discount``,
    so that n is at most ``1 / (1 - discount)``.  As in ParetoBandit 2026, a model forgets when it
    observes.

    Attributes
    ----------
    discount : float
        Weight that a model's observations keep when it is pulled again, in (0, 1).
    gamma, delta, init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Bounded` has them.
    """

    name: ClassVar[str] = "discounted"
    forgets: ClassVar[bool] = True
    observe: ClassVar[Formula] = staticmethod(estimates.discounted_observation)

    discount: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.997

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the parameters of ``ucb``, and the discount."""
        return (*super().parameters(run), self.discount)
