"""The contextual optimum, against the whole LP over queries and models."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from highspy import HighsModelStatus
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import fastroute as fr
from fastroute.scenarios import contextual
from fastroute.scenarios.contextual import contextual_optimum, queries_of
from fastroute.scenarios.optimum import optimum
from fastroute.solve import highs


def whole_lp(weight: Any, reward: Any, cost: Any, limit: Any, budget: float) -> float:
    """Value of the LP with a variable for every query and model; -inf where there is none."""
    queries, models = reward.shape
    shares = (weight[:, None, None] * np.eye(models)).transpose(2, 0, 1).reshape(models, -1)
    found = linprog(
        -(weight[:, None] * reward).ravel(),
        A_ub=np.vstack([shares, (weight[:, None] * cost).ravel()]),
        b_ub=np.append(limit, budget),
        A_eq=np.kron(np.eye(queries), np.ones(models)),
        b_eq=np.ones(queries),
        method="highs",
    )
    return -found.fun if found.status == 0 else -np.inf


def best_of_all_sets(world: Any, pool: Any, budget: float, most: int) -> float:
    queries = queries_of(world)
    assert queries is not None
    cost = np.broadcast_to(queries.cost, queries.reward.shape)
    models = np.flatnonzero(pool)
    return max(
        whole_lp(queries.weight, queries.reward[:, s], cost[:, s], world.limit[list(s)], budget)
        for s in map(list, combinations(models, min(most, len(models))))
    )


def world_of(kind: str, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    models = int(draw.integers(3, 7))
    limit = draw.uniform(0.35, 1.0, models)
    cost = draw.uniform(0.1, 2.0, models)
    rows = int(draw.integers(2, 12))
    if kind == "tasks":
        tasks = fr.ByTask(draw.random(rows), draw.random((rows, models)))
        return fr.Scenario(None, cost, limit, reward=tasks)
    if kind == "features":
        law = fr.ByFeatures(draw.random((rows, 3)), draw.normal(size=(models, 3)))
        return fr.Scenario(None, cost, limit, reward=law)
    table = fr.Recorded(
        draw.integers(0, 4, (rows, models)) / 3.0,
        draw.uniform(0.1, 2.0, (rows, models)),
        features=draw.random((rows, 2)),
    )
    return fr.Scenario(limit=limit, outcomes=table)


@given(st.sampled_from(["tasks", "features", "recorded"]), st.integers(0, 10**6))
def test_it_is_the_best_of_all_sets(kind: str, seed: int) -> None:
    draw = np.random.default_rng(seed + 1)
    world = world_of(kind, seed).resolve(10, 1)
    size = len(world.limit)
    pools = np.array([np.ones(size, bool), np.arange(size) != int(draw.integers(size))])
    budget, most = float(draw.uniform(0.2, 1.5)), int(draw.integers(1, size + 1))
    blind = optimum(world, pools, budget, most, "numba")
    found = contextual_optimum(world, pools, budget, most, blind)
    assert found is not None
    assert found.exact.all()
    for k, pool in enumerate(pools):
        if blind.status[k, 0] == 0:
            assert found.value[k] == pytest.approx(
                best_of_all_sets(world, pool, budget, most), abs=1e-8
            )
            assert found.value[k] >= blind.value[k, 0]
        else:
            assert found.value[k] == blind.value[k, 0]


def test_a_bound_is_above_the_value_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world = fr.scenario("linear", d=4, n_models=7, rows=30, limit=0.5).resolve(10, 1)
    pools = np.ones((1, 7), bool)
    blind = optimum(world, pools, 4.0, 3, "numba")
    exact = contextual_optimum(world, pools, 4.0, 3, blind)
    monkeypatch.setattr(contextual, "SETS", 2)
    contextual._known.clear()
    bound = contextual_optimum(world, pools, 4.0, 3, blind)
    contextual._known.clear()
    assert exact is not None
    assert bound is not None
    assert exact.exact.all()
    assert not bound.exact.any()
    assert bound.value[0] > exact.value[0] > blind.value[0, 0]


def test_columns_by_hand() -> None:
    # Two tasks, and a model for each; both are dear, a third is cheap and bad.
    law = fr.ByTask([1.0, 1.0], [[0.9, 0.1, 0.2], [0.1, 0.9, 0.2]])
    scenario = fr.Scenario(None, [1.0, 1.0, 0.5], reward=law, cost="fixed")
    settings: Any = {"horizon": 5_000, "budget": 1.0, "max_deployed": 3, "trials": 16}
    run = fr.simulate(scenario, fr.policy("contextual", gamma=0.05), **settings)
    value, captured = run.trials["contextual_value"], run.trials["captured"]
    # V is 0.5, whichever of the two is chosen.
    np.testing.assert_allclose(value.to_numpy(), 0.9, atol=1e-9)
    np.testing.assert_allclose(
        captured.to_numpy(), -run.trials["regret"].to_numpy() / 5_000 / 0.4, atol=1e-9
    )
    assert 0.4 < captured.to_numpy().mean() < 1.0
    assert (run.trials["contextual_exact"] == 1.0).all()
    assert run.summary().filter(quantity="captured")["mean"][0] == pytest.approx(captured.mean())


def test_columns_are_null_where_nothing_is_known_of_queries() -> None:
    run = fr.simulate(
        fr.scenario("static"), fr.policy("stageroute"), horizon=50, budget=1.0, max_deployed=3
    )
    for name in ("contextual_value", "contextual_exact", "captured"):
        assert run.trials[name].null_count() == run.trials.height
        assert run.summary().filter(quantity=name).is_empty()


def test_knowing_the_query_may_be_worth_nothing() -> None:
    law = fr.ByTask([1.0, 1.0], [[0.9, 0.1], [0.8, 0.2]])
    scenario = fr.Scenario(None, [1.0, 1.0], reward=law)
    run = fr.simulate(scenario, fr.policy("oracle"), horizon=50, budget=1.0, max_deployed=2)
    np.testing.assert_allclose(run.trials["contextual_value"].to_numpy(), 0.85, atol=1e-9)
    assert run.trials["captured"].null_count() == run.trials.height


def test_a_change_has_a_contextual_optimum_of_its_own() -> None:
    law = fr.ByTask([1.0, 1.0], [[0.9, 0.2], [0.3, 0.8]])

    def run(*changes: fr.Change) -> fr.Run:
        scenario = fr.Scenario(None, [1.0, 1.0], reward=law, changes=changes)
        return fr.simulate(scenario, fr.policy("oracle"), horizon=100, budget=1.0, max_deployed=2)

    # Looking at the task earns (0.9 + 0.8) / 2 first; then the second model is half as good.
    value = run(fr.Change("model-1", at=40, reward=0.25)).trials["contextual_value"].to_numpy()
    np.testing.assert_allclose(value, 0.4 * 0.85 + 0.6 * (0.9 + 0.4) / 2, atol=1e-9)
    np.testing.assert_allclose(run().trials["contextual_value"].to_numpy(), 0.85, atol=1e-9)


def test_a_mixture_is_solved_anew_where_the_last_basis_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mixtures = highs.Mixtures(np.array([0.5]))
    for value, need in ((1.0, 1.0), (0.2, 0.1)):
        mixtures.add(value, np.array([need]))
    solver, states = mixtures._solver, [HighsModelStatus.kUnknown]

    class Stuck:
        def __getattr__(self, name: str) -> object:
            if name == "getModelStatus" and states:
                return states.pop
            return getattr(solver, name)

    monkeypatch.setattr(mixtures, "_solver", Stuck())
    value, weight, prices = mixtures.solve()
    assert not states
    # As much of the first as half of a unit allows: w + 0.1 (1 - w) = 0.5.
    assert weight == pytest.approx([4.0 / 9.0, 5.0 / 9.0])
    assert value == pytest.approx(4.0 / 9.0 + 1.0 / 9.0)
    assert prices == pytest.approx([0.8 / 0.9])
