"""The policy online: the same choices as a simulation that replays what it was told."""

from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.kernels.codes import STREAM_ROUND
from fastroute.kernels.ref.outcomes import task_of
from fastroute.kernels.ref.rng import uniforms
from fastroute.online.player import Observation, Player, PlayerSetting
from fastroute.policies.registry import POLICIES
from fastroute.scenarios import Scenario
from fastroute.scenarios.laws import Recorded

MODELS, ROUNDS, STAGES, SLOTS = 9, 1_200, 6, 4
ONLINE = [
    name
    for name in POLICIES
    if not any(part.needs_truth for part in fr.policy(name).parts)
    and name not in ("contextual", "contextual_drift")
]
OWN = {
    "kl_ucb": fr.policy("stageroute", estimator=fr.KLUCB()),
    "bernstein": fr.policy("stageroute", estimator=fr.Bernstein()),
    "sliding_window": fr.policy("stageroute", estimator=fr.SlidingWindow(window=100)),
    "change_detector": fr.policy("stageroute", estimator=fr.ChangeDetector()),
    "forced": fr.policy("stageroute", init="forced", init_pulls=3),
    "prior": fr.policy("stageroute", init="prior", init_pulls=2, gamma="scaled:0.05"),
    "resolve_every": fr.policy("stageroute", resolve_every=7),
    "screen": fr.policy("stageroute", deployer="screen"),
}
#: Every pass of a policy once by default, every policy with the slow tests.
DEFAULT = ("stageroute", "thompson", "pacer", "etc", "epsilon_greedy", "forced", "sliding_window")
SOME_BY_DEFAULT = [
    name if name in DEFAULT else pytest.param(name, marks=pytest.mark.slow)
    for name in (*ONLINE, *OWN)
]


def recorded(features: int = 0, rounds: int = ROUNDS) -> Recorded:
    """Outcomes of all models on all queries, with costs and scores that differ by model."""
    rng = np.random.default_rng(5)
    mean = rng.uniform(0.3, 0.9, MODELS)
    score = (rng.random((rounds, MODELS)) < mean).astype(float)
    cost = rng.uniform(0.2, 1.8, (rounds, MODELS)) * np.linspace(0.5, 3.0, MODELS)
    about = rng.normal(size=(rounds, features)) if features else None
    return Recorded(score, cost, "table", about)


def world(table: Recorded, **options: Any) -> Scenario:
    """Models that come one or two a stage, in a world that replays a table."""
    length = len(table.score) // STAGES
    arrival = [0, 0, 0, 0, 0, length, length, 2 * length, 4 * length]
    return Scenario(
        limit=[0.6, 0.5, 0.4, 0.7, 0.5, 0.6, 0.5, 0.4, 0.8],
        arrival=arrival,
        outcomes=table,
        **options,
    )


def outcomes_of(scenario: Scenario) -> Any:
    """Return what is replayed."""
    return scenario.outcomes


def player_of(scenario: Scenario, policy: fr.Policy, apart: bool, features: int = 0) -> Player:
    table = outcomes_of(scenario)
    rounds = len(table.score)
    resolved = scenario.resolve(rounds, 1)
    return Player(
        PlayerSetting(
            policy=policy,
            seed=11,
            trial=0,
            budget=1.3,
            max_deployed=SLOTS,
            horizon=rounds,
            stage_length=rounds // STAGES,
            n_models=MODELS,
            cost_range=(resolved.cost_min, resolved.cost_max),
            deploy_cost=0.0,
            tasks=0,
            features=features,
            apart=apart,
        )
    )


def simulated(scenario: Scenario, policy: fr.Policy) -> list[int]:
    run = fr.simulate(
        scenario,
        policy,
        horizon=len(outcomes_of(scenario).score),
        budget=1.3,
        max_deployed=SLOTS,
        stages=STAGES,
        trials=1,
        seed=11,
        trace=True,
        backend="numba",
    )
    return run.picks[0].tolist()


def played(
    player: Player, scenario: Scenario, delay: int = 0, *, restarts: bool = False
) -> list[int]:
    """Choices of a player that is told outcomes after some more decisions, by no certain order."""
    table = outcomes_of(scenario)
    rounds = len(table.score)
    resolved = scenario.resolve(rounds, 1)
    picks: list[int] = []
    known = 0
    for now in range(rounds):
        if now % (rounds // STAGES) == 0:
            while known < MODELS and resolved.arrival[known] <= now:
                player.add(float(resolved.limit[known]))
                known += 1
            player.open_stage()
        if restarts and now % (rounds // 7) == 100:
            other = Player(player.setting)
            other.restore(player.snapshot())
            player = other
        x = None if table.features is None else table.features[now]
        picks.append(player.decide(0, x).model)
        due = now - delay
        if due >= 0 and picks[due] >= 0:
            tell(player, table, due, picks[due])
    return picks


def tell(player: Player, table: Recorded, number: int, model: int) -> None:
    reward, cost = float(table.score[number, model]), float(table.cost[number, model])
    x = None if table.features is None else table.features[number]
    if not player.setting.apart:
        player.observe(Observation(number, model, reward, cost, 0, x))
        return
    player.observe(Observation(number, model, None, cost, 0, None))
    player.observe(Observation(number, model, reward, None, 0, None))


@pytest.mark.parametrize("name", SOME_BY_DEFAULT)
def test_choices_are_those_of_a_simulation(name):
    policy = OWN.get(name) or fr.policy(name)
    scenario = world(recorded())
    expected = simulated(scenario, policy)
    assert len(set(expected)) > 2
    assert played(player_of(scenario, policy, apart=False), scenario, restarts=True) == expected


@pytest.mark.parametrize("name", SOME_BY_DEFAULT)
def test_rewards_and_costs_learnt_apart_at_once_are_learnt_together(name):
    policy = OWN.get(name) or fr.policy(name)
    scenario = world(recorded())
    expected = simulated(scenario, policy)
    assert played(player_of(scenario, policy, apart=True), scenario, restarts=True) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ONLINE, *OWN])
