"""The search for the best set of at most so many models.

Models are branched on: deployed ("in") or not ("out").  The bound of a node is the routing LP over
what is left, with each model's charge spread over its limit (``d_m <= alpha_m z_m`` makes ``f_m d_m
/ alpha_m`` a lower bound of ``f_m z_m``).  The digits of the answer are those of the LP where it is
met, so neither the order of the branches nor an LP depends on how the search is made cheaper:

- models that can be in no best set are left out beforehand (``gather``);
- a model that comes in without a charge leaves the LP as it is, until no slot is left;
- without a model at its limit, the prices of the LP bound what is left: often no LP is needed.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.codes import OPTIMAL
from fastroute.kernels.numba_.compile import inner
from fastroute.kernels.numba_.routing import solve_one
from fastroute.kernels.tolerances import HANDICAP, SUPPORT, VALUE

_FREE, _IN, _OUT = 0, 1, 2


class Space(NamedTuple):
    """What a search writes to, for pools of up to N models."""

    rows: NDArray[np.float64]  #: [9, N]
    few: NDArray[np.float64]  #: LP over one set, [5, N]
    chosen: NDArray[np.int64]  #: models of that set, [N]
    bound: NDArray[np.float64]  #: of the node below each branch; without its model, [2, N + 1]
    order: NDArray[np.int64]  #: models by reward, [N]
    widest: NDArray[np.int64]  #: models that are searched by limit, [N]
    rank: NDArray[np.int64]  #: [N]
    kept: NDArray[np.int64]  #: models that are searched, [N]
    state: NDArray[np.int64]  #: free, in or out, [N]
    branch: NDArray[np.int64]  #: model branched on at each depth, [N + 1]
    second: NDArray[np.bool_]  #: whether the branch without it has begun, [N + 1]


@inner
def make_space(size):
    """Allocate it."""
    return Space(
        np.empty((9, size)),
        np.empty((5, size)),
        np.empty(size, np.int64),
        np.empty((2, size + 1)),
        np.arange(size),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size + 1, np.int64),
        np.empty(size + 1, np.bool_),
    )


@inner
def _put_in_order(first, second, third, fourth, size, order, rank):
    """Write to ``order`` the models by ``first`` and, where equal, by the others, then by index.

    ``first`` and ``fourth`` fall, ``second`` and ``third`` rise.
    """
    # By counting, without a branch: sorting a few models costs more in branches foretold wrongly.
    for m in range(size):
        rank[m] = 0
    for j in range(size):
        w, x, y, z = first[j], second[j], third[j], fourth[j]
        for m in range(size):
            last = (z > fourth[m]) | ((z == fourth[m]) & (j < m))
            later = (y < third[m]) | ((y == third[m]) & last)
            then = (x < second[m]) | ((x == second[m]) & later)
            rank[m] += np.int64((w > first[m]) | ((w == first[m]) & then))
    for m in range(size):
        order[rank[m]] = m


@inner
def _thin(u, c, a, f, size, max_deployed, space):
    """Leave out models that at least ``max_deployed`` others are as good as in every respect.

    A set that uses such a model leaves one of those others out, and may use it instead.  Returns
    how many are kept.
    """
    kept, order, rank = space.kept, space.order, space.rank
    falls = True
    for k in range(size - 1):
        falls = falls and u[order[k]] > u[order[k + 1]]
    if not falls:
        _put_in_order(u, c, f, a, size, order, rank)
    # Who is better comes earlier, and of those who are better the first are kept themselves.
    wide, cheap, free = space.rows[4], space.rows[5], space.rows[6]
    count = 0
    for k in range(size):
        j = order[k]
        x, y, z = a[j], c[j], f[j]
        better = np.int64(0)
        for place in range(count):
            better += np.int64((wide[place] >= x) & (cheap[place] <= y) & (free[place] <= z))
        rank[j] = 0
        if x > 0.0 and better < max_deployed:
            wide[count], cheap[count], free[count] = x, y, z
            count += 1
            rank[j] = 1
    count = 0
    for m in range(size):
        kept[count] = m
        count += rank[m]
    return count


@inner
def handicap(u, c, size, space, v):
    """Write to ``v`` the rewards less the handicap of each model's rank in the tie order."""
    _put_in_order(u, c, c, u, size, space.order, space.rank)
    for k in range(size):
        m = space.order[k]
        v[m] = u[m] - HANDICAP * math.sqrt(k)


