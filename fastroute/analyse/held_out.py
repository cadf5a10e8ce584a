"""Many alternatives against a reference in several respects, and the best of them held out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.analyse.intervals import check_level, student_halfwidth


class Comparisons(NamedTuple):
    """Mean differences with intervals that hold all at once.

    Attributes
    ----------
    mean, low, high : f8 [...]
        Mean over trials of every difference and the ends of its interval; NaN ends for a single
        trial.
    n : int
        Number of trials.
    level : float
        Coverage of all intervals together.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: int
    level: float

    @property
    def less(self) -> NDArray[np.bool_]:
        """Where the difference is clearly below zero."""
        return np.asarray(self.high < 0.0)

    @property
    def more(self) -> NDArray[np.bool_]:
        """Where the difference is clearly above zero."""
        return np.asarray(self.low > 0.0)

    @property
    def same(self) -> NDArray[np.bool_]:
        """Where the difference is zero in every trial."""
        return np.asarray((self.low == 0.0) & (self.high == 0.0))


class HeldOut(NamedTuple):
    """The alternative that was chosen on one half of the trials, judged on the other.

    Attributes
    ----------
    chosen : int
        Place of the alternative.
    less, more : int
        In how many respects it was clearly below and above zero where it was chosen.
    judged : Comparisons
        Its differences on the other half, [respects].
    """

    chosen: int
    less: int
    more: int
    judged: Comparisons


def compare_jointly(differences: ArrayLike, *, level: float = 0.95) -> Comparisons:
    """Mean differences over trials, with intervals that hold all at once.

    Parameters
    ----------
    differences : array_like, [..., trials]
        For each comparison one difference per trial.
    level : float
        Coverage of all intervals together: each of m has the level 1 - (1 - level) / m
        (Bonferroni).

    Returns
    -------
    Comparisons

    Raises
    ------
    ValueError
        When there is nothing to compare, a difference is not finite, or `level` is not between
        0 and 1.
    """
    check_level(level)
    values = _differences(differences)
    count = int(np.prod(values.shape[:-1]))
    return _compare(values, level, 1.0 - (1.0 - level) / count)


def choose_and_judge(differences: ArrayLike, *, level: float = 0.95) -> HeldOut:
    """Choose the best of many alternatives on one half of the trials, and judge it on the other.

    Of the alternatives that are clearly below zero in some respect (intervals of `level` each), the
    one of most respects in which it is that, or zero in every trial, less those in which it is
    clearly above, is chosen; of several the one with the lowest mean of the differences over their
    standard errors. The other half knows nothing of the choice, so its intervals need no
    correction for the number of alternatives.

    Parameters
    ----------
    differences : array_like, [alternatives, respects, trials]
        For each alternative and respect (a workload, a quantity) its value minus that of a
        reference, trial by trial; small is good. Trials are independent: the first half chooses.
    level : float
        Coverage of all intervals of the chosen alternative together.

    Returns
    -------
    HeldOut

    Raises
    ------
    ValueError
        When the shape is another, there are fewer than two trials, a difference is not finite, or
        `level` is not between 0 and 1.

    Examples
    --------
    >>> noise = np.array([-1.0, 1.0, -0.5, 0.5, -1.0, 1.0, -0.5, 0.5])
    >>> found = choose_and_judge([[noise + 4.0], [noise - 3.0], [noise]])
    >>> found.chosen, float(found.judged.mean[0]), bool(found.judged.less[0])
    (1, -3.0, True)
    """
    check_level(level)
    values = _differences(differences)
    if values.ndim != 3 or values.shape[-1] < 2:
        raise ValueError(
            f"differences: shape {values.shape}; give [alternatives, respects, trials] with two "
            "trials or more"
        )
    half = values.shape[-1] // 2
    first = _compare(values[..., :half], level, level)
    surplus = (first.less | first.same).sum(axis=1) - first.more.sum(axis=1)
    surplus[~first.less.any(axis=1)] = -first.mean.shape[1] - 1
    width = np.nan_to_num(0.5 * (first.high - first.low))
    score = np.divide(first.mean, width, out=np.zeros_like(width), where=width > 0.0).mean(axis=1)
    chosen = int(np.lexsort((score, -surplus))[0])
    return HeldOut(
        chosen,
        int(first.less[chosen].sum()),
        int(first.more[chosen].sum()),
        compare_jointly(values[chosen, :, half:], level=level),
    )


def _differences(differences: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim < 2 or not values.size:
        raise ValueError(f"differences: shape {values.shape}; give one difference per trial")
    if not np.isfinite(values).all():
        raise ValueError("differences: not all are finite; drop or repair these trials")
    return values


def _compare(values: NDArray[np.float64], level: float, each: float) -> Comparisons:
    """Compare at a level for each difference, where all together have another."""
    n = values.shape[-1]
    mean = values.mean(axis=-1)
    se = values.std(axis=-1, ddof=1) / np.sqrt(n) if n > 1 else np.full(mean.shape, np.nan)
    half = student_halfwidth(se, n, each)
    return Comparisons(mean, mean - half, mean + half, n, level)
