"""The frames of a run, from its arrays.

The arrays are those that :class:`~fastroute.simulation.run.Run` describes; a study makes the same
frames of arrays that it reads from disk.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.types import ModelNumbers
from fastroute.simulation.blocks import Models, Moments, merge_models
from fastroute.simulation.columns import (
    CURVE_COLUMNS,
    MODEL_COLUMNS,
    STAGE_COLUMNS,
    Column,
    Reduce,
    names_of,
)
from fastroute.simulation.sketch import sketch_quantiles
from fastroute.solve.status import Method

if TYPE_CHECKING:
    import polars as pl

F8 = NDArray[np.float64]

#: Quantiles over trials in the curves.
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
#: Statistics over trials in the summary: mean, standard error, 95 % interval, quantiles.
STATISTICS = ("mean", "se", "low", "high", "q05", "q50", "q95")


def curves_frame(
    curves: F8 | Moments, checkpoints: NDArray[np.int64], trials: int
) -> "pl.DataFrame":
    """One row per quantity and checkpoint: mean, standard error and quantiles over trials."""
    import polars as pl

    points = len(checkpoints)
    if isinstance(curves, Moments):
        mean, square, counts = curves
        levels = sketch_quantiles(counts, mean.size, list(QUANTILES.values()))
    else:
        # The order in memory decides the order of the sums.
        curves = np.ascontiguousarray(curves)
        mean = curves.mean(axis=1)
        square = ((curves - mean[:, None, :]) ** 2).sum(axis=1)
        levels = np.quantile(curves, list(QUANTILES.values()), axis=1)
    quantiles = {name: levels[i].ravel() for i, name in enumerate(QUANTILES)}
    se = np.sqrt(square / max(trials - 1, 1) / trials) if trials > 1 else np.full_like(mean, None)
    frame = pl.DataFrame(
        {
            "round": np.tile(checkpoints, len(CURVE_COLUMNS)),
            "quantity": np.repeat(np.array(names_of(CURVE_COLUMNS)), points).tolist(),
            "mean": mean.ravel(),
            "se": se.ravel(),
            **quantiles,
        }
    )
    return frame.with_columns(
        pl.lit(trials, dtype=pl.Int64).alias("trials"), pl.col("se").fill_nan(None)
    )


def models_frame(models: Models, trials: int) -> "pl.DataFrame":
    """One row per model; see :attr:`fastroute.simulation.run.Run.models`."""
    import polars as pl

    means, errors = merge_models(models.values, trials)
    columns: dict[str, Any] = {
        "model": np.arange(len(models.names)),
        "name": list(models.names),
        "arrival": models.arrival,
        "retirement": models.retirement,
    }
    for column, mean, se in zip(MODEL_COLUMNS, means, errors, strict=True):
        columns[column.name] = mean
        if column.reduce is Reduce.ERROR:
            columns[f"{column.name}_se"] = se
    frame = pl.DataFrame(columns, schema_overrides={"name": pl.String})
    return frame.with_columns(pl.col("^.*_se$").fill_nan(None))


def stages_frame(
    table: F8,
    sets: ModelNumbers,
    trials: NDArray[np.int64],
    names: Sequence[str],
    opened: NDArray[np.int64],
    rounds: NDArray[np.int64],
    *,
    budget: float,
    deployer: str,
) -> "pl.DataFrame":
    """One row per stage and trial, or per stage with means over trials (``trial`` is null).

    Parameters
    ----------
    table : ndarray, [column, stage, trials or 1]
        The stage table.
    sets : ndarray, [stage, trials, slots]
        Deployed models, then -1; empty when the table holds means.
    trials : ndarray, [trials]
        Numbers of the trials.
    names : sequence of str
        Of the models.
    opened, rounds : ndarray, [stage]
        Round in which each stage opens, and its length.
    budget : float
        Budget per query.
    deployer : str
        Of the policy.
    """
    import polars as pl

    stages, rows = table.shape[1:]
    kept = len(sets) > 0
    frame = pl.DataFrame(
        {
            "trial": np.tile(trials if kept else np.arange(rows), stages),
            "stage": np.repeat(np.arange(stages), rows),
            "opened": np.repeat(opened, rows),
            "rounds": np.repeat(rounds, rows),
        }
    )
    if kept:
        slots = sets.reshape(stages * rows, -1)
        kind = pl.Array(pl.Int64, slots.shape[1])
        wide = pl.Series("deployed", slots.astype(np.int64), dtype=kind)
        deployed = wide.arr.to_list().list.eval(pl.element().filter(pl.element() >= 0))
    else:
        frame = frame.with_columns(pl.lit(None, dtype=pl.Int64).alias("trial"))
        deployed = pl.Series("deployed", [None] * len(frame), dtype=pl.List(pl.Int64))
    named = deployed.list.eval(pl.lit(pl.Series(list(names))).gather(pl.element()))
    return frame.with_columns(
        pl.lit(budget).alias("budget"),
        deployed.alias("deployed"),
        named.cast(pl.List(pl.String)).alias("deployed_names"),
        *(
            _stage_column(column, values.ravel(), deployer)
            for column, values in zip(STAGE_COLUMNS, table, strict=True)
        ),
    )


def _stage_column(column: Column, values: F8, deployer: str) -> "pl.Series":
    """Return a column of stages, codes as words; a rule has the name of the policy's deployer."""
    import polars as pl

    if column.word is None:
        return pl.Series(column.name, values)
    codes, place = np.unique(values, return_inverse=True)
    words = [column.word(None if np.isnan(code) else int(code)) for code in codes]
    if column.name == "method" and deployer not in ("mip", "truth"):
        words = [deployer if word == str(Method.RULE) else word for word in words]
    return pl.Series(column.name, [words[k] for k in place], dtype=pl.String)


def mean_with_margin(x: F8) -> tuple[float, float | None, float | None]:
    """Mean, standard error, and half the 95 % Student interval; None for a single value."""
    from scipy.special import stdtrit

    mean = float(x.mean())
    if len(x) < 2:
        return mean, None, None
    se = float(x.std(ddof=1) / np.sqrt(len(x)))
    return mean, se, float(stdtrit(len(x) - 1, 0.975)) * se


def summary_frame(finals: dict[str, NDArray[Any]]) -> "pl.DataFrame":
    """Mean, standard error, 95 % Student interval and quantiles of every column of `finals`."""
    import polars as pl

    rows = []
    for name, values in finals.items():
        if name == "trial":
            continue
        x = np.asarray(values, dtype=np.float64)
        mean, se, half = mean_with_margin(x)
        low, middle, high = (float(q) for q in np.quantile(x, [0.05, 0.5, 0.95]))
        rows.append(
            {
                "quantity": name,
                "mean": mean,
                "se": se,
                "low": None if half is None else mean - half,
                "high": None if half is None else mean + half,
                "q05": low,
                "q50": middle,
                "q95": high,
            }
        )
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(STATISTICS, pl.Float64))
