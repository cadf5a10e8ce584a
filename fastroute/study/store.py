"""The run directory: what a study leaves on disk, and reading it back.

::

    runs/NAME/
      README.md         what each file is, and the results in a table
      study.toml        the resolved study, complete and runnable again
      manifest.json     versions, machine, seed, times, and a checksum of every file
      trials.parquet    one row per policy and trial
      curves.parquet    one row per policy, checkpoint and quantity
      stages.parquet    one row per policy, trial and stage
      summary.parquet   one row per policy and quantity
      figures/          drawn by the report
      shards/           only while the study is unfinished: one file per policy and frame

Every file is written under a temporary name, flushed to the disk and renamed, so a file that is
there is whole.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from fastroute.study.provenance import machine, versions
from fastroute.study.readme import readme
from fastroute.study.schema import Study

if TYPE_CHECKING:
    import polars as pl

FRAMES: Final = ("trials", "curves", "stages", "summary")
_FORMAT: Final = 1
# Figures and README may be redrawn or edited; these are what a finished study consists of.
_RESULTS: Final = ("study.toml", *(f"{frame}.parquet" for frame in FRAMES))


class RunDirectoryError(ValueError):
    """A run directory that cannot be written to or read."""


@dataclass(frozen=True)
class StoredStudy:
    """A study on disk. The frames are lazy: nothing is read before ``.collect()``.

    Attributes
    ----------
    path : pathlib.Path
        The run directory.
    study : Study
        The resolved study.
    manifest : dict
        Versions, machine, seed, times and checksums.
    trials, curves, stages, summary : polars.LazyFrame
        The frames of the runs with a column ``policy`` in front. Of a study that did not
        finish, they hold the policies that did.
    """

    path: Path
    study: Study
    manifest: dict[str, Any]
    trials: "pl.LazyFrame"
    curves: "pl.LazyFrame"
    stages: "pl.LazyFrame"
    summary: "pl.LazyFrame"

    @property
    def complete(self) -> bool:
        """Whether every policy of the study finished."""
        return bool(self.manifest["status"] == "complete")

    def damaged(self) -> list[str]:
        """Names of the files that are missing or differ from their checksum."""
        return _damaged(self.path, self.manifest, self.manifest["files"])


def load(path: str | os.PathLike[str]) -> StoredStudy:
    """Open the directory of a study.

    Parameters
    ----------
    path : path-like
        A directory that :func:`run_study` wrote, finished or interrupted.

    Returns
    -------
    StoredStudy
        The study, its manifest, and its frames as lazy scans.

    Raises
    ------
    RunDirectoryError
        When the directory is not a run directory, or no policy has finished in it yet.
    """
    import polars as pl

    directory = Path(path)
    manifest = _read_manifest(directory)
    study = Study.model_validate(manifest["study"])
    frames = {}
    for frame in FRAMES:
        whole = directory / f"{frame}.parquet"
        parts = sorted((directory / "shards").glob(f"*.{frame}.parquet"))
        if whole.exists():
            frames[frame] = pl.scan_parquet(whole)
        elif parts:
            frames[frame] = pl.concat(
                [pl.scan_parquet(part) for part in parts], how="vertical_relaxed"
            )
        else:
            raise RunDirectoryError(
                f"{directory}: no {frame} yet, because no policy has finished; "
                "wait for it, or run the study again"
            )
    return StoredStudy(directory, study, manifest, **frames)


class RunDirectory:
    """The run directory of a study that is running; the only writer of its files."""

    def __init__(self, path: Path, study: Study, scenario: Mapping[str, Any]) -> None:
        self.path = path
        self.manifest: dict[str, Any] = {
            "format": _FORMAT,
            "name": study.name,
            "status": "running",
            "content_hash": study.content_hash,
            "created": _now(),
            "finished": None,
            "seed": study.setting.seed,
            "versions": versions(),
            "machine": machine(),
            "scenario": dict(scenario),
            "policies": [],
            "study": study.to_dict(),
            "files": {},
        }
        self._write("study.toml", _text(study.to_toml()))
        self._describe()

    @classmethod
    def create(
        cls, study: Study, scenario: Mapping[str, Any], out: str | os.PathLike[str] | None
    ) -> Self:
        """Make the directory of a study.

        Parameters
        ----------
        study : Study
            The resolved study.
        scenario : mapping
            What a reader should know of the scenario: ``cost_unit``, ``note``, ``models``.
        out : path-like or None
            The directory, new or empty; None takes ``runs/NAME``, with a number behind it when
            that is taken.

        Raises
        ------
        RunDirectoryError
            When the directory holds something, is a file, or cannot be made.
        """
        if out is None:
            return cls(_free_directory(Path("runs") / study.name), study, scenario)
        path = Path(out)
        try:
            path.mkdir(parents=True, exist_ok=True)
            taken = any(path.iterdir())
        except OSError as error:
            raise RunDirectoryError(
                f"{path}: cannot be used as a directory ({error.strerror}); choose another one"
            ) from None
        if taken:
            raise RunDirectoryError(_why_taken(path, study))
        return cls(path, study, scenario)

    def add_policy(
        self, label: str, frames: Mapping[str, "pl.DataFrame"], facts: Mapping[str, Any]
    ) -> None:
        """Write the frames of a policy that finished, and note the facts of its run."""
        (self.path / "shards").mkdir(exist_ok=True)
        stem = f"{len(self.manifest['policies']):03d}-{re.sub(r'[^A-Za-z0-9]+', '-', label)}"
        for name in FRAMES:
            self._write(f"shards/{stem}.{name}.parquet", frames[name].write_parquet)
        self.manifest["policies"].append({"label": label, **facts})
        self._describe()

    def finish(self, frames: Mapping[str, "pl.DataFrame"]) -> None:
        """Write the joint frames, which take the place of the shards."""
        for name in FRAMES:
            self._write(f"{name}.parquet", frames[name].write_parquet)
        files = self.manifest["files"]
        self.manifest["files"] = {
            name: entry for name, entry in files.items() if not name.startswith("shards/")
        }
        self.manifest |= {"status": "complete", "finished": _now()}
        self._describe()
        shutil.rmtree(self.path / "shards")

    def stop(self) -> str:
        """End the study early; nothing is left of it when no policy has finished.

        Returns
        -------
        str
            What was kept, in words.
        """
        if done := len(self.manifest["policies"]):
            self.manifest |= {"status": "interrupted", "finished": _now()}
            self._describe()
            return (
                f"{done} of {len(self.manifest['study']['policy'])} policies had finished and "
                f"are kept in {self.path}"
            )
        for name in ("study.toml", "README.md", "manifest.json"):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / "shards", ignore_errors=True)
        # Someone may have put a file there meanwhile; it is not ours to remove.
        if not any(self.path.iterdir()):
            self.path.rmdir()
        return "no policy had finished, so nothing was kept"

    def _write(self, name: str, write: Callable[[Path], Any]) -> None:
        self.manifest["files"][name] = write_file(self.path / name, write)

    def _describe(self) -> None:
        """Bring README and manifest up to date; the manifest last, as it lists all others."""
        self._write("README.md", _text(readme(self.manifest)))
        write_file(self.path / "manifest.json", _text(_json(self.manifest)))


def complete_at(study: Study, out: str | os.PathLike[str]) -> StoredStudy | None:
    """Return the stored study at `out` when it is this study, finished and undamaged."""
    try:
        manifest = _read_manifest(Path(out))
    except RunDirectoryError:
        return None
    same = manifest["content_hash"] == study.content_hash and manifest["status"] == "complete"
    if not same or _damaged(Path(out), manifest, _RESULTS):
        return None
    return load(out)


def add_files(
    path: str | os.PathLike[str], writers: Mapping[str, Callable[[Path], Any]], results: str = ""
) -> None:
    """Add files to a run directory and bring its manifest and README up to date.

    Parameters
    ----------
    path : path-like
        A run directory.
    writers : mapping of str to callable
        Name of the file inside the directory, and what writes it to a given path.
    results : str
        Markdown for the section on results in the README.

    Raises
    ------
    RunDirectoryError
        When the directory is not a run directory.
    """
    directory = Path(path)
    manifest = _read_manifest(directory)
    for name, write in writers.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        manifest["files"][name] = write_file(directory / name, write)
    manifest["files"]["README.md"] = write_file(
        directory / "README.md", _text(readme(manifest, results))
    )
    write_file(directory / "manifest.json", _text(_json(manifest)))


def write_file(path: Path, write: Callable[[Path], Any]) -> dict[str, Any]:
    """Write a file under a temporary name, flush it to the disk, and rename it.

    Parameters
    ----------
    path : pathlib.Path
        The final place.
    write : callable
        Writes the content to the path that it is given, which has the same suffix.

    Returns
    -------
    dict
        ``sha256`` (hexadecimal) and ``bytes`` of the file.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        size = temporary.stat().st_size
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)
    return {"sha256": digest, "bytes": size}


