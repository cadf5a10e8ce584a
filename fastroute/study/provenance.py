"""Where and with what a study ran, or any other work of fastroute."""

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from fastroute.study.executors import cores
from fastroute.study.work import THREADS

# Whatever can move a digit of a result or the time that it takes.
_PACKAGES: Final = (
    "fastroute",
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "highspy",
    "jax",
    "jaxlib",
    "polars",
    "pydantic",
    "matplotlib",
)
# What can be in the way, or missing.
_OTHERS: Final = ("filelock", "rich", "typer", "distributed", "pandas", "pyarrow")
# Backend -> the package that it stands on.
_BACKENDS: Final = {"numba": "numba", "jax": "jax", "highs": "highspy", "ref": "numpy"}
# What else decides how and where kernels run.
_VARIABLES: Final = (
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "CUDA_VISIBLE_DEVICES",
    "XLA_FLAGS",
    "NUMBA_CACHE_DIR",
    "NUMBA_CPU_NAME",
    "NUMBA_DISABLE_JIT",
    "PYTHONPATH",
)


def versions() -> dict[str, str]:
    """Return the versions of Python, fastroute and what it stands on; nothing is imported."""
    return {"python": platform.python_version(), **_versions_of(_PACKAGES)}


def _versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            # A source tree on the path has no metadata, but it knows its version.
            if name == "fastroute":
                found[name] = importlib.import_module("fastroute").__version__
    return found


def machine() -> dict[str, Any]:
    """Return what the machine is, without its name and its owner."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def about(*, devices: bool = False) -> dict[str, Any]:
    """Return what a report of a fault should say of the machine and of what is installed.

    Numba is imported, to see what it compiles for. The network is not used, and nothing is named
    but the folders of fastroute and of its kernels, with ``~`` for the home of the user.

    Parameters
    ----------
    devices : bool
        Also import JAX and ask it for its devices, which may take seconds. It is told not to take
        their memory.

    Returns
    -------
    dict
        Plain values: ``versions``, ``machine``, ``threads``, ``backends``, ``jax_devices`` (None
        when not asked for), ``folder``, ``kernels`` and ``variables`` of the environment.
    """
    import fastroute

    found = machine()
    allowed = cores()
    return {
        "versions": versions() | _versions_of(_OTHERS),
        "machine": {**found, "instruction_set": _told(_instruction_set)},
        "threads": {
            "cores": found["cores"],
            "cores_allowed": allowed,
            **{name: os.environ[name] for name in THREADS if name in os.environ},
        },
        "backends": {
            name: "installed" if importlib.util.find_spec(package) else f"needs {package}"
            for name, package in _BACKENDS.items()
        },
        "jax_devices": _told(_jax_devices) if devices else None,
        "folder": _short(str(Path(fastroute.__file__).parent)),
        "kernels": _told(_kernel_folder),
        "variables": {name: _short(os.environ[name]) for name in _VARIABLES if name in os.environ},
    }


def _told(ask: Callable[[], Any]) -> Any:
    """Return what is asked for, or why it cannot be told: that is what a report is about."""
    try:
        return ask()
    except Exception as error:
        return f"cannot be told ({type(error).__name__}: {error})"


def _instruction_set() -> str:
    from fastroute.kernels.numba_.instruction_set import instruction_set

    return instruction_set()


def _kernel_folder() -> str:
    from fastroute.kernels.numba_.compile import cache_folder

    folder = cache_folder()
    return "compiled anew in every process" if folder is None else _short(folder)


def _jax_devices() -> list[str]:
    # Read when the first device is asked for.
    if "jax" not in sys.modules:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    return [f"{device.platform}: {device.device_kind}" for device in jax.devices()]


def _short(path: str) -> str:
    """Write a path without the name of the user's home."""
    home = os.path.expanduser("~")
    return path.replace(home, "~") if len(home) > 1 else path


def _processor() -> str:
    """Return the processor's model, which `platform.processor` leaves empty on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
