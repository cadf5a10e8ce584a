"""The routing LP by parametric simplex in the budget price.

Start from the best distribution without a budget (price 0: fill models in order of reward) and let
the price rise.  Only one model, the marginal one, is partly filled; the next pivot is its nearest
crossing with an unfilled cheaper model or a filled dearer one.  Each pivot is O(M) and moves mass
from the dearer to the cheaper of the two, until the budget is met.

Ties at one price are taken in the order that gives most to the first model in the order higher
reward, lower cost, lower index: first the cheapest unfilled models, then the last filled ones.
The answer is therefore a function of the data alone and always a vertex.

What is spent beyond the budget is carried along from pivot to pivot, with the rounding of the
dearest costs.  Where some cost exceeds the budget ``REACH`` times, that rounding could be more than
the tolerance; there the shares and the spending of every basis are computed anew from the two
coupling rows, whose terms are no larger than the budget where it is met.
"""

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.formulas.constraints import (
    budget_tolerance,
    counted_cost,
    enough,
    proportional,
)
from fastroute.kernels.formulas.names import where
from fastroute.kernels.numba_.compile import compiled, inner
from fastroute.kernels.numba_.lanes import HEAD, LANE, SLOT, STEP, WIDTH, solve_lanes, workspace
from fastroute.kernels.numba_.vectors import WIDE, ZERO, broadcast, load, store
from fastroute.kernels.tolerances import (
    ENLARGE,
    MASS,
    REACH,
    ROUNDING,
    TINY,
)
from fastroute.kernels.types import Routing

LARGEST = np.finfo(np.float64).max


