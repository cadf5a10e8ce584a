"""Worlds that change: regret under the means of each round, on every backend."""

from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.scenarios import Change, Outage, Scenario
from fastroute.simulation import Run
from naive import CHANGING_WORLDS, HORIZON, SMALL_WORLDS, can_play, naive_stageroute
from record import of_run
from test_simulate_backends import CORE, OPTIONS, assert_same

PARTS = ("discovery", "deployment", "routing")


def play(scenario: Scenario, policy: str, backend: str = "numba", **settings: Any) -> Run:
    given = {"horizon": 10, "budget": 1.0, "max_deployed": 2, "stages": 1, "trials": 2}
    return fr.simulate(scenario, fr.policy(policy), backend=backend, **{**given, **settings})


def numbers(run: Run, *names: str) -> list[float]:
    return [float(run.finals[name][0]) for name in names]


@pytest.mark.parametrize("backend", ["ref", "numba"])
def test_regret_after_one_change_by_hand(backend: str) -> None:
    # Uniform shares over two models.  Rounds 0-3: V = 0.9, played 0.7 at cost 0.75.  Then the cost
    # of the better model is 3: it gets at most 1/5 of the traffic within the budget, V = 0.58,
    # played 0.7 at cost 1.75; one more unit of cost is worth 0.4 / 2.5.
    changes = [Change("model-0", at=4, cost=3.0)]
    scenario = Scenario([0.9, 0.5], [1.0, 0.5], cost="fixed", changes=changes)
    run = play(scenario, "uniform", backend)
    regret = 4 * (0.9 - 0.7) + 6 * (0.58 - 0.7)
    assert numbers(run, *PARTS) == pytest.approx([0.0, 0.0, regret], abs=1e-12)
    priced = regret + 0.16 * 6 / 10 * (4 * 0.75 + 6 * 1.75 - 10)
    assert numbers(run, "priced_regret") == pytest.approx([priced], abs=1e-12)
    assert run.models["cost_mean"].to_list() == pytest.approx([0.4 * 1.0 + 0.6 * 3.0, 0.5])


@pytest.mark.parametrize("backend", ["ref", "numba"])
def test_parts_by_hand(backend: str) -> None:
    # One slot, two stages of five rounds.  The oracle deploys model 0; in round 3 it falls to 0.3,
    # below model 1 (0.5); in round 4 model 2 (0.8) arrives; both wait for the second stage.
    scenario = Scenario(
        [0.9, 0.5, 0.8],
        [1.0, 1.0, 1.0],
        arrival=[0, 0, 4],
        changes=[Change("model-0", at=3, reward=0.3)],
    )
    run = play(scenario, "oracle", backend, max_deployed=1, stages=2)
    assert numbers(run, *PARTS) == pytest.approx([0.3, 2 * 0.2, 0.0], abs=1e-12)


@pytest.mark.parametrize("backend", ["ref", "numba"])
def test_an_outage_and_the_return_by_hand(backend: str) -> None:
    # The better model may get 0.8 of the traffic, and nothing in rounds 2-4.
    changes = [Outage("model-0", 2, 5)]
    scenario = Scenario([0.9, 0.5], [1.0, 1.0], limit=[0.8, 1.0], changes=changes)
    run = play(scenario, "oracle", backend, stages=1, trace=True)
    assert numbers(run, "regret", *PARTS) == pytest.approx([0.0] * 4, abs=1e-12)
    assert (run.picks[:, 2:5] == 1).all()
    assert (run.picks == 0).any()
    # The mean reward of the optimum: what it earns and what it does not by chance.
    earned = run.finals["reward"] * 10 + run.finals["noise"]
    assert earned == pytest.approx(7 * (0.8 * 0.9 + 0.2 * 0.5) + 3 * 0.5)
    # A single model that is down serves nobody, in any room.
    alone = Scenario([0.9], [1.0], changes=[Outage("model-0", 2, 5)])
    for policy in ("stageroute", "uniform", "greedy", "oracle", "elimination"):
        down = play(alone, policy, backend, max_deployed=1, trace=True, budget=2.0)
        assert (down.picks[:, 2:5] == -1).all(), policy
        assert (np.delete(down.picks, [2, 3, 4], axis=1) == 0).all(), policy
        assert (down.finals["no_capacity_rounds"] == 3).all(), policy
        assert np.isfinite(down.finals["regret"]).all(), policy


def test_no_redeployment_of_a_model_that_is_down() -> None:
    changes = [Outage("model-0", 4, 7)]
    scenario = Scenario([0.9, 0.5], [1.0, 1.0], changes=changes)
    run = play(scenario, "oracle", max_deployed=1, stages=5)
    assert run.stage_sets[:, 0, 0].tolist() == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("world", ["retirement", "instances"])
