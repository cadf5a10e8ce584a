"""Named policies, their options, and the rules for gamma."""

import functools
import math
from typing import Any

import pytest
from pydantic import ValidationError

import fastroute as fr
from fastroute.policies import DEPLOYERS, ESTIMATORS, POLICIES, ROUTERS, Policy, resolve_gamma


@pytest.mark.parametrize("name", POLICIES)
def test_every_name_builds(name: str) -> None:
    policy = fr.policy(name)
    assert policy.name == name
    assert policy.deployer.name in DEPLOYERS
    assert policy.estimator.name in ESTIMATORS
    assert policy.router.name in ROUTERS
    text, parts = POLICIES[name]
    assert text.endswith(".")
    assert {k: getattr(policy, k) for k in parts} == parts
    assert Policy(**policy.model_dump()) == policy


def test_triples_of_the_named_policies() -> None:
    triples = {n: tuple(part.name for part in fr.policy(n).parts) for n in POLICIES}
    assert triples == {
        "stageroute": ("ucb", "mip", "lp"),
        "oracle": ("truth", "mip", "lp"),
        "greedy": ("ucb", "top", "greedy"),
        "uniform": ("ucb", "random", "uniform"),
        "ucb_bwk": ("ucb", "mip", "lp"),
        "optimistic_pessimistic": ("pessimistic", "mip", "lp"),
        "thompson": ("thompson", "mip", "lp"),
        "contextual": ("contextual", "mip", "lp"),
        "contextual_drift": ("contextual", "mip", "drift_plus_penalty"),
        "epsilon_greedy": ("mean", "mip", "epsilon_greedy"),
        "etc": ("mean", "mip", "explore_then_commit"),
        "elimination": ("ucb", "mip", "elimination"),
        "ratio": ("ucb", "mip", "ratio"),
        "drift_plus_penalty": ("ucb", "mip", "drift_plus_penalty"),
        "pacer": ("discounted", "mip", "pacer"),
        "primal_dual": ("ucb", "mip", "primal_dual"),
        "static": ("ucb", "static", "lp"),
        "oracle_deployment": ("ucb", "truth", "lp"),
        "oracle_routing": ("ucb", "mip", "truth"),
    }


def test_options_override() -> None:
    policy = fr.policy("greedy", router="lp", margin=0.1, name="mine")
    assert (policy.name, policy.deployer, policy.router, policy.margin) == (
        "mine",
        fr.Top(),
        fr.LP(),
        0.1,
    )


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        fr.policy("stageroute").margin = 0.5


@pytest.mark.parametrize(
    ("name", "near"), [("stagerout", "stageroute"), ("Oracle", "oracle"), ("gready", "greedy")]
)
def test_unknown_name(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"policy '{name}'.*Did you mean '{near}'"):
        fr.policy(name)


@pytest.mark.parametrize("name", [None, 3, [], ("greedy",), ""], ids=repr)
def test_name_that_is_no_name(name: Any) -> None:
    with pytest.raises(ValueError, match="policy"):
        fr.policy(name)


def test_unknown_option() -> None:
    with pytest.raises(ValueError, match=r"gama=0\.5.*Did you mean 'gamma'"):
        fr.policy("stageroute", gama=0.5)


BAD: dict[str, list[Any]] = {
    "gamma": ["papper", -1, math.nan, math.inf, "scaled:", "scaled:-1", "scaled:nan", None, [1]],
    "delta": [0, 1, -0.5, math.nan, "x"],
    "init": ["optimist", None, 3],
    "init_pulls": [0, -1, 1.5, "many", None],
    "prior_reward": [-0.1, 1.1, math.nan, None],
    "prior_cost": [-1, math.nan, math.inf, "x"],
    "fill": ["best", None],
    "margin": [1, -0.1, math.nan, None],
    "resolve_every": [0, -3, 0.5, None],
    "discount": [0, 1, -0.5, math.nan, None],
    "explore": [-0.1, 1.1, math.nan, "x"],
    "weight": [0, -1, math.nan, math.inf],
    "step": [0, -1, math.nan, math.inf],
    "smoothing": [0, 1.1, math.nan, None],
    "ceiling": [0, -1, math.inf, None],
    "estimator": ["ucbb", None],
    "deployer": ["mipp", None],
    "router": ["lpp", None],
    "name": [3, None],
}


@pytest.mark.parametrize(
    ("option", "value"), [(k, v) for k, values in BAD.items() for v in values], ids=repr
)
def test_refused_values(option: str, value: Any) -> None:
    names = {
        "discount": ("pacer",),
        "explore": ("epsilon_greedy", "etc"),
        "weight": ("drift_plus_penalty",),
        "step": ("pacer", "primal_dual"),
        "smoothing": ("pacer",),
        "ceiling": ("pacer",),
    }
    for name in names.get(option, ("stageroute",)):
        with pytest.raises(ValueError, match=f"policy option {option}="):
            fr.policy(name, **{option: value})


@pytest.mark.parametrize(
    "options",
    [
        {"estimator": "ucbb"},
        {"estimator": {"name": "ucb", "gama": 1}},
        {"estimator": {"name": "ucb", "gamma": "scald:1"}},
        {"estimator": "contextual", "router": {"name": "lp", "resolve_every": 2}},
    ],
    ids=repr,
)
def test_both_ways_to_build_a_policy_explain_alike(options: dict[str, Any]) -> None:
    messages = []
    for build in (fr.Policy, functools.partial(fr.policy, "stageroute")):
        with pytest.raises(ValueError, match=r"^policy") as caught:
            build(**options)
        messages.append(str(caught.value))
        assert "\n" not in messages[-1]
    assert messages[0] == messages[1]


def test_resolve_gamma() -> None:
    theory = math.log(12 * 5_000 / 0.05)
    assert resolve_gamma("paper", 5_000, 12, 0.05) == 0.1
    assert resolve_gamma("theory", 5_000, 12, 0.05) == pytest.approx(theory)
    assert resolve_gamma("scaled:0.25", 5_000, 12, 0.05) == pytest.approx(theory / 4)
    assert resolve_gamma("scaled:0", 5_000, 12, 0.05) == 0.0
    assert resolve_gamma(0.3, 5_000, 12, 0.05) == 0.3
    assert resolve_gamma(0, 5_000, 12, 0.05) == 0.0


def test_gamma_of_a_run_is_resolved() -> None:
    run = fr.simulate(
        fr.scenario("static", n_models=4),
        fr.policy("stageroute", gamma="scaled:0.5", delta=0.1),
        horizon=200,
        budget=1.0,
        max_deployed=4,
        trials=1,
    )
    assert run.settings["gamma"] == pytest.approx(0.5 * math.log(4 * 200 / 0.1))
