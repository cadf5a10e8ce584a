"""Bootstrap over trials of the mean at several settings, for statistics that are linear in logs.

Trial i of every setting may have met the same draws, as all runs with one seed do. So trials are
resampled whole, with their values at all settings. That is right for independent samples too,
where it only estimates covariances that are zero.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse.intervals import Interval

F8 = NDArray[np.float64]

# Numbers gathered at once: bounds the memory to about 30 MB whatever the number of trials.
_BATCH = 2_000_000


class LogMeans(NamedTuple):
    """Logarithms of means at H settings, of the data ([H]) or of B resamples ([B, H]).

    Attributes
    ----------
    log_mean : f8 [..., H]
        Logarithm of the mean plus half its relative variance, which cancels the bias that the
        curvature of the logarithm causes. NaN where a resample has a mean <= 0.
    cov : f8 [..., H, H]
        Covariance of the logarithms by the delta method.
    """

    log_mean: F8
    cov: F8


#: Turns log means into one or several numbers and their standard errors.
Statistic = Callable[[LogMeans], tuple[F8, F8]]


class Bootstrap:
    """Samples at H settings, sharing their first trials, and resamples of them.

    Parameters
    ----------
    samples : sequence of f8 [trials_h]
        Values of the trials; trial i is the same trial in every sample that is long enough.
        Means must be positive and every sample have two trials or more.
    resamples : int
        Number of resamples B.
    seed : int
        Seed of the resampling.
    """

    def __init__(self, samples: Sequence[F8], resamples: int, seed: int) -> None:
        self.trials = np.array([sample.size for sample in samples])
        self._scale = np.array([sample.mean() for sample in samples])
        relative = [sample / mean - 1.0 for sample, mean in zip(samples, self._scale, strict=True)]
        size = len(samples)
        total = np.zeros((1, size, size))
        cross = np.zeros((1, size, size))
        totals = np.zeros((resamples, size, size))
        crosses = np.zeros((resamples, size, size))
        rng = np.random.default_rng(seed)
        first = 0
        # Trials from one length to the next take part at the same settings: they are resampled
        # among themselves, so that every resample has as many trials as the data.
        for stop in np.unique(self.trials).tolist():
            there = np.flatnonzero(self.trials >= stop)
            values = np.stack([relative[h][first:stop] for h in there], axis=1)
            where = np.ix_(np.zeros(1, np.int64), there, there)
            total[where] += values.sum(axis=0)[None, :, None]
            cross[where] += values.T @ values
            batch = max(1, _BATCH // values.size)
            for start in range(0, resamples, batch):
                rows = np.arange(start, min(start + batch, resamples))
                drawn = values[rng.integers(0, len(values), (len(rows), len(values)))]
                where = np.ix_(rows, there, there)
                totals[where] += drawn.sum(axis=1)[:, :, None]
                crosses[where] += drawn.transpose(0, 2, 1) @ drawn
            first = stop
        data = self._log_means(total, cross)
        self.data = LogMeans(data.log_mean[0], data.cov[0])
        self.resampled = self._log_means(totals, crosses)

    def _log_means(self, total: F8, cross: F8) -> LogMeans:
        """Log means from sums over the trials that two settings share.

        ``total[b, h, g]`` sums the relative deviations at h, ``cross[b, h, g]`` their products
        with those at g.
        """
        n = self.trials
        mean = np.diagonal(total, axis1=1, axis2=2) / n
        shared = np.minimum.outer(n, n)
        moved = mean[:, None, :] * total + mean[:, :, None] * total.transpose(0, 2, 1)
        centred = cross - moved + shared * mean[:, :, None] * mean[:, None, :]
        # Each trial moves a mean by its deviation over n; n - 1 makes variances unbiased.
        weight = 1.0 / np.sqrt(n * (n - 1.0))
        ratio = np.where(mean > -1.0, 1.0 + mean, np.nan)
        relative = weight / ratio
        cov = centred * relative[:, :, None] * relative[:, None, :]
        variance = np.maximum(np.diagonal(cov, axis1=1, axis2=2), 0.0)
        return LogMeans(np.log(self._scale * ratio) + 0.5 * variance, cov)

    def interval(self, statistic: Statistic, level: float) -> list[Interval]:
        """Symmetric studentized bootstrap intervals of the numbers of a statistic.

        With t* = |θ* - θ| / se* over the resamples, the interval is θ ± se · quantile(t*, level).

        Parameters
        ----------
        statistic : callable
            Takes :class:`LogMeans`, returns estimates and standard errors [..., count].
        level : float
            Nominal coverage.

        Returns
        -------
        list of Interval
            ``n`` is the smallest number of trials at any setting.

        References
        ----------
        Hall, P. (1988), On symmetric bootstrap confidence intervals. JRSS B 50(1), 35-45.
        """
        estimate, se = statistic(self.data)
        estimates, errors = statistic(self.resampled)
        found = []
        for k in range(estimate.size):
            half = 0.0
            if se[k] > 0.0:
                off = np.abs(estimates[:, k] - estimate[k])
                with np.errstate(divide="ignore", invalid="ignore"):
                    t = off / errors[:, k]
                # A resample that misses by as much as one can (a mean below zero) or has no
                # spread of its own is infinitely far away; one that misses by nothing is not.
                t[~np.isfinite(t) & (off != 0.0)] = np.inf
                t[off == 0.0] = 0.0
                half = float(np.quantile(t, level, method="higher") * se[k])
            centre = float(estimate[k])
            n = int(self.trials.min())
            found.append(Interval(centre, float(se[k]), centre - half, centre + half, n, level))
        return found
