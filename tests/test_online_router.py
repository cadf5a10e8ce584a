"""The router where the queries are: its log, its restarts, its answers."""

import json
import sqlite3
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import fastroute as fr

NAMES = ["a", "b", "c", "d", "e"]
REWARD = dict(zip(NAMES, (0.9, 0.7, 0.5, 0.3, 0.6), strict=True))
COST = dict(zip(NAMES, (3.0, 1.5, 1.0, 0.5, 1.2), strict=True))


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def router_of(place=None, **options):
    options = {
        "models": NAMES,
        "budget": 1.4,
        "max_deployed": 3,
        "stage": fr.every(decisions=50),
        "cost_range": (0.0, 5.0),
        "clock": Clock(),
        **options,
    }
    return fr.OnlineRouter(place, **options)


def again(place, **options):
    return fr.OnlineRouter(place, clock=Clock(), **options)


def leave(router):
    """End as a process that is killed, but for the rows that it has committed."""
    router.flush()
    router._log._closing = True
    router._log._lock.release()


def drive(router, count, start=0):
    """Decide and observe, with outcomes that are a function of the number and the model."""
    chosen = []
    for number in range(start, start + count):
        choice = router.choose()
        chosen.append(choice.model)
        rng = np.random.default_rng([number, NAMES.index(choice.serve)])
        router.observe(choice.id, cost=COST[choice.serve] * rng.uniform(0.5, 1.5))
        router.observe(choice.id, reward=float(rng.random() < REWARD[choice.serve]))
    return chosen


def test_a_router_learns_which_model_is_best():
    router = router_of(models=["good", "bad"], budget=10.0, max_deployed=2)
    for _ in range(300):
        choice = router.choose()
        router.observe(choice.id, reward=0.95 if choice.model == "good" else 0.05, cost=1.0)
    assert router.choose().shares["good"] > 0.9


@pytest.mark.parametrize("cut", [1, 49, 50, 75, 120])
def test_a_restart_goes_on_with_the_same_draws(tmp_path, cut):
    whole = drive(router_of(), 200)
    with router_of(tmp_path / "state.db") as router:
        first = drive(router, cut)
    with again(tmp_path / "state.db") as router:
        rest = drive(router, 200 - cut, cut)
    assert first + rest == whole


def test_a_restart_without_a_snapshot_plays_the_log_again(tmp_path):
    whole = drive(router_of(), 200)
    router = router_of(tmp_path / "state.db")
    first = drive(router, 130)
    leave(router)
    with again(tmp_path / "state.db") as router:
        assert first + drive(router, 70, 130) == whole


