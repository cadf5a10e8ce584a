"""How a mean grows with the horizon: exponents, local slopes, and whether one exponent will do."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.analyse.intervals import Interval, check_level, check_sample
from fastroute.analyse.resample import Bootstrap, LogMeans, Statistic
from fastroute.checks import integer, number

if TYPE_CHECKING:
    import polars as pl

F8 = NDArray[np.float64]

#: A mean of values of both signs must be this many standard errors above zero to be fitted.
CLEAR_OF_ZERO: Final = 2.0
# No horizon counts as more than 100 times as precise, trial by trial, as the noisiest one, and
# none as exact: both would leave the fit to a single point.
_LEAST_SHARE: Final = 1e-4
_LEAST_VARIANCE: Final = 1e-18
_ROUNDING: Final = 1e-13
# The misfit is pointed out when noise alone would reach it this rarely.
_SURPRISING: Final = 0.01
# Columns of the laws that can hold nothing but nulls.
_NULLABLE: Final = ("log_power", "log_power_low", "log_power_high", "aicc", "weight")


@dataclass(frozen=True, eq=False)
class ScalingFit:
    """Fits of ``mean = constant * T^exponent`` and what speaks against them.

    Attributes
    ----------
    exponent : Interval
        Slope of the logarithm of the mean in log T. All intervals are symmetric studentized
        bootstrap intervals over trials.
    constant : float
        In the unit of the values.
    points : polars.DataFrame
        One row per horizon: ``horizon``, ``n`` (trials), ``mean``, ``se``, ``fitted`` (what the
        power law says).
    local : polars.DataFrame
        One row per pair of neighbouring horizons: ``horizon_low``, ``horizon_high``, ``slope``,
        ``se``, ``low``, ``high``.
    models : polars.DataFrame
        One row per law, ``power`` (T^x) and ``power_log`` (T^x log^y T): ``model``,
        ``parameters``, ``exponent``, ``exponent_low``, ``exponent_high``, ``log_power``,
        ``log_power_low``, ``log_power_high`` (null for ``power``), ``chi2`` (weighted sum of
        squared residuals), ``aicc``, ``weight`` (Akaike weight). ``aicc`` and ``weight`` are null
        where a law has too many parameters for the number of horizons.
    preferred : str or None
        The law of lower AICc; None with fewer than five horizons.
    slope_change : Interval or None
        Local slope at the largest horizon minus that at the smallest, from a parabola in log T;
        None with two horizons.
    misfit : float or None
        Probability that noise alone, independent between horizons, leaves residuals of the power
        law as large as these; None with two horizons.
    warnings : tuple of str
        What a reader of the exponent must know.
    """

    exponent: Interval
    constant: float
    points: "pl.DataFrame"
    local: "pl.DataFrame"
    models: "pl.DataFrame"
    preferred: str | None
    slope_change: Interval | None
    misfit: float | None
    warnings: tuple[str, ...]


def fit_scaling(
    horizons: ArrayLike,
    samples: Sequence[ArrayLike],
    *,
    level: float = 0.95,
    tolerance: float = 0.05,
    resamples: int = 1999,
    seed: int = 0,
) -> ScalingFit:
    """Fit a power of the horizon to means over trials.

    The logarithm of the mean is fitted by weighted least squares in log T. The variance of the
    logarithm at a horizon is, by the delta method, the squared coefficient of variation over the
    number of trials. Weights take the coefficients of variation from a line through their
    logarithms over log T: weights from each horizon's own sample would favour samples that miss
    their large values and came out small. Standard errors use each sample's own variance.

    Trials are resampled whole: trial i of every horizon counts as one draw, as it is for runs
    with one seed. Unequal numbers of trials are fine; the first ones are then the shared ones.

    Parameters
    ----------
    horizons : array_like of int, [H]
        Horizons T >= 2, increasing, two or more.
    samples : sequence of array_like, H of shape [trials]
        For each horizon one value per trial, in the order of the trials; lengths may differ.
    level : float
        Nominal coverage of the intervals.
    tolerance : float
        A significant curvature is warned of when it changes the local slope by more than this,
        and a significant misfit when a mean is off by more than this share.
    resamples : int
        Number of bootstrap resamples.
    seed : int
        Seed of the resampling; the same seed gives the same intervals.

    Returns
    -------
    ScalingFit

    Raises
    ------
    ValueError
        For horizons and samples that do not match, samples of fewer than two trials or with
        values that are not finite, and for means that are not above zero, or by less than two
        standard errors although some trials are below it: they have no logarithm worth fitting,
        and the message says what to do.

    References
    ----------
    Weights: Davidian, M. & Carroll, R. J. (1987), Variance function estimation. JASA 82(400),
    1079-1091. Intervals: Hall, P. (1988), On symmetric bootstrap confidence intervals. JRSS B
    50(1), 35-45. Comparison of laws: Hurvich, C. M. & Tsai, C.-L. (1989), Regression and time
    series model selection in small samples. Biometrika 76(2), 297-307.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).lognormal(0.0, 0.5, (4, 200))
    >>> horizons = [10**3, 10**4, 10**5, 10**6]
    >>> fit = fit_scaling(horizons, [T**0.66 * e for T, e in zip(horizons, noise)])
    >>> fit.exponent.low < 0.66 < fit.exponent.high
    True
    """
    check_settings(level, tolerance, resamples)
    steps = _horizons(horizons, len(samples))
    values = [
        _positive(check_sample(values, f"samples[{k}]"), f"horizon {steps[k]:g}")
        for k, values in enumerate(samples)
    ]
    return fit_growth(steps, values, level, tolerance, resamples, seed)


def check_settings(level: float, tolerance: float, resamples: int) -> None:
    """Check the settings that every fit shares.

    Raises
    ------
    ValueError
        Naming the first that is not allowed.
    """
    check_level(level)
    number("tolerance", tolerance, "a number >= 0", lambda x: x >= 0.0)
    integer("resamples", resamples)


def _horizons(horizons: ArrayLike, count: int) -> F8:
    steps = np.asarray(horizons, dtype=np.float64)
    if steps.ndim != 1 or steps.size < 2:
        raise ValueError(f"horizons: a slope needs two horizons or more, not shape {steps.shape}")
    if steps.size != count:
        raise ValueError(f"samples: {count} for {steps.size} horizons; give one per horizon")
    if not (np.isfinite(steps).all() and (steps >= 2.0).all() and (np.diff(steps) > 0.0).all()):
        raise ValueError(f"horizons: {horizons!r} must be increasing numbers >= 2")
    return steps


def _positive(values: F8, where: str) -> F8:
    """Return a sample whose mean is above zero beyond doubt.

    Raises
    ------
    ValueError
        When it is not, with what to do.
    """
    n = values.size
    if n < 2:
        raise ValueError(f"{where}: {n} trial has no standard error; give two trials or more")
    mean, se = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
    if mean <= 0.0:
        raise ValueError(
            f"{where}: the mean {mean:.4g} has no logarithm. The regret of a policy that "
            "overspends or mixes more models in time than are deployed at once can be below "
            "zero: fit its priced_regret, which charges overspending, or leave this horizon out"
        )
    # Where no trial is below zero the mean is above it for sure, however wide the spread.
    if values.min() < 0.0 and se * CLEAR_OF_ZERO > mean:
        needed = int(np.ceil(n * (se * CLEAR_OF_ZERO / mean) ** 2))
        raise ValueError(
            f"{where}: the mean {mean:.4g} with standard error {se:.2g} is not clearly above "
            f"zero. Use about {needed:,} trials instead of {n:,}, or leave this horizon out"
        )
    return values


def fit_growth(
    steps: F8, values: list[F8], level: float, tolerance: float, resamples: int, seed: int
) -> ScalingFit:
    """Fit checked samples; see :func:`fit_scaling`."""
    import polars as pl
    from scipy.special import chdtrc

    boot = Bootstrap(values, resamples, seed)
    n = boot.trials
    x = np.log(steps)
    ones, line = np.ones(x.size), x - x.mean()
    power = np.stack([ones, line], axis=1)
    exponent = boot.interval(_least_squares(power, x, n, 1), level)[0]
    local = boot.interval(_differences(x), level)
    level_at_mean = _fit(power, x, n, boot.data)
    constant = float(np.exp(level_at_mean[0] - exponent.estimate * x.mean()))
    fitted = power @ level_at_mean
    chi2 = _chi2(power, x, n, boot.data)
    slope_change, misfit, preferred = None, None, None
    if x.size > 2:
        parabola = np.column_stack([power, line**2 / (2.0 * np.ptp(x))])
        slope_change = boot.interval(_least_squares(parabola, x, n, 2), level)[0]
        misfit = float(chdtrc(x.size - 2, chi2))
    rows = [_model("power", [exponent], chi2, x.size)]
    # Stages of a single round begin at round 1, where log log T is infinite.
    if x.size > 3 and x[0] > 0.0:
        log_x = np.log(x)
        power_log = np.column_stack([power, log_x - log_x.mean()])
        both = boot.interval(_least_squares(power_log, x, n, 1, 2), level)
        rows.append(_model("power_log", both, _chi2(power_log, x, n, boot.data), x.size))
    if len(rows) == 2 and rows[1]["aicc"] is not None:
        scores = np.array([row["aicc"] for row in rows])
        weight = np.exp(-0.5 * (scores - scores.min()))
        for row, share in zip(rows, weight / weight.sum(), strict=True):
            row["weight"] = float(share)
        preferred = str(rows[int(scores.argmin())]["model"])
    means = np.array([v.mean() for v in values])
    off = np.exp(boot.data.log_mean - fitted) - 1.0
    return ScalingFit(
        exponent=exponent,
        constant=constant,
        points=pl.DataFrame(
            {
                "horizon": steps,
                "n": n,
                "mean": means,
                "se": [float(v.std(ddof=1) / np.sqrt(v.size)) for v in values],
                "fitted": np.exp(fitted),
            }
        ),
        local=pl.DataFrame(
            {
                "horizon_low": steps[:-1],
                "horizon_high": steps[1:],
                "slope": [i.estimate for i in local],
                "se": [i.se for i in local],
                "low": [i.low for i in local],
                "high": [i.high for i in local],
            }
        ),
        models=pl.DataFrame(rows, schema_overrides=dict.fromkeys(_NULLABLE, pl.Float64)),
        preferred=preferred,
        slope_change=slope_change,
        misfit=misfit,
        warnings=tuple(_warnings(steps, exponent, slope_change, misfit, off, tolerance)),
    )


def _variances(x: F8, n: NDArray[np.int64], means: LogMeans) -> F8:
    """Smooth variances of the log means: coefficients of variation on a line in x, over n."""
    own = np.diagonal(means.cov, axis1=-2, axis2=-1) * n
    top = own.max(axis=-1, keepdims=True)
    log_cv = np.log(np.maximum(np.maximum(own, _LEAST_SHARE * top), _LEAST_VARIANCE))
    line = x - x.mean()
    slope = np.asarray(log_cv @ line)[..., None] / float(line @ line)
    return np.asarray(np.exp(log_cv.mean(axis=-1, keepdims=True) + slope * line) / n)


def _solver(design: F8, x: F8, n: NDArray[np.int64], means: LogMeans) -> F8:
    """Matrix [..., k, H] that turns log means into the coefficients of a design [H, k]."""
    weighted = design.T / _variances(x, n, means)[..., None, :]
    return np.asarray(np.linalg.solve(weighted @ design, weighted), dtype=np.float64)


def _fit(design: F8, x: F8, n: NDArray[np.int64], means: LogMeans) -> F8:
    return np.asarray(_solver(design, x, n, means) @ means.log_mean)


def _chi2(design: F8, x: F8, n: NDArray[np.int64], means: LogMeans) -> float:
    residual = means.log_mean - design @ _fit(design, x, n, means)
    return float((residual**2 / _variances(x, n, means)).sum())


def _least_squares(design: F8, x: F8, n: NDArray[np.int64], *wanted: int) -> Statistic:
    """Statistic: some coefficients of a design with their standard errors."""

    def statistic(means: LogMeans) -> tuple[F8, F8]:
        return _linear(_solver(design, x, n, means)[..., list(wanted), :], means)

    return statistic


def _differences(x: F8) -> Statistic:
    """Statistic: slopes between neighbouring horizons."""
    matrix = np.diff(np.eye(x.size), axis=0) / np.diff(x)[:, None]
    return lambda means: _linear(matrix, means)


def _linear(matrix: F8, means: LogMeans) -> tuple[F8, F8]:
    """Numbers ``matrix @ log_mean`` and their standard errors."""
    estimate = (matrix @ means.log_mean[..., None])[..., 0]
    variance, size = (
        np.einsum("...kh,...hg,...kg->...k", m, c, m)
        for m, c in ((matrix, means.cov), (np.abs(matrix), np.abs(means.cov)))
    )
    # What is left where all terms cancel is rounding, and no error.
    return estimate, np.sqrt(np.where(variance > _ROUNDING * size, variance, 0.0))


def _model(name: str, found: list[Interval], chi2: float, horizons: int) -> dict[str, Any]:
    """Row of a law from the intervals of its powers.

    The variances are known from the trials, so only the coefficients count as parameters.
    """
    k = 1 + len(found)
    spare = horizons - k - 1
    row = {"model": name, "parameters": k}
    for power, interval in itertools.zip_longest(("exponent", "log_power"), found):
        ends = (None,) * 3 if interval is None else (interval.estimate, interval.low, interval.high)
        row |= dict(zip((power, f"{power}_low", f"{power}_high"), ends, strict=True))
    aicc = chi2 + 2 * k + 2 * k * (k + 1) / spare if spare > 0 else None
    return {**row, "chi2": chi2, "aicc": aicc, "weight": None}


def _warnings(
    steps: F8,
    exponent: Interval,
    slope_change: Interval | None,
    misfit: float | None,
    off: F8,
    tolerance: float,
) -> list[str]:
    """Say what makes a single exponent doubtful."""
    found = []
    if slope_change is None:
        found.append("Two horizons give a slope and no sign of curvature; add a third.")
    elif _significant(slope_change) and abs(slope_change.estimate) > tolerance:
        change = slope_change.estimate
        found.append(
            f"The local slope goes from about {exponent.estimate - 0.5 * change:.3f} to "
            f"{exponent.estimate + 0.5 * change:.3f} over the horizons (change {change:+.3f}, "
            f"{slope_change.level:.0%} interval {slope_change.low:+.3f} to "
            f"{slope_change.high:+.3f}): a single exponent depends on which horizons are fitted. "
            "Report the local slopes, or fit the largest horizons only."
        )
    elif misfit is not None and misfit < _SURPRISING and np.abs(off).max() > tolerance:
        worst = int(np.argmax(np.abs(off)))
        found.append(
            f"At horizon {steps[worst]:g} the mean is {off[worst]:+.1%} off the power law, more "
            f"than noise explains (p = {misfit:.1g}): the growth is not smooth in the horizon. "
            "Report the local slopes."
        )
    if steps[-1] < 10.0 * steps[0]:
        found.append(
            f"The horizons span a factor of {steps[-1] / steps[0]:.3g}, less than a decade: other "
            "laws fit such a range as well."
        )
    return found


def _significant(interval: Interval) -> bool:
    return interval.low > 0.0 or interval.high < 0.0
