"""The router ``explore_then_commit``."""

import math
from typing import ClassVar

from fastroute.policies.part import Router, RunNumbers, Share


class ExploreThenCommit(Router):
    """In each stage uniform for some rounds, then the LP's solution at that moment for the rest.

    Attributes
    ----------
    explore : float or None
        Share of the rounds of a stage in which it is uniform, in [0, 1]; None is ``L^(-1/3)`` of a
        stage of L rounds.
    """

    name: ClassVar[str] = "explore_then_commit"
    passes: ClassVar[str] = "explore_then_commit"

    explore: Share | None = None

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the budget of the LP, the largest cost, and the rounds of uniform routing."""
        share = run.stage_length ** (-1 / 3) if self.explore is None else self.explore
        return run.budget, run.cost_max, float(math.ceil(share * run.stage_length))
