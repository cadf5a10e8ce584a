"""The basis of every trial's routing LP, checked each round and repaired where it is lost.

After a round only one model's bounds have changed, so the last basis is nearly always still the
best one.  :func:`check` finds that out for all lanes of a block, in O(M), and turns bases into
shares; :func:`repair` solves the lanes that failed, together where there are enough of them.  A
basis is accepted only where it is the answer that a solution from scratch gives, ties included, so
results do not depend on when it was last solved.
"""

import numpy as np
from numba.extending import register_jitable

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.formulas.names import maximum, minimum, where
from fastroute.kernels.numba_ import lanes as problems
from fastroute.kernels.numba_.compile import compiled, inner
from fastroute.kernels.numba_.layout import HEAD, LANE, LANES, SLOT, STEP, WIDTH
from fastroute.kernels.numba_.routing import solve_one
from fastroute.kernels.numba_.vectors import (
    VECTOR,
    WIDE,
    ZERO,
    broadcast,
    count_lanes,
    gather,
    index,
    load,
    scatter,
    store,
)
from fastroute.kernels.tolerances import BUDGET_RANGE, TIE

# A trial's number is that of its block and that of its lane.
_BLOCK = np.uint64(WIDTH.bit_length() - 1)
_LANE = np.uint64(WIDTH - 1)


@inner
def check(w, slots, used, budget, cost_max):
    """Find the lanes whose basis is not the best one any more; all others get their shares.

    ``LANE.lost`` marks lanes whose basis is not the best one for this round's bounds, or whose
    shares are out of bounds.

    Parameters
    ----------
    w : f8 [rows * STRIDE]
    slots : uint64
    used : uint64
        Lanes in use.
    budget, cost_max : float

    Returns
    -------
    int
        Lanes that are lost.
    """
    lost = np.int64(0)
    for lane in range(ZERO, used, WIDE):
        pair = load(w, LANE.pair + lane) > 0.0
        status = load(w, LANE.status + lane)
        upper, lower = load(w, LANE.i_upper + lane), load(w, LANE.i_lower + lane)
        base = load(w, LANE.j_lower + lane)
        inverse = 1.0 / (lower - base)
        price = where(pair, (upper - load(w, LANE.j_upper + lane)) * inverse, 0.0)
        # Over budget the cheapest models are full: the order is that of cost alone.
        over = status == OVER_BUDGET
        weight = where(over, 0.0, 1.0)
        price = where(over, 1.0, price)
        marginal = weight * upper - price * lower
        guard = TIE * (1.0 + price * cost_max)
        # Over budget: costs within the tolerance of the budget row count as equal.
        guard = where(over, 2.0 * BUDGET_RANGE * cost_max, guard)
        guard = where(pair | over, guard, 0.0)
        # The smallest advantage of a full model over the marginal level, or of that level over an
        # empty model; and what the shares outside the basis cost more than model j would.
        worst = broadcast(np.inf)
        spent = broadcast(0.0)
        for m in range(slots):
            o = HEAD + m * STEP + lane
            side, cost = load(w, o + SLOT.side), load(w, o + SLOT.lower)
            gain = weight * load(w, o + SLOT.upper) - (price * cost + marginal)
            spent = spent + load(w, o + SLOT.share) * (cost - base)
            worst = minimum(worst, where(side != 0.0, side * gain, np.inf))
        if count_lanes((worst == 0.0) & (guard == 0.0)) > 0:
            worst = where(guard > 0.0, worst, _worst_of_ties(w, slots, lane))
        # The two coupling rows give the shares of the basis.
        rest = load(w, LANE.rest + lane)
        slack = budget - base - spent
        i_share = where(pair, slack * inverse, rest)
        j_share = rest - i_share
        # Alone, the basis must be within the budget, or beyond it where nothing is cheaper.
        affordable = pair | ((slack >= 0.0) == (weight > 0.0))
        good = (
            affordable
            & (~pair | (price > 0.0) & (price < np.inf))
            & (worst > guard)
            & (status != NO_CAPACITY)
            & (i_share >= 0.0)
            & (j_share >= 0.0)
            & (i_share <= load(w, LANE.i_limit + lane))
            & (j_share <= load(w, LANE.j_limit + lane))
        )
        store(w, LANE.i_share + lane, i_share)
        store(w, LANE.j_share + lane, j_share)
        store(w, LANE.lost + lane, where(good, 0.0, 1.0))
        lost += count_lanes(~good)
    return lost


