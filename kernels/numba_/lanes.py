"""Many routing LPs in lockstep: :func:`..routing.solve_one`, one problem a lane.

All numbers of up to ``WIDTH`` problems live in one flat array of rows of ``WIDTH`` doubles: first
the rows of the lane (one number per problem), then ``SLOT_ROWS`` rows for each model.  Every loop
over the lanes reads and writes rows at constant distances and becomes vector instructions; a pivot
then costs all lanes together about what it costs one problem alone.

Three things keep the loops fast.  Each reads its rows into names before it writes any: a row that
is read only where a condition holds becomes a masked access, which the processor cannot forward
from the store before it.  A loop writes rows of the lane or of a model, never both, because it must
be plain that they do not overlap.  Numbers are gathered from and scattered to models in loops of
their own, which are not vectorised and would spoil the rest.  Indices are unsigned, because Numba
wraps negative signed ones, which hides the constant distances.

The operations are those of ``solve_one`` in its order, so the answers are the same to the bit.
What is rare there (no capacity, over budget, costs below 2**-800 or far above the budget) is
marked ``HARD`` and left to it.
"""

from typing import Final

import numpy as np

from fastroute.kernels.formulas.constraints import budget_tolerance, enough
from fastroute.kernels.numba_.compile import compiled, inner
from fastroute.kernels.numba_.rows import lp as LANE
from fastroute.kernels.numba_.rows import lp_model as SLOT
from fastroute.kernels.numba_.rows.place import LINE, LP_STRIDE, LP_WIDTH
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
        Best a multiple of 8.
    """
    _prepare(w, size, lanes)
    count = lanes
    while count > 0:
        count = _fill(w, size, lanes)
    count = _open(w, lanes)
    while count > 0:
        _find(w, size, lanes)
        count = _pivot(w, lanes)


@inner
def _prepare(w, size, lanes):
    """Find capacity, range of costs and tolerance; every model starts at zero."""
    for lane in range(lanes):
        w[LANE.capacity + lane] = 0.0
        w[LANE.dearest + lane] = 0.0
        w[LANE.cheapest + lane] = np.inf
    for m in range(size):
        o = HEAD + m * STEP
        for lane in range(lanes):
            limit, lower = w[o + SLOT.limit + lane], w[o + SLOT.lower + lane]
            capacity = w[LANE.capacity + lane]
            dearest, cheapest = w[LANE.dearest + lane], w[LANE.cheapest + lane]
            there = limit > 0.0
            w[LANE.capacity + lane] = capacity + limit
            w[LANE.dearest + lane] = lower if there & (lower > dearest) else dearest
            w[LANE.cheapest + lane] = lower if there & (lower < cheapest) else cheapest
        for lane in range(lanes):
            w[o + SLOT.side + lane] = -1.0 if w[o + SLOT.limit + lane] > 0.0 else 0.0
    for lane in range(lanes):
        dearest, cheapest = w[LANE.dearest + lane], w[LANE.cheapest + lane]
        b = min(w[LANE.budget + lane], dearest)
        hard = (not enough(w[LANE.capacity + lane])) | (dearest < TINY) | (dearest > REACH * b)
        w[LANE.hard + lane] = 1.0 if hard else 0.0
        w[LANE.tolerance + lane] = budget_tolerance(dearest, cheapest)
        w[LANE.excess + lane] = cheapest - b
        w[LANE.rest + lane] = 0.0 if hard else 1.0
        w[LANE.i_slot + lane] = 0.0
        w[LANE.i_share + lane] = 0.0
        w[LANE.i_upper + lane] = 0.0
        w[LANE.i_lower + lane] = 0.0
        w[LANE.i_limit + lane] = 0.0


@inner
def _fill(w, size, lanes):
    """Give what is left to the best empty model, at price 0; returns lanes that have more left."""
    for lane in range(lanes):
        w[LANE.k_slot + lane] = -1.0
        w[LANE.k_upper + lane] = -np.inf
        w[LANE.k_lower + lane] = 0.0
    for m in range(size):
        o = HEAD + m * STEP
        slot = np.float64(m)
        for lane in range(lanes):
            upper, lower, side = (
                w[o + SLOT.upper + lane],
                w[o + SLOT.lower + lane],
                w[o + SLOT.side + lane],
            )
            k, k_upper, k_lower = (
                w[LANE.k_slot + lane],
                w[LANE.k_upper + lane],
                w[LANE.k_lower + lane],
            )
            better = (upper > k_upper) | ((upper == k_upper) & (lower < k_lower))
            better = better & (side < 0.0)
            w[LANE.k_upper + lane] = upper if better else k_upper
            w[LANE.k_lower + lane] = lower if better else k_lower
            w[LANE.k_slot + lane] = slot if better else k
    for lane in range(lanes):
        o = HEAD + np.uint64(max(w[LANE.k_slot + lane], 0.0)) * STEP + lane
        w[LANE.k_limit + lane] = w[o + SLOT.limit]
    count = 0
    for lane in range(lanes):
        i, i_share, i_limit = w[LANE.i_slot + lane], w[LANE.i_share + lane], w[LANE.i_limit + lane]
        i_upper, i_lower = w[LANE.i_upper + lane], w[LANE.i_lower + lane]
        k, k_limit = w[LANE.k_slot + lane], w[LANE.k_limit + lane]
        k_upper, k_lower = w[LANE.k_upper + lane], w[LANE.k_lower + lane]
        rest, excess, cheapest = w[LANE.rest + lane], w[LANE.excess + lane], w[LANE.cheapest + lane]
        hard = w[LANE.hard + lane]
        active = rest > MASS
        # Limits that add up to 1 only within the tolerance run out before the rest does.
        w[LANE.hard + lane] = 1.0 if active & (k < 0.0) else hard
        go = active & (k >= 0.0)
        part = min(k_limit, rest)
        more = excess + part * (k_lower - cheapest)
        left = rest - part
        left = left if go else 0.0
        w[LANE.i_slot + lane] = k if go else i
        w[LANE.i_share + lane] = part if go else i_share
        w[LANE.i_limit + lane] = k_limit if go else i_limit
        w[LANE.i_upper + lane] = k_upper if go else i_upper
        w[LANE.i_lower + lane] = k_lower if go else i_lower
        w[LANE.excess + lane] = more if go else excess
        w[LANE.rest + lane] = left
        count += 1 if left > MASS else 0
    for lane in range(lanes):
        w[HEAD + np.uint64(w[LANE.i_slot + lane]) * STEP + SLOT.side + lane] = 1.0
    return count


@inner
def _open(w, lanes):
    """Start the walk over prices at 0; returns the lanes that are over budget there."""
    count = 0
    for lane in range(lanes):
        i = w[LANE.i_slot + lane]
        active = (w[LANE.excess + lane] > w[LANE.tolerance + lane]) & (w[LANE.hard + lane] == 0.0)
        w[LANE.j_slot + lane] = i
        w[LANE.j_share + lane] = 0.0
        w[LANE.price + lane] = 0.0
        w[LANE.active + lane] = 1.0 if active else 0.0
        count += 1 if active else 0
    for lane in range(lanes):
        w[HEAD + np.uint64(w[LANE.i_slot + lane]) * STEP + SLOT.side + lane] = 0.0
    return count


@inner
def _find(w, size, lanes):
    """Find the nearest crossing of every lane's marginal model."""
    for lane in range(lanes):
        w[LANE.k_slot + lane] = -1.0
        w[LANE.k_lower + lane] = 0.0
        w[LANE.k_side + lane] = 0.0
        w[LANE.crossing + lane] = np.inf
    for m in range(size):
        o = HEAD + m * STEP
        slot = np.float64(m)
        for lane in range(lanes):
            upper, lower, side = (
                w[o + SLOT.upper + lane],
                w[o + SLOT.lower + lane],
                w[o + SLOT.side + lane],
            )
            crossing = w[LANE.crossing + lane]
            k, k_lower, k_side = (
                w[LANE.k_slot + lane],
                w[LANE.k_lower + lane],
                w[LANE.k_side + lane],
            )
            gap = w[LANE.i_lower + lane] - lower
            candidate = (w[LANE.i_upper + lane] - upper) / gap
            # Ties: who enters before who leaves; the cheapest enters, the last cheapest leaves.
            first = (lower < k_lower) | ((lower == k_lower) & (side > 0.0))
            first = (side < k_side) | ((side == k_side) & first)
            better = (k < 0.0) | (candidate < crossing) | ((candidate == crossing) & first)
            better = better & (side * gap < 0.0)
            w[LANE.crossing + lane] = candidate if better else crossing
            w[LANE.k_lower + lane] = lower if better else k_lower
            w[LANE.k_side + lane] = side if better else k_side
            w[LANE.k_slot + lane] = slot if better else k
    for lane in range(lanes):
        o = HEAD + np.uint64(max(w[LANE.k_slot + lane], 0.0)) * STEP + lane
        w[LANE.k_upper + lane] = w[o + SLOT.upper]
        w[LANE.k_limit + lane] = w[o + SLOT.limit]


