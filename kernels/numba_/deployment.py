"""Exact deployment: the vertex of the LP relaxation, or the search over sets of :mod:`.search`.

A vertex of the relaxation has few models in its support (at most ``ceil(1 / alpha_min) + 1``), so
with enough slots it is the answer.
"""

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.codes import (
    BRANCH_AND_BOUND,
    FILL_LEAST_PULLED,
    FILL_NONE,
    FILL_REDUCED_COST,
    NO_CAPACITY,
    NODE_LIMIT,
    OPTIMAL,
    OVER_BUDGET,
    VERTEX,
)
from fastroute.kernels.numba_.compile import compiled, inner
from fastroute.kernels.numba_.routing import solve as relax
from fastroute.kernels.numba_.search import gather, handicap, make_space, search
from fastroute.kernels.tolerances import POSITIVE, REACH, SUPPORT
from fastroute.kernels.types import Deployment


@inner
def _sum_up(reward, charge, weight, deployed, value, r):
    """Support of the weights of problem ``r``, and what it is worth."""
    total = 0.0
    for m in range(reward.shape[1]):
        deployed[r, m] = weight[r, m] > SUPPORT
        total += weight[r, m] * reward[r, m]
        if deployed[r, m]:
            total -= charge[r, m]
    value[r] = total


@compiled
def _classify(
    reward, limit, charge, max_deployed, weight, gap, deployed, value, method, status, nodes
):
    """Sum up vertices of the relaxation; returns how many problems they do not solve."""
    batch, size = weight.shape
    left = 0
    for r in range(batch):
        nodes[r] = 1
        support = 0
        charged = False
        for m in range(size):
            support += 1 if weight[r, m] > SUPPORT else 0
            charged = charged or (charge[r, m] != 0.0 and limit[r, m] > 0.0)
        solved = status[r] == OPTIMAL and support <= max_deployed and not charged
        method[r] = VERTEX if solved else BRANCH_AND_BOUND
        left += 0 if solved else 1
        gap[r] = 0.0
        # Of what is not solved it is done again.
        _sum_up(reward, charge, weight, deployed, value, r)
    return left


@compiled
def _branch(
    reward,
    cost,
    limit,
    budget,
    charge,
    max_deployed,
    node_limit,
    weight,
    gap,
    deployed,
    value,
    method,
    status,
    nodes,
):
    """Search the problems that are left; returns those that no set within the budget solves."""
    batch, size = reward.shape
    u, c, a, f = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    v, p = np.empty(size), np.empty(size)
    space = make_space(size)
    room = np.int64(max_deployed)
    left = count = before = 0
    found = False
    for r in range(batch):
        if method[r] != BRANCH_AND_BOUND:
            continue
        for m in range(size):
            u[m], c[m], a[m], f[m] = reward[r, m], cost[r, m], limit[r, m], charge[r, m]
            p[m] = weight[r, m]
        handicap(u, c, size, space, v)
        count, unchanged = gather(v, c, a, f, size, room, space, count)
        if unchanged and budget[r] == budget[before]:
            # Nothing that matters differs, as where a pool has gained a model that is no use.
            gap[r] = gap[before]
            if found:
                for m in range(size):
                    p[m] = weight[before, m]
        else:
            _, gap[r], more, found = search(count, budget[r], room, node_limit, space, size, p)
            nodes[r] += more
        before = r
        status[r] = OPTIMAL
        if gap[r] > 0.0:
            status[r] = NODE_LIMIT
        elif not found:
            status[r] = OVER_BUDGET
            left += 1
        for m in range(size):
            weight[r, m] = p[m]
        _sum_up(reward, charge, weight, deployed, value, r)
    return left


@compiled
def _spend_least(
    reward,
    cost,
    limit,
    charge,
    max_deployed,
    node_limit,
    weight,
    gap,
    deployed,
    value,
    status,
    nodes,
):
    """Find the cheapest sets where the budget cannot be met."""
    batch, size = reward.shape
    u, c, a = np.empty(size), np.empty(size), np.empty(size)
    v, p, none = np.empty(size), np.empty(size), np.zeros(size)
    space = make_space(size)
    room = np.int64(max_deployed)
    for r in range(batch):
        if status[r] != OVER_BUDGET:
            continue
        for m in range(size):
            u[m], c[m], a[m], p[m] = reward[r, m], cost[r, m], limit[r, m], weight[r, m]
        gap[r], more, found = _cheapest(u, c, a, none, size, room, node_limit, space, v, p)
        nodes[r] += more
        status[r] = NODE_LIMIT if gap[r] > 0.0 else OVER_BUDGET
        if gap[r] <= 0.0 and not found:
            status[r] = NO_CAPACITY
            _widest(u, c, a, size, room, p)
        for m in range(size):
            weight[r, m] = p[m]
        _sum_up(reward, charge, weight, deployed, value, r)


