"""Deployment: exhaustive search in exact arithmetic and SciPy's MILP as referees; fill rules."""

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from fastroute.kernels.codes import (
    BRANCH_AND_BOUND,
    FILL_LEAST_PULLED,
    FILL_NONE,
    FILL_REDUCED_COST,
    FILL_UCB,
    NO_CAPACITY,
    NODE_LIMIT,
    OPTIMAL,
    OVER_BUDGET,
    VERTEX,
)
from fastroute.kernels.numba_ import deployment as compiled
from fastroute.kernels.numba_.routing import solve as relax
from fastroute.kernels.ref import deployment as exhaustive
from fastroute.kernels.ref.routing import solve_one
from fastroute.kernels.types import Deployment
from referee import assert_valid, referee
from strategies import (
    F8,
    DeploymentCase,
    Problems,
    deployment_problems,
    exact_problems,
    mixed_problems,
    random_problems,
    stage_problems,
)

BACKENDS = pytest.mark.parametrize("module", [compiled, exhaustive], ids=["numba", "ref"])
NAMES = {VERTEX: "vertex", BRANCH_AND_BOUND: "branch and bound"}


def one(
    reward: Any, cost: Any, limit: Any, budget: float, charge: Any = 0.0
) -> tuple[F8, F8, F8, F8, F8]:
    u, c = np.array([reward], np.float64), np.array([cost], np.float64)
    a, f = (
        np.ascontiguousarray(np.broadcast_to(np.array(x, np.float64), u.shape))
        for x in (limit, charge)
    )
    return u, c, a, np.array([budget], np.float64), f


def spend(problems: Problems, answer: Deployment) -> F8:
    return np.asarray((answer.weight * problems.cost).sum(1))


def assert_as_good(problems: Problems, found: Deployment, truth: Deployment) -> None:
    np.testing.assert_array_equal(found.status, truth.status)
    met = truth.status == OPTIMAL
    np.testing.assert_allclose(found.value[met], truth.value[met], atol=1e-11)
    over = truth.status == OVER_BUDGET
    np.testing.assert_allclose(
        spend(problems, found)[over],
        spend(problems, truth)[over],
        atol=1e-11 * float(problems.cost.max()),
    )
    assert (found.gap == 0.0).all()


# --- Against SciPy ----------------------------------------------------------------------------


def against_milp(seed: int, count: int, largest: int) -> Counter[str]:
    rng = np.random.default_rng(seed)
    seen: Counter[str] = Counter()
    for k in range(count):
        cap = (2, 3, 5)[k % 3]
        problems = stage_problems(rng, int(rng.integers(2, largest + 1)), tight=k % 2 == 0)
        charge = np.zeros_like(problems.reward)
        if k % 5 == 0:
            charge = rng.choice([0.0, 0.01, 0.05, 0.2], problems.reward.shape)
        answer = compiled.solve(*problems, charge, cap)
        assert_valid(problems, charge, cap, answer)
        u, c, a, b = (x[0] for x in problems)
        verdict = referee(u, c, a, float(b), charge[0], cap)
        assert answer.status[0] == verdict.status, problems
        assert answer.gap[0] == 0.0
        if verdict.status == OPTIMAL:
            assert abs(answer.value[0] - verdict.value) <= 1e-7, (problems, charge, cap)
            assert answer.value[0] <= verdict.bound + 1e-6
            seen[NAMES[int(answer.method[0])]] += 1
        elif verdict.status == OVER_BUDGET:
            assert spend(problems, answer)[0] == pytest.approx(verdict.spend, rel=1e-7)
            seen["over budget"] += 1
        else:
            seen["no capacity"] += 1
    return seen


def test_as_good_as_milp(record_property: Any) -> None:
    seen = against_milp(seed=1, count=500, largest=40)
    for name, count in seen.items():
        record_property(name, count)
    print({name: f"{count / seen.total():.1%}" for name, count in seen.items()})
    # Every way to end occurs, and none of these needs HiGHS.
    assert set(seen) == {"vertex", "branch and bound", "over budget", "no capacity"}
    assert seen["vertex"] > 100
    assert seen["branch and bound"] > 100


@pytest.mark.slow
def test_as_good_as_milp_on_many_large_pools() -> None:
    against_milp(seed=2, count=1500, largest=120)


