"""Philox4x32-10, the counter-based generator behind every random draw.

A draw is a pure function of ``(seed, round, index, trial, stream)``: the seed is the key, the
other four words are the counter.  Results therefore depend neither on the number of workers nor
on the order in which trials run.

Source: Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3* (SC 2011);
known-answer vectors from the Random123 distribution.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MULTIPLIER_0: Final = 0xD2511F53
MULTIPLIER_1: Final = 0xCD9E8D57
WEYL_0: Final = 0x9E3779B9
WEYL_1: Final = 0xBB67AE85
ROUNDS: Final = 10
MASK: Final = 0xFFFFFFFF
INV_2_32: Final = 2.0**-32


def philox4x32(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Encrypt a counter of four 32-bit words under a key of two.

    Parameters
    ----------
    c0, c1, c2, c3 : int
        Counter words in ``[0, 2**32)``.
    k0, k1 : int
        Key words in ``[0, 2**32)``.

    Returns
    -------
    tuple of int
        Four 32-bit words.
    """
    for _ in range(ROUNDS):
        p0 = MULTIPLIER_0 * c0
        p1 = MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0 = (k0 + WEYL_0) & MASK
        k1 = (k1 + WEYL_1) & MASK
    return c0, c1, c2, c3


def uniforms(
    seed: int, round_: int, index: int, trial: int, stream: int
) -> tuple[float, float, float, float]:
    """Four uniforms in [0, 1), each a multiple of ``2**-32``.

    Parameters
    ----------
    seed : int
        Key in ``[0, 2**64)``.
    round_, index, trial, stream : int
        Counter words in ``[0, 2**32)``.

    Returns
    -------
    tuple of float
        In stream ``STREAM_ROUND`` (index 0): routing choice, reward, cost, task or query.
    """
    key = int(seed)
    words = philox4x32(round_, index, trial, stream, key & MASK, (key >> 32) & MASK)
    return (
        words[0] * INV_2_32,
        words[1] * INV_2_32,
        words[2] * INV_2_32,
        words[3] * INV_2_32,
    )


def uniform_table(
    seed: int, round_: int, first_trial: int, stream: int, trials: int, size: int
) -> NDArray[np.float64]:
    """``size`` uniforms for each of ``trials`` trials in one round, [trials, size].

    Number k of a trial is word ``k mod 4`` of index ``k // 4``.
    """
    table = np.empty((trials, size))
    for t, k in np.ndindex(trials, size):
        table[t, k] = uniforms(seed, round_, k // 4, first_trial + t, stream)[k % 4]
    return table
