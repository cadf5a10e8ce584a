"""How kernels are compiled, and where what is compiled is kept.

One set of options holds for all kernels: :func:`compiled` is the decorator.  What is compiled is
kept for the next process, under a stamp of the source of *all* kernels: Numba alone would look at
the file of the function and not at those of the functions it calls.
"""

import hashlib
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from numba import config, njit
from numba.core.caching import FunctionCache

from fastroute.warning import warn

_VARIABLE: Final = "NUMBA_CACHE_DIR"
_REMEDY: Final = f"Set {_VARIABLE} to a folder of your own to keep them for good"


_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}
_NO_WRAPPERS: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: How many kernels of one signature this process has ``compiled``, and ``loaded`` from its cache.
made: Final[Counter[str]] = Counter()
# Its annotations leave out options that it has.
_njit: Final[Any] = njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a kernel on its first call, or load what an earlier process has compiled."""
    return _stamped(_njit(**_OPTIONS, cache=keeps())(function))


def inner(function: Callable[..., Any]) -> Any:
    """Compile a kernel that only other kernels call: without what Python would need to call it."""
    return _stamped(_njit(**_OPTIONS, **_NO_WRAPPERS, cache=keeps())(function))


def compile_for(
    signature: Any, function: Callable[..., Any], *, keep: bool = True, python: bool = True
) -> Any:
    """Compile a function now, for one signature.

    Parameters
    ----------
    signature : numba signature
    function : callable
        Plain Python.
    keep : bool
        Keep what is compiled for the next process.  Not for functions that call a formula of the
        user, of whose file no stamp is taken.
    python : bool
        Whether Python calls it; else only its address is used.

    Returns
    -------
    Dispatcher
        Or the plain function where ``NUMBA_DISABLE_JIT=1`` has turned compilation off.
    """
    if config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
        return function
    wrappers = {} if python else _NO_WRAPPERS
    kernel = _stamped(_njit(**_OPTIONS, **wrappers, cache=keep and keeps())(function))
    kernel.compile(signature)
    kernel.disable_compile()
    made["loaded" if kernel.stats.cache_hits else "compiled"] += 1
    return kernel


def _stamped(kernel: Any) -> Any:
    """Let what is kept of a kernel be valid as long as no source of a kernel changes."""
    kept: Any = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
    if hasattr(kept, "_source_stamp"):
        kept._source_stamp = source_stamp()
    return kernel


@cache
def source_stamp() -> str:
    """Digest of the source of all kernels."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].glob("**/*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def keeps() -> bool:
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


def cache_folder() -> str | None:
    """Return the folder where compiled kernels of this module are kept; None where none is.

    Those of the other modules are in folders beside it, or in the same one.
    """
    return FunctionCache(cache_folder).cache_path if keeps() else None


def private_folder(parent: Path) -> Path:
    """Return a folder in ``parent`` that nobody but this user can write to; made if need be.

    What is in it is run as code, so a folder that somebody else may have prepared is left alone and
    a new one with a random name is made.

    Raises
    ------
    OSError
        When ``parent`` cannot be written to.
    """
    if not hasattr(os, "geteuid"):
        # Windows: the temporary folder is the user's own, and modes say nothing.
        folder = parent / "fastroute-kernels"
        folder.mkdir(exist_ok=True)
        return folder
    user = os.geteuid()
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
