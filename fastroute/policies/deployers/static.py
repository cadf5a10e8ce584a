"""The deployer ``static``."""

from typing import ClassVar

from fastroute.policies.deployers.mip import MIP
from fastroute.policies.stage import Choice, StageProblem, rule_choice


class Static(MIP):
    """What ``mip`` chooses in the first stage, for good; retired models are not replaced.

    Attributes
    ----------
    fill : {"reduced_cost", "none", "ucb", "least_pulled"}
        Use of slots that the optimum of the first stage leaves empty.
    deploy_weight : float
        As :class:`~fastroute.policies.deployers.mip.MIP` has it.
    """

    name: ClassVar[str] = "static"

    def choose(self, problem: StageProblem) -> Choice:
        """Return the sets to deploy, for a batch of trials at once."""
        if problem.first:
            return super().choose(problem)
        return rule_choice(problem.previous & (problem.limit > 0.0))
