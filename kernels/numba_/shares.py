"""Shares outside the basis: filled in the order of scores, or equal within the limits."""

from typing import Any

import numpy as np

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL
from fastroute.kernels.formulas.constraints import enough, proportional
from fastroute.kernels.formulas.names import where
from fastroute.kernels.formulas.shares import left_over
from fastroute.kernels.numba_.compile import compiled, inner
from fastroute.kernels.numba_.layout import HEAD, LANE, SLOT, STEP
from fastroute.kernels.numba_.passes import COMMON, lanes_in_use, vectors_in_use
from fastroute.kernels.numba_.vectors import broadcast, load, store


@inner
def settle(w, slots, lane):
    """Make the shares in ``SLOT.share`` those of the round, with what they bring and cost.

    Of the vector at ``lane``.  Where limits add up to less than 1, shares follow them instead.
    """
    capacity = broadcast(0.0)
    for m in range(slots):
        capacity = capacity + load(w, HEAD + m * STEP + lane + SLOT.limit)
    fits = enough(capacity)
    reward = broadcast(0.0)
    cost = broadcast(0.0)
    for m in range(slots):
        o = HEAD + m * STEP + lane
        limit, share = load(w, o + SLOT.limit), load(w, o + SLOT.share)
        share = where(fits, share, proportional(limit, capacity))
        share = where(limit > 0.0, share, 0.0)
        store(w, o + SLOT.share, share)
        reward = reward + share * load(w, o + SLOT.mean_reward)
        cost = cost + share * load(w, o + SLOT.mean_cost)
    store(w, LANE.outside_reward + lane, reward)
    store(w, LANE.outside_cost + lane, cost)
    store(w, LANE.i_share + lane, 0.0)
    store(w, LANE.j_share + lane, 0.0)
    store(w, LANE.status + lane, where(fits, np.float64(OPTIMAL), np.float64(NO_CAPACITY)))


@inner
def fill(w, slots, lane):
    """Fill models up in the order of their scores; ties by higher U, lower L, lower index.

    Of the vector at ``lane``.
    """
    for m in range(slots):
        o = HEAD + m * STEP + lane
        score, upper, lower = (
            load(w, o + SLOT.score),
            load(w, o + SLOT.upper),
            load(w, o + SLOT.lower),
        )
        before = broadcast(0.0)
        for k in range(slots):
            q = HEAD + k * STEP + lane
            theirs, up, low = (
                load(w, q + SLOT.score),
                load(w, q + SLOT.upper),
                load(w, q + SLOT.lower),
            )
            cheaper = (low < lower) | ((low == lower) & (k < m))
            better = (up > upper) | ((up == upper) & cheaper)
            better = (theirs > score) | ((theirs == score) & better)
            before = before + where(better, load(w, q + SLOT.limit), 0.0)
        store(w, o + SLOT.share, left_over(load(w, o + SLOT.limit), before))


def spread_all() -> Any:
    """Uniform shares of every lane."""

    def open_(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                spread(w, slots, np.uint64(k))
        return 0

    return open_


@compiled
def spread(w, slots, lane):
    """Uniform shares of one lane within the limits: what a full model leaves, others share."""
    rest = 1.0
    capacity = 0.0
    open_ = 0
    for m in range(slots):
        o = HEAD + m * STEP + lane
        w[o + SLOT.share] = 0.0
        capacity += w[o + SLOT.limit]
        open_ += 1 if w[o + SLOT.limit] > 0.0 else 0
    moved = True
    level = 0.0
    while moved and open_ > 0:
        moved = False
        level = rest / open_
        for m in range(slots):
            o = HEAD + m * STEP + lane
            if w[o + SLOT.share] == 0.0 and 0.0 < w[o + SLOT.limit] <= level:
                w[o + SLOT.share] = w[o + SLOT.limit]
                rest -= w[o + SLOT.limit]
                open_ -= 1
                moved = True
    fits = enough(capacity)
    w[LANE.status + lane] = np.float64(OPTIMAL if fits else NO_CAPACITY)
    for m in range(slots):
        o = HEAD + m * STEP + lane
        limit = w[o + SLOT.limit]
        if limit > 0.0:
            share = level if w[o + SLOT.share] == 0.0 else w[o + SLOT.share]
            w[o + SLOT.share] = share if fits else proportional(limit, capacity)
    expect(w, slots, lane)


@inner
def expect(w, slots, lane):
    """Leave nothing to the basis of one lane, and work out what its shares bring and cost."""
    reward = 0.0
    cost = 0.0
    for m in range(slots):
        o = HEAD + m * STEP + lane
        reward += w[o + SLOT.share] * w[o + SLOT.mean_reward]
        cost += w[o + SLOT.share] * w[o + SLOT.mean_cost]
    w[LANE.outside_reward + lane] = reward
    w[LANE.outside_cost + lane] = cost
    w[LANE.i_share + lane] = 0.0
    w[LANE.j_share + lane] = 0.0


def keep_even() -> Any:
    """Keep the uniform shares, which stand in ``SLOT.share``."""

    def open_(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                for m in range(slots):
                    o = HEAD + m * STEP + lane
                    store(w, o + SLOT.even, load(w, o + SLOT.share))
                store(w, LANE.even_reward + lane, load(w, LANE.outside_reward + lane))
                store(w, LANE.even_cost + lane, load(w, LANE.outside_cost + lane))
        return 0

    return open_