@inner
def _worst_of_ties(w, slots, lane):
    """Let ties at price 0 be decided by the tie order: lower cost, then lower index."""
    upper, lower = load(w, LANE.i_upper + lane), load(w, LANE.i_lower + lane)
    i_slot = load(w, LANE.i_slot + lane)
    worst = broadcast(np.inf)
    for m in range(slots):
        o = HEAD + m * STEP + lane
        side = load(w, o + SLOT.side)
        gain = load(w, o + SLOT.upper) - upper
        tie = lower - load(w, o + SLOT.lower)
        tie = where(tie == 0.0, i_slot - np.float64(m), tie)
        gain = where(gain == 0.0, tie, gain)
        worst = minimum(worst, where(side != 0.0, side * gain, np.inf))
    return worst


@compiled
def collect(w, first, lanes, who, count):
    """Add the lanes of a block that are marked ``LANE.lost`` to the list ``who``.

    Parameters
    ----------
    w : f8 [rows * STRIDE]
    first : uint64
        First trial of the block.
    lanes : uint64
        Lanes in use.
    who : f8
        Written.
    count : int
        Entries that the list has.

    Returns
    -------
    int
        Entries that the list has now.
    """
    for lane in range(lanes):
        if w[LANE.lost + lane] != 0.0:
            who[count] = np.float64(first + lane)
            count += 1
    return count


