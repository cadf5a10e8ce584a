"""The compiled backend follows the trajectory of the reference, round by round."""

from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.policies import POLICIES, Policy
from fastroute.scenarios import Scenario
from fastroute.simulation import Run
from naive import ANYWHERE, HORIZON, SHORT, SHORT_WORLDS, SMALL_WORLDS, SmallWorld, can_play

OPTIONS: dict[str, dict[str, Any]] = {
    "init=formula": {"init": "formula", "gamma": 0.2},
    "init=prior": {"init": "prior", "init_pulls": 3, "prior_reward": 0.7, "prior_cost": 0.4},
    "init=prior at c_min": {"init": "prior"},
    "init=forced": {"init": "forced", "init_pulls": 4},
    "fill=none": {"fill": "none"},
    "fill=ucb": {"fill": "ucb"},
    "fill=least_pulled": {"fill": "least_pulled"},
    "margin": {"margin": 0.15},
    "resolve_every": {"resolve_every": 7},
    "resolve_every and forced": {"resolve_every": 7, "init": "forced", "init_pulls": 5},
    "gamma=0": {"gamma": 0.0},
    "gamma=theory": {"gamma": "theory"},
    "gamma=scaled": {"gamma": "scaled:0.02", "delta": 0.2},
    "mean": {"estimator": "mean", "init": "forced", "init_pulls": 2},
    "mean, optimistic": {"estimator": "mean"},
    "router=greedy": {"router": "greedy"},
    "router=greedy, lazy": {"router": "greedy", "resolve_every": 3},
    "top": {"deployer": "top"},
    "newest": {"deployer": "newest"},
    "least_pulled": {"deployer": "least_pulled"},
    "random": {"deployer": "random"},
    "truth": {"deployer": "truth", "margin": 0.1},
    "random, uniform, forced": {"deployer": "random", "router": "uniform", "init": "forced"},
    "thompson, forced": {"estimator": "thompson", "init": "forced", "init_pulls": 2},
    "thompson, prior, lazy": {"estimator": "thompson", "init": "prior", "resolve_every": 3},
    "thompson, top, greedy": {"estimator": "thompson", "deployer": "top", "router": "greedy"},
    "thompson, elimination": {"estimator": "thompson", "router": "elimination"},
    "pessimistic": {"estimator": "pessimistic", "gamma": 0.02},
    "discounted": {"estimator": "discounted", "discount": 0.97},
    "discounted, least_pulled": {"estimator": "discounted", "fill": "least_pulled"},
    "kl_ucb": {"estimator": "kl_ucb", "scale": 0.3},
    "kl_ucb, drift": {"estimator": "kl_ucb", "scale": 0.3, "router": "drift_plus_penalty"},
    "kl_ucb, elimination": {"estimator": "kl_ucb", "router": "elimination"},
    "bernstein": {"estimator": "bernstein", "scale": 0.1},
    "bernstein, prior, elimination": {
        "estimator": "bernstein",
        "scale": 0.1,
        "init": "prior",
        "init_pulls": 3,
        "router": "elimination",
    },
    "sliding_window": {"estimator": "sliding_window", "window": 20, "gamma": 0.05},
    "change_detector": {"estimator": "change_detector", "window": 10, "threshold": 0.3},
    "change_detector, forced, screen, drift": {
        "estimator": "change_detector",
        "router": "drift_plus_penalty",
        "window": 10,
        "threshold": 0.3,
        "init": "forced",
        "init_pulls": 2,
        "deployer": "screen",
        "observations": 5,
    },
    "screen": {"deployer": "screen", "slots": 2, "observations": 15},
    "epsilon_greedy": {"router": "epsilon_greedy", "explore": 0.3},
    "epsilon_greedy, always": {"router": "epsilon_greedy", "explore": 1.0},
    "epsilon_greedy, never": {"router": "epsilon_greedy", "explore": 0.0},
    "etc, short": {"router": "explore_then_commit", "explore": 0.1},
    "etc, no exploration": {"router": "explore_then_commit", "explore": 0.0},
    "elimination, mean": {"estimator": "mean", "router": "elimination"},
    "elimination, truth": {"estimator": "truth", "router": "elimination"},
    "elimination, mean, forced": {
        "estimator": "mean",
        "router": "elimination",
        "init": "forced",
        "init_pulls": 40,
    },
    "ratio, truth": {"estimator": "truth", "router": "ratio"},
    "drift, lazy": {"router": "drift_plus_penalty", "weight": 4.0, "resolve_every": 5},
    "pacer, low ceiling": {"router": "pacer", "ceiling": 0.3, "smoothing": 0.5, "margin": 0.2},
    "primal_dual, fast": {"router": "primal_dual", "step": 0.5, "init": "forced"},
}


