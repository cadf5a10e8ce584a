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

import numpy as np
from numba import njit

from fastroute.kernels.numba_ import CACHE
from fastroute.kernels.tolerances import BUDGET_RANGE, BUDGET_SCALE, MASS, REACH, ROUNDING, TINY

WIDTH = 32
#: Doubles in a cache line, and in the widest vector.
LINE = 8

_STRIDE = WIDTH + LINE


def _row(k: int) -> np.uint64:
    # One cache line more than a row: the rows of one lane spread over all sets of the cache.
    return np.uint64(k * _STRIDE)


# Rows of the lane, as offsets into the flat array.
LANE_ROWS = 26
BUDGET, HARD, PRICE = _row(0), _row(1), _row(2)
# The basis: the marginal model i with its share, and j (i itself, or the other of a pair).
I_SLOT, I_SHARE, I_UPPER, I_LOWER, I_LIMIT = (_row(k) for k in range(3, 8))
J_SLOT, J_SHARE = _row(8), _row(9)
# The model that enters or leaves, and where its crossing with the marginal one lies.
K_SLOT, K_UPPER, K_LOWER, K_LIMIT, K_SIDE, CROSSING = (_row(k) for k in range(10, 16))
REST, EXCESS, TOLERANCE, ACTIVE = (_row(k) for k in range(16, 20))
CAPACITY, CHEAPEST, DEAREST, MOVED = (_row(k) for k in range(20, 24))
# Room for what callers add up.
VALUE, PART = _row(24), _row(25)
HEAD = _row(LANE_ROWS)

# Rows of a model.
SLOT_ROWS = 4
UPPER, LOWER, LIMIT = _row(0), _row(1), _row(2)
# +1 at the limit, -1 at zero, 0 in the basis or absent.
SIDE = _row(3)
STEP = _row(SLOT_ROWS)


