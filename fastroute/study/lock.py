"""One writer at a time for a run directory.

The system holds the lock, not the file: that of a process that was killed is free. On Unix it is
``flock``, on Windows ``LockFileEx``, each through `filelock`.
"""

import errno
import json
import os
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Self

from fastroute.study.errors import RunDirectoryError
from fastroute.study.files import SafeFolder

LOCK: Final = ".lock"
# Whoever asks for the status holds the lock for a moment.
_PATIENCE: Final = 1.0
# Two who ask at once are in each other's way for microseconds.
_QUESTIONS: Final = 3
# On Windows the first byte of a file that is locked cannot be read by others.
_LOCKED_BYTE: Final = b" "
_LONGEST: Final = 4096


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
                    f"{directory}: is being written to {_describe_holder(self._inside)}; wait for "
                    "it, or choose another directory (`fastroute status` shows how far it is)"
                )
            time.sleep(0.05)
        self._file = file
        self._file.truncate(0)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        self._file.write(_LOCKED_BYTE + json.dumps(holder).encode())
        self._file.flush()

    def release(self) -> None:
        """Let go of the lock and remove its file."""
        try:
            self._path.unlink(missing_ok=True)
        except PermissionError:
            # Windows removes no open file; where the next writer has it already, it stays.
            self._file.close()
            with suppress(PermissionError):
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
        handle = SafeFolder(directory).open_there(LOCK)
    except OSError:
        return None
    try:
        for question in range(_QUESTIONS):
            if question:
                time.sleep(0.002)
            if _is_free(handle):
                return None
        return _read_holder(handle)
    except (OSError, ValueError):
        return None
    finally:
        os.close(handle)


def _locked(inside: SafeFolder) -> IO[bytes] | None:
    """Open and lock the file; None when another process holds it."""
    file = inside.open(LOCK)
    # The holder before removes the file: a lock on what is no longer there keeps nobody out.
    if _try_lock(file.fileno()):
        try:
            if os.path.samestat(os.fstat(file.fileno()), inside.file(LOCK).stat()):
                return file
        except FileNotFoundError:
            pass
    file.close()
    return None


def _try_lock(handle: int) -> bool:
    # Takes long to import, and most directories that are read have no lock.
    from filelock import lock_descriptor

    return lock_descriptor(handle, blocking=False)


def _is_free(handle: int) -> bool:
    """Tell whether nobody holds the lock; closing the file gives back what was taken to see that.

    On network file systems only who may write to a file may lock it. Others take its being there
    for the answer: a run that ends removes it.
    """
    try:
        return _try_lock(handle)
    except OSError as error:
        if error.errno == errno.EBADF:
            return False
        raise


def _read_holder(handle: int) -> dict[str, Any]:
    """Read who holds the lock; empty when the file does not say."""
    os.lseek(handle, len(_LOCKED_BYTE), os.SEEK_SET)
    found = json.loads(os.read(handle, _LONGEST) or b"{}")
    return found if isinstance(found, dict) else {}


def _describe_holder(inside: SafeFolder) -> str:
    try:
        handle = inside.open_there(LOCK)
        try:
            holder = _read_holder(handle)
        finally:
            os.close(handle)
        return f"by process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return "by another process"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
