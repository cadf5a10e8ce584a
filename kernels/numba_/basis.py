"""The basis of every trial's routing LP, checked each round and mended where it is lost.

After a round only one model's bounds have changed, so the last basis is nearly always still the
best one.  :func:`check` finds that out for all lanes of a block at once, in O(M); :func:`share`
turns bases into shares; :func:`mend` solves the lanes that failed, together where there are
enough of them.  A basis is accepted only where it is the answer that a solution from scratch
gives, ties included, so results do not depend on when it was last solved.
"""

import numpy as np
from numba import njit

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.numba_ import CACHE
from fastroute.kernels.numba_ import lanes as problems
from fastroute.kernels.numba_.layout import (
    BAD,
    FIXED_COST,
    FIXED_REWARD,
    GUARD,
    HEAD,
    I_COST,
    I_LIMIT,
    I_LOWER,
    I_REWARD,
    I_SHARE,
    I_SLOT,
    I_UPPER,
    INVERSE,
    J_COST,
    J_LIMIT,
    J_LOWER,
    J_REWARD,
    J_SHARE,
    J_SLOT,
    J_UPPER,
    LANES,
    MARGINAL,
    PAIR,
    PRICE,
    REST,
    S_FIXED,
    S_LIMIT,
    S_LOWER,
    S_MEAN,
    S_PRICE,
    S_SIDE,
    S_UPPER,
    SPENT,
    STATUS,
    STEP,
    WEIGHT,
    WORST,
)
from fastroute.kernels.numba_.routing import solve_one
from fastroute.kernels.tolerances import BUDGET_RANGE, TIE

#: Fewer lanes than this are solved one by one: it takes about as long for one as for a vector.
FEW = 8
LINE = np.uint64(problems.LINE)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def check(w, slots, cost_max):
    """Find by how much every lane's basis is the best one for this round's bounds.

    ``WORST`` is the smallest advantage of a full model over the marginal level, or of that level
    over an empty model; ties count as 0.
    """
    for lane in range(LANES):
        pair = w[PAIR + lane] > 0.0
        over = w[STATUS + lane] == OVER_BUDGET
        upper, lower = w[I_UPPER + lane], w[I_LOWER + lane]
        inverse = 1.0 / (lower - w[J_LOWER + lane])
        price = (upper - w[J_UPPER + lane]) * inverse
        price = price if pair else 0.0
        w[INVERSE + lane] = inverse
        # Over budget the cheapest models are full: the order is that of cost alone.
        weight = 0.0 if over else 1.0
        price = 1.0 if over else price
        w[WEIGHT + lane] = weight
        w[PRICE + lane] = price
        w[MARGINAL + lane] = weight * upper - price * lower
        guard = TIE * (1.0 + price * cost_max)
        # Over budget: costs within the tolerance of the budget row count as equal.
        guard = 2.0 * BUDGET_RANGE * cost_max if over else guard
        w[GUARD + lane] = guard if pair | over else 0.0
        w[SPENT + lane] = 0.0
        w[WORST + lane] = np.inf
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            lower = w[o + S_LOWER + lane]
            worst, spent = w[WORST + lane], w[SPENT + lane]
            gain = w[WEIGHT + lane] * w[o + S_UPPER + lane]
            gain -= w[PRICE + lane] * lower + w[MARGINAL + lane]
            side = w[o + S_SIDE + lane]
            advantage = side * gain if side != 0.0 else np.inf
            w[SPENT + lane] = spent + w[o + S_FIXED + lane] * (lower - w[J_LOWER + lane])
            w[WORST + lane] = min(worst, advantage)
    tied = 0
    for lane in range(LANES):
        worst, guard = w[WORST + lane], w[GUARD + lane]
        tie = (worst == 0.0) & (guard == 0.0)
        tied += 1 if tie else 0
    if tied > 0:
        _check_ties(w, slots)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _check_ties(w, slots):
    """Let ties at price 0 be decided by the tie order: lower cost, then lower index.

    For all lanes at once: ties are common early on, because bounds are cut at 1.
    """
    for lane in range(LANES):
        worst = w[WORST + lane]
        w[WORST + lane] = worst if w[GUARD + lane] > 0.0 else np.inf
    for m in range(slots):
        o = HEAD + m * STEP
        slot = np.float64(m)
        for lane in range(LANES):
            before = w[WORST + lane]
            gain = w[o + S_UPPER + lane] - w[I_UPPER + lane]
            tie = w[I_LOWER + lane] - w[o + S_LOWER + lane]
            order = w[I_SLOT + lane] - slot
            tie = order if tie == 0.0 else tie
            gain = tie if gain == 0.0 else gain
            side = w[o + S_SIDE + lane]
            advantage = side * gain if side != 0.0 else np.inf
            worst = min(before, advantage)
            w[WORST + lane] = before if w[GUARD + lane] > 0.0 else worst


