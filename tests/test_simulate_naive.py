"""`simulate` against StageRoute written again from its definition, on the same draws."""

from itertools import pairwise

import numpy as np
import pytest

import fastroute as fr
from fastroute.scenarios import Scenario
from naive import NaiveRun, naive_stageroute, naive_ucb


def check(scenario: Scenario, *, trial: int = 0, **settings: int | float) -> NaiveRun:
    """Play both, compare deployed sets and picks, and return the naive run."""
    length = -(-int(settings["horizon"]) // int(settings["stages"]))
    load_rounds = int(settings.get("load_rounds", 0))
    mine = naive_stageroute(
        scenario,
        horizon=int(settings["horizon"]),
        budget=float(settings["budget"]),
        max_deployed=int(settings["max_deployed"]),
        stage_length=length,
        gamma=float(settings["gamma"]),
        seed=int(settings["seed"]),
        trial=trial,
        load_rounds=load_rounds,
    )
    for backend in ("numba", "ref"):
        theirs = fr.simulate(
            scenario,
            fr.policy("stageroute", gamma=settings["gamma"]),
            horizon=int(settings["horizon"]),
            budget=float(settings["budget"]),
            max_deployed=int(settings["max_deployed"]),
            stages=int(settings["stages"]),
            seed=int(settings["seed"]),
            trials=trial + 1,
            backend=backend,
            trace=True,
            load_rounds=load_rounds,
        )
        sets = [[m for m in row if m >= 0] for row in theirs.stage_sets[:, trial].tolist()]
        assert sets == mine.sets, backend
        assert theirs.picks[trial].tolist() == mine.picks, backend
        prices = theirs.stages.filter(trial=trial)["budget_price"].to_list()
        assert prices == pytest.approx(mine.prices, abs=1e-6)
    return mine


def test_binding_budget_and_arrivals() -> None:
    scenario = Scenario(
        [0.43, 0.71, 0.58, 0.86, 0.64],
        [0.37, 1.13, 0.71, 1.64, 0.52],
        limit=[0.7, 0.6, 0.5, 0.45, 0.55],
        arrival=[0, 0, 0, 101, 180],
        retirement=[None, 210, None, None, None],
    )
    mine = check(scenario, horizon=360, stages=6, budget=0.75, max_deployed=4, gamma=0.05, seed=11)
    # The instance is worth the time only if the budget binds and sets change.
    assert max(mine.prices) > 0.1
    assert len({tuple(s) for s in mine.sets}) > 2


def test_new_models_that_have_to_load() -> None:
    scenario = Scenario(
        [0.43, 0.71, 0.58, 0.86, 0.64],
        [0.37, 1.13, 0.71, 1.64, 0.52],
        limit=[0.7, 0.6, 0.45, 0.4, 0.5],
        arrival=[0, 0, 0, 101, 180],
        retirement=[None, 210, None, None, None],
    )
    mine = check(
        scenario,
        horizon=360,
        stages=9,
        budget=0.75,
        max_deployed=3,
        gamma=0.05,
        seed=11,
        load_rounds=12,
    )
    assert [t for t, pick in enumerate(mine.picks) if pick < 0] == list(range(12))
    # Models are left behind and come back, and what serves meanwhile does so within its limits or
    # beyond them.
    assert len({tuple(s) for s in mine.sets}) > 2
    kept = [set(a) & set(b) for a, b in pairwise(mine.sets) if a != b]
    capacity = [scenario.limit[sorted(both)].sum() for both in kept]
    assert min(capacity) < 1.0 < max(capacity)


def test_cap_that_cuts_the_relaxation() -> None:
    scenario = Scenario(
        [0.43, 0.71, 0.58, 0.86, 0.64],
        [0.37, 1.13, 0.71, 1.64, 0.52],
        limit=[0.52, 0.48, 0.57, 0.44, 0.61],
    )
    mine = check(
        scenario, horizon=320, stages=8, budget=0.7, max_deployed=2, gamma=0.02, seed=5, trial=1
    )
    assert any(mine.capped)
    assert not all(mine.capped)


def test_slots_left_for_the_fill() -> None:
    scenario = Scenario(
        [0.55, 0.35, 0.75, 0.65, 0.45, 0.85],
        [0.41, 0.23, 1.17, 0.83, 0.31, 1.59],
        arrival=[0, 0, 0, 0, 0, 77],
    )
    mine = check(scenario, horizon=300, stages=10, budget=0.6, max_deployed=4, gamma=0.01, seed=23)
    assert all(len(s) == 4 for s in mine.sets)
    assert max(mine.prices) > 0.05
    assert set(mine.picks) == set(range(6))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_random_instances(seed: int) -> None:
    draw = np.random.default_rng(seed)
    size = int(draw.integers(3, 7))
    cost = draw.uniform(0.2, 2.0, size)
    cost[0] = 0.2
    scenario = Scenario(
        draw.uniform(0.1, 0.95, size),
        cost,
        limit=draw.uniform(0.55, 1.0, size),
        arrival=np.where(np.arange(size) < 2, 0, draw.integers(0, 200, size)),
    )
    check(
        scenario,
        horizon=300,
        stages=int(draw.integers(1, 9)),
        budget=float(draw.uniform(0.2 + cost[1], 1.6)) if cost[1] < 1.3 else 1.6,
        max_deployed=int(draw.integers(2, size + 1)),
        gamma=float(draw.choice([0.005, 0.05, 0.5])),
        seed=seed,
    )


@pytest.mark.parametrize("gamma", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("cost_law", ["fixed", "uniform"])
def test_one_model_at_a_time_is_a_plain_ucb_rule(gamma: float, cost_law: str) -> None:
    # limit 1, all models deployed in one stage, slack budget: the LP puts all mass on one model.
    scenario = fr.scenario("static", n_models=6)
    budget = 1.0
    if cost_law == "uniform":
        scenario = Scenario(scenario.reward_mean, np.linspace(0.5, 1.5, 6))
        budget = 2.5
    for backend, horizon in (("numba", 3_000), ("ref", 500)):
        run = fr.simulate(
            scenario,
            fr.policy("stageroute", gamma=gamma),
            horizon=horizon,
            budget=budget,
            max_deployed=6,
            stages=1,
            trials=2,
            seed=8,
            backend=backend,
            trace=True,
        )
        for trial in range(2):
            picks = naive_ucb(scenario, horizon=horizon, gamma=gamma, seed=8, trial=trial)
            assert run.picks[trial].tolist() == picks, backend
