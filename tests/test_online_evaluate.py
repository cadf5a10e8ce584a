"""A decision log is verified, and other policies go through it."""

import json
import sqlite3

import numpy as np
import pytest
from typer.testing import CliRunner

import fastroute as fr
from fastroute.cli import app
from fastroute.online.evaluate import Logged, _Guest, _settings_of, follow_policy, weighted_mean
from fastroute.online.history import play_again, read_history
from fastroute.online.player import Observation, Player
from fastroute.online.state import player_setting
from test_online_player import ONLINE, OWN
from test_online_recording import live
from test_online_router import Clock, drive, router_of

NAMES = ["a", "b", "c"]
TASKS = ["code", "math"]
#: Mean rewards by task.
MEANS = np.array([[0.9, 0.6, 0.2], [0.5, 0.6, 0.4]])
COSTS = np.array([2.0, 1.0, 0.4])


def world(place, policy, seed, count, tasks=False):
    """Run a router in a world whose means are known; returns rewards and costs."""
    rng, got = np.random.default_rng(seed), np.zeros((count, 2))
    with fr.OnlineRouter(
        place,
        models=NAMES,
        policy=policy,
        budget=1.2,
        max_deployed=3,
        stage=fr.every(decisions=200),
        cost_range=(0.0, 5.0),
        horizon=2_000,
        seed=seed,
        tasks=TASKS if tasks else None,
        clock=Clock(),
    ) as router:
        for number in range(count):
            task = int(rng.integers(2))
            choice = router.choose(task=TASKS[task])
            model = NAMES.index(choice.model)
            got[number] = rng.random() < MEANS[task, model], COSTS[model] * rng.uniform(0.5, 1.5)
            router.observe(choice.id, reward=got[number, 0], cost=got[number, 1])
    return got


def through(place, policy):
    """Return what a policy did with a log, and what it would have brought in truth."""
    logged = Logged(read_history(place), 0)
    found = follow_policy(logged, _settings_of(logged.history.settings, policy))
    task = [TASKS.index(row.task or "") for row in logged.history.decisions[0]]
    reward = float((found.shares * MEANS[task]).sum(axis=1).mean())
    return logged, found, (reward, float((found.shares @ COSTS).mean()))


# Verification.


@pytest.mark.parametrize("name", ["stageroute", "thompson", "pacer", "etc", "forced"])
def test_a_log_is_decided_again_as_it_was(tmp_path, name):
    live(tmp_path / "state.db", OWN.get(name) or fr.policy(name), count=700)
    found = fr.evaluate_log(tmp_path / "state.db")
    assert str(found.verified[0]) == "replica 0: 700 decisions and 7 stages, all the same"


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ONLINE, *OWN])
@pytest.mark.parametrize("late", [False, True])
def test_logs_of_all_policies_are_decided_again_as_they_were(tmp_path, name, late):
    live(tmp_path / "state.db", OWN.get(name) or fr.policy(name), count=3_000, late=late)
    assert fr.evaluate_log(tmp_path / "state.db").verified[0].same


def test_a_log_with_features_is_decided_again_as_it_was(tmp_path):
    policy = fr.policy("stageroute", estimator="linear")
    live(tmp_path / "state.db", policy, count=400, features=4)
    assert fr.evaluate_log(tmp_path / "state.db", ["uniform"]).verified[0].same


def test_changes_and_restarts_are_played_again(tmp_path):
    place = tmp_path / "state.db"
    with router_of(place) as router:
        drive(router, 70)
        router.reprice("a", 0.5)
        router.apply(["a", "c"])
        drive(router, 29, 70)
        choice = router.choose()
        router.observe(choice.id, reward=0.5, cost=1.0)
        router.observe(choice.id, reward=0.25, again="replace")
    with fr.OnlineRouter(place, clock=Clock()) as router:
        drive(router, 100, 100)
    (verified,) = fr.evaluate_log(place).verified
    assert verified.same
    assert verified.decisions == 200


def test_replicas_are_played_again_with_what_they_have_told_each_other(tmp_path):
    clock = Clock()
    routers = [router_of(tmp_path / "state.db", replica=k, clock=clock) for k in range(2)]
    for number in range(0, 200, 10):
        for router in routers:
            drive(router, 10, number)
            router.flush()
        clock.now += 2.0
    choice = routers[0].choose()
    routers[0].flush()
    routers[1].observe(choice.id, reward=0.5, cost=1.0)
    for router in routers:
        router.close()
    found = fr.evaluate_log(tmp_path / "state.db", ["uniform"])
    assert [one.same for one in found.verified] == [True, True]
    assert (found.replica, found.decisions) == (0, 201)


