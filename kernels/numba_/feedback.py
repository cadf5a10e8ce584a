"""When the outcomes of a round are learnt, in a world that teaches them late or not at all.

What is known of *all* models, and what is yet to be learnt, stands in one flat array for each block
of trials, of rows as in :mod:`.layout`.  First come the rows of each model: the numbers that the
estimator keeps of it; one more model takes what is learnt of none.  Then come the rows of the last
``size`` rounds, in a ring: round t has the place ``t mod size``.

``outcome``
    model, reward (below 0 where it is never learnt) and cost of the round;
``list``
    for a delay that is drawn: the next round whose outcome is due with that of this one, and the
    first and the last of those that are due in this round; -1 for none.

A fixed delay needs no list: what is due is what was put aside so many rounds ago.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from fastroute.kernels.codes import STREAM_FEEDBACK
from fastroute.kernels.formulas.names import where
from fastroute.kernels.formulas.outcomes import aliased
from fastroute.kernels.numba_.compile import compiled
from fastroute.kernels.numba_.estimators import add_up, renew
from fastroute.kernels.numba_.formulas import formula, numbers_at
from fastroute.kernels.numba_.lanes import aligned_zeros
from fastroute.kernels.numba_.layout import HEAD, LANE, NEXT, SLOT, STEP, STRIDE, WIDTH, place_of
from fastroute.kernels.numba_.passes import COMMON, Pass, built_in, compile_pass, vectors_in_use
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.rows.tuples import gather_rows, scatter_rows
from fastroute.kernels.numba_.vectors import (
    ZERO,
    add,
    broadcast,
    count_lanes,
    gather,
    index,
    lane_numbers,
    load,
    scatter,
    store,
    unit,
)
from fastroute.kernels.types import F8, STATISTICS, Delay, EstimatorKernel, Feedback

_MASK = np.uint64(0xFFFFFFFF)
_STREAM = np.uint64(STREAM_FEEDBACK)
# Rows of a model; of a round's outcome; of a list.
_KNOWN = np.uint64(STATISTICS) * NEXT
_OUTCOME, _LIST = 3, 3
_REWARD, _COST = NEXT, np.uint64(2) * NEXT
# Rows of a list, from its first one.
_FOLLOWING, _FIRST, _LAST = ZERO, NEXT, np.uint64(2) * NEXT
# What is observed: reward and cost together, or one of them.
_BOTH, _REWARDS, _COSTS = 0, 1, 2
# Columns of a table of delays: probability, alias, delay.
_ALIAS, _DELAY, _COLUMNS = np.uint64(1), np.uint64(2), np.uint64(3)
_WORDS = 2.0**32
# In the place of a reward that is never learnt; rewards are at least 0, up to rounding.
_NEVER = -1.0


class Ring(NamedTuple):
    """Where the rows of the rounds are."""

    models: int  #: N: rows of so many models and one more come first
    size: int  #: rounds in the ring
    rows: int  #: of a round
    reward_list: int  #: first row of the list of the rewards, 0 for a fixed delay
    cost_list: int

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Numbers that each pass has first."""
        return float(self.models), float(self.size), float(self.rows)


def ring_of(feedback: Feedback, models: int) -> Ring:
    """Lay the rows out: a list for each delay that is drawn, one where both come together."""
    reward_list = _OUTCOME if len(feedback.reward.rounds) > 1 else 0
    cost_list = 0
    rows = _OUTCOME + (_LIST if reward_list else 0)
    if not feedback.together and len(feedback.cost.rounds) > 1:
        cost_list, rows = rows, rows + _LIST
    return Ring(models, feedback.longest + 1, rows, reward_list, cost_list)


