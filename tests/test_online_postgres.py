"""Several routers on one database, above all one of PostgreSQL."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import fastroute as fr
import postgres
from fastroute.online.history import read_history
from fastroute.online.log import Log
from fastroute.online.player import Observation, Player
from fastroute.online.state import player_setting
from replica_run import NAMES, open_replica, outcome
from test_online_router import again, drive, router_of

RUN = Path(__file__).with_name("replica_run.py")


@pytest.fixture(scope="module")
def servers():
    with postgres.server() as address:
        yield address


@pytest.fixture
def database(servers):
    """The address of an empty database."""
    import sqlalchemy as sa

    engine = sa.create_engine(servers)
    with engine.begin() as connection:
        connection.execute(sa.text("drop schema public cascade"))
        connection.execute(sa.text("create schema public"))
    engine.dispose()
    return servers


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    return request.getfixturevalue("database")


def start(place, replica, count):
    return subprocess.Popen(
        [sys.executable, str(RUN), place, str(replica), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def begin(*processes):
    """Let processes begin when all are there."""
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def finish(process):
    """Wait for the end of a process; returns the last number that it has flushed."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return int(said.split()[-1])


def known(router):
    """Return counts and sums of rewards and costs of every model, as the policy has them."""
    router.choose()
    router._state.player._rest()
    return router._state.player._memory.seen[:3, :, 0].copy()


def told_all(history):
    """Return what a policy knows that was told everything that is in a log."""
    player = Player(player_setting(history.settings, 0))
    for _ in NAMES:
        player.add(1.0)
    player.open_stage()
    rows = {r: {row.number: row for row in rows} for r, rows in history.decisions.items()}
    for records in history.records.values():
        for record in records:
            if record.kind == "outcome":
                served = rows[record.decided_by][record.number].served
                model = NAMES.index(served)
                player.observe(
                    Observation(record.number, model, record.reward, record.cost, 0, None)
                )
    player._rest()
    return player._memory.seen[:3, :, 0]


def check_merged(place, counts):
    """Compare what replicas know with the log, and the log with what was told."""
    history = read_history(place)
    for replica, count in counts.items():
        rows = history.decisions[replica]
        assert [row.number for row in rows] == list(range(count))
        for row in rows:
            assert history.outcomes[replica, row.number] == outcome(replica, row.number)
    expected = told_all(history)
    assert expected[0].sum() == sum(counts.values())
    sums = np.array([outcome(r, k) for r, count in counts.items() for k in range(count)])
    assert expected[1:].sum(axis=1).tolist() == sums.sum(axis=0).tolist()
    # A replica that has just come knows the same.
    for replica in (*counts, len(counts)):
        with open_replica(place, replica) as router:
            assert known(router).tolist() == expected.tolist()
    assert all(one.same for one in fr.evaluate_log(place).verified)


@pytest.mark.slow
def test_replicas_of_which_one_is_killed_know_what_one_router_would(place):
    first, second = start(place, 0, 1_000), start(place, 1, 1_000)
    begin(first, second)
    flushed = -1
    while flushed < 499:
        flushed = int(second.stdout.readline())
    second.kill()
    second.communicate()
    kept = read_history(place).decisions[1]
    assert len(kept) > flushed
    second = start(place, 1, 1_000)
    begin(second)
    assert (finish(first), finish(second)) == (999, 999)
    check_observed(place, flushed)


def check_observed(place, flushed):
    """Check the log of a replica that was killed after it had flushed a decision."""
    history = read_history(place)
    for replica in (0, 1):
        for number in range(1_000):
            if replica == 0 or number <= flushed:
                assert history.outcomes[replica, number] == outcome(replica, number)
    expected = told_all(history)
    for replica in (0, 1, 2):
        with open_replica(place, replica) as router:
            assert known(router).tolist() == expected.tolist()
    assert all(one.same for one in fr.evaluate_log(place).verified)


def test_tables_are_made_once(place):
    """Many find an empty database at the same time."""
    with ThreadPoolExecutor(8) as threads:
        for log in threads.map(lambda replica: Log(place, replica=replica), range(8)):
            log.close()


@pytest.mark.slow
def test_two_routers_begin_a_log_at_once(place):
    processes = [start(place, replica, 60) for replica in range(2)]
    begin(*processes)
    assert [finish(process) for process in processes] == [59, 59]
    check_merged(place, {0: 60, 1: 60})


def test_a_router_goes_on_where_its_log_in_postgresql_ends(database):
    whole = drive(router_of(), 120)
    with router_of(database) as router:
        first = drive(router, 70)
    with again(database) as router:
        assert first + drive(router, 50, 70) == whole
    assert fr.evaluate_log(database, ["uniform"]).verified[0].same


def test_features_come_back_from_postgresql(database):
    policy = fr.policy("stageroute", estimator="linear")
    with router_of(database, policy=policy, features=3) as router:
        choice = router.choose(features=[1.0, 2.0, 3.0])
        router.observe(choice.id, reward=1, cost=0.5)
    (row,) = read_history(database).decisions[0]
    assert row.features is not None
    assert np.frombuffer(row.features).tolist() == [1.0, 1.0, 2.0, 3.0]
    assert read_history(database).outcomes[0, 0] == (1.0, 0.5)


@pytest.mark.parametrize("reward", [True, 1, np.float64(1.0), np.int64(1)])
def test_rewards_of_any_type_of_number_are_kept(place, reward):
    with router_of(place) as router:
        router.observe(router.choose().id, reward=reward, cost=reward)
        router.flush()
    assert read_history(place).outcomes[0, 0] == (1.0, 1.0)


def test_another_router_has_begun_with_other_settings(place, monkeypatch):
    """Two routers find an empty log; the slower one has other settings."""
    router_of(place, budget=1.4).close()
    monkeypatch.setattr(Log, "settings", lambda _: None)
    with pytest.raises(ValueError, match="another router has begun this log with another budget"):
        router_of(place, budget=2.0)


def test_a_server_that_is_not_there_is_said(servers):
    with pytest.raises(ValueError, match="cannot be opened"):
        fr.evaluate_log("postgresql+psycopg://fastroute@127.0.0.1:9/postgres")
    with pytest.raises(ValueError, match="is no decision log"):
        fr.evaluate_log(servers.replace("/postgres", "/template1"))
