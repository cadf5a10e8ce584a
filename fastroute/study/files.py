"""Writing files so that whoever looks finds them whole: temporary name, flush, rename."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_SYSTEM_ERROR: Final = re.compile(r"\(os error (\d+)\)")


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

    Raises
    ------
    OSError
        When the disk is full or fails; the file is then as it was before.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        size = temporary.stat().st_size
        temporary.replace(path)
    except Exception as error:
        # Polars has exceptions of its own for what the system says.
        if (found := _SYSTEM_ERROR.search(str(error))) is None or isinstance(error, OSError):
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)
    return {"sha256": digest, "bytes": size}


def make_directory(path: Path) -> None:
    """Make a directory and those above it, and flush their names to the disk."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync_directory(path.parent)


def remove(path: Path) -> None:
    """Remove a file if it is there, and flush that to the disk."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def checksum(path: Path) -> str:
    """SHA-256 of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def sync_directory(path: Path) -> None:
    """Flush names of files that were made, renamed or removed, which live in the directory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
