"""The manifest of a run directory: reading it, and rebuilding it when it is lost.

What a study is (its facts) is in the metadata of ``cells.parquet`` too, and how its sessions went
in that of ``shards.parquet``. Each of these files says whether it is whole, and so does the part of
the manifest that says what the study is. So the manifest can be lost, and the shards with the file
of the study are enough to run it on.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from fastroute.study.errors import DamagedError, RunDirectoryError
from fastroute.study.journal import earlier_sessions
from fastroute.study.names import leaves_folder
from fastroute.study.parquet import checked_facts
from fastroute.study.tables import FRAMES

MANIFEST: Final = "manifest.json"
CELLS: Final = "cells.parquet"
FORMAT: Final = 3
# Whoever wrote these knew nothing of what is needed to read them today, and format 2 holds a priced
# regret of another definition.
_OLDER: Final = (1, 2)
#: What the study is. It does not depend on when, where and how often the study was run.
FACTS: Final = ("format", "name", "content_hash", "cells", "axes", "scenarios", "study")
#: How its sessions went.
WORK: Final = ("created", "finished", "versions", "machine", "sessions", "shards")


def _is_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


_Time = Annotated[str, AfterValidator(_is_time)]


class _SessionEntry(BaseModel):
    model_config = ConfigDict(strict=True)

    started: _Time
    ended: _Time | None
    versions: dict[str, str]
    executor: str = ""


class _File(BaseModel):
    model_config = ConfigDict(strict=True)

    sha256: str
    bytes: int


class _Machine(BaseModel):
    model_config = ConfigDict(strict=True)

    system: str
    architecture: str
    processor: str
    cores: int | None


class _Scenario(BaseModel):
    model_config = ConfigDict(strict=True)

    cost_unit: str
    note: str
    models: list[str]


class _Shards(BaseModel):
    model_config = ConfigDict(strict=True)

    total: int = 0
    done: int = 0
    failed: list[str] = []


class _Versions(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, str]

    fastroute: str


class _Manifest(BaseModel):
    """What a manifest must have to be read; anything else in it is ignored."""

    model_config = ConfigDict(strict=True)

    format: int
    name: str
    status: Literal["running", "complete", "incomplete", "interrupted"]
    content_hash: str
    created: _Time
    finished: _Time | None
    versions: _Versions
    machine: _Machine
    sessions: Annotated[list[_SessionEntry], AfterValidator(lambda found: found or _none())]
    cells: int
    shards: _Shards
    axes: list[str]
    scenarios: dict[str, _Scenario]
    study: dict[str, Any]
    files: dict[str, _File]
    digest: str | None = None


def _none() -> Any:
    raise ValueError("at least one session")


def with_digest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with the SHA-256 of its facts."""
    return {**manifest, "digest": _digest(manifest)}


def facts_in(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a manifest that says what the study is."""
    return {name: manifest[name] for name in FACTS}


def work_in(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a manifest that says how the sessions went."""
    return {name: manifest[name] for name in WORK}


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read the manifest of a run directory, or rebuild it when it is missing or damaged.

    Nothing is written.

    Raises
    ------
    RunDirectoryError
        When the directory is not a run directory, when another version wrote it, when the
        manifest is lost together with what it could be built of, and when it names files
        outside the directory.
    """
    manifest = find_manifest(directory)
    if manifest is None:
        if (directory / "shards").is_dir():
            raise RunDirectoryError(
                f"{directory}: manifest.json is missing or damaged, and so is cells.parquet, from "
                f"which it could be rebuilt; run the study again into {directory}: it uses the "
                "shards that are intact"
            )
        raise RunDirectoryError(
            f"{directory}: not a run directory (manifest.json cannot be read); "
            "give a directory that `fastroute run` wrote"
        )
    return manifest


def find_manifest(directory: Path) -> dict[str, Any] | None:
    """Read or rebuild the manifest, as :func:`read_manifest`; None when it is lost."""
    manifest = intact_manifest(directory) or rebuilt_manifest(directory)
    for name in manifest["files"] if manifest else ():
        if leaves_folder(name):
            raise RunDirectoryError(
                f'{directory / MANIFEST}: names the file "{name}", which leads out of the run '
                "directory; remove that entry, or the manifest: the next run rebuilds it"
            )
    return manifest


def intact_manifest(directory: Path) -> dict[str, Any] | None:
    """Read the manifest; None when it is missing or damaged.

    Raises
    ------
    RunDirectoryError
        When another version wrote it.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict):
        return None
    if manifest.get("format") != FORMAT:
        # A newer one, unless the other files are of this format.
        if manifest.get("format") in _OLDER or _facts(directory) is None:
            raise RunDirectoryError(
                f"{directory}: manifest.json is not of format {FORMAT}: another version of "
                "fastroute wrote it, with other definitions of what is reported; read it with that "
                "version, or run its study.toml again into a new directory"
            )
        return None
    try:
        _Manifest.model_validate(manifest)
    except ValidationError:
        return None
    if manifest.get("digest", "") not in ("", _digest(manifest)):
        return None
    return manifest


def rebuilt_manifest(directory: Path) -> dict[str, Any] | None:
    """Build the manifest of what the other files say; None when they do not tell either."""
    facts = _facts(directory)
    if facts is None:
        return None
    frames = all((directory / f"{name}.parquet").is_file() for name in FRAMES)
    complete = facts.pop("complete") and frames
    manifest = {
        **facts,
        "status": "complete" if complete else "interrupted",
        **_unknown_work(directory),
        **earlier_sessions(directory),
        # Their checksums are lost, so a run writes them again.
        "files": {},
    }
    return with_digest(manifest)


def _unknown_work(directory: Path) -> dict[str, Any]:
    """Return what stands for sessions of which nothing is known."""
    changed = (directory / CELLS).stat().st_mtime
    at = datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")
    unknown = "unknown"
    return {
        "created": at,
        "finished": at,
        "versions": {"fastroute": unknown},
        "machine": {
            "system": unknown,
            "architecture": unknown,
            "processor": unknown,
            "cores": None,
        },
        "sessions": [{"started": at, "ended": at, "versions": {}}],
        "shards": {},
    }


def _facts(directory: Path) -> dict[str, Any] | None:
    """Return what ``cells.parquet`` says of the study; None when it does not tell."""
    try:
        facts = checked_facts((directory / CELLS).read_bytes(), CELLS)
    except (DamagedError, OSError):
        return None
    return facts if facts is not None and facts.get("format") == FORMAT else None


def _digest(manifest: Mapping[str, Any]) -> str:
    text = json.dumps(facts_in(manifest), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
