"""Time to the first result, and memory: in processes of their own, all cores allowed."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from fastroute.bench import machine
from fastroute.bench.measure import Measure

CHILD: Final = Path(__file__).with_name("child.py")


def child(*arguments: object, cache: Path | None = None) -> dict[str, float]:
    """Run ``child.py`` and return what it measured, times counted from the start of the process."""
    environment = {key: x for key, x in os.environ.items() if key not in machine.ONE_THREAD}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    with machine.all_cores():
        started = time.monotonic()
        done = subprocess.run(
            # -P: the folder of child.py must not be searched for modules.
            [sys.executable, "-P", str(CHILD), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-500:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {
        key: value - started if key in ("started", "first_rounds", "result") else value
        for key, value in found.items()
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of compiled kernels that the cases of this module share."""
    return tmp_path_factory.mktemp("numba")


@pytest.mark.smoke
def test_import(measure: Measure) -> None:
    """Import the package in a new process; the fact ``import_seconds`` is the import alone."""
    _time_processes(measure, "import", lambda: child("import"), rounds=10)


def test_fresh_cache(measure: Measure, cache: Path) -> None:
    """Simulate for the first time: every kernel is compiled. Once, because it takes long."""
    _time_processes(measure, "fresh cache", lambda: child("first", cache=cache), rounds=1)


def test_second_process(measure: Measure, cache: Path) -> None:
    """Simulate in a new process that finds compiled kernels."""
    child("first", cache=cache)
    _time_processes(measure, "second process", lambda: child("first", cache=cache), rounds=5)


def _time_processes(
    measure: Measure, case: str, process: Callable[[], dict[str, float]], rounds: int
) -> None:
    """Time whole processes and keep the best reading of each of their parts."""
    runs: list[dict[str, float]] = []
    measure(
        lambda: lambda: runs.append(process()),
        group="startup",
        case=case,
        solver="fastroute",
        unit="process",
        units=1,
        warm_up=lambda: None,
        rounds=rounds,
        ours=True,
    )
    if runs:
        measure.keep({key: min(run[key] for run in runs) for key in runs[0]})


def _sizes() -> list[Any]:
    # T, trials, and the mark of a run that takes long.
    rows: list[tuple[int, int, Any]] = [(10**k, 1024, pytest.mark.full) for k in (4, 5, 6, 7)]
    rows += [(10**4, 10**6, pytest.mark.full), (10**8, 1024, pytest.mark.full_memory)]
    return [
        pytest.param(horizon, trials, id=f"T={horizon}, trials={trials}", marks=mark)
        for horizon, trials, mark in rows
    ]


@pytest.mark.parametrize(("horizon", "trials"), _sizes())
def test_memory(horizon: int, trials: int, measure: Measure) -> None:
    """Measure the largest resident size of a process that simulates StageRoute, 5 of 15."""
    if importlib.util.find_spec("resource") is None:
        pytest.skip("this system does not tell the largest size of a process")
    runs: list[dict[str, float]] = []
    with machine.all_cores() as cores:
        threads = cores
    measure(
        lambda: lambda: runs.append(child("memory", horizon, trials, threads)),
        group="memory",
        case=f"T={horizon}, trials={trials}",
        solver="fastroute, StageRoute",
        unit="process",
        units=1,
        warm_up=lambda: None,
        rounds=1,
        horizon=horizon,
        trials=trials,
        ours=True,
    )
    measure.keep({"threads": threads})
    if runs:
        measure.keep(runs[0])