@compiled
def solve_one(reward, cost, limit, size, budget, share, side):
    """Solve one routing LP; buffers ``share`` and ``side`` are written.

    Parameters
    ----------
    reward, cost, limit : f8 [>= size]
        Objective, budget row and upper limits; a limit of 0 marks an absent model.
        ``cost`` may be rescaled in place when all costs are below 2**-800.
    size : int
        Number of models M.
    budget : float
        Largest mean cost.
    share : f8 [>= size]
        Written: the solution.
    side : f8 [>= size]
        Written: +1 at the limit, -1 at zero, 0 in the basis.

    Returns
    -------
    status, price, marginal, i, j : int, float, float, int, int
        Budget price, simplex price and the basis: ``i`` alone where ``j == i``.
        The basis is (-1, -1) with ``NO_CAPACITY``.
    """
    capacity = 0.0
    dearest = 0.0
    cheapest = np.inf
    for m in range(size):
        share[m] = 0.0
        side[m] = -1.0
        if limit[m] > 0.0:
            capacity += limit[m]
            dearest = max(dearest, cost[m])
            cheapest = min(cheapest, cost[m])
    if not enough(capacity):
        for m in range(size):
            share[m] = proportional(limit[m], capacity)
            side[m] = where(limit[m] > 0.0, 1.0, -1.0)
        return NO_CAPACITY, 0.0, 0.0, -1, -1
    b = min(budget, dearest)
    unit = 1.0
    if dearest < TINY:
        unit = ENLARGE
        for m in range(size):
            cost[m] *= unit
        dearest *= unit
        cheapest *= unit
        b *= unit
    mixed = dearest > REACH * b
    tolerance = budget_tolerance(counted_cost(dearest, b), cheapest)

    # Price 0: fill in order of reward, then cost, then index.  Costs are measured from the
    # cheapest one (shares add up to 1), which keeps small differences of large costs exact.
    rest = 1.0
    excess = cheapest - b
    i = np.int64(-1)
    while rest > MASS:
        i = np.int64(-1)
        for m in range(size):
            if side[m] < 0.0 and limit[m] > 0.0:
                if i < 0 or reward[m] > reward[i] or (reward[m] == reward[i] and cost[m] < cost[i]):
                    i = m
        if i < 0:
            break
        share[i] = min(limit[i], rest)
        side[i] = 1.0
        rest -= share[i]
        excess += share[i] * (cost[i] - cheapest)
    if i < 0:
        # Limits add up to 1 only within the tolerance: all are full, the last one is marginal.
        for m in range(size):
            if limit[m] > 0.0 and (
                i < 0 or reward[m] < reward[i] or (reward[m] == reward[i] and cost[m] >= cost[i])
            ):
                i = m
    if mixed:
        rest, spent = _without(cost, limit, size, side, i, i)
        share[i] = _placed(rest, limit[i])
        excess = spent + share[i] * cost[i] - b
    j = i
    price = 0.0
    status = OPTIMAL
    while excess > tolerance:
        k = -1
        crossing = np.inf
        enters = False
        for m in range(size):
            if m == i or limit[m] <= 0.0:
                continue
            gap = cost[i] - cost[m]
            if side[m] < 0.0 and gap > 0.0:
                candidate = (reward[i] - reward[m]) / gap
                if (
                    k < 0
                    or candidate < crossing
                    or (candidate == crossing and (not enters or cost[m] < cost[k]))
                ):
                    k, crossing, enters = m, candidate, True
            elif side[m] > 0.0 and gap < 0.0:
                candidate = (reward[i] - reward[m]) / gap
                if (
                    k < 0
                    or candidate < crossing
                    or (candidate == crossing and not enters and cost[m] <= cost[k])
                ):
                    k, crossing, enters = m, candidate, False
        if k < 0:
            status = OVER_BUDGET
            break
        # Mass moves from the dearer model of the pair to the cheaper one.
        giver, taker = (i, k) if enters else (k, i)
        step = cost[giver] - cost[taker]
        if mixed:
            rest, spent = _without(cost, limit, size, side, giver, taker)
            taken = _placed(rest, limit[taker])
            kept = _placed(rest - taken, limit[giver])
            after = spent + taken * cost[taker] + kept * cost[giver] - b
            if after <= 0.0:
                # The share of the dearer one, from numbers no larger than the budget.
                part = (b - spent - rest * cost[taker]) / step
                part = min(max(part, kept), limit[giver], rest)
                share[giver] = part
                share[taker] = min(rest - part, limit[taker])
                price = max(price, crossing)
                i, j = giver, taker
                break
            emptied = rest <= limit[taker]
            moved = share[giver] if emptied else limit[taker] - share[taker]
            if moved > ROUNDING * min(limit[giver], limit[taker]):
                price = max(price, crossing)
            share[giver], share[taker] = kept, taken
            side[giver] = -1.0 if emptied else 1.0
            side[taker] = 1.0
            i = taker if emptied else giver
            j = i
            excess = after
            continue
        room = limit[taker] - share[taker]
        needed = excess / step
        if needed <= share[giver] and needed <= room:
            share[giver] -= needed
            # Rounding may step over the limit.
            share[taker] = min(share[taker] + needed, limit[taker])
            price = max(price, crossing)
            j = k
            break
        if share[giver] <= room:
            moved = share[giver]
            share[taker] += moved
            share[giver] = 0.0
            side[giver] = -1.0
            i = taker
        else:
            moved = room
            share[giver] -= moved
            share[taker] = limit[taker]
            side[taker] = 1.0
            i = giver
        # What rounding leaves in a share is no mass, and moving it has no price.
        if moved > ROUNDING * min(limit[giver], limit[taker]):
            price = max(price, crossing)
            excess -= moved * step
        j = i
    side[i] = 0.0
    side[j] = 0.0
    marginal = reward[i] - price * cost[i]
    if status == OVER_BUDGET:
        # The walk went on where nothing was left to move: the worst model in use is marginal.
        for m in range(size):
            if share[m] > 0.0:
                marginal = min(marginal, reward[m] - price * cost[m])
    price *= unit
    return status, min(price, LARGEST), max(marginal, -LARGEST), i, j


@inner
def _without(cost, limit, size, side, i, j):
    """Traffic and budget outside the basis: what the full models leave, and what they spend.

    The traffic has no rounding of its own: models far dearer than the budget may share the last of
    it.
    """
    rest = 1.0
    lost = 0.0
    spent = 0.0
    for m in range(size):
        if side[m] > 0.0 and m != i and m != j:
            part = limit[m]
            less = rest - part
            # What this difference has lost to rounding (Knuth's TwoSum).
            back = less - rest
            lost += (rest - (less - back)) - (part + back)
            rest = less
            spent += part * cost[m]
    return max(rest + lost, 0.0), spent


@inner
def _placed(rest, limit):
    """Find what a model takes of the traffic left, of which less than the tolerance is nothing."""
    return min(rest, limit) if rest > MASS else 0.0


