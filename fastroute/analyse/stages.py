"""Spend by stage, over trials."""

from typing import TYPE_CHECKING

import numpy as np

from fastroute.analyse.intervals import student_halfwidth

if TYPE_CHECKING:
    import polars as pl


def stage_spend(stages: "pl.DataFrame", level: float = 0.95) -> "pl.DataFrame":
    """Mean cost per query in each stage, over trials, with its Student interval.

    Parameters
    ----------
    stages : polars.DataFrame
        Stages of a run, or of a study (then with a column ``policy``): columns ``trial``,
        ``stage``, ``opened``, ``spend``, ``budget``.
    level : float
        Nominal coverage of the interval.

    Returns
    -------
    polars.DataFrame
        ``[policy,] stage, opened, budget, n, mean, over, low, high``, one row per policy and
        stage, in the order of the policies. Costs are in the unit of the scenario; ``over`` is
        the share of trials that spent more than the budget. ``low`` and ``high`` are NaN where
        fewer than two trials are at hand, which is also so for stages that were stored as means
        over trials (``trial`` is null); ``over`` is null there.

    Raises
    ------
    ValueError
        When `level` is not between 0 and 1.
    """
    import polars as pl

    keys = [*(["policy"] if "policy" in stages.columns else []), "stage"]
    means = (
        stages.group_by(keys, maintain_order=True)
        .agg(
            pl.col("opened").min(),
            pl.col("budget").first(),
            pl.col("trial").count().alias("n"),
            pl.col("spend").mean().alias("mean"),
            pl.col("spend").std().alias("sd"),
            (pl.col("spend") > pl.col("budget"))
            .filter(pl.col("trial").is_not_null())
            .mean()
            .alias("over"),
        )
        .sort("stage", maintain_order=True)
    )
    if len(keys) == 2:
        order = stages.get_column("policy").unique(maintain_order=True).to_list()
        means = means.sort(
            pl.col("policy").replace_strict({p: i for i, p in enumerate(order)}), "stage"
        )
    n = means.get_column("n").to_numpy()
    sd = means.get_column("sd").cast(pl.Float64).fill_null(np.nan).to_numpy()
    half = student_halfwidth(sd / np.sqrt(np.maximum(n, 1)), n, level)
    return means.drop("sd").with_columns(
        (pl.col("mean") - pl.Series(half)).alias("low"),
        (pl.col("mean") + pl.Series(half)).alias("high"),
    )


def budget_adherence(spend: "pl.DataFrame") -> "pl.DataFrame":
    """Sum up, for each policy, how its stages keep to the budget.

    Parameters
    ----------
    spend : polars.DataFrame
        From :func:`stage_spend`, with a column ``policy``.

    Returns
    -------
    polars.DataFrame
        One row per policy, in the order of the policies: ``policy``, ``stages``,
        ``stages_over`` (stages whose mean spend is above the budget), ``over`` (share of all
        stages of all trials above it; null where means are kept), ``worst_stage`` (number of
        the stage with the largest mean spend, from 0), ``worst`` and ``last`` (mean spend of
        that stage and of the last one, over the budget).
    """
    import polars as pl

    ratio = pl.col("mean") / pl.col("budget")
    return spend.group_by("policy", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("stages"),
        (ratio > 1.0).sum().cast(pl.Int64).alias("stages_over"),
        ((pl.col("over") * pl.col("n")).sum() / pl.col("n").sum())
        .replace(float("nan"), None)
        .alias("over"),
        pl.col("stage").get(ratio.arg_max()).alias("worst_stage"),
        ratio.max().alias("worst"),
        ratio.last().alias("last"),
    )
