"""The estimator ``contextual``."""

from typing import ClassVar

import numpy as np

from fastroute.kernels.types import F8 as Array
from fastroute.kernels.types import Outcome
from fastroute.policies.estimators.learner import Bounded
from fastroute.policies.part import RunNumbers


class Contextual(Bounded):
    """``ucb`` for the task of the query.

    Bounds on the reward from the observations of the same task alone, bounds on the cost from all.
    The task is known before the query is routed, as a classifier in front of the router would
    tell; deployers, and routers that hold their shares for many rounds, see the bounds of ``ucb``.
    The regret is still against the optimum that does not look at the query, and may be negative.
    Needs rewards by task, ``fr.ByTask``, a router that decides every round, and outcomes that are
    learnt in their own round.

    Attributes
    ----------
    gamma, delta, init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Bounded` has them.
    """

    name: ClassVar[str] = "contextual"
    needs_tasks: ClassVar[bool] = True
    learns_late: ClassVar[bool] = False
    passes: ClassVar[str] = "by_task"

    def first_contexts(self, run: RunNumbers, queries: Outcome) -> Array:
        """Return observations and sum of rewards of every task and model, [J, N, 2]."""
        kept = np.empty((len(queries.task_prob), run.n_models, 2))
        kept[:] = self.first(run)[:2]
        return kept
