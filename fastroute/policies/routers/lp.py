"""The router ``lp``."""

from typing import ClassVar

from fastroute.policies.part import Rounds, Router, RunNumbers


class LP(Router):
    """The exact routing LP on this round's bounds, one solution per query.

    Li & Li 2025, arXiv 2506.17254::

        max sum U_m p_m  s.t.  sum p_m = 1,  sum L_m p_m <= b,  0 <= p_m <= alpha_m

    Attributes
    ----------
    resolve_every : int
        Rounds between two solutions; 1 is the paper's algorithm.
    """

    name: ClassVar[str] = "lp"
    passes: ClassVar[str] = "lp"

    resolve_every: Rounds = 1

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the budget of the LP, and the largest cost."""
        return run.budget, run.cost_max
