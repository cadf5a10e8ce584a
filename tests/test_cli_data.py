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


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(
        "request_id,model,spend,prompt_tokens,completion_tokens,startTime,status,rating\n"
        "r1,a,0.1,100,50,2025-03-01T08:00:00Z,success,80\n"
        "r2,b,0.2,100,50,2025-03-02T08:00:00Z,success,60\n"
        "r3,b,0.2,100,50,2025-03-02T08:00:00Z,failure,\n"
    )
    return path


def test_convert_says_what_was_recognised_and_dropped(tmp_path: Path, log: Path) -> None:
    out = tmp_path / "out.parquet"
    options = ["--columns", "score=rating", "--score-range", "0", "100"]
    result = runner.invoke(app, ["data", "convert", str(log), str(out), *options])
    assert result.exit_code == 0, result.output
    for words in (
        "log.csv, read as litellm",
        "logged: each query went to one model",
        "score       rating, from 0 to 100",
        "-1  failed requests (column 'status'), the first is line 4",
        "rows kept   2",
        "written to ",
    ):
        assert words in result.stdout
    frame = pl.read_parquet(out)
    assert frame["score"].to_list() == [0.8, 0.6]
    assert frame.columns == ["query", "model", "score", "cost", "time", "tokens_in", "tokens_out"]
    again = tmp_path / "again.csv"
    result = runner.invoke(app, ["data", "convert", str(out), str(again)])
    assert result.exit_code == 0, result.output
    assert again.read_text().startswith("query,model,score,cost,time")


