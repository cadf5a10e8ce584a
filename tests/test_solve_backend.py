"""The choice of kernels, and that compiled ones are never older than their sources."""

import os
from pathlib import Path

import pytest

from fastroute.kernels.numba_ import routing
from fastroute.solve import backend


def test_compiled_kernels_older_than_a_source_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = max(
        source.stat().st_mtime
        for folder in (Path(routing.__file__).parent, Path(routing.__file__).parent.parent)
        for source in folder.glob("*.py")
    )
    old, new, code = (tmp_path / name for name in ("old.nbi", "new.nbi", "old.1.nbc"))
    for file, age in ((old, 10.0), (new, -10.0), (code, 10.0)):
        file.touch()
        os.utime(file, (newest - age, newest - age))

    class Stats:
        cache_path = str(tmp_path)

    class Compiled:
        stats = Stats

    monkeypatch.setattr(routing, "solve_one", Compiled)
    backend._forget_stale.__wrapped__()
    # Without its index, code is not found; Numba writes over it.
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new.nbi", "old.1.nbc"]


def test_the_same_modules_in_every_backend() -> None:
    for module in ("rng", "bounds", "routing", "deployment", "rounds"):
        for name in ("numba", "ref"):
            assert backend.load_kernel(module, name).__name__.endswith(module)
