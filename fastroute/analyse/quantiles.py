"""Quantiles over trials, and shares of trials, with their intervals."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastroute.analyse.intervals import Interval, check_level, check_sample


class QuantileInterval(NamedTuple):
    """A quantile over trials with an interval that no law of the values is assumed for.

    Attributes
    ----------
    estimate : float
        The sample quantile (linear between order statistics).
    low, high : float
        Ends of the interval, two of the values; -inf or inf where there are too few trials to
        bound that side.
    coverage : float
        Least probability that the interval holds the quantile, at least `level`; it can be well
        above, because ends are values that occurred.
    n : int
        Number of trials.
    level : float
        Nominal coverage.
    """

    estimate: float
    low: float
    high: float
    coverage: float
    n: int
    level: float


def quantile_interval(
    values: ArrayLike, quantile: float = 0.5, *, level: float = 0.95
) -> QuantileInterval:
    """Quantile over trials with the interval between two order statistics.

    The number of values below the true quantile is binomial whatever their law, so the
    probability that it lies between the l-th and the u-th smallest value is known.

    Parameters
    ----------
    values : array_like, shape [trials]
        One value per trial.
    quantile : float
        Which quantile, in (0, 1); 0.5 is the median.
    level : float
        Nominal coverage; each side misses with probability (1 - level) / 2 at most.

    Returns
    -------
    QuantileInterval

    Raises
    ------
    ValueError
        When the values are empty, not one-dimensional or not finite, or when `quantile` or
        `level` is not between 0 and 1.

    References
    ----------
    Conover, W. J. (1999), Practical Nonparametric Statistics, 3rd ed., section 3.2.
    """
    from scipy.special import bdtr
    from scipy.stats import binom

    array = np.sort(check_sample(values))
    check_level(level)
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile: {quantile!r} is not a quantile; give a number between 0 and 1")
    n = array.size
    # The slack forgives the last bits of a level such as 0.9, for which a count can fit exactly.
    side = 0.5 * (1.0 - level) * (1.0 + 1e-9)
    # The l-th smallest value is above the quantile when fewer than l values are below it.
    lower = int(binom.ppf(side, n, quantile))
    upper = int(binom.isf(side, n, quantile)) + 1
    below = float(bdtr(lower - 1, n, quantile)) if lower > 0 else 0.0
    above = 1.0 - float(bdtr(upper - 1, n, quantile)) if upper <= n else 0.0
    return QuantileInterval(
        estimate=float(np.quantile(array, quantile)),
        low=float(array[lower - 1]) if lower > 0 else -np.inf,
        high=float(array[upper - 1]) if upper <= n else np.inf,
        coverage=1.0 - below - above,
        n=n,
        level=level,
    )


def share_interval(count: int, n: int, *, level: float = 0.95) -> Interval:
    """Share of trials with Wilson's interval.

    Parameters
    ----------
    count : int
        Trials in which it happened.
    n : int
        All trials, at least 1.
    level : float
        Nominal coverage.

    Returns
    -------
    Interval
        ``estimate`` is ``count / n``; the ends stay within [0, 1], and the interval has a width
        also when it never or always happened.

    Raises
    ------
    ValueError
        When not ``0 <= count <= n`` with ``n >= 1``, or when `level` is not between 0 and 1.

    References
    ----------
    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference.
    JASA 22(158), 209-212.
    """
    from scipy.stats import binomtest

    check_level(level)
    if not (n >= 1 and 0 <= count <= n):
        raise ValueError(f"count: {count} of n={n} trials; give 0 <= count <= n with n >= 1")
    found = binomtest(int(count), int(n)).proportion_ci(level, method="wilson")
    share = count / n
    se = float(np.sqrt(share * (1.0 - share) / n))
    return Interval(share, se, float(found.low), float(found.high), int(n), level)
