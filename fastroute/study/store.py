"""The run directory: what a study leaves on disk.

::

    runs/NAME/
      README.md           what each file is, and the results in a table
      study.toml          the resolved study, complete and runnable again
      manifest.json       versions, machine, sessions, counts, and a checksum of every file
      cells.parquet       one row per cell of the grid, with all its parameters
      scenarios/*.npz     scenarios that were given as objects or files of their own
      shards/KEY/*.parquet  one per block of trials of a cell, never changed once written
      journal.jsonl       only while unfinished: one line per shard, with its checksum
      shards.parquet      the same, compacted
      failed/*.txt        why a shard could not be computed
      trials.parquet  curves.parquet  stages.parquet  models.parquet  summary.parquet
                          when complete
      figures/            drawn by the report
      report.html         the results as one page; a view, which the manifest does not list

Every file is written under a temporary name, flushed to the disk and renamed, so a file that is
there is whole. One process writes at a time. All that is written or removed goes through
:class:`fastroute.study.files.SafeFolder`, which refuses what leads out of the directory, and only
files with names as above are ever removed.
"""

import functools
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from fastroute.study.build import SCENARIO_FOLDER
from fastroute.study.cells import Cell
from fastroute.study.errors import RunDirectoryError
from fastroute.study.files import SafeFolder, checksum, make_directory
from fastroute.study.journal import COMPACTED, JOURNAL, Journal, Record
from fastroute.study.lock import Lock
from fastroute.study.manifest import (
    CELLS,
    FORMAT,
    MANIFEST,
    facts_in,
    find_manifest,
    intact_manifest,
    read_manifest,
    with_digest,
    work_in,
)
from fastroute.study.names import (
    PARTS,
    final_name,
    is_failure,
    is_figure,
    is_key,
    is_part,
    is_scenario_file,
    shard_range,
)
from fastroute.study.parquet import with_checksum
from fastroute.study.provenance import machine, versions
from fastroute.study.readme import readme
from fastroute.study.schema import DESCRIPTIVE_KEYS, Study
from fastroute.study.tables import FRAMES, axis_names, cells_frame
from fastroute.study.toml import show_toml
from fastroute.study.verify import check_shards, known_records

if TYPE_CHECKING:
    import polars as pl

# Made of all shards, once they are there.
_DERIVED: Final = tuple(f"{frame}.parquet" for frame in FRAMES)
#: What a complete study consists of; figures and README may be redrawn or edited.
RESULTS: Final = ("study.toml", CELLS, COMPACTED, *_DERIVED)
# What a run writes before its first shard.
_FIRST_FILES: Final = (CELLS, "study.toml", JOURNAL, "README.md", MANIFEST)
# Files beside the folders.
_FILES: Final = (*RESULTS, JOURNAL, "README.md", MANIFEST, "answer.md", "report.html")
# Folders beside that of the shards, and which of their files are the store's.
_FOLDERS: Final = {
    "failed": is_failure,
    "figures": is_figure,
    SCENARIO_FOLDER: is_scenario_file,
    PARTS: is_part,
}
_log: Final = logging.getLogger(__name__)
# Another version of one of these may give other digits.
_DECISIVE_PACKAGES: Final = ("fastroute", "numpy", "numba", "llvmlite", "scipy", "highspy", "jax")


