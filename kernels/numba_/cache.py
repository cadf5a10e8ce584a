"""Where compiled kernels are kept: settled once, before the first of them is defined."""

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from numba import config
from numba.core.caching import FunctionCache

from fastroute.warning import warn

_VARIABLE: Final = "NUMBA_CACHE_DIR"
_REMEDY: Final = f"Set {_VARIABLE} to a folder of your own to keep them for good"


def settle() -> bool:
    """Find a place for compiled kernels and say whether there is one.

    Numba looks in ``NUMBA_CACHE_DIR``, beside the source and in the user's cache folder, and
    refuses to define a cached function where it can write to none of them, as in a container that
    is read-only.  Then a private temporary folder is used, also by the processes that are started
    from here, or no cache at all.

    Returns
    -------
    bool
        For the argument ``cache`` of Numba's decorators.

    Warns
    -----
    FastrouteWarning
        When kernels are kept in the temporary folder, or not at all.
    """
    if _can_write():
        return True
    try:
        folder = private_folder(Path(tempfile.gettempdir()))
    except OSError:
        folder = None
    if folder is not None:
        os.environ[_VARIABLE] = str(folder)
        config.reload_config()
        if _can_write():
            warn(
                "neither the installed package nor the user's cache folder can be written to: "
                f"compiled kernels are kept in {folder}. {_REMEDY}"
            )
            return True
    warn(
        "no folder can be written to, not even a temporary one: kernels are compiled anew in "
        f"every process, which takes about half a minute. {_REMEDY}"
    )
    return False


def private_folder(parent: Path) -> Path:
    """Return a folder in ``parent`` that nobody but this user can write to; made if need be.

    What is in it is run as code, so a folder that somebody else may have prepared is left alone and
    a new one with a random name is made.

    Raises
    ------
    OSError
        When ``parent`` cannot be written to.
    """
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    folder = parent / f"fastroute-kernels-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=False)
    except FileExistsError:
        found = folder.lstat()
        mine = stat.S_ISDIR(found.st_mode) and found.st_uid == user
        if not mine or stat.S_IMODE(found.st_mode) & 0o077:
            return Path(tempfile.mkdtemp(prefix="fastroute-kernels-", dir=parent))
    return folder


def _can_write() -> bool:
    """Ask Numba whether it finds a folder for functions of this package."""
    try:
        FunctionCache(_can_write)
    except RuntimeError:
        return False
    return True
