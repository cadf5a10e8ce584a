"""The router ``lp``."""

from typing import ClassVar

from fastroute.policies.part import Rounds, Router, RunNumbers


class LP(Router):
    r"""The exact routing LP on this round's bounds, one solution per query.

    Li & Li 2025, arXiv 2506.17254:

    .. math::

        \max_p \sum_m U_m p_m \quad \text{such that} \quad
        \sum_m p_m = 1, \quad \sum_m L_m p_m \le b, \quad 0 \le p_m \le \alpha_m

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