class RunDirectory:
    """A run directory that is being written to, by the only writer.

    Parameters
    ----------
    path : pathlib.Path
        New, empty, or a run directory whose cells are all in the study.
    study : Study
        The resolved study.
    cells : sequence of Cell
        Its cells.

    Attributes
    ----------
    inside : SafeFolder
        Through which all files in it are written and removed.
    records : Records
        Its shards.
    resized : list of Record
        Those that are missing or have another size than they were written with.
    before : dict or None
        Its manifest as it was before; None when it was new or lost.

    Raises
    ------
    RunDirectoryError
        When another process writes to it, it holds something else, or a file or folder of it is a
        symbolic link.
    """

    def __init__(self, path: Path, study: Study, cells: Sequence[Cell]) -> None:
        self.path = path
        self.inside = SafeFolder(path)
        self.cells = cells
        self.notes: list[str] = []
        _make_directory(path)
        self._lock = Lock(path)
        _log.info("run directory %s: locked", path)
        self._journal: Journal | None = None
        try:
            _remove_leftovers(self.inside)
            self.records = known_records(path)
            check = check_shards(self.inside, self.records)
            self.resized = check.resized
            self.before = find_manifest(path)
            self._new = self.before is None and not len(self.records) and not check.unrecorded
            self._note_losses(len(check.unrecorded))
            for record in check.unrecorded:
                self.records.add(record)
            self._check(study)
            for name in check.leftovers:
                self.inside.remove(name)
            self.manifest = self._first_manifest(study, self.before)
        except BaseException:
            self._lock.release()
            raise

    def _note_losses(self, unrecorded: int) -> None:
        """Say what was damaged, and what is done about it."""
        if self._new:
            return
        if self.records.broken:
            self.notes.append(
                f"{self.records.broken} lines of {JOURNAL} cannot be read; their shards are used "
                "where they are whole, and computed again where not"
            )
        if self.records.lost and len(self.records):
            self.notes.append(f"{COMPACTED}: missing or damaged, and rebuilt from the shards")
        if unrecorded:
            self.notes.append(f"{unrecorded:,} shards without a record are intact, and are used")
        if intact_manifest(self.path) is None:
            self.notes.append(f"{MANIFEST}: missing or damaged, and rebuilt")

    def _check(self, study: Study) -> None:
        """Refuse a directory whose shards are not all shards of this study."""
        mine = {cell.key: cell for cell in self.cells}
        strangers = [key for key in self.records.keys() if key not in mine]
        longer = [
            f"{mine[key]}: trials {stop} -> {mine[key].trials}"
            for key in self.records.keys()
            if key in mine
            and (stop := max(record.stop for record in self.records.of(key))) > mine[key].trials
        ]
        if strangers or longer:
            there = self.before["study"] if self.before else {}
            found = differences(there, study.to_dict()) if there else ["the study file is lost"]
            if strangers and not found:
                found = ["the numbers behind a scenario: its data or its code changed"]
            listed = "".join(f"\n  {line}" for line in (found or longer)[:12])
            raise RunDirectoryError(
                f'{self.path}: holds results of another study, "{there.get("name")}". A study can '
                "be continued with more trials, cells or longer axes, but here cells or trials "
                f"would be lost. What differs (there -> here):{listed}\n"
                "Choose another directory, or remove this one"
            )

    def _first_manifest(self, study: Study, before: Mapping[str, Any] | None) -> dict[str, Any]:
        now = versions()
        sessions = list(before["sessions"]) if before else []
        last = sessions[-1]["versions"] if sessions else {}
        if last and len(self.records):
            changed = [
                f"{name} {last.get(name)} -> {now.get(name)}"
                for name in _DECISIVE_PACKAGES
                if last.get(name) != now.get(name)
            ]
            if changed:
                self.notes.append(
                    "other versions than in the session before, whose last digits may differ: "
                    + ", ".join(changed)
                )
        return {
            "format": FORMAT,
            "name": study.name,
            "status": "running",
            "content_hash": study.content_hash,
            "created": before["created"] if before else _now(),
            "finished": None,
            "versions": now,
            "machine": machine(),
            "sessions": [*sessions, {"started": _now(), "ended": None, "versions": now}],
            "cells": len(self.cells),
            "shards": {},
            "axes": axis_names(self.cells),
            "scenarios": {
                cell.scenario: {
                    "cost_unit": cell.cost_unit,
                    "note": cell.note,
                    "models": list(cell.models),
                }
                for cell in self.cells
            },
            "study": study.to_dict(),
            "files": dict(before["files"]) if before else {},
        }

    @property
    def session(self) -> dict[str, Any]:
        """What the manifest keeps of this session."""
        found: dict[str, Any] = self.manifest["sessions"][-1]
        return found

    @property
    def session_number(self) -> int:
        """Number of this session, from 0."""
        return len(self.manifest["sessions"]) - 1

    def start(self) -> None:
        """Write what is known before the first shard, and begin the journal."""
        # Frames and figures that are there are of fewer trials or cells.
        self.manifest["files"] = {
            name: entry
            for name, entry in self.manifest["files"].items()
            if name not in _DERIVED and not name.startswith("figures/")
        }
        if self.before is not None:
            # Before anything goes, the directory no longer says that it is complete.
            self.describe()
        for name in _DERIVED:
            self.inside.remove(name)
        self.inside.clear("figures", is_figure)
        study = Study.model_validate(self.manifest["study"])
        self.put_cells(cells_frame(self.cells), complete=False)
        self._write("study.toml", text_writer(study.to_toml()))
        self._journal = Journal(self.path)
        self.describe()

    def add(self, shards: Iterable[tuple[Record, bytes]]) -> None:
        """Write shards that were computed, and note them in the journal.

        Parameters
        ----------
        shards : iterable of (Record, bytes)
            Records without checksum and size, and what to write.

        Raises
        ------
        OSError
            When the disk is full; what was written before stays.
        """
        assert self._journal is not None
        computed = list(shards)
        entries = self.inside.write_all({record.name: content for record, content in computed})
        written = [
            record._replace(**entry) for (record, _), entry in zip(computed, entries, strict=True)
        ]
        if (self.path / "failed").is_dir():
            for record in written:
                self.inside.remove(_failure(record.key, record.first, record.stop))
        self._journal.append(written)
        size = sum(record.bytes for record in written)
        _log.debug("%d shards written, %s bytes", len(written), f"{size:,}")
        for record in written:
            self.records.add(record)

    def add_failure(self, key: str, first: int, stop: int, trace: str) -> str:
        """Write down why a shard could not be computed; returns the name of the file."""
        name = _failure(key, first, stop)
        self.inside.write(name, text_writer(trace))
        return name

    def put(self, name: str, write: Callable[[Path], Any]) -> None:
        """Write one of the files that the manifest lists."""
        self._write(name, write)

    def put_cells(self, cells: "pl.DataFrame", *, complete: bool) -> None:
        """Write the frame of the cells, and with it what the study is.

        Parameters
        ----------
        cells : polars.DataFrame
            One row per cell.
        complete : bool
            Whether all other frames are there.
        """
        content = with_checksum(cells, {**facts_in(self.manifest), "complete": complete})
        self._write(CELLS, functools.partial(_write_bytes, content=content))

    def finish(self, status: str, shards: Mapping[str, Any]) -> None:
        """Compact the journal and write the manifest of a session that ended.

        Parameters
        ----------
        status : {"complete", "incomplete", "interrupted"}
            Incomplete: shards failed.
        shards : mapping
            Counts for the manifest.
        """
        self.session["ended"] = _now()
        self.manifest |= {"status": status, "finished": _now(), "shards": dict(shards)}
        if self._journal is not None:
            entry = self._journal.compact(self.records, work_in(self.manifest))
            self.manifest["files"][COMPACTED] = entry
            self._journal = None
        if status == "complete":
            self.inside.clear("failed", is_failure)
        self.describe()

    def describe(self) -> None:
        """Bring README and manifest up to date; the manifest last, as it lists all others."""
        self._write("README.md", text_writer(readme(self.manifest)))
        self.inside.write(MANIFEST, text_writer(_json(self.manifest)))

    def close(self) -> None:
        """Release the directory; a new one in which nothing was written is removed."""
        if self._journal is not None:
            self._journal.close()
        if self._new and not len(self.records) and not (self.path / "failed").exists():
            for name in (*_FIRST_FILES, COMPACTED):
                self.inside.remove(name)
            for folder in filter(is_key, [entry.name for entry in self.inside.entries("shards")]):
                self.inside.clear(f"shards/{folder}", lambda name: shard_range(name) is not None)
            self.inside.clear("shards", lambda name: False)
            self.inside.clear(SCENARIO_FOLDER, is_scenario_file)
            self._lock.release()
            # Someone may have put a file there meanwhile; it is not ours to remove.
            if not any(self.path.iterdir()):
                self.path.rmdir()
        else:
            self._lock.release()

    def __enter__(self) -> Self:
        """Write to the directory."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the directory."""
        self.close()

    def _write(self, name: str, write: Callable[[Path], Any]) -> None:
        self.manifest["files"][name] = self.inside.write(name, write)


