"""The router ``elimination``."""

from typing import ClassVar

from fastroute.policies.part import Router, RunNumbers


class Elimination(Router):
    r"""Successive elimination in each stage (Even-Dar, Mannor & Mansour 2006).

    With M deployed models it acts M, 2 M, 4 M, ... rounds after the stage opened.  At the budget
    price lambda of the LP, a model is worth

    .. math::

        r - \lambda c \pm (w_r + \lambda w_c)

    with the half-widths w of its two confidence intervals.  It is dropped where others that are
    surely better have limits that add up to 1.  At the k-th time the shares become

    .. math::

        2^{-k/2} u + (1 - 2^{-k/2}) p

    with u uniform and p the LP's over what is left.
    """

    name: ClassVar[str] = "elimination"
    passes: ClassVar[str] = "elimination"
    needs_interval: ClassVar[bool] = True

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the budget of the LP, and the largest cost."""
        return run.budget, run.cost_max
