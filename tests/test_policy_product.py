"""Every estimator, deployer and router: all combinations run, and keep what they promise."""

import itertools
from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.policies import DEPLOYERS, ESTIMATORS, ROUTERS, Policy
from fastroute.scenarios import Scenario
from fastroute.simulation import Run, api
from fastroute.simulation.engine import run_chunk
from fastroute.simulation.settings import Settings

PRODUCT = list(itertools.product(sorted(ESTIMATORS), DEPLOYERS, ROUTERS))
TASKS = fr.ByTask(weight=[0.7, 0.3], mean=[[0.3, 0.5, 0.7, 0.8, 0.9], [0.7, 0.6, 0.5, 0.4, 0.6]])
FEATURES = fr.ByFeatures(
    features=[[1.0, 0.0], [1.0, 0.5], [1.0, -0.5]],
    theta=[[0.4, 0.4], [0.5, 0.2], [0.6, 0.0], [0.7, -0.2], [0.8, -0.4]],
)


def play(parts: tuple[str, str, str], backend: str = "numba", **settings: Any) -> Run:
    estimator, deployer, router = parts
    scenario = Scenario(
        None,
        [0.31, 0.74, 1.32, 0.93, 1.87],
        limit=[0.6, 0.5, 0.7, 0.4, 0.6],
        arrival=[0, 0, 0, 0, 31],
        retirement=[None, 62, None, None, None],
        reward=FEATURES if ESTIMATORS[estimator].needs_features else TASKS,
    )
    policy = Policy(estimator=estimator, deployer=deployer, router=router)
    given: dict[str, Any] = {"horizon": 120, "budget": 0.8, "max_deployed": 3, "stages": 5}
    return fr.simulate(
        scenario, policy, backend=backend, trials=2, seed=2, trace=True, **{**given, **settings}
    )


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_combination_runs(estimator: str, router: str) -> None:
    for deployer in DEPLOYERS:
        run = play((estimator, deployer, router))
        label = f"{estimator}, {deployer}, {router}"
        for name, column in run.finals.items():
            assert np.isfinite(column).all(), (label, name)
        # What is pulled is deployed.
        length = run.settings["stage_length"]
        for now, trial in itertools.product(range(120), range(2)):
            pick = run.picks[trial, now]
            assert pick < 0 or pick in run.stage_sets[now // length, trial], (label, now)
        parts = sum(run.finals[name] for name in ("discovery", "deployment", "routing"))
        np.testing.assert_allclose(parts, run.finals["regret"], err_msg=label)


@pytest.mark.slow
@pytest.mark.parametrize("parts", PRODUCT, ids=", ".join)
def test_every_combination_follows_the_reference(parts: tuple[str, str, str]) -> None:
    fast, plain = play(parts), play(parts, "ref")
    np.testing.assert_array_equal(fast.picks, plain.picks)
    np.testing.assert_array_equal(fast.stage_sets, plain.stage_sets)
    for name, column in plain.finals.items():
        np.testing.assert_allclose(fast.finals[name], column, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("backend", ["numba", "ref"])
@pytest.mark.parametrize("options", [{}, {"estimator": "discounted", "discount": 0.5}])
def test_pulls_are_those_played(options: dict[str, Any], backend: str) -> None:
    # Starvation is judged by them: forgetting and pseudo-observations must not count.
    scenario = Scenario([0.4, 0.6, 0.8], [0.3, 0.7, 1.5], arrival=[0, 0, 40])
    task, _, _ = api._prepare(
        scenario,
        fr.policy("stageroute", init="prior", init_pulls=3, **options),
        Settings(
            horizon=100,
            budget=0.9,
            max_deployed=2,
            stages=6,
            trials=3,
            backend=backend,
            trace=True,
        ),
    )
    result = run_chunk(task, 0, 3, lambda rounds: None)
    played = [(result.trace == m).sum(axis=0) for m in range(3)]
    np.testing.assert_array_equal(result.pulls, np.stack(played))
