"""The rounds of a stage, for blocks of trials in lockstep.

:mod:`.layout` says where the numbers of a block of trials lie, :mod:`.basis` keeps the solutions of
their routing LPs.  A round is a few passes over the lanes of a block; which policy is played is
decided once a round for all of them.
"""

import numpy as np
from numba import njit

from fastroute.kernels.codes import (
    COST_FIXED,
    COST_REPLAY,
    COST_TABLE,
    ESTIMATOR_THOMPSON,
    ESTIMATOR_TRUTH,
    INIT_FORCED,
    NO_CAPACITY,
    OVER_BUDGET,
    REWARD_BERNOULLI,
    REWARD_REPLAY,
    REWARD_TASK,
    ROUTER_CUSTOM,
    ROUTER_ELIMINATION,
    ROUTER_EPSILON_GREEDY,
    ROUTER_EXPLORE_THEN_COMMIT,
    ROUTER_GREEDY,
    ROUTER_LP,
    ROUTER_RATIO,
    ROUTER_TRUTH,
    STREAM_ROUND,
)
from fastroute.kernels.numba_ import CACHE
from fastroute.kernels.numba_ import lanes as problems
from fastroute.kernels.numba_.basis import check, collect, mend, mend_one, share
from fastroute.kernels.numba_.bounds import bounds, radius, unobserved_below
from fastroute.kernels.numba_.layout import (
    BAD,
    COST,
    CUMULATED,
    E_COST,
    E_REWARD,
    FIXED_COST,
    FIXED_REWARD,
    HEAD,
    I_COST,
    I_LOWER,
    I_REWARD,
    I_SHARE,
    I_SLOT,
    I_UPPER,
    J_COST,
    J_LOWER,
    J_REWARD,
    J_SHARE,
    J_SLOT,
    J_UPPER,
    LANES,
    P_COST,
    P_COUNT,
    P_MEAN,
    P_PRICE,
    P_REWARD,
    PICK,
    REWARD,
    S_COST,
    S_COUNT,
    S_FIXED,
    S_LIMIT,
    S_LOWER,
    S_MEAN,
    S_PLAYS,
    S_PRICE,
    S_REWARD,
    S_UPPER,
    SLOT_ROWS,
    STATE,
    STATUS,
    STEP,
    STRIDE,
    SUM_CAPACITY,
    SUM_COST,
    SUM_E_COST,
    SUM_E_REWARD,
    SUM_OVER,
    SUM_REWARD,
    U_CHOICE,
    U_COST,
    U_REWARD,
    U_TASK,
    WIDTH,
)
from fastroute.kernels.numba_.layout import workspace as workspace
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.routers import (
    ask,
    believe,
    decide,
    eliminate,
    explore_evenly,
    fill_by_score,
    keep_even,
    learn,
    note_queries,
    read_queries,
    reads_queries,
    spread,
    task_of,
)
from fastroute.kernels.types import STATES