def _sync_directory(path: Path) -> None:
    """Flush the renaming itself, which lives in the directory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _free_directory(wanted: Path) -> Path:
    """Make and return the first of NAME, NAME-2, NAME-3, ... that is not taken."""
    path, number = wanted, 1
    while True:
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
            path = wanted.with_name(f"{wanted.name}-{number}")
        except OSError as error:
            raise RunDirectoryError(
                f"{path}: cannot be made ({error.strerror}); give a directory with --out"
            ) from None
        else:
            return path


def _why_taken(path: Path, study: Study) -> str:
    """Say what a directory holds that is not empty, and what to do."""
    try:
        manifest = _read_manifest(path)
    except RunDirectoryError:
        return f"{path}: not empty; choose another directory, or empty it first"
    if manifest["content_hash"] != study.content_hash:
        return (
            f'{path}: holds the results of another study, "{manifest["name"]}"; '
            "choose another directory"
        )
    if manifest["status"] == "complete":
        damaged = ", ".join(_damaged(path, manifest, _RESULTS))
        return (
            f"{path}: holds this study, but these files are missing or were changed: {damaged}; "
            "remove the directory to run the study again"
        )
    return (
        f"{path}: holds an unfinished run of this study ({len(manifest['policies'])} policies "
        "are done); remove the directory or choose another one to run it from the start"
    )


def _read_manifest(directory: Path) -> dict[str, Any]:
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


def _damaged(directory: Path, manifest: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return those of the named files that are missing or differ from their checksum."""
    damaged = []
    for name in names:
        try:
            with (directory / name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            digest = ""
        if digest != manifest["files"].get(name, {}).get("sha256"):
            damaged.append(name)
    return damaged


def _text(content: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(content, encoding="utf-8")


def _json(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
