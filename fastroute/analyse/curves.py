"""Intervals of curves over trials."""

from typing import TYPE_CHECKING

import numpy as np

from fastroute.analyse.intervals import student_halfwidth

if TYPE_CHECKING:
    import polars as pl


def curve_intervals(curves: "pl.DataFrame", level: float = 0.95) -> "pl.DataFrame":
    """Add the Student interval of the mean to every row of a frame of curves.

    Parameters
    ----------
    curves : polars.DataFrame
        Columns ``mean``, ``se`` (null for a single trial) and ``trials``, among others.
    level : float
        Nominal coverage of the interval.

    Returns
    -------
    polars.DataFrame
        The same rows with columns ``low`` and ``high``, in the unit of ``mean``; NaN where there
        are fewer than two trials.

    Raises
    ------
    ValueError
        When `level` is not between 0 and 1.
    """
    import polars as pl

    se = curves.get_column("se").cast(pl.Float64).fill_null(np.nan).to_numpy()
    half = pl.Series(student_halfwidth(se, curves.get_column("trials").to_numpy(), level))
    return curves.with_columns(
        (pl.col("mean") - half).alias("low"), (pl.col("mean") + half).alias("high")
    )