@pytest.mark.slow
def test_pools_of_a_thousand() -> None:
    rng = np.random.default_rng(3)
    for k in range(6):
        problems = stage_problems(rng, 1000, tight=k % 2 == 0)
        none = np.zeros_like(problems.reward)
        answer = compiled.solve(*problems, none, 3)
        assert_valid(problems, none, 3, answer)
        u, c, a, b = (x[0] for x in problems)
        verdict = referee(u, c, a, float(b), none[0], 3)
        assert answer.status[0] == verdict.status
        if verdict.status == OPTIMAL:
            assert answer.value[0] == pytest.approx(verdict.value, abs=1e-7)


# --- Against exhaustive search ----------------------------------------------------------------


@pytest.mark.parametrize("charged", [False, True])
def test_as_good_as_every_set(charged: bool) -> None:
    rng = np.random.default_rng(11 + charged)
    seen: Counter[int] = Counter()
    for k in range(90):
        size = 1 + k % 7
        cap = int(rng.integers(1, size + 1))
        kind = exact_problems if k % 2 else random_problems
        problems = kind(rng, 8, size)
        if k % 3 == 0:
            problems.limit[:] = np.maximum(0.5 * problems.limit, 0.0625)
        charge = np.zeros_like(problems.reward)
        if charged:
            charge = rng.choice([0.0, 0.0625, 0.25, 1.0], charge.shape)
        found = compiled.solve(*problems, charge, cap)
        truth = exhaustive.solve(*problems, charge, cap)
        assert_valid(problems, charge, cap, found)
        assert_valid(problems, charge, cap, truth)
        assert_as_good(problems, found, truth)
        seen.update(truth.status.tolist())
    assert min(seen[OPTIMAL], seen[OVER_BUDGET], seen[NO_CAPACITY]) >= 20


def test_costs_of_any_size_beside_each_other() -> None:
    rng = np.random.default_rng(21)
    seen: Counter[int] = Counter()
    for k in range(60):
        size = 2 + k % 5
        cap = int(rng.integers(1, size + 1))
        problems = mixed_problems(rng, 12, size)
        charge = np.zeros_like(problems.reward)
        found = compiled.solve(*problems, charge, cap)
        truth = exhaustive.solve(*problems, charge, cap)
        assert_valid(problems, charge, cap, found)
        np.testing.assert_array_equal(found.status, truth.status)
        met, over = truth.status == OPTIMAL, truth.status == OVER_BUDGET
        np.testing.assert_allclose(found.value[met], truth.value[met], atol=1e-9)
        np.testing.assert_allclose(
            spend(problems, found)[over], spend(problems, truth)[over], rtol=1e-7
        )
        seen.update(truth.status.tolist())
    assert min(seen[OPTIMAL], seen[OVER_BUDGET], seen[NO_CAPACITY]) >= 20


def values_of_all_sets(
    problems: Problems, charge: F8, cap: int, row: int
) -> list[tuple[float, frozenset[int]]]:
    """Best value of every support, by exact arithmetic, best first."""
    u, c, a, b = (x[row] for x in problems)
    best: dict[frozenset[int], float] = {}
    for size in range(1, cap + 1):
        for chosen in combinations(range(len(u)), size):
            inside = np.isin(np.arange(len(u)), chosen)
            answer = solve_one(u, c, np.where(inside, a, 0.0), float(b))
            if answer.status == OPTIMAL:
                used = frozenset(m for m in chosen if answer.share[m] > 1e-11)
                best[used] = answer.value - float(charge[row, sorted(used)].sum())
    return sorted(((v, s) for s, v in best.items()), key=lambda x: -x[0])


@pytest.mark.parametrize("charged", [False, True])
def test_the_set_itself_where_only_one_is_best(charged: bool) -> None:
    rng = np.random.default_rng(21)
    decided = 0
    for k in range(60):
        problems = stage_problems(rng, 6, tight=k % 2 == 0)
        charge = np.zeros_like(problems.reward)
        if charged:
            charge = rng.uniform(0.0, 0.1, charge.shape)
        cap = 2 + k % 2
        ranked = values_of_all_sets(problems, charge, cap, 0)
        if not ranked or (len(ranked) > 1 and ranked[0][0] - ranked[1][0] < 1e-9):
            continue
        decided += 1
        for module in (compiled, exhaustive):
            answer = module.solve(*problems, charge, cap)
            assert answer.value[0] == pytest.approx(ranked[0][0], abs=1e-11)
            assert set(np.flatnonzero(answer.deployed[0]).tolist()) == ranked[0][1]
    assert decided > 25


