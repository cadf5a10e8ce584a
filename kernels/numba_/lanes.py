"""Many routing LPs in lockstep: :func:`..routing.solve_one`, one problem a lane.

All numbers of up to ``WIDTH`` problems live in one flat array of rows of ``WIDTH`` doubles: first
the rows of the lane (one number per problem), then ``SLOT_ROWS`` rows for each model.  A
vector of lanes is solved at a time, with what belongs to its lanes in registers; a pivot then costs
all of them together about what it costs one problem alone.

The operations are those of ``solve_one`` in its order, so the answers are the same to the bit.
What is rare there (no capacity, over budget, costs below 2**-800 or far above the budget) is
marked ``HARD`` and left to it.
"""

from typing import Final

import numpy as np

from fastroute.kernels.formulas.constraints import budget_tolerance, enough
from fastroute.kernels.formulas.names import maximum, minimum, where
from fastroute.kernels.numba_.compile import compiled, inner
from fastroute.kernels.numba_.rows import lp as LANE
from fastroute.kernels.numba_.rows import lp_model as SLOT
from fastroute.kernels.numba_.rows.place import LINE, LP_STRIDE, LP_WIDTH
from fastroute.kernels.numba_.vectors import (
    WIDE,
    ZERO,
    broadcast,
    count_lanes,
    index,
    lane_numbers,
    load,
    scatter,
    store,
)
from fastroute.kernels.tolerances import MASS, REACH, ROUNDING, TINY

__all__ = [
    "HEAD",
    "LANE",
    "LINE",
    "SLOT",
    "STEP",
    "WIDTH",
    "aligned_zeros",
    "rows",
    "solve_lanes",
    "workspace",
]

WIDTH: Final = LP_WIDTH
#: Where the first model begins, and the distance to the next one.
HEAD: Final = np.uint64(LANE.COUNT * LP_STRIDE)
STEP: Final = np.uint64(SLOT.COUNT * LP_STRIDE)
_LANE_ROWS: Final = LANE.COUNT
_SLOT_ROWS: Final = SLOT.COUNT