@compiled
def repair(ws, v, slots, budget, who, count, u, c, a, p, side):
    """Solve the listed trials anew and keep their bases.

    Parameters
    ----------
    ws : f8 [blocks, rows * STRIDE]
    v : f8
        Workspace of :mod:`.lanes` for as many models as there are slots.
    slots : uint64
    budget : float
    who : f8
        Trials, by block and lane: ``block * WIDTH + lane``; the first ``count`` of them.
    count : int
    u, c, a, p, side : f8 [slots]
        Buffers.
    """
    for first in range(0, count, VECTOR):
        group = min(count - first, VECTOR)
        if group > 1:
            _solve_together(ws, v, slots, budget, who[first : first + group], u, c, a, p, side)
        else:
            trial = np.uint64(who[first])
            w, lane = ws[trial // LANES], trial % LANES
            repair_one(w, slots, lane, budget, u, c, a, p, side)


@inner
def _solve_together(ws, v, slots, budget, who, u, c, a, p, side):
    """Solve at most ``VECTOR`` trials in lockstep."""
    group = np.int64(len(who))
    # Where the numbers of each trial are; the lanes beyond repeat the last one.
    for k in range(VECTOR):
        v[problems.LANE.trial + np.uint64(k)] = who[min(k, group - 1)]
    trial = index(load(v, problems.LANE.trial))
    at = (trial >> _BLOCK) * np.uint64(ws.shape[1]) + (trial & _LANE)
    w = ws.reshape(ws.size)
    store(v, problems.LANE.budget, budget)
    for m in range(slots):
        o, to = HEAD + m * STEP, problems.HEAD + m * problems.STEP
        store(v, to + problems.SLOT.upper, gather(w, at + (o + SLOT.upper)))
        store(v, to + problems.SLOT.lower, gather(w, at + (o + SLOT.lower)))
        store(v, to + problems.SLOT.limit, gather(w, at + (o + SLOT.limit)))
    problems.solve_lanes(v, slots, WIDE)
    _keep_together(w, at, v, slots, budget)
    for k in range(group):
        if v[problems.LANE.hard + np.uint64(k)] != 0.0:
            trial = np.uint64(who[k])
            repair_one(ws[trial // LANES], slots, trial % LANES, budget, u, c, a, p, side)


@inner
def _keep_together(w, at, v, slots, budget):
    """Write the bases of a vector of trials, as :func:`_keep` does for one."""
    i, j = load(v, problems.LANE.i_slot), load(v, problems.LANE.j_slot)
    pair = i != j
    oi, oj = at + (HEAD + index(i) * STEP), at + (HEAD + index(j) * STEP)
    base = gather(w, oj + SLOT.lower)
    i_lower = gather(w, oi + SLOT.lower)
    i_limit, j_limit = gather(w, oi + SLOT.limit), gather(w, oj + SLOT.limit)
    rest = broadcast(1.0)
    reward = broadcast(0.0)
    cost = broadcast(0.0)
    slack = budget - base
    for m in range(slots):
        o, of = HEAD + m * STEP, problems.HEAD + m * problems.STEP
        limit, side = load(v, of + problems.SLOT.limit), load(v, of + problems.SLOT.side)
        fixed = where(side > 0.0, limit, 0.0)
        scatter(w, at + (o + SLOT.side), where(limit > 0.0, side, 0.0))
        scatter(w, at + (o + SLOT.share), fixed)
        rest = rest - fixed
        reward = reward + fixed * gather(w, at + (o + SLOT.mean_reward))
        cost = cost + fixed * gather(w, at + (o + SLOT.mean_cost))
        slack = slack - fixed * (load(v, of + problems.SLOT.lower) - base)
    # The same two rows as in check, within the limits: rounding may step over them.
    share = slack * (1.0 / (i_lower - base))
    share = maximum(maximum(share, rest - j_limit), 0.0)
    share = minimum(minimum(share, i_limit), rest)
    share = where(pair, share, rest)
    scatter(w, at + LANE.status, np.float64(OPTIMAL))
    scatter(w, at + LANE.outside_reward, reward)
    scatter(w, at + LANE.outside_cost, cost)
    _keep_model(w, at, i, oi)
    # The rows of j are in the order of those of i.
    _keep_model(w, at + (LANE.j_slot - LANE.i_slot), j, oj)
    scatter(w, at + LANE.pair, where(pair, 1.0, 0.0))
    scatter(w, at + LANE.rest, rest)
    scatter(w, at + LANE.i_share, share)
    scatter(w, at + LANE.j_share, rest - share)


@register_jitable
def _keep_model(w, at, slot, of):
    """Write what the basis knows of its model i, which stands at ``of``."""
    scatter(w, at + LANE.i_slot, slot)
    scatter(w, at + LANE.i_upper, gather(w, of + SLOT.upper))
    scatter(w, at + LANE.i_lower, gather(w, of + SLOT.lower))
    scatter(w, at + LANE.i_limit, gather(w, of + SLOT.limit))
    scatter(w, at + LANE.i_mean_reward, gather(w, of + SLOT.mean_reward))
    scatter(w, at + LANE.i_mean_cost, gather(w, of + SLOT.mean_cost))


@compiled
def repair_one(w, slots, lane, budget, u, c, a, p, side):
    """Solve one lane anew and keep its basis."""
    for m in range(slots):
        o = HEAD + m * STEP + lane
        u[m] = w[o + SLOT.upper]
        c[m] = w[o + SLOT.lower]
        a[m] = w[o + SLOT.limit]
    status, _, _, i, j = solve_one(u, c, a, np.int64(slots), budget, p, side)
    _keep(w, slots, lane, budget, status, i, j, a, p, side)


@inner
def _keep(w, slots, lane, budget, status, i, j, a, p, side):
    """Write the basis of one lane: its models, their sides, and its shares."""
    w[LANE.status + lane] = np.float64(status)
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
        if now != w[o + SLOT.side] or fixed != w[o + SLOT.share]:
            w[o + SLOT.side] = now
            w[o + SLOT.share] = fixed
        if fixed > 0.0:
            rest -= fixed
            fixed_reward += fixed * w[o + SLOT.mean_reward]
            fixed_cost += fixed * w[o + SLOT.mean_cost]
    w[LANE.outside_reward + lane] = fixed_reward
    w[LANE.outside_cost + lane] = fixed_cost
    if not solved:
        i, j = np.int64(0), np.int64(0)
        rest = 0.0
    oi = HEAD + np.uint64(i) * STEP + lane
    oj = HEAD + np.uint64(j) * STEP + lane
    w[LANE.i_slot + lane], w[LANE.j_slot + lane] = np.float64(i), np.float64(j)
    w[LANE.i_upper + lane], w[LANE.j_upper + lane] = w[oi + SLOT.upper], w[oj + SLOT.upper]
    w[LANE.i_lower + lane], w[LANE.j_lower + lane] = w[oi + SLOT.lower], w[oj + SLOT.lower]
    w[LANE.i_limit + lane], w[LANE.j_limit + lane] = w[oi + SLOT.limit], w[oj + SLOT.limit]
    w[LANE.i_mean_reward + lane], w[LANE.j_mean_reward + lane] = (
        w[oi + SLOT.mean_reward],
        w[oj + SLOT.mean_reward],
    )
    w[LANE.i_mean_cost + lane], w[LANE.j_mean_cost + lane] = (
        w[oi + SLOT.mean_cost],
        w[oj + SLOT.mean_cost],
    )
    w[LANE.pair + lane] = 1.0 if i != j else 0.0
    w[LANE.rest + lane] = rest
    # The same two rows as in share, within the limits: rounding may step over them.
    i_share = rest
    if i != j:
        base = w[oj + SLOT.lower]
        slack = budget - base
        for m in range(slots):
            if side[m] > 0.0 and a[m] > 0.0:
                slack -= a[m] * (w[HEAD + m * STEP + lane + SLOT.lower] - base)
        i_share = slack * (1.0 / (w[oi + SLOT.lower] - base))
        i_share = min(max(i_share, rest - a[j], 0.0), a[i], rest)
    w[LANE.i_share + lane] = i_share
    w[LANE.j_share + lane] = rest - i_share