def test_a_log_that_was_changed_is_found_out(tmp_path):
    drive(router := router_of(tmp_path / "state.db"), 120)
    router.close()
    with sqlite3.connect(tmp_path / "state.db") as log:
        (model,) = log.execute("select model from decisions where number = 77").fetchone()
        other = next(name for name in ("a", "b") if name != model)
        log.execute("update decisions set model = ?, served = ? where number = 77", (other, other))
    log.close()
    (verified,) = fr.evaluate_log(tmp_path / "state.db").verified
    assert verified.differ >= 1
    assert f"decision 77 was {other}, and is {model} now" in str(verified)
    answer = CliRunner().invoke(app, ["replay", str(tmp_path / "state.db")])
    assert answer.exit_code == 1
    assert "decision 77" in answer.output


def test_another_set_than_the_policy_would_deploy_is_found_out(tmp_path):
    drive(router := router_of(tmp_path / "state.db"), 120)
    router.close()
    with sqlite3.connect(tmp_path / "state.db") as log:
        sets = "select place, body from records where kind = 'stage' order by place"
        place, body = log.execute(sets).fetchall()[1]
        models = json.loads(body)["deployed"]
        other = sorted({*models[1:], next(m for m in "abcde" if m not in models)})
        changed = json.dumps({"deployed": other, "given": False})
        log.execute("update records set body = ? where place = ?", (changed, place))
    log.close()
    (verified,) = fr.evaluate_log(tmp_path / "state.db").verified
    assert verified.stages_differ >= 1
    assert f"before decision 50 {', '.join(other)} were deployed" in verified.first


# Other policies.


@pytest.mark.parametrize("name", ["uniform", "stageroute", "thompson", "pacer", "etc"])
def test_a_decision_that_is_taken_back_has_not_happened(name):
    """However often a decision is tried, the run is that of a player that was asked once."""
    settings = router_of(policy=name, models=NAMES).settings
    runs = []
    for kind in (Player, _Guest):
        player, rng, run = kind(player_setting(settings, 0)), np.random.default_rng(0), []
        for _ in NAMES:
            player.add(1.0)
        for number in range(400):
            if number % 50 == 0:
                player.open_stage()
            if isinstance(player, _Guest):
                for _ in range(number % 3):
                    player.take_back(player.try_one(0, None)[1])
                decision, _ = player.try_one(0, None)
            else:
                decision = player.decide()
            run.append(decision)
            reward, cost = float(rng.random()), COSTS[decision.model]
            player.observe(Observation(number, decision.model, reward, cost, 0, None))
        runs.append(run)
    assert runs[0] == runs[1]


def test_weighted_means_have_intervals_of_blocks():
    rng = np.random.default_rng(0)
    values = rng.integers(2, size=4_000).astype(float)
    values[::5] = np.nan
    mean = weighted_mean(values, np.ones(4_000))
    assert mean.mean == pytest.approx(np.nanmean(values))
    # 3,200 fair coins.
    assert mean.high - mean.mean == pytest.approx(2.0 * 0.5 / np.sqrt(3_200), rel=0.3)
    assert mean.mean - mean.low == pytest.approx(mean.high - mean.mean)
    assert np.isnan(weighted_mean(values, np.zeros(4_000)).mean)


def test_a_policy_goes_through_a_log(tmp_path):
    world(tmp_path / "state.db", "uniform", 0, 1_200)
    logged, found, (reward, cost) = through(tmp_path / "state.db", "stageroute")
    assert found.overlap == pytest.approx(1.0)
    assert found.weight.mean() == pytest.approx(1.0, abs=0.1)
    # A third of the draws of any policy are those of a uniform log.
    assert found.learnt == pytest.approx(400, abs=60)
    value = fr.evaluate_log(tmp_path / "state.db", ["stageroute"]).values[0]
    # A single log may lie outside of its interval; hardly one lies as far away again.
    for known, true in ((value.reward, reward), (value.cost, cost)):
        assert abs(known.mean - true) < known.high - known.low
    assert value.reward == weighted_mean(logged.reward, found.weight)


