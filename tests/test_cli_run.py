import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import fastroute
from fastroute.cli import app
from fastroute.simulate import simulate as real_simulate
from fastroute.study import Study, preset_names

runner = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"fastroute {fastroute.__version__}\n")


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from fastroute.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'polars', 'numba', 'jax', 'scipy', 'matplotlib', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for command in ("run", "presets", "solve", "data"):
        assert f"\n  {command} " in done.stdout


def test_presets_are_listed() -> None:
    result = runner.invoke(app, ["presets"])
    assert result.exit_code == 0
    for name in preset_names():
        assert name in result.stdout
    assert "100,000 x 256" in result.stdout


def test_run_a_preset_with_changes() -> None:
    arguments = ["run", "quickstart", "--trials", "3", "--horizon", "300", "--seed", "9"]
    result = runner.invoke(app, [*arguments, "--threads", "1", "--out", "here"])
    assert result.exit_code == 0, result.output
    manifest = json.loads(Path("here/manifest.json").read_text())
    assert (manifest["status"], manifest["seed"]) == ("complete", 9)
    assert "StageRoute" in result.stdout
    assert "Everything is in here" in result.stdout
    assert "[5/5] static" in result.stderr
    assert Path("here/figures/regret.png").stat().st_size > 1000
    # The study that was written runs again, and finds that it is done.
    again = runner.invoke(app, ["run", "here/study.toml", "--out", "here"])
    assert again.exit_code == 0
    assert "already complete" in again.stderr
    assert again.stdout == result.stdout
    other = runner.invoke(app, ["run", "here/study.toml", "--seed", "1", "--out", "here"])
    assert other.exit_code == 2
    assert other.stderr.startswith("error: here: holds the results of another study")


def test_quiet_prints_only_the_directory() -> None:
    study = Study.preset("quickstart").with_setting(trials=2, horizon=100)
    Path("small.toml").write_text(study.to_toml())
    result = runner.invoke(app, ["run", "small.toml", "-q"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "runs/quickstart\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quikstart"], 'did you mean "quickstart"'),
        (["run", "none.toml"], "none.toml: cannot be read: No such file"),
        (["run", "quickstart", "--trials", "0"], "setting.trials = 0: must be"),
        (["run", "bad.toml"], "line 2, column 5"),
        (["run", "poor.toml"], "budget=1e-06"),
        (["run", "quickstart", "--out", "bad.toml"], "cannot be used as a directory"),
    ],
)
def test_errors_are_one_message_and_exit_code_2(arguments: list[str], words: str) -> None:
    Path("bad.toml").write_text('name = "x"\na = = 1\n')
    poor = Study.preset("quickstart").with_setting(budget=1e-6)
    Path("poor.toml").write_text(poor.to_toml())
    result = runner.invoke(app, [*arguments, "--quiet"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    # Nothing is left behind.
    assert not list(Path().glob("runs/*"))


def test_an_interruption_says_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def simulate(scenario: Any, policy: Any, **options: Any) -> Any:
        if policy.name == "uniform":
            raise KeyboardInterrupt
        return real_simulate(scenario, policy, **options)

    monkeypatch.setattr("fastroute.simulate.simulate", simulate)
    result = runner.invoke(app, ["run", "quickstart", "--trials", "2", "--horizon", "100"])
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == (
        "interrupted: 3 of 5 policies had finished and are kept in runs/quickstart"
    )
