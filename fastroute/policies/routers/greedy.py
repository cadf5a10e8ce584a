"""The router ``greedy``."""

import math
from typing import ClassVar

from fastroute.policies.part import Rounds, Router, RunNumbers


class Greedy(Router):
    """As much as allowed to the model of highest U, then to the next: the LP without a budget.

    Attributes
    ----------
    resolve_every : int
        Rounds between two decisions.
    """

    name: ClassVar[str] = "greedy"
    passes: ClassVar[str] = "lp"

    resolve_every: Rounds = 1

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return an infinite budget, and the largest cost."""
        return math.inf, run.cost_max
