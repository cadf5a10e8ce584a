"""The frames of a study: their columns, and how they are made of shards.

Every frame begins with the columns of :data:`PARAMETERS`, which say what cell a row belongs to,
and with a column for every axis of the grid that is not among them.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.policies.part import KINDS
from fastroute.simulation.columns import (
    CURVE_COLUMNS,
    MODEL_COLUMNS,
    STAGE_COLUMNS,
    TRIAL_COLUMNS,
    Reduce,
    names_of,
)
from fastroute.simulation.frames import (
    QUANTILES,
    STATISTICS,
    curves_frame,
    models_frame,
    stages_frame,
    summary_frame,
    trials_frame,
)
from fastroute.simulation.merge import Accounts, merge_trials, warnings
from fastroute.simulation.plan import log_spaced
from fastroute.study.cells import Cell
from fastroute.study.errors import DamagedError
from fastroute.study.journal import Record
from fastroute.study.planning import StorageMode
from fastroute.study.shard import from_parquet

if TYPE_CHECKING:
    import polars as pl

    Kind = pl.DataType | type[pl.DataType]

#: Names of the frames that are written when a study is complete, in files of these names.
FRAMES: Final = ("trials", "curves", "stages", "models", "summary")
#: First columns of every frame.
PARAMETERS: Final = (
    "cell",
    "world",
    "scenario",
    "policy",
    "horizon",
    "budget",
    "max_deployed",
    "stages",
    "seed",
)


def cells_frame(cells: Sequence[Cell]) -> "pl.DataFrame":
    """One row per cell with all that was worked out of the study, and nothing of its results."""
    import polars as pl

    rows = [_row(cell) for cell in cells]
    frame = pl.DataFrame(
        {name: [row[name] for row in rows] for name in rows[0]},
        schema_overrides={
            "budget": pl.Float64,
            "gamma": pl.Float64,
            "deploy_cost": pl.Float64,
            "changes": pl.List(pl.Int64),
        },
    )
    axes = [_axis_column(name, [cell.axes[name] for cell in cells]) for name in axis_names(cells)]
    return frame.select(*PARAMETERS, *axes, pl.exclude(*PARAMETERS))


def axis_names(cells: Sequence[Cell]) -> list[str]:
    """Return the names of the columns for axes that are not among the parameters."""
    return list(cells[0].axes)


def _row(cell: Cell) -> dict[str, Any]:
    settings = cell.settings
    horizon, stages = settings.horizon, int(settings.stages)
    return {
        "cell": cell.number,
        "world": cell.world,
        "scenario": cell.scenario,
        "policy": cell.policy,
        "horizon": horizon,
        "budget": settings.budget,
        "max_deployed": settings.max_deployed,
        "stages": stages,
        "seed": settings.seed,
        "trials": cell.trials,
        "stage_length": -(-horizon // stages),
        "gamma": cell.gamma,
        **{kind: cell.policy_options[kind]["name"] for kind in KINDS},
        "deploy_cost": settings.deploy_cost,
        "load_rounds": settings.load_rounds,
        "checkpoints": settings.checkpoints,
        "backend": settings.backend,
        "curves_kept": cell.curves,
        "stages_kept": "trials" if cell.keep_stages else "means",
        "shard_trials": cell.shard_trials,
        "key": cell.key,
        "scenario_name": cell.scenario_name,
        "scenario_options": json.dumps(cell.built_with, sort_keys=True, default=str),
        "policy_name": cell.policy_name,
        "policy_options": json.dumps(cell.policy_options, sort_keys=True, default=str),
        "cost_unit": cell.cost_unit,
        "changes": list(cell.changes),
    }


def _axis_column(name: str, values: list[Any]) -> "pl.Series":
    """Make a column of whole numbers, numbers, or words, whichever holds all values."""
    import polars as pl

    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    words = [
        value if value is None or isinstance(value, str) else json.dumps(value) for value in values
    ]
    return pl.Series(name, words, dtype=pl.String)


def storage_mode(row: Mapping[str, Any]) -> StorageMode:
    """Return what a cell keeps on disk, from its row of the frame of cells."""
    return StorageMode(
        trials=row["trials"],
        shard_trials=row["shard_trials"],
        moments=row["curves_kept"] == "moments",
        means=row["stages_kept"] == "means",
    )


def read_shard(directory: Path, record: Record, kept: StorageMode) -> Accounts:
    """Read a shard, compare it with its checksum, and reduce it to what its cell keeps.

    Raises
    ------
    DamagedError
        When it is missing or is not what was written.
    """
    try:
        content = (directory / record.name).read_bytes()
    except OSError as error:
        raise DamagedError(f"{record.name}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise DamagedError(f"{record.name}: differs from its checksum")
    try:
        accounts = from_parquet(content)
    except DamagedError as error:
        raise DamagedError(f"{record.name}: {error}") from None
    return accounts.reduced(curves=kept.moments, stages=kept.means)


def trials_table(row: Mapping[str, Any], accounts: Accounts) -> "pl.DataFrame":
    """One row per trial."""
    return trials_frame(accounts.finals)


def curves_table(row: Mapping[str, Any], accounts: Accounts) -> "pl.DataFrame":
    """One row per quantity and checkpoint, over trials."""
    curves, _, _ = merge_trials(accounts)
    return curves_frame(curves, _checkpoints(row), accounts.trials)


def stages_table(row: Mapping[str, Any], accounts: Accounts) -> "pl.DataFrame":
    """One row per stage and trial, or per stage as means over trials."""
    _, table, sets = merge_trials(accounts)
    opened = np.arange(0, row["horizon"], row["stage_length"])
    rounds = np.minimum(row["horizon"] - opened, row["stage_length"])
    frame = stages_frame(
        table,
        sets,
        accounts.finals["trial"],
        accounts.models.names,
        opened,
        rounds,
        budget=row["budget"],
        deployer=row["deployer"],
    )
    # The budget of a row is that of its cell.
    frame.drop_in_place("budget")
    return frame


def models_table(row: Mapping[str, Any], accounts: Accounts) -> "pl.DataFrame":
    """One row per model, as means over trials."""
    return models_frame(accounts.models, accounts.trials)


def summary_table(row: Mapping[str, Any], accounts: Accounts) -> "pl.DataFrame":
    """One row per quantity, over trials."""
    return summary_frame(accounts.finals)


def trial_curves_table(row: Mapping[str, Any], accounts: Accounts) -> "pl.DataFrame":
    """One row per trial and checkpoint; none where moments are kept."""
    import polars as pl

    points = _checkpoints(row)
    if not isinstance(accounts.curves, np.ndarray):
        return pl.DataFrame(schema=schemas()["trial_curves"])
    return pl.DataFrame(
        {
            "trial": np.repeat(accounts.finals["trial"], len(points)),
            "round": np.tile(points, accounts.trials),
            **{
                column.name: curve.ravel()
                for column, curve in zip(CURVE_COLUMNS, accounts.curves, strict=True)
            },
        }
    )


#: Frame -> what makes the rows of one cell.
TABLES: Final[dict[str, Callable[[Mapping[str, Any], Accounts], "pl.DataFrame"]]] = {
    "trials": trials_table,
    "curves": curves_table,
    "stages": stages_table,
    "models": models_table,
    "summary": summary_table,
    "trial_curves": trial_curves_table,
}


def with_parameters(frames: "Sequence[pl.DataFrame]", parameters: "pl.DataFrame") -> "pl.DataFrame":
    """Put the parameters of cells in front of their rows.

    Parameters
    ----------
    frames : sequence of polars.DataFrame
        The rows of each cell.
    parameters : polars.DataFrame
        A row for each of these cells.
    """
    import polars as pl

    place = np.repeat(np.arange(len(frames)), [frame.height for frame in frames])
    return pl.concat([parameters[place], pl.concat(frames, rechunk=True)], how="horizontal")


def cell_warnings(
    row: Mapping[str, Any], accounts: Accounts, never_learnt: Mapping[str, str]
) -> list[str]:
    """Return what a reader of a cell's numbers must know."""
    return warnings(accounts, row["horizon"], row["budget"], row["estimator"], never_learnt)


