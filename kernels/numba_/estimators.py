"""Estimators: what is believed of each model, renewed for the pulled one after every round.

A function here makes the passes of an estimator; ``EstimatorKernel.kernel`` is its name.
"""

from typing import Any, NamedTuple

import numpy as np

from fastroute.kernels.codes import STREAM_POSTERIOR
from fastroute.kernels.formulas.estimates import posterior
from fastroute.kernels.normal import BITS, NORMAL
from fastroute.kernels.numba_.formulas import formula, numbers_at
from fastroute.kernels.numba_.layout import HEAD, LANE, LANES, NEXT, SLOT, STEP, WIDTH
from fastroute.kernels.numba_.outcomes import task_of
from fastroute.kernels.numba_.passes import COMMON, Pass, built_in, compile_pass, lanes_in_use
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.rows.tuples import read_rows, write_rows
from fastroute.kernels.types import EstimatorKernel

_MASK = np.uint64(0xFFFFFFFF)
_ZERO = np.uint64(0)
_STREAM = np.uint64(STREAM_POSTERIOR)
_DROP = np.uint64(32 - BITS)


class EstimatorPasses(NamedTuple):
    """Passes of an estimator."""

    open: tuple[Pass, ...]  #: bounds of all deployed models when a stage opens
    prepare: tuple[Pass, ...]  #: before the router sets shares
    observed: tuple[Pass, ...]  #: after a reward and a cost are known
    #: Whether bounds and means change with every query, so that no basis is worth checking.
    reads_queries: bool = False
    #: Whether bounds never change, so that what was solved once stays solved.
    fixed: bool = False


def elementwise(part: EstimatorKernel) -> EstimatorPasses:
    """Bounds that are a formula of what has been seen of the model."""
    observe, bounds = formula(part.observe), formula(part.bounds)
    keep = built_in(observe, bounds)
    counts = len(part.first), len(part.parameters)
    renewed = compile_pass(_renew, observe, bounds, *counts, keep=keep)
    opened = compile_pass(_open, bounds, *counts, keep=keep)
    after = (Pass(compile_pass(_count_plays)),) if part.forgets else ()
    return EstimatorPasses(
        (Pass(opened, part.parameters),), (), (Pass(renewed, part.parameters), *after)
    )


def sampled(part: EstimatorKernel) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are drawn from their posterior for each decision."""
    sample = Pass(compile_pass(_sample), (part.unobserved_below,))
    return elementwise(part)._replace(prepare=(sample, Pass(compile_pass(_refresh_basis))))


def by_task(part: EstimatorKernel) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are bounded for the task of the query."""
    bounds = formula(part.bounds)
    look_up = Pass(
        compile_pass(_look_up_task, bounds, len(part.parameters), keep=built_in(bounds)),
        part.parameters,
    )
    note = Pass(compile_pass(_note_task))
    found = elementwise(part)
    return found._replace(prepare=(look_up,), observed=(note, *found.observed), reads_queries=True)


def known_means(part: EstimatorKernel) -> EstimatorPasses:
    """Make the true means the bounds, for good."""
    observe = formula(part.observe)
    counts = len(part.first), len(part.parameters)
    observed = compile_pass(_only_observe, observe, *counts, keep=built_in(observe))
    return EstimatorPasses(
        (Pass(compile_pass(open_known)),),
        (),
        (Pass(observed, part.parameters),),
        fixed=True,
    )