@inner
def gather(u, c, a, f, size, max_deployed, space, before):
    """Gather the models that are searched in the first rows of ``space``.

    Returns
    -------
    count, unchanged : int, bool
        How many they are, and whether the ``before`` models of the last call are the same ones.
    """
    rows, kept, widest = space.rows, space.kept, space.widest
    last = space.state
    for k in range(before):
        last[k] = kept[k]
    count = _thin(u, c, a, f, size, max_deployed, space)
    unchanged = count == before
    for k in range(count):
        m = kept[k]
        unchanged = unchanged and last[k] == m and rows[0, k] == u[m] and rows[1, k] == c[m]
        unchanged = unchanged and rows[2, k] == a[m] and rows[3, k] == f[m]
        rows[0, k], rows[1, k], rows[2, k], rows[3, k] = u[m], c[m], a[m], f[m]
        # By insertion: few models are left, and NumPy's sort takes seconds to compile.
        place = k
        while place > 0 and a[kept[widest[place - 1]]] < a[m]:
            widest[place] = widest[place - 1]
            place -= 1
        widest[place] = k
    return count, unchanged


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
def search(size, b, max_deployed, node_limit, space, size_all, best):
    """Branch and bound over gathered models; ``best`` receives the weights of all ``size_all``.

    Returns
    -------
    value, bound_gap, nodes, found : float, float, int, bool
        Objective of ``best``; distance to the largest open bound (0 when the search is complete).
    """
    rows, state, branch, second = space.rows, space.state, space.branch, space.second
    bound_at, without_at, chosen, few = space.bound[0], space.bound[1], space.chosen, space.few
    u, c, a, f, v, cost, left = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6]
    p, side = rows[7], rows[8]
    dearest = scale = 0.0
    charges = False
    for m in range(size):
        dearest = max(dearest, c[m])
        scale = max(scale, abs(u[m]))
        charges = charges or f[m] > 0.0
        state[m] = _FREE
    value = -np.inf
    bound = -np.inf
    price = marginal = dual = 0.0
    depth = inside = nodes = support = 0
    found = False
    descend = True
    # Whether the LP of a node is that of the node before, where the model that came in was free.
    same = False
    while True:
        if descend:
            room = max_deployed - inside
            open_ = same
            support -= 1 if same else 0
            if not same:
                if nodes >= node_limit:
                    gap = _largest_open(space, depth) - value
                    return value, gap if gap > VALUE else 0.0, nodes, found
                open_ = _fits(a, space.widest, size, state, room)
                if open_:
                    charged = 0.0
                    for m in range(size):
                        there = state[m] == _IN or (state[m] == _FREE and room > 0)
                        left[m] = a[m] if there else 0.0
                        v[m] = u[m]
                        cost[m] = c[m]
                        if state[m] == _IN:
                            charged += f[m]
                        elif there and f[m] > 0.0:
                            v[m] -= f[m] / a[m]
                    status, price, marginal, _, _ = solve_one(v, cost, left, size, b, p, side)
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
                        exact += p[m] * u[m]
                    # By the prices of the LP; with what tolerances may let another one gain.
                    dual = price * (min(b, dearest) + 1e-11 * dearest) + marginal - charged
                    for m in range(size):
                        dual += left[m] * max(v[m] - price * c[m] - marginal, 0.0)
                    dual += 1e-11 * (abs(marginal) + scale)
                    if support <= room and min(bound, exact) > value + VALUE:
                        value = exact
                        found = True
                        _keep(p, space.kept, size, best, size_all)
            open_ = open_ and bound > value + VALUE
            pick = -1
            if open_:
                for m in range(size):
                    if p[m] > SUPPORT and state[m] == _FREE and (pick < 0 or p[m] > p[pick]):
                        pick = m
                open_ = pick >= 0
            if open_ and support > room and not same:
                # The models with most weight are a good set to start from.
                count = _most_weight(p, state, size, room, chosen)
                for k in range(count):
                    m = chosen[k]
                    few[0, k], few[1, k], few[2, k] = u[m], c[m], a[m]
                part = few[3]
                status, _, _, _, _ = solve_one(few[0], few[1], few[2], count, b, part, few[4])
                nodes += 1
                if status == OPTIMAL:
                    exact = whole = 0.0
                    for k in range(count):
                        m = chosen[k]
                        whole += part[k] * u[m]
                        if part[k] > SUPPORT:
                            exact += part[k] * u[m] - f[m]
                        chosen[k] = space.kept[m]
                    if exact > value + VALUE:
                        value = exact
                        found = True
                        _keep(part, chosen, count, best, size_all)
                    if not charges and whole > value + VALUE:
                        # The LP where all of them are in: the same, with shares that do not count.
                        value = whole
            if open_:
                gain = v[pick] - price * c[pick] - marginal
                without_at[depth] = min(bound, dual - left[pick] * max(gain, 0.0))
                bound_at[depth] = bound
                branch[depth] = pick
                second[depth] = False
                depth += 1
                if room > 1 or charges:
                    # The LP is the same unless a charge falls due or no slot is left.
                    same = f[pick] == 0.0 and room > 1 and support > room
                    state[pick] = _IN
                    inside += 1
                    continue
            descend = False
        # Back up to the last model whose other side is still open.
        if depth == 0:
            return value, 0.0, nodes, found
        same = False
        m = branch[depth - 1]
        inside -= 1 if state[m] == _IN else 0
        if not second[depth - 1] and without_at[depth - 1] > value + VALUE:
            second[depth - 1] = True
            bound_at[depth - 1] = without_at[depth - 1]
            state[m] = _OUT
            descend = True
        else:
            state[m] = _FREE
            depth -= 1


@inner
def _largest_open(space, depth):
    """Largest bound of the node below the last branch and of all other sides not yet seen."""
    largest = space.bound[0, depth - 1] if depth > 0 else np.inf
    for k in range(depth):
        if not space.second[k]:
            largest = max(largest, space.bound[1, k])
    return largest


@inner
def _most_weight(p, state, size, room, chosen):
    """Write to ``chosen`` the models in and the ``room`` free ones with most weight, by index."""
    count = 0
    for m in range(size):
        ahead = size if state[m] == _OUT or (state[m] == _FREE and p[m] <= SUPPORT) else 0
        if state[m] == _FREE and ahead == 0:
            for k in range(size):
                if state[k] == _FREE and (p[k] > p[m] or (p[k] == p[m] and k < m)):
                    ahead += 1
        if ahead < room or state[m] == _IN:
            chosen[count] = m
            count += 1
    return count


@inner
def _keep(part, models, count, best, size):
    """Write the shares of some models to all of them, which are ``size``."""
    for m in range(size):
        best[m] = 0.0
    for k in range(count):
        best[models[k]] = part[k] if part[k] > SUPPORT else 0.0
