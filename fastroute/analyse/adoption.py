"""How soon models that arrive during a run are deployed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fastroute.analyse.frames import frame_from_rows, groups, key_columns, require_single_trials
from fastroute.analyse.quantiles import quantile_interval, share_interval

if TYPE_CHECKING:
    import polars as pl


def adoption_delay(
    stages: "pl.DataFrame", arrival: ArrayLike, *, by: Sequence[str] | None = None
) -> "pl.DataFrame":
    """When each model that arrives during a run is first deployed, trial by trial.

    Parameters
    ----------
    stages : polars.DataFrame
        With the columns ``trial``, ``stage``, ``opened`` and ``deployed``.
    arrival : array_like of int, [N]
        First round of each model, as ``scenario.resolve(horizon, trials).arrival``; the same for
        all runs in the frame.
    by : sequence of str, optional
        Columns that tell runs apart.

    Returns
    -------
    polars.DataFrame
        ``[by,] trial, model, arrival, adopted, delay, passed_over``, one row per run, trial and
        model that arrives after round 0 and before the last stage opens (or as it opens).
        ``adopted`` is the round in which the first stage that deploys the model opens, ``delay``
        the rounds from arrival to then, and ``passed_over`` the stages that opened in between
        without it: 0 when it was deployed as soon as possible. All three are null for a model
        that was never deployed.

    Raises
    ------
    ValueError
        When a column is missing, `arrival` is not one-dimensional, or the deployed sets were not
        kept.
    """
    import polars as pl

    keys = key_columns(stages, by, "stages", ("trial", "stage", "opened", "deployed"))
    first = np.asarray(arrival, dtype=np.int64)
    if first.ndim != 1:
        raise ValueError(f"arrival: shape {first.shape}; give one round per model")
    require_single_trials(stages, "the deployed sets")
    models = np.flatnonzero(first > 0)
    coming = pl.DataFrame({"model": models, "arrival": first[models]})
    opened = stages.select(*keys, "opened").unique().sort("opened")
    # Stages that open between arrival and adoption are counted by their place in the timetable.
    place = opened.with_columns(pl.int_range(pl.len()).over(keys or pl.lit(0)).alias("place"))
    possible = (
        place.join(coming, how="cross")
        .filter(pl.col("opened") >= pl.col("arrival"))
        .group_by([*keys, "model", "arrival"])
        .agg(pl.col("place").min().alias("soonest"))
    )
    adopted = (
        stages.select(*keys, "trial", "opened", pl.col("deployed").alias("model"))
        .explode("model", empty_as_null=False)
        .group_by([*keys, "trial", "model"])
        .agg(pl.col("opened").min().alias("adopted"))
        .join(place, left_on=[*keys, "adopted"], right_on=[*keys, "opened"], how="left")
    )
    return (
        stages.select(*keys, "trial")
        .unique(maintain_order=True)
        .with_row_index("order")
        .join(possible, on=keys or None, how="inner" if keys else "cross")
        .join(adopted, on=[*keys, "trial", "model"], how="left")
        .sort("order", "model")
        .select(
            *keys,
            "trial",
            "model",
            "arrival",
            "adopted",
            (pl.col("adopted") - pl.col("arrival")).alias("delay"),
            (pl.col("place") - pl.col("soonest")).alias("passed_over"),
        )
    )


def adoption_summary(
    delays: "pl.DataFrame", *, by: Sequence[str] | None = None, level: float = 0.95
) -> "pl.DataFrame":
    """How many trials adopted each model, and after how long.

    Parameters
    ----------
    delays : polars.DataFrame
        From :func:`adoption_delay`.
    by : sequence of str, optional
        Columns that tell runs apart.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    polars.DataFrame
        ``[by,] model, arrival, n, adopted, adopted_low, adopted_high, delay, delay_low,
        delay_high, at_once``: the share of trials that ever deployed the model with Wilson's
        interval, the median delay in rounds over all trials with its order-statistic interval (a
        trial that never deployed it counts as waiting for ever: inf), and the share of trials
        that deployed it in the first stage it could be in.

    Raises
    ------
    ValueError
        When a column is missing, or `level` is not between 0 and 1.
    """
    keys = key_columns(delays, by, "delays", ("trial", "model", "arrival", "delay", "passed_over"))
    rows = []
    for key, group in groups(delays, [*keys, "model", "arrival"]):
        waited = group.get_column("delay").cast(float).to_numpy()
        share = share_interval(int(np.isfinite(waited).sum()), waited.size, level=level)
        # The median is a matter of order alone, so a number larger than all stands for infinity.
        last = float(np.nanmax(waited, initial=-1.0))
        median = quantile_interval(np.where(np.isnan(waited), last + 1.0, waited), 0.5, level=level)
        delay, low, high = (
            np.inf if end > last else end for end in (median.estimate, median.low, median.high)
        )
        rows.append(
            {
                **key,
                "n": share.n,
                "adopted": share.estimate,
                "adopted_low": share.low,
                "adopted_high": share.high,
                "delay": delay,
                "delay_low": low,
                "delay_high": high,
                "at_once": int((group.get_column("passed_over") == 0).sum()) / share.n,
            }
        )
    return frame_from_rows(rows)
