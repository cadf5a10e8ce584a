"""What the shell offers while a command is typed: presets, run directories, executors, backends.

Imports nothing heavy: the shell starts a process for every press of the tab key.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

# Where `fastroute run` puts what has no directory of its own.
_RUNS: Final = Path("runs")
_MANIFEST: Final = "manifest.json"


def complete_study(incomplete: str) -> list[str]:
    """Offer the packaged studies, and the TOML files and folders that begin so."""
    from fastroute.study.packaged import preset_names

    files = _entries(incomplete)
    found = (name for name, path in files if path.suffix == ".toml" or path.is_dir())
    return [*_beginning(preset_names(), incomplete), *found]


def complete_run(incomplete: str) -> list[str]:
    """Offer the run directories below ``runs`` and those that begin so, then other folders."""
    kept = (str(entry) for entry in _folders(_RUNS) if (entry / _MANIFEST).is_file())
    found = (name for name, path in _entries(incomplete) if path.is_dir())
    return list(dict.fromkeys([*_beginning(kept, incomplete), *found]))


def complete_executor(incomplete: str) -> list[str]:
    """Offer where shards can be computed."""
    from fastroute.study.executors import EXECUTORS

    # Of an address only the beginning is known.
    names = (name.removesuffix("HOST:PORT") for name in EXECUTORS)
    return _beginning(names, incomplete)


def complete_backend(incomplete: str) -> list[str]:
    """Offer what solves problems."""
    from fastroute.solve.backend import BACKENDS

    return _beginning(BACKENDS, incomplete)


def complete_suite(incomplete: str) -> list[str]:
    """Offer the suites of the benchmarks."""
    from fastroute.bench.suites import SUITES

    return _beginning(SUITES, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _entries(incomplete: str) -> Iterator[tuple[str, Path]]:
    """Yield what begins so in its folder, as it would be typed."""
    folder, beginning = os.path.split(incomplete)
    for entry in _folders(Path(folder), only=False):
        hidden = entry.name.startswith(".") and not beginning.startswith(".")
        if entry.name.startswith(beginning) and not hidden:
            yield os.path.join(folder, entry.name), entry


def _folders(place: Path, *, only: bool = True) -> list[Path]:
    """Return what is in a folder, sorted; nothing where it cannot be read."""
    try:
        return sorted(entry for entry in place.iterdir() if not only or entry.is_dir())
    except OSError:
        return []
