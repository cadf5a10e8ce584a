"""The page on a decision log."""

import re

import numpy as np
import pytest
from typer.testing import CliRunner

import fastroute as fr
from fastroute.cli import app
from fastroute.online.history import read_history
from fastroute.online.page import log_page
from fastroute.online.traffic import mean_of, traffic_of
from test_online_recording import live
from test_online_router import NAMES, Clock, drive, router_of


@pytest.fixture
def place(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        drive(router, 170)
    return tmp_path / "state.db"


def test_traffic_is_that_of_the_log(place):
    history = read_history(place)
    traffic = traffic_of(history)
    rows = history.decisions[0]
    assert [traffic.names[m] for m in traffic.model] == [row.served for row in rows]
    models = traffic.models()
    assert sum(one.served for one in models) == 170
    assert sum(one.share for one in models) == pytest.approx(1.0)
    for one in models:
        mine = [k for k, row in enumerate(rows) if row.served == one.name]
        assert one.served == len(mine)
        if mine:
            assert one.reward.mean == pytest.approx(traffic.reward[mine].mean())
            assert one.cost.mean == pytest.approx(traffic.cost[mine].mean())


def test_stages_are_those_of_the_log(place):
    traffic = traffic_of(read_history(place))
    stages = traffic.stages()
    assert [(one.first, one.stop) for one in stages] == [(0, 50), (50, 100), (100, 150), (150, 170)]
    assert stages[1].cost.mean == pytest.approx(traffic.cost[50:100].mean())
    assert all(len(deployed) == 3 for _, deployed in traffic.openings)


def test_neighbours_of_many_stages_are_together(tmp_path):
    with router_of(tmp_path / "state.db", stage=fr.every(decisions=1)) as router:
        drive(router, 130)
    stages = traffic_of(read_history(tmp_path / "state.db")).stages()
    assert len(stages) == 44
    assert (stages[0].first, stages[-1].stop) == (0, 130)


def test_means_have_the_intervals_of_student():
    values = np.array([1.0, 2.0, 3.0, np.nan])
    mean = mean_of(values)
    assert mean.mean == 2.0
    # 4.303 standard errors, for two degrees of freedom.
    assert mean.high - 2.0 == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    assert np.isnan(mean_of(np.array([np.nan])).mean)
    assert np.isnan(mean_of(np.array([1.0])).high)


def test_the_page_shows_models_stages_and_budget(place):
    page = log_page(traffic_of(read_history(place)))
    assert "170 decisions: mean reward" in page
    assert "against a budget of 1.400" in page
    for name in ("traffic", "means", "deployed"):
        assert f'data-chart="{name}"' in page
    for name in NAMES:
        assert re.search(rf"<th[^>]*>{name}</th>", page)
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_names_in_a_log_are_no_markup(tmp_path):
    bad = "<script>alert(1)</script>"
    with fr.OnlineRouter(
        tmp_path / "state.db",
        models=[bad, "$_b$"],
        budget=1.0,
        max_deployed=2,
        stage=fr.every(decisions=10),
        clock=Clock(),
    ) as router:
        for _ in range(25):
            router.observe(router.choose().id, reward=0.5, cost=0.5)
    assert bad not in log_page(traffic_of(read_history(tmp_path / "state.db")))


def test_what_is_missing_is_said(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        drive(router, 20)
        for _ in range(2):
            router.choose()
        for name in router.models:
            router.fail(name)
        with pytest.raises(fr.NothingDeployedError):
            router.choose()
    page = log_page(traffic_of(read_history(tmp_path / "state.db")))
    assert "Decisions that no model could serve: 1." in page
    assert "Decisions without a reward so far: 2." in page


def test_a_log_without_outcomes_has_a_page(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        router.choose()
    assert "Decisions without a cost so far: 1." in log_page(
        traffic_of(read_history(tmp_path / "state.db"))
    )


def test_replicas_are_on_one_page(tmp_path):
    clock = Clock()
    routers = [router_of(tmp_path / "state.db", replica=k, clock=clock) for k in range(2)]
    for number in range(0, 60, 20):
        for router in routers:
            drive(router, 20, number)
        clock.now += 2.0
    for router in routers:
        router.close()
    traffic = traffic_of(read_history(tmp_path / "state.db"))
    assert traffic.decisions == 120
    assert [first for first, _ in traffic.openings] == [0, 90]
    assert "2 replicas write here" in log_page(traffic)


def test_the_command_writes_page_and_figures(tmp_path):
    live(tmp_path / "state.db", fr.policy("stageroute"), count=300)
    answer = CliRunner().invoke(app, ["report", str(tmp_path / "state.db")])
    assert answer.exit_code == 0, answer.output
    assert answer.output.strip() == str(tmp_path / "state.html")
    answer = CliRunner().invoke(
        app, ["report", str(tmp_path / "state.db"), "--out", str(tmp_path / "page")]
    )
    assert answer.exit_code == 0, answer.output
    names = {path.name for path in (tmp_path / "page").iterdir()}
    assert {"report.html", "traffic.png", "means.svg", "deployed.png"} <= names