@settings(max_examples=250)
@given(deployment_problems())
def test_any_problem(case: DeploymentCase) -> None:
    problems, charge, cap = case
    kept = [x.copy() for x in (*problems, charge)]
    found = compiled.solve(*problems, charge, cap)
    truth = exhaustive.solve(*problems, charge, cap)
    assert_valid(problems, charge, cap, found)
    assert_valid(problems, charge, cap, truth)
    for before, after in zip(kept, (*problems, charge), strict=True):
        np.testing.assert_array_equal(before, after)
    if found.status[0] == truth.status[0] == OPTIMAL:
        # The budget row may be overspent by its tolerance, which is worth its price.
        slack = 1e-11 * (1.0 + min(float(truth.budget_price[0]), 1e300) * problems.cost.max())
        assert abs(found.value[0] - truth.value[0]) <= slack


def test_the_relaxation_is_reported() -> None:
    rng = np.random.default_rng(5)
    problems = random_problems(rng, 40, 9)
    none = np.zeros_like(problems.reward)
    relaxed = relax(*problems)
    for cap in (1, 2, 9):
        answer = compiled.solve(*problems, none, cap)
        np.testing.assert_array_equal(answer.budget_price, relaxed.budget_price)
        np.testing.assert_array_equal(answer.simplex_price, relaxed.simplex_price)
        good = (answer.status == OPTIMAL) & (relaxed.status == OPTIMAL)
        assert (answer.value[good] <= relaxed.value[good] + 1e-12).all()
        fits = good & ((relaxed.share > 1e-11).sum(1) <= cap)
        assert (answer.method[fits] == VERTEX).all()
        np.testing.assert_allclose(answer.value[fits], relaxed.value[fits], atol=1e-12)
        assert (answer.method[good & ~fits] == BRANCH_AND_BOUND).all()


def test_more_slots_never_hurt() -> None:
    rng = np.random.default_rng(6)
    problems = random_problems(rng, 60, 12)
    none = np.zeros_like(problems.reward)
    before = None
    for cap in range(1, 14):
        answer = compiled.solve(*problems, none, cap)
        assert_valid(problems, none, cap, answer)
        if before is not None:
            good = before.status == OPTIMAL
            assert (answer.status[good] == OPTIMAL).all()
            assert (answer.value[good] >= before.value[good] - 1e-12).all()
        before = answer


@BACKENDS
def test_lanes_are_independent(module: Any) -> None:
    rng = np.random.default_rng(7)
    rows = 40 if module is compiled else 12
    problems = random_problems(rng, rows, 6)
    charge = rng.choice([0.0, 0.0, 0.1], problems.reward.shape)
    whole = module.solve(*problems, charge, 2)
    order = rng.permutation(rows)
    mixed = module.solve(*problems.rows(order), charge[order], 2)
    for a, b in zip(whole, mixed, strict=True):
        np.testing.assert_array_equal(a[order], b)
    for r in range(rows):
        part = slice(r, r + 1)
        for a, b in zip(whole, module.solve(*problems.rows(part), charge[part], 2), strict=True):
            np.testing.assert_array_equal(a[part], b)
    empty = slice(0, 0)
    assert module.solve(*problems.rows(empty), charge[empty], 2).weight.shape == (0, 6)


@BACKENDS
def test_a_limit_of_zero_is_an_absent_model(module: Any) -> None:
    rng = np.random.default_rng(8)
    problems = random_problems(rng, 15, 5)
    charge = rng.choice([0.0, 0.1], problems.reward.shape)
    where = np.array([0, 2, 3, 5, 7])
    gone = np.array([1, 4, 6])
    wide = [np.full((15, 8), x) for x in (1.0, 0.0, 0.0, 0.5)]
    for array, values in zip(wide, (*problems[:3], charge), strict=True):
        array[:, where] = values
    for cap in (1, 2, 3, 5):
        left_out = module.solve(*problems, charge, cap)
        absent = module.solve(wide[0], wide[1], wide[2], problems.budget, wide[3], cap)
        assert not absent.deployed[:, gone].any()
        np.testing.assert_array_equal(absent.deployed[:, where], left_out.deployed)
        np.testing.assert_array_equal(absent.weight[:, where], left_out.weight)
        np.testing.assert_array_equal(absent.value, left_out.value)
        np.testing.assert_array_equal(absent.status, left_out.status)


