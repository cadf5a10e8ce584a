"""The estimator ``sliding_window``."""

from typing import ClassVar

from fastroute.kernels.formulas import windows
from fastroute.kernels.types import Formula
from fastroute.policies.estimators.learner import Bounded
from fastroute.policies.part import EvenRounds, RunNumbers


class SlidingWindow(Bounded):
    """``ucb`` of the latest observations of each model (Garivier & Moulines 2011).

    Observations are kept in blocks of ``window / 2``: the newest block and the one before it.
    When the newest is complete, the one before is forgotten, so that n is at first as in ``ucb``
    and later from ``window / 2`` to ``window - 1``, the latest ones.  Blocks need six numbers a
    model; a window that moves with every observation needs ``2 window`` of them.  As with
    ``discounted``, a model forgets when it observes: the paper's window is of the latest rounds,
    whoever was pulled.

    Attributes
    ----------
    window : int
        Observations of a model that are kept at most, an even number.
    gamma, delta, init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Bounded` has them; pseudo-observations
        are forgotten with the first complete block.
    """

    name: ClassVar[str] = "sliding_window"
    forgets: ClassVar[bool] = True
    observe: ClassVar[Formula] = staticmethod(windows.windowed_observation)

    window: EvenRounds = 1_000

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the parameters of ``ucb``, and the observations of a block."""
        return (*super().parameters(run), self.window / 2)

    def first(self, run: RunNumbers) -> tuple[float, ...]:
        """Return what ``ucb`` begins with, and an empty block."""
        return (*super().first(run), 0.0, 0.0, 0.0)