@compiled
def _solve(w, reward, cost, limit, budget, share, value, price, marginal, status):
    batch, size = np.uint64(reward.shape[0]), np.uint64(reward.shape[1])
    u, c, a = np.empty(size), np.empty(size), np.empty(size)
    p, side = np.empty(size), np.empty(size)
    for first in range(0, reward.shape[0], WIDTH):
        start = np.uint64(first)
        lanes = min(np.uint64(WIDTH), batch - start)
        _load(w, reward, cost, limit, budget, start, lanes, size)
        solve_lanes(w, size, lanes)
        hard = _unload(w, share, value, price, marginal, status, start, lanes, size)
        if hard == 0:
            continue
        for lane in range(lanes):
            if w[LANE.hard + lane] == 0.0:
                continue
            r = start + lane
            for m in range(size):
                u[m] = reward[r, m]
                c[m] = cost[r, m]
                a[m] = limit[r, m]
            status[r], price[r], marginal[r], _, _ = solve_one(
                u, c, a, np.int64(size), budget[r], p, side
            )
            value[r] = 0.0
            for m in range(size):
                share[r, m] = p[m]
                value[r] += p[m] * reward[r, m]


@compiled
def _load(w, reward, cost, limit, budget, start, lanes, size):
    """Copy problems ``start``, ``start + 1`` and so on to the lanes."""
    for m in range(size):
        o = HEAD + m * STEP
        for lane in range(lanes):
            w[o + SLOT.upper + lane] = reward[start + lane, m]
        for lane in range(lanes):
            w[o + SLOT.lower + lane] = cost[start + lane, m]
        for lane in range(lanes):
            w[o + SLOT.limit + lane] = limit[start + lane, m]
    for lane in range(lanes):
        w[LANE.budget + lane] = budget[start + lane]


@inner
def _unload(w, share, value, price, marginal, status, start, lanes, size):
    """Write what the lanes' bases say; returns the number of lanes left to ``solve_one``."""
    hard = np.int64(0)
    for lane in range(ZERO, lanes, WIDE):
        i_slot, j_slot = load(w, LANE.i_slot + lane), load(w, LANE.j_slot + lane)
        i_share, j_share = load(w, LANE.i_share + lane), load(w, LANE.j_share + lane)
        top = load(w, LANE.price + lane)
        level = load(w, LANE.i_upper + lane) - top * load(w, LANE.i_lower + lane)
        total = broadcast(0.0)
        for m in range(size):
            o = HEAD + m * STEP + lane
            part = where(load(w, o + SLOT.side) > 0.0, load(w, o + SLOT.limit), 0.0)
            part = where(j_slot == np.float64(m), j_share, part)
            part = where(i_slot == np.float64(m), i_share, part)
            total = total + part * load(w, o + SLOT.upper)
            # The side has been read for the last time.
            store(w, o + SLOT.side, part)
        store(w, LANE.value + lane, total)
        store(w, LANE.price + lane, where(top < LARGEST, top, LARGEST))
        store(w, LANE.marginal + lane, where(level > -LARGEST, level, -LARGEST))
    for m in range(size):
        o = HEAD + m * STEP + SLOT.side
        for lane in range(lanes):
            share[start + lane, m] = w[o + lane]
    for lane in range(lanes):
        value[start + lane] = w[LANE.value + lane]
        price[start + lane] = w[LANE.price + lane]
        marginal[start + lane] = w[LANE.marginal + lane]
        status[start + lane] = OPTIMAL
        hard += where(w[LANE.hard + lane] != 0.0, 1, 0)
    return hard


def solve(
    reward: NDArray[np.float64],
    cost: NDArray[np.float64],
    limit: NDArray[np.float64],
    budget: NDArray[np.float64],
) -> Routing:
    """Solve a batch of independent routing LPs.

    Parameters
    ----------
    reward, cost, limit : ndarray, [B, M]
        Objective, budget row and upper limits; a limit of 0 marks an absent model.
    budget : ndarray, [B]
        Largest mean cost of each LP.

    Returns
    -------
    Routing
    """
    batch = reward.shape[0]
    out = Routing(
        np.empty(reward.shape),
        np.empty(batch),
        np.empty(batch),
        np.empty(batch),
        np.empty(batch, np.int64),
    )
    _solve(workspace(reward.shape[1]), reward, cost, limit, budget, *out)
    return out
