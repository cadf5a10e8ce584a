"""Which folder of kernels serves a backend."""

import contextlib
import functools
import importlib
from pathlib import Path
from types import ModuleType
from typing import Final

KERNELS: Final = {"auto": "numba_", "numba": "numba_", "highs": "numba_", "ref": "ref"}


def load_kernel(module: str, backend: str) -> ModuleType:
    """Import one kernel module of a backend.

    Parameters
    ----------
    module : {"rng", "bounds", "routing", "deployment", "rounds"}
        The same names exist in every backend.
    backend : {"auto", "numba", "ref", "highs"}
        ``highs`` has no kernels of its own; what it does not solve is done by the compiled ones.
    """
    folder = KERNELS[backend]
    kernel = importlib.import_module(f"fastroute.kernels.{folder}.{module}")
    if folder == "numba_":
        _forget_stale()
    return kernel


@functools.cache
def _forget_stale() -> None:
    """Remove compiled kernels older than any kernel's source, once a process.

    Numba compiles a function anew when its own file changed, but not when a file it calls into
    did: it would go on with what was inlined before.
    """
    from fastroute.kernels.numba_ import routing

    folder = routing.solve_one.stats.cache_path
    if folder is None:
        return
    here = Path(routing.__file__).parent
    sources = [*here.glob("*.py"), *here.parent.glob("*.py")]
    newest = max(source.stat().st_mtime for source in sources)
    for index in Path(folder).glob("*.nbi"):
        # Another process may remove it first, or own it.
        with contextlib.suppress(OSError):
            if index.stat().st_mtime < newest:
                index.unlink()