def run(scenario: Scenario, policy: Policy, backend: str, **settings: Any) -> Run:
    given = {"horizon": HORIZON, "trials": 1, "trace": True, "threads": 1, "checkpoints": 9}
    return fr.simulate(scenario, policy, backend=backend, **{**given, **settings})


def assert_same(scenario: Scenario, policy: Policy, **settings: Any) -> Run:
    """Run both backends and compare everything they report; return the compiled run."""
    plain = run(scenario, policy, "ref", **settings)
    fast = run(scenario, policy, "numba", **settings)
    np.testing.assert_array_equal(fast.stage_sets, plain.stage_sets, "deployed sets")
    np.testing.assert_array_equal(fast.picks, plain.picks, "picks")
    for name, column in plain.finals.items():
        np.testing.assert_allclose(fast.finals[name], column, rtol=1e-9, atol=1e-8, err_msg=name)
    for name, curve in plain.arrays.items():
        np.testing.assert_allclose(fast.arrays[name], curve, rtol=1e-9, atol=1e-8, err_msg=name)
    assert fast.stages["method"].to_list() == plain.stages["method"].to_list()
    assert fast.stages["status"].to_list() == plain.stages["status"].to_list()
    np.testing.assert_allclose(fast.stage_array, plain.stage_array, rtol=1e-8, atol=1e-8)
    assert fast.warnings == plain.warnings
    assert (fast.picks >= -1).all()
    assert (fast.picks < scenario.n_models).all()
    return fast


#: Policies that run in all worlds by default; the others in a few, and in all with ``slow``.
CORE = ("stageroute", "oracle", "uniform")
FEW = ("tasks", "retirement", "instances")


def follow(policy: str, world: SmallWorld, horizon: int) -> None:
    """Let a policy play in a small world on both backends; some worlds have their own horizon."""
    scenario, budget, max_deployed = world
    assert_same(
        scenario,
        fr.policy(policy),
        budget=budget,
        max_deployed=max_deployed,
        trials=scenario.instances,
        horizon=scenario.horizon or horizon,
    )


PLAYED = [(p, w) for p in POLICIES for w in SMALL_WORLDS if can_play(p, w)]


@pytest.mark.parametrize(("policy", "world"), [(p, w) for p, w in PLAYED if p in CORE or w in FEW])
def test_every_policy(policy: str, world: str) -> None:
    follow(policy, SHORT_WORLDS[world](), SHORT)


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "world"), PLAYED)
def test_every_policy_in_every_world(policy: str, world: str) -> None:
    follow(policy, SMALL_WORLDS[world](), HORIZON)


@pytest.mark.parametrize("option", OPTIONS)
def test_options(option: str) -> None:
    scenario, budget, max_deployed = SHORT_WORLDS["retirement"]()
    assert_same(
        scenario,
        fr.policy("stageroute", **OPTIONS[option]),
        budget=budget,
        max_deployed=max_deployed,
        seed=3,
        horizon=SHORT,
    )


@pytest.mark.slow
@pytest.mark.parametrize("world", SMALL_WORLDS)
@pytest.mark.parametrize("option", OPTIONS)
def test_options_in_every_world(option: str, world: str) -> None:
    scenario, budget, max_deployed = SMALL_WORLDS[world]()
    assert_same(
        scenario,
        fr.policy("stageroute", **OPTIONS[option]),
        budget=budget,
        max_deployed=max_deployed,
        trials=2,
        seed=4,
    )