def _renew(observe: Any, bounds: Any, seen_count: int, count: int) -> Any:
    """Add to the sums, count the observation and renew the bounds of the pulled model."""

    def estimate(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        for b in range(first, stop):
            w = ws[b]
            for k in range(3, seen_count):
                row = np.uint64(k) * NEXT
                for lane in range(LANES):
                    o = HEAD + np.uint64(w[LANE.pick + lane]) * STEP + lane
                    w[LANE.pulled_seen + row + lane] = w[o + SLOT.seen + row]
            for lane in range(LANES):
                seen = read_rows(w, LANE.pulled_seen + lane, seen_count)
                seen = observe(seen, w[LANE.reward + lane], w[LANE.cost + lane], *parameters)
                w[LANE.sum_expected_reward + lane] += w[LANE.expected_reward + lane]
                w[LANE.sum_expected_cost + lane] += w[LANE.expected_cost + lane]
                w[LANE.sum_reward + lane] += w[LANE.reward + lane]
                w[LANE.sum_cost + lane] += w[LANE.cost + lane]
                write_rows(w, LANE.pulled_seen + lane, seen, seen_count)
                upper, lower = bounds(seen, *parameters)
                pick, i_slot, j_slot = (
                    w[LANE.pick + lane],
                    w[LANE.i_slot + lane],
                    w[LANE.j_slot + lane],
                )
                i_upper, i_lower = w[LANE.i_upper + lane], w[LANE.i_lower + lane]
                j_upper, j_lower = w[LANE.j_upper + lane], w[LANE.j_lower + lane]
                w[LANE.i_upper + lane] = upper if i_slot == pick else i_upper
                w[LANE.i_lower + lane] = lower if i_slot == pick else i_lower
                w[LANE.j_upper + lane] = upper if j_slot == pick else j_upper
                w[LANE.j_lower + lane] = lower if j_slot == pick else j_lower
                w[LANE.pulled_upper + lane] = upper
                w[LANE.pulled_lower + lane] = lower
            for lane in range(LANES):
                o = HEAD + np.uint64(w[LANE.pick + lane]) * STEP + lane
                w[o + SLOT.seen] = w[LANE.pulled_seen + lane]
                w[o + SLOT.seen_1] = w[LANE.pulled_seen_1 + lane]
                w[o + SLOT.seen_2] = w[LANE.pulled_seen_2 + lane]
                w[o + SLOT.upper] = w[LANE.pulled_upper + lane]
                w[o + SLOT.lower] = w[LANE.pulled_lower + lane]
            for k in range(3, seen_count):
                row = np.uint64(k) * NEXT
                for lane in range(LANES):
                    o = HEAD + np.uint64(w[LANE.pick + lane]) * STEP + lane
                    w[o + SLOT.seen + row] = w[LANE.pulled_seen + row + lane]
        return 0

    return estimate


def _only_observe(observe: Any, seen_count: int, count: int) -> Any:
    """Add to the sums and count the observation."""

    def estimate(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        for b in range(first, stop):
            w = ws[b]
            for lane in range(LANES):
                seen = read_rows(w, LANE.pulled_seen + lane, seen_count)
                seen = observe(seen, w[LANE.reward + lane], w[LANE.cost + lane], *parameters)
                w[LANE.sum_expected_reward + lane] += w[LANE.expected_reward + lane]
                w[LANE.sum_expected_cost + lane] += w[LANE.expected_cost + lane]
                w[LANE.sum_reward + lane] += w[LANE.reward + lane]
                w[LANE.sum_cost + lane] += w[LANE.cost + lane]
                write_rows(w, LANE.pulled_seen + lane, seen, seen_count)
            for lane in range(LANES):
                o = HEAD + np.uint64(w[LANE.pick + lane]) * STEP + lane
                w[o + SLOT.seen] = w[LANE.pulled_seen + lane]
                w[o + SLOT.seen_1] = w[LANE.pulled_seen_1 + lane]
                w[o + SLOT.seen_2] = w[LANE.pulled_seen_2 + lane]
        return 0

    return estimate


def _open(bounds: Any, seen_count: int, count: int) -> Any:
    """Bounds of all deployed models; 0 in empty slots."""

    def open_(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for m in range(slots):
                o = HEAD + m * STEP
                for lane in range(LANES):
                    upper, lower = bounds(
                        read_rows(w, o + SLOT.seen + lane, seen_count), *parameters
                    )
                    here = w[o + SLOT.model + lane] >= 0.0
                    w[o + SLOT.upper + lane] = upper if here else 0.0
                    w[o + SLOT.lower + lane] = lower if here else 0.0
        return 0

    return open_


def open_known() -> Any:
    """Copy the true means to the bounds."""

    def open_(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for m in range(slots):
                o = HEAD + m * STEP
                for lane in range(LANES):
                    w[o + SLOT.upper + lane] = w[o + SLOT.mean_reward + lane]
                for lane in range(LANES):
                    w[o + SLOT.lower + lane] = w[o + SLOT.mean_cost + lane]
        return 0

    return open_


def _count_plays() -> Any:
    """Count the pull where forgetting keeps the observations from doing so."""

    def estimate(ws, first, stop, now, numbers, at, scratch, tables):
        for b in range(first, stop):
            w = ws[b]
            for lane in range(LANES):
                w[HEAD + np.uint64(w[LANE.pick + lane]) * STEP + lane + SLOT.plays] += 1.0
        return 0

    return estimate


def _sample() -> Any:
    """Posterior samples of all rewards; the rows of the round's uniforms serve as scratch."""

    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        unobserved_below = numbers[at]
        k0 = np.uint64(numbers[COMMON.seed_low])
        k1 = np.uint64(numbers[COMMON.seed_high])
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            first_trial = np.uint64(numbers[COMMON.first_trial]) + np.uint64(b * WIDTH)
            for m in range(slots):
                part = m % np.uint64(4)
                if part == _ZERO:
                    index = m // np.uint64(4)
                    for lane in range(LANES):
                        trial = (first_trial + lane) & _MASK
                        x0, x1, x2, x3 = philox4x32(np.uint64(now), index, trial, _STREAM, k0, k1)
                        w[LANE.u_choice + lane] = NORMAL[x0 >> _DROP]
                        w[LANE.u_reward + lane] = NORMAL[x1 >> _DROP]
                        w[LANE.u_cost + lane] = NORMAL[x2 >> _DROP]
                        w[LANE.u_task + lane] = NORMAL[x3 >> _DROP]
                o = HEAD + m * STEP
                normal = LANE.u_choice + part * NEXT
                for lane in range(LANES):
                    w[o + SLOT.upper + lane] = posterior(
                        w[o + SLOT.seen + lane],
                        w[o + SLOT.seen_1 + lane],
                        w[normal + lane],
                        unobserved_below,
                    )
        return 0

    return prepare


def _refresh_basis() -> Any:
    """Let the basis know the bounds of its models again."""

    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        for b in range(first, stop):
            w = ws[b]
            for lane in range(LANES):
                oi = HEAD + np.uint64(w[LANE.i_slot + lane]) * STEP + lane
                oj = HEAD + np.uint64(w[LANE.j_slot + lane]) * STEP + lane
                w[LANE.i_upper + lane] = w[oi + SLOT.upper]
                w[LANE.j_upper + lane] = w[oj + SLOT.upper]
                w[LANE.i_lower + lane] = w[oi + SLOT.lower]
                w[LANE.j_lower + lane] = w[oj + SLOT.lower]
        return 0

    return prepare


def _look_up_task(bounds: Any, count: int) -> Any:
    """Look up the bounds, and the true means, for the task of every lane's query."""

    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        slots = np.uint64(numbers[COMMON.slots])
        size = tables.reward.shape[1]
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                task = task_of(w[LANE.u_task + lane], tables.tasks)
                w[LANE.task + lane] = task
                w[LANE.even_reward + lane] = 0.0
                for s in range(slots):
                    o = HEAD + s * STEP + lane
                    m = np.int64(w[o + SLOT.model])
                    if m < 0:
                        continue
                    seen = (task * size + m) * 2
                    kept = tables.contexts[b * WIDTH + k]
                    upper, _ = bounds((kept[seen], kept[seen + 1], 0.0), *parameters)
                    w[o + SLOT.upper] = upper
                    w[o + SLOT.mean_reward] = tables.reward[task, m]
                    w[LANE.even_reward + lane] += w[o + SLOT.even] * w[o + SLOT.mean_reward]
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
                    seen = (np.int64(w[LANE.task + lane]) * size + m) * 2
                    tables.contexts[b * WIDTH + k, seen] += 1.0
                    tables.contexts[b * WIDTH + k, seen + 1] += w[LANE.reward + lane]
        return 0

    return observed
