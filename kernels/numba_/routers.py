"""Routers: how the shares of a block of trials are set.

A function here makes the passes of a router; ``RouterKernel.kernel`` is its name.  Routers that
solve an LP every round keep their bases in :mod:`.basis`.  All others write the share of every
model to ``SLOT.share`` and leave nothing to the basis.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastroute.kernels.codes import NO_CAPACITY
from fastroute.kernels.formulas.constraints import enough
from fastroute.kernels.formulas.estimates import exact_interval, surely_better, worth
from fastroute.kernels.formulas.names import maximum, where
from fastroute.kernels.formulas.schedules import at_intervals, doubling, once
from fastroute.kernels.formulas.shares import (
    again_uniform,
    explored,
    mixed,
    whole,
)
from fastroute.kernels.numba_ import lanes as problems
from fastroute.kernels.numba_.basis import check, collect, repair
from fastroute.kernels.numba_.compile import inner
from fastroute.kernels.numba_.estimators import EstimatorPasses, open_known
from fastroute.kernels.numba_.formulas import formula, inlined, numbers_at, read_only
from fastroute.kernels.numba_.layout import HEAD, LANE, LANES, SLOT, STEP, STRIDE, WIDTH
from fastroute.kernels.numba_.passes import (
    COMMON,
    DUE,
    GROUP,
    Pass,
    built_in,
    kernel_of,
    lanes_in_use,
    vectors_in_use,
)
from fastroute.kernels.numba_.routing import solve_one
from fastroute.kernels.numba_.rows.tuples import load_rows, read_rows, store_rows
from fastroute.kernels.numba_.shares import expect, fill, keep_even, settle, spread, spread_all
from fastroute.kernels.numba_.vectors import broadcast, count_lanes, load, store
from fastroute.kernels.tolerances import SHARES
from fastroute.kernels.types import STATES, EstimatorKernel, RouterKernel


class RouterPasses(NamedTuple):
    """Passes of a router."""

    open: tuple[Pass, ...]  #: shares with which a stage begins
    due: Pass  #: of the signature ``passes.DUE``
    route: tuple[Pass, ...]  #: set the shares of the round
    before_choice: tuple[Pass, ...] = ()
    after_choice: tuple[Pass, ...] = ()
    learn: tuple[Pass, ...] = ()
    held: bool = False  #: whether shares are held for many rounds


def scratch(slots: int) -> np.ndarray:
    """Room in which passes work: LPs in lockstep, one LP, trials to solve."""
    size = max(slots, 1)
    return problems.aligned_zeros(1, int(problems.rows(size)) + 5 * size + 1 + _LISTED)[0]


def lp(part: RouterKernel, estimator: EstimatorPasses, _: EstimatorKernel) -> RouterPasses:
    """Solve the routing LP for every query."""
    from_scratch = _solve_all(part.parameters)
    checked = Pass(kernel_of(_list_lost), part.parameters), from_scratch[1]
    return RouterPasses(
        from_scratch,
        # What never changes has been solved when the stage opened.
        _never() if estimator.fixed else _every(part),
        # Where every query has bounds and means of its own, no basis is worth checking.
        from_scratch if estimator.reads_queries else checked,
    )


def known_lp(part: RouterKernel, _: EstimatorPasses, __: EstimatorKernel) -> RouterPasses:
    """Solve the routing LP on the true means, which never change in a stage."""
    known = Pass(kernel_of(open_known))
    return RouterPasses((known, *_solve_all(part.parameters)), _never(), (), held=True)


def epsilon_greedy(
    part: RouterKernel, estimator: EstimatorPasses, kernel: EstimatorKernel
) -> RouterPasses:
    """Mix the LP's distribution with the uniform one, whose share is the last number."""
    *of_lp, explore = part.parameters
    solved = lp(part._replace(parameters=tuple(of_lp)), estimator, kernel)
    return solved._replace(
        open=(Pass(kernel_of(spread_all)), Pass(kernel_of(keep_even)), *solved.open),
        before_choice=(Pass(kernel_of(_decide), (explore,)),),
        after_choice=(Pass(kernel_of(_explore_evenly), (explore,)),),
    )


def uniform(part: RouterKernel, _: EstimatorPasses, __: EstimatorKernel) -> RouterPasses:
    """Equal shares within the limits."""
    return RouterPasses((Pass(kernel_of(spread_all)),), _never(), (), held=True)


