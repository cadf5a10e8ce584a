"""The deployer ``mip``."""

from typing import ClassVar

import numpy as np

from fastroute.policies.deployers.common import Fill, make_batch
from fastroute.policies.part import Deployer, NotNegative
from fastroute.policies.stage import Choice, StageProblem
from fastroute.solve.deployment import FILL_RULES, deploy, fill_slots


class MIP(Deployer):
    """The exact deployment problem on the bounds; empty slots by the fill rule.

    Li & Li 2025, arXiv 2506.17254.

    Attributes
    ----------
    fill : {"reduced_cost", "none", "ucb", "least_pulled"}
        Use of slots that the deployment optimum leaves empty.  It explores at no cost in the
        objective, and moves regret by a factor.
    deploy_weight : float
        Weight of what deployments cost: a model that was not deployed in the last stage is charged
        ``deploy_weight * deploy_cost / L``, L the rounds of the stage.  1 pays it off within the
        stage, less counts on later stages, 0 does not look at it.  What ``fill`` adds costs as
        much and is not weighed.
    """

    name: ClassVar[str] = "mip"

    fill: Fill = "reduced_cost"
    deploy_weight: NotNegative = 1.0

    def choose(self, problem: StageProblem) -> Choice:
        """Return the sets to deploy, for a batch of trials at once."""
        batch = make_batch(problem, problem.upper, problem.lower)
        charge = np.where(problem.previous, 0.0, self.deploy_weight * problem.charge)
        answer = deploy(batch, charge, problem.max_deployed, backend=problem.backend)
        deployed = fill_slots(
            answer.deployed,
            batch,
            answer.budget_price,
            problem.pulls,
            problem.max_deployed,
            FILL_RULES[self.fill],
            problem.backend,
        )
        return Choice(deployed, answer.budget_price, answer.gap, answer.method, answer.status)
