"""When the outcomes of a round are learnt, in a world that teaches them late or not at all.

What is known of *all* models, and what is yet to be learnt, stands in one flat array for each block
of trials.  First come the rows of each model, as in :mod:`.layout`: the numbers that the estimator
keeps of it; one more model takes what is learnt of none.  Then come the last ``size`` rounds, in a
ring: round t has the place ``t mod size``, with the model, the reward (below 0 where it is never
learnt) and the cost of its outcome.

A fixed delay finds what is due so many places back; the numbers of a round are three rows.  A delay
that is drawn has a list for every round in which something is due, two numbers of each place: the
place of the outcome that follows in the list, the first one after the last, and the place of the
last outcome that is due in this round, -1 for none.  The numbers of a round then stand together for
each trial, in one line of the cache, as trials go to different places.
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
from fastroute.kernels.numba_.passes import COMMON, Pass, built_in, kernel_of, vectors_in_use
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.rows.place import LINE
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
# Rows of a model.
_KNOWN = np.uint64(STATISTICS) * NEXT
# Rows of a round where delays are fixed.
_ROWS = 3
_REWARD, _COST = NEXT, np.uint64(2) * NEXT
# Numbers of a round and trial where one is drawn, and the distance to the next round.
_NUMBERS = np.uint64(LINE)
_ROUND = np.uint64(WIDTH) * _NUMBERS
_REWARD_OF, _COST_OF, _REWARD_LIST, _COST_LIST = (np.uint64(k) for k in (1, 2, 3, 5))
# Of a list: what follows comes first.
_LAST = np.uint64(1)
# What is observed: reward and cost together, or one of them.
_BOTH, _REWARDS, _COSTS = 0, 1, 2
# Columns of a table of delays: probability, alias, delay.
_ALIAS, _DELAY, _COLUMNS = np.uint64(1), np.uint64(2), np.uint64(3)
_WORDS = 2.0**32
# In the place of a reward that is never learnt; rewards are at least 0, up to rounding.
_NEVER = -1.0


class Ring(NamedTuple):
    """Where what is known and the rounds are."""

    models: int  #: N: rows of so many models and one more come first
    size: int  #: rounds in the ring
    reward_drawn: bool  #: whether there is a list for the rewards, or for both
    cost_drawn: bool

    @property
    def drawn(self) -> bool:
        """Whether there is a list."""
        return self.reward_drawn or self.cost_drawn

    @property
    def numbers(self) -> tuple[float, float]:
        """Numbers that each pass has first."""
        return float(self.models), float(self.size)


def ring_of(feedback: Feedback, models: int) -> Ring:
    """Lay the rounds out: a list for each delay that is drawn, one where both come together."""
    reward_drawn = len(feedback.reward.rounds) > 1
    cost_drawn = len(feedback.cost.rounds) > 1 and not feedback.together
    return Ring(models, feedback.longest + 1, reward_drawn, cost_drawn)


def pending(feedback: Feedback, models: int, trials: int) -> F8:
    """Nothing to be learnt yet: [blocks, doubles]."""
    ring = ring_of(feedback, models)
    blocks, known = -(-trials // WIDTH), (models + 1) * int(_KNOWN)
    doubles = int(_ROUND) if ring.drawn else _ROWS * STRIDE
    array: F8 = aligned_zeros(blocks, known + ring.size * doubles)
    if ring.drawn:
        numbers = array[:, known:].reshape(blocks, -1, int(_NUMBERS))
        for first in (_REWARD_LIST, _COST_LIST):
            numbers[:, :, int(first + _LAST)] = -1.0
    return array


def passes(
    feedback: Feedback, part: EstimatorKernel, models: int, bounded: bool
) -> tuple[Pass, ...]:
    """Return the passes that put the outcome of a round aside and learn what is due.

    Parameters
    ----------
    feedback : Feedback
    part : EstimatorKernel
    models : int
        N.
    bounded : bool
        Whether bounds are renewed with every observation.
    """
    ring = ring_of(feedback, models)
    missing = feedback.learnt < 1.0
    put = kernel_of(_put, missing, ring.reward_drawn, ring.cost_drawn)
    found = [Pass(put, (*ring.numbers, feedback.learnt))]
    sides: tuple[tuple[int, Any, bool, Delay], ...] = (
        (_REWARDS, part.observe_reward, ring.reward_drawn, feedback.reward),
        (_COSTS, part.observe_cost, ring.cost_drawn, feedback.cost),
    )
    if feedback.together:
        sides = ((_BOTH, part.observe, ring.reward_drawn, feedback.reward),)
    bounds = formula(part.bounds) if bounded else None
    for side, observe, drawn, delay in sides:
        counts = len(part.first), len(part.parameters)
        keep = built_in(observe, part.bounds)
        ways = drawn, ring.drawn
        learn = kernel_of(_learn, formula(observe), bounds, side, *ways, *counts, keep=keep)
        found.append(Pass(learn, (*ring.numbers, float(delay.rounds[0]), *part.parameters)))
    return tuple(found)


def table_of(delay: Delay) -> F8:
    """Return a law of delays as a table of probability, alias and delay, [delays, 3]."""
    return np.stack([delay.prob, delay.alias.astype(np.float64), delay.rounds], axis=1)


def _put(missing: bool, reward_drawn: bool, cost_drawn: bool) -> Any:
    """Put the outcome of the round aside, and add it to the sums of the segment."""
    lists = reward_drawn or cost_drawn
    draws = missing or lists

    def put(ws, first, stop, now, numbers, at, scratch, tables):
        models, size, learnt = numbers[at], np.uint64(numbers[at + 1]), numbers[at + 2]
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
                        _append(p, rounds, lane, _REWARD_LIST, here, delay, size)
                    if cost_drawn:
                        delay = _delay(unit(x2), tables.cost_delay)
                        _append(p, rounds, lane, _COST_LIST, here, delay, size)
                model = where(model >= 0.0, model, models)
                if lists:
                    mine = _places(rounds, lane) + here * _ROUND
                    scatter(p, mine, model)
                    scatter(p, mine + _REWARD_OF, reward)
                    scatter(p, mine + _COST_OF, cost)
                else:
                    o = rounds + here * np.uint64(_ROWS) * NEXT + lane
                    store(p, o, model)
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
def _places(rounds, lane):
    """Where the first round of the ring is for each lane, with lists."""
    return rounds + (lane + lane_numbers()) * _NUMBERS


@register_jitable
def _append(p, rounds, lane, due_list, here, delay, size):
    """Append this round to the list of those that are due with its outcome."""
    now, around = np.float64(here), np.float64(size)
    due = now + delay
    due = where(due >= around, due - around, due)
    mine = _places(rounds, lane) + due_list
    there = mine + index(due) * _ROUND + _LAST
    last = gather(p, there)
    empty = last < 0.0
    # The first one is followed by itself.
    before = mine + index(where(empty, now, last)) * _ROUND
    scatter(p, mine + here * _ROUND, where(empty, now, gather(p, before)))
    scatter(p, before, broadcast(now))
    scatter(p, there, broadcast(now))


def _learn(
    observe: Any, bounds: Any, side: int, drawn: bool, lists: bool, seen_count: int, count: int
) -> Any:
    """Let the estimator observe what is due, and renew the bounds of deployed models.

    The reward and the cost of the round become the sums of what is due: so routers learn them.
    """
    values_of: Any = (_both, _reward_alone, _cost_alone)[side]
    rewards, costs = side != _COSTS, side != _REWARDS
    renews = bounds is not None
    due_list = _COST_LIST if side == _COSTS else _REWARD_LIST

    def learn(ws, first, stop, now, numbers, at, scratch, tables):
        models, size = numbers[at], np.uint64(numbers[at + 1])
        delay = np.uint64(numbers[at + 2])
        parameters = numbers_at(numbers, at + 3, count)
        slots = np.uint64(numbers[COMMON.slots])
        rounds = (np.uint64(models) + np.uint64(1)) * _KNOWN
        if drawn:
            here = np.uint64(now) % size
        else:
            if np.uint64(now) < delay:
                return 0
            here = (np.uint64(now) - delay) % size
        for b in range(first, stop):
            w, p = ws[b], tables.pending[b]
            for lane in vectors_in_use(numbers, b):
                mine = lane + lane_numbers()
                last = broadcast(np.float64(here))
                entry = last
                if drawn:
                    its_last = _places(rounds, lane) + here * _ROUND + due_list + _LAST
                    last = gather(p, its_last)
                    scatter(p, its_last, broadcast(-1.0))
                    o = _places(rounds, lane) + index(where(last >= 0.0, last, 0.0)) * _ROUND
                    entry = where(last >= 0.0, gather(p, o + due_list), -1.0)
                while count_lanes(entry >= 0.0) > 0:
                    there = entry >= 0.0
                    if lists:
                        o = _places(rounds, lane) + index(where(there, entry, 0.0)) * _ROUND
                        model = gather(p, o)
                        reward, cost = gather(p, o + _REWARD_OF), gather(p, o + _COST_OF)
                    else:
                        row = rounds + here * np.uint64(_ROWS) * NEXT + lane
                        model = load(p, row)
                        reward, cost = load(p, row + _REWARD), load(p, row + _COST)
                    model = where(there, model, models)
                    if drawn:
                        entry = where(there & (entry != last), gather(p, o + due_list), -1.0)
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
