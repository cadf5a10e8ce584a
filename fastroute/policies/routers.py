"""Routers: how each query is sent to one of the deployed models.

Below, U and L are the estimator's values of reward and cost, b the budget (margin taken off),
``c = L / c_max`` and ``b' = min(b, c_max) / c_max`` costs on the scale of the rewards.

Routers that solve an LP every round:

``lp``
    The exact routing LP on this round's bounds, one solution per query (Li & Li 2025,
    arXiv 2506.17254)::

        max sum U_m p_m  s.t.  sum p_m = 1,  sum L_m p_m <= b,  0 <= p_m <= alpha_m

``truth``
    The same LP on the true means: what routing could do at best with the deployed set.
``greedy``
    As much as allowed to the model of highest U, then to the next: the LP without a budget.
``epsilon_greedy``
    ``epsilon u + (1 - epsilon) p`` with u the uniform distribution and p the LP's (Auer,
    Cesa-Bianchi & Fischer 2002).  epsilon is ``explore``, by default ``T^(-1/3)``.

Routers that seldom change their distribution:

``uniform``
    Equal shares; what a model cannot take because of its limit is shared by the others.
    Does not look at the budget.
``explore_then_commit``
    In each stage uniform for a share ``explore`` of its rounds, by default ``L^(-1/3)`` of L,
    then the LP's solution at that moment for the rest of it.
``elimination``
    Successive elimination (Even-Dar, Mannor & Mansour 2006) in each stage.  With M deployed models
    it acts M, 2 M, 4 M, ... rounds after the stage opened.  At the budget price lam of the LP, a
    model is worth ``r - lam c`` give or take ``w_r + lam w_c``, the half-widths of its two
    confidence intervals.  It is dropped where others that are surely better have limits that add
    up to 1.  At the k-th time the shares become ``x u + (1 - x) p`` with ``x = 2^(-k/2)``, u
    uniform and p the LP's over what is left.

Routers that rank the models by a score; the best one gets as much as allowed, then the next (ties:
higher U, lower L, lower index).  Their price of a unit of cost follows what is spent:

``ratio``
    ``U / c``: reward per cost (Tran-Thanh, Chapman, Rogers & Jennings 2012).  Has no price and
    does not look at the budget.
``drift_plus_penalty``
    ``V U - Q c`` with ``Q <- max(Q + c_t - b', 0)`` (Liu, Li, Shi & Ying 2021, *An Efficient
    Pessimistic-Optimistic Algorithm for Stochastic Linear Bandits with General Constraints*; their
    epsilon is the ``margin``).  V is ``gain``, by default ``sqrt(T)``.
``pacer``
    ``U - lam c`` with ``lam <- clip(lam + eta (ema / b - 1), 0, lam_max)`` and
    ``ema <- (1 - s) ema + s c_t`` (the budget pacer of ParetoBandit 2026).  eta is ``gain``, by
    default 0.05; s is ``smoothing``; lam_max is ``ceiling``.
``primal_dual``
    ``U / (v c + b')``: reward per unit of the two resources, money and rounds, at the price v of
    money in rounds, ``v <- v (1 + eps c_t) / (1 + eps b')`` (PrimalDualBwK of Badanidiyuru,
    Kleinberg & Slivkins 2013, with linear steps of the multiplicative weights, charged by what was
    spent).  eps is ``gain``, by default ``min(1, sqrt(log 2 / (T b')))``.

A compiled function of your own is a router too; see :mod:`fastroute.policies.custom`.
"""

import math
from typing import Final

from fastroute.kernels import codes

ROUTERS: Final = {
    "lp": codes.ROUTER_LP,
    "truth": codes.ROUTER_TRUTH,
    "greedy": codes.ROUTER_GREEDY,
    "epsilon_greedy": codes.ROUTER_EPSILON_GREEDY,
    "uniform": codes.ROUTER_UNIFORM,
    "explore_then_commit": codes.ROUTER_EXPLORE_THEN_COMMIT,
    "elimination": codes.ROUTER_ELIMINATION,
    "ratio": codes.ROUTER_RATIO,
    "drift_plus_penalty": codes.ROUTER_DRIFT_PLUS_PENALTY,
    "pacer": codes.ROUTER_PACER,
    "primal_dual": codes.ROUTER_PRIMAL_DUAL,
}

_PACER_STEP: Final = 0.05


def resolve_explore(router: str, explore: float | None, horizon: int, stage_length: int) -> float:
    """Share of uniform routing, or the rounds of it in each stage (``explore_then_commit``)."""
    if router == "explore_then_commit":
        share = stage_length ** (-1 / 3) if explore is None else explore
        return float(math.ceil(share * stage_length))
    return float(horizon ** (-1 / 3)) if explore is None else explore


def resolve_gain(router: str, gain: float | None, horizon: int, pace: float) -> float:
    """Weight of the reward, or step of the price; ``pace`` is b', the budget over c_max."""
    if gain is not None:
        return gain
    if router == "drift_plus_penalty":
        return math.sqrt(horizon)
    if router == "primal_dual":
        spent = horizon * pace
        return min(1.0, math.sqrt(math.log(2.0) / spent)) if spent > 0.0 else 1.0
    return _PACER_STEP


def first_state(router: str, budget: float) -> tuple[float, ...]:
    """Numbers that a router keeps, before the first round; ``budget`` is at most c_max."""
    if router == "pacer":
        return (0.0, budget)
    return (1.0,) if router == "primal_dual" else (0.0,)
