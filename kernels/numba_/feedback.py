"""When the outcomes of a round are learnt, in a world that teaches them late or not at all.

What is known of *all* models, and what is yet to be learnt, stands in one flat array for each block
of trials.  First come the rows of each model, as in :mod:`.layout`: the numbers that the estimator
keeps of it, and the slot in which it is deployed; one more model takes what is learnt of none.
What is learnt of a deployed model is kept in its slot until the stage closes.  Then come the
queues: one for rewards and costs together, or one for each.

Where the delay is fixed, a queue is a ring: round t has the rows at ``t mod size``, the model, then
the reward (below 0 where it is never learnt) and the cost, as far as the queue has them.

Where it is drawn, all trials of the block share a bucket for each round in which something is due:
a list of chunks with the outcomes one behind the other, those of earlier rounds first.  So what is
due is read from few lines of the cache, and chunks that were read are the next to be written.
Outcomes are appended and taken one by one; the bounds of what was learnt are renewed by vectors.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from fastroute.kernels.codes import STREAM_FEEDBACK
from fastroute.kernels.formulas.names import where
from fastroute.kernels.formulas.outcomes import aliased
from fastroute.kernels.numba_.compile import compiled
from fastroute.kernels.numba_.estimators import add_up, refresh, renew
from fastroute.kernels.numba_.formulas import formula, numbers_at
from fastroute.kernels.numba_.lanes import aligned_zeros
from fastroute.kernels.numba_.layout import HEAD, LANE, NEXT, SLOT, STEP, WIDTH, place_of
from fastroute.kernels.numba_.passes import (
    COMMON,
    Pass,
    built_in,
    kernel_of,
    lanes_in_use,
    vectors_in_use,
)
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.rows.tuples import gather_rows, read_rows, scatter_rows, write_rows
from fastroute.kernels.numba_.vectors import (
    VECTOR,
    WIDE,
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
_ONE, _TWO = np.uint64(1), np.uint64(2)
_LANES = np.uint64(WIDTH)
# Of a model: its slot, behind what the estimator keeps, and the distance to the next one.
_SLOT = np.uint64(STATISTICS) * NEXT
_KNOWN = np.uint64(STATISTICS + 1) * NEXT
# What is observed: reward and cost together, or one of them.
_BOTH, _REWARDS, _COSTS = 0, 1, 2
# In the place of a reward that is never learnt; rewards are at least 0, up to rounding.
_NEVER = -1.0
# Of a queue of buckets: rows to work in, the chunk that is free and the next one that was never
# used, then two numbers of each bucket: its first chunk, and where its next outcome goes, 0 where
# it is empty.
_BUCKET_OF, _CODE = ZERO, _LANES
_FREE = _TWO * _LANES
_UNUSED, _BUCKETS = _FREE + _ONE, _FREE + _TWO
_END = _ONE
# Of a chunk: outcomes of 2 or 3 numbers, then the chunk that follows.
_CHUNK, _LINK = np.uint64(32), np.uint64(30)
# Columns of a table of delays: probability, the delay of the row, and that of its alias.
_OWN, _OTHER, _COLUMNS = np.uint64(1), np.uint64(2), np.uint64(3)
_WORDS = 2.0**32


class Queue(NamedTuple):
    """What is learnt together, and where it waits."""

    side: int  #: rewards and costs, or one of them
    delay: Delay
    start: int  #: offset in the array of a block

    @property
    def drawn(self) -> bool:
        """Whether delays differ, and there are buckets."""
        return len(self.delay.rounds) > 1 or self.recorded

    @property
    def recorded(self) -> bool:
        """Whether every round has a delay of its own."""
        return self.delay.by_round.size > 0

    @property
    def size(self) -> int:
        """Rounds of the ring, or buckets."""
        return int(self.delay.rounds.max()) + 1

    @property
    def chunks(self) -> int:
        """Offset of the chunks, a multiple of what a chunk takes."""
        return _in_chunks(self.start + int(_BUCKETS) + 2 * self.size) * int(_CHUNK)

    @property
    def stop(self) -> int:
        """Offset behind the queue."""
        numbers = 3 if self.side == _BOTH else 2
        if not self.drawn:
            return self.start + self.size * numbers * int(NEXT)
        # All outcomes that can wait at once; every bucket may have a chunk that is not full.
        full = self.size * WIDTH // (int(_LINK) // numbers)
        return self.chunks + (full + self.size) * int(_CHUNK)


def _in_chunks(doubles: int) -> int:
    return -(-doubles // int(_CHUNK))


def queues_of(feedback: Feedback, models: int) -> tuple[Queue, ...]:
    """Lay the queues out behind what is known of the models and of none."""
    start = (models + 1) * int(_KNOWN)
    if feedback.together:
        return (Queue(_BOTH, feedback.reward, start),)
    rewards = Queue(_REWARDS, feedback.reward, start)
    return rewards, Queue(_COSTS, feedback.cost, rewards.stop)


def pending(feedback: Feedback, models: int, trials: int) -> F8:
    """Nothing to be learnt yet: [blocks, doubles]."""
    queues = queues_of(feedback, models)
    array: F8 = aligned_zeros(-(-trials // WIDTH), queues[-1].stop)
    for queue in queues:
        if queue.drawn:
            array[:, queue.start + int(_UNUSED)] = queue.chunks
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
    queues = queues_of(feedback, models)
    observers = part.observe, part.observe_reward, part.observe_cost
    bounds = formula(part.bounds) if bounded else None
    counts = len(part.first), len(part.parameters)
    put, learn = [], []
    for queue in queues:
        missing = feedback.learnt < 1.0 and queue.side == _REWARDS
        first = float(models), float(queue.start), float(queue.size)
        last = queue is queues[-1]
        kernel = kernel_of(_put, queue.side, queue.drawn, queue.recorded, missing, last)
        put.append(Pass(kernel, (*first, feedback.learnt)))
        observe: Any = observers[queue.side]
        make = _learn_bucket if queue.drawn else _learn_row
        keep = built_in(observe, part.bounds)
        kernel = kernel_of(make, formula(observe), bounds, queue.side, *counts, keep=keep)
        learn.append(Pass(kernel, (*first, *part.parameters)))
    return (*put, *learn)


def table_of(delay: Delay) -> F8:
    """Return a law of delays as a table: probability, own delay and other delay, [delays, 3].

    Recorded delays are the table, [rounds, 1].
    """
    if delay.by_round.size:
        return np.array(delay.by_round)[:, None]
    return np.stack([delay.prob, delay.rounds, delay.rounds[delay.alias]], axis=1)


def _put(side: int, drawn: bool, recorded: bool, missing: bool, last: bool) -> Any:
    """Put the outcome of the round in a queue; after the last one, add it to the segment."""
    rewards, costs = side != _COSTS, side != _REWARDS
    draws = missing or drawn
    length = np.uint64(1 + rewards + costs)

    def put(ws, first, stop, now, numbers, at, scratch, tables):
        models, start, size = numbers[at], np.uint64(numbers[at + 1]), np.uint64(numbers[at + 2])
        learnt = numbers[at + 3]
        k0 = np.uint64(numbers[COMMON.seed_low]) & _MASK
        k1 = np.uint64(numbers[COMMON.seed_high]) & _MASK
        here = np.uint64(now) % size
        # Flat once: a view for every vector would have to be counted.
        law = tables.cost_delay if side == _COSTS else tables.reward_delay
        delays, count = law.ravel(), np.float64(law.shape[0])
        for b in range(first, stop):
            w, p = ws[b], tables.pending[b]
            first_trial = np.uint64(numbers[COMMON.first_trial]) + np.uint64(b * WIDTH)
            for lane in vectors_in_use(numbers, b):
                pulled = place_of(load(w, LANE.pick + lane), lane)
                model = gather(w, pulled + SLOT.model)
                reward = load(w, LANE.reward + lane)
                if draws:
                    trial = (first_trial + lane + lane_numbers()) & _MASK
                    this = np.uint64(now) & _MASK
                    x0, x1, x2, _ = philox4x32(this, ZERO, trial, _STREAM, k0, k1)
                if drawn:
                    # Below 0 where nothing is pulled.
                    code = model * np.float64(WIDTH) + unit(lane + lane_numbers()) * _WORDS
                    if missing:
                        code = where(unit(x0) < learnt, code, -1.0)
                    if recorded:
                        # The same for all trials.
                        late = delays[now]
                        code = where(late >= 0.0, code, -1.0)
                        due = broadcast(np.float64(here) + late)
                    else:
                        u = unit(x2 if side == _COSTS else x1)
                        due = np.float64(here) + _delay(u, delays, count)
                    around = np.float64(size)
                    due = where(due >= around, due - around, due)
                    store(p, start + _CODE + lane, code)
                    store(p, start + _BUCKET_OF + lane, 2.0 * due + np.float64(start + _BUCKETS))
                else:
                    if missing:
                        reward = where(unit(x0) < learnt, reward, _NEVER)
                    o = start + here * length * NEXT + lane
                    store(p, o, where(model >= 0.0, model, models))
                    if rewards:
                        store(p, o + NEXT, reward)
                    if costs:
                        store(p, o + (length - _ONE) * NEXT, load(w, LANE.cost + lane))
            if drawn:
                for k in range(lanes_in_use(numbers, b)):
                    lane = np.uint64(k)
                    code = p[start + _CODE + lane]
                    if code >= 0.0:
                        o = _append(p, start, index(p[start + _BUCKET_OF + lane]), length)
                        p[o] = code
                        if rewards:
                            p[o + _ONE] = w[LANE.reward + lane]
                        if costs:
                            p[o + length - _ONE] = w[LANE.cost + lane]
            if last:
                for lane in vectors_in_use(numbers, b):
                    add_up(w, lane, load(w, LANE.reward + lane), load(w, LANE.cost + lane))
                    store(w, LANE.reward + lane, broadcast(0.0))
                    store(w, LANE.cost + lane, broadcast(0.0))
        return 0

    return put


@register_jitable
def _delay(u, delays, count):
    """Delay of every lane, drawn from a table of ``count`` aliases (Walker 1977)."""
    scaled = u * count
    row = index(scaled)
    at = row * _COLUMNS
    own, other = gather(delays, at + _OWN), gather(delays, at + _OTHER)
    return aliased(scaled - unit(row) * _WORDS, own, gather(delays, at), other)


@register_jitable
def _append(p, start, bucket, length):
    """Return where the next outcome of a bucket goes, and make room for it."""
    o = index(p[bucket + _END])
    if o == ZERO or o % _CHUNK == _LINK:
        chunk = index(p[start + _FREE])
        if chunk > ZERO:
            p[start + _FREE] = p[chunk + _LINK]
        else:
            chunk = index(p[start + _UNUSED])
            p[start + _UNUSED] = np.float64(chunk + _CHUNK)
        # The first one, or what follows the chunk that is full.
        p[bucket if o == ZERO else o] = np.float64(chunk)
        o = chunk
    p[bucket + _END] = np.float64(o + length)
    return o


def _learn_row(observe: Any, bounds: Any, side: int, seen_count: int, count: int) -> Any:
    """Let the estimator observe what is due after a fixed delay, and renew bounds.

    The reward and the cost of the round become the sums of what is due: so routers learn them.
    """
    values_of: Any = (_both, _reward_alone, _cost_alone)[side]
    rewards, costs = side != _COSTS, side != _REWARDS
    length = np.uint64(1 + rewards + costs)
    renews = bounds is not None

    def learn(ws, first, stop, now, numbers, at, scratch, tables):
        models, start, size = numbers[at], np.uint64(numbers[at + 1]), np.uint64(numbers[at + 2])
        parameters = numbers_at(numbers, at + 3, count)
        slots = numbers[COMMON.slots]
        if np.uint64(now) + _ONE < size:
            return 0
        row = start + (np.uint64(now) + _ONE) % size * length * NEXT
        for b in range(first, stop):
            w, p = ws[b], tables.pending[b]
            for lane in vectors_in_use(numbers, b):
                o = row + lane
                model, reward, cost = load(p, o), broadcast(0.0), broadcast(0.0)
                if rewards:
                    reward = load(p, o + NEXT)
                    learnt = reward > 0.5 * _NEVER
                    model = where(learnt, model, models)
                    add(w, LANE.reward + lane, where(learnt, reward, 0.0))
                if costs:
                    cost = load(p, o + (length - _ONE) * NEXT)
                    add(w, LANE.cost + lane, cost)
                known = index(model) * _KNOWN + lane + lane_numbers()
                slot = gather(p, known + _SLOT)
                place = place_of(slot, lane)
                # What is known of others comes to the slot behind the last one, and goes back.
                deployed = slot < slots
                others = count_lanes(deployed) < VECTOR
                if others:
                    for k in range(seen_count):
                        here, there = place + SLOT.seen + np.uint64(k) * NEXT, np.uint64(k) * NEXT
                        kept = where(deployed, gather(w, here), gather(p, known + there))
                        scatter(w, here, kept)
                seen = gather_rows(w, place + SLOT.seen, seen_count)
                seen = observe(seen, *(values_of(reward, cost) + parameters))
                scatter_rows(w, place + SLOT.seen, seen, seen_count)
                if others:
                    scatter_rows(p, known, seen, seen_count)
                if renews:
                    upper, lower = bounds(seen, *parameters)
                    renew(w, lane, slot, place, upper, lower)
        return 0

    return learn


def _learn_bucket(observe: Any, bounds: Any, side: int, seen_count: int, count: int) -> Any:
    """As :func:`_learn_row`, where the delay is drawn."""
    values_of: Any = (_both, _reward_alone, _cost_alone)[side]
    rewards, costs = side != _COSTS, side != _REWARDS
    length = np.uint64(1 + rewards + costs)
    renews = bounds is not None
    renew_all = _renewal(bounds, seen_count)

    def learn(ws, first, stop, now, numbers, at, scratch, tables):
        start, size = np.uint64(numbers[at + 1]), np.uint64(numbers[at + 2])
        parameters = numbers_at(numbers, at + 3, count)
        slots = numbers[COMMON.slots]
        bucket = start + _BUCKETS + _TWO * (np.uint64(now) % size)
        for b in range(first, stop):
            w, p = ws[b], tables.pending[b]
            end = index(p[bucket + _END])
            p[bucket + _END] = 0.0
            chunk = index(p[bucket])
            # Where what has been observed is in the workspace.
            places = ZERO
            while end > ZERO:
                is_last = chunk <= end <= chunk + _LINK
                o = chunk
                behind = end if is_last else chunk + _LINK
                while o < behind:
                    code = index(p[o])
                    lane = code % _LANES
                    reward, cost = 0.0, 0.0
                    if rewards:
                        reward = p[o + _ONE]
                        w[LANE.reward + lane] += reward
                    if costs:
                        cost = p[o + length - _ONE]
                        w[LANE.cost + lane] += cost
                    o += length
                    known = code // _LANES * _KNOWN + lane
                    slot = p[known + _SLOT]
                    if slot < slots:
                        place = HEAD + index(slot) * STEP + lane
                        seen = read_rows(w, place + SLOT.seen, seen_count)
                        seen = observe(seen, *(values_of(reward, cost) + parameters))
                        write_rows(w, place + SLOT.seen, seen, seen_count)
                        if renews:
                            p[start + places] = np.float64(place)
                            places += _ONE
                            if places == _LANES:
                                renew_all(w, p, start, places, parameters)
                                places = ZERO
                    else:
                        seen = read_rows(p, known, seen_count)
                        seen = observe(seen, *(values_of(reward, cost) + parameters))
                        write_rows(p, known, seen, seen_count)
                follows = index(p[chunk + _LINK])
                p[chunk + _LINK] = p[start + _FREE]
                p[start + _FREE] = np.float64(chunk)
                if is_last:
                    end = ZERO
                chunk = follows
            if renews:
                renew_all(w, p, start, places, parameters)
                for lane in vectors_in_use(numbers, b):
                    refresh(w, lane)
        return 0

    return learn


def _renewal(bounds: Any, seen_count: int) -> Any:
    """Return a function that renews the bounds of what stands at some places of the workspace."""

    @register_jitable
    def renew_all(w, p, start, places, parameters):
        # Those of the last vector that are too many are another one's.
        for k in range(places, (places + WIDE - _ONE) // WIDE * WIDE):
            p[start + k] = p[start]
        for k in range(ZERO, places, WIDE):
            place = index(load(p, start + k))
            upper, lower = bounds(gather_rows(w, place + SLOT.seen, seen_count), *parameters)
            scatter(w, place + SLOT.upper, upper)
            scatter(w, place + SLOT.lower, lower)

    return renew_all


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
def load_known(pending_, seen, deployed):
    """Load what is known of every model, [STATISTICS, N, trials], and where it is deployed."""
    trials, slots = deployed.shape
    for t in range(pending_.shape[0] * WIDTH):
        p, lane = pending_[t // WIDTH], np.uint64(t % WIDTH)
        # One more than the last slot takes what is learnt of all others.
        for m in range(seen.shape[1] + 1):
            p[np.uint64(m) * _KNOWN + _SLOT + lane] = slots
        if t >= trials:
            continue
        for s in range(slots):
            if deployed[t, s] >= 0:
                p[np.uint64(deployed[t, s]) * _KNOWN + _SLOT + lane] = s
        for m in range(seen.shape[1]):
            for k in range(seen.shape[0]):
                p[np.uint64(m) * _KNOWN + np.uint64(k) * NEXT + lane] = seen[k, m, t]


@compiled
def store_known(pending_, seen, slots):
    """Write what was learned of the models that are not deployed back."""
    for t in range(seen.shape[2]):
        p, lane = pending_[t // WIDTH], np.uint64(t % WIDTH)
        for m in range(seen.shape[1]):
            known = np.uint64(m) * _KNOWN + lane
            if p[known + _SLOT] == slots:
                for k in range(seen.shape[0]):
                    seen[k, m, t] = p[known + np.uint64(k) * NEXT]