#: Blocks that play each round one after the other, so that many lost bases are mended at once.
GROUP = 4

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ZERO = np.uint64(0)
_STREAM = np.uint64(STREAM_ROUND)
_INV_2_32 = 2.0**-32


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _draw(w, seed, now, first_trial):
    """Uniforms of the round for every lane."""
    k0 = seed & _MASK
    k1 = seed >> _SHIFT
    for lane in range(LANES):
        x0, x1, x2, x3 = philox4x32(now, _ZERO, (first_trial + lane) & _MASK, _STREAM, k0, k1)
        w[U_CHOICE + lane] = np.float64(x0) * _INV_2_32
        w[U_REWARD + lane] = np.float64(x1) * _INV_2_32
        w[U_COST + lane] = np.float64(x2) * _INV_2_32
        w[U_TASK + lane] = np.float64(x3) * _INV_2_32


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _choose(w, slots):
    """Draw the model of every lane from its shares: slot of the pull, ``slots`` for none."""
    for lane in range(LANES):
        w[CUMULATED + lane] = 0.0
        w[PICK + lane] = 0.0
    for m in range(slots):
        o = HEAD + m * STEP
        slot = np.float64(m)
        for lane in range(LANES):
            share = w[o + S_FIXED + lane]
            i_share, j_share = w[I_SHARE + lane], w[J_SHARE + lane]
            pick = w[PICK + lane]
            share += i_share if w[I_SLOT + lane] == slot else 0.0
            share += j_share if w[J_SLOT + lane] == slot else 0.0
            total = w[CUMULATED + lane] + share
            w[CUMULATED + lane] = total
            w[PICK + lane] = pick + (1.0 if w[U_CHOICE + lane] >= total else 0.0)
    for lane in range(LANES):
        i_share, j_share, status = w[I_SHARE + lane], w[J_SHARE + lane], w[STATUS + lane]
        over, capacity = w[SUM_OVER + lane], w[SUM_CAPACITY + lane]
        w[E_REWARD + lane] = (
            w[FIXED_REWARD + lane] + i_share * w[I_REWARD + lane] + j_share * w[J_REWARD + lane]
        )
        w[E_COST + lane] = (
            w[FIXED_COST + lane] + i_share * w[I_COST + lane] + j_share * w[J_COST + lane]
        )
        w[SUM_OVER + lane] = over + (1.0 if status == OVER_BUDGET else 0.0)
        w[SUM_CAPACITY + lane] = capacity + (1.0 if status == NO_CAPACITY else 0.0)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _force(w, slots, init_pulls):
    """Give the round to a deployed model that still needs forced pulls, fewest pulls first."""
    for lane in range(LANES):
        fewest = init_pulls
        for m in range(slots):
            o = HEAD + m * STEP + lane
            if w[o + S_LIMIT] > 0.0 and w[o + S_COUNT] < fewest:
                fewest = w[o + S_COUNT]
                w[PICK + lane] = np.float64(m)
                w[E_REWARD + lane] = w[o + S_MEAN]
                w[E_COST + lane] = w[o + S_PRICE]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _observe(w, b, lanes, deployed, draws, now):
    """Reward and cost of the pulled models."""
    for lane in range(LANES):
        o = HEAD + np.uint64(w[PICK + lane]) * STEP + lane
        w[P_COUNT + lane] = w[o + S_COUNT]
        w[P_REWARD + lane] = w[o + S_REWARD]
        w[P_COST + lane] = w[o + S_COST]
        w[P_MEAN + lane] = w[o + S_MEAN]
        w[P_PRICE + lane] = w[o + S_PRICE]
    for lane in range(LANES):
        w[REWARD + lane] = 1.0 if w[U_REWARD + lane] < w[P_MEAN + lane] else 0.0
        w[COST + lane] = w[P_PRICE + lane] * (0.5 + w[U_COST + lane])
    if draws.reward_kind != REWARD_BERNOULLI or draws.cost_kind != 0:
        _observe_tables(w, b, lanes, deployed, draws, now)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _observe_tables(w, b, lanes, deployed, draws, now):
    """Overwrite rewards and costs by the laws that need a table or a model's index."""
    slots = deployed.shape[1]
    rewards = draws.reward_table.shape[0]
    costs = draws.cost_table.shape[0]
    for lane in range(LANES):
        slot = np.int64(w[PICK + lane])
        if np.int64(lane) >= lanes or slot >= slots:
            continue
        m = deployed[b * WIDTH + np.int64(lane), slot]
        if draws.reward_kind == REWARD_TASK:
            task = task_of(w[U_TASK + lane], draws)
            w[REWARD + lane] = 1.0 if w[U_REWARD + lane] < draws.reward_table[task, m] else 0.0
        elif draws.reward_kind == REWARD_REPLAY:
            row = now % rewards if draws.in_order else np.int64(w[U_TASK + lane] * rewards)
            w[REWARD + lane] = draws.reward_table[row, m]
        elif draws.reward_kind != REWARD_BERNOULLI:
            w[REWARD + lane] = draws.reward_table[np.int64(w[U_REWARD + lane] * rewards), m]
        if draws.cost_kind == COST_FIXED:
            w[COST + lane] = w[P_PRICE + lane]
        elif draws.cost_kind == COST_TABLE:
            w[COST + lane] = draws.cost_table[np.int64(w[U_COST + lane] * costs), m]
        elif draws.cost_kind == COST_REPLAY:
            row = now % costs if draws.in_order else np.int64(w[U_TASK + lane] * costs)
            w[COST + lane] = draws.cost_table[row, m]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _update(w, rules):
    """Add to the sums, count the observation and renew the bounds of the pulled model."""
    gamma, discount, twice = rules.gamma, rules.discount, 2.0 * rules.cost_side
    scale = 1.0 / rules.cost_max
    until = unobserved_below(rules.init, rules.init_pulls)
    for lane in range(LANES):
        count = discount * w[P_COUNT + lane] + 1.0
        sum_reward = discount * w[P_REWARD + lane] + w[REWARD + lane]
        sum_cost = discount * w[P_COST + lane] + w[COST + lane]
        w[SUM_E_REWARD + lane] += w[E_REWARD + lane]
        w[SUM_E_COST + lane] += w[E_COST + lane]
        w[SUM_REWARD + lane] += w[REWARD + lane]
        w[SUM_COST + lane] += w[COST + lane]
        w[P_COUNT + lane] = count
        w[P_REWARD + lane] = sum_reward
        w[P_COST + lane] = sum_cost
        inverse = 1.0 / (count + 1.0)
        reward = sum_reward * inverse
        upper = reward + 2.0 * radius(reward, inverse, gamma)
        cost = sum_cost * inverse * scale
        lower = (cost + twice * radius(cost, inverse, gamma)) * rules.cost_max
        upper = min(max(upper, 0.0), 1.0)
        lower = min(max(lower, rules.cost_min), rules.cost_max)
        upper = 1.0 if count < until else upper
        lower = rules.cost_min if count < until else lower
        pick, i_slot, j_slot = w[PICK + lane], w[I_SLOT + lane], w[J_SLOT + lane]
        i_upper, i_lower = w[I_UPPER + lane], w[I_LOWER + lane]
        j_upper, j_lower = w[J_UPPER + lane], w[J_LOWER + lane]
        w[I_UPPER + lane] = upper if i_slot == pick else i_upper
        w[I_LOWER + lane] = lower if i_slot == pick else i_lower
        w[J_UPPER + lane] = upper if j_slot == pick else j_upper
        w[J_LOWER + lane] = lower if j_slot == pick else j_lower
        w[P_MEAN + lane] = upper
        w[P_PRICE + lane] = lower
    for lane in range(LANES):
        o = HEAD + np.uint64(w[PICK + lane]) * STEP + lane
        w[o + S_COUNT] = w[P_COUNT + lane]
        w[o + S_REWARD] = w[P_REWARD + lane]
        w[o + S_COST] = w[P_COST + lane]
        w[o + S_UPPER] = w[P_MEAN + lane]
        w[o + S_LOWER] = w[P_PRICE + lane]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _count_plays(w):
    """Count the pull where forgetting keeps the observations from doing so."""
    for lane in range(LANES):
        w[HEAD + np.uint64(w[PICK + lane]) * STEP + lane + S_PLAYS] += 1.0


