"""A shard: the accounts of some trials of a cell, as bytes of Parquet and back.

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
``pools``, ``late_pools`` : integer
    Pools of models over the run, and those that no distribution can serve; the same in every row.
"""

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.simulate.blocks import BLOCK, Moments
from fastroute.simulate.ledger import QUANTITIES, STAGE_COLUMNS
from fastroute.simulate.merge import Accounts
from fastroute.simulate.sketch import Sketch

if TYPE_CHECKING:
    import polars as pl

F8 = NDArray[np.float64]

_ABOUT: Final = ("pools", "late_pools")
_KINDS: Final = ("curve", "stage", "block", "block_stages", "sketch")
_SKETCH: Final = tuple(f"sketch_{field}" for field in Sketch._fields)


def to_parquet(accounts: Accounts) -> bytes:
    """Write accounts as Parquet."""
    import polars as pl

    count = accounts.trials
    columns: dict[str, Any] = {
        **accounts.finals,
        "pools": np.full(count, accounts.pools, np.int64),
        "late_pools": np.full(count, accounts.late_pools, np.int64),
    }
    blocks: dict[str, F8] = {}
    if isinstance(accounts.curves, Moments):
        for name in ("mean", "square"):
            values = getattr(accounts.curves, name)
            blocks[f"block_{name}"] = values.reshape(-1, values.shape[-1])
    else:
        for name, curve in zip(QUANTITIES, accounts.curves, strict=True):
            columns[f"curve_{name}"] = np.ascontiguousarray(curve)
    if accounts.sets is None:
        blocks["block_stages"] = accounts.stages.reshape(-1, accounts.stages.shape[-1])
    else:
        for name, column in zip(STAGE_COLUMNS, accounts.stages, strict=True):
            columns[f"stage_{name}"] = np.ascontiguousarray(column.T)
        sets = accounts.sets.transpose(1, 0, 2)
        columns["stage_deployed"] = np.ascontiguousarray(sets).reshape(count, -1)
    lists = [pl.Series(name, values.T).arr.to_list() for name, values in blocks.items()]
    if isinstance(accounts.curves, Moments):
        counts: dict[str, NDArray[Any]] = dict(zip(_SKETCH, accounts.curves.sketch, strict=True))
        lists += [pl.Series(name, values[None]).arr.to_list() for name, values in counts.items()]
    frame = pl.DataFrame(columns).with_columns(
        column.extend_constant(None, count - len(column)) for column in lists
    )
    return _write(frame)


def column_bytes(content: bytes) -> dict[str, float]:
    """Return how many bytes each kind of columns takes in a shard.

    Returns
    -------
    dict of str to float
        ``shard``: whatever is in it; ``trial``: the columns of ``Run.trials``; and ``curve``,
        ``stage``, ``block``, ``block_stages`` and ``sketch`` where the shard has such columns.
    """
    import polars as pl

    frame = pl.read_parquet(io.BytesIO(content))
    kinds: dict[str, list[str]] = {}
    for name in frame.columns:
        kind = name if name == "block_stages" else name.partition("_")[0]
        kinds.setdefault(kind if kind in _KINDS else "trial", []).append(name)
    empty = frame.clear()
    return {
        "shard": float(len(_write(empty))),
        **{
            kind: float(len(_write(frame.select(names))) - len(_write(empty.select(names))))
            for kind, names in kinds.items()
        },
    }


def _write(frame: "pl.DataFrame") -> bytes:
    file = io.BytesIO()
    # Doubles of a simulation hardly compress, and statistics of a shard are never asked for.
    frame.write_parquet(file, compression="zstd", compression_level=1, statistics=False)
    return file.getvalue()


def from_parquet(content: bytes) -> Accounts:
    """Read the accounts back that :func:`to_parquet` wrote, bit for bit."""
    import polars as pl

    frame = pl.read_parquet(io.BytesIO(content))
    finals = {
        name: column.to_numpy()
        for name, column in zip(frame.columns, frame, strict=True)
        if not column.dtype.is_nested() and name not in _ABOUT
    }
    curves: F8 | Moments
    if "block_mean" in frame.columns:
        mean, square = (
            _blocks(frame, f"block_{name}", len(QUANTITIES)) for name in ("mean", "square")
        )
        slot, key, tally = (frame[name][0].to_numpy() for name in _SKETCH)
        curves = Moments(mean, square, Sketch(slot, key, tally))
    else:
        curves = np.stack([frame[f"curve_{name}"].to_numpy() for name in QUANTITIES])
    sets = None
    if "block_stages" in frame.columns:
        stages = _blocks(frame, "block_stages", len(STAGE_COLUMNS))
    else:
        stages = np.stack([frame[f"stage_{name}"].to_numpy().T for name in STAGE_COLUMNS])
        sets = frame["stage_deployed"].to_numpy().reshape(frame.height, stages.shape[1], -1)
        sets = np.ascontiguousarray(sets.transpose(1, 0, 2))
    return Accounts(
        finals, curves, stages, sets, np.zeros((0, 0), np.int16), *frame.select(_ABOUT).row(0)
    )


def _blocks(frame: "pl.DataFrame", name: str, rows: int) -> F8:
    """Return a column with one list per block as an array [rows, ..., block]."""
    lists = frame[name].head(-(-frame.height // BLOCK))
    values: F8 = np.stack([entry.to_numpy() for entry in lists], axis=-1)
    return values.reshape(rows, -1, len(lists))