def explore_then_commit(
    part: RouterKernel, _: EstimatorPasses, __: EstimatorKernel
) -> RouterPasses:
    """Uniform at first, then the LP's solution; its last number is the round of the change."""
    *of_lp, change = part.parameters
    return RouterPasses(
        (Pass(kernel_of(spread_all)),),
        Pass(_compile_due(_once), (change,)),
        _solve_all(tuple(of_lp)),
        held=True,
    )


def elimination(
    part: RouterKernel, passes: EstimatorPasses, estimator: EstimatorKernel
) -> RouterPasses:
    """Drop what is surely not needed, and mix the LP with uniform routing."""
    numbers = (*part.parameters, *estimator.parameters)
    if passes.fixed:
        seen: tuple[Any, ...] = exact_interval, SLOT.mean_reward, 2
    else:
        seen = estimator.interval, SLOT.seen, len(estimator.first)
    interval, row, size = seen
    eliminate = kernel_of(
        _eliminate,
        formula(interval),
        row,
        size,
        len(estimator.parameters),
        keep=built_in(interval),
    )
    return RouterPasses(
        (Pass(kernel_of(spread_all)),),
        Pass(_compile_due(_doubling)),
        (Pass(eliminate, numbers),),
        held=True,
    )


def by_score(part: RouterKernel, _: EstimatorPasses, __: EstimatorKernel) -> RouterPasses:
    """As much as allowed to the model of highest score, then to the next."""
    assert part.score is not None
    counts = len(part.first), len(part.parameters)
    score = formula(part.score)
    route = kernel_of(_fill_by_score, score, *counts, keep=built_in(score))
    learn: tuple[Pass, ...] = ()
    if part.learn is not None:
        follow = formula(part.learn)
        learnt = kernel_of(_learn, follow, *counts, keep=built_in(follow))
        learn = (Pass(learnt, part.parameters),)
    return RouterPasses(
        (Pass(kernel_of(spread_all)),),
        _every(part),
        (Pass(route, part.parameters),),
        learn=learn,
    )


def custom_shares(part: RouterKernel, _: EstimatorPasses, __: EstimatorKernel) -> RouterPasses:
    """Shares written by a function of the user."""
    route = kernel_of(_custom_shares, inlined(part.function), keep=False)
    return RouterPasses(
        (Pass(kernel_of(spread_all)),), _every(part), (Pass(route, part.parameters),)
    )


def _solve_all(parameters: tuple[float, ...]) -> tuple[Pass, Pass]:
    """Return the passes that solve the LP of every trial."""
    return Pass(kernel_of(_list_all)), Pass(kernel_of(_solve_listed), parameters)


def _compile_due(make: Any) -> Any:
    return kernel_of(make, signature=DUE)


def _never() -> Pass:
    return Pass(_compile_due(_not_at_all))


def always() -> Pass:
    """Return what is due in every round."""
    return Pass(_compile_due(_at_intervals), (1.0,))


def _every(part: RouterKernel) -> Pass:
    return Pass(_compile_due(_at_intervals), (float(part.resolve_every),))


def _not_at_all() -> Any:
    def due(elapsed, slots, numbers, at):
        return 0

    return due


def _at_intervals() -> Any:
    def due(elapsed, slots, numbers, at):
        return 1 if at_intervals(elapsed, np.int64(numbers[at])) else 0

    return due


def _once() -> Any:
    def due(elapsed, slots, numbers, at):
        return 1 if once(elapsed, np.int64(numbers[at])) else 0

    return due


def _doubling() -> Any:
    """M, 2 M, 4 M, ... rounds after the stage opened, with M deployed models."""

    def due(elapsed, slots, numbers, at):
        return 1 if doubling(elapsed, slots) else 0

    return due


@inner
def _room(scratch, slots):
    """Buffers of one LP: upper and lower bounds, limits, shares, sides."""
    size = np.int64(slots)
    start = np.int64(problems.rows(max(size, 1)))
    u, c = scratch[start : start + size], scratch[start + size : start + 2 * size]
    a = scratch[start + 2 * size : start + 3 * size]
    p = scratch[start + 3 * size : start + 4 * size]
    side = scratch[start + 4 * size : start + 5 * size]
    return u, c, a, p, side


# Two passes solve LPs: one lists the trials at the end of the scratch, with their number in front,
# the other solves the listed ones of all blocks together.
_LISTED = GROUP * WIDTH