def test_a_problem_does_not_depend_on_those_before_it() -> None:
    """Neighbouring pools share their answer only where it is the same, to the last digit."""
    rng = np.random.default_rng(31)
    kept = 0
    for k in range(20):
        size = int(rng.integers(4, 24))
        one = stage_problems(rng, size, tight=k % 2 == 0)
        problems = Problems(*(np.repeat(x, 12, 0) for x in one))
        problems.limit[:] = np.where(rng.random((12, size)) < 0.8, problems.limit, 0.0)
        # The same pool twice, also with another budget, and the whole pool but for a poor model.
        problems.limit[1], problems.limit[3] = problems.limit[0], problems.limit[2]
        problems.budget[3] *= 1.01
        problems.limit[4:6] = one.limit
        problems.limit[5, int(problems.reward[5].argmin())] = 0.0
        charge = np.zeros_like(problems.reward)
        if k % 4 == 3:
            charge[:] = rng.choice([0.0, 0.05], size)
        together = compiled.solve(*problems, charge, 3)
        for r in range(12):
            row = slice(r, r + 1)
            alone = compiled.solve(*problems.rows(row), charge[row], 3)
            for name in ("deployed", "weight", "value", "gap", "budget_price", "method", "status"):
                np.testing.assert_array_equal(getattr(together, name)[row], getattr(alone, name))
            kept += int(together.nodes[r] < alone.nodes[0])
    assert kept > 10


# --- Limits of the search ---------------------------------------------------------------------


def test_a_search_that_is_cut_short_says_so() -> None:
    """Never optimal without proof, and the gap covers what was missed, at every node limit."""
    rng = np.random.default_rng(9)
    for k in range(24):
        problems = stage_problems(rng, 14, tight=k % 2 == 0)
        charge = np.zeros_like(problems.reward)
        if k % 3 == 0:
            charge = rng.choice([0.0, 0.05], charge.shape)
        best = compiled.solve(*problems, charge, 3)
        for node_limit in range(1, 60):
            answer = compiled.solve(*problems, charge, 3, node_limit)
            detail = f"{problems}, {charge}, node_limit={node_limit}"
            assert not np.isnan(answer.gap[0]), detail
            if answer.status[0] == NODE_LIMIT:
                if best.status[0] == OPTIMAL and np.isfinite(answer.gap[0]):
                    assert answer.value[0] + answer.gap[0] >= best.value[0] - 1e-9, detail
                continue
            assert answer.status[0] == best.status[0], detail
            assert answer.gap[0] == 0.0
            if best.status[0] == OPTIMAL:
                assert answer.value[0] == pytest.approx(best.value[0], abs=1e-11), detail
            elif best.status[0] == OVER_BUDGET:
                cheapest = spend(problems, best)[0]
                assert spend(problems, answer)[0] == pytest.approx(cheapest, rel=1e-9), detail


def test_the_last_open_branch_counts() -> None:
    """Only the second branch of the first model is open when six LPs are solved."""
    arguments = one([0.0, 1.0, 1.0], [0.0, 0.625, 0.875], [0.875, 0.5, 1.0], 0.625)
    best = compiled.solve(*arguments, 2)
    assert best.value[0] == pytest.approx(5.0 / 7.0)
    for node_limit in range(1, 12):
        answer = compiled.solve(*arguments, 2, node_limit)
        if answer.status[0] != NODE_LIMIT:
            assert answer.value[0] == pytest.approx(5.0 / 7.0), node_limit


@BACKENDS
def test_an_absent_model_far_dearer_than_all_others_is_none(module: Any) -> None:
    """Over budget, not without capacity: in units of the dearest one there is, its cost is inf."""
    answer = module.solve(*one([0.5, 0.5], [5e-324, 0.125], [1.0, 0.0], 0.0), 1)
    assert answer.status[0] == OVER_BUDGET
    np.testing.assert_array_equal(answer.weight[0], [1.0, 0.0])


