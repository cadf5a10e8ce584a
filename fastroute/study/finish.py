"""The frames of a complete study, written from its shards."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastroute.simulation.merge import Accounts, concatenate_all
from fastroute.study.errors import DamagedError
from fastroute.study.files import SafeFolder
from fastroute.study.journal import Record
from fastroute.study.names import PARTS, is_part
from fastroute.study.planning import plan_cell
from fastroute.study.store import RunDirectory
from fastroute.study.tables import (
    FRAMES,
    PARAMETERS,
    TABLES,
    axis_names,
    cell_warnings,
    cells_frame,
    read_shard,
    storage_mode,
    with_parameters,
)

if TYPE_CHECKING:
    import polars as pl

# Rows that are held in memory before they go to a file of their own.
_HELD_BYTES: Final = 64 << 20
_ROWS_IN_GROUP: Final = 1 << 17


def write_frames(directory: RunDirectory) -> list[Record]:
    """Read every shard, compare it with its checksum, and write the frames of the study.

    Parameters
    ----------
    directory : RunDirectory
        Its records cover all cells.

    Returns
    -------
    list of Record
        Shards that are damaged; when there are any, no frames were written.

    Raises
    ------
    OSError
        When the disk is full.
    """
    import polars as pl

    cells = cells_frame(directory.cells)
    parameters = cells.select(*PARAMETERS, *axis_names(directory.cells))
    directory.inside.clear(PARTS, is_part)
    damaged: list[Record] = []
    warnings: list[list[str]] = []
    used: set[str] = set()
    try:
        stacks = {name: _FrameBuffer(directory.inside, name, parameters) for name in FRAMES}
        rows = zip(directory.cells, cells.iter_rows(named=True), strict=True)
        for place, (cell, row) in enumerate(rows):
            records = plan_cell(storage_mode(row), directory.records.of(row["key"])).usable
            used.update(record.name for record in records)
            accounts = _read(directory.path, row, records, damaged)
            if accounts is None or damaged:
                continue
            warnings.append(cell_warnings(row, accounts, cell.never_learnt))
            for name, stack in stacks.items():
                stack.add(place, TABLES[name](row, accounts))
        if damaged:
            return damaged
        for name, stack in stacks.items():
            directory.put(f"{name}.parquet", stack.write)
        cells = cells.with_columns(pl.Series("warnings", warnings, dtype=pl.List(pl.String)))
        directory.put_cells(cells, complete=True)
    finally:
        directory.inside.clear(PARTS, is_part)
    _remove_superseded(directory, used)
    return []


class _FrameBuffer:
    """A frame that grows by the rows of cells; what does not fit into memory goes to files."""

    def __init__(self, inside: SafeFolder, name: str, parameters: "pl.DataFrame") -> None:
        self._inside = inside
        self._name = name
        self._parameters = parameters
        self._places: list[int] = []
        self._held: list[pl.DataFrame] = []
        self._bytes = 0.0
        self._files: list[Path] = []

    def add(self, place: int, frame: "pl.DataFrame") -> None:
        self._places.append(place)
        self._held.append(frame)
        self._bytes += frame.estimated_size()
        if self._bytes > _HELD_BYTES:
            file = f"{PARTS}/{self._name}-{len(self._files)}.parquet"
            self._inside.write(file, self._joined().write_parquet)
            self._files.append(self._inside.file(file))
            self._places, self._held, self._bytes = [], [], 0.0

    def _joined(self) -> "pl.DataFrame":
        return with_parameters(self._held, self._parameters[self._places])

    def write(self, place: Path) -> None:
        import polars as pl

        lazy = [pl.scan_parquet(file, glob=False) for file in self._files]
        lazy += [self._joined().lazy()] if self._held else []
        pl.concat(lazy).sink_parquet(place, row_group_size=_ROWS_IN_GROUP)


def _read(
    directory: Path, row: Mapping[str, Any], records: list[Record], damaged: list[Record]
) -> Accounts | None:
    """Read the shards of a cell, and add the damaged ones to `damaged`."""
    kept = storage_mode(row)

    def intact() -> Iterator[Accounts]:
        for record in records:
            try:
                yield read_shard(directory, record, kept)
            except DamagedError:
                damaged.append(record)

    return concatenate_all(intact())


def _remove_superseded(directory: RunDirectory, used: set[str]) -> None:
    """Remove shards whose trials are in others, which an extended study may leave."""
    for key in directory.records.keys():
        for record in directory.records.of(key):
            if record.name not in used:
                directory.inside.remove(record.name)
                directory.records.drop(record)
