"""A log that is simulated again: the same choices, on every backend that can."""

import random
from typing import Any

import numpy as np
import pytest

import fastroute as fr
from test_online_player import ONLINE, OWN
from test_online_router import Clock

NAMES = ["a", "b", "c", "d", "e"]


def live(place, policy, *, count=700, late=True, stage=None, changes=True, features=0):
    """Run a router with outcomes that come late, twice out of order, or never."""
    rng, clock = random.Random(7), Clock(86_400.0 * 100)
    router = fr.OnlineRouter(
        place,
        models=[fr.OnlineModel(name=name, limit=0.5) for name in NAMES],
        policy=policy,
        budget=1.4,
        max_deployed=3,
        stage=stage or fr.every(decisions=100),
        cost_range=(0.0, 5.0),
        seed=3,
        clock=clock,
        features=features,
    )
    waiting: list[Any] = []
    for number in range(count):
        clock.now += rng.uniform(0.0, 60.0)
        if changes:
            change(router, number)
        x = None
        if features:
            x = np.random.default_rng(number).normal(size=features)
        choice = router.choose(features=x)
        place_ = NAMES.index(choice.serve) if choice.serve in NAMES else 5
        told = {"cost": (1 + place_) * rng.uniform(0.2, 0.6)}, {"reward": rng.random() * 0.9}
        for part in told:
            due = number + (rng.choice([0, 0, 1, 5, 40]) if late else 0)
            waiting.append((due, rng.random(), choice.id, part))
        if late and number % 13 == 0:
            waiting.pop()  # never observed
        now = sorted(w for w in waiting if w[0] <= number)
        waiting = [w for w in waiting if w[0] > number]
        rng.shuffle(now)
        for _, _, identifier, part in now:
            router.observe(identifier, **part)
    router.close()


def change(router, number):
    if number == 150:
        router.add("f", limit=0.6)
    elif number == 230:
        router.fail(router.deployed[0])
    elif number == 260:
        for name in router.models:
            router.recover(name)
    elif number == 333:
        router.set_limit(router.deployed[1], 0.8)
    elif number == 420:
        router.retire("b")


@pytest.mark.parametrize("name", ["stageroute", "thompson", "pacer", "etc", "forced", "greedy"])
def test_a_log_is_simulated_to_the_bit(tmp_path, name):
    live(tmp_path / "state.db", OWN.get(name) or fr.policy(name))
    log = fr.read_log(tmp_path / "state.db")
    run = fr.simulate(replay=log, backend="numba")
    assert len(set(log.picks)) > 2
    assert tuple(run.picks[0].tolist()) == log.picks


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ONLINE, *OWN])
@pytest.mark.parametrize("late", [False, True])
def test_logs_of_all_policies_are_simulated_to_the_bit(tmp_path, name, late):
    live(tmp_path / "state.db", OWN.get(name) or fr.policy(name), count=3_000, late=late)
    log = fr.read_log(tmp_path / "state.db")
    assert tuple(fr.simulate(replay=log, backend="numba").picks[0].tolist()) == log.picks


@pytest.mark.parametrize("name", ["stageroute", "pacer"])
def test_the_plain_reference_replays_a_log(tmp_path, name):
    live(tmp_path / "state.db", fr.policy(name), count=450)
    log = fr.read_log(tmp_path / "state.db")
    run = fr.simulate(replay=log, backend="ref")
    assert tuple(run.picks[0].tolist()) == log.picks


def test_a_log_with_features_is_simulated_to_the_bit(tmp_path):
    policy = fr.policy("stageroute", estimator="linear")
    live(tmp_path / "state.db", policy, late=False, changes=False, features=4)
    log = fr.read_log(tmp_path / "state.db")
    assert tuple(fr.simulate(replay=log).picks[0].tolist()) == log.picks


def test_stages_by_the_clock_are_simulated_where_they_opened(tmp_path):
    live(tmp_path / "state.db", fr.policy("stageroute"), stage=fr.every(hours=1))
    log = fr.read_log(tmp_path / "state.db")
    assert len(set(np.diff(log.openings))) > 1
    run = fr.simulate(replay=log, backend="numba")
    assert tuple(run.picks[0].tolist()) == log.picks
    assert run.stages["opened"].to_list() == list(log.openings)


def test_what_a_simulation_has_no_word_for_is_refused(tmp_path):
    with fr.OnlineRouter(
        tmp_path / "state.db",
        models=NAMES,
        budget=1.0,
        max_deployed=2,
        stage=fr.every(decisions=10),
    ) as router:
        router.choose()
        router.reprice("a", 0.5)
    with pytest.raises(ValueError, match="cannot replay a known new price"):
        fr.read_log(tmp_path / "state.db")
    with pytest.raises(ValueError, match="no such decision log"):
        fr.read_log(tmp_path / "other.db")


def test_a_replay_has_its_own_settings(tmp_path):
    live(tmp_path / "state.db", fr.policy("stageroute"), count=20)
    log = fr.read_log(tmp_path / "state.db")
    with pytest.raises(ValueError, match="horizon beside replay"):
        fr.simulate(replay=log, horizon=10)
    with pytest.raises(ValueError, match=r"jax.* does not replay recorded delays"):
        fr.simulate(replay=log, backend="jax")
    with pytest.raises(ValueError, match="policy=None"):
        fr.simulate(fr.scenario("sota"), horizon=10, budget=1.0, max_deployed=2)
