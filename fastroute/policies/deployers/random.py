"""The deployer ``random``."""

from typing import ClassVar

from fastroute.policies.deployers.common import deploy_highest
from fastroute.policies.part import Deployer
from fastroute.policies.stage import Choice, StageProblem


class RandomSet(Deployer):
    """M_max models drawn uniformly."""

    name: ClassVar[str] = "random"

    def choose(self, problem: StageProblem) -> Choice:
        """Return the sets to deploy, for a batch of trials at once."""
        return deploy_highest(problem, problem.uniforms())
