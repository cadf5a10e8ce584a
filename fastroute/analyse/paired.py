"""Paired comparison of two policies that met the same worlds."""

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.analyse.intervals import Interval, check_level, check_sample, mean_interval

if TYPE_CHECKING:
    import polars as pl


class PairedDifference(NamedTuple):
    """Mean difference a - b over trials, paired by trial.

    Attributes
    ----------
    mean : float
        Mean of ``a - b``; negative where a is lower.
    se : float
        Standard error of that mean; NaN for a single trial.
    low, high : float
        Ends of the Student interval.
    share_lower : float
        Share of trials in which ``a < b`` (ties do not count).
    n : int
        Number of pairs.
    level : float
        Nominal coverage of the interval.
    """

    mean: float
    se: float
    low: float
    high: float
    share_lower: float
    n: int
    level: float


def paired_difference(
    trials_a: "pl.DataFrame | pl.LazyFrame | ArrayLike",
    trials_b: "pl.DataFrame | pl.LazyFrame | ArrayLike",
    column: str = "regret",
    *,
    level: float = 0.95,
) -> PairedDifference:
    """Compare two policies trial by trial.

    All policies of a study draw from the same seed, so trial i of one and trial i of the other
    met the same queries. The noise that they share cancels in the difference, and the interval
    of the difference is narrower than the intervals of the two means suggest.

    Parameters
    ----------
    trials_a, trials_b : polars.DataFrame, polars.LazyFrame or array_like of shape [trials]
        Frames with a column ``trial`` and the compared column (``run.trials``), joined on
        ``trial``; or plain arrays, paired by position.
    column : str
        The compared column; not used for arrays.
    level : float
        Nominal coverage of the interval.

    Returns
    -------
    PairedDifference
        The mean of ``a - b`` with its Student interval.

    Raises
    ------
    ValueError
        When a column is missing, a trial appears twice or on one side only, a value is not
        finite, or one argument is a frame and the other an array.
    """
    a, b = _pairs(trials_a, trials_b, column)
    difference = mean_interval(a - b, level)
    return PairedDifference(
        mean=difference.estimate,
        se=difference.se,
        low=difference.low,
        high=difference.high,
        share_lower=float(np.mean(a < b)),
        n=difference.n,
        level=level,
    )


