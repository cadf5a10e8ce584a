from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from fastroute.cli import app
from fastroute.scenario import SCENARIOS

runner = CliRunner()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [
        {"query": query, "task": "t", "model": model, "score": score, "cost": 0.1}
        for query in range(3)
        for model, score in (("a", 1.0), ("b", 0.5))
    ]
    path = tmp_path / "outcomes.csv"
    pl.DataFrame(rows).write_csv(path)
    return path


def test_every_scenario_says_where_its_data_come_from() -> None:
    result = runner.invoke(app, ["data", "list"])
    assert result.exit_code == 0, result.output
    for name in SCENARIOS:
        assert f" {name} " in result.stdout


def test_a_good_table_passes(table: Path) -> None:
    result = runner.invoke(app, ["data", "check", str(table)])
    assert result.exit_code == 0, result.output
    assert "no problems found" in result.stdout


def test_a_table_with_problems_gives_exit_code_1(table: Path) -> None:
    frame = pl.read_csv(table)
    frame[1:].write_csv(table)
    result = runner.invoke(app, ["data", "check", str(table)])
    assert result.exit_code == 1
    assert "problem: " in result.stdout
    assert "remedy: " in result.stdout


def test_what_cannot_be_read_gives_exit_code_2(tmp_path: Path) -> None:
    result = runner.invoke(app, ["data", "check", str(tmp_path / "none.csv")])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "none.csv" in result.stderr
