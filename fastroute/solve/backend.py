"""Which folder of kernels serves a backend."""

import importlib
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
    return importlib.import_module(f"fastroute.kernels.{KERNELS[backend]}.{module}")
