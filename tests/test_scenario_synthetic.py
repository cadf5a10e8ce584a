"""minimax, discovery and random: their shape, their optimum, where their arrivals lie."""

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import kstest, spearmanr

import fastroute as fr
from fastroute.kernels import codes
from fastroute.kernels.ref import rng
from fastroute.scenarios import SCENARIOS, Scenario, scenario
from fastroute.scenarios.minimax import arrivals_of
from fastroute.scenarios.placement import instance_draws, place_arrivals, stage_length
from fastroute.simulation.plan import resolve_rules
from fastroute.simulation.settings import Settings


def oracle(world: Scenario, **settings: Any) -> pl.DataFrame:
    """Trials of the oracle, all of whose regret must be discovery."""
    run = fr.simulate(world, fr.policy("oracle"), **{"budget": 1.0, "max_deployed": 3, **settings})
    np.testing.assert_allclose(run.trials["deployment"], 0.0, atol=1e-9)
    np.testing.assert_allclose(run.trials["routing"], 0.0, atol=1e-7)
    return run.trials


# Draws and placement.


def test_instance_draws_are_those_of_the_reference_generator() -> None:
    draws = instance_draws(2**63 + 5, 3, 6, 1)
    plain = rng.uniform_table(2**63 + 5, 1, 0, codes.STREAM_INSTANCE, 3, 6)
    np.testing.assert_array_equal(draws, plain + 2.0**-33)