@pytest.mark.slow
@pytest.mark.parametrize("log", ["uniform", "by task"])
@pytest.mark.parametrize("name", ["uniform", "stageroute", "thompson", "pacer", "contextual"])
def test_intervals_cover_what_a_policy_would_have_brought(tmp_path, log, name):
    """In 40 logs of a world whose means are known."""
    own = fr.policy("uniform")
    if log == "by task":
        own = fr.policy("contextual", router="epsilon_greedy", explore=0.3)
    covered, errors = np.zeros(2), []
    for seed in range(40):
        world(tmp_path / f"{seed}.db", own, seed, 1_500, tasks=True)
        logged, found, truth = through(tmp_path / f"{seed}.db", name)
        values = [weighted_mean(known, found.weight) for known in (logged.reward, logged.cost)]
        covered += [
            value.low <= true <= value.high for value, true in zip(values, truth, strict=True)
        ]
        errors.append([value.mean - true for value, true in zip(values, truth, strict=True)])
    # 95 % are expected; fewer than 34 of 40 have a probability of 0.4 % then.
    assert (covered >= 34).all(), covered
    error = np.array(errors)
    assert (abs(error.mean(axis=0)) < 3.5 * error.std(axis=0) / np.sqrt(40)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stageroute", "thompson", "etc"])
def test_a_policy_goes_through_a_log_as_it_runs(tmp_path, name):
    """Its beginning has the same expected reward and cost as one that is run."""
    given, ran = [], []
    for seed in range(40):
        world(tmp_path / f"{seed}.db", "uniform", seed, 1_500)
        _, found, truth = through(tmp_path / f"{seed}.db", name)
        given.append(truth)
        ran.append(world(None, name, 1_000 + seed, found.learnt).mean(axis=0))
    a, b = np.array(given), np.array(ran)
    error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a))
    assert (abs(a.mean(axis=0) - b.mean(axis=0)) < 3.5 * error).all()


def test_nothing_is_said_where_the_log_has_nothing_to_say(tmp_path):
    with router_of(tmp_path / "state.db", mode="fixed", serve="d") as router:
        drive(router, 200)
    found = fr.evaluate_log(tmp_path / "state.db", ["stageroute"])
    (value,) = found.values
    assert value.words.startswith("nothing can be said")
    assert np.isnan(value.reward.mean)
    assert value.overlap < 0.5
    assert "nothing was chosen" in str(found.verified[0])


def test_spent_windows_say_nothing_of_others(tmp_path):
    with router_of(tmp_path / "state.db", window=fr.Window(total=150.0, per="day")) as router:
        with pytest.raises(fr.BudgetSpentError):
            drive(router, 300)
    found = fr.evaluate_log(tmp_path / "state.db", ["uniform"])
    with sqlite3.connect(tmp_path / "state.db") as log:
        others = log.execute("select count(*) from decisions where served is not model").fetchone()
    assert found.left_out == others[0] > 0


def test_models_that_come_and_go_are_followed(tmp_path):
    live(tmp_path / "state.db", fr.policy("uniform"), count=700)
    found = fr.evaluate_log(tmp_path / "state.db", ["uniform", "thompson"])
    assert all(0.0 < value.overlap <= 1.0 + 1e-9 for value in found.values)


def test_policies_that_a_log_cannot_feed_are_refused(tmp_path):
    drive(router := router_of(tmp_path / "state.db"), 20)
    router.close()
    for name, said in [("oracle", "true means"), ("contextual", "task"), ("nothing", "nothing")]:
        with pytest.raises(ValueError, match=said):
            fr.evaluate_log(tmp_path / "state.db", [name])
    with pytest.raises(ValueError, match="replica"):
        fr.evaluate_log(tmp_path / "state.db", replica=3)


def test_what_is_no_log_is_refused_and_stays_as_it_is(tmp_path):
    with pytest.raises(ValueError, match="no such decision log"):
        fr.evaluate_log(tmp_path / "state.db")
    assert not (tmp_path / "state.db").exists()
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("create table prices (model text)")
    other.close()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(ValueError, match="is no decision log"):
        fr.evaluate_log(tmp_path / "other.db")
    assert (tmp_path / "other.db").read_bytes() == before
    router_of(tmp_path / "state.db").close()
    with pytest.raises(ValueError, match="no decision was made yet"):
        fr.evaluate_log(tmp_path / "state.db")


def test_the_command_verifies_and_compares(tmp_path):
    world(tmp_path / "state.db", "uniform", 0, 600)
    place = str(tmp_path / "state.db")
    answer = CliRunner().invoke(app, ["replay", place])
    assert answer.exit_code == 0
    assert "600 decisions and 3 stages, all the same" in answer.output
    answer = CliRunner().invoke(app, ["replay", place, "--policy", "etc", "--policy", "thompson"])
    assert answer.exit_code == 0
    assert "thompson: 100.0 % of its traffic" in answer.output
    answer = CliRunner().invoke(app, ["replay", place, "--policy", "etc", "--json"])
    assert json.loads(answer.output)["values"][0]["policy"] == "etc"
    assert play_again(read_history(place), 0).same
