"""Estimators: what is believed of each model, renewed for the pulled one after every round.

A function here makes the passes of an estimator; ``EstimatorKernel.kernel`` is its name.  It takes
the number of features of a query, 0 for none.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from fastroute.kernels.codes import STREAM_POSTERIOR
from fastroute.kernels.formulas.estimates import posterior
from fastroute.kernels.formulas.names import where
from fastroute.kernels.normal import BITS, NORMAL
from fastroute.kernels.numba_ import ridge
from fastroute.kernels.numba_.formulas import formula, numbers_at
from fastroute.kernels.numba_.layout import HEAD, LANE, SLOT, STEP, WIDTH, place_of
from fastroute.kernels.numba_.passes import (
    COMMON,
    GROUP,
    Pass,
    built_in,
    kernel_of,
    lanes_in_use,
    vectors_in_use,
)
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.rows.tuples import gather_rows, load_rows, scatter_rows
from fastroute.kernels.numba_.vectors import (
    ZERO,
    add,
    gather,
    lane_numbers,
    load,
    scatter,
    store,
)
from fastroute.kernels.types import EstimatorKernel

_MASK = np.uint64(0xFFFFFFFF)
_ONE, _TWO, _THREE, _FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_STREAM = np.uint64(STREAM_POSTERIOR)
_DROP = np.uint64(32 - BITS)


class EstimatorPasses(NamedTuple):
    """Passes of an estimator."""

    open: tuple[Pass, ...]  #: bounds of all deployed models when a stage opens
    prepare: tuple[Pass, ...]  #: before the router sets shares
    observed: tuple[Pass, ...]  #: after a reward and a cost are known
    counted: tuple[Pass, ...] = ()  #: the same without bounds
    #: Whether bounds and means change with every query, so that no basis is worth checking.
    reads_queries: bool = False
    #: Whether bounds never change, so that what was solved once stays solved.
    fixed: bool = False
    #: Blocks that play together.
    group: int = GROUP


def elementwise(part: EstimatorKernel, _: int = 0) -> EstimatorPasses:
    """Bounds that are a formula of what has been seen of the model."""
    observe, bounds = formula(part.observe), formula(part.bounds)
    keep = built_in(observe, bounds)
    counts = len(part.first), len(part.parameters)
    opened = kernel_of(_open, bounds, *counts, keep=keep)
    counted = kernel_of(_only_observe, observe, *counts, keep=keep)
    renewed = kernel_of(_renew, observe, bounds, *counts, keep=keep)
    after = (count_plays(),) if part.forgets else ()
    return EstimatorPasses(
        (Pass(opened, part.parameters),),
        (),
        (Pass(renewed, part.parameters), *after),
        (Pass(counted, part.parameters), *after),
    )


def sampled(part: EstimatorKernel, _: int = 0) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are drawn from their posterior for each decision."""
    sample = Pass(kernel_of(_sample, _sample_one), (part.unobserved_below,))
    return elementwise(part)._replace(prepare=(sample, Pass(kernel_of(_refresh_basis))))


def by_task(part: EstimatorKernel, _: int = 0) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are bounded for the task of the query."""
    bounds = formula(part.bounds)
    look_up = Pass(
        kernel_of(_look_up_task, bounds, len(part.parameters), keep=built_in(bounds)),
        part.parameters,
    )
    found = elementwise(part)
    observed = (Pass(kernel_of(_note_task)), *found.observed)
    return found._replace(prepare=(look_up,), observed=observed, reads_queries=True)


def by_features(part: EstimatorKernel, features: int = 0) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are bounded for the features of the query."""
    return _by_ridge(part, features, ())


def sampled_by_features(part: EstimatorKernel, features: int = 0) -> EstimatorPasses:
    """As :func:`by_features`, but rewards are drawn from the normal law of the regression."""
    return _by_ridge(part, features, (Pass(kernel_of(_sample, _keep_normal), (0.0,)),))


def _by_ridge(part: EstimatorKernel, features: int, draw: tuple[Pass, ...]) -> EstimatorPasses:
    numbers = part.parameters[-1], part.unobserved_below
    look_up = Pass(kernel_of(ridge.look_up, features, bool(draw)), numbers)
    note = Pass(kernel_of(ridge.note, features))
    found = elementwise(part)
    return found._replace(
        prepare=(*draw, look_up),
        observed=(note, *found.observed),
        reads_queries=True,
        # What is kept of a model is large: that of one block stays in the cache.
        group=1,
    )