def choose_directory(study: Study, out: str | os.PathLike[str] | None) -> Path:
    """Return where a study goes.

    Without a wish it is ``runs/NAME``, or the first of ``runs/NAME-2``, ``runs/NAME-3``, ... that
    is free or already holds this very study.
    """
    if out is not None:
        return Path(out)
    wanted = Path("runs") / study.name
    path, number = wanted, 1
    while path.exists():
        try:
            if read_manifest(path)["content_hash"] == study.content_hash:
                return path
        except RunDirectoryError:
            pass
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path


def differences(there: Any, here: Any, path: str = "") -> list[str]:
    """List where two studies differ, as ``setting.horizon: 1000 -> 2000``."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        return [
            line
            for key in {**there, **here}
            if key not in DESCRIPTIVE_KEYS
            for line in differences(
                there.get(key), here.get(key), f"{path}.{key}" if path else str(key)
            )
        ]
    tables = [
        isinstance(side, list) and bool(side) and all(isinstance(e, Mapping) for e in side)
        for side in (there, here)
    ]
    if all(tables):
        return [
            line
            for place in range(max(len(there), len(here)))
            for line in differences(
                there[place] if place < len(there) else None,
                here[place] if place < len(here) else None,
                f"{path}[{place}]",
            )
        ]
    if there == here:
        return []
    return [f"{path}: {_format_side(there)} -> {_format_side(here)}"]


def _format_side(value: Any) -> str:
    return "nothing" if value is None else show_toml(value)


def add_files(
    path: str | os.PathLike[str], writers: Mapping[str, Callable[[Path], Any]], results: str = ""
) -> None:
    """Add files to a run directory and bring its manifest and README up to date.

    Parameters
    ----------
    path : path-like
        A run directory that nobody writes to.
    writers : mapping of str to callable
        Name of the file inside the directory, and what writes it to a given path.
    results : str
        Markdown for the section on results in the README.

    Raises
    ------
    RunDirectoryError
        When the directory is not a run directory, is being written to, or a file of it is a
        symbolic link.
    """
    directory = Path(path)
    inside = SafeFolder(directory)
    read_manifest(directory)
    with Lock(directory):
        manifest = read_manifest(directory)
        for name, write in writers.items():
            manifest["files"][name] = inside.write(name, write)
        manifest["files"]["README.md"] = inside.write(
            "README.md", text_writer(readme(manifest, results))
        )
        inside.write(MANIFEST, text_writer(_json(manifest)))
    _log.info("%s: %s written", directory, ", ".join(writers) or "nothing new")


def damaged_files(directory: Path, manifest: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return those of the named files that are missing or differ from their checksum."""
    listed = manifest["files"]
    return [
        name
        for name in names
        if not (found := checksum(directory / name)) or found != listed.get(name, {}).get("sha256")
    ]


