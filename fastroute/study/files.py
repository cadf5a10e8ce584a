"""Writing complete files, and only inside the run directory."""

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final

from fastroute.study.errors import RunDirectoryError
from fastroute.study.names import final_name, leaves_folder

# Files that are written side by side.
_FLUSHED_AT_ONCE: Final = 8
# A plain file, as its bytes are, and not for child processes. Not every system has all three.
_PLAIN: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
# Windows does not replace a file that somebody reads: for so many seconds it is tried again.
_READERS_PATIENCE: Final = 2.0 if os.name == "nt" else 0.0
_SYSTEM_ERROR: Final = re.compile(r"\(os error (\d+)\)")


class SafeFolder:
    """The folder of a run: every file in it is written and removed through this class.

    A name that leads out of the directory is refused, and so is one that is a symbolic link or
    goes through one: nothing outside is ever written, cut off or removed. The directory itself
    may be reached through a link, as whoever names it means where it leads. Of hard links nothing
    is known here: such a file is as much inside as it is elsewhere.

    Parameters
    ----------
    directory : pathlib.Path
        The run directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def file(self, name: str) -> Path:
        """Return the path of a file that is there or can be made.

        Raises
        ------
        RunDirectoryError
            When the name leads out, when it or a folder above it is a symbolic link, and when
            something else than a file has the name.
        """
        return self._checked(name, stat.S_ISREG, "file")

    def folder(self, name: str) -> Path:
        """Return the path of a folder; as :meth:`file`."""
        return self._checked(name, stat.S_ISDIR, "folder")

    def _checked(self, name: str, wanted: Callable[[int], bool], kind: str) -> Path:
        if leaves_folder(name):
            raise RunDirectoryError(
                f'{self.directory}: "{name}" leads out of the run directory, and nothing outside '
                "is ever written or removed; remove that name from the file that has it"
            )
        path = self.directory
        parts = name.split("/")
        for place, part in enumerate(parts, 1):
            path = path / part
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                break
            if stat.S_ISLNK(mode):
                raise RunDirectoryError(
                    f"{path}: is a symbolic link, and nothing outside a run directory is ever "
                    "written or removed; put what it points to in its place, or remove the link"
                )
            last = place == len(parts)
            if not (wanted(mode) if last else stat.S_ISDIR(mode)):
                raise RunDirectoryError(
                    f"{path}: is not a {kind if last else 'folder'}; move it elsewhere"
                )
        return self.directory / name

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read it and to add to its end; it is made when it is not there."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | _PLAIN
        return os.fdopen(os.open(self.file(name), flags, 0o666), "ab+")

    def open_there(self, name: str) -> int:
        """Open a file that is there, to write to it where that is allowed, else to read it.

        Returns
        -------
        int
            The descriptor, for the caller to close.
        """
        flags = _PLAIN | getattr(os, "O_NONBLOCK", 0)
        path = self.directory / name
        try:
            return os.open(path, os.O_RDWR | flags)
        except OSError as error:
            # A read-only file system has a number of its own.
            if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
                raise
            return os.open(path, os.O_RDONLY | flags)

    def write(self, name: str, write: Callable[[Path], Any]) -> dict[str, Any]:
        """Write a file, and the folder that it is in; as :func:`write_file`."""
        path = self.file(name)
        if "/" in name:
            self.make_folder(name.rpartition("/")[0])
        return write_file(path, write)

    def write_all(self, contents: Mapping[str, bytes]) -> list[dict[str, Any]]:
        """Write several files, and the folders that they are in; each as :func:`write_file`.

        They are flushed side by side, which takes a disk little longer than one of them.
        """
        paths = [self.file(name) for name in contents]
        changed = {path.parent for path in paths}
        for folder in sorted({name.rpartition("/")[0] for name in contents}):
            if folder and not (path := self.folder(folder)).is_dir():
                make_directory(path.parent)
                path.mkdir(exist_ok=True)
                changed.add(path.parent)

        def write(path: Path, content: bytes) -> dict[str, Any]:
            return _replace(path, lambda place: place.write_bytes(content))

        with ThreadPoolExecutor(min(len(paths), _FLUSHED_AT_ONCE)) as pool:
            entries = list(pool.map(write, paths, contents.values()))
            list(pool.map(sync_directory, changed))
        return entries

    def make_folder(self, name: str) -> None:
        """Make a folder and those above it."""
        make_directory(self.folder(name))

    def remove(self, name: str) -> None:
        """Remove a file if it is there, and flush that to the disk."""
        path = self.file(name)
        try:
            path.unlink()
        except FileNotFoundError:
            return
        sync_directory(path.parent)

    def entries(self, folder: str = "") -> list["os.DirEntry[str]"]:
        """Return what is in a folder, sorted by name; nothing when it is not there."""
        path = self.folder(folder) if folder else self.directory
        try:
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []

    def clear(self, folder: str, ours: Callable[[str], bool]) -> None:
        """Remove the files of a folder whose names are `ours`, and the folder if it is empty then.

        Files half written under such a name go too; anything else stays.
        """
        entries = self.entries(folder)
        for entry in entries:
            if ours(final_name(entry.name) or entry.name):
                self.remove(f"{folder}/{entry.name}")
        if (path := self.directory / folder).is_dir() and not self.entries(folder):
            path.rmdir()
            sync_directory(path.parent)


def write_file(path: Path, write: Callable[[Path], Any]) -> dict[str, Any]:
    """Write a file under a temporary name, flush it to the disk, and rename it.

    Parameters
    ----------
    path : pathlib.Path
        The final place. In a run directory it comes from :class:`SafeFolder`.
    write : callable
        Writes the content to the path that it is given, which has the same suffix.

    Returns
    -------
    dict
        ``sha256`` (hexadecimal) and ``bytes`` of the file.

    Raises
    ------
    FileNotFoundError
        When its folder does not exist.
    OSError
        When the disk is full or fails; the file is then as it was before.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist; make it first")
    entry = _replace(path, write)
    sync_directory(path.parent)
    return entry


def _replace(path: Path, write: Callable[[Path], Any]) -> dict[str, Any]:
    """Do what :func:`write_file` does but for flushing the name."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    # What has this name is of a process that was killed. The file is made here, so that the one
    # that is written to is never one that a link leads to.
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        size = temporary.stat().st_size
        _rename(temporary, path)
    except Exception as error:
        # Polars has exceptions of its own for what the system says.
        if (found := _SYSTEM_ERROR.search(str(error))) is None or isinstance(error, OSError):
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    return {"sha256": digest, "bytes": size}


def _rename(temporary: Path, path: Path) -> None:
    """Put a file in the place of another."""
    deadline = time.monotonic() + _READERS_PATIENCE
    while True:
        try:
            temporary.replace(path)
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
        else:
            return


def make_directory(path: Path) -> None:
    """Make a directory and those above it, and flush their names to the disk."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
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
    if not hasattr(os, "O_DIRECTORY"):
        # Windows opens no directories; it keeps a journal of names itself.
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
