"""What became of each model, what the last half of the stages cost, and parts of a run."""

from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.scenarios import Scenario
from fastroute.scenarios.optimum import optimum
from fastroute.simulation import api
from fastroute.simulation.api import simulate_part
from fastroute.simulation.merge import concatenate
from fastroute.simulation.settings import Settings
from naive import SMALL_WORLDS


@pytest.mark.parametrize("world", ["retirement", "table", "instances"])
@pytest.mark.parametrize("policy", ["stageroute", "uniform", "oracle"])
def test_models_are_counted_as_they_were_played(policy: str, world: str) -> None:
    scenario, budget, max_deployed = SMALL_WORLDS[world]()
    trials = max(scenario.instances, 2)
    run = fr.simulate(
        scenario,
        fr.policy(policy),
        horizon=900,
        budget=budget,
        max_deployed=max_deployed,
        trials=trials,
        trace=True,
    )
    models = run.models
    assert models["name"].to_list() == list(scenario.models)
    assert models["model"].to_list() == list(range(scenario.n_models))
    resolved = scenario.resolve(900, trials)
    assert models["arrival"].to_list() == resolved.arrival.tolist()
    assert models["retirement"].to_list() == resolved.retirement.tolist()
    np.testing.assert_allclose(models["reward_mean"], resolved.reward_mean.mean(axis=0))
    np.testing.assert_allclose(models["cost_mean"], resolved.cost_mean.mean(axis=0))
    share = np.stack([(run.picks == m).mean(axis=1) for m in range(scenario.n_models)])
    np.testing.assert_allclose(models["share"], share.mean(axis=1), atol=1e-12)
    se = share.std(axis=1, ddof=1) / np.sqrt(trials)
    np.testing.assert_allclose(models["share_se"], se, atol=1e-8)
    there = np.stack([(run.stage_sets == m).any(axis=2).mean(axis=0) for m in range(len(share))])
    np.testing.assert_allclose(models["deployed"], there.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(models["oracle_share"].to_numpy().sum(), 1.0, atol=1e-9)
    if policy == "oracle":
        # Draws scatter around the shares of the optimum.
        np.testing.assert_allclose(models["share"], models["oracle_share"], atol=0.05)


def test_deployed_sets_are_named() -> None:
    scenario = Scenario(
        [0.6, 0.9], [1.0, 1.0], models=["old", "new"], arrival=[0, 25], cost="fixed"
    )
    run = fr.simulate(
        scenario, fr.policy("oracle"), horizon=100, stages=4, budget=1.0, max_deployed=1, trials=2
    )
    assert run.stages.filter(trial=1)["deployed_names"].to_list() == [["old"], *[["new"]] * 3]
    assert run.models["share"].to_list() == [0.25, 0.75]
    assert run.models["oracle_share"].to_list() == [0.25, 0.75]
    assert run.models["deployed"].to_list() == [0.25, 0.75]
    assert run.models["share_se"].to_list() == [0.0, 0.0]


def test_a_single_trial_has_no_standard_errors() -> None:
    run = fr.simulate(
        fr.scenario("static", n_models=3),
        fr.policy("uniform"),
        horizon=50,
        budget=2.0,
        max_deployed=3,
        trials=1,
    )
    assert run.models["share_se"].null_count() == 3


LATE: dict[str, Any] = {"horizon": 1_000, "budget": 0.6, "max_deployed": 2, "trials": 64}


def late_world() -> Scenario:
    """A dear and better model comes at half time; before, everything is cheap."""
    return Scenario([0.5, 1.0], [0.1, 1.0], arrival=[0, 500], cost="fixed")


def test_a_cheap_start_does_not_hide_a_dear_end() -> None:
    run = fr.simulate(late_world(), fr.policy("greedy"), stages=10, **LATE)
    stages = run.stages.filter(trial=0)
    assert (run.finals["violation"] == 0.0).all()
    late = stages.filter(stages["stage"] >= 5)["spend"].to_numpy().mean()
    np.testing.assert_allclose(run.finals["late_cost"][0], late)
    assert late > 0.6
    (warning,) = [text for text in run.warnings if "above the budget" in text]
    assert "over the last half of the stages, after a cheaper start" in warning


def test_the_middle_stage_belongs_to_the_last_half() -> None:
    # Stages open at 0, 334 and 668; the dear model is deployed in the third.
    run = fr.simulate(late_world(), fr.policy("oracle"), stages=3, **LATE)
    spend = run.stages.filter(trial=0)["spend"].to_numpy()
    np.testing.assert_allclose(
        run.finals["late_cost"][0], (334 * spend[1] + 332 * spend[2]) / 666, rtol=1e-12
    )


def test_overspending_of_the_whole_run_is_a_warning_and_that_of_the_oracle_is_chance() -> None:
    scenario = Scenario([0.5, 1.0], [0.1, 1.0], cost="fixed")
    run = fr.simulate(scenario, fr.policy("greedy"), **LATE)
    (warning,) = [text for text in run.warnings if "above the budget" in text]
    assert warning.startswith("The mean cost is ")
    assert warning.endswith("Compare the priced regret, which charges it.")
    run = fr.simulate(scenario, fr.policy("oracle"), **LATE)
    assert not [text for text in run.warnings if "above the budget" in text]


def test_priced_regret_below_zero_is_a_warning() -> None:
    # What is saved while only the cheap model is there is spent on the better one later.
    scenario = Scenario([0.5, 0.9], [0.1, 1.0], arrival=[0, 500], cost="fixed")
    run = fr.simulate(scenario, fr.policy("greedy"), stages=10, **LATE)
    assert run.finals["priced_regret"].mean() < 0.0
    assert [text for text in run.warnings if text.startswith("The priced regret is below zero")]
    run = fr.simulate(scenario, fr.policy("oracle"), stages=10, **LATE)
    assert not [text for text in run.warnings if "below zero" in text]


INSTANCES: dict[str, Any] = {"horizon": 200, "budget": 2.0, "max_deployed": 3, "trials": 200}


def test_a_part_solves_the_optimum_of_its_own_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = fr.scenario("random", trials=200, n_models=6)
    policy = fr.policy("stageroute")
    solved: list[int] = []

    def counting(world: Any, *rest: Any) -> Any:
        solved.append(len(world.reward_mean))
        return optimum(world, *rest)

    monkeypatch.setattr(api, "optimum", counting)
    cuts = [(0, 64), (64, 128), (128, 129), (129, 200)]
    parts = [
        simulate_part(scenario, policy, Settings(**INSTANCES), *cut, keep_stages=True).accounts
        for cut in cuts
    ]
    assert solved == [64, 64, 1, 71]
    whole = fr.simulate(scenario, policy, **INSTANCES)
    joined = concatenate(parts)
    for name, values in whole.finals.items():
        np.testing.assert_array_equal(joined.finals[name], values, name)
    np.testing.assert_array_equal(joined.models.values, whole.model_account.values)
    np.testing.assert_array_equal(joined.curves, whole.curve_array)


def test_a_rule_for_the_budget_is_about_all_instances() -> None:
    scenario = fr.scenario("random", trials=100, n_models=6)
    settings = {**INSTANCES, "budget": "0.5 * slack", "trials": 100}
    whole = fr.simulate(scenario, fr.policy("uniform"), **settings)
    part = simulate_part(
        scenario, fr.policy("uniform"), Settings(**settings), 64, 100, keep_stages=True
    )
    assert part.settings["budget"] == whole.settings["budget"]


def test_pools_that_nothing_serves_are_counted_for_each_trial() -> None:
    # When the wide model is gone, only the trials whose second model is cheap stay in budget.
    cost = np.array([[0.5, 0.4], [0.5, 3.0], [0.5, 0.4]])
    scenario = Scenario(
        np.full((3, 2), 0.5), cost, retirement=[50, None], cost="fixed", cost_range=(0.1, 3.0)
    )
    settings: dict[str, Any] = {"horizon": 100, "stages": 2, "budget": 1.0, "max_deployed": 2}
    run = fr.simulate(scenario, fr.policy("uniform"), trials=3, **settings)
    (warning,) = [text for text in run.warnings if "pools" in text]
    assert warning.startswith("In up to 1 of 2 pools no distribution meets the budget")
    parts = [
        simulate_part(
            scenario,
            fr.policy("uniform"),
            Settings(trials=3, **settings),
            k,
            k + 1,
            keep_stages=True,
        ).accounts
        for k in range(3)
    ]
    assert concatenate(parts).late_pools.tolist() == [0, 1, 0]
