"""The router ``elimination``."""

from typing import ClassVar

from fastroute.policies.part import Router, RunNumbers


class Elimination(Router):
    """Successive elimination in each stage (Even-Dar, Mannor & Mansour 2006).

    With M deployed models it acts M, 2 M, 4 M, ... rounds after the stage opened.  At the budget
    price lam of the LP, a model is worth ``r - lam c`` give or take ``w_r + lam w_c``, the
    half-widths of its two confidence intervals.  It is dropped where others that are surely better
    have limits that add up to 1.  At the k-th time the shares become ``x u + (1 - x) p`` with
    ``x = 2^(-k/2)``, u uniform and p the LP's over what is left.
    """

    name: ClassVar[str] = "elimination"
    passes: ClassVar[str] = "elimination"
    needs_interval: ClassVar[bool] = True

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the budget of the LP, and the largest cost."""
        return run.budget, run.cost_max
