"""Routers: how each query is sent to one of the deployed models.

``lp``
    The exact routing LP on this round's bounds, one solution per query (Li & Li 2025,
    arXiv 2506.17254)::

        max sum U_m p_m  s.t.  sum p_m = 1,  sum L_m p_m <= b,  0 <= p_m <= alpha_m

``truth``
    The same LP on the true means: what routing could do at best with the deployed set.
``uniform``
    Equal shares; what a model cannot take because of its limit is shared by the others.
    Does not look at the budget.
``greedy``
    As much as allowed to the model of highest U, then to the next: the LP without a budget.
"""

from typing import Final

from fastroute.kernels import codes

ROUTERS: Final = {
    "lp": codes.ROUTER_LP,
    "truth": codes.ROUTER_TRUTH,
    "uniform": codes.ROUTER_UNIFORM,
    "greedy": codes.ROUTER_GREEDY,
}