@inner
def _cheapest(u, c, a, none, size, max_deployed, node_limit, space, v, p):
    """Cheapest set that carries all traffic, and the best distribution of that cost.

    Returns
    -------
    bound_gap, nodes, found : float, int, bool
    """
    # Costs are scaled to the unit of the tolerances, which are for values in [0, 1].
    dearest = 0.0
    for m in range(size):
        dearest = max(dearest, c[m] if a[m] > 0.0 else 0.0)
    unit = dearest
    nodes = 0
    while True:
        for m in range(size):
            v[m] = -c[m] / unit
        count, _ = gather(v, c, a, none, size, max_deployed, space, 0)
        _, gap, more, found = search(count, np.inf, max_deployed, node_limit, space, size, p)
        nodes += more
        if gap > 0.0 or not found:
            return gap, nodes, found
        spend = 0.0
        for m in range(size):
            spend += p[m] * c[m]
        # Beside costs far above it the cheapest set is not yet known to many digits.
        if unit <= REACH * spend or spend <= POSITIVE:
            break
        unit = spend
    handicap(u, c, size, space, v)
    best = np.zeros(size)
    count, _ = gather(v, c, a, none, size, max_deployed, space, 0)
    _, gap, more, found = search(count, spend, max_deployed, node_limit, space, size, best)
    if found:
        for m in range(size):
            p[m] = best[m]
    return gap, nodes + more, True


@inner
def _widest(u, c, a, size, max_deployed, p):
    """Shares in proportion to the limits over the models with the largest ones."""
    for m in range(size):
        p[m] = 0.0
    total = 0.0
    for _ in range(max_deployed):
        k = -1
        for m in range(size):
            if (
                a[m] > 0.0
                and p[m] == 0.0
                and (
                    k < 0
                    or a[m] > a[k]
                    or (a[m] == a[k] and (u[m] > u[k] or (u[m] == u[k] and c[m] < c[k])))
                )
            ):
                k = m
        if k >= 0:
            p[k] = a[k]
            total += a[k]
    for m in range(size):
        if total > 0.0:
            p[m] /= total


def solve(
    reward: NDArray[np.float64],
    cost: NDArray[np.float64],
    limit: NDArray[np.float64],
    budget: NDArray[np.float64],
    charge: NDArray[np.float64],
    max_deployed: int,
    node_limit: int = 10_000,
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
        LPs per search; beyond it the status is ``NODE_LIMIT`` and the best set so far is returned.

    Returns
    -------
    Deployment
    """
    batch = reward.shape[0]
    relaxed = relax(reward, cost, limit, budget)
    weight, status = relaxed.share, relaxed.status
    deployed = np.empty(reward.shape, np.bool_)
    gap, value = np.empty(batch), np.empty(batch)
    method, nodes = np.empty(batch, np.int64), np.empty(batch, np.int64)
    out = weight, gap, deployed, value
    # Most problems need no search: it is compiled when one does.
    if _classify(reward, limit, charge, max_deployed, *out, method, status, nodes) and _branch(
        reward, cost, limit, budget, charge, max_deployed, node_limit, *out, method, status, nodes
    ):
        _spend_least(reward, cost, limit, charge, max_deployed, node_limit, *out, status, nodes)
    return Deployment(
        deployed=deployed,
        weight=weight,
        value=value,
        gap=gap,
        budget_price=relaxed.budget_price,
        simplex_price=relaxed.simplex_price,
        method=method,
        status=status,
        nodes=nodes,
    )


@compiled
def fill(deployed, reward, cost, limit, budget_price, pulls, max_deployed, rule):
    """Give the slots that the optimum leaves empty to further models; see the reference."""
    out = deployed.copy()
    if rule == FILL_NONE:
        return out
    batch, size = out.shape
    score = np.empty(size)
    for r in range(batch):
        room = np.int64(max_deployed)
        for m in range(size):
            room -= 1 if out[r, m] else 0
            if rule == FILL_REDUCED_COST:
                score[m] = reward[r, m] - budget_price[r] * cost[r, m]
            elif rule == FILL_LEAST_PULLED:
                score[m] = -pulls[r, m]
            else:
                score[m] = reward[r, m]
        for _ in range(room):
            k = -1
            for m in range(size):
                if limit[r, m] <= 0.0 or out[r, m]:
                    continue
                if k < 0 or score[m] > score[k]:
                    k = m
                elif score[m] == score[k] and (
                    reward[r, m] > reward[r, k]
                    or (reward[r, m] == reward[r, k] and cost[r, m] < cost[r, k])
                ):
                    k = m
            if k < 0:
                break
            out[r, k] = True
    return out
