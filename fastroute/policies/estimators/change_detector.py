"""The estimator ``change_detector``."""

import math
from typing import ClassVar

from fastroute.kernels.formulas import windows
from fastroute.kernels.types import Formula
from fastroute.policies.estimators.learner import Bounded
from fastroute.policies.part import EvenRounds, Positive, RunNumbers


class ChangeDetector(Bounded):
    r"""``ucb`` that forgets a model when a test finds that it changed.

    The test of M-UCB (Cao, Wen, Kveton & Xie 2019) compares the means of two windows. Whenever a
    model has ``w / 2`` new observations, w the window, they are compared with the n before them,
    if these are as many, and the model starts again as if it were new where

    .. math::

        |r_\mathrm{new} - r_\mathrm{old}| > \mathrm{threshold} \,
        \sqrt{\frac{\log(2 N T^2)}{2} \left(\frac{2}{w} + \frac{1}{n}\right)}

    or the means of the costs, divided by c_max, differ by as much.  With ``n = w / 2`` and
    ``threshold = 1`` this is the paper's threshold; the paper compares with the w / 2 observations
    before alone, after every observation, forgets all models at an alarm, and pulls each
    at random now and then so that changes of models that are not pulled are found.

    Attributes
    ----------
    window : int
        Observations of the two shortest windows that are compared, an even number.  A difference
        below ``sqrt(log(2 N T^2) / window)`` is not found, however long it lasts.
    threshold : float
        Below 1 alarms come earlier, and more of them are false.
    gamma, delta, init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Bounded` has them; the test leaves
        pseudo-observations aside, and a model that starts again starts with them.
    """

    name: ClassVar[str] = "change_detector"
    forgets: ClassVar[bool] = True
    observe: ClassVar[Formula] = staticmethod(windows.tested_observation)

    window: EvenRounds = 800
    threshold: Positive = 1.0

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the parameters of ``ucb``, those of the test, and what a model begins with."""
        level = self.threshold**2 * math.log(2.0 * run.n_models * float(run.horizon) ** 2)
        return (*super().parameters(run), self.window / 2, level, *super().first(run))

    def first(self, run: RunNumbers) -> tuple[float, ...]:
        """Return what ``ucb`` begins with, and an empty window."""
        return (*super().first(run), 0.0, 0.0, 0.0)
