"""Deployment by exhaustive search over sets, each priced by the exact routing LP.

The problem over N candidates is ::

    max  sum U_m d_m - sum f_m z_m
    s.t. sum d_m = 1,  sum L_m d_m <= b,  0 <= d_m <= alpha_m z_m,  z binary,  sum z_m <= M_max

with a charge f_m for deploying a model (0 in the paper).  Exponential in ``M_max``: for tests only.
"""

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.codes import (
    BRANCH_AND_BOUND,
    FILL_LEAST_PULLED,
    FILL_NONE,
    FILL_REDUCED_COST,
    NO_CAPACITY,
    OPTIMAL,
    OVER_BUDGET,
    VERTEX,
)
from fastroute.kernels.formulas.constraints import counted_cost
from fastroute.kernels.ref.routing import Answer, solve_one
from fastroute.kernels.tolerances import HANDICAP, SUPPORT, VALUE
from fastroute.kernels.types import Deployment


def solve(
    reward: NDArray[np.float64],
    cost: NDArray[np.float64],
    limit: NDArray[np.float64],
    budget: NDArray[np.float64],
    charge: NDArray[np.float64],
    max_deployed: int,
    node_limit: int = 0,
) -> Deployment:
    """Solve a batch of independent deployment problems.

    Parameters
    ----------
    reward, cost, limit : ndarray, [B, N]
        Objective, budget row and upper limits; a limit of 0 marks an absent model.
    budget : ndarray, [B]
        Largest mean cost.
    charge : ndarray, [B, N]
        Charge for deploying each model, in units of the objective.
    max_deployed : int
        Largest number of models deployed at once.
    node_limit : int
        Ignored: the search is exhaustive.

    Returns
    -------
    Deployment
    """
    del node_limit
    batch, size = reward.shape
    out = Deployment(
        np.zeros((batch, size), dtype=np.bool_),
        np.zeros((batch, size)),
        np.zeros(batch),
        np.zeros(batch),
        np.zeros(batch),
        np.zeros(batch),
        np.zeros(batch, np.int64),
        np.zeros(batch, np.int64),
        np.zeros(batch, np.int64),
    )
    for r in range(batch):
        u, c, a, f = reward[r], cost[r], limit[r], charge[r]
        b = float(budget[r])
        relaxed = solve_one(u, c, a, b)
        out.nodes[r] = 1
        out.budget_price[r] = relaxed.budget_price
        out.simplex_price[r] = relaxed.simplex_price
        support = sum(x > SUPPORT for x in relaxed.share)
        fits = relaxed.status == OPTIMAL and support <= max_deployed
        if fits and not f.any():
            out.method[r] = VERTEX
            share, status = relaxed.share, OPTIMAL
        else:
            out.method[r] = BRANCH_AND_BOUND
            share, status, nodes = _search(u, c, a, f, b, max_deployed)
            out.nodes[r] += nodes
        out.weight[r] = share
        out.deployed[r] = out.weight[r] > SUPPORT
        out.value[r] = float(out.weight[r] @ u) - float(f[out.deployed[r]].sum())
        out.status[r] = status
    return out


def _search(
    u: NDArray[np.float64],
    c: NDArray[np.float64],
    a: NDArray[np.float64],
    f: NDArray[np.float64],
    b: float,
    max_deployed: int,
) -> tuple[list[float], int, int]:
    candidates = [m for m in range(len(u)) if a[m] > 0.0]
    largest = min(max_deployed, len(candidates))
    sizes = range(1, largest + 1) if f.any() else (largest,)
    sets = [s for size in sizes for s in combinations(candidates, size)]

    # Sets of equal value: the handicap of each model's rank in the tie order decides.
    order = sorted(range(len(u)), key=lambda m: (-u[m], c[m], m))
    v = [float(u[m]) - HANDICAP * math.sqrt(order.index(m)) for m in range(len(u))]

    def answer(chosen: tuple[int, ...]) -> Answer:
        return solve_one(v, c, [x if m in chosen else 0.0 for m, x in enumerate(a)], b)

    def spend(share: list[float]) -> float:
        return sum(x * y for x, y in zip(share, c, strict=True))

    found = {chosen: answer(chosen) for chosen in sets}

    def reward(chosen: tuple[int, ...]) -> float:
        return sum(v[m] * x for m, x in enumerate(found[chosen].share))

    def worth(chosen: tuple[int, ...]) -> float:
        share = found[chosen].share
        return reward(chosen) - sum(float(f[m]) for m in chosen if share[m] > SUPPORT)

    feasible = [s for s in sets if found[s].status == OPTIMAL]
    if feasible:
        return found[max(feasible, key=worth)].share, OPTIMAL, len(sets)
    dear = [s for s in sets if found[s].status == OVER_BUDGET]
    if dear:
        least = min(spend(found[s].share) for s in dear)
        slack = VALUE * counted_cost(max(float(x) for x in c), least)
        cheapest = [s for s in dear if spend(found[s].share) <= least + slack]
        return found[max(cheapest, key=reward)].share, OVER_BUDGET, len(sets)
    widest = sorted(candidates, key=lambda m: (-a[m], -u[m], c[m], m))[:largest]
    total = sum(float(a[m]) for m in widest)
    share = [float(a[m]) / total if m in widest else 0.0 for m in range(len(u))]
    return share, NO_CAPACITY, len(sets)


def fill(
    deployed: NDArray[np.bool_],
    reward: NDArray[np.float64],
    cost: NDArray[np.float64],
    limit: NDArray[np.float64],
    budget_price: NDArray[np.float64],
    pulls: NDArray[np.float64],
    max_deployed: int,
    rule: int,
) -> NDArray[np.bool_]:
    """Give the slots that the optimum leaves empty to further models.

    Parameters
    ----------
    deployed : ndarray of bool, [B, N]
        Models already chosen.
    reward, cost, limit, pulls : ndarray, [B, N]
        Bounds, limits (0: absent) and observations so far.
    budget_price : ndarray, [B]
        Price of the budget: the reduced cost of a model is ``U - price L``, up to a constant.
    max_deployed : int
        Slots in all.
    rule : int
        One of the ``FILL_*`` codes.

    Returns
    -------
    ndarray of bool, [B, N]
    """
    out = deployed.copy()
    if rule == FILL_NONE:
        return out
    for r in range(len(out)):
        if rule == FILL_REDUCED_COST:
            score = reward[r] - budget_price[r] * cost[r]
        elif rule == FILL_LEAST_PULLED:
            score = -pulls[r]
        else:
            score = reward[r]
        free = [m for m in range(out.shape[1]) if limit[r, m] > 0.0 and not out[r, m]]
        ranked = sorted((-score[m], -reward[r, m], cost[r, m], m) for m in free)
        room = max(max_deployed - int(out[r].sum()), 0)
        out[r, [m for *_, m in ranked[:room]]] = True
    return out
