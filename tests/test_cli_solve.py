import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from fastroute.cli import app
from fastroute.solve import solve_deployment, solve_routing

runner = CliRunner()

# Two instances of three models and one of two, their rows interleaved.
TABLE = """\
instance,model,reward,cost,limit,budget,max_deployed
b,x,0.9,3,0.4,1.0,2
a,x,0.8,2,0.5,1.5,1
b,y,0.5,1,0.6,1.0,2
a,y,0.6,1,1,1.5,1
c,x,0.9,3,0.4,0.1,2
b,z,0.4,0.5,1,1.0,2
c,z,0.4,0.5,1,0.1,2
a,z,0.1,0.5,1,1.5,1
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(TABLE)
    pl.read_csv("table.csv").write_parquet("table.parquet")


def rows(text: str) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(text))


@pytest.mark.parametrize("backend", ["auto", "ref", "highs"])
@pytest.mark.parametrize("file", ["table.csv", "table.parquet"])
def test_routing_answers_in_the_rows_of_the_file(
    backend: str, file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = runner.invoke(app, ["solve", "routing", file, "--backend", backend])
    assert result.exit_code == 0, result.output
    answer, given = rows(result.stdout), rows(TABLE)
    assert answer.select("instance", "model").equals(given.select("instance", "model"))
    for (name,), one in given.group_by("instance"):
        direct = solve_routing(
            one["reward"].to_numpy(),
            one["cost"].to_numpy(),
            one["limit"].to_numpy(),
            one["budget"][0],
            backend=backend,
            infeasible="ignore",
        )
        mine = answer.filter(instance=name)
        assert np.allclose(mine["share"].to_numpy(), direct.share, atol=1e-12)
        assert np.allclose(mine["value"].to_numpy(), float(direct.value))
        assert np.allclose(mine["budget_price"].to_numpy(), float(direct.budget_price))
        assert set(mine["status"]) == {"over_budget" if name == "c" else "optimal"}
    assert result.stderr.startswith("1 of 3 instances: No distribution meets the budget.")
    # Nothing reaches the real standard output either: solvers have banners.
    assert capfd.readouterr().out == ""


def test_deployment_with_caps_from_the_file() -> None:
    result = runner.invoke(app, ["solve", "deployment", "table.csv", "--fill", "none"])
    assert result.exit_code == 0, result.output
    answer, given = rows(result.stdout), rows(TABLE)
    for (name,), one in given.group_by("instance"):
        direct = solve_deployment(
            one["reward"].to_numpy(),
            one["cost"].to_numpy(),
            one["limit"].to_numpy(),
            one["budget"][0],
            int(one["max_deployed"][0]),
            fill="none",
            infeasible="ignore",
        )
        mine = answer.filter(instance=name)
        assert mine["deployed"].to_list() == direct.deployed.tolist()
        assert np.allclose(mine["weight"].to_numpy(), direct.weight)
        assert set(mine["method"]) <= {"vertex", "branch and bound", "HiGHS"}
    assert answer.filter(pl.col("deployed"), instance="a").height == 1


def test_the_cap_can_be_given_for_all() -> None:
    Path("free.csv").write_text(rows(TABLE).drop("max_deployed").write_csv())
    result = runner.invoke(app, ["solve", "deployment", "free.csv", "--max-deployed", "1"])
    assert result.exit_code == 0, result.output
    counts = rows(result.stdout).group_by("instance").agg(pl.col("deployed").sum())
    assert set(counts["deployed"]) == {1}
    missing = runner.invoke(app, ["solve", "deployment", "free.csv"])
    assert missing.exit_code == 2
    assert "missing columns: max_deployed" in missing.stderr


def test_instances_and_models_are_read_as_they_are_written() -> None:
    head, *lines = TABLE.splitlines()
    given = [line for line in lines if line.startswith("a,")]
    ids = [
        line.replace("a,", f"{name},", 1) for name in ("1.1", "1.10", "007", "7") for line in given
    ]
    Path("ids.csv").write_text("\n".join([head, *ids]) + "\n")
    result = runner.invoke(app, ["solve", "routing", "ids.csv"])
    assert result.exit_code == 0, result.output
    answer = pl.read_csv(result.stdout.encode(), infer_schema=False)
    assert answer["instance"].unique(maintain_order=True).to_list() == ["1.1", "1.10", "007", "7"]
    assert answer["share"].to_list() == answer["share"].head(len(given)).to_list() * 4


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_answers_to_a_file(name: str) -> None:
    result = runner.invoke(app, ["solve", "routing", "table.csv", "--out", name])
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"written to {name}" in result.stderr
    frame = pl.read_csv(name) if name.endswith("csv") else pl.read_parquet(name)
    assert frame.height == 8


def test_standard_input() -> None:
    piped = runner.invoke(app, ["solve", "routing", "-"], input=TABLE)
    assert piped.exit_code == 0
    assert piped.stdout == runner.invoke(app, ["solve", "routing", "table.csv"]).stdout


def test_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastroute import cli

    monkeypatch.setattr(cli, "_ROWS_ON_A_TERMINAL", 5)
    frame = rows(TABLE)
    with runner.isolation() as (out, err, *_):
        cli._print_frame(frame)
        shown, note = out.getvalue().decode(), err.getvalue().decode()
    assert "budget" in shown
    assert shown.count("\n") == 5 + 4
    assert "The first 5 of 8 rows" in note


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("reward,", "rewards,", 'missing columns: reward (is it "rewards"?)'),
        ("limit,", "quota,", "missing columns: limit. Needed: instance, model"),
        ("a,y,0.6", "a,y,abc", "row 4: reward = 'abc', but it must be a number, finite"),
        ("a,y,0.6,1", "a,y,0.6,-1", "row 4: cost = -1.0"),
        ("a,y,0.6,1,1", "a,y,0.6,1,0", "row 4: limit = 0.0, but it must be a number, above 0"),
        ("a,y,0.6,1,1,1.5", "a,y,0.6,1,1,1.4", "row 4: budget = 1.4, but instance 'a' began with"),
        ("a,y,0.6", "a,x,0.6", "row 4: ('a', 'x') appears twice"),
        ("a,y,0.6", ",y,0.6", "row 4: instance or model is empty"),
        ("a,y,0.6", "a,y,", "row 4: reward = None"),
        (TABLE.partition("\n")[2], "", "no rows"),
        (TABLE, "", "cannot be read as a table"),
    ],
)
def test_bad_tables_are_refused_by_name(old: str, new: str, words: str) -> None:
    assert old in TABLE
    Path("bad.csv").write_text(TABLE.replace(old, new, 1))
    result = runner.invoke(app, ["solve", "routing", "bad.csv"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: bad.csv: ")
    assert words in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["routing", "none.csv"], "none.csv: no such file"),
        (["routing", "."], "error: .: is a directory; name a CSV or Parquet file"),
        (["routing", "table.csv", "--out", "x.json"], "ends in .csv or .parquet"),
        (["routing", "table.csv", "--out", "no/x.csv"], "there is no directory no"),
        (["routing", "table.csv", "--backend", "gurobi"], "backend='gurobi'"),
        (["deployment", "table.csv", "--fill", "ucbb"], "fill='ucbb'"),
        (["deployment", "table.csv", "--max-deployed", "0"], "max_deployed=0 must be"),
    ],
)
def test_bad_options_are_refused(arguments: list[str], words: str) -> None:
    result = runner.invoke(app, ["solve", *arguments])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr


def test_a_broken_parquet_file_is_refused() -> None:
    Path("bad.parquet").write_bytes(b"PAR1 but not really")
    result = runner.invoke(app, ["solve", "routing", "bad.parquet"])
    assert result.exit_code == 2
    assert "bad.parquet: cannot be read as a table" in result.stderr
