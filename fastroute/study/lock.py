"""One writer at a time for a run directory."""

import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Self

from fastroute.study.errors import RunDirectoryError
from fastroute.study.files import SafeFolder

LOCK: Final = ".lock"
# Whoever asks for the status holds the lock for a moment.
_PATIENCE: Final = 1.0


class Lock:
    """Held while a run directory is written to; the system releases it when the process ends.

    Raises
    ------
    RunDirectoryError
        When another process holds it, or its file is a link.
    """

    def __init__(self, directory: Path) -> None:
        self._inside = SafeFolder(directory)
        self._path = directory / LOCK
        deadline = time.monotonic() + _PATIENCE
        while (file := _locked(self._inside)) is None:
            if time.monotonic() > deadline:
                raise RunDirectoryError(
                    f"{directory}: is being written to {_read_holder(self._path)}; wait for it, or "
                    "choose another directory (`fastroute status` shows how far it is)"
                )
            time.sleep(0.05)
        self._file = file
        self._file.truncate(0)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        self._file.write(json.dumps(holder).encode())
        self._file.flush()

    def release(self) -> None:
        """Let go of the lock and remove its file."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        """Hold the lock."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the lock."""
        self.release()


def lock_holder(directory: Path) -> dict[str, Any] | None:
    """Return ``pid``, ``host`` and ``since`` of the process that writes to a directory."""
    try:
        handle = os.open(directory / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, encoding="utf-8") as file:
            if _try_lock(file, fcntl.LOCK_SH):
                return None
            found = json.loads(file.read() or "{}")
            return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return None


def _locked(inside: SafeFolder) -> IO[bytes] | None:
    """Open and lock the file; None when another process holds it."""
    file = inside.open(LOCK)
    # The holder before removes the file: a lock on what is no longer there keeps nobody out.
    if _try_lock(file, fcntl.LOCK_EX):
        try:
            if os.path.samestat(os.fstat(file.fileno()), inside.file(LOCK).stat()):
                return file
        except FileNotFoundError:
            pass
    file.close()
    return None


def _try_lock(file: IO[Any], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"by process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "by another process"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
