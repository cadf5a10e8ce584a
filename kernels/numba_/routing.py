"""The routing LP by parametric simplex in the budget price.

Start from the best distribution without a budget (price 0: fill models in order of reward) and let
the price rise.  Only one model, the marginal one, is partly filled; the next pivot is its nearest
crossing with an unfilled cheaper model or a filled dearer one.  Each pivot is O(M) and moves mass
from the dearer to the cheaper of the two, until the budget is met.

Ties at one price are taken in the order that gives most to the first model in the order higher
reward, lower cost, lower index: first the cheapest unfilled models, then the last filled ones.
The answer is therefore a function of the data alone and always a vertex.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.tolerances import BUDGET_RANGE, BUDGET_SCALE, MASS
from fastroute.kernels.types import Routing

LARGEST = np.finfo(np.float64).max
#: Costs this small are multiplied by a power of two, exactly, so that prices stay finite.
TINY = 2.0**-800
ENLARGE = 2.0**600
#: Shares this small against their limits are what rounding leaves.
ROUNDING = 1e-15
#: Reduced costs this small, relative to their terms, are too close to a tie to trust a basis.
TIE = 1e-13


@njit(nogil=True, error_model="numpy", cache=True)
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
    if capacity < 1.0 - MASS:
        for m in range(size):
            if limit[m] > 0.0:
                share[m] = limit[m] / capacity
                side[m] = 1.0
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
    tolerance = BUDGET_RANGE * (dearest - cheapest) + BUDGET_SCALE * dearest

    # Price 0: fill in order of reward, then cost, then index.  Costs are measured from the
    # cheapest one (shares add up to 1), which keeps small differences of large costs exact.
    rest = 1.0
    excess = cheapest - b
    i = -1
    while rest > MASS:
        i = -1
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
            # A gap within the tolerance of the budget row cannot matter to it.
            if side[m] < 0.0 and gap > tolerance:
                candidate = (reward[i] - reward[m]) / gap
                if (
                    k < 0
                    or candidate < crossing
                    or (candidate == crossing and (not enters or cost[m] < cost[k]))
                ):
                    k, crossing, enters = m, candidate, True
            elif side[m] > 0.0 and gap < -tolerance:
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


@njit(nogil=True, error_model="numpy", cache=True)
def solve_near(reward, cost, limit, size, budget, price, marginal, side):
    """Solve one routing LP from the price and the marginal model of a similar one.

    At ``price`` the models better than the marginal one are full and the others empty.  First the
    marginal model is moved until the mass fits, then the price is moved from crossing to crossing
    until the budget fits; each step is O(M), and few are needed.  The basis found is accepted only
    where it is the strict optimum, or an optimum at price 0 that is first in the tie order: then it
    is the answer of :func:`solve_one`.

    Parameters
    ----------
    reward, cost, limit : f8 [>= size]
        As in :func:`solve_one`; not changed.
    size : int
    budget : float
        May be infinite.
    price : float
        Where to start, >= 0 and finite.
    marginal : int
        Where to start, a model with a positive limit.
    side : f8 [>= size]
        Written as in :func:`solve_one`; 0 for absent models.

    Returns
    -------
    found, i, j : bool, int, int
        Whether the basis is proven; ``i`` alone where ``j == i``.
    """
    i = marginal
    level = reward[i] - price * cost[i]
    # Costs are measured from one of them, which keeps small differences of large costs exact.
    base = cost[i]
    rest = 1.0
    excess = base - budget
    for m in range(size):
        full = (reward[m] - price * cost[m] > level) & (m != i)
        part = limit[m] if full else 0.0
        side[m] = 1.0 if full else -1.0
        side[m] = side[m] if limit[m] > 0.0 else 0.0
        rest -= part
        excess += part * (cost[m] - base)
    # Mass: the next model up or down becomes the marginal one.
    while not 0.0 <= rest <= limit[i]:
        up = rest < 0.0
        wanted = 1.0 if up else -1.0
        k = -1
        best = 0.0
        for m in range(size):
            value = wanted * (reward[m] - price * cost[m])
            if side[m] == wanted and m != i and (k < 0 or value < best):
                k, best = m, value
        if k < 0:
            return False, 0, 0
        if up:
            side[i] = -1.0
            rest += limit[k]
            excess -= limit[k] * (cost[k] - base)
        else:
            side[i] = 1.0
            rest -= limit[i]
            excess += limit[i] * (cost[i] - base)
        i = k
        # The new marginal model must not be taken for a full or an empty one.
        side[i] = -wanted
    excess += rest * (cost[i] - base)
    j = i
    direction = 1.0 if excess > 0.0 else -1.0
    for _ in range(2 * size):
        if direction * excess <= 0.0 or (direction < 0.0 and price <= 0.0):
            break
        k = -1
        crossing = 0.0
        for m in range(size):
            gap = cost[i] - cost[m]
            if direction * side[m] * gap < 0.0 and m != i:
                candidate = (reward[i] - reward[m]) / gap
                if k < 0 or direction * candidate < direction * crossing:
                    k, crossing = m, candidate
        if direction < 0.0 and (k < 0 or crossing <= 0.0):
            price = 0.0
            break
        if k < 0:
            return False, 0, 0
        price = crossing
        enters = side[k] < 0.0
        step = abs(cost[i] - cost[k])
        given = rest if enters else limit[k]
        room = limit[k] if enters else limit[i] - rest
        needed = direction * excess / step
        if needed <= given and needed <= room:
            j = k
            break
        filled = 1.0 if enters else -1.0
        excess -= direction * min(given, room) * step
        if (given <= room) == enters:
            rest = given if enters else limit[k] - room
            side[i] = -filled
            i = k
        else:
            side[k] = filled
            rest += -room if enters else given
        j = i
    side[i] = 0.0
    side[j] = 0.0
    sure = True
    if j == i:
        for m in range(size):
            gain = reward[m] - reward[i]
            tie = cost[i] - cost[m]
            tie = np.float64(i - m) if tie == 0.0 else tie
            gain = tie if gain == 0.0 else gain
            sure = sure & ((side[m] * gain > 0.0) | (side[m] == 0.0))
        return sure and price <= 0.0 and excess <= 0.0, i, j
    price = (reward[i] - reward[j]) / (cost[i] - cost[j])
    level = reward[i] - price * cost[i]
    guard = TIE * (1.0 + price * max(cost[i], cost[j]))
    for m in range(size):
        gain = reward[m] - price * cost[m] - level
        sure = sure & ((side[m] * gain > guard) | (side[m] == 0.0))
    return sure and 0.0 < price < np.inf, i, j


@njit(nogil=True, error_model="numpy", cache=True)
def _solve(reward, cost, limit, budget, share, value, price, marginal, status):
    batch, size = reward.shape
    u = np.empty(size)
    c = np.empty(size)
    a = np.empty(size)
    p = np.empty(size)
    side = np.empty(size)
    for r in range(batch):
        for m in range(size):
            u[m] = reward[r, m]
            c[m] = cost[r, m]
            a[m] = limit[r, m]
        status[r], price[r], marginal[r], _, _ = solve_one(u, c, a, size, budget[r], p, side)
        total = 0.0
        for m in range(size):
            share[r, m] = p[m]
            total += p[m] * reward[r, m]
        value[r] = total


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
    _solve(reward, cost, limit, budget, *out)
    return out
