"""Shares outside the basis: filled in the order of scores, or equal within the limits."""

from typing import Any

import numpy as np

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL
from fastroute.kernels.formulas.constraints import enough, proportional
from fastroute.kernels.formulas.shares import left_over
from fastroute.kernels.numba_.compile import compiled, inner
from fastroute.kernels.numba_.layout import HEAD, LANE, LANES, SLOT, STEP
from fastroute.kernels.numba_.passes import COMMON


@inner
def settle(w, slots):
    """Make the shares in ``SLOT.share`` those of the round, with what they bring and cost.

    Where limits add up to less than 1, shares follow them instead.
    """
    for lane in range(LANES):
        w[LANE.capacity + lane] = 0.0
        w[LANE.outside_reward + lane] = 0.0
        w[LANE.outside_cost + lane] = 0.0
        w[LANE.i_share + lane] = 0.0
        w[LANE.j_share + lane] = 0.0
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            w[LANE.capacity + lane] += w[o + SLOT.limit + lane]
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            limit, share, capacity = (
                w[o + SLOT.limit + lane],
                w[o + SLOT.share + lane],
                w[LANE.capacity + lane],
            )
            reward, cost = w[LANE.outside_reward + lane], w[LANE.outside_cost + lane]
            mean, price = w[o + SLOT.mean_reward + lane], w[o + SLOT.mean_cost + lane]
            share = share if enough(capacity) else proportional(limit, capacity)
            share = share if limit > 0.0 else 0.0
            w[o + SLOT.share + lane] = share
            w[LANE.outside_reward + lane] = reward + share * mean
            w[LANE.outside_cost + lane] = cost + share * price
    for lane in range(LANES):
        fits = enough(w[LANE.capacity + lane])
        w[LANE.status + lane] = np.float64(OPTIMAL if fits else NO_CAPACITY)


@inner
def fill(w, slots):
    """Fill models up in the order of their scores; ties by higher U, lower L, lower index."""
    for m in range(slots):
        o = HEAD + m * STEP
        for lane in range(LANES):
            w[LANE.before + lane] = 0.0
        for k in range(slots):
            q = HEAD + k * STEP
            if k == m:
                continue
            first = 1.0 if k < m else 0.0
            for lane in range(LANES):
                mine, theirs = w[o + SLOT.score + lane], w[q + SLOT.score + lane]
                u, c = w[o + SLOT.upper + lane], w[o + SLOT.lower + lane]
                up, low = w[q + SLOT.upper + lane], w[q + SLOT.lower + lane]
                cheaper = (low < c) | ((low == c) & (first > 0.0))
                better = (theirs > mine) | ((theirs == mine) & ((up > u) | ((up == u) & cheaper)))
                before, limit = w[LANE.before + lane], w[q + SLOT.limit + lane]
                w[LANE.before + lane] = before + (limit if better else 0.0)
        for lane in range(LANES):
            before, limit = w[LANE.before + lane], w[o + SLOT.limit + lane]
            w[o + SLOT.share + lane] = left_over(limit, before)


def spread_all() -> Any:
    """Uniform shares of every lane."""

    def open_(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for lane in range(LANES):
                spread(w, slots, lane)
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
            for m in range(slots):
                o = HEAD + m * STEP
                for lane in range(LANES):
                    w[o + SLOT.even + lane] = w[o + SLOT.share + lane]
            for lane in range(LANES):
                w[LANE.even_reward + lane] = w[LANE.outside_reward + lane]
                w[LANE.even_cost + lane] = w[LANE.outside_cost + lane]
        return 0

    return open_