def _list_lost() -> Any:
    """Check the bases, set the shares, and list the trials whose basis is lost."""

    def route(ws, first, stop, now, numbers, at, scratch, tables):
        budget, cost_max = numbers[at], numbers[at + 1]
        slots = np.uint64(numbers[COMMON.slots])
        listed = scratch[len(scratch) - _LISTED :]
        # A constant would be a type of its own, for which all that it is given to is compiled too.
        count = np.int64(0)
        for b in range(first, stop):
            w = ws[b]
            used = np.uint64(lanes_in_use(numbers, b))
            if check(w, slots, used, budget, cost_max) > 0:
                count = collect(w, np.uint64(b * WIDTH), used, listed, count)
        scratch[len(scratch) - _LISTED - 1] = count
        return 0

    return route


def _list_all() -> Any:
    """List all trials."""

    def route(ws, first, stop, now, numbers, at, scratch, tables):
        trials = np.int64(numbers[COMMON.trials])
        start = len(scratch) - _LISTED
        count = 0
        for t in range(first * WIDTH, min(stop * WIDTH, trials)):
            scratch[start + count] = t
            count += 1
        scratch[start - 1] = count
        return 0

    return route


def _solve_listed() -> Any:
    """Solve the LPs of the listed trials, and keep their bases."""

    def route(ws, first, stop, now, numbers, at, scratch, tables):
        budget = numbers[at]
        count = np.int64(scratch[len(scratch) - _LISTED - 1])
        if count > 0:
            slots = np.uint64(numbers[COMMON.slots])
            listed = scratch[len(scratch) - _LISTED :]
            u, c, a, p, side = _room(scratch, slots)
            repair(ws, scratch, slots, budget, listed, count, u, c, a, p, side)
        return 0

    return route


