"""What a reader of a study must know of its cells: starvation, infeasible rounds, solvers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def trial_diagnostics(trials: "pl.DataFrame | pl.LazyFrame") -> "pl.DataFrame":
    """Shares of trials, rounds and stages in which something went wrong, cell by cell.

    Parameters
    ----------
    trials : polars.DataFrame or polars.LazyFrame
        Trials of a study.

    Returns
    -------
    polars.DataFrame
        One row per cell, in the order of the cells: ``cell``, ``n`` (trials), ``starved`` (share
        of the trials in which at least one model starved), ``over_budget`` and ``no_capacity``
        (share of the rounds without a feasible distribution), ``over_budget_stages`` (share of
        the stages whose deployed set could not meet the budget).
    """
    import polars as pl

    n = pl.len()
    return (
        trials.lazy()
        .group_by("cell")
        .agg(
            n.alias("n"),
            (pl.col("starved") > 0).mean().alias("starved"),
            (pl.col("over_budget_rounds").sum() / (n * pl.col("horizon").first())).alias(
                "over_budget"
            ),
            (pl.col("no_capacity_rounds").sum() / (n * pl.col("horizon").first())).alias(
                "no_capacity"
            ),
            (pl.col("over_budget_stages").sum() / (n * pl.col("stages").first())).alias(
                "over_budget_stages"
            ),
        )
        .sort("cell")
        .collect()
    )


def solver_methods(stages: "pl.DataFrame | pl.LazyFrame") -> "pl.DataFrame":
    """Count how the deployment problems of each policy were solved.

    Parameters
    ----------
    stages : polars.DataFrame or polars.LazyFrame
        Stages of a study. A row is one problem, or, where means over trials are kept, the
        problems of all trials in a stage.

    Returns
    -------
    polars.DataFrame
        One row per policy and method, in the order of the policies, the most frequent method
        first: ``policy``, ``method``, ``problems``, ``share`` (of the policy's problems),
        ``largest_gap`` (proven gap, in units of reward), ``infeasible`` (problems without a
        distribution within budget and limits).
    """
    return method_shares(method_counts(stages))


def method_counts(stages: "pl.DataFrame | pl.LazyFrame") -> "pl.DataFrame":
    """Count deployment problems by policy and method, for :func:`method_shares`.

    Parameters
    ----------
    stages : polars.DataFrame or polars.LazyFrame
        Stages of a study, or of some cells of it.

    Returns
    -------
    polars.DataFrame
        One row per policy and method, in any order: ``policy``, ``method``, ``first`` (the first
        cell), ``problems``, ``largest_gap``, ``infeasible``.
    """
    import polars as pl

    return (
        stages.lazy()
        .group_by("policy", "method")
        .agg(
            pl.col("cell").min().alias("first"),
            pl.len().cast(pl.Int64).alias("problems"),
            pl.col("gap").max().alias("largest_gap"),
            (pl.col("status") != "OPTIMAL").sum().cast(pl.Int64).alias("infeasible"),
        )
        .collect()
    )


def method_shares(counts: "pl.DataFrame") -> "pl.DataFrame":
    """Put counts of parts of a study together; as :func:`solver_methods` of all its stages.

    Parameters
    ----------
    counts : polars.DataFrame
        From :func:`method_counts`, of every part, one below the other.
    """
    import polars as pl

    return (
        counts.group_by("policy", "method")
        .agg(
            pl.col("first").min(),
            pl.col("problems").sum(),
            pl.col("largest_gap").max(),
            pl.col("infeasible").sum(),
        )
        .with_columns(
            (pl.col("problems") / pl.col("problems").sum().over("policy")).alias("share"),
            pl.col("first").min().over("policy"),
        )
        .sort("first", "problems", "method", descending=[False, True, False])
        .select("policy", "method", "problems", "share", "largest_gap", "infeasible")
    )


def work_times(cells: "pl.DataFrame", shards: "pl.DataFrame") -> "pl.DataFrame":
    """Add up the time that each policy took.

    Parameters
    ----------
    cells : polars.DataFrame
        Cells of a study: ``policy, key, trials_done, horizon, seconds``.
    shards : polars.DataFrame
        Shards of the study: ``key, compile_seconds, backend``.

    Returns
    -------
    polars.DataFrame
        One row per policy, in the order of the cells: ``policy``, ``rounds`` (trial-rounds),
        ``seconds`` and ``compile_seconds`` (added up over workers), ``backends`` (names, joined
        by commas) and ``ns_per_trial_round`` (compilation apart; NaN without rounds).
    """
    import polars as pl

    work = shards.group_by("key").agg(
        pl.col("compile_seconds").sum(), pl.col("backend").unique().alias("backends")
    )
    rounds = (pl.col("trials_done") * pl.col("horizon")).sum()
    return (
        cells.join(work, on="key", how="left", maintain_order="left")
        .group_by("policy", maintain_order=True)
        .agg(
            rounds.alias("rounds"),
            pl.col("seconds", "compile_seconds").sum(),
            pl.col("backends").explode().drop_nulls().unique().sort().str.join(", "),
            (1e9 * pl.col("seconds").sum() / rounds).alias("ns_per_trial_round"),
        )
    )
