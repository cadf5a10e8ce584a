"""What went on inside runs: starvation, budget prices, methods and statuses of deployment.

The functions read ``run.trials`` or ``run.stages``, or the joint frames of a study; ``by`` names
the columns that tell its runs apart, by default ``policy`` where there is such a column.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastroute.analyse.frames import frame_from_rows, groups, key_columns, require_single_trials
from fastroute.analyse.intervals import mean_interval
from fastroute.analyse.quantiles import quantile_interval, share_interval

if TYPE_CHECKING:
    import polars as pl


def starvation_rate(
    trials: "pl.DataFrame", *, by: Sequence[str] | None = None, level: float = 0.95
) -> "pl.DataFrame":
    """Share of trials in which a model of the true optimum starved.

    A model starves when it ends with under 1 % of the pulls that the oracle gives it.

    Parameters
    ----------
    trials : polars.DataFrame
        With the column ``starved``: starved models of each trial.
    by : sequence of str, optional
        Columns that tell runs apart.
    level : float
        Nominal coverage of the interval (Wilson's).

    Returns
    -------
    polars.DataFrame
        ``[by,] n, rate, low, high, mean_starved``, one row per run in the order of the frame;
        ``mean_starved`` is the mean number of starved models.

    Raises
    ------
    ValueError
        When a column is missing, or `level` is not between 0 and 1.
    """
    keys = key_columns(trials, by, "trials", ("starved",))
    rows = []
    for key, group in groups(trials, keys):
        starved = group.get_column("starved").to_numpy()
        share = share_interval(int((starved > 0).sum()), starved.size, level=level)
        rows.append(
            {
                **key,
                "n": share.n,
                "rate": share.estimate,
                "low": share.low,
                "high": share.high,
                "mean_starved": float(starved.mean()),
            }
        )
    return frame_from_rows(rows)


def budget_prices(stages: "pl.DataFrame", *, by: Sequence[str] | None = None) -> "pl.DataFrame":
    """Budget price of the deployment problem in each stage, over trials.

    Parameters
    ----------
    stages : polars.DataFrame
        With the columns ``trial``, ``stage``, ``opened``, ``budget_price``.
    by : sequence of str, optional
        Columns that tell runs apart.

    Returns
    -------
    polars.DataFrame
        ``[by,] stage, opened, n, mean, q50, q95, largest, so_far``: distribution over trials, in
        reward per cost; ``so_far`` is the largest price of any trial up to this stage, so that
        its last row is the supremum of the run.

    Raises
    ------
    ValueError
        When a column is missing, or stages of single trials were not kept.
    """
    import polars as pl

    keys = key_columns(stages, by, "stages", ("trial", "stage", "opened", "budget_price"))
    require_single_trials(stages, "prices")
    price = pl.col("budget_price")
    by_stage = (
        stages.group_by([*keys, "stage"], maintain_order=True)
        .agg(
            pl.col("opened").min(),
            pl.len().alias("n"),
            price.mean().alias("mean"),
            price.quantile(0.5, "linear").alias("q50"),
            price.quantile(0.95, "linear").alias("q95"),
            price.max().alias("largest"),
        )
        .sort("stage", maintain_order=True)
    )
    return pl.concat(
        group.with_columns(pl.col("largest").cum_max().alias("so_far"))
        for _, group in groups(by_stage, keys)
    )


def price_supremum(
    stages: "pl.DataFrame", *, by: Sequence[str] | None = None, level: float = 0.95
) -> "pl.DataFrame":
    """Largest budget price over the stages of each trial.

    Parameters
    ----------
    stages : polars.DataFrame
        With the columns ``trial``, ``budget_price``.
    by : sequence of str, optional
        Columns that tell runs apart.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    polars.DataFrame
        ``[by,] n, mean, low, high, q95, q95_low, q95_high, largest``: mean over trials with
        Student's interval, 95 % quantile with its order-statistic interval, and the largest.

    Raises
    ------
    ValueError
        When a column is missing, stages of single trials were not kept, or `level` is not
        between 0 and 1.
    """
    import polars as pl

    keys = key_columns(stages, by, "stages", ("trial", "budget_price"))
    require_single_trials(stages, "prices")
    top = stages.group_by([*keys, "trial"], maintain_order=True).agg(pl.col("budget_price").max())
    rows = []
    for key, group in groups(top, keys):
        values = group.get_column("budget_price").to_numpy()
        mean = mean_interval(values, level)
        tail = quantile_interval(values, 0.95, level=level)
        rows.append(
            {
                **key,
                "n": mean.n,
                "mean": mean.estimate,
                "low": mean.low,
                "high": mean.high,
                "q95": tail.estimate,
                "q95_low": tail.low,
                "q95_high": tail.high,
                "largest": float(values.max()),
            }
        )
    return frame_from_rows(rows)


def deployment_shares(stages: "pl.DataFrame", *, by: Sequence[str] | None = None) -> "pl.DataFrame":
    """How deployment problems were solved, and how they ended.

    Parameters
    ----------
    stages : polars.DataFrame
        With the columns ``method`` (vertex, branch_and_bound, highs, or the name of a rule) and
        ``status``.
    by : sequence of str, optional
        Columns that tell runs apart.

    Returns
    -------
    polars.DataFrame
        ``[by,] kind, value, count, share``: one row per run and value that occurs, first those
        of ``kind`` "method", then of "status", the most frequent first; shares of the rows of the
        frame. Where stages were kept as means, a row stands for all trials, and stages in which
        trials differed are called "mixed" and "MIXED".

    Raises
    ------
    ValueError
        When a column is missing.
    """
    import polars as pl

    keys = key_columns(stages, by, "stages", ("method", "status"))
    rows = []
    for key, group in groups(stages, keys):
        for kind in ("method", "status"):
            counts = (
                group.get_column(kind)
                .value_counts()
                .sort(pl.col("count"), pl.col(kind), descending=[True, False])
            )
            rows += [
                {**key, "kind": kind, "value": value, "count": count, "share": count / len(group)}
                for value, count in counts.iter_rows()
            ]
    return frame_from_rows(rows)