def _checkpoints(row: Mapping[str, Any]) -> NDArray[np.int64]:
    return log_spaced(row["horizon"], row["checkpoints"])


def schemas() -> "dict[str, dict[str, Kind]]":
    """Columns of every frame behind the parameters, with their types."""
    import polars as pl

    number, whole, word = pl.Float64, pl.Int64, pl.String
    types: dict[type, Kind] = {np.float64: number, np.int64: whole, np.str_: word}
    models: dict[str, Kind] = {}
    for column in MODEL_COLUMNS:
        models[column.name] = types[column.dtype]
        if column.reduce is Reduce.ERROR:
            models[f"{column.name}_se"] = number
    return {
        "trials": {"trial": whole, **{c.name: types[c.dtype] for c in TRIAL_COLUMNS}},
        "curves": {
            "round": whole,
            "quantity": word,
            "mean": number,
            "se": number,
            **dict.fromkeys(QUANTILES, number),
            "trials": whole,
        },
        "stages": {
            **dict.fromkeys(("trial", "stage", "opened", "rounds"), whole),
            "deployed": pl.List(whole),
            "deployed_names": pl.List(word),
            **{c.name: types[c.dtype] for c in STAGE_COLUMNS},
        },
        "models": {
            "model": whole,
            "name": word,
            **dict.fromkeys(("arrival", "retirement"), whole),
            **models,
        },
        "summary": {
            "quantity": word,
            **dict.fromkeys(STATISTICS, number),
        },
        "trial_curves": {
            "trial": whole,
            "round": whole,
            **dict.fromkeys(names_of(CURVE_COLUMNS), number),
        },
    }