@BACKENDS
@pytest.mark.parametrize("scale", [1e-300, 1e-15, 1e-12, 1e-9, 1e-6, 1.0, 1e6, 1e300])
def test_over_budget_is_the_cheapest_set_in_any_unit_of_cost(module: Any, scale: float) -> None:
    cost = np.array([0.125, 0.625, 0.5]) * scale
    answer = module.solve(*one([0.625, 0.125, 0.25], cost, [0.375, 0.875, 0.5], 0.0), 2)
    assert answer.status[0] == OVER_BUDGET
    # The pair (0, 2) cannot carry all traffic; (0, 1) costs 0.4375 and (1, 2) 0.5625.
    np.testing.assert_allclose(answer.weight[0], [0.375, 0.625, 0.0])


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1e-3, 1e4])
def test_the_unit_of_cost_does_not_matter(scale: float) -> None:
    rng = np.random.default_rng(10)
    for k in range(40):
        problems = stage_problems(rng, 10, tight=k % 2 == 0)
        none = np.zeros_like(problems.reward)
        a = compiled.solve(*problems, none, 3)
        moved = problems._replace(cost=problems.cost * scale, budget=problems.budget * scale)
        b = compiled.solve(*moved, none, 3)
        assert a.status[0] == b.status[0]
        np.testing.assert_array_equal(a.deployed, b.deployed)
        np.testing.assert_allclose(a.weight, b.weight, atol=1e-8)


@BACKENDS
def test_no_capacity_takes_the_widest_models(module: Any) -> None:
    u, c, a, b, f = one([0.1, 0.9, 0.5, 0.7], [1.0, 1.0, 1.0, 0.5], [0.3, 0.2, 0.3, 0.3], 2.0)
    answer = module.solve(u, c, a, b, f, 2)
    assert answer.status[0] == NO_CAPACITY
    # Widest; among those the higher reward.
    np.testing.assert_array_equal(answer.deployed[0], [False, False, True, True])
    np.testing.assert_allclose(answer.weight[0], [0.0, 0.0, 0.5, 0.5])


@BACKENDS
def test_the_cap_can_make_a_problem_infeasible(module: Any) -> None:
    """With two slots the mix within budget is out of reach, although each LP over all is fine."""
    arguments = one([0.9, 0.2, 0.1], [1.0, 0.2, 0.2], [0.6, 0.45, 0.45], 0.35)
    assert relax(*arguments[:4]).status[0] == OPTIMAL
    answer = module.solve(*arguments, 2)
    assert answer.status[0] == OVER_BUDGET
    # Cheapest pair that carries all traffic: 0.45 of a cheap one, the rest of the dear one.
    assert (answer.weight[0] * arguments[1][0]).sum() == pytest.approx(0.45 * 0.2 + 0.55)
    assert module.solve(*arguments, 1).status[0] == NO_CAPACITY


@BACKENDS
def test_charges_change_the_set(module: Any) -> None:
    reward, cost = [0.9, 0.8, 0.1], [1.0, 1.0, 1.0]
    free = module.solve(*one(reward, cost, [0.5, 1.0, 0.5], 1.0), 2)
    np.testing.assert_array_equal(free.deployed[0], [True, True, False])
    assert free.value[0] == pytest.approx(0.85)
    # Half of the traffic gains 0.1 by the first model: worth 0.05.
    charged = module.solve(*one(reward, cost, [0.5, 1.0, 0.5], 1.0, 0.06), 2)
    np.testing.assert_array_equal(charged.deployed[0], [False, True, False])
    assert charged.value[0] == pytest.approx(0.74)
    cheap = module.solve(*one(reward, cost, [0.5, 1.0, 0.5], 1.0, [0.04, 0.06, 0.0]), 2)
    np.testing.assert_array_equal(cheap.deployed[0], [True, True, False])
    assert cheap.value[0] == pytest.approx(0.75)


# --- Fill rules -------------------------------------------------------------------------------

REWARD = [[0.9, 0.8, 0.7, 0.6, 0.5, 0.95]]
COST = [[1.0, 0.9, 0.2, 0.1, 0.1, 0.3]]
PULLS = [[5.0, 0.0, 3.0, 0.0, 1.0, 0.0]]


