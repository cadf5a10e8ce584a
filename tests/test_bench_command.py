"""`fastroute bench`: refuses at once what cannot work, and shows what was measured."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fastroute.bench import against, report, suites
from fastroute.bench.instruction_sets import compiled_for
from fastroute.bench.results import load
from fastroute.cli import app
from test_bench_report import made_data, row

runner = CliRunner()


@pytest.mark.parametrize("name", ["pytest", "pytest_benchmark"])
def test_missing_tool_is_named_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without(module: str, *rest: Any) -> Any:
        return None if module == name else find(module, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    done = runner.invoke(app, ["bench"])
    assert done.exit_code == 2
    assert f"need {name}, which is not installed" in done.stderr
    assert 'pip install "fastroute[bench]"' in done.stderr


def test_bad_options_are_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "run_suites", lambda *_: pytest.fail("it ran"))
    monkeypatch.setattr(against, "alternate", lambda *_: pytest.fail("it ran"))
    done = runner.invoke(app, ["bench", "--json", str(tmp_path / "no" / "x.json")])
    assert done.exit_code == 2
    assert "there is no folder" in done.stderr
    done = runner.invoke(app, ["bench", "--json", str(tmp_path)])
    assert done.exit_code == 2
    assert "is a folder; name a file in it" in done.stderr
    done = runner.invoke(app, ["bench", "--suite", "rooting"])
    assert done.exit_code == 2
    assert "did you mean 'routing'?" in done.stderr
    (tmp_path / "text.json").write_text("{}")
    for options, words in (
        (["--against", tmp_path / "absent.json"], "absent.json"),
        (["--against", tmp_path / "text.json"], "holds no results"),
        (["--against", tmp_path], "is neither a checkout of fastroute nor a virtual environment"),
        (["--tolerance", "-1"], "--tolerance=-1.0 must be a finite number >= 0"),
        (["--smoke", "--full"], "leave one out"),
    ):
        done = runner.invoke(app, ["bench", *map(str, options)])
        assert done.exit_code == 2
        assert words in done.stderr


def published(root: Path) -> Path:
    docs = (root / report.DOCS).read_text(encoding="utf-8")
    name = docs.partition("`bench/results/")[2].partition("`")[0]
    return root / "bench" / "results" / name


@pytest.mark.parametrize("code", [0, 1, 2, 4])
def test_table_is_printed_and_failures_are_said(
    code: int, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def run(names: list[str], file: Path, options: list[str]) -> int:
        asked.update(suites=names, options=options)
        if code != 4:
            shutil.copy(published(root), file)
        return code

    monkeypatch.setattr(suites, "run_suites", run)
    kept = tmp_path / "kept.json"
    done = runner.invoke(app, ["bench", "--suite", "routing", "--full", "--json", str(kept)])
    assert asked == {"suites": ["routing"], "options": ["--full"]}
    assert done.exit_code == {0: 0, 1: 2, 2: 130, 4: 2}[code]
    assert ("StageRoute, 5 of 15 models deployed" in done.stdout) == (code in (0, 1))
    assert ("cases ended in an error" in done.stderr) == (code == 1)
    assert ("did not run" in done.stderr) == (code == 4)
    if code == 0:
        assert "One core unless said otherwise" in done.stdout
        assert kept.exists()


@pytest.mark.parametrize(
    ("names", "options", "again"),
    [
        (["deployment", "simulation", "routing"], ["--full"], ["simulation", "routing"]),
        (["simulation", "routing"], ["--smoke"], ["routing"]),
        (["startup"], [], []),
    ],
)
@pytest.mark.parametrize("second", ["AVX2", ""])
def test_cases_of_ours_run_again_for_the_second_instruction_set(
    names: list[str],
    options: list[str],
    again: list[str],
    second: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []

    def pytest_run(names: list[str], file: Path, options: list[str], given: dict[str, str]) -> int:
        ran_again = "--each-set" in options
        calls.append((names, options, given.get("NUMBA_CPU_NAME")))
        case = row("routing", "M=5", "fastroute", 4.0 if ran_again else 1.0)
        file.write_text(json.dumps(made_data([case])))
        assert "PYTEST_ADDOPTS" not in given
        return 0

    monkeypatch.setenv("PYTEST_ADDOPTS", "-n4")
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    monkeypatch.setattr(suites, "second_set", lambda: second)
    monkeypatch.setattr(suites, "_pytest", pytest_run)
    file = tmp_path / "results.json"
    assert suites.run_suites(names, file, options) == 0
    expected: list[Any] = [(names, options, None)]
    if again and second:
        expected.append((again, [*options, "--each-set"], "znver3"))
    assert calls == expected
    results = load(file)
    assert [x.ns for x in results.rows] == [1.0]
    assert [x.ns for x in results.again] == [4.0] * (len(expected) - 1)
    assert results.run["seconds"] == 60 * len(expected)


def test_suites_run_and_keep_only_what_is_needed(root: Path, tmp_path: Path) -> None:
    # Cases that take no time: they go through options, hooks, child process and file.
    file = tmp_path / "results.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--smoke"),
            *(f"--benchmark-json={file}", "--benchmark-quiet"),
            *(str(root / "bench" / f"test_{name}.py") for name in ("startup", "routing")),
        ],
        cwd=tmp_path,
        # In the workers of a parallel test run, pytest-benchmark would measure nothing.
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = load(file)
    imported = results.find("startup", "import", "fastroute")
    assert imported is not None
    assert 0.0 < imported.facts["import_seconds"] < imported.seconds
    assert results.run["smoke"]
    assert not results.run["full"]
    kept, ours = (
        results.find("routing", "M=5", name) for name in ("HiGHS, model kept", "fastroute")
    )
    assert ours is not None
    assert kept is not None
    assert ours.instruction_set == results.instruction_set == compiled_for("numba")
    assert kept.instruction_set == "", "it came compiled"
    data = json.loads(file.read_text(encoding="utf-8"))
    assert "data" not in data["benchmarks"][0]["stats"]
    assert not data["commit_info"]
    assert "node" not in data["machine_info"]


def test_default_run_leaves_benchmarks_out(root: Path) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["pytest"]["ini_options"]["testpaths"] == ["tests"]
    assert (root / "bench" / "pytest.ini").exists(), "the suites have settings of their own"


def test_options_come_with_the_suites(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--full", str(root / "bench")],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = done.stdout.splitlines()
    assert any("T=10000000, trials=1024" in line for line in listed)
    assert not any("T=100000000, trials=1024" in line for line in listed)
