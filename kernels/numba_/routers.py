"""How each router sets the shares of a block of trials; the same rules as :mod:`..ref.routers`.

Routers that solve an LP every round keep their bases in :mod:`.basis`.  All others write the share
of every model to ``S_FIXED`` and leave nothing to the basis.
"""

import math

import numpy as np
from numba import cfunc, njit, types

from fastroute.kernels.codes import (
    ESTIMATOR_CONTEXTUAL,
    ESTIMATOR_THOMPSON,
    ESTIMATOR_TRUTH,
    NO_CAPACITY,
    OPTIMAL,
    ROUTER_DRIFT_PLUS_PENALTY,
    ROUTER_ELIMINATION,
    ROUTER_EXPLORE_THEN_COMMIT,
    ROUTER_PACER,
    ROUTER_PRIMAL_DUAL,
    ROUTER_RATIO,
    ROUTER_TRUTH,
    ROUTER_UNIFORM,
    STREAM_POSTERIOR,
)
from fastroute.kernels.normal import BITS, NORMAL
from fastroute.kernels.numba_ import CACHE
from fastroute.kernels.numba_.bounds import bounds, posterior, radius, unobserved_below
from fastroute.kernels.numba_.layout import (
    BAD,
    BEFORE,
    CAPACITY,
    COST,
    E_COST,
    E_REWARD,
    EVEN_COST,
    EVEN_REWARD,
    EXPLORING,
    FIXED_COST,
    FIXED_REWARD,
    HEAD,
    I_LOWER,
    I_SHARE,
    I_SLOT,
    I_UPPER,
    J_LOWER,
    J_SHARE,
    J_SLOT,
    J_UPPER,
    LANES,
    PICK,
    REWARD,
    S_COST,
    S_COUNT,
    S_EVEN,
    S_FIXED,
    S_LIMIT,
    S_LOWER,
    S_MEAN,
    S_PRICE,
    S_REWARD,
    S_SCORE,
    S_UPPER,
    STATE,
    STATUS,
    STEP,
    STRIDE,
    TASK,
    U_CHOICE,
    U_TASK,
)
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.routing import solve_one
from fastroute.kernels.tolerances import DOMINATED, MASS, POSITIVE, PRICE_RATIO, SHARES
from fastroute.kernels.types import STATES

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ZERO = np.uint64(0)
_STREAM = np.uint64(STREAM_POSTERIOR)
_DROP = np.uint64(32 - BITS)
_ROW = np.uint64(STRIDE)

_TABLE = types.Array(types.float64, 2, "C")
_ROW_OF_LANES = types.Array(types.float64, 1, "C")
#: Type of a user's router: now, upper, lower, limit, count, budget, reward, cost, state, share.
CUSTOM = types.void(
    types.int64,
    _TABLE,
    _TABLE,
    _TABLE,
    _TABLE,
    types.float64,
    _ROW_OF_LANES,
    _ROW_OF_LANES,
    _TABLE,
    _TABLE,
)


@cfunc(CUSTOM, cache=CACHE)
def no_custom(now, upper, lower, limit, count, budget, reward, cost, state, share):
    """Stand in where no router of the user is asked."""


@njit(nogil=True, error_model="numpy", cache=CACHE)
def believe(w, slots, seed, now, first_trial, rules):
    """Renew what does not follow from the observations alone: posterior samples, or the truth."""
    if rules.estimator == ESTIMATOR_THOMPSON:
        _sample(w, slots, seed, now, first_trial, unobserved_below(rules.init, rules.init_pulls))
    else:
        for m in range(slots):
            o = HEAD + m * STEP
            for lane in range(LANES):
                w[o + S_UPPER + lane] = w[o + S_MEAN + lane]
            for lane in range(LANES):
                w[o + S_LOWER + lane] = w[o + S_PRICE + lane]
    for lane in range(LANES):
        oi = HEAD + np.uint64(w[I_SLOT + lane]) * STEP + lane
        oj = HEAD + np.uint64(w[J_SLOT + lane]) * STEP + lane
        w[I_UPPER + lane], w[J_UPPER + lane] = w[oi + S_UPPER], w[oj + S_UPPER]
        w[I_LOWER + lane], w[J_LOWER + lane] = w[oi + S_LOWER], w[oj + S_LOWER]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def reads_queries(rules):
    """Whether shares depend on the task of the query; not where they are held for many rounds."""
    router = rules.router
    held = router == ROUTER_TRUTH or router == ROUTER_UNIFORM
    held |= router == ROUTER_EXPLORE_THEN_COMMIT or router == ROUTER_ELIMINATION
    return rules.estimator == ESTIMATOR_CONTEXTUAL and not held


