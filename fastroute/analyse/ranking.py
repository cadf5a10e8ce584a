"""Which of several choices is best, which cannot be told from it, and how the best one moves."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.analyse.best import best_of
from fastroute.analyse.intervals import Interval, check_level, mean_interval

if TYPE_CHECKING:
    import polars as pl


def ranking(
    trials: "pl.DataFrame",
    choice: str,
    quantity: str = "priced_regret",
    *,
    level: float = 0.95,
) -> "pl.DataFrame":
    """Rank choices by the mean of a quantity that should be small, paired by trial.

    As :func:`~fastroute.analyse.best_of`, which has the intervals of the differences, for the
    rows of a study.

    Parameters
    ----------
    trials : polars.DataFrame
        One row per trial and choice: ``trial``, `choice` and `quantity`. Trials that some choice
        lacks are left out.
    choice : str
        Column that tells the choices apart.
    quantity : str
        Column that is compared.
    level : float
        Joint coverage of the differences, and coverage of each mean.

    Returns
    -------
    polars.DataFrame
        One row per choice, the best first (of equal means, the one that comes first in the
        frame): `choice`, ``n``, ``mean``, ``low``, ``high``; ``difference`` of this choice minus
        the best with ``difference_low`` and ``difference_high`` (0 for the best; NaN ends for a
        single trial); and ``tied``, whether it cannot be told from the best.

    Raises
    ------
    ValueError
        When a choice has a trial twice, no trial is common to all, a value is not finite, or
        `level` is not between 0 and 1.
    """
    import polars as pl

    names = trials.get_column(choice).unique(maintain_order=True).to_list()
    frame = trials.select("trial", choice, quantity)
    if frame.select("trial", choice).is_duplicated().any():
        raise ValueError(
            f"trials: a value of {choice!r} has a trial twice; filter the frame to one run each"
        )
    shared = frame.filter(pl.len().over("trial") == len(names)).sort("trial")
    if shared.is_empty():
        raise ValueError(f"trials: no trial is common to all values of {choice!r}")
    values = {
        name: shared.filter(pl.col(choice).eq_missing(pl.lit(name))).get_column(quantity).to_numpy()
        for name in names
    }
    found = best_of([values[name] for name in names], level=level)
    rows = []
    for place in sorted(range(len(names)), key=lambda place: float(values[names[place]].mean())):
        mean, excess = mean_interval(values[names[place]], level), found.excess[place]
        rows.append(
            {
                choice: names[place],
                "n": mean.n,
                "mean": mean.estimate,
                "low": mean.low,
                "high": mean.high,
                "difference": excess.mean,
                "difference_low": 0.0 if place == found.best else excess.low,
                "difference_high": 0.0 if place == found.best else excess.high,
                "tied": place in found.ties,
            }
        )
    return pl.DataFrame(rows, schema_overrides={choice: trials.schema[choice]})


def standings(rankings: "Iterable[pl.DataFrame]", choice: str) -> "pl.DataFrame":
    """Sum the rankings of several worlds up.

    Parameters
    ----------
    rankings : iterable of polars.DataFrame
        From :func:`ranking`, one per world.
    choice : str
        Their column of choices.

    Returns
    -------
    polars.DataFrame
        One row per choice, the lowest mean rank first: `choice`; ``worlds`` in which it is; in how
        many of them it is ``best``, and in how many it is best or ``tied`` with the best;
        ``mean_rank``, counted from 1; and ``ratio``, the median of its mean over that of the best,
        over the worlds in which that is above zero (null where there is none).
    """
    import polars as pl

    ranked = [
        frame.with_columns(
            pl.int_range(1, pl.len() + 1).alias("rank"),
            pl.when(pl.col("mean").first() > 0.0)
            .then(pl.col("mean") / pl.col("mean").first())
            .alias("ratio"),
        )
        for frame in rankings
    ]
    return (
        pl.concat(ranked)
        .group_by(choice, maintain_order=True)
        .agg(
            pl.len().alias("worlds"),
            (pl.col("rank") == 1).sum().alias("best"),
            pl.col("tied").sum(),
            pl.col("rank").mean().alias("mean_rank"),
            pl.col("ratio").median(),
        )
        .sort("mean_rank", maintain_order=True)
    )


class BestPower(NamedTuple):
    """How the best value of an option moves with a setting, as a power of it.

    Attributes
    ----------
    exponent : Interval
        Slope of log best against log setting, with its bootstrap interval.
    best : f8 [X]
        Best value of the option at each setting, between grid points by a parabola.
    low, high : f8 [X]
        Ends of its bootstrap interval.
    at_edge : bool [X]
        Whether the best value is the first or the last of the grid, so that the true one may lie
        beyond.
    """

    exponent: Interval
    best: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    at_edge: NDArray[np.bool_]


def best_power(
    setting: ArrayLike,
    option: ArrayLike,
    values: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 1999,
    seed: int = 0,
) -> BestPower:
    """Fit a power law to the value of an option that has the lowest mean at each setting.

    The best value is the lowest point of the parabola through the lowest mean and its two
    neighbours, over the logarithm of the option. Trials are resampled whole, so that what the
    cells share is kept, and the percentiles of the resamples are the ends of the intervals.

    Parameters
    ----------
    setting : array_like, [X]
        Values of the setting, > 0, at least two different ones.
    option : array_like, [G]
        Values of the option, > 0, increasing, at least three.
    values : array_like, [trials, X, G]
        What should be small.
    level : float
        Nominal coverage.
    resamples : int
        Bootstrap resamples of the trials.
    seed : int
        Of the resampling.

    Returns
    -------
    BestPower

    Raises
    ------
    ValueError
        When shapes do not fit, there are too few values, or they are not positive.
    """
    x, grid = np.log(_positive(setting, "setting")), np.log(_positive(option, "option"))
    sample = np.asarray(values, dtype=np.float64)
    check_level(level)
    if sample.ndim != 3 or sample.shape[1:] != (x.size, grid.size) or not len(sample):
        raise ValueError(
            f"values: shape {sample.shape}; give [trials, {x.size}, {grid.size}] for these "
            "settings and options"
        )
    if grid.size < 3 or (np.diff(grid) <= 0.0).any() or np.ptp(x) == 0.0:
        raise ValueError("option, setting: give three increasing options and two settings at least")
    n = len(sample)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n, np.full(n, 1.0 / n), size=resamples) / n
    means = np.concatenate([sample.mean(axis=0)[None], np.tensordot(weights, sample, axes=(1, 0))])
    best = _lowest(grid, means)
    centred = x - x.mean()
    slopes = best @ centred / (centred @ centred)
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(best[1:], [tail, 1.0 - tail], axis=0)
    slope_low, slope_high = np.quantile(slopes[1:], [tail, 1.0 - tail])
    place = means[0].argmin(axis=1)
    return BestPower(
        Interval(
            float(slopes[0]),
            float(slopes[1:].std(ddof=1)),
            float(slope_low),
            float(slope_high),
            n,
            level,
        ),
        np.exp(best[0]),
        np.exp(low),
        np.exp(high),
        (place == 0) | (place == grid.size - 1),
    )


def _lowest(grid: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the means [..., G] are lowest over the grid [G], between its points."""
    place = means.argmin(axis=-1)
    inner = np.clip(place, 1, grid.size - 2)
    left, middle, right = (
        np.take_along_axis(means, (inner + shift)[..., None], axis=-1)[..., 0]
        for shift in (-1, 0, 1)
    )
    before, behind = grid[inner] - grid[inner - 1], grid[inner + 1] - grid[inner]
    slope_left, slope_right = (middle - left) / before, (right - middle) / behind
    curvature = slope_right - slope_left
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = -0.5 * (slope_left * behind + slope_right * before) / curvature
    shift = np.where(curvature > 0.0, np.clip(shift, -before, behind), 0.0)
    # At an edge of the grid nothing is known of the other side.
    return np.where(place == inner, grid[inner] + shift, grid[place])


def _positive(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not (array > 0.0).all():
        raise ValueError(f"{name}: give a list of numbers above zero, not {values!r}")
    return array
