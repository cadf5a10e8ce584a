"""Accounts of many trials, reduced to blocks of trials.

A block is ``BLOCK`` trials with consecutive numbers, whatever chunk, thread or machine they ran
on, and blocks are put together in order: sums over trials do not depend on how the work was
divided.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.simulation.columns import STAGE_COLUMNS, Reduce
from fastroute.simulation.sketch import Sketch, merge_sketches, sketch

F8 = NDArray[np.float64]

#: Trials in a block; chunks are whole numbers of blocks.
BLOCK: Final = 64
_CODES: Final = [k for k, c in enumerate(STAGE_COLUMNS) if c.reduce is Reduce.AGREED]


class Moments(NamedTuple):
    """Curves over trials: mean and sum of squared deviations, and counts for quantiles."""

    mean: F8  #: [quantity, checkpoint], with a last axis of blocks before they are merged
    square: F8  #: the same
    sketch: Sketch


class Models(NamedTuple):
    """The models of a run, and what became of them."""

    names: tuple[str, ...]
    arrival: NDArray[np.int64]  #: first round, [N]
    retirement: NDArray[np.int64]  #: first round without it, [N]
    #: MODEL_COLUMNS of every trial, [column, N, trials], or sums over blocks of trials of them and
    #: of their squares, [2, column, N, block].
    values: F8


def block_curves(curves: F8) -> Moments:
    """Reduce curves [quantity, trials, checkpoint] to moments [quantity, checkpoint, block]."""
    parts = _split(curves, 1)
    means = [part.mean(axis=1) for part in parts]
    squares = [
        ((part - mean[:, None, :]) ** 2).sum(axis=1)
        for part, mean in zip(parts, means, strict=True)
    ]
    return Moments(np.stack(means, axis=-1), np.stack(squares, axis=-1), sketch(curves))


def concatenate_moments(parts: list[Moments]) -> Moments:
    """Put the blocks of several reductions one behind the other."""
    return Moments(
        np.concatenate([part.mean for part in parts], axis=-1),
        np.concatenate([part.square for part in parts], axis=-1),
        merge_sketches(part.sketch for part in parts),
    )


def merge_moments(blocks: Moments, trials: int) -> Moments:
    """Moments over all trials from those of blocks, in order (Chan, Golub & LeVeque 1983).

    Only the last block may have fewer than ``BLOCK`` trials.
    """
    means, squares = blocks.mean, blocks.square
    mean, square = means[..., 0].copy(), squares[..., 0].copy()
    done = min(BLOCK, trials)
    for k in range(1, means.shape[-1]):
        count = min(BLOCK, trials - done)
        delta = means[..., k] - mean
        square += squares[..., k] + delta**2 * (done * count / (done + count))
        done += count
        mean += delta * (count / done)
    return Moments(mean, square, blocks.sketch)


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


def merge_stages(sums: F8, trials: int) -> F8:
    """Means over all trials [column, stage, 1] from the sums of blocks.

    Codes are NaN where trials differ.
    """
    means = np.add.reduce(np.ascontiguousarray(sums), axis=-1) / trials
    for code in _CODES:
        agreed = (sums[code] == sums[code, :, :1]).all(axis=-1)
        means[code] = np.where(agreed, sums[code, :, 0], np.nan)
    return means[:, :, None]


def block_models(values: F8) -> F8:
    """Reduce numbers of models [column, N, trials] to sums of them and of their squares.

    Returns
    -------
    ndarray, [2, column, N, block]
    """
    parts = _split(values, 2)
    return np.stack(
        [np.stack([part.sum(axis=2), (part**2).sum(axis=2)]) for part in parts], axis=-1
    )


def merge_models(values: F8, trials: int) -> F8:
    """Means over all trials and their standard errors, [2, column, N].

    Of the numbers of trials or of the sums of blocks, as in :class:`Models`; the same either way.
    A standard error is NaN for a single trial.
    """
    sums = values if values.ndim == 4 else block_models(values)
    mean, square = np.add.reduce(np.ascontiguousarray(sums), axis=-1) / trials
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(np.maximum(square - mean**2, 0.0) / np.float64(trials - 1))
    return np.stack([mean, spread])


def _split(array: F8, axis: int) -> list[F8]:
    # Sums depend on the order of an array in memory, and arrays that were read from a file or put
    # together have orders of their own.
    array = np.ascontiguousarray(array)
    return np.array_split(array, range(BLOCK, array.shape[axis], BLOCK), axis=axis)
