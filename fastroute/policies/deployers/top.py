"""The deployer ``top``."""

from typing import ClassVar

from fastroute.policies.deployers.common import deploy_highest, make_batch
from fastroute.policies.part import Deployer
from fastroute.policies.stage import Choice, StageProblem
from fastroute.solve.routing import route


class Top(Deployer):
    r"""The M_max models of highest worth at the budget price of the relaxation.

    .. math::

        U_m - \lambda L_m

    The relaxation is the LP of the deployment problem without M_max.
    """

    name: ClassVar[str] = "top"

    def choose(self, problem: StageProblem) -> Choice:
        """Return the sets to deploy, for a batch of trials at once."""
        batch = make_batch(problem, problem.upper, problem.lower)
        price = route(batch, problem.backend).budget_price
        return deploy_highest(problem, problem.upper - price[:, None] * problem.lower, price)
