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
        ``[policy,] stage, opened, budget, n, mean, low, high``, one row per policy and stage,
        in the order of the policies. Costs are in the unit of the scenario. ``low`` and
        ``high`` are NaN where fewer than two trials are at hand, which is also so for stages
        that were stored as means over trials (``trial`` is null).

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
