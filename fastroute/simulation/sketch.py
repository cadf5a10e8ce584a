"""Quantiles over trials from counts in bins: small, and the same for any order of merging.

A bin is the numbers that share sign, exponent and the first seven binary digits of the mantissa,
so bins are at most ``2**-7`` of their lower end wide, and their midpoints are within
:data:`RELATIVE_ERROR` of every number in them. Counts are whole numbers: adding them up gives the
same bits whatever came first, which floating-point sketches and t-digests do not.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

#: Largest error of a quantile, relative to the order statistics around it.
RELATIVE_ERROR: Final = 2.0**-8
# Binary digits of a double that are dropped: 52 of the mantissa but seven.
_DROPPED: Final = 45
_MAGNITUDE: Final = np.int64(2**63 - 1)
# Keys lie within +-2**18; added, they become positive.
_KEY_BITS: Final = 20
_OFFSET: Final = 1 << (_KEY_BITS - 1)


class Sketch(NamedTuple):
    """Counts of the occupied bins of every quantity and checkpoint, in increasing order.

    ``slot`` is ``quantity * checkpoints + checkpoint``.
    """

    slot: NDArray[np.int32]
    key: NDArray[np.int32]  #: of the bin; grows with the numbers in it
    tally: I8  #: trials in the bin


def sketch(curves: F8) -> Sketch:
    """Count curves [quantity, trials, checkpoint] into bins."""
    trials = curves.shape[1]
    # Adding zero turns -0.0 into 0.0, which is the same number.
    bits = (np.ascontiguousarray(curves) + 0.0).view(np.int64)
    key = ((bits & _MAGNITUDE) >> _DROPPED).astype(np.int32)
    np.negative(key, out=key, where=bits < 0)
    key = np.sort(np.moveaxis(key, 1, 2).reshape(-1, trials), axis=1)
    new = np.ones(key.shape, np.bool_)
    np.not_equal(key[:, 1:], key[:, :-1], out=new[:, 1:])
    starts = np.flatnonzero(new)
    return Sketch(
        (starts // trials).astype(np.int32), key.ravel()[starts], np.diff(starts, append=key.size)
    )


def merge_sketches(parts: Iterable[Sketch]) -> Sketch:
    """Add up the counts of several sketches."""
    slot, key, tally = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    word = (slot.astype(np.int64) << _KEY_BITS) + (key.astype(np.int64) + _OFFSET)
    order = np.argsort(word, kind="stable")
    word = word[order]
    starts = np.flatnonzero(np.concatenate([[True], word[1:] != word[:-1]]))
    word = word[starts]
    return Sketch(
        (word >> _KEY_BITS).astype(np.int32),
        ((word & ((1 << _KEY_BITS) - 1)) - _OFFSET).astype(np.int32),
        np.add.reduceat(tally[order], starts),
    )


def sketch_quantiles(of: Sketch, slots: int, levels: list[float]) -> F8:
    """Quantiles of every slot, by linear interpolation between order statistics.

    Returns
    -------
    ndarray, [levels, slots]
        Each within ``RELATIVE_ERROR`` of the larger of the two order statistics that it is
        between, in absolute value.
    """
    total = np.cumsum(of.tally)
    trials = int(total[-1]) // slots
    rank = np.array(levels)[:, None] * (trials - 1)
    low = np.floor(rank)
    first = np.arange(slots) * trials
    middle = _midpoint(of.key)

    def order_statistic(k: F8) -> F8:
        found: F8 = middle[np.searchsorted(total, first + k, side="right")]
        return found

    below, above = order_statistic(low), order_statistic(np.ceil(rank))
    quantiles: F8 = below + (rank - low) * (above - below)
    return quantiles


def _midpoint(key: NDArray[np.int32]) -> F8:
    """Middle of a bin; zero for the bin of zero."""
    magnitude = np.abs(key.astype(np.int64))
    low, high = ((magnitude + k << _DROPPED).view(np.float64) for k in (0, 1))
    middle: F8 = np.sign(key) * (0.5 * (low + high))
    return middle