def test_convert_takes_prices_scores_and_units(tmp_path: Path, log: Path) -> None:
    prices, scores, out = (tmp_path / name for name in ("p.json", "s.csv", "o.csv"))
    prices.write_text(
        '{"a": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},'
        ' "b": {"input_cost_per_token": 1e-5, "output_cost_per_token": 2e-5}}'
    )
    scores.write_text("request_id,score\nr1,1\nr2,0\n")
    options = ["--prices", str(prices), "--scores", str(scores), "--source-kind", "litellm"]
    result = runner.invoke(app, ["data", "convert", str(log), str(out), *options])
    assert result.exit_code == 0, result.output
    frame = pl.read_csv(out)
    assert frame["cost"].to_list() == pytest.approx([2e-4, 2e-3])
    assert frame["score"].to_list() == [1.0, 0.0]
    options = ["--columns=score=rating", "--cost-per", "1K-queries"]
    result = runner.invoke(app, ["data", "convert", str(log), str(out), *options])
    assert result.exit_code == 0, result.output
    assert "warning: score: values up to 80 look like percentages" in result.stdout
    assert "FastrouteWarning" not in result.output
    assert pl.read_csv(out)["cost"].to_list() == pytest.approx([1e-4, 2e-4])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["log.csv", "out.txt"], "ends in '.txt'; write a .parquet or .csv file"),
        (["log.csv", "out.csv", "--cost-per", "day"], "cost_per='day'"),
        (["log.csv", "out.csv", "--score-range", "0", "1"], "log.csv has no score; map it"),
        (
            ["log.csv", "out.csv", "--columns=score=rating", "--score-range", "1", "0"],
            "such as (0, 100)\nhere score_range=(0, 100) is --score-range 0 100",
        ),
        (["none.csv", "out.csv"], "no such file"),
    ],
)
def test_what_cannot_be_converted_gives_exit_code_2(
    log: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    monkeypatch.chdir(log.parent)
    result = runner.invoke(app, ["data", "convert", *options])
    assert result.exit_code == 2
    assert words in result.stderr
    assert not Path("out.csv").exists()


def test_check_shows_units_and_account(log: Path) -> None:
    result = runner.invoke(app, ["data", "check", str(log), "--columns", "score=rating"])
    assert result.exit_code == 1, result.output
    for words in (
        "read as     litellm",
        "-1  failed requests",
        "warning: score: values up to 80 look like percentages",
        "problem: score: 2 value(s) outside [0, 1], the first is 80.0 in line 2",
    ):
        assert words in result.stdout
    scaled = ["--columns", "score=rating", "--score-range", "0", "100"]
    result = runner.invoke(app, ["data", "check", str(log), *scaled])
    assert result.exit_code == 0, result.output
    assert "note: each query went to one model" in result.stdout


def routed(path: Path, propensities: list[str], head: str = "query,model,score,cost") -> Path:
    """Write a log of three models, and return its path."""
    rows = [f"q{i},{'abc'[i % 3]},1,0.01,{value}" for i, value in enumerate(propensities)]
    path.write_text("\n".join([f"{head},propensity", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("propensities", "words"),
    [
        (["50", "20", "0.9"], ["propensity: 50 ", "line 2", "divide the column by 100"]),
        (["0.5", "0", "0.9"], ["propensity: 0 ", "line 3", "remedy: mend or drop the row"]),
        (["0.5", "0.2", "1.7"], ["propensity: 1.7 ", "line 4", "a probability in (0, 1]"]),
        (["0.5", "often", "0.9"], ["propensity: column 'propensity'", "'often'", "line 3"]),
    ],
)
def test_a_log_that_cannot_be_read_says_why(
    tmp_path: Path, propensities: list[str], words: list[str]
) -> None:
    said = check(str(routed(tmp_path / "log.csv", propensities)))
    problems = said[said.index("problem: ") :]
    assert [word for word in words if word not in problems] == [], said
    assert problems.count("problem: ") == 1
    assert "fill them" not in said


def test_nobody_is_told_to_fill_the_cells_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("query,model,score,cost\np,a,1,0.01\nq,b,many,0.02\nr,c,0,0.01\n")
    said = check(str(path))
    assert "problem: score: 1 value(s) are not numbers, the first is 'many' in line 3" in said
    assert "fill them" not in said


def test_a_log_without_scores_or_costs_has_a_problem(tmp_path: Path, log: Path) -> None:
    said = check(str(log))
    assert "problem: no scores\n  remedy: pass --scores FILE" in said
    assert said.count("problem: ") == 1
    scores = tmp_path / "s.csv"
    scores.write_text("request_id,score\nr1,1\nr2,0\n")
    result = runner.invoke(app, ["data", "check", str(log), "--scores", str(scores)])
    assert result.exit_code == 0, result.output
    path = tmp_path / "tokens.csv"
    path.write_text("query,model,score,tokens_in\nq1,a,1,9\nq1,b,1,9\nq2,a,0,9\nq2,b,0,9\n")
    said = check(str(path))
    assert "problem: no costs\n  remedy: pass --prices FILE" in said
    assert said.count("problem: ") == 1


def test_the_last_line_counts_warnings(tmp_path: Path) -> None:
    board = tmp_path / "board.csv"
    board.write_text("model,score,cost\na,0.9,3\nb,0.6,0.5\n")
    result = runner.invoke(app, ["data", "check", str(board)])
    assert result.exit_code == 0, result.output
    assert "as prices per million tokens would" in result.stdout
    assert "no problems found, 1 warning(s) above" in result.stdout


def test_convert_never_writes_over_what_it_reads(table: Path, tmp_path: Path) -> None:
    before = table.read_bytes()
    scores = tmp_path / "s.csv"
    scores.write_text("query,score\n0,1\n")
    link = tmp_path / "link.csv"
    link.symlink_to(table)
    for options in ([str(table)], [str(link)], [str(scores), "--scores", str(scores)]):
        result = runner.invoke(app, ["data", "convert", str(table), *options])
        assert result.exit_code == 2
        assert "is what is read; write another file" in result.stderr
    assert table.read_bytes() == before


def test_the_next_step_of_a_log_is_advice_with_the_same_options(log: Path) -> None:
    options = ["--columns", "score=rating", "--score-range", "0", "100"]
    result = runner.invoke(app, ["data", "check", str(log), *options])
    assert result.exit_code == 0, result.output
    command = f"next: fastroute advise {log} --columns score=rating --score-range 0 100"
    assert f"{command} --budget ... --max-deployed ..." in result.stdout
    assert result.stdout.index("next: ") < result.stdout.index("fr.scenario('means'")


def test_duplicates_are_counted_as_in_the_account(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text("query,model,score,cost\nq,a,1,0.1\nq,a,0,0.1\nq,a,,\nq,a,1,0.1\nq,b,1,0.1\n")
    said = check(str(path))
    assert "duplicates  3 (2 averaged, 1 without score and cost)" in said
    assert "-1  neither score nor cost" in said
    assert "-2  averaged with another row" in said
    assert "3 repeated cell(s), 1 of them without score and cost, such as in line 2" in said


@pytest.mark.parametrize(
    ("head", "option", "words"),
    [
        ("query,model,score,cost", "n=cost", "columns='n' is for leaderboards, and o.csv was read"),
        (
            "name,system,score,cost",
            "task=name",
            "columns='task' is for tables of queries, and o.csv",
        ),
    ],
)
def test_columns_of_another_kind_of_table_are_named(
    tmp_path: Path, head: str, option: str, words: str
) -> None:
    path = tmp_path / "o.csv"
    path.write_text(f"{head}\np,a,1,0.001\nq,b,1,0.002\n")
    result = runner.invoke(app, ["data", "check", str(path), "--columns", option])
    assert result.exit_code == 2
    assert words in result.stderr