@inner
def _pivot(w, lanes):
    """Move mass from the dearer model of the pair to the cheaper; returns the lanes still at it."""
    count = 0
    for lane in range(lanes):
        i, i_share, i_limit = w[LANE.i_slot + lane], w[LANE.i_share + lane], w[LANE.i_limit + lane]
        i_upper, i_lower = w[LANE.i_upper + lane], w[LANE.i_lower + lane]
        k, k_limit, k_side = w[LANE.k_slot + lane], w[LANE.k_limit + lane], w[LANE.k_side + lane]
        k_upper, k_lower = w[LANE.k_upper + lane], w[LANE.k_lower + lane]
        j, j_share, hard = w[LANE.j_slot + lane], w[LANE.j_share + lane], w[LANE.hard + lane]
        price, crossing = w[LANE.price + lane], w[LANE.crossing + lane]
        excess, tolerance = w[LANE.excess + lane], w[LANE.tolerance + lane]
        active = w[LANE.active + lane] > 0.0
        w[LANE.hard + lane] = 1.0 if active & (k < 0.0) else hard
        active = active & (k >= 0.0)
        enters = k_side < 0.0
        step = abs(i_lower - k_lower)
        spare = i_limit - i_share
        given = i_share if enters else k_limit
        room = k_limit if enters else spare
        needed = excess / step
        last = active & (needed <= given) & (needed <= room)
        go = active & (not last)
        # The last pivot leaves both in the basis; rounding may step over a limit.
        i_less, i_more = i_share - needed, min(i_share + needed, i_limit)
        k_more, k_less = min(needed, k_limit), k_limit - needed
        i_final = i_less if enters else i_more
        k_final = k_more if enters else k_less
        # Any other takes one of them out, and the other is marginal.
        empties = given <= room
        moved = given if empties else room
        swap = empties == enters
        i_less, i_more = i_share - k_limit, i_share + k_limit
        k_less = k_limit - moved
        i_stays = i_less if enters else i_more
        k_stays = moved if enters else k_less
        stays = k_stays if swap else i_stays
        # What rounding leaves in a share is no mass, and moving it has no price.
        real = go & (moved > ROUNDING * min(i_limit, k_limit))
        higher = max(price, crossing)
        lower = excess - moved * step
        excess = lower if real else excess
        w[LANE.price + lane] = higher if last | real else price
        w[LANE.excess + lane] = excess
        w[LANE.j_share + lane] = k_final if last else j_share
        i_share = i_final if last else i_share
        w[LANE.i_share + lane] = stays if go else i_share
        # The side of who leaves the basis: the old marginal model, or k.
        gone = i if swap else k
        side = -1.0 if enters == swap else 1.0
        out = k if last else i
        w[LANE.moved + lane] = gone if go else out
        w[LANE.k_side + lane] = side if go else 0.0
        swap = go & swap
        i = k if swap else i
        j = i if go else j
        w[LANE.i_slot + lane] = i
        w[LANE.j_slot + lane] = k if last else j
        w[LANE.i_upper + lane] = k_upper if swap else i_upper
        w[LANE.i_lower + lane] = k_lower if swap else i_lower
        w[LANE.i_limit + lane] = k_limit if swap else i_limit
        active = go & (excess > tolerance)
        w[LANE.active + lane] = 1.0 if active else 0.0
        count += 1 if active else 0
    for lane in range(lanes):
        w[HEAD + np.uint64(w[LANE.moved + lane]) * STEP + SLOT.side + lane] = w[LANE.k_side + lane]
        w[HEAD + np.uint64(w[LANE.i_slot + lane]) * STEP + SLOT.side + lane] = 0.0
    return count