def aligned_zeros(rows: int, columns: int) -> np.ndarray:
    """Zeros [rows, columns] that start on a cache line."""
    flat = np.zeros(rows * columns + LINE)
    start = -(flat.ctypes.data // flat.itemsize) % LINE
    return flat[start : start + rows * columns].reshape(rows, columns)


@compiled
def rows(size):
    """Doubles needed for ``WIDTH`` problems over ``size`` models."""
    return (_LANE_ROWS + _SLOT_ROWS * size) * LP_STRIDE


def workspace(size: int) -> np.ndarray:
    """Memory for ``WIDTH`` problems over ``size`` models."""
    return aligned_zeros(1, rows(size))[0]


@compiled
def solve_lanes(w, size, lanes):
    """Solve the routing LPs of the first ``lanes`` lanes.

    Parameters
    ----------
    w : f8 [rows * stride]
        From :func:`workspace`, with ``LANE.budget`` of every lane and ``SLOT.upper``,
        ``SLOT.lower`` and ``SLOT.limit`` (0: absent) of every lane and model.  Written:
        ``LANE.hard`` where the problem is left to ``solve_one``; else the basis, the budget price
        and every model's side.
    size : uint64
        Models M.
    lanes : uint64
        Rounded up to whole vectors.
    """
    for lane in range(ZERO, lanes, WIDE):
        _solve(w, size, lane)


@inner
def _solve(w, size, lane):
    """Solve the routing LPs of one vector of lanes."""
    here = HEAD + lane + lane_numbers()
    # Capacity, range of costs and tolerance; every model starts at zero.
    capacity = broadcast(0.0)
    dearest = broadcast(0.0)
    cheapest = broadcast(np.inf)
    for m in range(size):
        o = HEAD + m * STEP + lane
        limit, cost = load(w, o + SLOT.limit), load(w, o + SLOT.lower)
        there = limit > 0.0
        capacity = capacity + limit
        dearest = where(there & (cost > dearest), cost, dearest)
        cheapest = where(there & (cost < cheapest), cost, cheapest)
        store(w, o + SLOT.side, where(there, -1.0, 0.0))
    b = minimum(load(w, LANE.budget + lane), dearest)
    hard = ~enough(capacity) | (dearest < TINY) | (dearest > REACH * b)
    tolerance = budget_tolerance(dearest, cheapest)
    excess = cheapest - b

    # At price 0 the best models are filled up: i is the last of them.
    i = broadcast(0.0)
    i_upper = broadcast(0.0)
    i_lower = broadcast(0.0)
    i_limit = broadcast(0.0)
    i_share = broadcast(0.0)
    rest = where(hard, 0.0, 1.0)
    # Sides change when they are read next: to write them one by one would stall that.
    filled = broadcast(-1.0)
    unfilled = np.int64(1)
    while unfilled > 0:
        k = broadcast(-1.0)
        k_upper = broadcast(-np.inf)
        k_lower = broadcast(0.0)
        k_limit = broadcast(0.0)
        for m in range(size):
            o = HEAD + m * STEP + lane
            upper, lower = load(w, o + SLOT.upper), load(w, o + SLOT.lower)
            side = where(filled == np.float64(m), 1.0, load(w, o + SLOT.side))
            store(w, o + SLOT.side, side)
            better = (upper > k_upper) | ((upper == k_upper) & (lower < k_lower))
            better = better & (side < 0.0)
            k_upper = where(better, upper, k_upper)
            k_lower = where(better, lower, k_lower)
            k_limit = where(better, load(w, o + SLOT.limit), k_limit)
            k = where(better, np.float64(m), k)
        active = rest > MASS
        # Limits that add up to 1 only within the tolerance run out before the rest does.
        hard = hard | (active & (k < 0.0))
        go = active & (k >= 0.0)
        part = minimum(k_limit, rest)
        excess = where(go, excess + part * (k_lower - cheapest), excess)
        rest = where(go, rest - part, 0.0)
        i = where(go, k, i)
        i_share = where(go, part, i_share)
        i_limit = where(go, k_limit, i_limit)
        i_upper = where(go, k_upper, i_upper)
        i_lower = where(go, k_lower, i_lower)
        filled = i
        unfilled = count_lanes(rest > MASS)

    # Walk over the prices: mass moves from the dearer model of a pair to the cheaper one.
    j = i
    j_share = broadcast(0.0)
    gone = i
    gone_side = broadcast(0.0)
    price = broadcast(0.0)
    active = (excess > tolerance) & ~hard
    while count_lanes(active) > 0:
        # The nearest crossing of the marginal model.
        k = broadcast(-1.0)
        k_upper = broadcast(0.0)
        k_lower = broadcast(0.0)
        k_limit = broadcast(0.0)
        k_side = broadcast(0.0)
        crossing = broadcast(np.inf)
        for m in range(size):
            o = HEAD + m * STEP + lane
            lower, side = load(w, o + SLOT.lower), load(w, o + SLOT.side)
            side = where(gone == np.float64(m), gone_side, side)
            store(w, o + SLOT.side, side)
            gap = i_lower - lower
            upper = load(w, o + SLOT.upper)
            candidate = (i_upper - upper) / gap
            # Of the marginal model, and of what costs as much, the gap is 0, whatever the side.
            meets = side * gap < 0.0
            better = meets & (candidate < crossing)
            if count_lanes(meets & (candidate == crossing)) > 0:
                # Ties: who enters before who leaves; the cheapest enters, the last cheapest leaves.
                first = (lower < k_lower) | ((lower == k_lower) & (side > 0.0))
                first = (side < k_side) | ((side == k_side) & first)
                better = better | (meets & (candidate == crossing) & ((k < 0.0) | first))
            crossing = where(better, candidate, crossing)
            k_lower = where(better, lower, k_lower)
            k_side = where(better, side, k_side)
            k_upper = where(better, upper, k_upper)
            k_limit = where(better, load(w, o + SLOT.limit), k_limit)
            k = where(better, np.float64(m), k)
        hard = hard | (active & (k < 0.0))
        active = active & (k >= 0.0)
        enters = k_side < 0.0
        step = abs(i_lower - k_lower)
        given = where(enters, i_share, k_limit)
        room = where(enters, k_limit, i_limit - i_share)
        needed = excess / step
        last = active & (needed <= given) & (needed <= room)
        go = active & ~last
        # The last pivot leaves both in the basis; rounding may step over a limit.
        i_final = where(enters, i_share - needed, minimum(i_share + needed, i_limit))
        k_final = where(enters, minimum(needed, k_limit), k_limit - needed)
        # Any other takes one of them out, and the other is marginal.
        empties = given <= room
        moved = where(empties, given, room)
        swap = empties == enters
        i_stays = where(enters, i_share - k_limit, i_share + k_limit)
        k_stays = where(enters, moved, k_limit - moved)
        stays = where(swap, k_stays, i_stays)
        # What rounding leaves in a share is no mass, and moving it has no price.
        real = go & (moved > ROUNDING * minimum(i_limit, k_limit))
        price = where(last | real, maximum(price, crossing), price)
        excess = where(real, excess - moved * step, excess)
        j_share = where(last, k_final, j_share)
        i_share = where(go, stays, where(last, i_final, i_share))
        # The side of who leaves the basis: the old marginal model, or k.
        gone_side = where(go, where(enters == swap, -1.0, 1.0), 0.0)
        gone = where(go, where(swap, i, k), where(last, k, i))
        swap = go & swap
        i = where(swap, k, i)
        j = where(last, k, where(go, i, j))
        i_upper = where(swap, k_upper, i_upper)
        i_lower = where(swap, k_lower, i_lower)
        i_limit = where(swap, k_limit, i_limit)
        active = go & (excess > tolerance)

    scatter(w, index(gone) * STEP + here + SLOT.side, gone_side)
    scatter(w, index(i) * STEP + here + SLOT.side, 0.0)
    store(w, LANE.hard + lane, where(hard, 1.0, 0.0))
    store(w, LANE.price + lane, price)
    store(w, LANE.i_slot + lane, i)
    store(w, LANE.i_share + lane, i_share)
    store(w, LANE.i_upper + lane, i_upper)
    store(w, LANE.i_lower + lane, i_lower)
    store(w, LANE.j_slot + lane, j)
    store(w, LANE.j_share + lane, j_share)
