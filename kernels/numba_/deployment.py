"""Exact deployment: the vertex of the LP relaxation, or branch and bound with it as the bound.

A vertex of the relaxation has few models in its support (at most ``ceil(1 / alpha_min) + 1``), so
with enough slots it is the answer.  Otherwise models are branched on: deployed ("in") or not
("out").  The bound of a node is the routing LP over what is left, with each model's charge spread
over its limit (``d_m <= alpha_m z_m`` makes ``f_m d_m / alpha_m`` a lower bound of ``f_m z_m``).
"""

import math

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
from fastroute.kernels.numba_.routing import solve_one
from fastroute.kernels.tolerances import HANDICAP, POSITIVE, REACH, SUPPORT, VALUE
from fastroute.kernels.types import Deployment

_FREE, _IN, _OUT = 0, 1, 2


@inner
def _thin(u, c, a, f, size, max_deployed, state):
    """Take out models that at least ``max_deployed`` others are as good as in every respect.

    A set that uses such a model leaves one of those others out, and may use it instead.
    """
    for j in range(size):
        better = 0
        for i in range(size):
            if (
                i != j
                and a[i] >= a[j]
                and u[i] >= u[j]
                and c[i] <= c[j]
                and f[i] <= f[j]
                and (a[i] > a[j] or u[i] > u[j] or c[i] < c[j] or f[i] < f[j] or i < j)
            ):
                better += 1
        state[j] = _OUT if a[j] <= 0.0 or better >= max_deployed else _FREE


@inner
def _handicap(u, c, size, v):
    """Write to ``v`` the rewards less the handicap of each model's rank in the tie order."""
    for m in range(size):
        rank = 0
        for j in range(size):
            ahead = u[j] > u[m] or (u[j] == u[m] and (c[j] < c[m] or (c[j] == c[m] and j < m)))
            rank += 1 if ahead else 0
        v[m] = u[m] - HANDICAP * math.sqrt(rank)


@inner
def _widest_first(a, size):
    """Models in order of their limits, the largest first."""
    # By insertion: few models, and NumPy's sort takes seconds to compile.
    order = np.arange(size)
    for k in range(1, size):
        m = order[k]
        while k > 0 and a[order[k - 1]] < a[m]:
            order[k] = order[k - 1]
            k -= 1
        order[k] = m
    return order


@inner
def _fits(a, widest, size, state, room):
    """Whether the models in and the ``room`` widest free ones can carry all traffic."""
    total = 0.0
    for k in range(size):
        m = widest[k]
        if state[m] == _IN:
            total += a[m]
        elif state[m] == _FREE and room > 0:
            total += a[m]
            room -= 1
    return total >= 1.0 - 1e-12


@inner
def _search(u, c, a, f, size, b, max_deployed, node_limit, best):
    """Branch and bound; ``best`` receives the weights.

    Returns
    -------
    value, bound_gap, nodes, found : float, float, int, bool
        Objective of ``best``; distance to the largest open bound (0 when the search is complete).
    """
    state = np.empty(size, np.int64)
    _thin(u, c, a, f, size, max_deployed, state)
    widest = _widest_first(a, size)
    branch = np.empty(size + 1, np.int64)
    second = np.zeros(size + 1, np.bool_)
    bound_at = np.empty(size + 1)
    v = np.empty(size)
    cost = np.empty(size)
    left = np.empty(size)
    p = np.empty(size)
    side = np.empty(size)
    value = -np.inf
    depth = 0
    inside = 0
    nodes = 0
    found = False
    descend = True
    while True:
        if descend:
            if nodes >= node_limit:
                # Still open: this node, below the last branch, and every other side not yet seen.
                largest = bound_at[depth - 1] if depth > 0 else np.inf
                for k in range(depth):
                    if not second[k]:
                        largest = max(largest, bound_at[k])
                if largest <= value + VALUE:
                    return value, 0.0, nodes, found
                return value, largest - value, nodes, found
            room = max_deployed - inside
            open_ = _fits(a, widest, size, state, room)
            bound = -np.inf
            pick = -1
            if open_:
                charged = 0.0
                for m in range(size):
                    left[m] = a[m] if state[m] == _IN or (state[m] == _FREE and room > 0) else 0.0
                    v[m] = u[m]
                    cost[m] = c[m]
                    if state[m] == _IN:
                        charged += f[m]
                    elif left[m] > 0.0 and f[m] > 0.0:
                        v[m] -= f[m] / a[m]
                status, _, _, _, _ = solve_one(v, cost, left, size, b, p, side)
                nodes += 1
                open_ = status == OPTIMAL
            if open_:
                bound = -charged
                exact = -charged
                support = 0
                for m in range(size):
                    bound += p[m] * v[m]
                    if p[m] > SUPPORT and state[m] == _FREE:
                        support += 1
                        exact -= f[m]
                        if pick < 0 or p[m] > p[pick]:
                            pick = m
                    exact += p[m] * u[m]
                open_ = bound > value + VALUE
                if open_ and support <= room:
                    if exact > value + VALUE:
                        value = exact
                        found = True
                        for m in range(size):
                            best[m] = p[m] if p[m] > SUPPORT else 0.0
                    open_ = bound > value + VALUE and pick >= 0
                elif open_:
                    # The models with most weight are a good set to start from.
                    for m in range(size):
                        left[m] = a[m] if state[m] == _IN else 0.0
                    for _ in range(room):
                        k = -1
                        for m in range(size):
                            if (
                                state[m] == _FREE
                                and left[m] == 0.0
                                and p[m] > SUPPORT
                                and (k < 0 or p[m] > p[k])
                            ):
                                k = m
                        if k >= 0:
                            left[k] = a[k]
                    for m in range(size):
                        v[m] = u[m]
                        cost[m] = c[m]
                    status, _, _, _, _ = solve_one(v, cost, left, size, b, p, side)
                    nodes += 1
                    if status == OPTIMAL:
                        exact = 0.0
                        for m in range(size):
                            if p[m] > SUPPORT:
                                exact += p[m] * u[m] - f[m]
                        if exact > value + VALUE:
                            value = exact
                            found = True
                            for m in range(size):
                                best[m] = p[m] if p[m] > SUPPORT else 0.0
            if open_:
                branch[depth] = pick
                second[depth] = False
                bound_at[depth] = bound
                depth += 1
                state[pick] = _IN
                inside += 1
                continue
            descend = False
        # Back up to the last model whose other side is still open.
        if depth == 0:
            return value, 0.0, nodes, found
        m = branch[depth - 1]
        if not second[depth - 1] and bound_at[depth - 1] > value + VALUE:
            second[depth - 1] = True
            state[m] = _OUT
            inside -= 1
            descend = True
        else:
            inside -= 1 if state[m] == _IN else 0
            state[m] = _FREE
            depth -= 1


