"""The benchmarks are fair: problems are as described, answers are checked, rivals are right."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.bench import workloads, worlds
from fastroute.bench.measure import Measure, answer_errors, skip_if_refused
from fastroute.bench.rivals import deployment, linucb, routing, stageroute, ucb1
from fastroute.bench.rivals.base import Player, Solver, missing
from fastroute.bench.workloads import Problems

#: What compiles itself for ten seconds.
LONG = ("quantecon simplex",)
SOLVERS = [
    pytest.param(
        kind,
        solver,
        id=f"{kind}, {solver.name}",
        marks=[pytest.mark.slow] if solver.name in LONG else [],
    )
    for kind, room in (("routing", routing), ("deployment", deployment))
    for solver in room.SOLVERS
]


@pytest.mark.parametrize(("kind", "solver"), SOLVERS)
def test_solver_is_right_and_changes_with_the_problem(kind: str, solver: Solver) -> None:
    if reason := missing(solver.imports):
        pytest.skip(reason)
    call = fr.solve_routing if kind == "routing" else fr.solve_deployment
    cap = () if kind == "routing" else (1,)
    if solver.backend:
        skip_if_refused(lambda: call([1.0], [1.0], 1.0, 1.0, *cap, backend=solver.backend))
    if kind == "routing":
        problems = workloads.routing_problems(5, 8)
        exact = fr.solve_routing(*problems[:4], backend="ref").value
    else:
        problems = workloads.unequal_limit_problems(4)
        exact = fr.solve_deployment(*problems, backend="highs").value
    run = solver.prepare(problems)
    # Twice: a model that is kept must not remember the problem before.
    for _ in range(2):
        share = run()
    found = answer_errors(share, problems, exact)
    # CP-SAT counts in millionths and Clarabel stops at 1e-8.
    tolerance = {"OR-tools CP-SAT": 2e-5, "cvxpy, Clarabel": 1e-6}.get(solver.name, 1e-8)
    assert found["failures"] == 0
    assert found["worst_error"] <= tolerance
    assert found["worst_violation"] <= tolerance
    if kind == "deployment":
        assert ((share > 1e-7).sum(axis=1) <= problems.max_deployed).all()


@pytest.mark.parametrize("player", ucb1.PLAYERS, ids=lambda player: player.name)
def test_ucb1_learns(player: Player) -> None:
    # A uniform choice earns 0.5; the best arm 0.9.
    reward = player.prepare(8, 500)()
    assert 0.6 < reward < 0.9


@pytest.mark.parametrize("player", linucb.PLAYERS, ids=lambda player: player.name)
def test_linucb_learns(player: Player) -> None:
    law: Any = fr.scenario("linear", d=16, n_models=10).reward
    # More than the best model for all queries earns, less than the best one for each.
    assert law.mean.mean(axis=0).max() < player.prepare(16, 1500)() < law.mean.max(axis=1).mean()


@pytest.mark.parametrize("player", stageroute.PLAYERS, ids=lambda player: player.name)
def test_naive_stageroute_plays(player: Player) -> None:
    means = workloads.draw_workload(15, 5).scenario.reward_mean
    assert means.min() < player.prepare(1, 60)() < means.max() + 0.2


def test_routes_of_naive_stageroute_are_equally_good_query_after_query() -> None:
    hot = stageroute._HotHighs()
    problems = workloads.routing_problems(5, 40)
    limit, budget = problems.limit[0], float(problems.budget[0])
    u, c = problems.reward[0].copy(), problems.cost[0].copy()
    for i in range(40):
        # One model's bounds change from query to query; now and then no budget can be met.
        u[i % 5], c[i % 5] = problems.reward[i, 0], problems.cost[i, 0]
        price = c + budget if i % 10 == 9 else c
        one, other = stageroute._linprog(u, price, limit, budget), hot(u, price, limit, budget)
        assert one @ u == pytest.approx(other @ u, abs=1e-9)
        assert one.sum() == pytest.approx(1.0, abs=1e-9)


def test_half_of_the_budgets_bind_and_limits_are_equal() -> None:
    for models in (2, 5, 32):
        problems = workloads.routing_problems(models, 2000)
        found = fr.solve_routing(*problems[:4])
        assert found.feasible.all()
        # With two models every distribution gives 0.4 to 0.6 to each: few budgets bind.
        low, high = (0.2, 0.35) if models == 2 else (0.45, 0.55)
        assert low < (found.budget_price > 0.0).mean() < high
        assert np.unique(problems.limit).tolist() == [0.6 if models == 2 else 0.4]


def test_equal_limits_need_no_branch_and_bound_and_unequal_ones_do() -> None:
    from fastroute.solve import Method

    for problems, method in (
        (workloads.equal_limit_problems(500), Method.VERTEX),
        (workloads.unequal_limit_problems(100), Method.BRANCH_AND_BOUND),
    ):
        found = fr.solve_deployment(*problems)
        assert found.feasible.all()
        assert (found.method == method).all()
        assert (found.gap == 0.0).all()


@pytest.mark.parametrize(("deployed", "models"), [(5, 15), (8, 30), (16, 64)])
def test_budget_of_the_world_is_felt(deployed: int, models: int) -> None:
    place = workloads.draw_workload(models, deployed)
    mean, price = place.scenario.reward_mean, place.scenario.cost_mean
    there = np.asarray(place.scenario.arrival) == 0.0
    assert there.sum() >= deployed
    for pool in (there, np.ones(models, bool)):
        found = fr.solve_routing(mean[pool], price[pool], workloads.LIMIT, place.budget)
        assert found.feasible
        assert found.budget_price > 0.0


def test_worlds_beside_the_plain_one_are_what_they_are_called() -> None:
    found = {name: make().scenario.resolve(1000, 1) for name, make in worlds.WORLDS.items()}
    assert len(found["five changes"].regimes) == 6
    delays = [found[name].feedback for name in ("fixed delay", "drawn delay")]
    assert [x is not None and len(x.reward.rounds) > 1 for x in delays] == [False, True]
    assert len(found["tasks"].reward.task_prob) == 86
    assert found["features"].reward.features.shape[1] == 16
    plain = found[worlds.PLAIN]
    assert (len(plain.regimes), plain.feedback) == (1, None)
    assert {world for world, _, _ in worlds.CASES} == set(worlds.WORLDS)


def test_answers_are_held_to_objective_and_constraints() -> None:
    problems = Problems(
        np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]),
        np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]),
        np.full((3, 2), 0.8),
        np.array([0.5, 0.5, 0.5]),
    )
    exact = np.array([0.5, 0.5, 0.5])
    good = np.full((3, 2), 0.5)
    assert answer_errors(good, problems, exact) == {
        "sample": 3,
        "failures": 0,
        "worst_error": 0.0,
        "worst_violation": 0.0,
    }
    lost = good.copy()
    lost[1] = math.nan
    assert answer_errors(lost, problems, exact)["failures"] == 1
    for wrong, error, violation in (
        ([0.4, 0.6], 0.1, 0.0),  # worse than the best
        ([0.6, 0.4], 0.1, 0.1),  # over budget
        ([0.5, 0.4], 0.0, 0.1),  # mass is missing
        ([0.1, 0.9], 0.4, 0.1),  # above the limit
        ([-0.1, 1.1], 0.6, 0.3),  # above the limit by more than below zero
    ):
        share = good.copy()
        share[2] = wrong
        found = answer_errors(share, problems, exact)
        assert found["worst_error"] == pytest.approx(error)
        assert found["worst_violation"] == pytest.approx(violation)


class FakeBenchmark:
    """What `Measure` uses of pytest-benchmark."""

    def __init__(self) -> None:
        self.group = ""
        self.extra_info: dict[str, Any] = {}
        self.rounds = 0

    def pedantic(self, target: Callable[..., Any], *, setup: Any = None, rounds: int = 1) -> Any:
        self.rounds = rounds
        times = [2e-3 + 1e-3 * (i % 3) for i in range(rounds)]
        self.stats = SimpleNamespace(stats=SimpleNamespace(min=min(times), data=times))
        return target(*setup()[0]) if setup else target()


LABELS: dict[str, Any] = {"group": "g", "case": "c", "solver": "s", "unit": "LP", "units": 3}


def test_measure_divides_the_best_round_by_the_units() -> None:
    fake = FakeBenchmark()
    assert Measure(fake, 0.0)(lambda: lambda: 7, **LABELS) == 7
    assert fake.rounds == 5
    assert fake.group == "g"
    assert fake.extra_info["ns_per_unit"] == pytest.approx(2e6 / 3)


def test_measure_takes_the_median_of_best_single_times() -> None:
    fake = FakeBenchmark()
    assert Measure(fake, 0.0).each(
        lambda: [lambda: 1, lambda: 2, lambda: 3], passes=2, **LABELS
    ) == ([1, 2, 3])
    # Pieces take 2, 3 and 4 ms in both passes.
    assert fake.extra_info["ns_per_unit"] == pytest.approx(3e6)
    assert fake.extra_info["ns_largest"] == pytest.approx(4e6)


def test_a_rival_that_raises_stays_in_the_data() -> None:
    def broken() -> Any:
        raise RuntimeError("licence expired")

    for call in (
        lambda measure: measure(lambda: broken, **LABELS),
        lambda measure: measure(broken, **LABELS),
        lambda measure: measure.each(lambda: [broken], passes=2, **LABELS),
    ):
        fake = FakeBenchmark()
        assert call(Measure(fake, 1.0)) is None
        assert fake.extra_info["failure"] == "RuntimeError: licence expired"
        assert "ns_per_unit" not in fake.extra_info