def text_writer(content: str) -> Callable[[Path], Any]:
    """Return what writes a text to a path."""
    # The same bytes, and so the same checksums, on every system.
    return lambda path: path.write_text(content, encoding="utf-8", newline="\n")


def _make_directory(path: Path) -> None:
    """Make the directory, and refuse one that holds something else."""
    try:
        make_directory(path)
        others = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise RunDirectoryError(
            f"{path}: cannot be used as a directory ({error.strerror}); choose another one"
        ) from None
    if others and find_manifest(path) is None and not len(known_records(path)):
        raise RunDirectoryError(f"{path}: not empty; choose another directory, or empty it first")


def _remove_leftovers(inside: SafeFolder) -> None:
    """Refuse links in the place of files, and remove what killed writers left half written."""
    for folder in ("shards", *_FOLDERS):
        inside.folder(folder)
    for name in _FILES:
        inside.file(name)
    for folder, ours in {"": _FILES.__contains__, **_FOLDERS}.items():
        for entry in inside.entries(folder):
            name = f"{folder}/{entry.name}" if folder else entry.name
            if ours(entry.name):
                inside.file(name)
            elif ours(final_name(entry.name)):
                inside.remove(name)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _failure(key: str, first: int, stop: int) -> str:
    return f"failed/{key}-{first}-{stop}.txt"


def _json(manifest: Mapping[str, Any]) -> str:
    return json.dumps(with_digest(manifest), indent=2, ensure_ascii=False) + "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