@compiled
def _classify(weight, limit, charge, max_deployed, status, method, nodes):
    """Find the problems that the vertex of the relaxation does not solve; returns how many."""
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
    method,
    status,
    nodes,
):
    """Search the problems that are left; returns those that no set within the budget solves."""
    batch, size = reward.shape
    u, c, a, f = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    v, p = np.empty(size), np.empty(size)
    room = np.int64(max_deployed)
    left = 0
    for r in range(batch):
        if method[r] != BRANCH_AND_BOUND:
            continue
        for m in range(size):
            u[m], c[m], a[m], f[m] = reward[r, m], cost[r, m], limit[r, m], charge[r, m]
            p[m] = weight[r, m]
        _handicap(u, c, size, v)
        _, gap[r], more, found = _search(v, c, a, f, size, budget[r], room, node_limit, p)
        nodes[r] += more
        status[r] = OPTIMAL
        if gap[r] > 0.0:
            status[r] = NODE_LIMIT
        elif not found:
            status[r] = OVER_BUDGET
            left += 1
        for m in range(size):
            weight[r, m] = p[m]
    return left


@compiled
def _spend_least(reward, cost, limit, max_deployed, node_limit, weight, gap, status, nodes):
    """Find the cheapest sets where the budget cannot be met."""
    batch, size = reward.shape
    u, c, a = np.empty(size), np.empty(size), np.empty(size)
    v, p, none = np.empty(size), np.empty(size), np.zeros(size)
    room = np.int64(max_deployed)
    for r in range(batch):
        if status[r] != OVER_BUDGET:
            continue
        for m in range(size):
            u[m], c[m], a[m], p[m] = reward[r, m], cost[r, m], limit[r, m], weight[r, m]
        gap[r], more, found = _cheapest(u, c, a, none, size, room, node_limit, v, p)
        nodes[r] += more
        status[r] = NODE_LIMIT if gap[r] > 0.0 else OVER_BUDGET
        if gap[r] <= 0.0 and not found:
            status[r] = NO_CAPACITY
            _widest(u, c, a, size, room, p)
        for m in range(size):
            weight[r, m] = p[m]


@compiled
def _sum_up(reward, charge, weight, deployed, value):
    """Support of the weights, and what it is worth."""
    batch, size = reward.shape
    for r in range(batch):
        total = 0.0
        for m in range(size):
            deployed[r, m] = weight[r, m] > SUPPORT
            total += weight[r, m] * reward[r, m]
            if deployed[r, m]:
                total -= charge[r, m]
        value[r] = total


@inner
def _cheapest(u, c, a, none, size, max_deployed, node_limit, v, p):
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
        _, gap, more, found = _search(v, c, a, none, size, np.inf, max_deployed, node_limit, p)
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
    _handicap(u, c, size, v)
    best = np.zeros(size)
    _, gap, more, found = _search(v, c, a, none, size, spend, max_deployed, node_limit, best)
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
    gap, value = np.zeros(batch), np.empty(batch)
    method, nodes = np.empty(batch, np.int64), np.empty(batch, np.int64)
    # Most problems need no search: it is compiled when one does.
    if _classify(weight, limit, charge, max_deployed, status, method, nodes) and _branch(
        reward,
        cost,
        limit,
        budget,
        charge,
        max_deployed,
        node_limit,
        weight,
        gap,
        method,
        status,
        nodes,
    ):
        _spend_least(reward, cost, limit, max_deployed, node_limit, weight, gap, status, nodes)
    deployed = np.empty(reward.shape, np.bool_)
    _sum_up(reward, charge, weight, deployed, value)
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