def _fill_by_score(score: Any, state_count: int, count: int) -> Any:
    """As much as allowed to the model of highest score, then to the next."""

    def route(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                state = load_rows(w, LANE.state + lane, state_count)
                for m in range(slots):
                    o = HEAD + m * STEP + lane
                    upper, lower = load(w, o + SLOT.upper), load(w, o + SLOT.lower)
                    store(w, o + SLOT.score, score(upper, lower, state, *parameters))
                fill(w, slots, lane)
                settle(w, slots, lane)
        return 0

    return route


def _learn(learn: Any, state_count: int, count: int) -> Any:
    """Let the state follow what the round has brought and cost."""

    def follow(ws, first, stop, now, numbers, at, scratch, tables):
        parameters = numbers_at(numbers, at, count)
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                state = load_rows(w, LANE.state + lane, state_count)
                reward, cost = load(w, LANE.reward + lane), load(w, LANE.cost + lane)
                state = learn(state, reward, cost, *parameters)
                store_rows(w, LANE.state + lane, state, state_count)
        return 0

    return follow


def _decide() -> Any:
    """Let the uniform of the choice first decide whether the round explores."""

    def before(ws, first, stop, now, numbers, at, scratch, tables):
        explore = numbers[at]
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                u = load(w, LANE.u_choice + lane)
                store(w, LANE.u_choice + lane, again_uniform(u, explore))
                store(w, LANE.exploring + lane, where(u < explore, 1.0, 0.0))
        return 0

    return before


def _explore_evenly() -> Any:
    """Draw the models of the exploring lanes, and mix what is expected of all."""

    def after(ws, first, stop, now, numbers, at, scratch, tables):
        explore = numbers[at]
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                exploring = load(w, LANE.exploring + lane) > 0.0
                u = load(w, LANE.u_choice + lane)
                reward, cost = (
                    load(w, LANE.expected_reward + lane),
                    load(w, LANE.expected_cost + lane),
                )
                reward = mixed(explore, load(w, LANE.even_reward + lane), reward)
                cost = mixed(explore, load(w, LANE.even_cost + lane), cost)
                store(w, LANE.expected_reward + lane, reward)
                store(w, LANE.expected_cost + lane, cost)
                pick = where(exploring, 0.0, load(w, LANE.pick + lane))
                total = broadcast(0.0)
                for m in range(slots):
                    total = total + load(w, HEAD + m * STEP + lane + SLOT.even)
                    pick = pick + where(exploring & (u >= total), 1.0, 0.0)
                store(w, LANE.pick + lane, pick)
        return 0

    return after


def _eliminate(interval: Any, seen: Any, seen_count: int, count: int) -> Any:
    """Drop the models that are surely not needed, by intervals of what stands in rows ``seen``."""

    def route(ws, first, stop, now, numbers, at, scratch, tables):
        budget = numbers[at]
        parameters = numbers_at(numbers, at + 2, count)
        slots = np.uint64(numbers[COMMON.slots])
        elapsed = now - np.int64(numbers[COMMON.opened])
        u, c, a, p, side = _room(scratch, slots)
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                price = _price(w, slots, lane, budget, u, c, a, p, side)
                for m in range(slots):
                    o = HEAD + m * STEP + lane
                    reward, cost, wide, wide_cost = interval(
                        read_rows(w, o + seen, seen_count), *parameters
                    )
                    u[m], c[m] = worth(reward, cost, wide, wide_cost, price)
                _drop(w, slots, lane, elapsed, budget, u, c, a, p, side)
        return 0

    return route


@inner
def _price(w, slots, lane, budget, u, c, a, p, side):
    """Budget price of the LP of one lane."""
    _gather(w, slots, lane, u, c, a)
    _, price, _, _, _ = solve_one(u, c, a, np.int64(slots), budget, p, side)
    return price


@inner
def _drop(w, slots, lane, elapsed, budget, low, high, a, p, side):
    """Drop the models of one lane that others are surely better than; mix with the uniform."""
    size = np.int64(slots)
    for m in range(slots):
        better = 0.0
        for k in range(slots):
            if surely_better(low[k], high[m]):
                better += a[k]
        if enough(better):
            w[HEAD + m * STEP + lane + SLOT.limit] = 0.0
    _gather(w, slots, lane, low, high, a)
    status, _, _, _, _ = solve_one(low, high, a, size, budget, p, side)
    spread(w, slots, lane)
    explore = explored(elapsed // size)
    for m in range(slots):
        o = HEAD + m * STEP + lane
        w[o + SLOT.share] = mixed(explore, w[o + SLOT.share], p[m])
    w[LANE.status + lane] = np.float64(status)
    expect(w, slots, lane)


@inner
def _gather(w, slots, lane, u, c, a):
    """Copy the routing problem of one lane into buffers."""
    for m in range(slots):
        o = HEAD + m * STEP + lane
        u[m] = w[o + SLOT.upper]
        c[m] = w[o + SLOT.lower]
        a[m] = w[o + SLOT.limit]


def _custom_shares(function: Any) -> Any:
    """Let a function of the user set the shares; returns the number of lanes where it gave none.

    It reads and writes the rows of the workspace where they lie.
    """
    between_slots, between_rows = int(STEP) * 8, STRIDE * 8

    def route(ws, first, stop, now, numbers, at, scratch, tables):
        budget = numbers[at]
        slots = np.uint64(numbers[COMMON.slots])
        of_models: Any = (np.int64(slots), WIDTH)
        of_state = (STATES, WIDTH)
        refused = 0
        for b in range(first, stop):
            w = ws[b]
            for m in range(slots):
                o = HEAD + m * STEP + SLOT.share
                w[o : o + LANES] = 0.0
            function(
                now,
                read_only(as_strided(w[HEAD + SLOT.upper :], of_models, (between_slots, 8))),
                read_only(as_strided(w[HEAD + SLOT.lower :], of_models, (between_slots, 8))),
                read_only(as_strided(w[HEAD + SLOT.limit :], of_models, (between_slots, 8))),
                read_only(as_strided(w[HEAD + SLOT.seen :], of_models, (between_slots, 8))),
                budget,
                read_only(w[LANE.reward : LANE.reward + LANES]),
                read_only(w[LANE.cost : LANE.cost + LANES]),
                as_strided(w[LANE.state :], of_state, (between_rows, 8)),
                as_strided(w[HEAD + SLOT.share :], of_models, (between_slots, 8)),
            )
            for lane in vectors_in_use(numbers, b):
                refused += _settle_checked(w, slots, lane)
        return refused

    return route


@inner
def _settle_checked(w, slots, lane):
    """Settle the shares of a vector; returns the lanes where they are no distribution."""
    total = broadcast(0.0)
    beyond = broadcast(0.0)
    for m in range(slots):
        o = HEAD + m * STEP + lane
        share = load(w, o + SLOT.share)
        total = total + share
        beyond = maximum(beyond, maximum(share - (load(w, o + SLOT.limit) + SHARES), -share))
    settle(w, slots, lane)
    # What is no number makes the total none.
    good = (beyond <= 0.0) & whole(total)
    # Trials without a model, as those of lanes that are not in use, have no capacity either.
    lacking = load(w, LANE.status + lane) == NO_CAPACITY
    refused = count_lanes(~(good | lacking))
    return refused
