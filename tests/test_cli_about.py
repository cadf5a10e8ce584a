"""The commands around a study: what is installed, what is logged, and what the shell offers."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.logging import RichHandler
from typer.testing import CliRunner

import fastroute as fr
from fastroute.cli import app
from fastroute.simulation.settings import Settings
from fastroute.study import preset_names
from fastroute.study.executors import Results
from fastroute.study.progress import make_reporter
from fastroute.study.provenance import machine, versions
from fastroute.study.schedule import run_jobs
from fastroute.study.work import FailedShard, Job, ShardResult
from studies import mini
from undrawn import without_drawings

runner = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def about(*options: str) -> dict[str, Any]:
    result = runner.invoke(app, ["about", "--json", *options])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_about_tells_what_a_manifest_tells_and_more() -> None:
    found = about()
    assert versions().items() <= found["versions"].items()
    assert machine().items() <= found["machine"].items()
    assert found["machine"]["instruction_set"]
    assert 1 <= found["threads"]["cores_allowed"] <= found["threads"]["cores"]
    assert set(found["backends"]) == {"numba", "jax", "highs", "ref"}
    assert found["jax_devices"] is None


def test_about_in_words_has_a_line_for_every_subject() -> None:
    lines = runner.invoke(app, ["about"]).stdout.splitlines()
    assert lines[0].startswith(f"fastroute:   {fr.__version__} in ")
    heads = [line.partition(":")[0] for line in lines]
    assert heads[1:5] == ["python", "packages", "backends", "JAX devices"]
    assert "not asked" in lines[4]


def test_about_hides_the_home_of_the_user_and_tells_what_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XLA_FLAGS", f"--dump={tmp_path}/x")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = about()
    assert found["variables"]["XLA_FLAGS"] == "--dump=~/x"
    assert found["threads"]["OMP_NUM_THREADS"] == "3"


def test_about_tells_what_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.setitem(sys.modules, "fastroute.kernels.numba_.compile", None)
    found = about("--devices")
    assert found["jax_devices"].startswith("cannot be told (ModuleNotFoundError: ")
    assert found["kernels"].startswith("cannot be told (ModuleNotFoundError: ")


def run(*options: str) -> str:
    Path("grid.toml").write_text(mini(policy=[{"name": "uniform"}]).to_toml(), encoding="utf-8")
    result = runner.invoke(app, ["run", "grid.toml", "--out", "here", "-q", *options])
    assert result.exit_code == 0, result.output
    assert result.stdout == "here\n"
    return result.stderr


def test_the_log_is_shown_when_asked_for_and_only_then() -> None:
    logger = logging.getLogger("fastroute")
    before = list(logger.handlers), logger.level
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    with without_drawings():
        log = run("-v")
    for words in (
        "INFO run directory here: locked",
        "INFO 6 shards to compute, 0 are there",
        "INFO executor threads x ",
        "INFO frames written in ",
        "figures/",
    ):
        assert words in log
    assert "DEBUG" not in log
    assert (list(logger.handlers), logger.level) == before
    assert run() == ""
    with without_drawings():
        shown = runner.invoke(app, ["run", "grid.toml", "--out", "there", "-q", "-vv"]).stderr
    assert "DEBUG task of " in shown
    assert "trials" not in run("-v")


class Unlucky:
    """Computes shards, of which the first fails once."""

    name = "unlucky"

    def __init__(self) -> None:
        failed = FailedShard("Traceback\nArithmeticError: no luck\n")
        self.results: Results = [failed, ShardResult(b"", {}, "")]

    def submit(self, jobs: Sequence[Job]) -> Future[Results]:
        future: Future[Results] = Future()
        future.set_result([self.results.pop(0)])
        return future

    def max_in_flight(self) -> int:
        return 1

    def restart(self) -> bool:
        return False

    def stop(self, *, at_once: bool) -> None:
        pass


def test_a_retry_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(horizon=10, budget=1.0, max_deployed=1)
    job = Job("k", 0, 64, "static", "{}", {}, settings, moments=False, means=False)
    with caplog.at_level(logging.INFO, "fastroute"):
        run_jobs(Unlucky(), [job], 1, lambda shards: None, lambda job, trace: None)
    assert [record.getMessage() for record in caplog.records] == [
        "shard k/0-64: attempt 1 of 3 failed: ArithmeticError: no luck"
    ]


def test_lines_of_the_log_go_above_the_bars() -> None:
    console = Console(file=io.StringIO(), stderr=True, force_terminal=True, width=80)
    logger = logging.getLogger("fastroute")
    handler = RichHandler(console=console)
    logger.addHandler(handler)
    try:
        bars: Any = make_reporter(True)
    finally:
        logger.removeHandler(handler)
    assert bars._progress.console is console


def offered(*words: str) -> list[str]:
    """Return what the shell offers for the last of the words."""
    result = runner.invoke(
        app,
        [],
        prog_name="fastroute",
        env={
            "_FASTROUTE_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("fastroute", *words)),
            "COMP_CWORD": str(len(words)),
        },
    )
    return result.stdout.split()


def test_the_shell_is_offered_what_arguments_take() -> None:
    Path("mine.toml").touch()
    for folder in ("runs/mine", "runs/other", "elsewhere"):
        Path(folder).mkdir(parents=True)
    Path("runs/mine/manifest.json").touch()
    assert {*preset_names(), "mine.toml", "runs"} <= set(offered("run", ""))
    assert offered("run", "qui") == ["quickstart"]
    assert offered("run", "mi") == ["mine.toml"]
    mine = os.path.join("runs", "mine")
    for command in (("status",), ("report",), ("run", "quickstart", "--out")):
        assert mine in offered(*command, "")
    assert offered("status", "runs/") == [mine, os.path.join("runs", "other")]
    assert offered("run", "quickstart", "--executor", "d") == ["dask", "dask://"]
    assert offered("solve", "routing", "--backend", "h") == ["highs"]
    assert offered("bench", "--suite", "s") == ["simulation", "startup"]
    assert "about" in offered("a")


def test_what_the_shell_is_offered_imports_nothing_that_computes() -> None:
    code = (
        "import sys; from fastroute import cli_complete as c\n"
        "c.complete_study(''), c.complete_run(''), c.complete_executor(''), c.complete_suite('')\n"
        "c.complete_backend('')\n"
        "heavy = {'polars', 'numba', 'jax', 'scipy', 'matplotlib', 'pydantic', 'highspy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