def paired_ratio(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> Interval:
    """Estimate the ratio of two means, paired by trial.

    With r the mean of a over that of b, the standard error of log r is that of the mean of
    a - r b, over the mean of a (delta method). The interval is symmetric around log r.

    Parameters
    ----------
    a, b : array_like, [trials]
        One value per trial, in the order of the trials.
    level : float
        Nominal coverage of the interval.

    Returns
    -------
    Interval
        The ratio with its Student interval; ``se`` is that of the ratio.

    Raises
    ------
    ValueError
        When the numbers of trials differ, a value is not finite, or a mean is not above 0.
    """
    above, below = _pairs(a, b, "")
    for name, mean in (("a", above.mean()), ("b", below.mean())):
        if not mean > 0.0:
            raise ValueError(
                f"{name}: the mean {mean:.4g} is not above 0, so a ratio has no meaning; compare "
                "differences instead"
            )
    ratio = float(above.mean() / below.mean())
    log = mean_interval((above - ratio * below) / above.mean(), level)
    low, high = (ratio * float(np.exp(end)) for end in (log.low, log.high))
    return Interval(ratio, ratio * log.se, low, high, log.n, level)


def paired_differences(
    trials: "pl.DataFrame | pl.LazyFrame",
    column: str = "regret",
    *,
    against: Literal["first", "all"] = "first",
    level: float = 0.95,
) -> "pl.DataFrame":
    """Compare the policies of every world of a study, trial by trial.

    As :func:`fastroute.paired_difference`, for many policies at once. Of a study that is not
    finished the trials that both policies have played are compared.

    Parameters
    ----------
    trials : polars.DataFrame or polars.LazyFrame
        Trials of a study: ``world, cell, policy, trial`` and the compared column.
    column : str
        The compared column.
    against : {"first", "all"}
        Whether each policy is compared with the first of its world, or with all before it.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    polars.DataFrame
        One row per pair: ``world``, ``cell`` and ``policy`` (a), ``other_cell`` and ``other``
        (b, which comes before a), then ``mean`` of ``a - b`` with ``se``, ``low``, ``high``,
        ``share_lower`` (of the trials in which ``a < b``) and ``n``. Pairs without a trial in
        common have no row; ``se`` and the interval are NaN for a single one.

    Raises
    ------
    ValueError
        When `against` is unknown, or `level` is not between 0 and 1.
    """
    import polars as pl

    if against not in ("first", "all"):
        raise ValueError(f'against: {against!r} is unknown; give "first" or "all"')
    check_level(level)
    frame = trials.lazy().select("world", "cell", "policy", "trial", pl.col(column).alias("a"))
    other = frame.rename({"cell": "other_cell", "policy": "other", "a": "b"})
    if against == "first":
        other = other.filter(pl.col("other_cell") == pl.col("other_cell").min().over("world"))
    keys = ("world", "cell", "policy", "other_cell", "other")
    pairs = (
        frame.join(other, on=["world", "trial"])
        .filter(pl.col("other_cell") < pl.col("cell"))
        # Sums over trials in their order are the same bits every time.
        .sort("world", "other_cell", "cell", "trial")
        .collect()
    )
    heads = pairs.group_by(keys, maintain_order=True).agg(pl.len().cast(pl.Int64).alias("n"))
    a, b = (pairs.get_column(side).to_numpy() for side in "ab")
    stops = heads.get_column("n").cum_sum().to_list()
    statistics = [
        paired_difference(a[start:stop], b[start:stop], level=level)
        for start, stop in zip([0, *stops], stops, strict=False)
    ]
    names = ("mean", "se", "low", "high", "share_lower")
    columns = [pl.Series(n, [getattr(s, n) for s in statistics], dtype=pl.Float64) for n in names]
    return heads.select(*keys, *columns, "n")


def _pairs(
    trials_a: "pl.DataFrame | pl.LazyFrame | ArrayLike",
    trials_b: "pl.DataFrame | pl.LazyFrame | ArrayLike",
    column: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two samples in the same order of trials."""
    # Frames of a stored study are lazy.
    trials_a, trials_b = (
        trials.collect() if hasattr(trials, "collect") else trials
        for trials in (trials_a, trials_b)
    )
    frames = [_is_frame(trials_a), _is_frame(trials_b)]
    if frames[0] != frames[1]:
        raise ValueError(
            "trials_a, trials_b: one is a frame and the other an array; give two of a kind"
        )
    if not frames[0]:
        a, b = check_sample(trials_a, "trials_a"), check_sample(trials_b, "trials_b")
        if a.size != b.size:
            raise ValueError(
                f"trials_a, trials_b: {a.size} and {b.size} trials cannot be paired; "
                "give the same trials on both sides"
            )
        return a, b
    trial_a, a = _columns(trials_a, column, "trials_a")  # type: ignore[arg-type]
    trial_b, b = _columns(trials_b, column, "trials_b")  # type: ignore[arg-type]
    lonely = np.setxor1d(trial_a, trial_b)
    if lonely.size:
        raise ValueError(
            f"trial: {lonely.size} trials are on one side only (the first is {lonely[0]}); "
            "compare runs of the same trials"
        )
    return a, b


def _is_frame(trials: object) -> bool:
    # Duck typing keeps polars out of the import of this room.
    return hasattr(trials, "columns") and hasattr(trials, "get_column")


def _columns(
    frame: "pl.DataFrame", column: str, name: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return trial numbers, sorted, and the values of `column` in that order."""
    for wanted in ("trial", column):
        if wanted not in frame.columns:
            raise ValueError(
                f"{name}: no column {wanted!r}; it has {', '.join(map(repr, frame.columns))}"
            )
    trial = frame.get_column("trial").to_numpy()
    order = np.argsort(trial, kind="stable")
    trial = trial[order]
    twice = trial[1:][trial[1:] == trial[:-1]]
    if twice.size:
        raise ValueError(
            f"{name}: trial {twice[0]} appears more than once; "
            "filter the frame to a single policy first"
        )
    return trial, check_sample(frame.get_column(column).to_numpy()[order], f"{name}[{column!r}]")
