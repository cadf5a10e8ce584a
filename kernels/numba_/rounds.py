"""The rounds of a stage, for blocks of trials in lockstep.

``WIDTH`` trials form a block, one trial a lane.  All numbers of a block live in one flat array of
rows of ``WIDTH`` doubles, so that each loop over the lanes reads and writes rows at constant
distances and becomes vector instructions.  First come the rows of the lane (``LANE_*``: one
number per trial), then ``SLOT_ROWS`` rows for each slot (``SLOT_*``: one number per trial and
deployed model); one more slot takes the draws of trials that have nothing deployed.

The routing LP keeps its last basis.  Each round checks that basis against the bounds of the
round, which is O(M) and vectorised; lanes that fail are solved anew one by one.  A basis is
accepted only where it is the answer that a solution from scratch gives, ties included, so results
do not depend on when it was last solved.

Indices are unsigned on purpose: Numba wraps negative signed indices, which hides the constant
distances from the vectoriser.
"""

import numpy as np
from numba import njit

from fastroute.kernels.codes import (
    COST_FIXED,
    COST_REPLAY,
    COST_TABLE,
    ESTIMATOR_TRUTH,
    INIT_FORCED,
    NO_CAPACITY,
    OPTIMAL,
    OVER_BUDGET,
    REWARD_BERNOULLI,
    REWARD_REPLAY,
    REWARD_TASK,
    ROUTER_GREEDY,
    ROUTER_LP,
    ROUTER_TRUTH,
    ROUTER_UNIFORM,
    STREAM_ROUND,
)
from fastroute.kernels.numba_.bounds import bounds, radius
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.routing import TIE, solve_near, solve_one
from fastroute.kernels.tolerances import BUDGET_RANGE, MASS

WIDTH = 64
_W = np.uint64(WIDTH)


def _row(k: int) -> np.uint64:
    return np.uint64(k * WIDTH)


# Rows of the lane, as offsets into the flat array.
LANE_ROWS = 48
U_CHOICE, U_REWARD, U_COST, U_TASK = _row(0), _row(1), _row(2), _row(3)
# SPENT: what the shares outside the basis cost more than model j would.
PRICE, MARGINAL, GUARD, SPENT, BAD = _row(4), _row(5), _row(6), _row(7), _row(8)
INVERSE, REST, PAIR, STATUS = _row(9), _row(10), _row(11), _row(12)
# The basis: slots i and j with their bounds, limits, shares and true means.
I_SLOT, I_UPPER, I_LOWER, I_LIMIT, I_SHARE, I_REWARD, I_COST = (_row(k) for k in range(13, 20))
J_SLOT, J_UPPER, J_LOWER, J_LIMIT, J_SHARE, J_REWARD, J_COST = (_row(k) for k in range(20, 27))
# True reward and cost of the shares outside the basis.
FIXED_REWARD, FIXED_COST = _row(27), _row(28)
CUMULATED, PICK, REWARD, COST = _row(29), _row(30), _row(31), _row(32)
# The pulled model.
P_COUNT, P_REWARD, P_COST, P_MEAN, P_PRICE = (_row(k) for k in range(33, 38))
# True means of the round's distribution, and the sums of the segment in the order of ``Sums``.
E_REWARD, E_COST = _row(38), _row(39)
SUM_E_REWARD, SUM_E_COST, SUM_REWARD, SUM_COST = (_row(k) for k in range(40, 44))
SUM_OVER, SUM_CAPACITY = _row(44), _row(45)
# 1, or 0 where the budget cannot be met and rewards do not count.
WEIGHT = _row(46)
WORST = _row(47)
_HEAD = np.uint64(LANE_ROWS * WIDTH)

# Rows of a slot.
SLOT_ROWS = 11
S_UPPER, S_LOWER, S_LIMIT, S_SIDE, S_FIXED = (_row(k) for k in range(5))
S_COUNT, S_REWARD, S_COST, S_MEAN, S_PRICE = (_row(k) for k in range(5, 10))
# Infinite for models in the basis and absent ones, which have no side to be on; else 0.
S_BASIC = _row(10)
_STEP = np.uint64(SLOT_ROWS * WIDTH)

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ZERO = np.uint64(0)
_STREAM = np.uint64(STREAM_ROUND)
_INV_2_32 = 2.0**-32