@njit(nogil=True, error_model="numpy", cache=CACHE)
def share(w, budget):
    """Shares of the basis from the two coupling rows; returns the number of lanes to mend.

    ``BAD`` marks lanes whose basis is not the best one, or whose shares are out of bounds.
    """
    count = 0
    for lane in range(LANES):
        pair = w[PAIR + lane] > 0.0
        rest = w[REST + lane]
        price, worst, guard = w[PRICE + lane], w[WORST + lane], w[GUARD + lane]
        weight, status = w[WEIGHT + lane], w[STATUS + lane]
        i_limit, j_limit = w[I_LIMIT + lane], w[J_LIMIT + lane]
        slack = budget - w[J_LOWER + lane] - w[SPENT + lane]
        i_share = slack * w[INVERSE + lane]
        i_share = i_share if pair else rest
        j_share = rest - i_share
        # Alone, the basis must be within the budget, or beyond it where nothing is cheaper.
        affordable = pair | ((slack >= 0.0) == (weight > 0.0))
        good = (
            affordable
            & ((not pair) | (price > 0.0) & (price < np.inf))
            & (worst > guard)
            & (status != NO_CAPACITY)
            & (i_share >= 0.0)
            & (j_share >= 0.0)
            & (i_share <= i_limit)
            & (j_share <= j_limit)
        )
        w[I_SHARE + lane] = i_share
        w[J_SHARE + lane] = j_share
        w[BAD + lane] = 0.0 if good else 1.0
        count += 0 if good else 1
    return count


@njit(nogil=True, error_model="numpy", cache=CACHE)
def collect(w, first, lanes, who, count):
    """Add the lanes marked ``BAD`` of a block, whose first trial is ``first``, to the list ``who``.

    Returns
    -------
    int
        Entries of the list, of which ``count`` were there before.
    """
    for lane in range(lanes):
        if w[BAD + lane] != 0.0:
            who[count] = first + lane
            count += 1
    return count


