"""Passes of ridge regression: what is kept of a model lies together for each trial.

P of a model, row by row, and then theta: ``d + 1`` rows of d numbers, d a multiple of
``FEATURE_BLOCK``.  Vectors run over the features here, not over lanes, and passes are compiled for
the d that they meet, so that loops over features have no end to look for.
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
# Lanes whose models are written together: what was read of them is still in the nearest cache.
_BATCH = 8
_LANES = np.uint64(_BATCH)
_Z = np.uint64(MOST_FEATURES)
# In the scratch: z of each lane of a batch, the parts of a sum, then three numbers of each lane:
# where its model is, its error and its share.
_PARTS = _LANES * _Z
_LISTED = _PARTS + _BLOCK


def look_up(features: int, drawn: bool) -> Any:
    """Look up the bounds of the rewards for the features of every lane's query.

    Where they are ``drawn``, the bound of a model holds a standard normal number before.
    """
    d = np.uint64(features)

    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        width, unobserved_below = numbers[at], numbers[at + 1]
        slots = np.uint64(numbers[COMMON.slots])
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


def note(features: int) -> Any:
    """Let P and theta of the pulled models follow the rewards of the round."""
    d = np.uint64(features)

    def observed(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.int64(numbers[COMMON.slots])
        size = (d + _ONE) * d
        # Offsets from the start of both: a view for every trial would have to be counted.
        kept, x = tables.contexts.ravel(), tables.features.ravel()
        per_trial = np.uint64(tables.contexts.shape[1])
        for b in range(first, stop):
            w = ws[b]
            lanes = lanes_in_use(numbers, b)
            for begin in range(0, lanes, _BATCH):
                # What has to be waited for is worked out for several lanes before any is written.
                listed = ZERO
                for k in range(begin, min(begin + _BATCH, lanes)):
                    lane = np.uint64(k)
                    slot = np.int64(w[LANE.pick + lane])
                    if slot < slots:
                        m = np.int64(w[HEAD + np.uint64(slot) * STEP + lane + SLOT.model])
                        query = np.uint64(w[LANE.row + lane]) * d
                        start = np.uint64(b * WIDTH + k) * per_trial + np.uint64(m) * size
                        _list(kept, start, x, query, d, w[LANE.reward + lane], scratch, listed)
                        listed += _ONE
                for k in range(listed):
                    _follow(kept, d, scratch, np.uint64(k))
        return 0

    return observed


@register_jitable
def _list(kept, start, x, query, d, reward, scratch, listed):
    """Work out what P and theta of one model need to follow a reward."""
    z = listed * _Z
    for j in range(ZERO, d, WIDE):
        store(scratch, z + j, _product(kept, start + j, x, query, d))
    o = _LISTED + _THREE * listed
    scratch[o] = np.float64(start)
    scratch[o + _ONE] = reward - _dot(kept, start + d * d, x, query, d, scratch)
    scratch[o + _TWO] = 1.0 / (1.0 + _dot(scratch, z, x, query, d, scratch))


@register_jitable
def _follow(kept, d, scratch, listed):
    """Let P and theta of one model follow a reward."""
    z, o = listed * _Z, _LISTED + _THREE * listed
    start, error, share = np.uint64(scratch[o]), scratch[o + _ONE], scratch[o + _TWO]
    for i in range(d):
        for j in range(ZERO, d, WIDE):
            o = start + i * d + j
            entry = ridge_inverse(load(kept, o), scratch[z + i], load(scratch, z + j), share)
            store(kept, o, entry)
    for j in range(ZERO, d, WIDE):
        o = start + d * d + j
        store(kept, o, ridge_theta(load(kept, o), load(scratch, z + j), error, share))


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