def known_means(part: EstimatorKernel, _: int = 0) -> EstimatorPasses:
    """Make the true means the bounds, for good."""
    observe = formula(part.observe)
    counts = len(part.first), len(part.parameters)
    observed = kernel_of(_only_observe, observe, *counts, keep=built_in(observe))
    return EstimatorPasses(
        (Pass(kernel_of(open_known)),),
        (),
        (Pass(observed, part.parameters),),
        fixed=True,
    )


def count_plays() -> Pass:
    """Pass that counts the pull where the observations do not."""
    return Pass(kernel_of(_count_plays))


def _renew(observe: Any, bounds: Any, seen_count: int, count: int) -> Any:
    """Add to the sums, count the observation and renew the bounds of the pulled model."""

    def estimate(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                pick = load(w, LANE.pick + lane)
                pulled = place_of(pick, lane)
                reward, cost = load(w, LANE.reward + lane), load(w, LANE.cost + lane)
                seen = gather_rows(w, pulled + SLOT.seen, seen_count)
                seen = observe(seen, reward, cost, *parameters)
                scatter_rows(w, pulled + SLOT.seen, seen, seen_count)
                upper, lower = bounds(seen, *parameters)
                renew(w, lane, pick, pulled, upper, lower)
                add_up(w, lane, reward, cost)
        return 0

    return estimate


def _only_observe(observe: Any, seen_count: int, count: int) -> Any:
    """Add to the sums and count the observation."""

    def estimate(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                pulled = place_of(load(w, LANE.pick + lane), lane)
                reward, cost = load(w, LANE.reward + lane), load(w, LANE.cost + lane)
                seen = gather_rows(w, pulled + SLOT.seen, seen_count)
                seen = observe(seen, reward, cost, *parameters)
                scatter_rows(w, pulled + SLOT.seen, seen, seen_count)
                add_up(w, lane, reward, cost)
        return 0

    return estimate


@register_jitable
def renew(w, lane, slot, place, upper, lower):
    """Write the bounds of a slot of every lane, at its place, and let the basis know them."""
    scatter(w, place + SLOT.upper, upper)
    scatter(w, place + SLOT.lower, lower)
    is_i = load(w, LANE.i_slot + lane) == slot
    is_j = load(w, LANE.j_slot + lane) == slot
    i_upper, i_lower = load(w, LANE.i_upper + lane), load(w, LANE.i_lower + lane)
    j_upper, j_lower = load(w, LANE.j_upper + lane), load(w, LANE.j_lower + lane)
    store(w, LANE.i_upper + lane, where(is_i, upper, i_upper))
    store(w, LANE.i_lower + lane, where(is_i, lower, i_lower))
    store(w, LANE.j_upper + lane, where(is_j, upper, j_upper))
    store(w, LANE.j_lower + lane, where(is_j, lower, j_lower))


@register_jitable
def add_up(w, lane, reward, cost):
    """Add the round to the sums of the segment."""
    add(w, LANE.sum_expected_reward + lane, load(w, LANE.expected_reward + lane))
    add(w, LANE.sum_expected_cost + lane, load(w, LANE.expected_cost + lane))
    add(w, LANE.sum_reward + lane, reward)
    add(w, LANE.sum_cost + lane, cost)


def _open(bounds: Any, seen_count: int, count: int) -> Any:
    """Bounds of all deployed models; 0 in empty slots."""

    def open_(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                for m in range(slots):
                    o = HEAD + m * STEP + lane
                    upper, lower = bounds(load_rows(w, o + SLOT.seen, seen_count), *parameters)
                    here = load(w, o + SLOT.model) >= 0.0
                    store(w, o + SLOT.upper, where(here, upper, 0.0))
                    store(w, o + SLOT.lower, where(here, lower, 0.0))
        return 0

    return open_


def open_known() -> Any:
    """Copy the true means to the bounds."""

    def open_(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                for m in range(slots):
                    o = HEAD + m * STEP + lane
                    store(w, o + SLOT.upper, load(w, o + SLOT.mean_reward))
                    store(w, o + SLOT.lower, load(w, o + SLOT.mean_cost))
        return 0

    return open_


def _count_plays() -> Any:
    """Count the pull."""

    def estimate(ws, first, stop, now, numbers, at, scratch, tables):
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                plays = place_of(load(w, LANE.pick + lane), lane) + SLOT.plays
                scatter(w, plays, gather(w, plays) + 1.0)
        return 0

    return estimate


def _sample(sample_one: Any) -> Any:
    """Do something with a standard normal number for every slot."""

    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        unobserved_below = numbers[at]
        k0 = np.uint64(numbers[COMMON.seed_low]) & _MASK
        k1 = np.uint64(numbers[COMMON.seed_high]) & _MASK
        this = np.uint64(now) & _MASK
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            first_trial = np.uint64(numbers[COMMON.first_trial]) + np.uint64(b * WIDTH)
            for lane in vectors_in_use(numbers, b):
                trial = (first_trial + lane + lane_numbers()) & _MASK
                # Each draw has four words, for four slots.
                for m in range(ZERO, slots, _FOUR):
                    words = philox4x32(this, m // _FOUR, trial, _STREAM, k0, k1)
                    sample_one(w, slots, m, lane, words[0], unobserved_below)
                    sample_one(w, slots, m + _ONE, lane, words[1], unobserved_below)
                    sample_one(w, slots, m + _TWO, lane, words[2], unobserved_below)
                    sample_one(w, slots, m + _THREE, lane, words[3], unobserved_below)
        return 0

    return prepare


@register_jitable
def _keep_normal(w, slots, m, lane, word, _):
    """Keep the normal number in the place of the bound that it is for."""
    if m < slots:
        store(w, HEAD + m * STEP + lane + SLOT.upper, gather(NORMAL, word >> _DROP))


@register_jitable
def _sample_one(w, slots, m, lane, word, unobserved_below):
    """Posterior samples of the reward of one slot, if there is one."""
    if m < slots:
        o = HEAD + m * STEP + lane
        normal = gather(NORMAL, word >> _DROP)
        seen, rewards = load(w, o + SLOT.seen), load(w, o + SLOT.seen_1)
        store(w, o + SLOT.upper, posterior(seen, rewards, normal, unobserved_below))


def _refresh_basis() -> Any:
    """Let the basis know the bounds of its models again."""

    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                refresh(w, lane)
        return 0

    return prepare


@register_jitable
def refresh(w, lane):
    """Let the basis of every lane know the bounds of its models again."""
    i = place_of(load(w, LANE.i_slot + lane), lane)
    j = place_of(load(w, LANE.j_slot + lane), lane)
    store(w, LANE.i_upper + lane, gather(w, i + SLOT.upper))
    store(w, LANE.j_upper + lane, gather(w, j + SLOT.upper))
    store(w, LANE.i_lower + lane, gather(w, i + SLOT.lower))
    store(w, LANE.j_lower + lane, gather(w, j + SLOT.lower))


def _look_up_task(bounds: Any, count: int) -> Any:
    """Look up the bounds for the task of every lane's query."""

    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        slots = np.uint64(numbers[COMMON.slots])
        size = tables.reward.shape[1]
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                task = np.int64(w[LANE.row + lane])
                for s in range(slots):
                    o = HEAD + s * STEP + lane
                    m = np.int64(w[o + SLOT.model])
                    if m < 0:
                        continue
                    seen = (task * size + m) * 2
                    kept = tables.contexts[b * WIDTH + k]
                    upper, _ = bounds((kept[seen], kept[seen + 1], 0.0), *parameters)
                    w[o + SLOT.upper] = upper
        return 0

    return prepare


def _note_task() -> Any:
    """Note the rewards of the round by task."""

    def observed(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.int64(numbers[COMMON.slots])
        size = tables.reward.shape[1]
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                slot = np.int64(w[LANE.pick + lane])
                if slot < slots:
                    m = np.int64(w[HEAD + np.uint64(slot) * STEP + lane + SLOT.model])
                    seen = (np.int64(w[LANE.row + lane]) * size + m) * 2
                    tables.contexts[b * WIDTH + k, seen] += 1.0
                    tables.contexts[b * WIDTH + k, seen + 1] += w[LANE.reward + lane]
        return 0

    return observed
