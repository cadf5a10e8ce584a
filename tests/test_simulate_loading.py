"""Newly deployed models that load before they take traffic, on every backend."""

import re
from typing import Any

import numpy as np
import pytest

import fastroute as fr
import test_simulate_feedback as late
from fastroute.scenarios import Scenario
from fastroute.simulation import Run
from naive import CHANGING_WORLDS, SMALL_WORLDS, can_play
from test_simulate_backends import CORE, OPTIONS, assert_same
from test_simulate_lanes import assert_bits, cut

PARTS = ("discovery", "deployment", "routing")
SETTINGS: dict[str, Any] = {"horizon": 800, "stages": 5, "load_rounds": 30}


def play(scenario: Scenario, policy: Any, backend: str = "numba", **settings: Any) -> Run:
    given = {"horizon": 20, "budget": 1.0, "max_deployed": 2, "stages": 2, "trials": 2}
    policy = fr.policy(policy) if isinstance(policy, str) else policy
    return fr.simulate(
        scenario, policy, backend=backend, trace=True, **{**given, "load_rounds": 3, **settings}
    )


def numbers(run: Run, *names: str) -> list[float]:
    return [float(run.finals[name][0]) for name in names]


def assert_loaded(run: Run) -> None:
    """Check that no model is pulled while it loads, and that loading is seen at all."""
    load_rounds = run.settings["load_rounds"]
    kept = loading = 0
    for stage, sets, before in zip(
        run.plan.stages,
        run.stage_sets,
        (np.full_like(run.stage_sets[0], -1), *run.stage_sets),
        strict=False,
    ):
        picks = run.picks[:, stage.opened : min(stage.opened + load_rounds, run.plan.horizon)]
        for row, now, then in zip(picks, sets, before, strict=True):
            both = set(now) & set(then) - {-1}
            assert set(row) <= both | {-1}
            # Whatever serves carries every query.
            assert (-1 in row) == (not both)
            kept += len(both)
            loading += len(set(now) - set(then))
    assert loading > 0
    assert kept > 0


@pytest.mark.parametrize("backend", ["ref", "numba"])
def test_parts_by_hand(backend: str) -> None:
    # Two stages of ten rounds.  A better model (0.9 against 0.5) arrives in round 4 and waits for
    # the second stage: six rounds of discovery.
    scenario = Scenario([0.5, 0.9], [1.0, 1.0], arrival=[0, 4])
    names = ("no_capacity_rounds", "deployments", *PARTS)
    # With one slot nobody serves in the first three rounds of both stages.
    run = play(scenario, "oracle", backend, max_deployed=1)
    assert run.stage_sets[:, 0, 0].tolist() == [0, 1]
    assert [np.flatnonzero(row < 0).tolist() for row in run.picks] == [[0, 1, 2, 10, 11, 12]] * 2
    routing = 3 * 0.5 + 3 * 0.9
    assert numbers(run, *names) == pytest.approx([6, 2, 6 * 0.4, 0.0, routing], abs=1e-12)
    assert run.stages.filter(trial=0)["no_capacity_rounds"].to_list() == [3.0, 3.0]
    # With two the first model serves until the second one is loaded.
    run = play(scenario, "oracle", backend)
    assert run.stage_sets[1, 0].tolist() == [0, 1]
    routing = 3 * 0.5 + 3 * 0.4
    assert numbers(run, *names) == pytest.approx([3, 2, 6 * 0.4, 0.0, routing], abs=1e-12)
    assert (run.picks[:, 10:13] == 0).all()
    assert (run.picks[:, 13:] == 1).all()