def workspace(trials: int, slots: int) -> np.ndarray:
    """Memory for ``trials`` trials with up to ``slots`` models deployed: [blocks, rows * WIDTH]."""
    blocks = -(-trials // WIDTH)
    return np.zeros((blocks, (LANE_ROWS + SLOT_ROWS * (slots + 1)) * WIDTH))


@njit(nogil=True, error_model="numpy", cache=True)
def _draw(w, seed, now, first_trial):
    """Uniforms of the round for every lane."""
    k0 = seed & _MASK
    k1 = seed >> _SHIFT
    for lane in range(_W):
        x0, x1, x2, x3 = philox4x32(now, _ZERO, (first_trial + lane) & _MASK, _STREAM, k0, k1)
        w[U_CHOICE + lane] = np.float64(x0) * _INV_2_32
        w[U_REWARD + lane] = np.float64(x1) * _INV_2_32
        w[U_COST + lane] = np.float64(x2) * _INV_2_32
        w[U_TASK + lane] = np.float64(x3) * _INV_2_32


@njit(nogil=True, error_model="numpy", cache=True)
def _check(w, slots, cost_max):
    """Find by how much every lane's basis is the best one for this round's bounds.

    ``WORST`` is the smallest advantage of a full model over the marginal level, or of that level
    over an empty model; ties count as 0.
    """
    for lane in range(_W):
        pair = w[PAIR + lane] > 0.0
        over = w[STATUS + lane] == OVER_BUDGET
        inverse = 1.0 / (w[I_LOWER + lane] - w[J_LOWER + lane])
        price = (w[I_UPPER + lane] - w[J_UPPER + lane]) * inverse
        price = price if pair else 0.0
        w[INVERSE + lane] = inverse
        # Over budget the cheapest models are full: the order is that of cost alone.
        weight = 0.0 if over else 1.0
        price = 1.0 if over else price
        w[WEIGHT + lane] = weight
        w[PRICE + lane] = price
        w[MARGINAL + lane] = weight * w[I_UPPER + lane] - price * w[I_LOWER + lane]
        guard = TIE * (1.0 + price * cost_max)
        # Over budget: costs within the tolerance of the budget row count as equal.
        guard = 2.0 * BUDGET_RANGE * cost_max if over else guard
        w[GUARD + lane] = guard if pair | over else 0.0
        w[SPENT + lane] = 0.0
        w[WORST + lane] = np.inf
    for m in range(slots):
        o = _HEAD + m * _STEP
        for lane in range(_W):
            lower = w[o + S_LOWER + lane]
            gain = w[WEIGHT + lane] * w[o + S_UPPER + lane]
            gain -= w[PRICE + lane] * lower + w[MARGINAL + lane]
            w[SPENT + lane] += w[o + S_FIXED + lane] * (lower - w[J_LOWER + lane])
            advantage = w[o + S_SIDE + lane] * gain + w[o + S_BASIC + lane]
            w[WORST + lane] = min(w[WORST + lane], advantage)
    tied = 0
    for lane in range(_W):
        tie = (w[WORST + lane] == 0.0) & (w[GUARD + lane] == 0.0)
        tied += 1 if tie else 0
    if tied > 0:
        _check_ties(w, slots)


@njit(nogil=True, error_model="numpy", cache=True)
def _check_ties(w, slots):
    """Let ties at price 0 be decided by the tie order: lower cost, then lower index."""
    for lane in range(_W):
        w[WORST + lane] = w[WORST + lane] if w[GUARD + lane] > 0.0 else np.inf
    for m in range(slots):
        o = _HEAD + m * _STEP
        slot = np.float64(m)
        for lane in range(_W):
            gain = w[o + S_UPPER + lane] - w[I_UPPER + lane]
            tie = w[I_LOWER + lane] - w[o + S_LOWER + lane]
            tie = w[I_SLOT + lane] - slot if tie == 0.0 else tie
            gain = tie if gain == 0.0 else gain
            advantage = w[o + S_SIDE + lane] * gain + w[o + S_BASIC + lane]
            worst = min(w[WORST + lane], advantage)
            w[WORST + lane] = w[WORST + lane] if w[GUARD + lane] > 0.0 else worst


@njit(nogil=True, error_model="numpy", cache=True)
def _share(w, budget):
    """Shares of the basis from the two coupling rows; returns the number of lanes to mend.

    ``BAD`` marks lanes whose basis is not the best one, or whose shares are out of bounds.
    """
    count = 0
    for lane in range(_W):
        pair = w[PAIR + lane] > 0.0
        rest = w[REST + lane]
        slack = budget - w[J_LOWER + lane] - w[SPENT + lane]
        i_share = slack * w[INVERSE + lane]
        i_share = i_share if pair else rest
        j_share = rest - i_share
        # Alone, the basis must be within the budget, or beyond it where nothing is cheaper.
        affordable = pair | ((slack >= 0.0) == (w[WEIGHT + lane] > 0.0))
        good = (
            affordable
            & ((not pair) | (w[PRICE + lane] > 0.0) & (w[PRICE + lane] < np.inf))
            & (w[WORST + lane] > w[GUARD + lane])
            & (w[STATUS + lane] != NO_CAPACITY)
            & (i_share >= 0.0)
            & (j_share >= 0.0)
            & (i_share <= w[I_LIMIT + lane])
            & (j_share <= w[J_LIMIT + lane])
        )
        w[I_SHARE + lane] = i_share
        w[J_SHARE + lane] = j_share
        w[BAD + lane] = 0.0 if good else 1.0
        count += 0 if good else 1
    return count


@njit(nogil=True, error_model="numpy", cache=True)
def _mend(w, slots, lane, budget, u, c, a, p, side):
    """Solve lane ``lane`` anew and keep its basis."""
    for m in range(np.int64(slots)):
        o = _HEAD + np.uint64(m) * _STEP + lane
        u[m] = w[o + S_UPPER]
        c[m] = w[o + S_LOWER]
        a[m] = w[o + S_LIMIT]
    status = OPTIMAL
    price = max(w[PRICE + lane], 0.0)
    i = np.int64(w[I_SLOT + lane])
    j = i
    found = w[STATUS + lane] == OPTIMAL and price < np.inf and a[i] > 0.0
    if found:
        found, i, j = solve_near(u, c, a, np.int64(slots), budget, price, i, side)
    if not found:
        status, _, _, i, j = solve_one(u, c, a, np.int64(slots), budget, p, side)
    w[STATUS + lane] = np.float64(status)
    solved = status != NO_CAPACITY
    rest = 1.0
    fixed_reward = 0.0
    fixed_cost = 0.0
    for m in range(np.int64(slots)):
        o = _HEAD + np.uint64(m) * _STEP + lane
        fixed = p[m]
        if solved:
            fixed = a[m] if side[m] > 0.0 else 0.0
        basic = side[m] == 0.0 or a[m] <= 0.0
        w[o + S_SIDE] = 0.0 if basic else side[m]
        w[o + S_BASIC] = np.inf if basic else 0.0
        w[o + S_FIXED] = fixed
        rest -= fixed
        fixed_reward += fixed * w[o + S_MEAN]
        fixed_cost += fixed * w[o + S_PRICE]
    w[FIXED_REWARD + lane] = fixed_reward
    w[FIXED_COST + lane] = fixed_cost
    if not solved:
        i, j = np.int64(0), np.int64(0)
        rest = 0.0
    oi = _HEAD + np.uint64(i) * _STEP + lane
    oj = _HEAD + np.uint64(j) * _STEP + lane
    w[I_SLOT + lane], w[J_SLOT + lane] = np.float64(i), np.float64(j)
    w[I_UPPER + lane], w[J_UPPER + lane] = w[oi + S_UPPER], w[oj + S_UPPER]
    w[I_LOWER + lane], w[J_LOWER + lane] = w[oi + S_LOWER], w[oj + S_LOWER]
    w[I_LIMIT + lane], w[J_LIMIT + lane] = w[oi + S_LIMIT], w[oj + S_LIMIT]
    w[I_REWARD + lane], w[J_REWARD + lane] = w[oi + S_MEAN], w[oj + S_MEAN]
    w[I_COST + lane], w[J_COST + lane] = w[oi + S_PRICE], w[oj + S_PRICE]
    w[PAIR + lane] = 1.0 if i != j else 0.0
    w[REST + lane] = rest
    # The same two rows as in _share, within the limits: rounding may step over them.
    i_share = rest
    if i != j:
        base = w[oj + S_LOWER]
        slack = budget - base
        for m in range(np.int64(slots)):
            o = _HEAD + np.uint64(m) * _STEP + lane
            slack -= w[o + S_FIXED] * (w[o + S_LOWER] - base)
        i_share = slack * (1.0 / (w[oi + S_LOWER] - base))
        i_share = min(max(i_share, rest - a[j], 0.0), a[i], rest)
    w[I_SHARE + lane] = i_share
    w[J_SHARE + lane] = rest - i_share


@njit(nogil=True, error_model="numpy", cache=True)
def _choose(w, slots):
    """Draw the model of every lane from its shares: slot of the pull, ``slots`` for none."""
    for lane in range(_W):
        w[CUMULATED + lane] = 0.0
        w[PICK + lane] = 0.0
    for m in range(slots):
        o = _HEAD + m * _STEP
        slot = np.float64(m)
        for lane in range(_W):
            share = w[o + S_FIXED + lane]
            share += w[I_SHARE + lane] if w[I_SLOT + lane] == slot else 0.0
            share += w[J_SHARE + lane] if w[J_SLOT + lane] == slot else 0.0
            total = w[CUMULATED + lane] + share
            w[CUMULATED + lane] = total
            w[PICK + lane] += 1.0 if w[U_CHOICE + lane] >= total else 0.0
    for lane in range(_W):
        i_share = w[I_SHARE + lane]
        j_share = w[J_SHARE + lane]
        w[E_REWARD + lane] = (
            w[FIXED_REWARD + lane] + i_share * w[I_REWARD + lane] + j_share * w[J_REWARD + lane]
        )
        w[E_COST + lane] = (
            w[FIXED_COST + lane] + i_share * w[I_COST + lane] + j_share * w[J_COST + lane]
        )
        w[SUM_OVER + lane] += 1.0 if w[STATUS + lane] == OVER_BUDGET else 0.0
        w[SUM_CAPACITY + lane] += 1.0 if w[STATUS + lane] == NO_CAPACITY else 0.0


@njit(nogil=True, error_model="numpy", cache=True)
def _force(w, slots, init_pulls):
    """Give the round to a deployed model that still needs forced pulls, fewest pulls first."""
    for lane in range(_W):
        fewest = init_pulls
        for m in range(slots):
            o = _HEAD + m * _STEP + lane
            if w[o + S_LIMIT] > 0.0 and w[o + S_COUNT] < fewest:
                fewest = w[o + S_COUNT]
                w[PICK + lane] = np.float64(m)
                w[E_REWARD + lane] = w[o + S_MEAN]
                w[E_COST + lane] = w[o + S_PRICE]


@njit(nogil=True, error_model="numpy", cache=True)
def _observe(w, b, lanes, deployed, draws, now):
    """Reward and cost of the pulled models."""
    for lane in range(_W):
        o = _HEAD + np.uint64(w[PICK + lane]) * _STEP + lane
        w[P_COUNT + lane] = w[o + S_COUNT]
        w[P_REWARD + lane] = w[o + S_REWARD]
        w[P_COST + lane] = w[o + S_COST]
        w[P_MEAN + lane] = w[o + S_MEAN]
        w[P_PRICE + lane] = w[o + S_PRICE]
    for lane in range(_W):
        w[REWARD + lane] = 1.0 if w[U_REWARD + lane] < w[P_MEAN + lane] else 0.0
        w[COST + lane] = w[P_PRICE + lane] * (0.5 + w[U_COST + lane])
    if draws.reward_kind != REWARD_BERNOULLI or draws.cost_kind != 0:
        _observe_tables(w, b, lanes, deployed, draws, now)


@njit(nogil=True, error_model="numpy", cache=True)
def _observe_tables(w, b, lanes, deployed, draws, now):
    """Overwrite rewards and costs by the laws that need a table or a model's index."""
    slots = deployed.shape[1]
    tasks = draws.task_prob.shape[0]
    rewards = draws.reward_table.shape[0]
    costs = draws.cost_table.shape[0]
    for lane in range(_W):
        slot = np.int64(w[PICK + lane])
        if np.int64(lane) >= lanes or slot >= slots:
            continue
        m = deployed[b * WIDTH + np.int64(lane), slot]
        if draws.reward_kind == REWARD_TASK:
            scaled = w[U_TASK + lane] * tasks
            k = np.int64(scaled)
            task = k if scaled - k < draws.task_prob[k] else draws.task_alias[k]
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


@njit(nogil=True, error_model="numpy", cache=True)
def _update(w, rules):
    """Add to the sums, count the observation and renew the bounds of the pulled model."""
    gamma = rules.gamma
    scale = 1.0 / rules.cost_max
    until = rules.init_pulls if rules.init == INIT_FORCED else 0.0
    for lane in range(_W):
        count = w[P_COUNT + lane] + 1.0
        sum_reward = w[P_REWARD + lane] + w[REWARD + lane]
        sum_cost = w[P_COST + lane] + w[COST + lane]
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
        lower = (cost - 2.0 * radius(cost, inverse, gamma)) * rules.cost_max
        upper = min(max(upper, 0.0), 1.0)
        lower = min(max(lower, rules.cost_min), rules.cost_max)
        upper = 1.0 if count < until else upper
        lower = rules.cost_min if count < until else lower
        i = w[I_SLOT + lane] == w[PICK + lane]
        j = w[J_SLOT + lane] == w[PICK + lane]
        w[I_UPPER + lane] = upper if i else w[I_UPPER + lane]
        w[I_LOWER + lane] = lower if i else w[I_LOWER + lane]
        w[J_UPPER + lane] = upper if j else w[J_UPPER + lane]
        w[J_LOWER + lane] = lower if j else w[J_LOWER + lane]
        w[P_MEAN + lane] = upper
        w[P_PRICE + lane] = lower
    for lane in range(_W):
        o = _HEAD + np.uint64(w[PICK + lane]) * _STEP + lane
        w[o + S_COUNT] = w[P_COUNT + lane]
        w[o + S_REWARD] = w[P_REWARD + lane]
        w[o + S_COST] = w[P_COST + lane]
        w[o + S_UPPER] = w[P_MEAN + lane]
        w[o + S_LOWER] = w[P_PRICE + lane]


@njit(nogil=True, error_model="numpy", cache=True)
def _spread(w, slots, lane):
    """Uniform shares of one lane within the limits: what a full model leaves, others share."""
    rest = 1.0
    open_ = 0
    for m in range(slots):
        o = _HEAD + m * _STEP + lane
        w[o + S_FIXED] = 0.0
        open_ += 1 if w[o + S_LIMIT] > 0.0 else 0
    moved = True
    level = 0.0
    while moved and open_ > 0:
        moved = False
        level = rest / open_
        for m in range(slots):
            o = _HEAD + m * _STEP + lane
            if w[o + S_FIXED] == 0.0 and 0.0 < w[o + S_LIMIT] <= level:
                w[o + S_FIXED] = w[o + S_LIMIT]
                rest -= w[o + S_LIMIT]
                open_ -= 1
                moved = True
    filled = 1.0 - rest if open_ == 0 else 1.0
    w[STATUS + lane] = np.float64(NO_CAPACITY if filled < 1.0 - MASS else OPTIMAL)
    fixed_reward = 0.0
    fixed_cost = 0.0
    for m in range(slots):
        o = _HEAD + m * _STEP + lane
        if w[o + S_LIMIT] > 0.0:
            fixed = level if w[o + S_FIXED] == 0.0 else w[o + S_FIXED]
            w[o + S_FIXED] = fixed / filled
            fixed_reward += w[o + S_FIXED] * w[o + S_MEAN]
            fixed_cost += w[o + S_FIXED] * w[o + S_PRICE]
    w[FIXED_REWARD + lane] = fixed_reward
    w[FIXED_COST + lane] = fixed_cost
    w[I_SHARE + lane] = 0.0
    w[J_SHARE + lane] = 0.0


@njit(nogil=True, error_model="numpy", cache=True)
def open_stage(ws, deployed, memory, reward_mean, cost_mean, limit, rules):
    """Load the deployed models of every trial and solve their first routing problem.

    Parameters
    ----------
    ws : f8 [blocks, rows * WIDTH]
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
    budget = np.inf if rules.router == ROUTER_GREEDY else rules.budget
    for t in range(ws.shape[0] * WIDTH):
        w = ws[t // WIDTH]
        lane = np.uint64(t % WIDTH)
        for s in range(slots + 1):
            o = _HEAD + np.uint64(s) * _STEP + lane
            m = deployed[t, s] if t < trials and s < slots else -1
            if m < 0:
                for k in range(SLOT_ROWS):
                    w[o + np.uint64(k * WIDTH)] = 0.0
                continue
            r = t if reward_mean.shape[0] > 1 else 0
            w[o + S_LIMIT] = limit[m]
            w[o + S_COUNT] = memory.pulls[m, t]
            w[o + S_REWARD] = memory.sum_reward[m, t]
            w[o + S_COST] = memory.sum_cost[m, t]
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
                )
        if rules.router == ROUTER_UNIFORM:
            _spread(w, np.uint64(slots), lane)
        else:
            _mend(w, np.uint64(slots), lane, budget, u, c, a, p, side)


@njit(nogil=True, error_model="numpy", cache=True)
def close_stage(ws, deployed, memory):
    """Write the observations of the stage back to ``memory``, in place."""
    trials, slots = deployed.shape
    for t in range(trials):
        w = ws[t // WIDTH]
        lane = np.uint64(t % WIDTH)
        for s in range(slots):
            m = deployed[t, s]
            if m >= 0:
                o = _HEAD + np.uint64(s) * _STEP + lane
                memory.pulls[m, t] = w[o + S_COUNT]
                memory.sum_reward[m, t] = w[o + S_REWARD]
                memory.sum_cost[m, t] = w[o + S_COST]


@njit(nogil=True, error_model="numpy", cache=True)
def run_rounds(ws, deployed, opened, start, stop, first_trial, rules, draws, sums, trace):
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
    """
    trials = deployed.shape[0]
    slots = np.uint64(deployed.shape[1])
    size = max(deployed.shape[1], 1)
    u, c, a = np.empty(size), np.empty(size), np.empty(size)
    p, side = np.empty(size), np.empty(size)
    adaptive = rules.estimator != ESTIMATOR_TRUTH and (
        rules.router == ROUTER_LP or rules.router == ROUTER_GREEDY
    )
    budget = np.inf if rules.router == ROUTER_GREEDY else rules.budget
    seed = np.uint64(rules.seed)
    traced = trace.shape[0] > 0
    for b in range(ws.shape[0]):
        w = ws[b]
        lanes = min(WIDTH, trials - b * WIDTH)
        first = np.uint64(first_trial + b * WIDTH)
        for k in range(SUM_E_REWARD, SUM_CAPACITY + _W):
            w[k] = 0.0
        for now in range(start, stop):
            _draw(w, seed, np.uint64(now), first)
            if adaptive and (now - opened) % rules.resolve_every == 0:
                _check(w, slots, rules.cost_max)
                if _share(w, budget) > 0:
                    for lane in range(np.uint64(lanes)):
                        if w[BAD + lane] != 0.0:
                            _mend(w, slots, lane, budget, u, c, a, p, side)
            _choose(w, slots)
            if rules.init == INIT_FORCED:
                _force(w, slots, rules.init_pulls)
            _observe(w, b, lanes, deployed, draws, now)
            _update(w, rules)
            if traced:
                for k in range(lanes):
                    slot = np.int64(w[PICK + np.uint64(k)])
                    t = b * WIDTH + k
                    trace[now - start, t] = deployed[t, slot] if slot < slots else -1
        for lane in range(np.uint64(lanes)):
            t = int(b * WIDTH + lane)
            sums.expected_reward[t] = w[SUM_E_REWARD + lane]
            sums.expected_cost[t] = w[SUM_E_COST + lane]
            sums.reward[t] = w[SUM_REWARD + lane]
            sums.cost[t] = w[SUM_COST + lane]
            sums.over_budget[t] = w[SUM_OVER + lane]
            sums.no_capacity[t] = w[SUM_CAPACITY + lane]
