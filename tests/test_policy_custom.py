"""Routers of one's own: the function of the user against built-in routers, and what is refused."""

from typing import Any

import numpy as np
import pytest
from numba import njit

import fastroute as fr
from fastroute.policies import Policy
from fastroute.simulation import Run
from naive import SMALL_WORLDS


def play(router: Any, backend: str = "numba", world: str = "retirement", **options: Any) -> Run:
    scenario, budget, max_deployed = SMALL_WORLDS[world]()
    settings: dict[str, Any] = {"horizon": 700, "trials": 70 if backend == "numba" else 2}
    settings |= {"budget": budget, "max_deployed": max_deployed, "seed": 5, "trace": True}
    threads = options.pop("threads", None)
    return fr.simulate(
        scenario,
        fr.policy("stageroute", router=router, **options),
        backend=backend,
        threads=threads,
        **settings,
    )


@njit
def ratio(now, upper, lower, limit, count, budget, reward, cost, state, share):
    """Fill up by U / L; ties by higher U, then lower index (costs of these worlds are above 0)."""
    for lane in range(upper.shape[1]):
        rest = 1.0
        while rest > 0.0:
            best = -1
            for m in range(upper.shape[0]):
                if share[m, lane] > 0.0 or limit[m, lane] == 0.0:
                    continue
                if best < 0:
                    best = m
                    continue
                a, b = upper[m, lane] / lower[m, lane], upper[best, lane] / lower[best, lane]
                if a > b or (a == b and upper[m, lane] > upper[best, lane]):
                    best = m
            if best < 0:
                break
            share[best, lane] = min(limit[best, lane], rest)
            rest -= share[best, lane]


@njit
def drift(now, upper, lower, limit, count, budget, reward, cost, state, share):
    """Drift plus penalty with limits of 1: all to the best by U - 0.1 Q L."""
    for lane in range(upper.shape[1]):
        if now > 0:
            state[3, lane] = max(state[3, lane] + cost[lane] - budget, 0.0)
            state[7, lane] += reward[lane]
        best = 0
        for m in range(1, upper.shape[0]):
            if limit[m, lane] > 0.0:
                a = upper[m, lane] - 0.1 * state[3, lane] * lower[m, lane]
                b = upper[best, lane] - 0.1 * state[3, lane] * lower[best, lane]
                if a > b:
                    best = m
        share[best, lane] = 1.0


@pytest.mark.parametrize("world", ["retirement", "tight", "table"])
@pytest.mark.parametrize("backend", ["numba", "ref"])
def test_as_the_built_in_router(backend: str, world: str) -> None:
    mine, theirs = play(ratio, backend, world), play("ratio", backend, world)
    np.testing.assert_array_equal(mine.picks, theirs.picks)
    for name, column in theirs.finals.items():
        np.testing.assert_allclose(mine.finals[name], column, rtol=1e-9, atol=1e-9, err_msg=name)


def test_state_is_kept_over_stages_and_trials() -> None:
    scenario = fr.Scenario([0.4, 0.9], [0.2, 1.6], cost="fixed")
    run = fr.simulate(
        scenario,
        Policy(router=drift, estimator="truth"),
        horizon=3_000,
        budget=0.9,
        max_deployed=2,
        stages=13,
        trials=130,
        threads=3,
    )
    # The queue holds the spending at the budget, which takes a memory of the whole run.
    np.testing.assert_allclose(run.finals["cost"], 0.9, rtol=0.01)
    assert np.ptp(run.finals["cost"]) == 0.0


def test_backends_agree() -> None:
    scenario = fr.Scenario([0.43, 0.71, 0.58], [0.37, 1.13, 0.71], arrival=[0, 0, 200])
    settings: dict[str, Any] = {"budget": 0.6, "max_deployed": 3, "horizon": 700, "trials": 2}
    plain, fast = (
        fr.simulate(scenario, Policy(router=drift), backend=backend, trace=True, **settings)
        for backend in ("ref", "numba")
    )
    np.testing.assert_array_equal(fast.picks, plain.picks)


def test_plain_python_function() -> None:
    np.testing.assert_array_equal(play(ratio.py_func).picks, play(ratio).picks)


def test_lazy() -> None:
    assert not np.array_equal(play(ratio, resolve_every=50).picks, play(ratio).picks)


def short(a, b, c, d, e, f, g, h, i, share):
    """Give away less than everything."""
    for lane in range(b.shape[1]):
        share[0, lane] = 0.5


def beyond(a, b, c, d, e, f, g, h, i, share):
    """Give a model more than its limit."""
    for lane in range(b.shape[1]):
        share[0, lane] = 1.0


def negative(a, b, c, limit, e, f, g, h, i, share):
    """Give shares that add up to 1, one of them below 0."""
    for lane in range(b.shape[1]):
        share[0, lane] = -0.2
        for m in range(1, b.shape[0]):
            share[m, lane] = 1.2 / (b.shape[0] - 1)


@pytest.mark.parametrize("backend", ["numba", "ref"])
@pytest.mark.parametrize("router", [short, beyond, negative])
def test_no_distribution(router: Any, backend: str) -> None:
    with pytest.raises(ValueError, match=rf"router {router.__name__}: .* in round \d+"):
        play(router, backend)


def test_refused() -> None:
    with pytest.raises(ValueError, match="takes 1 arguments, not 10"):
        Policy(router=lambda x: x)
    with pytest.raises(ValueError, match="router must be a name or a function, got 3"):
        Policy(router=3)
    with pytest.raises(ValueError, match="'lp'"):
        Policy(router="lpp")

    def broken(a, b, c, d, e, f, g, h, i, j):
        j[0] = "no number"

    with pytest.raises(ValueError, match="router broken: cannot be compiled"):
        play(broken)
    with pytest.raises(ValueError, match='backend="jax" cannot call the router ratio'):
        play(ratio, "jax")


def test_policy_with_a_function() -> None:
    policy = fr.policy("stageroute", router=ratio, name="mine")
    reference = f"{__name__}:ratio"
    assert policy.dump()["router"] == {"name": reference, "resolve_every": 1}
    assert fr.Policy(**policy.dump()) == policy
    run = play(ratio)
    assert run.trials.height == 70
