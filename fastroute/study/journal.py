"""What is known of the shards on disk: a journal that only grows, and its compacted form.

A line of JSON is added to ``journal.jsonl`` and flushed to the disk for every shard that was
written. When a session ends, the lines become rows of ``shards.parquet`` and the journal starts
anew; after a crash the next session finds both. A later record of the same trials takes the
place of an earlier one.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.study.files import remove, sync_directory, write_file

if TYPE_CHECKING:
    import polars as pl

JOURNAL: Final = "journal.jsonl"
COMPACTED: Final = "shards.parquet"
_LONGEST_LINE: Final = 1 << 16


class Record(NamedTuple):
    """A shard on disk."""

    key: str  #: of the cell
    first: int
    stop: int
    sha256: str
    bytes: int
    moments: bool  #: curves as moments, not of every trial
    means: bool  #: stages as sums, not of every trial
    seconds: float  #: of work
    compile_seconds: float
    backend: str
    regret: float  #: sum over trials, and so the next three
    regret_square: float
    priced_regret: float
    cost: float
    session: int  #: number of the session that wrote it
    at: float  #: seconds since 1970

    @property
    def name(self) -> str:
        """Path inside the run directory."""
        return shard_name(self.key, self.first, self.stop)


def shard_name(key: str, first: int, stop: int) -> str:
    """Path of a shard inside the run directory."""
    return f"shards/{key}/{first}-{stop}.parquet"


def schema() -> "dict[str, pl.DataType | type[pl.DataType]]":
    """Types of the columns of ``shards.parquet``."""
    import polars as pl

    kinds = {str: pl.String, int: pl.Int64, bool: pl.Boolean, float: pl.Float64}
    return {name: kinds[kind] for name, kind in Record.__annotations__.items()}


class Records:
    """The records of a run directory, by cell.

    Attributes
    ----------
    broken : int
        Lines of the journal that could not be read; a last line that was cut off is not one.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._cells: dict[str, dict[tuple[int, int], Record]] = {}
        self.broken = 0
        for record in records:
            self.add(record)

    def __len__(self) -> int:
        """Return the number of shards."""
        return sum(map(len, self._cells.values()))

    def add(self, record: Record) -> None:
        """Add a record, in the place of one of the same trials."""
        self._cells.setdefault(record.key, {})[record.first, record.stop] = record

    def drop(self, record: Record) -> None:
        """Forget a shard that turned out to be damaged."""
        self._cells[record.key].pop((record.first, record.stop), None)

    def of(self, key: str) -> list[Record]:
        """Return the records of a cell, in the order of their trials."""
        found = self._cells.get(key, {})
        return [found[place] for place in sorted(found)]

    def keys(self) -> list[str]:
        """Cells that have records."""
        return [key for key, found in self._cells.items() if found]

    def frame(self) -> "pl.DataFrame":
        """All records as a frame, sorted by cell and trials."""
        import polars as pl

        rows = [record for key in sorted(self._cells) for record in self.of(key)]
        columns = zip(*rows, strict=True) if rows else ([] for _ in Record._fields)
        kinds = schema()
        return pl.DataFrame(
            [
                pl.Series(name, list(values), dtype=kinds[name])
                for name, values in zip(Record._fields, columns, strict=True)
            ]
        )


def read_records(directory: Path) -> Records:
    """Read what is known of the shards of a run directory, without changing anything."""
    import polars as pl

    records = Records()
    if (directory / COMPACTED).exists():
        for row in pl.read_parquet(directory / COMPACTED).select(Record._fields).iter_rows():
            records.add(Record(*row))
    try:
        content = (directory / JOURNAL).read_bytes()
    except FileNotFoundError:
        return records
    # What is behind the last line break was being written when the writer died.
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        try:
            records.add(Record(**json.loads(line)))
        except (ValueError, TypeError):
            records.broken += 1
    return records


class Journal:
    """The journal of a session; the only one that writes it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        path = directory / JOURNAL
        new = not path.exists()
        self._file = path.open("ab+")
        self._cut_torn_line()
        if new:
            sync_directory(directory)

    def _cut_torn_line(self) -> None:
        """Remove a last line that was cut off, so that the next one starts a line of its own."""
        end = self._file.seek(0, os.SEEK_END)
        start = max(end - _LONGEST_LINE, 0)
        self._file.seek(start)
        whole = start + self._file.read().rfind(b"\n") + 1
        if whole < end:
            self._file.truncate(whole)
            os.fsync(self._file.fileno())

    def append(self, records: Iterable[Record]) -> None:
        """Write records and flush them to the disk.

        Raises
        ------
        OSError
            When the disk is full; the journal is then as it was before.
        """
        lines = "".join(json.dumps(record._asdict()) + "\n" for record in records)
        before = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(lines.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(before)
            raise

    def compact(self, records: Records) -> Mapping[str, Any]:
        """Write all records in compacted form and start the journal anew.

        Returns
        -------
        mapping
            ``sha256`` and ``bytes`` of ``shards.parquet``.
        """
        entry = write_file(self._directory / COMPACTED, records.frame().write_parquet)
        # In this order: a crash in between leaves records twice, which does no harm.
        self.close()
        remove(self._directory / JOURNAL)
        return entry

    def close(self) -> None:
        """Close the file; what was appended is on the disk already."""
        self._file.close()