@given(
    horizon=st.integers(1, 10**6),
    rule=st.one_of(
        st.integers(1, 1000),
        st.sampled_from(["T^(1/3)", "T^0.5", " T^(0.4) ", "T^1", "T^(3/2)", "T^.2", "T^( 2 / 3 )"]),
    ),
)
def test_stages_are_as_long_as_those_of_a_run(horizon: int, rule: int | str) -> None:
    if isinstance(rule, int):
        rule = min(rule, horizon)
    world = fr.scenario("static", n_models=7).resolve(horizon, 1)
    settings = Settings(horizon=horizon, budget=1.0, max_deployed=3, stages=rule)
    assert stage_length(rule, horizon) == -(-horizon // resolve_rules(settings, world)[1])


def test_regular_arrivals_cut_the_time_into_equal_parts() -> None:
    place = place_arrivals("regular", 2, 3, until=0.8, horizon=None, stages=1, seed=0)
    np.testing.assert_allclose(place.arrival, [0.0, 0.0, 0.2, 0.4, 0.6])
    assert place.arrival_unit == "horizon"


def test_random_arrivals_are_sorted_uniform_and_a_function_of_the_seed() -> None:
    def place(seed: int, count: int) -> Any:
        return place_arrivals(
            "random", 1, count, until=0.5, horizon=None, stages=1, seed=seed
        ).arrival

    many = place(3, 500)[1:]
    assert (np.diff(many) > 0.0).all()
    assert kstest(many / 0.5, "uniform").pvalue > 0.001
    np.testing.assert_array_equal(place(3, 20), place(3, 20))
    assert not np.array_equal(place(3, 20), place(4, 20))


@given(
    horizon=st.integers(2, 10**7),
    stages=st.floats(0.05, 0.95),
    coming=st.integers(1, 60),
    until=st.floats(0.1, 1.0),
)
def test_adversarial_arrivals_come_one_round_after_an_opening(
    horizon: int, stages: float, coming: int, until: float
) -> None:
    rule = f"T^{stages:.4f}"
    length = stage_length(rule, horizon)
    late = place_arrivals(
        "adversarial", 1, coming, until=until, horizon=horizon, stages=rule, seed=0
    ).arrival[1:]
    usual = place_arrivals("regular", 1, coming, until=until, horizon=None, stages=1, seed=0)
    assert ((late % length == min(1, length - 1)) | (late == horizon - 1)).all()
    # In the stage of the regular arrival, as long as that stage has a second round.
    stage = np.floor(usual.arrival[1:] * horizon + 1e-9) // length
    same = (late // length == stage) | (late == stage * length + 1)
    assert (same | (late == horizon - 1)).all()
    assert (late < horizon).all()


# discovery


@pytest.mark.parametrize(
    ("horizon", "stages"), [(1000, 10), (1000, "T^(1/3)"), (12_345, "T^(1/3)"), (40_000, "T^0.5")]
)
def test_discovery_costs_the_oracle_the_rest_of_a_stage_for_each_arrival(
    horizon: int, stages: int | str
) -> None:
    world = scenario("discovery", horizon=horizon, stages=stages, n_arrivals=5, gap=0.07)
    trials = oracle(world, horizon=horizon, stages=stages, trials=2)
    wait = stage_length(stages, horizon) - 1
    np.testing.assert_allclose(trials["regret"], 5 * 0.07 * wait, rtol=1e-10)
    np.testing.assert_allclose(trials["discovery"], 5 * 0.07 * wait, rtol=1e-10)


def test_discovery_on_time_costs_nothing() -> None:
    # Four arrivals cut 1,000 rounds into five stages: none has to wait.
    world = scenario("discovery", arrivals="regular")
    assert oracle(world, horizon=1000, stages=5, trials=1)["regret"][0] == pytest.approx(0.0)


def test_discovery_rises_by_the_gap_with_each_arrival() -> None:
    world = scenario("discovery", horizon=1000, n_arrivals=6, gap=0.1, base=0.4)
    np.testing.assert_allclose(world.reward_mean, np.arange(4, 11) / 10)
    assert world.horizon == 1000


# minimax


def test_number_of_arrivals_is_the_exact_ceiling_of_the_cube_root() -> None:
    for root in (*range(1, 300), 999, 1000):
        assert arrivals_of(root**3) == root
        assert arrivals_of(root**3 + 1) == root + 1
        if root > 1:
            assert arrivals_of(root**3 - 1) == root


@pytest.mark.parametrize("horizon", [64, 1000, 50_000])
def test_minimax_arrivals_are_one_gap_from_the_incumbent(horizon: int) -> None:
    world = scenario("minimax", horizon=horizon, trials=40, gap_scale=0.4, base=0.3)
    gap = 0.4 * horizon ** (-1 / 3)
    reward = world.reward_mean
    assert reward.shape == (40, arrivals_of(horizon) + 1)
    incumbent = np.maximum.accumulate(reward, axis=1)[:, :-1]
    np.testing.assert_allclose(np.abs(reward[:, 1:] - incumbent), gap, rtol=1e-9)
    np.testing.assert_array_equal(reward[:, 0], 0.3)


def test_minimax_signs_are_fair_coins_of_trial_and_arrival() -> None:
    world = scenario("minimax", horizon=27_000, trials=400, seed=9)
    incumbent = np.maximum.accumulate(world.reward_mean, axis=1)[:, :-1]
    better = world.reward_mean[:, 1:] > incumbent
    assert better.size == 400 * 30
    # Five standard errors: of all coins, of each arrival's, and of the agreement of neighbours.
    assert abs(better.mean() - 0.5) < 5 * 0.5 / better.size**0.5
    assert np.abs(better.mean(axis=0) - 0.5).max() < 5 * 0.5 / 400**0.5
    assert abs((better[:, 1:] == better[:, :-1]).mean() - 0.5) < 5 * 0.5 / (400 * 29) ** 0.5


def test_minimax_costs_the_oracle_each_gap_until_the_next_stage() -> None:
    horizon, stages = 8000, 20
    world = scenario("minimax", horizon=horizon, trials=12, seed=4, arrivals="random")
    trials = oracle(world, horizon=horizon, stages=stages, trials=12)
    arrival = world.resolve(horizon, 12).arrival
    length = stage_length(stages, horizon)
    wait = np.minimum(-(-arrival // length) * length, horizon) - arrival
    risen = np.diff(np.maximum.accumulate(world.reward_mean, axis=1), axis=1)
    np.testing.assert_allclose(trials["regret"], risen @ wait[1:], rtol=1e-9)


# random


def test_random_instances_have_the_difficulty_asked_for() -> None:
    world = scenario("random", trials=50, n_models=30, best=0.8, gap=0.07, worst=0.2)
    ranked = np.sort(world.reward_mean, axis=1)
    np.testing.assert_allclose(ranked[:, -1], 0.8)
    np.testing.assert_allclose(ranked[:, -2], 0.73)
    assert ranked.min() >= 0.2
    assert kstest((ranked[:, :-2].ravel() - 0.2) / 0.53, "uniform").pvalue > 0.001
    # Any model can be the best.
    assert np.unique(world.reward_mean.argmax(axis=1)).size > 15


def test_random_prices_are_log_uniform_and_the_start_is_cheap() -> None:
    world = scenario("random", trials=200, n_models=40, price_ratio=50.0, limit=0.4)
    np.testing.assert_array_equal(world.cost_mean[:, :3], 1.0)
    log = np.log(world.cost_mean[:, 3:]) / np.log(50.0)
    assert log.min() >= 0.0
    assert log.max() <= 1.0
    assert kstest(log.ravel(), "uniform").pvalue > 0.001
    assert world.cost_range == (0.5, 75.0)


@pytest.mark.parametrize("correlation", [-1.0, -0.5, 0.0, 0.6, 1.0])
def test_random_price_is_correlated_with_quality(correlation: float) -> None:
    world = scenario("random", trials=60, n_models=203, correlation=correlation)
    found = [
        spearmanr(reward[3:], cost[3:]).statistic
        for reward, cost in zip(world.reward_mean, world.cost_mean, strict=True)
    ]
    # Rank correlation of a normal copula; 60 x 200 pairs leave a standard error below 0.01.
    expected = 6 / np.pi * np.arcsin(correlation / 2)
    assert np.mean(found) == pytest.approx(expected, abs=0.04)


def test_random_limits_are_one_number_or_drawn_in_a_range() -> None:
    np.testing.assert_array_equal(scenario("random", trials=1).limit, np.full(20, 0.4))
    drawn = scenario("random", trials=2, n_models=400, limit=(0.25, 0.6)).limit
    assert kstest((drawn - 0.25) / 0.35, "uniform").pvalue > 0.001
    listed = scenario("random", trials=9, n_models=400, limit=[0.25, 0.6]).limit
    np.testing.assert_array_equal(listed, drawn)


def test_value_of_random_pools_is_that_of_a_general_solver() -> None:
    trials, models, budget = 6, 12, 2.5
    world = scenario("random", trials=trials, n_models=models, initial=5, limit=(0.25, 0.6))
    # As many slots as models: the deployment problem is a linear program.
    settings: dict[str, Any] = {
        "horizon": 130,
        "stages": 13,
        "budget": budget,
        "max_deployed": models,
    }
    run = fr.simulate(world, fr.policy("oracle"), trials=trials, **settings)
    arrival = world.resolve(130, trials).arrival
    value = run.stages.sort("trial", "stage")["pool_value"].to_numpy().reshape(trials, 13)
    for trial in range(trials):
        for stage in range(13):
            there = arrival <= 10 * stage
            found = linprog(
                -world.reward_mean[trial, there],
                A_ub=world.cost_mean[trial, there][None],
                b_ub=[budget],
                A_eq=np.ones((1, there.sum())),
                b_eq=[1.0],
                bounds=[(0.0, limit) for limit in world.limit[there]],
            )
            assert value[trial, stage] == pytest.approx(-found.fun, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [("minimax", {"horizon": 1000}), ("random", {}), ("random", {"limit": (0.3, 0.5)})],
)
def test_a_trial_does_not_depend_on_how_many_there_are(name: str, options: dict[str, Any]) -> None:
    few, many = (scenario(name, trials=n, seed=5, **options) for n in (3, 70))
    np.testing.assert_array_equal(few.reward_mean, many.reward_mean[:3])
    np.testing.assert_array_equal(
        few.cost_mean, many.cost_mean[:3] if many.cost_mean.ndim > 1 else many.cost_mean
    )
    assert few.cost_range == many.cost_range
    np.testing.assert_array_equal(few.limit, many.limit)
    other = scenario(name, trials=3, seed=6, **options)
    assert not np.array_equal(few.reward_mean, other.reward_mean)
    settings: dict[str, Any] = {"horizon": 1000, "budget": 2.0, "max_deployed": 4, "seed": 1}
    runs = [
        fr.simulate(world, fr.policy("stageroute"), trials=world.instances, **settings)
        for world in (few, many)
    ]
    assert runs[0].trials["regret"].to_list() == runs[1].trials["regret"].to_list()[:3]


# All of them.


@pytest.mark.parametrize("arrivals", ["regular", "random", "adversarial"])
@pytest.mark.parametrize("name", ["minimax", "discovery", "random"])
def test_512_models_can_be_run(name: str, arrivals: str) -> None:
    horizon = 2500
    sizes: dict[str, dict[str, Any]] = {
        "minimax": {"horizon": 511**3, "trials": 2},
        "discovery": {"horizon": horizon, "n_arrivals": 511, "gap": 0.001},
        "random": {"horizon": horizon, "trials": 2, "n_models": 512},
    }
    world = scenario(name, arrivals=arrivals, **sizes[name])
    assert world.n_models == 512
    assert (np.diff(world.arrival) >= 0).all()
    if name == "minimax":
        # A run has 133 million rounds: here only its world is looked at.
        assert world.resolve(511**3, 2).reward_mean.shape == (2, 512)
        return
    settings: dict[str, Any] = {"horizon": horizon, "budget": 2.0, "max_deployed": 5, "trials": 2}
    regret = oracle(world, **settings)["regret"]
    assert (regret > 0.0).all()
    learned = fr.simulate(world, fr.policy("stageroute"), **settings).trials
    assert (learned["priced_regret"].to_numpy() > 0.0).all()


def test_static_with_512_models_has_the_optimum_it_says() -> None:
    world = scenario("static", n_models=512, limit=0.25)
    run = fr.simulate(world, fr.policy("oracle"), horizon=100, budget=1.0, max_deployed=4, trials=1)
    assert run.stages["pool_value"][0] == pytest.approx(0.25 * 0.6 + 0.75 * 0.5)


def test_another_horizon_is_refused() -> None:
    for name, options in (("minimax", {"trials": 2}), ("discovery", {})):
        world = scenario(name, horizon=1000, **options)
        with pytest.raises(ValueError, match=r"horizon=999 but scenario .* horizon=1000; build it"):
            world.resolve(999, 2)


def test_another_number_of_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="trials=5 but the scenario has 4 instances"):
        scenario("random", trials=4).resolve(100, 5)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("minimax", {"trials": 2}, ["'minimax'", "'horizon'"]),
        ("minimax", {"horizon": 1000}, ["'minimax'", "'trials'"]),
        ("minimax", {"horizon": 0, "trials": 1}, ["horizon=0"]),
        ("minimax", {"horizon": 10, "trials": 0}, ["trials=0"]),
        ("minimax", {"horizon": 1000, "trials": 1, "gap_scale": 0.9}, ["gap_scale=0.9", "1.15"]),
        ("minimax", {"horizon": 2, "trials": 1}, ["horizon=2", "longer horizon"]),
        ("minimax", {"horizon": 1000, "trials": 1, "gap_scale": 0}, ["gap_scale=0", "> 0"]),
        ("minimax", {"horizon": 1000, "trials": 1, "seed": -1}, ["seed=-1"]),
        ("minimax", {"horizon": 1000, "trials": 1, "seed": 2**64}, ["seed=1844", "2**64"]),
        ("discovery", {}, ["horizon=None", "arrivals='adversarial'"]),
        ("discovery", {"horizon": 100, "gap": 0.2}, ["gap=0.2", "1.2", "gap <= 0.15"]),
        ("discovery", {"horizon": 100, "n_arrivals": 0}, ["n_arrivals=0"]),
        ("discovery", {"horizon": 100, "stages": "T^"}, ["stages='T^'", "T^(1/3)"]),
        ("discovery", {"horizon": 100, "stages": "T^(1/0)"}, ["stages='T^(1/0)'"]),
        ("discovery", {"horizon": 100, "stages": "theory"}, ["stages='theory'"]),
        ("discovery", {"horizon": 100, "stages": 101}, ["stages=101", "horizon=100"]),
        ("discovery", {"horizon": 100, "stages": 0}, ["stages=0"]),
        ("discovery", {"horizon": 100, "until": 0.0}, ["until=0.0", "(0, 1]"]),
        ("discovery", {"arrivals": "late"}, ["arrivals='late'", "regular"]),
        ("discovery", {"horizon": 100, "cost": float("inf")}, ["cost=inf"]),
        ("random", {}, ["'random'", "'trials'"]),
        ("random", {"trials": 1, "n_models": 1}, ["n_models=1"]),
        ("random", {"trials": 1, "initial": 21}, ["initial=21", "n_models=20"]),
        ("random", {"trials": 1, "gap": 0.85}, ["worst=0.1", "0.05"]),
        ("random", {"trials": 1, "correlation": 1.1}, ["correlation=1.1"]),
        ("random", {"trials": 1, "price_ratio": 0.5}, ["price_ratio=0.5", ">= 1"]),
        ("random", {"trials": 1, "limit": 0.15}, ["limit=0.15", "7 models", "initial >= 7"]),
        ("random", {"trials": 1, "limit": (0.5, 0.3)}, ["limit=(0.5, 0.3)", "low <= high"]),
        ("random", {"trials": 1, "limit": (0.5,)}, ["limit=(0.5,)", "pair"]),
        ("random", {"trials": 1, "cost": fr.Lognormal(0.5)}, ["cost=Lognormal", "uniform"]),
        ("random", {"trials": 1, "arrivals": "adversarial"}, ["horizon=None"]),
    ],
)
def test_bad_options_are_refused(name: str, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        scenario(name, **options)
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize("name", ["minimax", "discovery", "random"])
def test_their_notes_say_that_they_are_synthetic(name: str) -> None:
    assert name in SCENARIOS
    options = {"horizon": 1000, **({} if name == "discovery" else {"trials": 2})}
    world = scenario(name, **options)
    assert world.name == name
    assert world.note.startswith("synthetic")
    assert all(a <= b for a, b in pairwise(world.arrival.tolist()))


def test_a_word_for_the_number_of_features_hints_at_its_option() -> None:
    with pytest.raises(ValueError, match="no option 'dim'; did you mean 'd'"):
        fr.scenario("linear", dim=3)
