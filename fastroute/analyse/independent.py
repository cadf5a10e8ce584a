"""Means of independent samples compared, where trials are not paired."""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from fastroute.analyse.intervals import Interval, check_level, check_sample

_FEWEST: Final = 2


def independent_difference(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> Interval:
    """Estimate the difference of two means, a - b, of independent samples (Welch).

    Parameters
    ----------
    a, b : array_like, [trials]
        One value per trial; their numbers may differ.
    level : float
        Nominal coverage of the interval.

    Returns
    -------
    Interval
        With Welch's degrees of freedom; ``n`` is the smaller number of trials. Its ends are NaN
        where a sample has a single trial.

    Raises
    ------
    ValueError
        When a sample is empty or a value is not finite.
    """
    from scipy.special import stdtrit

    check_level(level)
    above, below = check_sample(a, "a"), check_sample(b, "b")
    difference = float(above.mean() - below.mean())
    n = min(above.size, below.size)
    if n < _FEWEST:
        return Interval(difference, math.nan, math.nan, math.nan, n, level)
    parts = [float(values.var(ddof=1)) / values.size for values in (above, below)]
    se = math.sqrt(sum(parts))
    half = 0.0
    if se > 0.0:
        degrees = sum(parts) ** 2 / sum(
            part**2 / (values.size - 1) for part, values in zip(parts, (above, below), strict=True)
        )
        half = se * float(stdtrit(degrees, 0.5 + 0.5 * level))
    return Interval(difference, se, difference - half, difference + half, n, level)


def independent_ratio(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> Interval:
    """Estimate the ratio of two means, a over b, of independent samples.

    The standard error of its logarithm is that of the difference of the samples, each over its
    mean (delta method); the interval is symmetric around the logarithm.

    Parameters
    ----------
    a, b : array_like, [trials]
        One value per trial; their numbers may differ.
    level : float
        Nominal coverage of the interval.

    Returns
    -------
    Interval
        The ratio; ``se`` is that of the ratio.

    Raises
    ------
    ValueError
        When a sample is empty, a value is not finite, or a mean is not above 0.
    """
    above, below = check_sample(a, "a"), check_sample(b, "b")
    for name, values in (("a", above), ("b", below)):
        if not values.mean() > 0.0:
            raise ValueError(
                f"{name}: the mean {values.mean():.4g} is not above 0, so a ratio has no meaning; "
                "compare differences instead"
            )
    ratio = float(above.mean() / below.mean())
    log = independent_difference(above / above.mean(), below / below.mean(), level=level)
    low, high = (ratio * float(np.exp(end)) for end in (log.low, log.high))
    return Interval(ratio, ratio * log.se, low, high, log.n, level)