def test_parts_add_up_to_the_optimum_of_each_round(world: str) -> None:
    scenario, budget, max_deployed = CHANGING_WORLDS[world]()
    horizon, trials = 400, scenario.instances
    run = fr.simulate(
        scenario,
        fr.policy("stageroute"),
        horizon=horizon,
        budget=budget,
        max_deployed=max_deployed,
        trials=trials,
    )
    resolved = scenario.resolve(horizon, trials)
    assert len(resolved.later) > 10
    starts = np.array([regime.start for regime in resolved.later])
    opened = np.array([stage.opened for stage in run.plan.stages])
    best = np.zeros(trials)
    for now in range(horizon):
        means = resolved.regimes[int((starts <= now).sum())]
        kept = resolved.retirement > opened[opened <= now].max()
        here = kept & (resolved.arrival <= now) & (means.limit > 0.0)
        found = fr.solve_deployment(
            means.reward_mean[:, here],
            means.cost_mean[:, here],
            means.limit[here],
            budget,
            max_deployed,
            fill="none",
        )
        best += found.value
    earned = run.finals["reward"] * horizon + run.finals["noise"]
    np.testing.assert_allclose(run.finals["regret"] + earned, best, rtol=0.0, atol=1e-9)
    parts = sum(run.finals[part] for part in PARTS)
    np.testing.assert_allclose(parts, run.finals["regret"], rtol=0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("policy", "world"),
    [
        pytest.param(p, w, marks=[] if p in CORE[:2] or w == "retirement" else pytest.mark.slow)
        for p in fr.policies.POLICIES
        for w in CHANGING_WORLDS
        if can_play(p, w)
    ],
)
def test_every_policy_in_changing_worlds(policy: str, world: str) -> None:
    scenario, budget, max_deployed = CHANGING_WORLDS[world]()
    assert_same(
        scenario,
        fr.policy(policy),
        budget=budget,
        max_deployed=max_deployed,
        trials=scenario.instances,
        horizon=800,
        stages=5,
    )


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_options_in_a_changing_world(option: str) -> None:
    scenario, budget, max_deployed = CHANGING_WORLDS["retirement"]()
    policy = fr.policy("stageroute", **OPTIONS[option])
    assert_same(scenario, policy, budget=budget, max_deployed=max_deployed, stages=7)


@pytest.mark.parametrize("world", CHANGING_WORLDS)
def test_severity_zero_gives_the_bits_of_no_changes(world: str) -> None:
    plain, budget, max_deployed = SMALL_WORLDS[world]()
    changing = CHANGING_WORLDS[world]().scenario.with_changes(severity=0.0)
    settings: dict[str, Any] = {
        "budget": budget,
        "max_deployed": max_deployed,
        "trials": plain.instances,
        "horizon": HORIZON,
        "trace": True,
    }
    with_none, without = (
        fr.simulate(scenario, fr.policy("stageroute"), **settings) for scenario in (changing, plain)
    )
    assert list(of_run(with_none)) == list(of_run(without))


def test_unseen_changes_leave_what_was_decided() -> None:
    """A policy that does not know the means plays on until its observations tell it."""
    changes = [Change("model-0", at=100, reward=0.0), Change("model-1", at=105, cost=0.9)]
    # Explorers that commit hold their shares; the others set them anew in a later round only.
    for router, horizon, options in (
        ("explore_then_commit", 300, {"explore": 0.1}),
        ("elimination", 128, {}),
        ("lp", 120, {"resolve_every": 120}),
    ):
        runs = [
            fr.simulate(
                Scenario([0.9, 0.5], [1.0, 1.0], cost="fixed", changes=some, cost_range=(0.5, 2)),
                fr.policy("stageroute", router=router, **options),
                horizon=horizon,
                budget=2.0,
                max_deployed=2,
                stages=1,
                trials=3,
                trace=True,
            )
            for some in ((), changes)
        ]
        np.testing.assert_array_equal(runs[0].picks, runs[1].picks)


