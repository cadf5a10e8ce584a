"""Options, the one-core rule, and what is kept of a run."""

# ruff: noqa: E402  # threads are limited before anything that starts threads is imported
from fastroute.bench.machine import use_one_core

use_one_core()

import os
import time
from typing import Any

import pytest

from fastroute.bench.instruction_sets import compiled_for
from fastroute.bench.measure import Measure

#: Skipped cases of this session: test and reason.
_skipped: list[dict[str, str]] = []
_started = time.time()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suites."""
    group = parser.getgroup("fastroute")
    group.addoption("--full", action="store_true", help="run every case (about half an hour)")
    group.addoption("--smoke", action="store_true", help="run a few cases with little work")
    group.addoption(
        "--each-set", action="store_true", help="run what is timed for each instruction set"
    )
    group.addoption(
        "--full-memory",
        action="store_true",
        help="also measure the memory of 1024 trials of 10**8 rounds (about 20 minutes)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for."""
    only = [name for name in ("smoke", "each_set") if config.getoption(name)]
    asked = [name for name in ("full", "full_memory") if not config.getoption(name)]
    out = [
        item
        for item in items
        if any(item.get_closest_marker(name) for name in asked)
        or not all(item.get_closest_marker(name) for name in only)
    ]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in set(out)]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember why a case was skipped."""
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        _skipped.append({"name": report.nodeid.rpartition("::")[2], "reason": reason})


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Say what the machine is, not whose."""
    from fastroute.study.provenance import machine, versions

    machine_info.clear()
    machine_info.update(machine())
    machine_info["instruction_set"] = compiled_for("numba")
    machine_info["versions"] = versions()


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Keep what the report needs: no single rounds, names of people, or paths."""
    # What it holds is that of the folder the command was started in, whichever that was.
    output_json["commit_info"] = {}
    output_json["run"] = {
        "full": bool(config.getoption("full")),
        "smoke": bool(config.getoption("smoke")),
        "least_rounds": _least_rounds(config),
        "seconds": round(time.time() - _started),
        "load_at_end": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else [],
    }
    output_json["skipped"] = sorted(_skipped, key=lambda skip: skip["name"])
    keep = ("min", "median", "mean", "max", "stddev", "rounds", "iterations")
    output_json["benchmarks"] = [
        {
            "group": row["group"],
            "name": row["name"],
            "stats": {key: _six_digits(row["stats"][key]) for key in keep},
            "extra_info": {key: _six_digits(value) for key, value in row["extra_info"].items()},
        }
        for row in output_json["benchmarks"]
    ]


def _least_rounds(config: pytest.Config) -> int:
    """Return how many rounds every case has, at least."""
    if config.getoption("smoke"):
        return 1
    return 5 if config.getoption("full") else 3


def _six_digits(value: Any) -> Any:
    """Cut floats to six digits: a clock shows no more."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Measure:
    """Return what times a case and keeps its facts."""
    config = request.config
    seconds = 3.0 if config.getoption("full") else 1.0
    return Measure(benchmark, seconds, _least_rounds(config), smoke=bool(config.getoption("smoke")))
