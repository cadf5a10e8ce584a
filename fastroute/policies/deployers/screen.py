"""The deployer ``screen``."""

from typing import ClassVar

import numpy as np

from fastroute.kernels import codes
from fastroute.kernels.formulas.constraints import enough
from fastroute.policies.deployers.common import deploy_highest
from fastroute.policies.deployers.mip import MIP
from fastroute.policies.part import Rounds
from fastroute.policies.stage import F8, Choice, Mask, StageProblem, rule_choice


class Screen(MIP):
    """``mip`` on the models that are known, and a few slots for those that are not yet.

    A model is a newcomer while it has fewer than ``observations`` of them.  Of the M_max slots,
    ``slots`` go to the newcomers of highest U (all of them where there are fewer), and the others
    to the models that ``mip`` chooses among the rest; slots that the rest is too few to fill go to
    newcomers too, as all do in the first stage.  So arrivals cannot crowd out what is known to be
    good, and none waits for ever: UCB-AA (Zheng, Xu & Yang 2026, arXiv 2606.09002) screens arriving
    arms before they compete with the others; the number of slots is ours.

    Attributes
    ----------
    slots : int
        Slots for newcomers in each stage, at most M_max.
    observations : int
        Observations from which on a model is no newcomer. What the estimator has forgotten does
        not count.
    fill : {"reduced_cost", "none", "ucb", "least_pulled"}
        Use of slots that the optimum over the rest leaves empty, by models of the rest.
    deploy_weight : float
        As :class:`~fastroute.policies.deployers.mip.MIP` has it.
    """

    name: ClassVar[str] = "screen"

    slots: Rounds = 1
    observations: Rounds = 100

    def check_run(self, max_deployed: int) -> None:
        """Refuse more slots for newcomers than there are."""
        if self.slots > max_deployed:
            raise ValueError(
                f'deployer="screen": slots={self.slots} is more than max_deployed={max_deployed}; '
                "use at most that many slots"
            )

    def choose(self, problem: StageProblem) -> Choice:
        """Return the sets to deploy, for a batch of trials at once."""
        there = np.broadcast_to(problem.limit > 0.0, problem.upper.shape)
        new = there & (problem.pulls < self.observations)
        most = problem.max_deployed
        known = (there & ~new).sum(axis=1)
        count = np.minimum(np.maximum(self.slots, most - known), new.sum(axis=1))
        count = np.minimum(count, most)
        choice = rule_choice(np.zeros(new.shape, np.bool_))
        for k in np.unique(count):
            rows = count == k
            part = _rows_of(problem, rows)
            newest = part._replace(limit=np.where(new[rows], problem.limit, 0.0), max_deployed=k)
            rest = part._replace(
                limit=np.where(new[rows], 0.0, problem.limit), max_deployed=most - k
            )
            found = deploy_highest(newest, newest.upper)
            if k < most:
                chosen = super().choose(rest)
                found = chosen._replace(deployed=chosen.deployed | found.deployed)
            for whole, here in zip(choice, found, strict=True):
                whole[rows] = here
        # The newcomers bring limits of their own.
        capacity: F8 = np.where(choice.deployed, problem.limit, 0.0).sum(axis=1)
        choice.status[(choice.status == codes.NO_CAPACITY) & enough(capacity)] = codes.OPTIMAL
        return choice


def _rows_of(problem: StageProblem, rows: Mask) -> StageProblem:
    """Return the problem for some of the trials."""
    return problem._replace(
        upper=problem.upper[rows],
        lower=problem.lower[rows],
        pulls=problem.pulls[rows],
        previous=problem.previous[rows],
    )