@pytest.mark.parametrize("backend", ["ref", "numba"])
def test_what_is_left_carries_all_traffic(backend: str) -> None:
    # The second model makes way for the third.  Until that is loaded the first one, whose limit is
    # 0.4, carries all: rounds without enough capacity.
    scenario = Scenario(
        [0.5, 0.4, 0.8],
        [1.0, 1.0, 1.0],
        limit=[0.4, 0.7, 0.7],
        arrival=[0, 0, 10],
        retirement=[None, 10, None],
    )
    for policy in ("oracle", "stageroute", "uniform", "greedy", "elimination", "etc"):
        run = play(scenario, policy, backend)
        assert run.stage_sets[:, 0].tolist() == [[0, 1], [0, 2]], policy
        assert (run.picks[:, :3] == -1).all(), policy
        assert (run.picks[:, 10:13] == 0).all(), policy
        assert (run.finals["no_capacity_rounds"] == 6).all(), policy
    run = play(scenario, "oracle", backend)
    routing = 3 * (0.4 * 0.5 + 0.6 * 0.4) + 3 * (0.7 * 0.8 + 0.3 * 0.5 - 0.5)
    assert numbers(run, *PARTS, "priced_regret") == pytest.approx([0, 0, routing, routing])


@pytest.mark.parametrize("backend", ["ref", "numba"])
def test_a_whole_stage_of_loading(backend: str) -> None:
    # What is deployed for the second time in a row is no longer new; what comes back is.
    scenario = Scenario([0.5, 0.9], [1.0, 1.0], changes=[fr.Outage("model-1", 20, 30)])
    run = play(scenario, "oracle", backend, horizon=45, stages=5, max_deployed=1, load_rounds=9)
    assert run.stage_sets[:, 0, 0].tolist() == [1, 1, 1, 0, 1]
    # Stages open in rounds 0, 9, 18, 27 and 36; the outage begins within the third.
    served = np.isin(np.arange(45), range(9, 20))
    assert ((run.picks >= 0) == served).all()
    # The last stage may be shorter than loading takes.
    short = play(
        Scenario([0.5, 0.9], [1.0, 1.0]), "oracle", backend, horizon=10, stages=4, max_deployed=1
    )
    assert [stage.rounds for stage in short.plan.stages] == [3, 3, 3, 1]
    assert ((short.picks >= 0) == (np.arange(10) >= 3)).all()


@pytest.mark.parametrize("backend", ["ref", "numba"])
def test_changes_while_models_load(backend: str) -> None:
    # In the second stage (round 10 on) model 0 serves until model 1 is loaded in round 16.
    # Meanwhile it gets worse (12), is down (13 and 14) and comes back: the limit of the loading
    # model stays 0 all the while, and so it does when its own changes.
    changes: list[fr.Change | fr.Outage] = [
        fr.Change("model-0", at=12, reward=0.4),
        fr.Outage("model-0", 13, 15),
        fr.Change("model-1", at=15, limit=0.8),
    ]
    scenario = Scenario([0.5, 0.9], [1.0, 1.0], arrival=[0, 10], changes=changes)
    for policy in ("oracle", "stageroute", "uniform", "pacer"):
        run = play(scenario, policy, backend, load_rounds=6)
        assert run.stage_sets[1, 0].tolist() == [0, 1], policy
        expected = np.repeat([-1, 0, -1, 0], [6, 7, 2, 1])
        assert (run.picks[:, :16] == expected).all(), policy
        assert (run.picks[:, 16:] == 1).any(), policy
    run = play(scenario, "oracle", backend, load_rounds=6)
    # Rounds 10 and 11, 12, 13 and 14, 15, in which the optimum is 0.9, 0.9, 0.9 and 0.8.
    lost = 6 * 0.5 + 2 * 0.4 + 0.5 + 2 * 0.9 + (0.8 * 0.9 + 0.2 * 0.4 - 0.4)
    assert numbers(run, *PARTS) == pytest.approx([0.0, 0.0, lost], abs=1e-12)


def test_a_change_in_the_round_in_which_loading_ends() -> None:
    changes = [fr.Change("model-1", at=13, reward=0.7, limit=0.5)]
    scenario = Scenario([0.5, 0.9], [1.0, 1.0], arrival=[0, 10], changes=changes)
    run = assert_same(
        scenario, fr.policy("oracle"), horizon=20, stages=2, budget=1.0, max_deployed=2,
        load_rounds=3, trials=3,
    )  # fmt: skip
    assert numbers(run, *PARTS) == pytest.approx([0.0, 0.0, 3 * 0.5 + 3 * 0.4], abs=1e-12)