@njit(nogil=True, error_model="numpy", cache=CACHE)
def open_stage(ws, deployed, memory, reward_mean, cost_mean, limit, rules):
    """Load the deployed models of every trial and solve their first routing problem.

    Parameters
    ----------
    ws : f8 [blocks, rows * STRIDE]
        From :func:`workspace`; written.
    deployed : i8 [trials, slots]
        Models in increasing order, then -1 for empty slots.
    memory : Memory
        Observations of every model, [N, trials].
    reward_mean, cost_mean : f8 [R, N]
        True means; R is 1 or the number of trials.
    limit : f8 [N]
        Throughput limits.
    rules : Rules
    """
    trials, slots = deployed.shape
    size = max(slots, 1)
    u, c, a = np.empty(size), np.empty(size), np.empty(size)
    p, side = np.empty(size), np.empty(size)
    truth = rules.estimator == ESTIMATOR_TRUTH or rules.router == ROUTER_TRUTH
    solved = rules.router <= ROUTER_EPSILON_GREEDY
    budget = np.inf if rules.router == ROUTER_GREEDY else rules.budget
    for t in range(ws.shape[0] * WIDTH):
        w = ws[t // WIDTH]
        lane = np.uint64(t % WIDTH)
        if t < trials:
            for k in range(STATES):
                w[STATE + np.uint64(k * STRIDE) + lane] = memory.state[k, t]
        for s in range(slots + 1):
            o = HEAD + np.uint64(s) * STEP + lane
            m = deployed[t, s] if t < trials and s < slots else -1
            if m < 0:
                for k in range(SLOT_ROWS):
                    w[o + np.uint64(k * STRIDE)] = 0.0
                continue
            r = t if reward_mean.shape[0] > 1 else 0
            w[o + S_LIMIT] = limit[m]
            w[o + S_COUNT] = memory.pulls[m, t]
            w[o + S_REWARD] = memory.sum_reward[m, t]
            w[o + S_COST] = memory.sum_cost[m, t]
            w[o + S_PLAYS] = memory.plays[m, t]
            w[o + S_MEAN] = reward_mean[r, m]
            w[o + S_PRICE] = cost_mean[r, m]
            w[o + S_UPPER] = reward_mean[r, m]
            w[o + S_LOWER] = cost_mean[r, m]
            if not truth:
                w[o + S_UPPER], w[o + S_LOWER] = bounds(
                    memory.pulls[m, t],
                    memory.sum_reward[m, t],
                    memory.sum_cost[m, t],
                    rules.gamma,
                    rules.cost_min,
                    rules.cost_max,
                    rules.init,
                    rules.init_pulls,
                    rules.cost_side,
                )
        if not solved or rules.router == ROUTER_EPSILON_GREEDY:
            spread(w, np.uint64(slots), lane)
            keep_even(w, np.uint64(slots), lane)
        if solved:
            mend_one(w, np.uint64(slots), lane, budget, u, c, a, p, side)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def close_stage(ws, deployed, memory, rules):
    """Write what was learned in the stage back to ``memory``, in place."""
    trials, slots = deployed.shape
    for t in range(trials):
        w = ws[t // WIDTH]
        lane = np.uint64(t % WIDTH)
        for k in range(STATES):
            memory.state[k, t] = w[STATE + np.uint64(k * STRIDE) + lane]
        for s in range(slots):
            m = deployed[t, s]
            if m >= 0:
                o = HEAD + np.uint64(s) * STEP + lane
                if rules.discount < 1.0:
                    memory.plays[m, t] = w[o + S_PLAYS]
                else:
                    memory.plays[m, t] += w[o + S_COUNT] - memory.pulls[m, t]
                memory.pulls[m, t] = w[o + S_COUNT]
                memory.sum_reward[m, t] = w[o + S_REWARD]
                memory.sum_cost[m, t] = w[o + S_COST]


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _due(elapsed, slots, rules):
    """Whether the router sets new shares, ``elapsed`` rounds after the stage opened."""
    router = rules.router
    if router == ROUTER_LP or router == ROUTER_GREEDY or router == ROUTER_EPSILON_GREEDY:
        # What never changes has been solved when the stage opened.
        return rules.estimator != ESTIMATOR_TRUTH and elapsed % rules.resolve_every == 0
    if router == ROUTER_EXPLORE_THEN_COMMIT:
        return elapsed == rules.explore
    if router == ROUTER_ELIMINATION:
        epochs = elapsed // max(np.int64(slots), 1)
        return epochs > 0 and epochs * np.int64(slots) == elapsed and epochs & (epochs - 1) == 0
    return router >= ROUTER_RATIO and elapsed % rules.resolve_every == 0


@njit(nogil=True, error_model="numpy", cache=CACHE)
def _plan(w, slots, lanes, elapsed, rules, u, c, a, p, side):
    """Set the shares that every lane keeps for some time."""
    for lane in range(lanes):
        if rules.router == ROUTER_ELIMINATION:
            eliminate(w, slots, lane, elapsed, rules, u, c, a, p, side)
        else:
            mend_one(w, slots, lane, rules.budget, u, c, a, p, side)


@njit(nogil=True, error_model="numpy", cache=CACHE)
def run_rounds(
    ws,
    deployed,
    opened,
    start,
    stop,
    first_trial,
    rules,
    draws,
    sums,
    trace,
    custom,
    contexts,
):
    """Play rounds ``start <= t < stop`` of the open stage for every trial.

    Parameters
    ----------
    ws, deployed
        As given to :func:`open_stage`.
    opened : int
        First round of the stage.
    start, stop : int
        Rounds to play, 0-based.
    first_trial : int
        Number of the trial in row 0 of ``deployed``; the others follow.
    rules : Rules
    draws : Draws
    sums : Sums
        Written: sums over these rounds, [trials].
    trace : i2 [stop - start, trials] or [0, 0]
        Written unless empty: the model pulled, -1 for none.
    custom : function pointer of type ``routers.CUSTOM``
        Asked for the shares with ``ROUTER_CUSTOM``.
    contexts : f8 [trials, J, N, 2]
        As in ``Memory``; written.

    Returns
    -------
    int
        A round in which ``custom`` gave no distribution within the limits; -1 for none.
    """
    trials = deployed.shape[0]
    slots = np.uint64(deployed.shape[1])
    size = max(deployed.shape[1], 1)
    u, c, a = np.empty(size), np.empty(size), np.empty(size)
    p, side = np.empty(size), np.empty(size)
    v = np.zeros(problems.rows(size))
    who = np.empty(GROUP * WIDTH, np.uint64)
    asked = size if rules.router == ROUTER_CUSTOM else 0
    tables, last, state = (
        np.empty((5, asked, WIDTH)),
        np.empty((2, WIDTH)),
        np.empty((STATES, WIDTH)),
    )
    solved = rules.router <= ROUTER_EPSILON_GREEDY
    budget = np.inf if rules.router == ROUTER_GREEDY else rules.budget
    mixed = rules.router == ROUTER_EPSILON_GREEDY
    priced = rules.router >= ROUTER_RATIO
    renewed = rules.estimator == ESTIMATOR_THOMPSON or rules.estimator == ESTIMATOR_TRUTH
    reading = reads_queries(rules)
    seed = np.uint64(rules.seed)
    traced = trace.shape[0] > 0
    refused = -1
    for group in range(0, ws.shape[0], GROUP):
        blocks = range(group, min(group + GROUP, ws.shape[0]))
        for b in blocks:
            ws[b, SUM_E_REWARD : SUM_CAPACITY + LANES] = 0.0
        for now in range(start, stop):
            if _due(now - opened, slots, rules):
                lost = 0
                for b in blocks:
                    w = ws[b]
                    used = np.uint64(min(WIDTH, trials - b * WIDTH))
                    first = np.uint64(first_trial + b * WIDTH)
                    if renewed:
                        believe(w, slots, seed, np.uint64(now), first, rules)
                    if reading:
                        here = slice(b * WIDTH, min((b + 1) * WIDTH, trials))
                        # And once more below: to draw for all blocks up here slows down the others.
                        _draw(w, seed, np.uint64(now), first)
                        read_queries(w, deployed[here], contexts[here], draws, rules)
                    if solved and reading:
                        # Every query has bounds and means of its own: no basis is worth checking.
                        w[BAD : BAD + LANES] = 1.0
                        lost = collect(w, np.uint64(b * WIDTH), used, who, lost)
                    elif solved:
                        check(w, slots, rules.cost_max)
                        if share(w, budget) > 0:
                            lost = collect(w, np.uint64(b * WIDTH), used, who, lost)
                    elif rules.router == ROUTER_CUSTOM:
                        if ask(w, slots, used, now, rules, custom, tables, last, state) > 0:
                            refused = now
                    elif priced:
                        fill_by_score(w, slots, rules)
                    else:
                        _plan(w, slots, used, now - opened, rules, u, c, a, p, side)
                if solved:
                    mend(ws, v, slots, budget, who[:lost], u, c, a, p, side)
            for b in blocks:
                w = ws[b]
                lanes = min(WIDTH, trials - b * WIDTH)
                _draw(w, seed, np.uint64(now), np.uint64(first_trial + b * WIDTH))
                if mixed:
                    decide(w, rules.explore)
                _choose(w, slots)
                if mixed:
                    explore_evenly(w, slots, rules.explore)
                if rules.init == INIT_FORCED:
                    _force(w, slots, rules.init_pulls)
                _observe(w, b, lanes, deployed, draws, now)
                if reading:
                    here = slice(b * WIDTH, b * WIDTH + lanes)
                    note_queries(w, deployed[here], contexts[here])
                _update(w, rules)
                if rules.discount < 1.0:
                    _count_plays(w)
                if priced:
                    learn(w, rules)
                if traced:
                    for k in range(lanes):
                        slot = np.int64(w[PICK + np.uint64(k)])
                        t = b * WIDTH + k
                        trace[now - start, t] = deployed[t, slot] if slot < slots else -1
    for t in range(trials):
        w = ws[t // WIDTH]
        lane = np.uint64(t % WIDTH)
        sums.expected_reward[t] = w[SUM_E_REWARD + lane]
        sums.expected_cost[t] = w[SUM_E_COST + lane]
        sums.reward[t] = w[SUM_REWARD + lane]
        sums.cost[t] = w[SUM_COST + lane]
        sums.over_budget[t] = w[SUM_OVER + lane]
        sums.no_capacity[t] = w[SUM_CAPACITY + lane]
    return refused