def test_the_log_has_every_decision_and_outcome(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        chosen = drive(router, 60)
    with sqlite3.connect(tmp_path / "state.db") as log:
        assert [m for (m,) in log.execute("select model from decisions order by number")] == chosen
        kinds = dict(log.execute("select kind, count(*) from records group by kind").fetchall())
    assert kinds == {"outcome": 120, "stage": 2}


def test_settings_of_a_log_cannot_be_others(tmp_path):
    router_of(tmp_path / "state.db").close()
    with pytest.raises(ValueError, match=r"budget=2\.0, but the log has budget=1\.4"):
        again(tmp_path / "state.db", budget=2.0)
    assert again(tmp_path / "state.db", budget=1.4).settings.max_deployed == 3


def test_a_new_router_says_what_it_lacks():
    with pytest.raises(ValueError, match="models, budget, max_deployed, stage: is missing"):
        fr.OnlineRouter()


def test_a_file_that_is_no_log_is_refused(tmp_path):
    (tmp_path / "state.db").write_text("model,score\n" * 100)
    with pytest.raises(ValueError, match="is no decision log"):
        router_of(tmp_path / "state.db")


@pytest.mark.parametrize("kept", [False, True])
def test_answers_to_observations_that_are_not_taken(tmp_path, kept):
    router = router_of(tmp_path / "state.db" if kept else None)
    choice = router.choose()
    answers: list[tuple[Any, str]] = [
        ({"reward": 1.2}, "is not in"),
        ({"cost": -1.0}, "from 0 on"),
        ({"cost": float("nan")}, "from 0 on"),
        ({"cost": float("inf")}, "from 0 on"),
        ({"reward": "0.5"}, "is not in"),
        ({"cost": [1.0]}, "from 0 on"),
        ({}, "neither"),
    ]
    for values, said in answers:
        with pytest.raises(fr.ObservationError, match=said) as caught:
            router.observe(choice.id, **values)
        assert caught.value.reason == "out of range"
    router.observe(choice.id, reward=1.0)
    with pytest.raises(fr.ObservationError, match="reward is known already, 1"):
        router.observe(choice.id, reward=0.0)
    router.observe(choice.id, reward=0.0, again="ignore")
    router.observe(choice.id, cost=1.0)
    with pytest.raises(fr.ObservationError, match="known already") as caught:
        router.observe(choice.id, cost=1.0)
    assert caught.value.reason == "known already"
    for wrong in (choice.id + 1_000, -1, 2**70, "0", None, 1.5, choice):
        with pytest.raises(fr.ObservationError, match=r"no such decision|no identifier") as caught:
            router.observe(wrong, cost=1.0)
        assert caught.value.reason == "unknown"


def test_a_late_observation_is_taken_after_a_restart(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        choice = router.choose()
        router.observe(choice.id, cost=1.0)
    with again(tmp_path / "state.db") as router:
        router.observe(choice.id, reward=1.0)
        with pytest.raises(fr.ObservationError, match="cost is known already"):
            router.observe(choice.id, cost=1.0)


def test_an_observation_of_a_lost_decision_is_refused(tmp_path):
    router = router_of(tmp_path / "state.db")
    drive(router, 10)
    leave(router)
    router._log.add = lambda row: None  # what follows never reaches the log
    lost = router.choose()
    with again(tmp_path / "state.db") as later:
        new = later.choose()
        assert new.id != lost.id
        with pytest.raises(fr.ObservationError, match="stopped before") as caught:
            later.observe(lost.id, reward=1.0)
        assert caught.value.reason == "lost"
        later.observe(new.id, reward=1.0)


def test_a_model_that_fails_gives_its_share_to_the_others():
    router = router_of(models=NAMES[:3])
    drive(router, 60)
    router.fail("b")
    assert "b" not in drive(router, 30, 60)
    assert router.choose().shares["b"] == 0.0
    router.recover("b")
    assert router.choose().shares["b"] >= 0.0


def test_nothing_can_take_a_query_when_all_have_failed(tmp_path):
    with router_of(tmp_path / "state.db", models=["a"], max_deployed=1) as router:
        router.choose()
        router.fail("a")
        with pytest.raises(fr.NothingDeployedError, match="recover or add"):
            router.choose()
        router.recover("a")
        assert router.choose().model == "a"
    with again(tmp_path / "state.db") as router:
        assert router.choose().model == "a"


def test_changes_of_the_catalogue_survive_a_restart(tmp_path):
    def change(router):
        drive(router, 30)
        router.add("f", limit=0.5)
        router.retire("a")
        router.reprice("b", 0.5)
        router.set_limit("c", 0.3)
        return drive_any(router, 100, 30)

    def drive_any(router, count, start):
        chosen = []
        for number in range(start, start + count):
            choice = router.choose()
            chosen.append(choice.model)
            router.observe(choice.id, reward=(number % 7) / 7, cost=1.0)
        return chosen

    memory = router_of()
    whole = change(memory) + drive_any(memory, 50, 130)
    with router_of(tmp_path / "state.db") as router:
        first = change(router)
    with again(tmp_path / "state.db") as router:
        assert router.models == (*NAMES, "f")
        assert first + drive_any(router, 50, 130) == whole
    assert "a" not in whole[50:]
    assert "f" in whole


def test_a_plan_says_what_the_next_stage_deploys_and_changes_nothing():
    router, other = router_of(), router_of()
    drive(router, 80)
    drive(other, 80)
    plan = router.plan()
    assert len(plan.deploy) <= 3
    assert str(plan).startswith("deploy ")
    assert drive(router, 40, 80) == drive(other, 40, 80)
    assert router.apply(("d", "e")) == ("d", "e")
    assert set(drive(router, 10, 120)) <= {"d", "e"}


def test_stages_by_the_clock_survive_a_clock_that_jumps():
    clock = Clock(86_400.0 * 10)
    router = router_of(stage=fr.every(hours=6), clock=clock)
    opened: list[float] = []

    def stage():
        drive(router, 1)
        if not opened or opened[-1] != router._state.stage_time:
            opened.append(router._state.stage_time)

    for moved in (0.0, 3_600.0, -7_200.0, 8 * 3_600.0, -3 * 86_400.0, 60.0, 4 * 86_400.0):
        clock.now += moved
        stage()
    # Not again where it goes back a little; anew where it was far ahead before.
    assert [round((moment - 864_000.0) / 3_600.0, 2) for moment in opened] == [0, 7, -65, 31.02]


def test_shadow_serves_one_model_while_the_policy_chooses(tmp_path):
    with router_of(tmp_path / "state.db", mode="shadow", serve="c") as router:
        choices = []
        for _ in range(60):
            choice = router.choose()
            choices.append(choice)
            router.observe(choice.id, reward=0.5, cost=1.0)
    assert {choice.serve for choice in choices} == {"c"}
    assert any(choice.model != choice.serve for choice in choices)
    with again(tmp_path / "state.db") as router:
        assert router.choose().serve == "c"


def test_fixed_serves_one_model_and_learns_of_it(tmp_path):
    with router_of(tmp_path / "state.db", mode="fixed", serve="c") as router:
        for _ in range(100):
            choice = router.choose()
            assert (choice.model, choice.serve, choice.propensity) == ("c", "c", 1.0)
            router.observe(choice.id, reward=0.5, cost=1.0)
    with again(tmp_path / "state.db") as router:
        plan = {model.name: model for model in router.plan().models}
    assert plan["c"].observations == 100


def test_tasks_and_features_are_read():
    router = router_of(policy="contextual", tasks=["code", "chat"])
    choice = router.choose(task="code")
    router.observe(choice.id, reward=1.0, cost=1.0)
    with pytest.raises(
        ValueError, match="task='cod' is not one of code, chat; did you mean 'code'"
    ):
        router.choose(task="cod")
    router = router_of(policy=fr.policy("stageroute", estimator="linear"), features=3)
    choice = router.choose(features=[0.1, 0.2, 0.3])
    router.observe(choice.id, reward=1.0, cost=1.0)
    with pytest.raises(ValueError, match=r"shape \(2,\); the router needs 3"):
        router.choose(features=[0.1, 0.2])


def test_a_policy_that_needs_the_truth_is_refused():
    with pytest.raises(ValueError, match="true means"):
        router_of(policy="oracle")


def test_spending_stays_within_the_window(tmp_path):
    clock = Clock(1_700_000_000.0)
    window = fr.Window(total=20.0, per="day", when_spent="refuse")
    router = router_of(tmp_path / "state.db", window=window, clock=clock)
    spent = 0.0

    def spend(router):
        nonlocal spent
        for _ in range(100):
            choice = router.choose()
            router.observe(choice.id, reward=0.5, cost=COST[choice.serve])
            spent += COST[choice.serve]

    with pytest.raises(fr.BudgetSpentError, match="left of 20"):
        spend(router)
    assert spent <= 20.0
    router.close()
    router = fr.OnlineRouter(tmp_path / "state.db", clock=clock)
    with pytest.raises(fr.BudgetSpentError):
        spend(router)
    assert spent <= 20.0
    clock.now += 86_400.0
    assert router.choose().serve in NAMES


def test_reservations_bound_what_is_in_flight():
    window = fr.Window(total=10.0, per="month", when_spent="refuse")
    router = router_of(models=dict.fromkeys(NAMES, 1.0), window=window)
    for _ in range(10):
        router.choose()
    with pytest.raises(fr.BudgetSpentError):
        router.choose()


def test_two_replicas_on_one_file_know_the_same(tmp_path):
    first = router_of(tmp_path / "state.db", staleness=0.0)
    second = again(tmp_path / "state.db", replica=1, staleness=0.0)
    rng = np.random.default_rng(3)
    for _ in range(100):
        for router in (first, second):
            choice = router.choose()
            router.observe(choice.id, reward=rng.integers(0, 1025) / 1024, cost=0.5)
            router.flush()
    for router in (first, second):
        router._merge(router._clock())
    tables = [
        [(model.observations, model.reward_bound) for model in router.plan().models]
        for router in (first, second)
    ]
    assert tables[0] == tables[1]
    assert sum(count for count, _ in tables[0]) == 200


def test_no_row_is_committed_before_what_it_rests_on(tmp_path):
    """A log that was cut anywhere is a beginning of what happened."""
    with router_of(tmp_path / "state.db") as router:
        drive(router, 120)
    with sqlite3.connect(tmp_path / "state.db") as log:
        stages = [
            json.loads(b)["deployed"]
            for (b,) in log.execute("select body from records where kind='stage'")
        ]
    assert len(stages) == 3


def test_two_routers_do_not_write_as_one_replica(tmp_path):
    first = router_of(tmp_path / "state.db")
    drive(first, 3)
    with pytest.raises(OSError, match=r"another router is at work as replica 0; .* replica=1"):
        again(tmp_path / "state.db")
    drive(first, 3, 3)
    first.close()
    again(tmp_path / "state.db").close()


def test_a_closed_router_says_so():
    router = router_of()
    choice = router.choose()
    router.close()
    with pytest.raises(ValueError, match="the router is closed"):
        router.choose()
    with pytest.raises(ValueError, match="the router is closed"):
        router.observe(choice.id, reward=1.0)


def test_a_disk_that_is_full_is_said_and_nothing_is_lost(tmp_path):
    router = router_of(tmp_path / "state.db")
    chosen = drive(router, 3)
    router.flush()
    room = {"pages": 0}

    @sa.event.listens_for(router._log._engine, "begin")
    def limit(connection):
        connection.exec_driver_sql(f"pragma max_page_count={room['pages']}")

    with router._log._engine.connect() as connection:
        room["pages"] = connection.exec_driver_sql("pragma page_count").scalar()

    def fill():
        drive(router, 2_000, 3)
        router.flush()

    with pytest.raises(OSError, match=r"cannot be written: database or disk is full; what"):
        fill()
    stopped = router._state.player.now
    with pytest.raises(OSError, match="database or disk is full"):
        router.choose()
    with pytest.raises(OSError, match="database or disk is full"):
        router.fail("a")
    assert router._state.player.now == stopped, "nothing changes that cannot be written"
    room["pages"] = 10**6
    router.flush()
    made = router._state.player.now
    router.close()
    with sqlite3.connect(tmp_path / "state.db") as log:
        models = [m for (m,) in log.execute("select model from decisions order by number")]
    assert len(models) == made
    assert models[:3] == chosen


@pytest.mark.parametrize("policy", ["stageroute", "contextual"])
@pytest.mark.parametrize("learnt", [False, True])
def test_a_replaced_outcome_is_as_if_it_had_been_the_first(tmp_path, policy, learnt):
    def bounds(router):
        router.apply(NAMES[:3])
        return [(m.reward_bound, m.cost_bound, m.observations) for m in router.plan().models]

    options = {"policy": policy, "tasks": ["x", "y"], "stage": fr.every(decisions=500)}
    right, wrong = router_of(**options), router_of(tmp_path / "state.db", **options)
    for router, first in ((right, 0.25), (wrong, 0.75)):
        choices = [router.choose(task="y") for _ in range(8)]
        for choice in choices:
            router.observe(choice.id, reward=0.5, cost=1.0)
        last = router.choose(task="x")
        router.observe(last.id, reward=first, cost=4.0 * first)
        if learnt:
            router.choose(task="y")
    if not learnt:
        right.choose(task="y")
    wrong.observe(last.id, reward=0.25, cost=1.0, again="replace")
    if not learnt:
        wrong.choose(task="y")
    expected = bounds(right)
    assert bounds(wrong) == expected
    wrong.close()
    with again(tmp_path / "state.db") as router:
        assert bounds(router) == expected
        router.observe(last.id, reward=0.5, again="replace")
        assert bounds(router) != expected


def test_what_cannot_be_unlearnt_is_not_replaced():
    router = router_of(policy=fr.policy("stageroute", estimator="bernstein"))
    choice = router.choose()
    router.observe(choice.id, reward=0.25, cost=1.0)
    router.choose()
    with pytest.raises(fr.ObservationError, match="known already"):
        router.observe(choice.id, reward=0.5, again="replace")


def test_features_that_no_estimator_reads_are_kept(tmp_path):
    with router_of(tmp_path / "state.db", tasks=["x", "y"], features=2) as router:
        for _ in range(3):
            choice = router.choose(task="y", features=[0.5, 1.0])
            router.observe(choice.id, reward=1.0, cost=1.0)
    with sqlite3.connect(tmp_path / "state.db") as log:
        (kept,) = log.execute("select features from decisions").fetchone()
    assert np.frombuffer(kept).tolist() == [1.0, 0.5, 1.0]
    with again(tmp_path / "state.db") as router:
        router.choose(task="x", features=[0.0, 0.0])


def test_a_password_is_not_shown():
    with pytest.raises((ValueError, ImportError)) as caught:
        fr.OnlineRouter("postgresql+psycopg://user:secret@localhost:1/none")
    assert "secret" not in str(caught.value)


def test_a_query_that_was_cancelled_is_forgotten(tmp_path):
    window = fr.Window(total=2.0, when_spent="refuse")
    options = {"models": dict.fromkeys(NAMES, 1.0), "window": window}
    with router_of(tmp_path / "state.db", **options) as router:
        gone = [router.choose().id for _ in range(2)]
        with pytest.raises(fr.BudgetSpentError):
            router.choose()
        for identifier in gone:
            router.forget(identifier)
        assert router.choose().model in NAMES
        with pytest.raises(fr.ObservationError, match="no longer in flight"):
            router.forget(gone[0])
        with pytest.raises(fr.ObservationError, match="no such decision"):
            router.forget(10**6)
    assert len(fr.read_log(tmp_path / "state.db").picks) == 4


def test_failed_models_are_told():
    router = router_of()
    router.fail("b")
    router.fail("d")
    router.recover("b")
    assert router.failed == ("d",)


def test_numbers_of_numpy_are_numbers(tmp_path):
    with router_of(tmp_path / "state.db") as router:
        for reward in (np.float32(0.5), np.int64(1), np.bool_(True), True):
            choice = router.choose()
            router.observe(np.int64(choice.id), reward=reward, cost=np.float32(1.0))
    with again(tmp_path / "state.db") as router:
        assert router.choose().model in NAMES
