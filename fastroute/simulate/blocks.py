"""Accounts of many trials, reduced to blocks of trials.

A block is ``BLOCK`` trials with consecutive numbers, whatever chunk or thread they ran in, and
blocks are put together in order: sums over trials do not depend on how the work was divided.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.simulate.ledger import STAGE_COLUMNS

F8 = NDArray[np.float64]

#: Trials in a block; chunks are whole numbers of blocks.
BLOCK: Final = 64
_CODES: Final = [STAGE_COLUMNS.index(name) for name in ("method", "status")]


class Moments(NamedTuple):
    """Mean and sum of squared deviations over trials; the last axis is that of blocks, if any."""

    mean: F8
    square: F8


def block_curves(curves: F8) -> Moments:
    """Reduce curves [quantity, trials, checkpoint] to moments [quantity, checkpoint, block]."""
    parts = _split(curves, 1)
    means = [part.mean(axis=1) for part in parts]
    squares = [
        ((part - mean[:, None, :]) ** 2).sum(axis=1)
        for part, mean in zip(parts, means, strict=True)
    ]
    return Moments(np.stack(means, axis=-1), np.stack(squares, axis=-1))


def merge_moments(blocks: list[Moments], trials: int) -> Moments:
    """Moments over all trials from those of blocks, in order (Chan, Golub & LeVeque 1983)."""
    means = np.concatenate([b.mean for b in blocks], axis=-1)
    squares = np.concatenate([b.square for b in blocks], axis=-1)
    mean, square = means[..., 0].copy(), squares[..., 0].copy()
    done = min(BLOCK, trials)
    for k in range(1, means.shape[-1]):
        count = min(BLOCK, trials - done)
        delta = means[..., k] - mean
        square += squares[..., k] + delta**2 * (done * count / (done + count))
        done += count
        mean += delta * (count / done)
    return Moments(mean, square)


def block_stages(table: F8) -> F8:
    """Reduce a stage table [column, stage, trials] to sums [column, stage, block].

    Codes (method and status) are kept where all trials of a block agree, else NaN.
    """
    parts = _split(table, 2)
    sums = np.stack([part.sum(axis=2) for part in parts], axis=-1)
    for code in _CODES:
        same = [(part[code] == part[code, :, :1]).all(axis=1) for part in parts]
        sums[code] = np.stack(
            [
                np.where(agreed, part[code, :, 0], np.nan)
                for agreed, part in zip(same, parts, strict=True)
            ],
            axis=-1,
        )
    return sums


def merge_stages(blocks: list[F8], trials: int) -> F8:
    """Means over all trials [column, stage, 1]; codes are NaN where trials differ."""
    sums = np.concatenate(blocks, axis=-1)
    means = np.add.reduce(sums, axis=-1) / trials
    for code in _CODES:
        agreed = (sums[code] == sums[code, :, :1]).all(axis=-1)
        means[code] = np.where(agreed, sums[code, :, 0], np.nan)
    return means[:, :, None]


def _split(array: F8, axis: int) -> list[F8]:
    return np.array_split(array, range(BLOCK, array.shape[axis], BLOCK), axis=axis)
