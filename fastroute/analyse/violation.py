"""Budget violation by stage: the worst, and how it fades."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastroute.analyse.frames import frame_from_rows, groups, key_columns, require_single_trials
from fastroute.analyse.intervals import mean_interval
from fastroute.analyse.scaling import CLEAR_OF_ZERO, ScalingFit, check_settings, fit_growth

if TYPE_CHECKING:
    import polars as pl


def worst_violation(
    stages: "pl.DataFrame", *, by: Sequence[str] | None = None, level: float = 0.95
) -> "pl.DataFrame":
    """Largest budget violation of a single stage, over the stages of each trial.

    Parameters
    ----------
    stages : polars.DataFrame
        With the columns ``trial``, ``stage``, ``violation`` (spend beyond budget x rounds, in
        cost) and ``rounds``.
    by : sequence of str, optional
        Columns that tell runs apart.
    level : float
        Nominal coverage of the interval (Student's).

    Returns
    -------
    polars.DataFrame
        ``[by,] n, mean, low, high, largest, per_query, stage``: mean over trials of the worst
        stage's violation with its interval, the largest over trials, the mean over trials of the
        worst violation per query, and the stage that is most often the worst (the first of
        several; null where no trial had a violation).

    Raises
    ------
    ValueError
        When a column is missing, stages of single trials were not kept, or `level` is not
        between 0 and 1.
    """
    import polars as pl

    keys = key_columns(stages, by, "stages", ("trial", "stage", "violation", "rounds"))
    require_single_trials(stages, "violations")
    worst = stages.group_by([*keys, "trial"], maintain_order=True).agg(
        pl.col("violation").max(),
        (pl.col("violation") / pl.col("rounds")).max().alias("per_query"),
        pl.col("stage").sort_by(-pl.col("violation"), "stage").first().alias("stage"),
    )
    rows = []
    for key, group in groups(worst, keys):
        mean = mean_interval(group.get_column("violation").to_numpy(), level)
        guilty = group.filter(pl.col("violation") > 0.0).get_column("stage").to_numpy()
        rows.append(
            {
                **key,
                "n": mean.n,
                "mean": mean.estimate,
                "low": mean.low,
                "high": mean.high,
                "largest": float(group.get_column("violation").to_numpy().max()),
                "per_query": float(group.get_column("per_query").to_numpy().mean()),
                "stage": int(np.bincount(guilty).argmax()) if guilty.size else None,
            }
        )
    return frame_from_rows(rows)


class ViolationDecay(NamedTuple):
    """How spending beyond the budget fades over the stages.

    Attributes
    ----------
    fit : ScalingFit or None
        Per-query violation against the round; the decay exponent is ``-fit.exponent``. ``horizon``
        in its frames is the mean round of a bin of stages. None when fewer than two bins have a
        violation clearly above zero.
    bins : polars.DataFrame
        ``stage_low, stage_high, round, mean, se, used``: bins of stages, each twice as long as
        the one before, with the per-query violation over trials; ``used`` is false where the mean
        is not clearly above zero, which has no logarithm.
    """

    fit: ScalingFit | None
    bins: "pl.DataFrame"


def violation_decay(
    stages: "pl.DataFrame",
    *,
    signed: bool = False,
    level: float = 0.95,
    tolerance: float = 0.05,
    resamples: int = 1999,
    seed: int = 0,
) -> ViolationDecay:
    """Fit a power of the round to the budget violation per query of the stages of one run.

    The violation of a stage cannot be negative, so that the noise of its costs alone leaves a
    mean violation that does not fade. ``signed=True`` fits the mean of ``spend - budget``
    instead, in which that noise cancels.

    Parameters
    ----------
    stages : polars.DataFrame
        Stages of one run: ``trial``, ``stage``, ``opened``, ``rounds``, ``spend`` (mean cost per
        query), ``budget``, ``violation``.
    signed : bool
        Fit ``spend - budget`` and not the violation.
    level, tolerance, resamples, seed
        As for :func:`fastroute.fit_scaling`.

    Returns
    -------
    ViolationDecay

    Raises
    ------
    ValueError
        When a column is missing, stages of single trials were not kept, or the frame holds
        several runs.
    """
    import polars as pl

    check_settings(level, tolerance, resamples)
    needed = ("trial", "stage", "opened", "rounds", "spend", "budget", "violation")
    key_columns(stages, (), "stages", needed)
    require_single_trials(stages, "violations")
    twice = stages.select(pl.struct("trial", "stage").is_duplicated().any()).item()
    if twice:
        raise ValueError("stages: a trial has a stage twice; filter the frame to a single run")
    over = pl.col("spend") - pl.col("budget") if signed else pl.col("violation") / pl.col("rounds")
    binned = (
        stages.select(
            "trial",
            "stage",
            ((pl.col("stage") + 1).cast(float).log(2.0) + 1e-9).floor().cast(int).alias("bin"),
            (pl.col("opened") + 0.5 * (pl.col("rounds") + 1)).alias("round"),
            over.alias("over"),
        )
        .group_by("bin", "trial")
        .agg(
            pl.col("round", "over").mean(),
            pl.col("stage").min().alias("stage_low"),
            pl.col("stage").max().alias("stage_high"),
        )
        .sort("bin", "trial")
    )
    rows, steps, values = [], [], []
    for _, group in groups(binned, ["bin"]):
        sample = group.get_column("over").to_numpy()
        se = float(sample.std(ddof=1) / np.sqrt(sample.size)) if sample.size > 1 else np.inf
        mean = float(sample.mean())
        used = mean > 0.0 and mean >= CLEAR_OF_ZERO * se
        round_ = float(group.get_column("round").to_numpy().mean())
        rows.append(
            {
                "stage_low": group.get_column("stage_low")[0],
                "stage_high": group.get_column("stage_high")[0],
                "round": round_,
                "mean": mean,
                "se": se,
                "used": used,
            }
        )
        if used:
            steps.append(round_)
            values.append(sample)
    fit = None
    if len(steps) > 1:
        fit = fit_growth(np.array(steps), values, level, tolerance, resamples, seed)
    return ViolationDecay(fit, frame_from_rows(rows))
