from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from fastroute.cli import app
from fastroute.scenarios import SCENARIOS

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


def check(*options: str) -> str:
    """Return what `data check` says of a table with problems."""
    result = runner.invoke(app, ["data", "check", *options])
    assert result.exit_code == 1, result.output
    return result.stdout


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    outcomes, models = tmp_path / "o.csv", tmp_path / "m.csv"
    outcomes.write_text(
        "query,task,model,score,cost\n"
        "q,t,a,7,-1\nq,t,a,7,-1\nq,u,b,many,0\n,t,c,1,1\nq,t,d,1,1\nq,t,e,1,1\n"
    )
    models.write_text("model,release_date\na,2024-01-01\na,2024-01-02\nb,soon\nd,\nf,2024-01-01\n")
    said = check(str(outcomes), "--models", str(models))
    for words in (
        "problem: models: 'a' occurs twice",
        "problem: models: 'e' in the outcomes but not in the models table",
        "problem: release_date: 'soon' of model 'b' is not a date",
        "problem: release_date: no date for 'd'",
        "problem: query: column 'query' is empty in 1 row(s), the first is line 5 (model 'c')",
        "problem: task: 1 queries have more than one task",
        "problem: score: 1 value(s) are not numbers, the first is 'many' in line 4",
        "problem: score: 2 value(s) outside [0, 1], the first is 7.0 in line 2 (query 'q'",
        "problem: cost: 2 value(s) negative or infinite, the first is -1.0 in line 2",
        "problem: 1 repeated cell(s)",
        "problem: 1 of 4 cells are missing: b (1)",
        "problem: cost is 0 in 1 row(s), of 'b'",
        "note: 'f' in the models table but not in the outcomes",
    ):
        assert words in said


@pytest.mark.parametrize(
    "options",
    [["--columns", "query=prompt,cost=usd"], ["--columns", "query=prompt", "--columns=cost=usd"]],
)
def test_columns_are_named(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text(
        '{"prompt": "q", "model": "a", "score": 1, "usd": 1}\n'
        '{"prompt": "q", "model": "b", "score": 0, "usd": 2}\n'
    )
    result = runner.invoke(app, ["data", "check", str(path), *options])
    assert result.exit_code == 0, result.output
    assert "note: no column 'task', so every query is of the one task 'all'" in result.stdout
    result = runner.invoke(app, ["data", "check", str(path)])
    assert result.exit_code == 2
    assert "no column 'query', 'cost'; map it" in result.stderr
    assert "--columns query=prompt" in result.stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("query", "write ROLE=NAME"),
        ("query=", "write ROLE=NAME"),
        ("query=a,query=b", "query is already a"),
        ("prompt=query", "columns='prompt' is unknown"),
        ("query=qurey", "columns['query']='qurey' is not in the table; did you mean 'query'?"),
    ],
)
def test_wrong_names_of_columns_are_refused(table: Path, option: str, words: str) -> None:
    result = runner.invoke(app, ["data", "check", str(table), "--columns", option])
    assert result.exit_code == 2
    assert words in result.stderr
