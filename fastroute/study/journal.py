"""Records of the shards on disk: a journal that only grows, and its compacted form.

A line of JSON is added to ``journal.jsonl`` and flushed to the disk for every shard that was
written. When a session ends, the lines become rows of ``shards.parquet`` and the journal starts
anew; after a crash the next session finds both. A later record of the same trials takes the
place of an earlier one. Both tell whether they are whole: every line ends with its CRC-32, and
``shards.parquet`` holds its checksum (see :mod:`fastroute.study.parquet`).
"""

import functools
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.study.errors import DamagedError, RunDirectoryError
from fastroute.study.files import SafeFolder, sync_directory
from fastroute.study.names import leaves_folder
from fastroute.study.parquet import read_checked, with_checksum

if TYPE_CHECKING:
    import polars as pl

JOURNAL: Final = "journal.jsonl"
COMPACTED: Final = "shards.parquet"
_LONGEST_LINE: Final = 1 << 16
# What the checksum of a line comes after.
_CRC: Final = b', "crc": '


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
    lost : bool
        ``shards.parquet`` is damaged, or there is neither that file nor a journal.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._cells: dict[str, dict[tuple[int, int], Record]] = {}
        self.broken = 0
        self.lost = False
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
    """Read what is known of the shards of a run directory, without changing anything.

    Raises
    ------
    RunDirectoryError
        When a record names a shard outside the directory.
    """
    # The journal first: when it is compacted in between, all of it is in the other file.
    try:
        content = (directory / JOURNAL).read_bytes()
        begun = True
    except OSError:
        content, begun = b"", False
    records = Records()
    try:
        for row in _read_compacted(directory).iter_rows():
            records.add(Record(*row))
    except FileNotFoundError:
        records.lost = not begun
    except (DamagedError, OSError):
        records.lost = True
    # What is behind the last line break was being written when the writer died.
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        record = _from_line(line)
        if record is None:
            records.broken += 1
        else:
            records.add(record)
    for key in records.keys():
        if leaves_folder(name := f"shards/{key}"):
            raise RunDirectoryError(
                f'{directory}: {JOURNAL} or {COMPACTED} names "{name}", which leads out of the run '
                "directory; remove the file that does, and run the study again"
            )
    return records


def earlier_sessions(directory: Path) -> dict[str, Any]:
    """Return what the sessions noted of themselves in ``shards.parquet``; empty when it is lost."""
    try:
        content = (directory / COMPACTED).read_bytes()
        return read_checked(content, COMPACTED)[1] or {}
    except (DamagedError, OSError):
        return {}


def _read_compacted(directory: Path) -> "pl.DataFrame":
    import polars as pl

    frame, _ = read_checked((directory / COMPACTED).read_bytes(), COMPACTED)
    try:
        found = frame.select(pl.col(name).cast(kind) for name, kind in schema().items())
    except pl.exceptions.PolarsError as error:
        raise DamagedError(f"{COMPACTED}: {error}") from None
    if found.null_count().sum_horizontal().sum():
        raise DamagedError(f"{COMPACTED}: values are missing")
    return found


def _to_line(record: Record) -> str:
    head = json.dumps(record._asdict())[:-1]
    return f"{head}{_CRC.decode()}{zlib.crc32(head.encode())}}}\n"


def _from_line(line: bytes) -> Record | None:
    """Read a line of the journal; None when it is damaged."""
    head, crc, digits = line.rpartition(_CRC)
    # Lines of older versions have none.
    if crc and digits != b"%d}" % zlib.crc32(head):
        return None
    try:
        record = Record(**json.loads(head + b"}" if crc else line))
    except (ValueError, TypeError):
        return None
    kinds = Record.__annotations__.values()
    whole = all(
        type(value) is kind or (kind is float and type(value) is int)
        for value, kind in zip(record, kinds, strict=True)
    )
    return record if whole and 0 <= record.first < record.stop else None


class Journal:
    """The journal of a session; the only one that writes it."""

    def __init__(self, directory: Path) -> None:
        self._inside = SafeFolder(directory)
        new = not self._inside.file(JOURNAL).exists()
        self._file = self._inside.open(JOURNAL)
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
        lines = "".join(map(_to_line, records))
        before = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(lines.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(before)
            raise

    def compact(
        self, records: Records, about: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Write all records in compacted form and empty the journal.

        Parameters
        ----------
        records : Records
            All that are to be kept.
        about : mapping, optional
            What the sessions note of themselves, see :func:`earlier_sessions`.

        Returns
        -------
        mapping
            ``sha256`` and ``bytes`` of ``shards.parquet``.
        """
        content = with_checksum(records.frame(), about or {})
        entry = self._inside.write(COMPACTED, functools.partial(Path.write_bytes, data=content))
        # In this order: a crash in between leaves records twice, which does no harm.
        self.close()
        self._inside.remove(JOURNAL)
        return entry

    def close(self) -> None:
        """Close the file; what was appended is on the disk already."""
        self._file.close()
