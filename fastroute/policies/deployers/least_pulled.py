"""The deployer ``least_pulled``."""

from typing import ClassVar

from fastroute.policies.deployers.common import deploy_highest
from fastroute.policies.part import Deployer
from fastroute.policies.stage import Choice, StageProblem


class LeastPulled(Deployer):
    """The M_max models with fewest observations."""

    name: ClassVar[str] = "least_pulled"

    def choose(self, problem: StageProblem) -> Choice:
        """Return the sets to deploy, for a batch of trials at once."""
        return deploy_highest(problem, -problem.pulls)
