"""The choice of kernels, and that compiled ones are never older than their sources."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fastroute.kernels.numba_ import compile as compiling
from fastroute.solve import backend


def doubled(folder: Path) -> Any:
    """Compile a kernel of a file in a folder, as a process does when it starts."""
    file = folder / "doubled.py"
    file.write_text("def doubled(x):\n    return 2.0 * x\n", "utf-8")
    os.utime(file, (1e9, 1e9))
    spec = importlib.util.spec_from_file_location("doubled", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernel = compiling.compiled(module.doubled)
    assert kernel(3.0) == 6.0
    return kernel


def test_a_kernel_compiled_from_other_sources_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sum(doubled(tmp_path).stats.cache_misses.values()) == 1
    assert sum(doubled(tmp_path).stats.cache_hits.values()) == 1
    # The file of the kernel is the same; another one has changed.
    monkeypatch.setattr(compiling, "source_stamp", lambda: "another source")
    changed = doubled(tmp_path).stats
    assert not changed.cache_hits
    assert sum(changed.cache_misses.values()) == 1
    assert sum(doubled(tmp_path).stats.cache_hits.values()) == 1


def test_the_stamp_is_of_all_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numba_", "formulas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").write_text("x = 1\n", "utf-8")
    (tmp_path / "types.py").write_text("x = 1\n", "utf-8")
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "numba_" / "compile.py"))
    stamps = {compiling.source_stamp.__wrapped__()}
    for file in sorted(tmp_path.rglob("*.py")):
        file.write_text("x = 2\n", "utf-8")
        stamps.add(compiling.source_stamp.__wrapped__())
    assert len(stamps) == 4


def test_nothing_that_is_kept_is_deleted(tmp_path: Path) -> None:
    code = (
        "import fastroute.kernels.numba_.rounds;"
        "from fastroute.kernels.numba_.routing import solve_one;"
        "from fastroute.solve.backend import load_kernel; load_kernel('rounds', 'numba');"
        "print(solve_one.stats.cache_path)"
    )

    def start() -> Path:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return Path(done.stdout.strip())

    kept = start()
    kept.mkdir(parents=True, exist_ok=True)
    old = [kept / name for name in ("old.nbi", "old.1.nbc")]
    for file in old:
        file.touch()
        os.utime(file, (0.0, 0.0))
    assert start() == kept
    assert all(file.exists() for file in old)


def test_the_same_modules_in_every_backend() -> None:
    for module in ("rng", "routing", "deployment", "rounds", "estimators", "routers", "outcomes"):
        for name in ("numba", "ref"):
            assert backend.load_kernel(module, name).__name__.endswith(module)
