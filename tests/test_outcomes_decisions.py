"""Decision logs of online routers, read as outcomes."""

import os
import sqlite3

import polars as pl
import pytest
from typer.testing import CliRunner

import fastroute as fr
from fastroute.cli import app
from test_online_router import COST, Clock, drive, router_of


def log_of(place, count=300, **options):
    """Write a log with a router that decides and observes."""
    with router_of(place, **options) as router:
        drive(router, count)
    return place


def test_a_log_is_read_decision_by_decision(tmp_path):
    place = tmp_path / "state.db"
    choices = []
    with router_of(place, policy="uniform") as router:
        for number in range(60):
            choices.append(choice := router.choose())
            if number < 50:
                router.observe(choice.id, cost=COST[choice.model])
                router.observe(choice.id, reward=0.5)
        router.observe(choices[50].id, reward=0.25)
    read = fr.read_outcomes(place)
    assert (read.kind, read.source_kind, read.rows_read) == ("logged", "decision log", 60)
    frame = read.frame
    assert frame["query"].to_list() == [f"0-{number}" for number in range(51)]
    assert frame["model"].to_list() == [choice.model for choice in choices[:51]]
    assert frame["score"].to_list() == [0.5] * 50 + [0.25]
    assert frame["cost"].to_list() == [COST[choice.model] for choice in choices[:50]] + [None]
    assert frame["propensity"].to_list() == [choice.propensity for choice in choices[:51]]
    assert frame["time"][0].timestamp() > 0
    (count,) = read.account
    assert (count.rule, count.rows, count.first) == (
        "decisions of which neither reward nor cost was observed",
        9,
        "decision 0-51",
    )
    assert (read.budget, read.max_deployed) == (1.4, 3)


def test_what_was_replaced_is_as_it_is_now(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        drive(router, 20)
        choice = router.choose()
        router.observe(choice.id, reward=0.5, cost=1.0)
        for reward in (0.75, 0.25):
            router.observe(choice.id, reward=reward, again="replace")
    row = fr.read_outcomes(tmp_path / "state.db").frame.row(20, named=True)
    assert (row["score"], row["cost"]) == (0.25, 1.0)


def test_what_no_model_could_serve_is_accounted_for(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        drive(router, 20)
        for name in router.models:
            router.fail(name)
        for _ in range(3):
            with pytest.raises(fr.NothingDeployedError):
                router.choose()
    rules = {count.rule: count.rows for count in fr.read_outcomes(tmp_path / "state.db").account}
    assert rules == {"decisions that no model could serve": 3}


@pytest.mark.parametrize("mode", ["shadow", "fixed"])
@pytest.mark.filterwarnings("ignore::fastroute.FastrouteWarning")
def test_what_was_certain_to_serve_has_probability_one(tmp_path, mode):
    read = fr.read_outcomes(log_of(tmp_path / "state.db", mode=mode, serve="d"))
    assert read.models == ("d",)
    assert read.frame["propensity"].unique().to_list() == [1.0]
    assert any("nothing can be weighted" in warning for warning in read.warnings)


@pytest.mark.filterwarnings("ignore::fastroute.FastrouteWarning")
def test_what_stood_in_when_the_money_was_spent_is_not_weighted(tmp_path):
    with router_of(tmp_path / "state.db", window=fr.Window(total=150.0, per="day")) as router:
        with pytest.raises(fr.BudgetSpentError):
            drive(router, 300)
    read = fr.read_outcomes(tmp_path / "state.db")
    with sqlite3.connect(tmp_path / "state.db") as log:
        others = log.execute("select count(*) from decisions where served <> model").fetchone()[0]
    assert others
    assert read.frame["propensity"].null_count() == others
    assert any("the money of the window was spent" in warning for warning in read.warnings)


def test_tasks_of_a_log_are_read(tmp_path):
    with router_of(tmp_path / "state.db", tasks=["code", "math"]) as router:
        for number in range(40):
            choice = router.choose(task=["code", "math"][number % 2])
            router.observe(choice.id, reward=0.5, cost=1.0)
    assert fr.read_outcomes(tmp_path / "state.db").tasks == ("code", "math")


def test_a_log_is_read_while_a_router_writes_and_nothing_is_written(tmp_path):
    place = tmp_path / "state.db"
    router = router_of(place)
    drive(router, 30)
    router.flush()
    assert fr.read_outcomes(place).frame.height == 30
    drive(router, 10, 30)
    router.close()
    before = place.read_bytes()
    assert fr.read_outcomes(place).frame.height == 40
    assert place.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write to every folder")
def test_a_log_in_a_folder_that_cannot_be_written_is_read(tmp_path):
    place = log_of(tmp_path / "state.db", 20)
    place.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert fr.read_outcomes(place).frame.height == 20
    finally:
        tmp_path.chmod(0o755)


def test_other_databases_are_refused(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("create table prices (model text)")
    other.close()
    with pytest.raises(ValueError, match=r"other\.db.*is no decision log: it lacks the tables"):
        fr.read_outcomes(tmp_path / "other.db")


def test_an_empty_log_says_so(tmp_path):
    router_of(tmp_path / "state.db").close()
    with pytest.raises(ValueError, match="the table has no rows"):
        fr.read_outcomes(tmp_path / "state.db")


def test_the_commands_read_a_log(tmp_path):
    place = str(log_of(tmp_path / "state.db", 400))
    checked = CliRunner().invoke(app, ["data", "check", place])
    assert checked.exit_code == 0, checked.output
    assert "decision log" in checked.output
    advised = CliRunner().invoke(app, ["advise", place, "--draws", "50", "--format", "json"])
    assert advised.exit_code == 0, advised.output
    other = CliRunner().invoke(
        app, ["advise", place, "--draws", "50", "--budget", "2", "--max-deployed", "1"]
    )
    assert other.exit_code == 0, other.output


def test_advice_takes_budget_and_cap_of_the_log(tmp_path):
    read = fr.read_outcomes(log_of(tmp_path / "state.db", 400))
    found = fr.advise(read, draws=50)
    assert (found.asked["budget"], found.asked["max_deployed"]) == (1.4, 3)
    table = pl.DataFrame(
        {"query": [1, 2], "model": ["a", "b"], "score": [0.1, 0.2], "cost": [1, 2]}
    )
    with pytest.raises(ValueError, match="max_deployed: is missing"):
        fr.advise(table)


def test_the_time_of_a_decision_is_that_of_the_clock(tmp_path):
    with router_of(tmp_path / "state.db", clock=Clock(86_400.5)) as router:
        drive(router, 5)
    time = fr.read_outcomes(tmp_path / "state.db").frame["time"][0]
    assert (time.isoformat()) == "1970-01-02T00:00:00.500000"