CONTEXTUAL: dict[str, dict[str, Any]] = {
    "formula": {"init": "formula", "gamma": 0.2},
    "prior, epsilon_greedy": {"init": "prior", "init_pulls": 3, "router": "epsilon_greedy"},
    "forced": {"init": "forced", "init_pulls": 4},
    "top, greedy": {"deployer": "top", "router": "greedy"},
    "pacer": {"router": "pacer", "margin": 0.1},
    "primal_dual": {"router": "primal_dual"},
    "held": {"router": "elimination"},
}


@pytest.mark.parametrize("option", CONTEXTUAL)
def test_options_of_the_contextual_estimator(option: str) -> None:
    scenario, budget, max_deployed = SHORT_WORLDS["tasks"]()
    policy = fr.policy("contextual", **CONTEXTUAL[option])
    assert_same(
        scenario, policy, budget=budget, max_deployed=max_deployed, seed=5, horizon=SHORT, trials=2
    )


def test_contextual_policies_need_tasks() -> None:
    scenario, budget, max_deployed = SMALL_WORLDS["retirement"]()
    settings: dict[str, Any] = {"budget": budget, "max_deployed": max_deployed}
    with pytest.raises(ValueError, match=r"policy 'contextual'.*reward=fr.ByTask"):
        run(scenario, fr.policy("contextual"), "numba", **settings)
    with pytest.raises(ValueError, match="leave resolve_every at 1"):
        fr.policy("contextual", resolve_every=3)


@pytest.mark.parametrize("deploy_cost", [0.5, 20.0])
def test_deploy_cost(deploy_cost: float) -> None:
    scenario, budget, _ = SMALL_WORLDS["fixed"]()
    fast = assert_same(
        scenario, fr.policy("stageroute"), budget=budget, max_deployed=3, deploy_cost=deploy_cost
    )
    assert fast.finals["deploy_cost"][0] == deploy_cost * fast.finals["deployments"][0] > 0.0


@pytest.mark.parametrize("deployer", ["mip", "static", "screen"])
def test_deploy_cost_is_weighed(deployer: str) -> None:
    scenario, budget, _ = SMALL_WORLDS["fixed"]()
    settings: dict[str, Any] = {"budget": budget, "max_deployed": 3}

    def play(deploy_cost: float, weight: float) -> Run:
        options = {"deployer": deployer, "fill": "none", "deploy_weight": weight}
        policy = fr.policy("stageroute", **options)
        return run(scenario, policy, "numba", deploy_cost=deploy_cost, **settings)

    # A weight of 0 does not look at the cost; half of twice the cost is the cost.
    np.testing.assert_array_equal(play(20.0, 0.0).picks, play(0.0, 1.0).picks)
    np.testing.assert_array_equal(play(20.0, 0.5).picks, play(10.0, 1.0).picks)
    assert play(20.0, 1.0).finals["deployments"] <= play(20.0, 0.0).finals["deployments"]


def test_tight_world_is_tight() -> None:
    # What the world is for: branch and bound, and a budget that binds.
    scenario, budget, max_deployed = SMALL_WORLDS["tight"]()
    fast = assert_same(
        scenario, fr.policy("stageroute"), budget=budget, max_deployed=max_deployed, stages=25
    )
    methods = fast.stages["method"].to_list()
    assert "branch and bound" in methods
    assert "vertex" in methods
    assert (fast.stages["budget_price"] > 0.0).sum() > 5


@pytest.mark.parametrize("seed", [1, 2**32, 2**63, 2**64 - 1])
def test_whole_range_of_seeds(seed: int) -> None:
    scenario, budget, max_deployed = SMALL_WORLDS["fixed"]()
    settings: dict[str, Any] = {"budget": budget, "max_deployed": max_deployed, "horizon": 300}
    fast = assert_same(scenario, fr.policy("uniform"), seed=seed, **settings)
    other = run(scenario, fr.policy("uniform"), "numba", seed=seed & 0xFFFFFFFF, **settings)
    assert (seed < 2**32) == np.array_equal(fast.picks, other.picks)