def pending(feedback: Feedback, models: int, trials: int) -> F8:
    """Nothing to be learnt yet: [blocks, rows * STRIDE]."""
    ring = ring_of(feedback, models)
    blocks = -(-trials // WIDTH)
    array: F8 = aligned_zeros(
        blocks, (ring.models + 1) * int(_KNOWN) + ring.size * ring.rows * STRIDE
    )
    rounds = array[:, (ring.models + 1) * int(_KNOWN) :].reshape(blocks, ring.size, ring.rows, -1)
    for first in (ring.reward_list, ring.cost_list):
        if first:
            rounds[:, :, first : first + _LIST] = -1.0
    return array


def passes(feedback: Feedback, part: EstimatorKernel, models: int, fixed: bool) -> tuple[Pass, ...]:
    """Return the passes that put the outcome of a round aside and learn what is due.

    Parameters
    ----------
    feedback : Feedback
    part : EstimatorKernel
    models : int
        N.
    fixed : bool
        Whether bounds never change.
    """
    ring = ring_of(feedback, models)
    missing = feedback.learnt < 1.0
    kind = compile_pass(_put, missing, ring.reward_list > 0, ring.cost_list > 0)
    lists = (float(ring.reward_list), float(ring.cost_list))
    found = [Pass(kind, (*ring.numbers, feedback.learnt, *lists))]
    sides: tuple[tuple[int, Any, int, Delay], ...] = (
        (_REWARDS, part.observe_reward, ring.reward_list, feedback.reward),
        (_COSTS, part.observe_cost, ring.cost_list, feedback.cost),
    )
    if feedback.together:
        sides = ((_BOTH, part.observe, ring.reward_list, feedback.reward),)
    bounds = None if fixed else formula(part.bounds)
    for side, observe, first, delay in sides:
        counts = len(part.first), len(part.parameters)
        keep = built_in(observe, part.bounds)
        learn = compile_pass(_learn, formula(observe), bounds, side, first > 0, *counts, keep=keep)
        where_due = float(first) if first else float(delay.rounds[0])
        found.append(Pass(learn, (*ring.numbers, where_due, *part.parameters)))
    return tuple(found)


def table_of(delay: Delay) -> F8:
    """Return a law of delays as a table of probability, alias and delay, [delays, 3]."""
    return np.stack([delay.prob, delay.alias.astype(np.float64), delay.rounds], axis=1)


def _put(missing: bool, reward_drawn: bool, cost_drawn: bool) -> Any:
    """Put the outcome of the round aside, and add it to the sums of the segment."""
    draws = missing or reward_drawn or cost_drawn

    def put(ws, first, stop, now, numbers, at, scratch, tables):
        models, size = numbers[at], np.uint64(numbers[at + 1])
        step, learnt = np.uint64(numbers[at + 2]) * NEXT, numbers[at + 3]
        reward_list = np.uint64(numbers[at + 4]) * NEXT
        cost_list = np.uint64(numbers[at + 5]) * NEXT
        k0 = np.uint64(numbers[COMMON.seed_low]) & _MASK
        k1 = np.uint64(numbers[COMMON.seed_high]) & _MASK
        here = np.uint64(now) % size
        rounds = (np.uint64(models) + np.uint64(1)) * _KNOWN
        for b in range(first, stop):
            w, p = ws[b], tables.pending[b]
            first_trial = np.uint64(numbers[COMMON.first_trial]) + np.uint64(b * WIDTH)
            for lane in vectors_in_use(numbers, b):
                pulled = place_of(load(w, LANE.pick + lane), lane)
                model = gather(w, pulled + SLOT.model)
                reward, cost = load(w, LANE.reward + lane), load(w, LANE.cost + lane)
                add_up(w, lane, reward, cost)
                store(w, LANE.reward + lane, broadcast(0.0))
                store(w, LANE.cost + lane, broadcast(0.0))
                if draws:
                    trial = (first_trial + lane + lane_numbers()) & _MASK
                    this = np.uint64(now) & _MASK
                    x0, x1, x2, _ = philox4x32(this, ZERO, trial, _STREAM, k0, k1)
                    if missing:
                        reward = where(unit(x0) < learnt, reward, _NEVER)
                    if reward_drawn:
                        delay = _delay(unit(x1), tables.reward_delay)
                        _append(p, rounds + reward_list, lane, here, delay, size, step)
                    if cost_drawn:
                        delay = _delay(unit(x2), tables.cost_delay)
                        _append(p, rounds + cost_list, lane, here, delay, size, step)
                o = rounds + here * step + lane
                store(p, o, where(model >= 0.0, model, models))
                store(p, o + _REWARD, reward)
                store(p, o + _COST, cost)
        return 0

    return put


@register_jitable
def _delay(u, table):
    """Delay of every lane, drawn from a table of aliases (Walker 1977): [delays, 3]."""
    flat = table.reshape(table.size)
    scaled = u * np.float64(table.shape[0])
    row = index(scaled)
    at = row * _COLUMNS
    whole = unit(row) * _WORDS
    drawn = aliased(scaled - whole, whole, gather(flat, at), gather(flat, at + _ALIAS))
    return gather(flat, index(drawn) * _COLUMNS + _DELAY)


@register_jitable
def _append(p, lists, lane, here, delay, size, step):
    """Append this round to the list of those that are due with its outcome."""
    now, around = np.float64(here), np.float64(size)
    due = now + delay
    due = where(due >= around, due - around, due)
    mine = lists + lane + lane_numbers()
    there = mine + index(due) * step
    last = gather(p, there + _LAST)
    empty = last < 0.0
    # Nothing follows this round; in an empty list that is written once more.
    store(p, lists + here * step + lane + _FOLLOWING, broadcast(-1.0))
    before = mine + index(where(empty, now, last)) * step
    scatter(p, before + _FOLLOWING, where(empty, -1.0, now))
    scatter(p, there + _FIRST, where(empty, now, gather(p, there + _FIRST)))
    scatter(p, there + _LAST, broadcast(now))


def _learn(observe: Any, bounds: Any, side: int, drawn: bool, seen_count: int, count: int) -> Any:
    """Let the estimator observe what is due, and renew the bounds of deployed models.

    The reward and the cost of the round become the sums of what is due: so routers learn them.
    """
    values_of: Any = (_both, _reward_alone, _cost_alone)[side]
    rewards, costs = side != _COSTS, side != _REWARDS
    renews = bounds is not None

    def learn(ws, first, stop, now, numbers, at, scratch, tables):
        models, size = numbers[at], np.uint64(numbers[at + 1])
        step, due = np.uint64(numbers[at + 2]) * NEXT, np.uint64(numbers[at + 3])
        parameters = numbers_at(numbers, at + 4, count)
        slots = np.uint64(numbers[COMMON.slots])
        rounds = (np.uint64(models) + np.uint64(1)) * _KNOWN
        lists = rounds + due * NEXT
        if drawn:
            here = np.uint64(now) % size
        else:
            if np.uint64(now) < due:
                return 0
            here = (np.uint64(now) - due) % size
        for b in range(first, stop):
            w, p = ws[b], tables.pending[b]
            for lane in vectors_in_use(numbers, b):
                mine = lane + lane_numbers()
                if drawn:
                    entry = load(p, lists + here * step + lane + _FIRST)
                    store(p, lists + here * step + lane + _FIRST, broadcast(-1.0))
                    store(p, lists + here * step + lane + _LAST, broadcast(-1.0))
                else:
                    entry = broadcast(np.float64(here))
                while count_lanes(entry >= 0.0) > 0:
                    there = entry >= 0.0
                    o = rounds + mine + index(where(there, entry, 0.0)) * step
                    model = where(there, gather(p, o), models)
                    reward, cost = gather(p, o + _REWARD), gather(p, o + _COST)
                    if drawn:
                        following = gather(p, lists + (o - rounds) + _FOLLOWING)
                        entry = where(there, following, -1.0)
                    else:
                        entry = broadcast(-1.0)
                    if rewards:
                        learnt = there & (reward > 0.5 * _NEVER)
                        model = where(learnt, model, models)
                        add(w, LANE.reward + lane, where(learnt, reward, 0.0))
                    if costs:
                        add(w, LANE.cost + lane, where(there, cost, 0.0))
                    known = index(model) * _KNOWN + mine
                    seen = gather_rows(p, known, seen_count)
                    seen = observe(seen, *(values_of(reward, cost) + parameters))
                    scatter_rows(p, known, seen, seen_count)
                    slot = broadcast(np.float64(slots))
                    for m in range(slots):
                        is_here = load(w, HEAD + m * STEP + lane + SLOT.model) == model
                        slot = where(is_here, np.float64(m), slot)
                    place = place_of(slot, lane)
                    scatter_rows(w, place + SLOT.seen, seen, seen_count)
                    if renews:
                        upper, lower = bounds(seen, *parameters)
                        renew(w, lane, slot, place, upper, lower)
        return 0

    return learn


@register_jitable
def _both(reward, cost):
    return reward, cost


@register_jitable
def _reward_alone(reward, cost):
    return (reward,)


@register_jitable
def _cost_alone(reward, cost):
    return (cost,)


@compiled
def load_known(pending_, seen):
    """Load what is known of every model, [STATISTICS, N, trials]."""
    for t in range(seen.shape[2]):
        p, lane = pending_[t // WIDTH], np.uint64(t % WIDTH)
        for m in range(seen.shape[1]):
            for k in range(seen.shape[0]):
                p[np.uint64(m) * _KNOWN + np.uint64(k) * NEXT + lane] = seen[k, m, t]


@compiled
def store_known(pending_, seen):
    """Write what was learned of every model back."""
    for t in range(seen.shape[2]):
        p, lane = pending_[t // WIDTH], np.uint64(t % WIDTH)
        for m in range(seen.shape[1]):
            for k in range(seen.shape[0]):
                seen[k, m, t] = p[np.uint64(m) * _KNOWN + np.uint64(k) * NEXT + lane]
