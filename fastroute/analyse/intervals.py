"""Confidence intervals of quantities measured once per trial."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.checks import integer, number

Statistic = Callable[..., Any]


class Interval(NamedTuple):
    """An estimate over trials with its confidence interval.

    Attributes
    ----------
    estimate : float
        The estimate itself (for :func:`fastroute.mean_interval` the sample mean).
    se : float
        Standard error of the estimate; NaN for a single trial.
    low, high : float
        Ends of the interval, in the unit of the values; NaN for a single trial.
    n : int
        Number of trials.
    level : float
        Nominal coverage, 0.95 for a 95 % interval.
    """

    estimate: float
    se: float
    low: float
    high: float
    n: int
    level: float


def check_level(level: float) -> float:
    """Return `level` when it is a coverage between 0 and 1, exclusive.

    Raises
    ------
    ValueError
        When it is not.
    """
    must = "a coverage, a number between 0 and 1"
    return number("level", level, must, lambda x: 0.0 < x < 1.0)


def check_sample(values: ArrayLike, name: str = "values") -> NDArray[np.float64]:
    """Return `values` as a finite one-dimensional array with at least one element.

    Raises
    ------
    ValueError
        When the array is empty, not one-dimensional, or holds NaN or infinity.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{name}: shape {array.shape} is not a sample; give one value per trial, "
            "a one-dimensional array that is not empty"
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(
            f"{name}: {array[bad[0]]} at position {bad[0]} ({bad.size} such values); "
            "drop or repair the trials that are not finite"
        )
    return array


def student_halfwidth(se: ArrayLike, n: ArrayLike, level: float = 0.95) -> NDArray[np.float64]:
    """Half the width of a Student interval.

    Parameters
    ----------
    se : array_like
        Standard errors of means, any shape.
    n : array_like
        Number of trials behind each, broadcast against `se`.
    level : float
        Nominal coverage.

    Returns
    -------
    ndarray of float64
        ``t_{(1+level)/2, n-1} * se`` in the broadcast shape; NaN where `n` < 2.

    Raises
    ------
    ValueError
        When `level` is not between 0 and 1.
    """
    from scipy.special import stdtrit

    check_level(level)
    error, count = np.broadcast_arrays(
        np.asarray(se, dtype=np.float64), np.asarray(n, dtype=np.float64)
    )
    quantile = np.full(count.shape, np.nan)
    many = count >= 2
    quantile[many] = stdtrit(count[many] - 1.0, 0.5 * (1.0 + level))
    return np.asarray(quantile * error, dtype=np.float64)


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean over trials with its Student interval.

    Parameters
    ----------
    values : array_like, shape [trials]
        One value per trial.
    level : float
        Nominal coverage.

    Returns
    -------
    Interval
        ``mean ± t * sd / sqrt(n)`` with the unbiased standard deviation.

    Raises
    ------
    ValueError
        When the values are empty, not one-dimensional or not finite, or when `level` is not
        between 0 and 1.
    """
    array = check_sample(values)
    n = array.size
    mean = float(array.mean())
    se = float(array.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    half = float(student_halfwidth(se, n, level))
    return Interval(mean, se, mean - half, mean + half, n, level)


def bootstrap_interval(
    values: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of any statistic over trials, bias-corrected and accelerated (BCa).

    Meant for what the Student interval does not cover: medians, tail quantiles, or the mean of
    a strongly skewed sample.

    Parameters
    ----------
    values : array_like, shape [trials]
        One value per trial.
    statistic : callable
        Called as ``statistic(sample, axis=-1)`` on arrays whose last axis is the trials, for
        example ``numpy.mean``, ``numpy.median``.
    level : float
        Nominal coverage.
    resamples : int
        Number of bootstrap resamples.
    seed : int
        Seed of the resampling; the same seed gives the same interval.

    Returns
    -------
    Interval
        The interval has no width when every resample gives the same value.

    Raises
    ------
    ValueError
        When the values are empty, not one-dimensional or not finite, when `level` is not
        between 0 and 1, or when `resamples` is below 1.

    References
    ----------
    Efron, B. (1987), Better bootstrap confidence intervals. JASA 82(397), 171-185.
    """
    from scipy import stats

    array = check_sample(values)
    check_level(level)
    integer("resamples", resamples)
    n = array.size
    estimate = float(statistic(array, axis=-1))
    if n == 1:
        nan = float("nan")
        return Interval(estimate, nan, nan, nan, n, level)
    # The percentile bootstrap needs no jackknife and cannot fail, so it goes first and serves
    # samples whose resamples are all alike, where the BCa correction divides zero by zero.
    # Batches keep the memory near 8 MB whatever the number of trials.
    batch = max(1, min(resamples, 1_000_000 // n))
    plain = stats.bootstrap(
        (array,),
        statistic,
        n_resamples=resamples,
        batch=batch,
        vectorized=True,
        axis=-1,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    draws = np.asarray(plain.bootstrap_distribution)
    if np.ptp(draws) == 0.0:
        return Interval(estimate, 0.0, estimate, estimate, n, level)
    corrected = stats.bootstrap(
        (array,),
        statistic,
        n_resamples=0,
        batch=batch,
        vectorized=True,
        axis=-1,
        confidence_level=level,
        method="BCa",
        bootstrap_result=plain,
    )
    low, high = (float(end) for end in corrected.confidence_interval)
    return Interval(estimate, float(draws.std(ddof=1)), low, high, n, level)
