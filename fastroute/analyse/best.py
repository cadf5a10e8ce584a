"""Which of several alternatives is best, and which cannot be told apart from it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastroute.analyse.intervals import check_level, check_sample
from fastroute.analyse.paired import PairedDifference, paired_difference


class BestOf(NamedTuple):
    """The alternative of lowest mean, and how far the others are from it.

    Attributes
    ----------
    means : tuple of float
        Mean of every alternative.
    best : int
        Place of the lowest of them.
    excess : tuple of PairedDifference
        For every alternative, its values minus those of the best one; of the best one itself,
        zero. The intervals hold all at once at the level asked for.
    level : float
        Coverage of all intervals together.
    """

    means: tuple[float, ...]
    best: int
    excess: tuple[PairedDifference, ...]
    level: float

    @property
    def ties(self) -> tuple[int, ...]:
        """Places that cannot be told apart from the best one, which is among them."""
        return tuple(
            place
            for place, found in enumerate(self.excess)
            if place == self.best or not found.low > 0.0
        )


def best_of(samples: Sequence[ArrayLike], *, level: float = 0.95) -> BestOf:
    """Find the alternative of lowest mean and compare the others with it, trial by trial.

    The best one is chosen by the same data, so every pair of alternatives counts as a
    comparison: with m of them each interval has the level 1 - (1 - level) / (m (m - 1) / 2)
    (Bonferroni).

    Parameters
    ----------
    samples : sequence of array_like, each [trials]
        For each alternative one value per trial, in the order of the trials.
    level : float
        Coverage of all intervals together.

    Returns
    -------
    BestOf

    Raises
    ------
    ValueError
        When there is no alternative, or numbers of trials differ.

    Examples
    --------
    >>> found = best_of([[3.0, 4.0, 5.0], [1.0, 2.1, 2.9], [1.0, 2.0, 3.1]])
    >>> found.best, found.ties
    (1, (1, 2))
    """
    check_level(level)
    if not samples:
        raise ValueError("samples: none are given; give one or more alternatives")
    arrays = [check_sample(values, f"samples[{place}]") for place, values in enumerate(samples)]
    means = tuple(float(values.mean()) for values in arrays)
    best = int(np.argmin(means))
    pairs = max(len(samples) * (len(samples) - 1) // 2, 1)
    each = 1.0 - (1.0 - level) / pairs
    excess = tuple(paired_difference(values, arrays[best], level=each) for values in arrays)
    return BestOf(means, best, excess, level)
