"""Philox4x32-10 compiled; same draws as :mod:`..ref.rng`.

Words are held in 64-bit integers: the 32 x 32 -> 64 bit product is then one instruction, of vectors
of words too.
"""

import numpy as np
from numba import njit

from fastroute.kernels.numba_.compile import compiled, inner
from fastroute.kernels.numba_.vectors import unit

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@njit(inline="always")
def _round(c0, c1, c2, c3, k0, k1):
    p0 = _MULTIPLIER_0 * c0
    p1 = _MULTIPLIER_1 * c2
    return (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _MASK, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _MASK


@inner
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Encrypt a counter of four 32-bit words (uint64) under a key of two; ten rounds."""
    # Written out: a loop here would hide the straight line that the lane loop vectorises.
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    return _round(c0, c1, c2, c3, k0, k1)


@compiled
def uniforms(seed, round_, index, trial, stream):
    """Four uniforms in [0, 1); all arguments uint64, the last four below ``2**32``."""
    x0, x1, x2, x3 = philox4x32(round_, index, trial, stream, seed & _MASK, seed >> _SHIFT)
    return (
        unit(x0),
        unit(x1),
        unit(x2),
        unit(x3),
    )


@compiled
def uniform_table(seed, round_, first_trial, stream, trials, size):
    """``size`` uniforms for each of ``trials`` trials in one round, [trials, size]."""
    table = np.empty((trials, size))
    for t in range(trials):
        for k in range(0, size, 4):
            four = uniforms(
                np.uint64(seed),
                np.uint64(round_),
                np.uint64(k // 4),
                np.uint64(first_trial + t),
                np.uint64(stream),
            )
            for j in range(min(4, size - k)):
                table[t, k + j] = four[j]
    return table
