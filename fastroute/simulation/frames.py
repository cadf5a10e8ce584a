"""The frames of a run, from its arrays.

The arrays are those that :class:`~fastroute.simulation.run.Run` describes; a study makes the same
frames of arrays that it reads from disk.
"""

import functools
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
        # Sorted first, which takes a third of what five quantiles of unsorted numbers take.
        ranked = np.ascontiguousarray(curves.transpose(0, 2, 1))
        ranked.sort(axis=2)
        levels = np.quantile(ranked, list(QUANTILES.values()), axis=2, overwrite_input=True)
    quantiles = {name: levels[i].ravel() for i, name in enumerate(QUANTILES)}
    se = np.sqrt(square / max(trials - 1, 1) / trials) if trials > 1 else np.full_like(mean, None)
    # A column that is changed later costs as much as all of a small frame.
    return pl.DataFrame(
        {
            "round": np.tile(checkpoints, len(CURVE_COLUMNS)),
            "quantity": np.repeat(np.array(names_of(CURVE_COLUMNS)), points).tolist(),
            "mean": mean.ravel(),
            "se": pl.Series(se.ravel(), nan_to_null=True),
            **quantiles,
            "trials": np.full(mean.size, trials, np.int64),
        }
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
            columns[f"{column.name}_se"] = pl.Series(se, nan_to_null=True)
    return pl.DataFrame(columns, schema_overrides={"name": pl.String})


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
    count = stages * rows
    if len(sets) > 0:
        trial = pl.Series(np.tile(trials, stages))
        deployed, named = _set_columns(sets.reshape(count, -1), names)
    else:
        nothing = [None] * count
        trial = pl.Series(nothing, dtype=pl.Int64)
        deployed = pl.Series(nothing, dtype=pl.List(pl.Int64))
        named = pl.Series(nothing, dtype=pl.List(pl.String))
    return pl.DataFrame(
        {
            "trial": trial,
            "stage": np.repeat(np.arange(stages), rows),
            "opened": np.repeat(opened, rows),
            "rounds": np.repeat(rounds, rows),
            "budget": np.full(count, budget),
            "deployed": deployed,
            "deployed_names": named,
            **{
                column.name: _stage_column(column, values.ravel(), deployer)
                for column, values in zip(STAGE_COLUMNS, table, strict=True)
            },
        }
    )


def _set_columns(slots: ModelNumbers, names: Sequence[str]) -> "tuple[pl.Series, pl.Series]":
    """Return the sets of rows of slots as lists of model numbers, and of names.

    Of many rows few are different, and only these are taken apart.
    """
    import polars as pl

    code = np.zeros(len(slots), np.int64)
    base, most = len(names) + 1, 1
    for slot in slots.T:
        if most > np.iinfo(np.int64).max // base:
            different, code = np.unique(code, return_inverse=True)
            most = len(different)
        code = code * base + (slot.astype(np.int64) + 1)
        most *= base
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    models = [row[row >= 0].tolist() for row in slots[first]]
    named = [[names[model] for model in row] for row in models]
    kinds = (models, pl.List(pl.Int64)), (named, pl.List(pl.String))
    deployed, words = (pl.Series(rows, dtype=kind)[place] for rows, kind in kinds)
    return deployed, words


def _stage_column(column: Column, values: F8, deployer: str) -> "pl.Series":
    """Return a column of stages, codes as words; a rule has the name of the policy's deployer."""
    import polars as pl

    if column.word is None:
        return pl.Series(column.name, values)
    code = np.where(np.isnan(values), -1.0, values).astype(np.int64)
    known = np.flatnonzero(np.bincount(code + 1)) - 1
    words = [column.word(None if one < 0 else int(one)) for one in known]
    if column.name == "method" and deployer not in ("mip", "truth"):
        words = [deployer if word == str(Method.RULE) else word for word in words]
    series = pl.Series(column.name, words, dtype=pl.String)
    return series[np.searchsorted(known, code)]


def mean_with_margin(x: F8) -> tuple[float, float | None, float | None]:
    """Mean, standard error, and half the 95 % Student interval; None for a single value."""
    mean = float(x.mean())
    if len(x) < 2:
        return mean, None, None
    se = float(x.std(ddof=1) / np.sqrt(len(x)))
    return mean, se, student_quantile(len(x)) * se


@functools.cache
def student_quantile(count: int) -> float:
    """Return what the standard error of so many values is multiplied with: half a 95 % interval."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, 0.975))


def trials_frame(finals: dict[str, NDArray[Any]]) -> "pl.DataFrame":
    """One row per trial; null where a column has no number in this world."""
    import polars as pl

    return pl.DataFrame(finals).fill_nan(None)


def summary_frame(finals: dict[str, NDArray[Any]]) -> "pl.DataFrame":
    """Mean, standard error, 95 % Student interval and quantiles of every column of `finals`.

    Columns that have no number in this world are left out.
    """
    import polars as pl

    names = [name for name, x in finals.items() if name != "trial" and not np.isnan(x).all()]
    values = np.stack([np.asarray(finals[name], dtype=np.float64) for name in names])
    mean = values.mean(axis=1)
    count = values.shape[1]
    columns: dict[str, Any] = {"quantity": names, "mean": mean}
    if count < 2:
        columns |= dict.fromkeys(
            ("se", "low", "high"), pl.Series([None] * len(names), dtype=pl.Float64)
        )
    else:
        se = values.std(axis=1, ddof=1) / np.sqrt(count)
        half = student_quantile(count) * se
        columns |= {"se": se, "low": mean - half, "high": mean + half}
    levels = np.quantile(values, [0.05, 0.5, 0.95], axis=1)
    frame = pl.DataFrame({**columns, **dict(zip(STATISTICS[-3:], levels, strict=True))})
    # Of columns that are null in some trials.
    return frame.fill_nan(None)
