"""Where and with what a study ran."""

import importlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any, Final

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


def versions() -> dict[str, str]:
    """Return the versions of Python, fastroute and what it stands on; nothing is imported."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
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


def _processor() -> str:
    """Return the processor's model, which `platform.processor` leaves empty on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
