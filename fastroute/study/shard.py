"""A shard: the accounts of some trials of a cell, as bytes of Parquet and back.

The file says itself what it is and whether it is whole (see :mod:`fastroute.study.parquet`): the
hash of the study that it was first computed for, the key of its cell, its trials, the backend.

One row per trial. Columns:

``trial`` and the other columns of ``Run.trials``
    One number each.
``curve_*`` : array [checkpoint]
    One column per quantity, when the curves of every trial are kept.
``stage_*`` : array [stage]
    One column per column of the stage table, and ``stage_deployed`` [stage * slots] with -1 where
    a slot is empty, when the stages of every trial are kept.
``block_mean``, ``block_square`` : list [quantity * checkpoint]
    When moments are kept: row k holds those of the k-th block of trials, further rows null.
``sketch_slot``, ``sketch_key``, ``sketch_tally`` : list [bin]
    The counts of all trials of the shard, in the first row, further rows null.
``block_stages`` : list [column * stage]
    When means are kept: row k holds the sums over the k-th block of trials, further rows null.
``model_name``, ``model_arrival``, ``model_retirement`` : list [N]
    The models, in the first row, further rows null.
``model_share`` and the other columns of models : array [N]
    When the stages of every trial are kept.
``block_models`` : list [2 * column * N]
    When means are kept: row k holds the sums over the k-th block of trials, further rows null.
``pools``, ``late_pools`` : integer
    Pools of models over the run, the same in every row, and those that no distribution can serve.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.simulation.blocks import BLOCK, Models, Moments
from fastroute.simulation.columns import (
    CURVE_COLUMNS,
    MODEL_COLUMNS,
    STAGE_COLUMNS,
    TRIAL_COLUMNS,
    Column,
    names_of,
)
from fastroute.simulation.merge import Accounts
from fastroute.simulation.sketch import Sketch
from fastroute.study.errors import DamagedError
from fastroute.study.parquet import read_checked, with_checksum

if TYPE_CHECKING:
    import polars as pl

F8 = NDArray[np.float64]

_KINDS: Final = ("curve", "stage", "block", "block_stages", "block_models", "sketch")
_MODELS: Final = ("model_name", "model_arrival", "model_retirement")
_SUMMED: Final = ("regret", "priced_regret", "cost")
_SKETCH: Final = tuple(f"sketch_{field}" for field in Sketch._fields)


def to_parquet(accounts: Accounts, about: Mapping[str, Any] | None = None) -> bytes:
    """Write accounts as Parquet, with what the shard says that it is."""
    import polars as pl

    count = accounts.trials
    columns: dict[str, Any] = {
        **accounts.finals,
        "pools": np.full(count, accounts.pools, np.int64),
        "late_pools": accounts.late_pools,
    }
    models = accounts.models
    blocks: dict[str, F8] = {}
    if isinstance(accounts.curves, Moments):
        for name in ("mean", "square"):
            values = getattr(accounts.curves, name)
            blocks[f"block_{name}"] = values.reshape(-1, values.shape[-1])
    else:
        for name, curve in zip(names_of(CURVE_COLUMNS), accounts.curves, strict=True):
            columns[f"curve_{name}"] = np.ascontiguousarray(curve)
    if accounts.sets is None:
        blocks["block_stages"] = accounts.stages.reshape(-1, accounts.stages.shape[-1])
        blocks["block_models"] = models.values.reshape(-1, models.values.shape[-1])
    else:
        for name, column in zip(names_of(STAGE_COLUMNS), accounts.stages, strict=True):
            columns[f"stage_{name}"] = np.ascontiguousarray(column.T)
        sets = accounts.sets.transpose(1, 0, 2)
        columns["stage_deployed"] = np.ascontiguousarray(sets).reshape(count, -1)
        for name, column in zip(names_of(MODEL_COLUMNS), models.values, strict=True):
            columns[f"model_{name}"] = np.ascontiguousarray(column.T)
    lists: dict[str, Any] = {name: values.T for name, values in blocks.items()}
    lists["model_name"] = [models.names]
    lists["model_arrival"] = [models.arrival]
    lists["model_retirement"] = [models.retirement]
    if isinstance(accounts.curves, Moments):
        for name, values in zip(_SKETCH, accounts.curves.sketch, strict=True):
            lists[name] = [values]
    # All columns at once: to add or to lengthen one later takes as long as to write a small shard.
    series = [pl.Series(name, values) for name, values in columns.items()]
    for name, rows in lists.items():
        entries = [pl.Series(row) for row in rows]
        padded = [*entries, *[None] * (count - len(entries))]
        series.append(pl.Series(name, padded, dtype=pl.List(entries[0].dtype)))
    frame = pl.DataFrame(series)
    return _write(frame, about or {})


def shard_facts(content: bytes, name: str) -> dict[str, Any] | None:
    """Return what a shard that is whole says that it is, and what the journal notes of it.

    Parameters
    ----------
    content : bytes
        The shard.
    name : str
        Of the shard, for messages.

    Returns
    -------
    dict or None
        Times of the work are 0, as a shard does not tell them. None when the shard does not say
        what it is, as those of older versions.

    Raises
    ------
    DamagedError
        When it is not what was written.
    """
    frame, about = read_checked(content, name)
    if about is None:
        return None
    return {
        **about,
        "moments": "block_mean" in frame.columns,
        "means": "block_stages" in frame.columns,
        **sums_of({column: frame[column].to_numpy() for column in _SUMMED}),
        "seconds": 0.0,
        "compile_seconds": 0.0,
    }


def sums_of(finals: Mapping[str, F8]) -> dict[str, float]:
    """Add up over the trials of a shard what running estimates are made of."""
    return {
        "regret": float(finals["regret"].sum()),
        "regret_square": float((finals["regret"] ** 2).sum()),
        "priced_regret": float(finals["priced_regret"].sum()),
        "cost": float(finals["cost"].sum()),
    }


def column_bytes(content: bytes) -> dict[str, float]:
    """Return how many bytes each kind of columns takes in a shard.

    Returns
    -------
    dict of str to float
        ``shard``: whatever is in it; ``models``: which they are; ``trial``: the columns of
        ``Run.trials``; and ``curve``, ``stage``, ``block``, ``block_stages``, ``block_models`` and
        ``sketch`` where the shard has such columns.
    """
    import polars as pl

    frame = pl.read_parquet(io.BytesIO(content))
    kinds: dict[str, list[str]] = {}
    for name in frame.columns:
        kind = name if name in _KINDS else name.partition("_")[0]
        kind = "models" if name in _MODELS else kind if kind in _KINDS else "trial"
        kinds.setdefault(kind, []).append(name)
    empty = frame.clear()
    return {
        "shard": float(len(_write(empty, {}))),
        **{
            kind: float(len(_write(frame.select(names), {})) - len(_write(empty.select(names), {})))
            for kind, names in kinds.items()
        },
    }


def _write(frame: "pl.DataFrame", about: Mapping[str, Any]) -> bytes:
    # Doubles of a simulation hardly compress, and statistics of a shard are never asked for.
    return with_checksum(frame, about, compression="lz4", statistics=False)


def from_parquet(content: bytes) -> Accounts:
    """Read the accounts back that :func:`to_parquet` wrote, bit for bit.

    Raises
    ------
    DamagedError
        When columns of trials are missing.
    """
    import polars as pl

    frame = pl.read_parquet(io.BytesIO(content))
    missing = [name for name in names_of(TRIAL_COLUMNS) if name not in frame.columns]
    if missing:
        raise DamagedError(
            f"has no column {', '.join(missing)}: another version of fastroute wrote it; run "
            "the study again, which computes such shards again"
        )
    finals = {name: frame[name].to_numpy() for name in ("trial", *names_of(TRIAL_COLUMNS))}
    curves: F8 | Moments
    if "block_mean" in frame.columns:
        mean, square = (
            _blocks(frame, f"block_{name}", len(CURVE_COLUMNS)) for name in ("mean", "square")
        )
        slot, key, tally = (frame[name][0].to_numpy() for name in _SKETCH)
        curves = Moments(mean, square, Sketch(slot, key, tally))
    else:
        curves = np.stack(_arrays(frame, "curve", CURVE_COLUMNS))
    sets = None
    if "block_stages" in frame.columns:
        stages = _blocks(frame, "block_stages", len(STAGE_COLUMNS))
        values = _blocks(frame, "block_models", 2)
        values = values.reshape(2, len(MODEL_COLUMNS), -1, values.shape[-1])
    else:
        stages = np.stack([array.T for array in _arrays(frame, "stage", STAGE_COLUMNS)])
        sets = frame["stage_deployed"].to_numpy().reshape(frame.height, stages.shape[1], -1)
        sets = np.ascontiguousarray(sets.transpose(1, 0, 2))
        values = np.stack([array.T for array in _arrays(frame, "model", MODEL_COLUMNS)])
    models = Models(
        tuple(frame["model_name"][0]),
        frame["model_arrival"][0].to_numpy(),
        frame["model_retirement"][0].to_numpy(),
        values,
    )
    return Accounts(
        finals=finals,
        curves=curves,
        stages=stages,
        sets=sets,
        picks=np.zeros((0, 0), np.int16),
        models=models,
        pools=frame["pools"][0],
        late_pools=frame["late_pools"].to_numpy(),
    )


def _arrays(frame: "pl.DataFrame", kind: str, columns: tuple[Column, ...]) -> list[F8]:
    """Return the columns of a kind, an array each."""
    return [frame[f"{kind}_{name}"].to_numpy() for name in names_of(columns)]


def _blocks(frame: "pl.DataFrame", name: str, rows: int) -> F8:
    """Return a column with one list per block as an array [rows, ..., block]."""
    lists = frame[name].head(-(-frame.height // BLOCK))
    values: F8 = np.stack([entry.to_numpy() for entry in lists], axis=-1)
    return values.reshape(rows, -1, len(lists))
