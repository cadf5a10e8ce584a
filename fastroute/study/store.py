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
      trials.parquet  curves.parquet  stages.parquet  summary.parquet    when complete
      figures/            drawn by the report
      report.html         the results as one page; a view, which the manifest does not list

Every file is written under a temporary name, flushed to the disk and renamed, so a file that is
there is whole. One process writes at a time.
"""

import functools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from fastroute.study.build import KEPT
from fastroute.study.cells import Cell
from fastroute.study.errors import RunDirectoryError
from fastroute.study.files import checksum, make_directory, remove, write_file
from fastroute.study.journal import COMPACTED, JOURNAL, Journal, Record, Records, read_records
from fastroute.study.lock import Lock
from fastroute.study.provenance import machine, versions
from fastroute.study.readme import readme
from fastroute.study.schema import WORDS, Study
from fastroute.study.tables import FRAMES, axis_names, cells_frame
from fastroute.study.toml import shown

_FORMAT: Final = 2
# Made of all shards, once they are there.
_DERIVED: Final = (*(f"{frame}.parquet" for frame in FRAMES), "report.html")
#: What a complete study consists of; figures and README may be redrawn or edited.
RESULTS: Final = ("study.toml", "cells.parquet", *(f"{frame}.parquet" for frame in FRAMES))
# A run that was killed before it wrote its manifest leaves these, in this order.
_BEGUN: Final = ("cells.parquet", "study.toml", JOURNAL, "README.md")
# A file that was being written when its writer was killed.
_TEMPORARY: Final = re.compile(r"\..+\.\d+\.[a-z]+")
# Another version of one of these may give other digits.
_TELLING: Final = ("fastroute", "numpy", "numba", "llvmlite", "scipy", "highspy", "jax")


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

    Raises
    ------
    RunDirectoryError
        When another process writes to it, or it holds something else.
    """

    def __init__(self, path: Path, study: Study, cells: Sequence[Cell]) -> None:
        self.path = path
        self.cells = cells
        self.notes: list[str] = []
        _make(path)
        self._lock = Lock(path)
        self._journal: Journal | None = None
        try:
            _sweep(path)
            self._new = not (path / "manifest.json").exists()
            self.records = Records() if self._new else read_records(path)
            self.before = None if self._new else self._check(study)
            self.manifest = self._first_manifest(study, self.before)
        except BaseException:
            self._lock.release()
            raise

    def _check(self, study: Study) -> dict[str, Any]:
        """Refuse a directory whose shards are not all shards of this study."""
        manifest = read_manifest(self.path)
        if self.records.broken:
            self.notes.append(
                f"{self.records.broken} lines of {JOURNAL} cannot be read; their shards are "
                "computed again"
            )
        mine = {cell.key: cell for cell in self.cells}
        strangers = [key for key in self.records.keys() if key not in mine]
        longer = [
            f"{mine[key]}: trials {stop} -> {mine[key].trials}"
            for key in self.records.keys()
            if key in mine
            and (stop := max(record.stop for record in self.records.of(key))) > mine[key].trials
        ]
        if strangers or longer:
            found = differences(manifest["study"], study.to_dict())
            if strangers and not found:
                found = ["the numbers behind a scenario: its data or its code changed"]
            shown_ = "".join(f"\n  {line}" for line in (found or longer)[:12])
            raise RunDirectoryError(
                f'{self.path}: holds results of another study, "{manifest["name"]}". A study can '
                "be continued with more trials, cells or longer axes, but here cells or trials "
                f"would be lost. What differs (there -> here):{shown_}\n"
                "Choose another directory, or remove this one"
            )
        return manifest

    def _first_manifest(self, study: Study, before: Mapping[str, Any] | None) -> dict[str, Any]:
        now = versions()
        sessions = list(before["sessions"]) if before else []
        if sessions and len(self.records):
            last = sessions[-1]["versions"]
            changed = [
                f"{name} {last.get(name)} -> {now.get(name)}"
                for name in _TELLING
                if last.get(name) != now.get(name)
            ]
            if changed:
                self.notes.append(
                    "other versions than in the session before, whose last digits may differ: "
                    + ", ".join(changed)
                )
        return {
            "format": _FORMAT,
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
        files = self.manifest["files"]
        # They are of fewer trials or cells.
        stale = [name for name in files if name in _DERIVED or name.startswith("figures/")]
        for name in stale:
            del files[name]
        if self.before is not None:
            # Before anything goes, the directory no longer says that it is complete.
            self.describe()
        for name in stale:
            remove(self.path / name)
        study = Study.model_validate(self.manifest["study"])
        self._write(_BEGUN[0], cells_frame(self.cells).write_parquet)
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
        written = []
        for record, content in shards:
            path = self.path / record.name
            make_directory(path.parent)
            entry = write_file(path, functools.partial(_write_bytes, content=content))
            written.append(record._replace(**entry))
            self._failure(record.key, record.first, record.stop).unlink(missing_ok=True)
        self._journal.append(written)
        for record in written:
            self.records.add(record)

    def add_failure(self, key: str, first: int, stop: int, trace: str) -> str:
        """Write down why a shard could not be computed; returns the name of the file."""
        path = self._failure(key, first, stop)
        path.parent.mkdir(exist_ok=True)
        write_file(path, text_writer(trace))
        return path.relative_to(self.path).as_posix()

    def _failure(self, key: str, first: int, stop: int) -> Path:
        return self.path / "failed" / f"{key}-{first}-{stop}.txt"

    def put(self, name: str, write: Callable[[Path], Any]) -> None:
        """Write one of the files that the manifest lists."""
        self._write(name, write)

    def finish(self, status: str, shards: Mapping[str, Any]) -> None:
        """Compact the journal and write the manifest of a session that ended.

        Parameters
        ----------
        status : {"complete", "incomplete", "interrupted"}
            Incomplete: shards failed.
        shards : mapping
            Counts for the manifest.
        """
        if self._journal is not None:
            self.manifest["files"][COMPACTED] = self._journal.compact(self.records)
            self._journal = None
        if status == "complete":
            shutil.rmtree(self.path / "failed", ignore_errors=True)
        self.session["ended"] = _now()
        self.manifest |= {"status": status, "finished": _now(), "shards": dict(shards)}
        self.describe()

    def describe(self) -> None:
        """Bring README and manifest up to date; the manifest last, as it lists all others."""
        self._write("README.md", text_writer(readme(self.manifest)))
        write_file(self.path / "manifest.json", text_writer(_json(self.manifest)))

    def close(self) -> None:
        """Let go of the directory; when nothing came of a new one, nothing is left of it."""
        if self._journal is not None:
            self._journal.close()
        if self._new and not len(self.records) and not (self.path / "failed").exists():
            for name in (*_BEGUN, "manifest.json", COMPACTED):
                (self.path / name).unlink(missing_ok=True)
            shutil.rmtree(self.path / "shards", ignore_errors=True)
            shutil.rmtree(self.path / KEPT, ignore_errors=True)
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
        make_directory((self.path / name).parent)
        self.manifest["files"][name] = write_file(self.path / name, write)


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
            if key not in WORDS
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
    return [f"{path}: {_side(there)} -> {_side(here)}"]


def _side(value: Any) -> str:
    return "nothing" if value is None else shown(value)


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read the manifest of a run directory.

    Raises
    ------
    RunDirectoryError
        When there is none, or it is not one that this version can read.
    """
    file = directory / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunDirectoryError(
            f"{directory}: not a run directory (manifest.json cannot be read); "
            "give a directory that `fastroute run` wrote"
        ) from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise RunDirectoryError(
            f"{directory}: manifest.json is not of format {_FORMAT}; "
            "read it with the version of fastroute that wrote it"
        )
    return manifest


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
        When the directory is not a run directory, or is being written to.
    """
    directory = Path(path)
    read_manifest(directory)
    with Lock(directory):
        manifest = read_manifest(directory)
        for name, write in writers.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            manifest["files"][name] = write_file(directory / name, write)
        manifest["files"]["README.md"] = write_file(
            directory / "README.md", text_writer(readme(manifest, results))
        )
        write_file(directory / "manifest.json", text_writer(_json(manifest)))


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
    return lambda path: path.write_text(content, encoding="utf-8")


def _make(path: Path) -> None:
    """Make the directory, and refuse one that holds something else."""
    try:
        make_directory(path)
        inside = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise RunDirectoryError(
            f"{path}: cannot be used as a directory ({error.strerror}); choose another one"
        ) from None
    begun = _BEGUN if _BEGUN[0] in inside else ()
    others = [name for name in inside.difference(begun) if not name.startswith(".")]
    if others and "manifest.json" not in inside:
        raise RunDirectoryError(f"{path}: not empty; choose another directory, or empty it first")


def _sweep(path: Path) -> None:
    """Remove what killed writers left half written."""
    for entry in path.iterdir():
        if _TEMPORARY.fullmatch(entry.name):
            entry.unlink(missing_ok=True)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _json(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
