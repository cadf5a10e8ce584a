"""Passes of ridge regression: what is kept of a model lies together for each trial.

P of a model, row by row, and then theta: ``d + 1`` rows of d numbers, d a multiple of
``FEATURE_BLOCK``.  Vectors run over the features here, not over lanes.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable

from fastroute.kernels.formulas.ridge import ridge_inverse, ridge_theta, ridge_upper
from fastroute.kernels.numba_.layout import HEAD, LANE, SLOT, STEP, WIDTH
from fastroute.kernels.numba_.passes import COMMON, lanes_in_use
from fastroute.kernels.numba_.vectors import WIDE, ZERO, broadcast, load, store
from fastroute.kernels.types import FEATURE_BLOCK, MOST_FEATURES

_ONE, _TWO, _THREE, _FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_BLOCK = np.uint64(FEATURE_BLOCK)
# In the scratch: z, then the parts of a sum.
_PARTS = np.uint64(MOST_FEATURES)


def look_up(drawn: bool) -> Any:
    """Look up the bounds of the rewards for the features of every lane's query.

    Where they are ``drawn``, the bound of a model holds a standard normal number before.
    """

    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        width, unobserved_below = numbers[at], numbers[at + 1]
        slots = np.uint64(numbers[COMMON.slots])
        d = np.uint64(tables.features.shape[1])
        size = (d + _ONE) * d
        # Offsets from the start of both: a view for every trial would have to be counted.
        kept, x = tables.contexts.ravel(), tables.features.ravel()
        per_trial = np.uint64(tables.contexts.shape[1])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                query = np.uint64(w[LANE.row + lane]) * d
                own = np.uint64(b * WIDTH + k) * per_trial
                for s in range(slots):
                    o = HEAD + s * STEP + lane
                    m = np.int64(w[o + SLOT.model])
                    if m < 0:
                        continue
                    start = own + np.uint64(m) * size
                    mean = _dot(kept, start + d * d, x, query, d, scratch)
                    square = _square(kept, start, x, query, d, scratch)
                    beta = width * w[o + SLOT.upper] if drawn else width
                    count = w[o + SLOT.seen]
                    w[o + SLOT.upper] = ridge_upper(mean, square, count, beta, unobserved_below)
        return 0

    return prepare


def note() -> Any:
    """Let P and theta of the pulled models follow the rewards of the round."""

    def observed(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.int64(numbers[COMMON.slots])
        d = np.uint64(tables.features.shape[1])
        size = (d + _ONE) * d
        # Offsets from the start of both: a view for every trial would have to be counted.
        kept, x = tables.contexts.ravel(), tables.features.ravel()
        per_trial = np.uint64(tables.contexts.shape[1])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                slot = np.int64(w[LANE.pick + lane])
                if slot < slots:
                    m = np.int64(w[HEAD + np.uint64(slot) * STEP + lane + SLOT.model])
                    query = np.uint64(w[LANE.row + lane]) * d
                    start = np.uint64(b * WIDTH + k) * per_trial + np.uint64(m) * size
                    _follow(kept, start, x, query, d, w[LANE.reward + lane], scratch)
        return 0

    return observed


@register_jitable
def _follow(kept, start, x, query, d, reward, scratch):
    """Let P and theta of one model follow a reward."""
    theta = start + d * d
    for j in range(ZERO, d, WIDE):
        store(scratch, j, _product(kept, start + j, x, query, d))
    share = 1.0 / (1.0 + _dot(scratch, ZERO, x, query, d, scratch))
    error = reward - _dot(kept, theta, x, query, d, scratch)
    for i in range(d):
        z = scratch[i]
        for j in range(ZERO, d, WIDE):
            o = start + i * d + j
            store(kept, o, ridge_inverse(load(kept, o), z, load(scratch, j), share))
    for j in range(ZERO, d, WIDE):
        o = theta + j
        store(kept, o, ridge_theta(load(kept, o), load(scratch, j), error, share))


@register_jitable
def _product(kept, start, x, query, d):
    """Return neighbouring entries of P x: the sums of every fourth term, and then their sum."""
    # Four sums at a time keep the processor busy while it waits for each.
    a, b, c, e = broadcast(0.0), broadcast(0.0), broadcast(0.0), broadcast(0.0)
    o = start
    for i in range(ZERO, d, _FOUR):
        a = a + load(kept, o) * x[query + i]
        b = b + load(kept, o + d) * x[query + i + _ONE]
        c = c + load(kept, o + _TWO * d) * x[query + i + _TWO]
        e = e + load(kept, o + _THREE * d) * x[query + i + _THREE]
        o += _FOUR * d
    return (a + b) + (c + e)


@register_jitable
def _square(kept, start, x, query, d, scratch):
    """Return x'P x; summed as in :func:`_dot`."""
    for part in range(ZERO, _BLOCK, WIDE):
        total = broadcast(0.0)
        for j in range(part, d, _BLOCK):
            total = total + _product(kept, start + j, x, query, d) * load(x, query + j)
        store(scratch, _PARTS + part, total)
    return _add_parts(scratch)


@register_jitable
def _dot(y, start, x, query, d, scratch):
    """Return y'x, y from an offset on: the sums of every eighth term, and then their sum."""
    for part in range(ZERO, _BLOCK, WIDE):
        total = broadcast(0.0)
        for j in range(part, d, _BLOCK):
            total = total + load(y, start + j) * load(x, query + j)
        store(scratch, _PARTS + part, total)
    return _add_parts(scratch)


@register_jitable
def _add_parts(w):
    """Return the sum of the eight parts, by pairs."""
    a = (w[_PARTS] + w[_PARTS + _ONE]) + (w[_PARTS + _TWO] + w[_PARTS + _THREE])
    o = _PARTS + _FOUR
    return a + ((w[o] + w[o + _ONE]) + (w[o + _TWO] + w[o + _THREE]))