def aligned_zeros(rows: int, columns: int) -> np.ndarray:
    """Zeros [rows, columns] that start on a cache line."""
    flat = np.zeros(rows * columns + LINE)
    start = -(flat.ctypes.data // flat.itemsize) % LINE
    return flat[start : start + rows * columns].reshape(rows, columns)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def rows(size):
    """Doubles needed for ``WIDTH`` problems over ``size`` models."""
    return (LANE_ROWS + SLOT_ROWS * size) * _STRIDE


def workspace(size: int) -> np.ndarray:
    """Memory for ``WIDTH`` problems over ``size`` models."""
    return aligned_zeros(1, rows(size))[0]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def solve_lanes(w, size, lanes):
    """Solve the routing LPs of the first ``lanes`` lanes.

    Parameters
    ----------
    w : f8 [rows * stride]
        From :func:`workspace`, with ``BUDGET`` of every lane and ``UPPER``, ``LOWER`` and
        ``LIMIT`` (0: absent) of every lane and model.  Written: ``HARD`` where the problem is left
        to ``solve_one``; else the basis, the budget price and every model's side.
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


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _prepare(w, size, lanes):
    """Find capacity, range of costs and tolerance; every model starts at zero."""
    for lane in range(lanes):
        w[CAPACITY + lane] = 0.0
        w[DEAREST + lane] = 0.0
        w[CHEAPEST + lane] = np.inf
    for m in range(size):
        o = HEAD + m * STEP
        for lane in range(lanes):
            limit, lower = w[o + LIMIT + lane], w[o + LOWER + lane]
            capacity = w[CAPACITY + lane]
            dearest, cheapest = w[DEAREST + lane], w[CHEAPEST + lane]
            there = limit > 0.0
            w[CAPACITY + lane] = capacity + limit
            w[DEAREST + lane] = lower if there & (lower > dearest) else dearest
            w[CHEAPEST + lane] = lower if there & (lower < cheapest) else cheapest
        for lane in range(lanes):
            w[o + SIDE + lane] = -1.0 if w[o + LIMIT + lane] > 0.0 else 0.0
    for lane in range(lanes):
        dearest, cheapest = w[DEAREST + lane], w[CHEAPEST + lane]
        b = min(w[BUDGET + lane], dearest)
        hard = (w[CAPACITY + lane] < 1.0 - MASS) | (dearest < TINY) | (dearest > REACH * b)
        w[HARD + lane] = 1.0 if hard else 0.0
        w[TOLERANCE + lane] = BUDGET_RANGE * (dearest - cheapest) + BUDGET_SCALE * dearest
        w[EXCESS + lane] = cheapest - b
        w[REST + lane] = 0.0 if hard else 1.0
        w[I_SLOT + lane] = 0.0
        w[I_SHARE + lane] = 0.0
        w[I_UPPER + lane] = 0.0
        w[I_LOWER + lane] = 0.0
        w[I_LIMIT + lane] = 0.0


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _fill(w, size, lanes):
    """Give what is left to the best empty model, at price 0; returns lanes that have more left."""
    for lane in range(lanes):
        w[K_SLOT + lane] = -1.0
        w[K_UPPER + lane] = -np.inf
        w[K_LOWER + lane] = 0.0
    for m in range(size):
        o = HEAD + m * STEP
        slot = np.float64(m)
        for lane in range(lanes):
            upper, lower, side = w[o + UPPER + lane], w[o + LOWER + lane], w[o + SIDE + lane]
            k, k_upper, k_lower = w[K_SLOT + lane], w[K_UPPER + lane], w[K_LOWER + lane]
            better = (upper > k_upper) | ((upper == k_upper) & (lower < k_lower))
            better = better & (side < 0.0)
            w[K_UPPER + lane] = upper if better else k_upper
            w[K_LOWER + lane] = lower if better else k_lower
            w[K_SLOT + lane] = slot if better else k
    for lane in range(lanes):
        o = HEAD + np.uint64(max(w[K_SLOT + lane], 0.0)) * STEP + lane
        w[K_LIMIT + lane] = w[o + LIMIT]
    count = 0
    for lane in range(lanes):
        i, i_share, i_limit = w[I_SLOT + lane], w[I_SHARE + lane], w[I_LIMIT + lane]
        i_upper, i_lower = w[I_UPPER + lane], w[I_LOWER + lane]
        k, k_limit = w[K_SLOT + lane], w[K_LIMIT + lane]
        k_upper, k_lower = w[K_UPPER + lane], w[K_LOWER + lane]
        rest, excess, cheapest = w[REST + lane], w[EXCESS + lane], w[CHEAPEST + lane]
        hard = w[HARD + lane]
        active = rest > MASS
        # Limits that add up to 1 only within the tolerance run out before the rest does.
        w[HARD + lane] = 1.0 if active & (k < 0.0) else hard
        go = active & (k >= 0.0)
        part = min(k_limit, rest)
        more = excess + part * (k_lower - cheapest)
        left = rest - part
        left = left if go else 0.0
        w[I_SLOT + lane] = k if go else i
        w[I_SHARE + lane] = part if go else i_share
        w[I_LIMIT + lane] = k_limit if go else i_limit
        w[I_UPPER + lane] = k_upper if go else i_upper
        w[I_LOWER + lane] = k_lower if go else i_lower
        w[EXCESS + lane] = more if go else excess
        w[REST + lane] = left
        count += 1 if left > MASS else 0
    for lane in range(lanes):
        w[HEAD + np.uint64(w[I_SLOT + lane]) * STEP + SIDE + lane] = 1.0
    return count


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _open(w, lanes):
    """Start the walk over prices at 0; returns the lanes that are over budget there."""
    count = 0
    for lane in range(lanes):
        i = w[I_SLOT + lane]
        active = (w[EXCESS + lane] > w[TOLERANCE + lane]) & (w[HARD + lane] == 0.0)
        w[J_SLOT + lane] = i
        w[J_SHARE + lane] = 0.0
        w[PRICE + lane] = 0.0
        w[ACTIVE + lane] = 1.0 if active else 0.0
        count += 1 if active else 0
    for lane in range(lanes):
        w[HEAD + np.uint64(w[I_SLOT + lane]) * STEP + SIDE + lane] = 0.0
    return count


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _find(w, size, lanes):
    """Find the nearest crossing of every lane's marginal model."""
    for lane in range(lanes):
        w[K_SLOT + lane] = -1.0
        w[K_LOWER + lane] = 0.0
        w[K_SIDE + lane] = 0.0
        w[CROSSING + lane] = np.inf
    for m in range(size):
        o = HEAD + m * STEP
        slot = np.float64(m)
        for lane in range(lanes):
            upper, lower, side = w[o + UPPER + lane], w[o + LOWER + lane], w[o + SIDE + lane]
            crossing = w[CROSSING + lane]
            k, k_lower, k_side = w[K_SLOT + lane], w[K_LOWER + lane], w[K_SIDE + lane]
            gap = w[I_LOWER + lane] - lower
            candidate = (w[I_UPPER + lane] - upper) / gap
            # Ties: who enters before who leaves; the cheapest enters, the last cheapest leaves.
            first = (lower < k_lower) | ((lower == k_lower) & (side > 0.0))
            first = (side < k_side) | ((side == k_side) & first)
            better = (k < 0.0) | (candidate < crossing) | ((candidate == crossing) & first)
            better = better & (side * gap < 0.0)
            w[CROSSING + lane] = candidate if better else crossing
            w[K_LOWER + lane] = lower if better else k_lower
            w[K_SIDE + lane] = side if better else k_side
            w[K_SLOT + lane] = slot if better else k
    for lane in range(lanes):
        o = HEAD + np.uint64(max(w[K_SLOT + lane], 0.0)) * STEP + lane
        w[K_UPPER + lane] = w[o + UPPER]
        w[K_LIMIT + lane] = w[o + LIMIT]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _pivot(w, lanes):
    """Move mass from the dearer model of the pair to the cheaper; returns the lanes still at it."""
    count = 0
    for lane in range(lanes):
        i, i_share, i_limit = w[I_SLOT + lane], w[I_SHARE + lane], w[I_LIMIT + lane]
        i_upper, i_lower = w[I_UPPER + lane], w[I_LOWER + lane]
        k, k_limit, k_side = w[K_SLOT + lane], w[K_LIMIT + lane], w[K_SIDE + lane]
        k_upper, k_lower = w[K_UPPER + lane], w[K_LOWER + lane]
        j, j_share, hard = w[J_SLOT + lane], w[J_SHARE + lane], w[HARD + lane]
        price, crossing = w[PRICE + lane], w[CROSSING + lane]
        excess, tolerance = w[EXCESS + lane], w[TOLERANCE + lane]
        active = w[ACTIVE + lane] > 0.0
        w[HARD + lane] = 1.0 if active & (k < 0.0) else hard
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
        w[PRICE + lane] = higher if last | real else price
        w[EXCESS + lane] = excess
        w[J_SHARE + lane] = k_final if last else j_share
        i_share = i_final if last else i_share
        w[I_SHARE + lane] = stays if go else i_share
        # The side of who leaves the basis: the old marginal model, or k.
        gone = i if swap else k
        side = -1.0 if enters == swap else 1.0
        out = k if last else i
        w[MOVED + lane] = gone if go else out
        w[K_SIDE + lane] = side if go else 0.0
        swap = go & swap
        i = k if swap else i
        j = i if go else j
        w[I_SLOT + lane] = i
        w[J_SLOT + lane] = k if last else j
        w[I_UPPER + lane] = k_upper if swap else i_upper
        w[I_LOWER + lane] = k_lower if swap else i_lower
        w[I_LIMIT + lane] = k_limit if swap else i_limit
        active = go & (excess > tolerance)
        w[ACTIVE + lane] = 1.0 if active else 0.0
        count += 1 if active else 0
    for lane in range(lanes):
        w[HEAD + np.uint64(w[MOVED + lane]) * STEP + SIDE + lane] = w[K_SIDE + lane]
        w[HEAD + np.uint64(w[I_SLOT + lane]) * STEP + SIDE + lane] = 0.0
    return count