@njit(nogil=True, error_model="numpy", cache=CACHE)
def task_of(u, draws):
    """Task of a query, drawn from a table of aliases (Walker 1977)."""
    scaled = u * draws.task_prob.shape[0]
    k = np.int64(scaled)
    return k if scaled - k < draws.task_prob[k] else draws.task_alias[k]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def read_queries(w, deployed, contexts, draws, rules):
    """Look up the bounds, and the true means, for the task of every lane's query.

    Parameters
    ----------
    w : f8 [rows * STRIDE]
    deployed : i8 [lanes, slots]
        Of the lanes that are trials; the same for ``contexts``, [lanes, J, N, 2].
    contexts, draws, rules
    """
    lanes, slots = deployed.shape
    for k in range(lanes):
        lane = np.uint64(k)
        task = task_of(w[U_TASK + lane], draws)
        w[TASK + lane] = task
        w[EVEN_REWARD + lane] = 0.0
        for s in range(slots):
            m = deployed[k, s]
            if m < 0:
                continue
            o = HEAD + np.uint64(s) * STEP + lane
            w[o + S_UPPER], _ = bounds(
                contexts[k, task, m, 0],
                contexts[k, task, m, 1],
                0.0,
                rules.gamma,
                rules.cost_min,
                rules.cost_max,
                rules.init,
                rules.init_pulls,
            )
            w[o + S_MEAN] = draws.reward_table[task, m]
            w[EVEN_REWARD + lane] += w[o + S_EVEN] * w[o + S_MEAN]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def note_queries(w, deployed, contexts):
    """Note the rewards of the round by task; arguments as in :func:`read_queries`."""
    lanes, slots = deployed.shape
    for k in range(lanes):
        lane = np.uint64(k)
        slot = np.int64(w[PICK + lane])
        if slot < slots:
            seen = contexts[k, np.int64(w[TASK + lane]), deployed[k, slot]]
            seen[0] += 1.0
            seen[1] += w[REWARD + lane]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _sample(w, slots, seed, now, first_trial, until):
    """Posterior samples of all rewards; the rows of the round's uniforms serve as scratch."""
    k0 = seed & _MASK
    k1 = seed >> _SHIFT
    for m in range(slots):
        part = m % np.uint64(4)
        if part == _ZERO:
            for lane in range(LANES):
                trial = (first_trial + lane) & _MASK
                x0, x1, x2, x3 = philox4x32(now, m // np.uint64(4), trial, _STREAM, k0, k1)
                w[U_CHOICE + lane] = NORMAL[x0 >> _DROP]
                w[U_CHOICE + _ROW + lane] = NORMAL[x1 >> _DROP]
                w[U_CHOICE + np.uint64(2) * _ROW + lane] = NORMAL[x2 >> _DROP]
                w[U_CHOICE + np.uint64(3) * _ROW + lane] = NORMAL[x3 >> _DROP]
        o = HEAD + m * STEP
        for lane in range(LANES):
            count, total = w[o + S_COUNT + lane], w[o + S_REWARD + lane]
            sample = posterior(count, total, w[U_CHOICE + part * _ROW + lane])
            w[o + S_UPPER + lane] = 1.0 if count < until else sample


@njit(nogil=True, error_model="numpy", cache=CACHE)
def fill_by_score(w, slots, rules):
    """As much as allowed to the model of highest score, then to the next."""
    router, gain = rules.router, rules.gain
    scale = 1.0 / rules.cost_max
    pace = min(rules.budget, rules.cost_max) * scale
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            u, c, price = w[o + S_UPPER + lane], w[o + S_LOWER + lane] * scale, w[STATE + lane]
            if router == ROUTER_RATIO:
                score = u / max(c, POSITIVE)
            elif router == ROUTER_DRIFT_PLUS_PENALTY:
                score = gain * u - price * c
            elif router == ROUTER_PACER:
                score = u - price * c
            else:
                score = u / max(price * c + pace, POSITIVE)
            w[o + S_SCORE + lane] = score
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            w[BEFORE + lane] = 0.0
        for k in range(slots):
            q = HEAD + k * STEP
            if k == m:
                continue
            first = 1.0 if k < m else 0.0
            for lane in range(LANES):
                mine, theirs = w[o + S_SCORE + lane], w[q + S_SCORE + lane]
                u, c = w[o + S_UPPER + lane], w[o + S_LOWER + lane]
                up, low = w[q + S_UPPER + lane], w[q + S_LOWER + lane]
                cheaper = (low < c) | ((low == c) & (first > 0.0))
                better = (theirs > mine) | ((theirs == mine) & ((up > u) | ((up == u) & cheaper)))
                before, limit = w[BEFORE + lane], w[q + S_LIMIT + lane]
                w[BEFORE + lane] = before + (limit if better else 0.0)
        for lane in range(LANES):
            before, limit = w[BEFORE + lane], w[o + S_LIMIT + lane]
            w[o + S_FIXED + lane] = min(limit, max(1.0 - before, 0.0))
    _settle(w, slots)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _settle(w, slots):
    """Make the shares in ``S_FIXED`` those of the round, with what they bring and cost.

    Where limits add up to less than 1, shares follow them instead.
    """
    for lane in range(LANES):
        w[CAPACITY + lane] = 0.0
        w[FIXED_REWARD + lane] = 0.0
        w[FIXED_COST + lane] = 0.0
        w[I_SHARE + lane] = 0.0
        w[J_SHARE + lane] = 0.0
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            w[CAPACITY + lane] += w[o + S_LIMIT + lane]
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            limit, share, capacity = (
                w[o + S_LIMIT + lane],
                w[o + S_FIXED + lane],
                w[CAPACITY + lane],
            )
            reward, cost = w[FIXED_REWARD + lane], w[FIXED_COST + lane]
            mean, price = w[o + S_MEAN + lane], w[o + S_PRICE + lane]
            share = limit / capacity if capacity < 1.0 - MASS else share
            share = share if limit > 0.0 else 0.0
            w[o + S_FIXED + lane] = share
            w[FIXED_REWARD + lane] = reward + share * mean
            w[FIXED_COST + lane] = cost + share * price
    for lane in range(LANES):
        lacking = w[CAPACITY + lane] < 1.0 - MASS
        w[STATUS + lane] = np.float64(NO_CAPACITY if lacking else OPTIMAL)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def learn(w, rules):
    """Let prices follow the spending of the round."""
    router, gain = rules.router, rules.gain
    pace = min(rules.budget, rules.cost_max)
    scale = 1.0 / rules.cost_max
    if router == ROUTER_DRIFT_PLUS_PENALTY:
        for lane in range(LANES):
            queue = w[STATE + lane] + (w[COST + lane] - pace) * scale
            w[STATE + lane] = max(queue, 0.0)
    elif router == ROUTER_PACER:
        keep, ceiling = 1.0 - rules.smoothing, rules.ceiling
        for lane in range(LANES):
            mean = keep * w[STATE + _ROW + lane] + rules.smoothing * w[COST + lane]
            price = w[STATE + lane] + gain * ((mean - pace) / max(pace, POSITIVE))
            w[STATE + _ROW + lane] = mean
            w[STATE + lane] = min(max(price, 0.0), ceiling)
    elif router == ROUTER_PRIMAL_DUAL:
        shrink = 1.0 + gain * (pace * scale)
        for lane in range(LANES):
            ratio = w[STATE + lane] * (1.0 + gain * (w[COST + lane] * scale)) / shrink
            w[STATE + lane] = min(max(ratio, 1.0 / PRICE_RATIO), PRICE_RATIO)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def spread(w, slots, lane):
    """Uniform shares of one lane within the limits: what a full model leaves, others share."""
    rest = 1.0
    capacity = 0.0
    open_ = 0
    for m in range(slots):
        o = HEAD + m * STEP + lane
        w[o + S_FIXED] = 0.0
        capacity += w[o + S_LIMIT]
        open_ += 1 if w[o + S_LIMIT] > 0.0 else 0
    moved = True
    level = 0.0
    while moved and open_ > 0:
        moved = False
        level = rest / open_
        for m in range(slots):
            o = HEAD + m * STEP + lane
            if w[o + S_FIXED] == 0.0 and 0.0 < w[o + S_LIMIT] <= level:
                w[o + S_FIXED] = w[o + S_LIMIT]
                rest -= w[o + S_LIMIT]
                open_ -= 1
                moved = True
    lacking = capacity < 1.0 - MASS
    w[STATUS + lane] = np.float64(NO_CAPACITY if lacking else OPTIMAL)
    for m in range(slots):
        o = HEAD + m * STEP + lane
        limit = w[o + S_LIMIT]
        if limit > 0.0:
            fixed = level if w[o + S_FIXED] == 0.0 else w[o + S_FIXED]
            w[o + S_FIXED] = limit / capacity if lacking else fixed
    expect(w, slots, lane)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def expect(w, slots, lane):
    """Leave nothing to the basis of one lane, and work out what its shares bring and cost."""
    reward = 0.0
    cost = 0.0
    for m in range(slots):
        o = HEAD + m * STEP + lane
        reward += w[o + S_FIXED] * w[o + S_MEAN]
        cost += w[o + S_FIXED] * w[o + S_PRICE]
    w[FIXED_REWARD + lane] = reward
    w[FIXED_COST + lane] = cost
    w[I_SHARE + lane] = 0.0
    w[J_SHARE + lane] = 0.0


@njit(nogil=True, error_model="numpy", cache=CACHE)
def keep_even(w, slots, lane):
    """Keep the uniform shares of one lane, which stand in ``S_FIXED``."""
    for m in range(slots):
        o = HEAD + m * STEP + lane
        w[o + S_EVEN] = w[o + S_FIXED]
    w[EVEN_REWARD + lane] = w[FIXED_REWARD + lane]
    w[EVEN_COST + lane] = w[FIXED_COST + lane]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def decide(w, explore):
    """Epsilon-greedy: the uniform of the choice first decides whether the round explores."""
    for lane in range(LANES):
        u = w[U_CHOICE + lane]
        exploring = u < explore
        w[U_CHOICE + lane] = u / explore if exploring else (u - explore) / (1.0 - explore)
        w[EXPLORING + lane] = 1.0 if exploring else 0.0


@njit(nogil=True, error_model="numpy", cache=CACHE)
def explore_evenly(w, slots, explore):
    """Epsilon-greedy: draw the models of the exploring lanes, and mix what is expected of all."""
    for lane in range(LANES):
        w[BEFORE + lane] = 0.0
        pick = w[PICK + lane]
        w[PICK + lane] = 0.0 if w[EXPLORING + lane] > 0.0 else pick
        reward, cost = w[E_REWARD + lane], w[E_COST + lane]
        w[E_REWARD + lane] = explore * w[EVEN_REWARD + lane] + (1.0 - explore) * reward
        w[E_COST + lane] = explore * w[EVEN_COST + lane] + (1.0 - explore) * cost
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            pick, total = w[PICK + lane], w[BEFORE + lane] + w[o + S_EVEN + lane]
            w[BEFORE + lane] = total
            beyond = (w[EXPLORING + lane] > 0.0) & (w[U_CHOICE + lane] >= total)
            w[PICK + lane] = pick + (1.0 if beyond else 0.0)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def eliminate(w, slots, lane, elapsed, rules, u, c, a, p, side):
    """Drop the models of one lane that are surely not needed; mix the LP with uniform routing."""
    size = np.int64(slots)
    _gather(w, slots, lane, u, c, a)
    _, price, _, _, _ = solve_one(u, c, a, size, rules.budget, p, side)
    until = unobserved_below(rules.init, rules.init_pulls)
    for m in range(slots):
        o = HEAD + m * STEP + lane
        inverse = 1.0 / (w[o + S_COUNT] + 1.0)
        reward, cost = w[o + S_REWARD] * inverse, w[o + S_COST] * inverse
        scaled = cost * (1.0 / rules.cost_max)
        wide = 2.0 * radius(reward, inverse, rules.gamma)
        wide_cost = 2.0 * radius(scaled, inverse, rules.gamma) * rules.cost_max
        unobserved = w[o + S_COUNT] < until
        if rules.estimator == ESTIMATOR_TRUTH:
            reward, cost, wide, wide_cost = w[o + S_MEAN], w[o + S_PRICE], 0.0, 0.0
            unobserved = False
        middle, width = reward - price * cost, wide + price * wide_cost
        u[m] = -math.inf if unobserved else middle - width
        c[m] = math.inf if unobserved else middle + width
    for m in range(slots):
        better = 0.0
        for k in range(slots):
            if u[k] > c[m] + DOMINATED:
                better += a[k]
        if better >= 1.0 - MASS:
            w[HEAD + m * STEP + lane + S_LIMIT] = 0.0
    _gather(w, slots, lane, u, c, a)
    status, _, _, _, _ = solve_one(u, c, a, size, rules.budget, p, side)
    spread(w, slots, lane)
    explore = 1.0 / math.sqrt(2.0 * (elapsed // size))
    for m in range(slots):
        o = HEAD + m * STEP + lane
        w[o + S_FIXED] = explore * w[o + S_FIXED] + (1.0 - explore) * p[m]
    w[STATUS + lane] = np.float64(status)
    expect(w, slots, lane)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _gather(w, slots, lane, u, c, a):
    """Copy the routing problem of one lane into buffers."""
    for m in range(slots):
        o = HEAD + m * STEP + lane
        u[m] = w[o + S_UPPER]
        c[m] = w[o + S_LOWER]
        a[m] = w[o + S_LIMIT]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def ask(w, slots, lanes, now, rules, custom, tables, last, state):
    """Let a function of the user set the shares; the number of lanes where it gave none.

    Parameters
    ----------
    w : f8 [rows * STRIDE]
    slots, lanes : uint64, int
        Deployed models, and lanes that are trials.
    now : int
    rules : Rules
    custom : function pointer of type ``CUSTOM``
    tables : f8 [5, slots, WIDTH]
        Buffers: upper, lower, limit, count, share.
    last : f8 [2, WIDTH]
        Buffer: reward and cost of the last round.
    state : f8 [STATES, WIDTH]
    """
    upper, lower, limit, count, share = tables[0], tables[1], tables[2], tables[3], tables[4]
    # One array at a time, so that each loop becomes a copy.
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            upper[m, lane] = w[o + S_UPPER + lane]
        for lane in range(LANES):
            lower[m, lane] = w[o + S_LOWER + lane]
        for lane in range(LANES):
            limit[m, lane] = w[o + S_LIMIT + lane]
        for lane in range(LANES):
            count[m, lane] = w[o + S_COUNT + lane]
        for lane in range(LANES):
            share[m, lane] = 0.0
    for k in range(STATES):
        o = STATE + np.uint64(k) * _ROW
        for lane in range(LANES):
            state[k, lane] = w[o + lane]
    for lane in range(LANES):
        last[0, lane] = w[REWARD + lane]
    for lane in range(LANES):
        last[1, lane] = w[COST + lane]
    custom(now, upper, lower, limit, count, rules.budget, last[0], last[1], state, share)
    for k in range(STATES):
        o = STATE + np.uint64(k) * _ROW
        for lane in range(LANES):
            w[o + lane] = state[k, lane]
    for lane in range(LANES):
        w[BEFORE + lane] = 0.0
        w[BAD + lane] = 0.0
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            # What the function may have written to ``limit`` is not the limit.
            a, part = w[o + S_LIMIT + lane], share[m, lane]
            total, bad = w[BEFORE + lane], w[BAD + lane]
            w[o + S_FIXED + lane] = part
            w[BEFORE + lane] = total + part
            w[BAD + lane] = bad if (part >= 0.0) & (part <= a + SHARES) else 1.0
    _settle(w, slots)
    refused = 0
    for lane in range(LANES):
        off = (w[BAD + lane] > 0.0) | (abs(w[BEFORE + lane] - 1.0) > SHARES)
        lacking = w[STATUS + lane] == NO_CAPACITY
        refused += 1 if (np.int64(lane) < lanes) & (not lacking) & off else 0
    return refused