@njit(nogil=True, error_model="numpy", cache=CACHE)
def mend(ws, v, slots, budget, who, u, c, a, p, side):
    """Solve the listed trials anew and keep their bases.

    Parameters
    ----------
    ws : f8 [blocks, rows * STRIDE]
    v : f8
        Workspace of :mod:`.lanes` for as many models as there are slots.
    slots : uint64
    budget : float
    who : uint64 [count]
        Trials, by block and lane: ``block * WIDTH + lane``.
    u, c, a, p, side : f8 [slots]
        Buffers.
    """
    count = len(who)
    first = 0
    while count - first >= FEW:
        group = min(count - first, problems.WIDTH)
        _solve_together(ws, v, slots, budget, who[first : first + group], u, c, a, p, side)
        first += group
    for k in range(first, count):
        w, lane = ws[who[k] // LANES], who[k] % LANES
        mend_one(w, slots, lane, budget, u, c, a, p, side)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _solve_together(ws, v, slots, budget, who, u, c, a, p, side):
    """Solve at most ``lanes.WIDTH`` trials in lockstep."""
    group = np.uint64(len(who))
    # A whole number of vectors: the lanes beyond repeat the last one.
    padded = (group + LINE - np.uint64(1)) // LINE * LINE
    for k in range(padded):
        trial = who[min(k, group - np.uint64(1))]
        w, lane = ws[trial // LANES], trial % LANES
        v[problems.BUDGET + k] = budget
        for m in range(slots):
            o = HEAD + m * STEP + lane
            to = problems.HEAD + m * problems.STEP + k
            v[to + problems.UPPER] = w[o + S_UPPER]
            v[to + problems.LOWER] = w[o + S_LOWER]
            v[to + problems.LIMIT] = w[o + S_LIMIT]
    problems.solve_lanes(v, slots, padded)
    for k in range(group):
        w, lane = ws[who[k] // LANES], who[k] % LANES
        if v[problems.HARD + k] != 0.0:
            mend_one(w, slots, lane, budget, u, c, a, p, side)
            continue
        for m in range(slots):
            o = problems.HEAD + m * problems.STEP + k
            a[m] = v[o + problems.LIMIT]
            side[m] = v[o + problems.SIDE]
        i, j = np.int64(v[problems.I_SLOT + k]), np.int64(v[problems.J_SLOT + k])
        _keep(w, slots, lane, budget, OPTIMAL, i, j, a, p, side)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def mend_one(w, slots, lane, budget, u, c, a, p, side):
    """Solve one lane anew and keep its basis."""
    for m in range(slots):
        o = HEAD + m * STEP + lane
        u[m] = w[o + S_UPPER]
        c[m] = w[o + S_LOWER]
        a[m] = w[o + S_LIMIT]
    status, _, _, i, j = solve_one(u, c, a, np.int64(slots), budget, p, side)
    _keep(w, slots, lane, budget, status, i, j, a, p, side)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _keep(w, slots, lane, budget, status, i, j, a, p, side):
    """Write the basis of one lane: its models, their sides, and its shares."""
    w[STATUS + lane] = np.float64(status)
    solved = status != NO_CAPACITY
    rest = 1.0
    fixed_reward = 0.0
    fixed_cost = 0.0
    for m in range(slots):
        o = HEAD + m * STEP + lane
        fixed = p[m]
        if solved:
            fixed = a[m] if side[m] > 0.0 else 0.0
        now = side[m] if a[m] > 0.0 else 0.0
        # Every row of a slot is a cache line of its own: most need not be touched.
        if now != w[o + S_SIDE] or fixed != w[o + S_FIXED]:
            w[o + S_SIDE] = now
            w[o + S_FIXED] = fixed
        if fixed > 0.0:
            rest -= fixed
            fixed_reward += fixed * w[o + S_MEAN]
            fixed_cost += fixed * w[o + S_PRICE]
    w[FIXED_REWARD + lane] = fixed_reward
    w[FIXED_COST + lane] = fixed_cost
    if not solved:
        i, j = np.int64(0), np.int64(0)
        rest = 0.0
    oi = HEAD + np.uint64(i) * STEP + lane
    oj = HEAD + np.uint64(j) * STEP + lane
    w[I_SLOT + lane], w[J_SLOT + lane] = np.float64(i), np.float64(j)
    w[I_UPPER + lane], w[J_UPPER + lane] = w[oi + S_UPPER], w[oj + S_UPPER]
    w[I_LOWER + lane], w[J_LOWER + lane] = w[oi + S_LOWER], w[oj + S_LOWER]
    w[I_LIMIT + lane], w[J_LIMIT + lane] = w[oi + S_LIMIT], w[oj + S_LIMIT]
    w[I_REWARD + lane], w[J_REWARD + lane] = w[oi + S_MEAN], w[oj + S_MEAN]
    w[I_COST + lane], w[J_COST + lane] = w[oi + S_PRICE], w[oj + S_PRICE]
    w[PAIR + lane] = 1.0 if i != j else 0.0
    w[REST + lane] = rest
    # The same two rows as in share, within the limits: rounding may step over them.
    i_share = rest
    if i != j:
        base = w[oj + S_LOWER]
        slack = budget - base
        for m in range(slots):
            if side[m] > 0.0 and a[m] > 0.0:
                slack -= a[m] * (w[HEAD + m * STEP + lane + S_LOWER] - base)
        i_share = slack * (1.0 / (w[oi + S_LOWER] - base))
        i_share = min(max(i_share, rest - a[j], 0.0), a[i], rest)
    w[I_SHARE + lane] = i_share
    w[J_SHARE + lane] = rest - i_share
