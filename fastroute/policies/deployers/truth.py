"""The deployer ``truth``."""

from typing import ClassVar

import numpy as np

from fastroute.policies.deployers.common import make_batch
from fastroute.policies.part import Deployer
from fastroute.policies.stage import Choice, StageProblem
from fastroute.solve.deployment import deploy


class BestSet(Deployer):
    """The exact deployment problem on the true means, without fill: the set of the optimum."""

    name: ClassVar[str] = "truth"
    needs_truth: ClassVar[bool] = True

    def choose(self, problem: StageProblem) -> Choice:
        """Return the sets to deploy, for a batch of trials at once."""
        batch = make_batch(problem, problem.reward_mean, problem.cost_mean)
        count = len(problem.upper)
        # Where all trials share one instance, it is solved once (a charge depends on the trial).
        if problem.charge > 0.0 and len(batch.reward) < count:
            batch = make_batch(
                problem,
                np.repeat(problem.reward_mean, count, axis=0),
                np.repeat(problem.cost_mean, count, axis=0),
            )
        charge = np.where(problem.previous[: len(batch.reward)], 0.0, problem.charge)
        answer = deploy(batch, charge, problem.max_deployed, backend=problem.backend)
        times = count // len(batch.reward)
        return Choice(
            np.repeat(answer.deployed, times, axis=0),
            np.repeat(answer.budget_price, times),
            np.repeat(answer.gap, times),
            np.repeat(answer.method, times),
            np.repeat(answer.status, times),
        )