def test_only_newly_deployed_models_load() -> None:
    # A set that stays is loaded once; a router that solves every round never notices later stages.
    scenario, budget, _ = SMALL_WORLDS["fixed"]()
    settings: dict[str, Any] = {"budget": budget, "max_deployed": 3, "horizon": 300, "stages": 6}
    policy = fr.policy("static", init="forced", init_pulls=2)
    run = play(scenario, policy, **settings, load_rounds=20)
    assert (run.finals["deployments"] == 3).all()
    assert ((run.picks < 0) == (np.arange(300) < 20)).all()
    assert (run.finals["no_capacity_rounds"] == 20).all()


@pytest.mark.parametrize(
    ("policy", "world"),
    [
        pytest.param(p, w, marks=[] if w == "tasks" or p in CORE[:2] else pytest.mark.slow)
        for p in fr.policies.POLICIES
        for w in ("retirement", "tasks", "instances")
        if can_play(p, w)
    ],
)
def test_every_policy(policy: str, world: str) -> None:
    scenario, budget, max_deployed = SMALL_WORLDS[world]()
    trials = max(scenario.instances, 2)
    settings = {**SETTINGS, "budget": budget, "max_deployed": max_deployed, "trials": trials}
    assert_loaded(assert_same(scenario, fr.policy(policy), **settings))


@pytest.mark.parametrize(
    "option",
    [pytest.param(o, marks=[] if "forced" in o else pytest.mark.slow) for o in OPTIONS],
)
def test_options(option: str) -> None:
    scenario, budget, max_deployed = SMALL_WORLDS["retirement"]()
    settings = {**SETTINGS, "budget": budget, "max_deployed": max_deployed, "horizon": 1_200}
    assert_loaded(assert_same(scenario, fr.policy("stageroute", **OPTIONS[option]), **settings))


@pytest.mark.parametrize(
    ("policy", "world"),
    [
        pytest.param(p, w, marks=[] if (p, w) == ("stageroute", "retirement") else pytest.mark.slow)
        for p in fr.policies.POLICIES
        for w in CHANGING_WORLDS
        if can_play(p, w)
    ],
)
def test_every_policy_in_changing_worlds(policy: str, world: str) -> None:
    scenario, budget, max_deployed = CHANGING_WORLDS[world]()
    trials = scenario.instances
    settings = {**SETTINGS, "budget": budget, "max_deployed": max_deployed, "trials": trials}
    assert_same(scenario, fr.policy(policy), **settings)


@pytest.mark.parametrize("options", ["both drawn"])
def test_late_feedback(options: str) -> None:
    scenario = late.world(**late.WORLDS[options])
    settings = {**late.SETTING, "load_rounds": 15, "trials": 2}
    assert_loaded(assert_same(scenario, late.POLICIES["stageroute"], **settings))


@pytest.mark.parametrize("policy", ["stageroute", "etc", "elimination"])
def test_trials_do_not_depend_on_their_neighbours(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sets differ from trial to trial, and so does whether anything loads in a stage.
    scenario, budget, max_deployed = SMALL_WORLDS["instances"]()
    scenario = Scenario(
        scenario.reward_mean[0], scenario.cost_mean[0], limit=0.5, arrival=[0, 0, 0, 0, 50, 123]
    )
    settings = {**SETTINGS, "budget": budget, "max_deployed": max_deployed, "threads": 1}
    settings |= {"horizon": 400, "stages": 8, "load_rounds": 10, "trials": 70}
    whole = play(scenario, policy, **settings)
    new = [len(set(now) - set(then)) for then, now in zip(*whole.stage_sets[4:6], strict=True)]
    assert min(new) == 0 < max(new)
    cut(monkeypatch, 1)
    assert_bits(play(scenario, policy, **settings), whole)


@pytest.mark.parametrize("stages", [4, "T^(1/3)"])
def test_longer_than_a_stage(stages: int | str) -> None:
    settings: dict[str, Any] = {"horizon": 50, "budget": 1.0, "max_deployed": 3, "stages": stages}
    words = (
        "load_rounds=14 is longer than a stage, 13 rounds with horizon=50 and stages=4; use at "
        "most 13, or fewer stages"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        fr.simulate(fr.scenario("static"), fr.policy("oracle"), **settings, load_rounds=14)