def test_stageroute_written_again() -> None:
    scenario = Scenario(
        [0.43, 0.71, 0.58, 0.86, 0.64],
        [0.37, 1.13, 0.71, 1.64, 0.52],
        limit=[0.7, 0.6, 0.5, 0.45, 0.55],
        arrival=[0, 0, 0, 60, 90],
        changes=[
            Change("model-1", at=25, reward=0.31, cost=0.9),
            Change("model-0", at=100, cost=0.61, over=60, steps=3),
            Outage("model-2", 75, 130),
            Change("model-3", at=140, limit=0.3),
        ],
    )

    def means(t: int) -> tuple[Any, Any, Any]:
        reward, cost, limit = (
            x.copy() for x in (scenario.reward_mean, scenario.cost_mean, scenario.limit)
        )
        if t >= 25:
            reward[1], cost[1] = 0.31, 0.9
        # Three steps of 20 rounds each, in the middle of each.
        cost[0] += 0.24 / 3 * sum(t >= x for x in (110, 130, 150))
        if 75 <= t < 130:
            limit[2] = 0.0
        if t >= 140:
            limit[3] = 0.3
        return reward, cost, limit

    settings: dict[str, Any] = {"horizon": 200, "budget": 0.75, "max_deployed": 4, "seed": 8}
    mine = naive_stageroute(scenario, **settings, stage_length=40, gamma=0.05, trial=0, means=means)
    for backend in ("ref", "numba"):
        run = fr.simulate(
            scenario,
            fr.policy("stageroute", gamma=0.05),
            **settings,
            stages=5,
            trials=1,
            trace=True,
            backend=backend,
        )
        sets = [[m for m in row if m >= 0] for row in run.stage_sets[:, 0].tolist()]
        assert sets == mine.sets, backend
        assert run.picks[0].tolist() == mine.picks, backend
    assert len({tuple(s) for s in mine.sets}) > 2


def test_a_plain_rule_with_numbers_of_its_own() -> None:
    """UCB over 10,000 trials in NumPy alone: regret and picks of the same law."""
    trials, horizon, gamma = 10_000, 240, 0.05
    changes: list[Change | Outage] = [
        Change("model-0", at=60, reward=0.35),
        Change("model-2", at=90, reward=0.75, over=40, steps=4),
        Outage("model-1", 150, 180),
    ]
    scenario = Scenario([0.7, 0.5, 0.3], [1.0, 1.0, 1.0], cost="fixed", changes=changes)
    run = fr.simulate(
        scenario,
        fr.policy("stageroute", gamma=gamma),
        horizon=horizon,
        budget=2.0,
        max_deployed=3,
        stages=1,
        trials=trials,
    )
    draw = np.random.default_rng(20)
    count, total = np.zeros((trials, 3)), np.zeros((trials, 3))
    regret, earned = np.zeros(trials), np.zeros(trials)
    rows = np.arange(trials)
    for t in range(horizon):
        mean = np.array([0.35 if t >= 60 else 0.7, 0.5, 0.3])
        mean[2] += 0.45 / 4 * sum(t >= x for x in (95, 105, 115, 125))
        up = np.array([True, not 150 <= t < 180, True])
        n = count + 1
        average = total / n
        upper = np.clip(average + 2 * (np.sqrt(gamma * average / n) + gamma / n), 0.0, 1.0)
        upper = np.where(count == 0, 1.0, upper)
        # The lower bound of the cost breaks ties; a fixed cost of 1 in a range from 1 to 1.
        pick = np.where(up, upper, -1.0).argmax(axis=1)
        reward = (draw.random(trials) < mean[pick]) * 1.0
        count[rows, pick] += 1
        total[rows, pick] += reward
        regret += mean[up].max() - mean[pick]
        earned += reward

    def z(theirs: Any, mine: Any) -> float:
        spread = np.sqrt((theirs.var(ddof=1) + mine.var(ddof=1)) / trials)
        return abs(float(theirs.mean() - mine.mean())) / float(spread)

    assert z(run.finals["regret"], regret) < 4
    assert z(run.finals["reward"] * horizon, earned) < 4
    share = run.models["share"].to_numpy()
    se = run.models["share_se"].to_numpy() * np.sqrt(2)
    assert (np.abs(share - count.mean(axis=0) / horizon) < 4 * se).all()


def test_what_is_served_beyond_the_limits_is_not_charged_and_said() -> None:
    # From round 600 to the next stage, model-0 serves everything with a limit of a half, while the
    # optimum may take only half of it: 0.9 against 0.7 in 150 rounds of each half.
    scenario = Scenario([0.9, 0.5], [1, 1], changes=[Change("model-0", at=600, limit=0.5)])
    with pytest.warns(fr.FastrouteWarning, match="beyond their limits is not charged"):
        run = fr.simulate(
            scenario,
            fr.policy("oracle"),
            horizon=1000,
            budget=2.0,
            max_deployed=1,
            trials=4,
            stages=4,
        )
    assert run.finals["regret"] == pytest.approx(-60.0)
    assert (run.finals["no_capacity_rounds"] == 150).all()
    assert "\n  with 1 change with severity=1\n" in repr(run)
