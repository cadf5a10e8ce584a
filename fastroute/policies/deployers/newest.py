"""The deployer ``newest``."""

from typing import ClassVar

import numpy as np

from fastroute.policies.deployers.common import deploy_highest
from fastroute.policies.part import Deployer
from fastroute.policies.stage import Choice, StageProblem


class Newest(Deployer):
    """The M_max models that arrived last."""

    name: ClassVar[str] = "newest"

    def choose(self, problem: StageProblem) -> Choice:
        """Return the sets to deploy, for a batch of trials at once."""
        score = np.broadcast_to(problem.arrival.astype(np.float64), problem.upper.shape)
        return deploy_highest(problem, score)