def test_more_than_a_hundred_thousand_decisions_are_those_of_a_simulation(name):
    """With restarts in the middle."""
    policy = OWN.get(name) or fr.policy(name)
    scenario = world(recorded(rounds=120_000))
    player = player_of(scenario, policy, apart=True)
    assert played(player, scenario, restarts=True) == simulated(scenario, policy)


@pytest.mark.parametrize("name", ["stageroute", "thompson", "pacer", "elimination", "forced"])
def test_late_outcomes_are_learnt_as_in_a_world_with_delays(name):
    policy = OWN.get(name) or fr.policy(name)
    scenario = world(recorded(), reward_delay=30, cost_delay=30)
    expected = simulated(scenario, policy)
    assert played(player_of(scenario, policy, apart=False), scenario, 30) == expected


@pytest.mark.parametrize("estimator", [fr.Linear(), fr.LinearThompson()])
def test_features_of_the_query_are_read(estimator):
    policy = fr.policy("stageroute", estimator=estimator)
    scenario = world(recorded(features=5))
    expected = simulated(scenario, policy)
    player = player_of(scenario, policy, apart=False, features=5)
    assert played(player, scenario, restarts=True) == expected


def test_propensities_are_the_shares_of_the_drawn_models():
    policy = fr.policy("epsilon_greedy")
    scenario = world(recorded())
    player = player_of(scenario, policy, apart=True)
    for _ in range(5):
        player.add(0.5)
    player.open_stage()
    for now in range(200):
        made = player.decide()
        assert sum(made.shares) == pytest.approx(1.0)
        assert made.propensity == made.shares[player.deployed.index(made.model)]
        tell(player, outcomes_of(scenario), now, made.model)


@pytest.mark.parametrize("estimator", [fr.Linear(), fr.UCB()])
def test_a_model_that_left_is_learnt_of_as_one_that_stayed(estimator):
    """What is observed late is the same knowledge, whether the model is deployed or not."""
    policy = fr.policy("stageroute", estimator=estimator)
    table: Any = recorded(features=3)
    known = []
    for sets in ([0, 1], [1, 2]):
        player = player_of(world(table), policy, apart=False, features=3)
        for _ in range(3):
            player.add(1.0)
        player.open_stage([0, 1])
        picks = [player.decide(0, table.features[now]).model for now in range(20)]
        player.open_stage(sets)
        player.decide(0, table.features[20])
        for now, model in enumerate(picks):
            tell(player, table, now, model)
        player.open_stage([0, 1])
        kept = player.snapshot()
        known.append([kept["seen"], kept["contexts"]])
    for one, other in zip(*known, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["contextual", "contextual_drift"])
def test_tasks_of_the_query_are_read(name):
    """A world that draws tasks and rewards: what it draws is told to the player."""
    policy = fr.policy(name)
    rng = np.random.default_rng(2)
    weight, mean = np.array([5.0, 3.0, 2.0]), rng.random((3, MODELS))
    cost = np.linspace(0.5, 3.0, MODELS)
    scenario = Scenario(
        cost_mean=cost,
        limit=0.5,
        reward=fr.ByTask(weight, mean),
        cost=fr.FixedCost(),
    )
    run = fr.simulate(
        scenario,
        policy,
        horizon=ROUNDS,
        budget=1.3,
        max_deployed=SLOTS,
        stages=STAGES,
        trials=1,
        seed=11,
        trace=True,
        backend="numba",
    )
    resolved = scenario.resolve(ROUNDS, 1)
    law = resolved.reward
    setting = player_of(world(recorded()), policy, apart=False).setting
    player = Player(setting._replace(tasks=3, cost_range=(resolved.cost_min, resolved.cost_max)))
    for _ in range(MODELS):
        player.add(0.5)
    picks = []
    for now in range(ROUNDS):
        if now % (ROUNDS // STAGES) == 0:
            player.open_stage()
        _, u_reward, _, u_task = uniforms(11, now, 0, 0, STREAM_ROUND)
        task = task_of(u_task, law)
        model = player.decide(task).model
        picks.append(model)
        reward = float(u_reward < mean[task, model])
        player.observe(Observation(now, model, reward, float(cost[model]), task, None))
    assert picks == run.picks[0].tolist()