def filled(
    module: Any,
    rule: int,
    slots: int,
    deployed: tuple[int, ...] = (0,),
    absent: tuple[int, ...] = (5,),
    price: float = 1.0,
    reward: Any = REWARD,
    cost: Any = COST,
) -> list[int]:
    start = np.isin(np.arange(6), deployed)[None]
    limit = np.where(np.isin(np.arange(6), absent), 0.0, 0.4)[None]
    kept = start.copy()
    out = module.fill(
        start,
        np.array(reward, np.float64),
        np.array(cost, np.float64),
        limit,
        np.array([price]),
        np.array(PULLS),
        slots,
        rule,
    )
    np.testing.assert_array_equal(start, kept)
    assert out[0, list(deployed)].all()
    assert not out[0, [m for m in absent if m not in deployed]].any()
    assert out.sum() <= max(slots, len(deployed))
    return [int(m) for m in np.flatnonzero(out[0]) if m not in deployed]


@BACKENDS
def test_fill_rules_by_hand(module: Any) -> None:
    assert filled(module, FILL_NONE, 4) == []
    # U alone.
    assert filled(module, FILL_UCB, 3) == [1, 2]
    # U - price L: 0.7 - 0.2, 0.6 - 0.1, 0.5 - 0.1, 0.8 - 0.9 (ranked 2, 3 but for rounding, 4, 1).
    assert filled(module, FILL_REDUCED_COST, 3) == [2, 3]
    assert filled(module, FILL_REDUCED_COST, 4) == [2, 3, 4]
    # At price 0 the same as U; at a high price the cheapest.
    assert filled(module, FILL_REDUCED_COST, 3, price=0.0) == [1, 2]
    assert filled(module, FILL_REDUCED_COST, 3, price=100.0) == [3, 4]
    # Fewest pulls: 1 and 3 have none, the higher reward first; 5 is absent.
    assert filled(module, FILL_LEAST_PULLED, 2) == [1]
    assert filled(module, FILL_LEAST_PULLED, 4) == [1, 3, 4]


@BACKENDS
@pytest.mark.parametrize("rule", [FILL_REDUCED_COST, FILL_UCB, FILL_LEAST_PULLED])
def test_fill_stops_where_it_must(module: Any, rule: int) -> None:
    assert filled(module, rule, 20) == [1, 2, 3, 4]
    assert filled(module, rule, 1) == []
    # More deployed already than there are slots: nothing is added, nothing taken away.
    assert filled(module, rule, 1, deployed=(0, 2)) == []
    assert filled(module, rule, 6, deployed=(0,), absent=(1, 2, 3, 4, 5)) == []
    assert filled(module, rule, 6, deployed=(0, 1, 2, 3, 4, 5), absent=()) == []


@BACKENDS
@pytest.mark.parametrize("rule", [FILL_REDUCED_COST, FILL_UCB, FILL_LEAST_PULLED])
def test_fill_breaks_ties_by_reward_cost_and_index(module: Any, rule: int) -> None:
    same: dict[str, Any] = {"reward": [[0.5] * 6], "cost": [[0.25] * 6], "absent": ()}
    if rule != FILL_LEAST_PULLED:
        assert filled(module, rule, 3, **same) == [1, 2]
    else:
        assert filled(module, rule, 3, **same) == [1, 3]
    cheaper = {**same, "cost": [[0.25, 0.25, 0.25, 0.25, 0.25, 0.125]]}
    assert 5 in filled(module, rule, 2, **cheaper)


def test_fill_by_the_reference() -> None:
    rng = np.random.default_rng(12)
    for k in range(120):
        rows, size = 6, 1 + k % 8
        deployed = rng.random((rows, size)) < 0.3
        limit = rng.choice([0.0, 0.5], (rows, size))
        arguments = (
            deployed,
            rng.integers(0, 4, (rows, size)) / 4.0,
            rng.integers(0, 4, (rows, size)) / 4.0,
            limit,
            rng.choice([0.0, 0.5, 2.0], rows),
            rng.integers(0, 3, (rows, size)).astype(np.float64),
            int(rng.integers(1, size + 2)),
        )
        for rule in (FILL_NONE, FILL_REDUCED_COST, FILL_UCB, FILL_LEAST_PULLED):
            found = compiled.fill(*arguments, rule)
            np.testing.assert_array_equal(found, exhaustive.fill(*arguments, rule))
            assert not (found & ~deployed & (limit == 0.0)).any()
            assert (found | ~deployed).all()
