"""Which backend serves a call, and which folder of kernels serves a backend."""

import functools
import importlib
import importlib.metadata
import importlib.util
import os
from types import ModuleType
from typing import Final

#: What solves routing and deployment problems.
BACKENDS: Final = ("auto", "numba", "jax", "ref", "highs")
KERNELS: Final = {"numba": "numba_", "jax": "jax_", "highs": "numba_", "ref": "ref"}


def resolve_backend(backend: str) -> str:
    """Turn ``auto`` into a backend: JAX where it has an accelerator, else Numba."""
    if backend != "auto":
        return backend
    return "jax" if has_accelerator() else "numba"


@functools.cache
def has_accelerator() -> bool:
    """Whether JAX would run on something other than this machine's processor.

    Importing JAX takes longer than most solutions, so it is asked only where the answer can be
    yes: an accelerator needs a plugin, and plugins show in the installed packages.
    """
    platforms = os.environ.get("JAX_PLATFORMS", "")
    plugin = (
        importlib.util.find_spec("jax_plugins") is not None
        or importlib.util.find_spec("libtpu") is not None
        or bool(importlib.metadata.entry_points(group="jax_plugins"))
    )
    if platforms == "cpu" or not plugin:
        return False
    import jax

    return jax.default_backend() != "cpu"


def load_kernel(module: str, backend: str) -> ModuleType:
    """Import one kernel module of a backend.

    Parameters
    ----------
    module : {"rng", "routing", "deployment", "rounds", "estimators", "routers", "outcomes"}
        The same names exist in every backend.
    backend : {"numba", "jax", "ref", "highs"}
        ``highs`` has no kernels of its own; what it does not solve is done by the compiled ones.
    """
    folder = KERNELS[backend]
    return importlib.import_module(f"fastroute.kernels.{folder}.{module}")