@pytest.mark.parametrize("max_deployed", [1, 2, 9])
def test_few_and_many_slots(max_deployed: int) -> None:
    scenario = Scenario([0.3, 0.8, 0.6], [0.4, 1.5, 0.9])
    assert_same(
        scenario, fr.policy("stageroute"), budget=1.0, max_deployed=max_deployed, horizon=500
    )


@pytest.mark.parametrize("policy", ANYWHERE)
def test_everything_retires(policy: str) -> None:
    scenario = Scenario([0.3, 0.8], [0.4, 1.5], retirement=[30, 60])
    fast = assert_same(
        scenario, fr.policy(policy), budget=1.0, max_deployed=2, horizon=100, stages=10
    )
    assert (fast.picks[0, 60:] == -1).all()
    assert (fast.picks[0, :60] >= 0).all()
    assert fast.finals["no_capacity_rounds"][0] >= 40


def test_free_world() -> None:
    scenario = Scenario([0.3, 0.8], [0.0, 0.0], cost="fixed")
    fast = assert_same(scenario, fr.policy("stageroute"), budget=0.0, max_deployed=2, horizon=200)
    assert fast.finals["cost"][0] == 0.0


def test_infinite_budget() -> None:
    scenario, _, max_deployed = SMALL_WORLDS["fixed"]()
    settings: dict[str, Any] = {"max_deployed": max_deployed, "horizon": 300}
    fast = assert_same(scenario, fr.policy("stageroute"), budget=np.inf, **settings)
    slack = run(scenario, fr.policy("stageroute"), "numba", budget=1e6, **settings)
    np.testing.assert_array_equal(fast.picks, slack.picks)
    assert fast.finals["priced_regret"][0] == fast.finals["regret"][0]


@pytest.mark.parametrize(
    "limit", [[0.2, 0.2, 0.2, 0.6], [0.2, 0.2, 0.2, 0.5, 0.9], [0.3, 0.2, 0.3, 0.4, 0.5]]
)
def test_first_stage_of_branch_and_bound(limit: list[float]) -> None:
    # All models look the same before the first query; the limits keep the vertex from fitting
    # into the slots.  Ties between sets must be broken the same way everywhere.
    size = len(limit)
    scenario = Scenario(np.linspace(0.3, 0.7, size), np.linspace(0.5, 1.0, size), limit)
    assert_same(
        scenario, fr.policy("stageroute"), budget=1.0, max_deployed=3, horizon=300, stages=3
    )


@pytest.mark.parametrize(("seed", "max_deployed"), [(3, 2), (4, 4), (7, 3), (13, 3), (14, 2)])
def test_top_between_the_two_marginal_models(seed: int, max_deployed: int) -> None:
    # At the budget price the two marginal models are worth exactly the same, always.  Where the
    # last slot falls between them, rounding of the price must not decide.
    draw = np.random.default_rng(seed)
    scenario = Scenario(draw.uniform(0.2, 0.9, 6), draw.uniform(0.2, 2.0, 6), 0.5)
    assert_same(
        scenario,
        fr.policy("greedy"),
        budget=0.8,
        max_deployed=max_deployed,
        horizon=300,
        stages=6,
    )


def test_value_of_a_pool_over_budget() -> None:
    # The cheap model leaves; the others are over budget and cost the same: V is the better one's.
    scenario = Scenario([0.5, 0.2, 0.7], [1.0, 2.0, 2.0], retirement=[5, None, None], cost="fixed")
    fast = assert_same(
        scenario, fr.policy("oracle"), budget=1.0, max_deployed=2, horizon=10, stages=2
    )
    assert fast.stages["pool_value"].to_list() == pytest.approx([0.5, 0.7])
    assert fast.finals["regret"][0] == pytest.approx(0.0, abs=1e-12)
