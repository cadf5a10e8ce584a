"""The routing LP: proofs for every answer, exact arithmetic as the truth, ties, lanes, scaling."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from certificates import assert_optimal, routing_faults
from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.numba_ import lanes
from fastroute.kernels.numba_ import routing as compiled
from fastroute.kernels.ref import routing as exact
from fastroute.kernels.tolerances import REACH
from fastroute.kernels.types import Routing
from strategies import (
    F8,
    SIZES,
    Problems,
    degenerate_problems,
    exact_problems,
    many_problems,
    mixed_problems,
    random_problems,
    routing_problems,
)

BACKENDS = pytest.mark.parametrize("module", [compiled, exact], ids=["numba", "ref"])


def problem(reward: Any, cost: Any, limit: Any, budget: float) -> Problems:
    reward, cost = np.array([reward], np.float64), np.array([cost], np.float64)
    limit = np.ascontiguousarray(np.broadcast_to(np.array(limit, np.float64), reward.shape))
    return Problems(reward, cost, limit, np.array([budget], np.float64))


def assert_same(found: Routing, expected: Routing, problems: Problems, tolerance: float) -> None:
    """Same answer; the simplex price only where it is a multiplier (not over budget)."""
    apart = np.abs(found.share - expected.share).max(1) > tolerance
    apart |= np.abs(found.value - expected.value) > tolerance
    apart |= np.abs(found.budget_price - expected.budget_price) > tolerance * (
        1.0 + expected.budget_price
    )
    apart |= found.status != expected.status
    if apart.any():
        r = int(np.flatnonzero(apart)[0])
        one = problems.rows(slice(r, r + 1))
        raise AssertionError(f"{one}\n{[x[r] for x in found]}\n{[x[r] for x in expected]}")


# --- Certificates -----------------------------------------------------------------------------


def test_a_hundred_thousand_answers_are_proven() -> None:
    seen: Counter[int] = Counter()
    sizes: set[int] = set()
    for problems in many_problems(seed=1, total=100_000):
        answer = compiled.solve(*problems)
        assert_optimal(problems, answer)
        seen.update(answer.status.tolist())
        sizes.add(problems.size)
    assert seen.total() >= 100_000
    assert min(seen[OPTIMAL], seen[OVER_BUDGET], seen[NO_CAPACITY]) > 2_000
    assert sizes == set(SIZES)


@pytest.mark.slow
def test_millions_of_answers_are_proven() -> None:
    for problems in many_problems(seed=2, total=4_000_000):
        assert_optimal(problems, compiled.solve(*problems))


def test_models_on_one_line_but_for_rounding() -> None:
    """Slopes that differ by rounding only: no cycle, and still proven."""
    rng = np.random.default_rng(4)
    for k in range(120):
        size = int(rng.choice(SIZES))
        base = random_problems(rng, 100, size)
        cost = rng.random((100, size)) if k % 2 else rng.integers(1, 4, (100, size)) / 3.0
        cost *= 1.0 + rng.integers(-3, 4, cost.shape) * 2.0**-52
        reward = (0.1 + cost / 3.0) * (1.0 + rng.integers(-1, 2, cost.shape) * 2.0**-52)
        budget = cost.min(1) + rng.random(100) * (cost.max(1) - cost.min(1))
        problems = Problems(reward, cost, base.limit, budget)
        assert_optimal(problems, compiled.solve(*problems))


@pytest.mark.parametrize(
    ("kind", "seed"),
    [(random_problems, 5), (degenerate_problems, 6), (exact_problems, 7), (mixed_problems, 8)],
)
def test_exact_answers_are_proven_too(
    kind: Callable[[np.random.Generator, int, int], Problems], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for size in (1, 2, 3, 5, 8):
        for _ in range(4):
            problems = kind(rng, 25, size)
            assert_optimal(problems, exact.solve(*problems))


def test_certificate_refuses_wrong_answers() -> None:
    """The judge is judged: every kind of wrong answer is seen."""
    problems = problem([0.9, 0.6, 0.3], [1.0, 0.5, 0.1], [0.5, 0.6, 0.7], 0.5)
    good = exact.solve(*problems)
    assert_optimal(problems, good)
    share = good.share.copy()

    def faults(**wrong: Any) -> set[str]:
        answer = good._replace(**{k: np.atleast_1d(v) for k, v in wrong.items()})
        return {k for k, bad in routing_faults(problems, answer).items() if bad.any()}

    def with_share(p: list[float]) -> set[str]:
        return faults(share=np.array([p]), value=float(np.dot(p, problems.reward[0])))

    assert "objectives apart" in with_share([0.2, 0.2, 0.6])
    assert "over budget" in with_share([0.5, 0.5, 0.0])
    assert "above the limit" in with_share([0.2, 0.7, 0.1])
    assert "mass" in with_share([0.2, 0.2, 0.5])
    assert "below 0" in with_share([0.5, 0.6, -0.1])
    assert "value" in faults(value=good.value + 1e-6)
    assert "not finite" in faults(simplex_price=np.nan)
    assert "price below 0" in faults(budget_price=-good.budget_price)
    assert "not best at its price" in faults(budget_price=2.0 * good.budget_price)
    assert "objectives apart" in faults(simplex_price=good.simplex_price + 1e-6)
    assert "capacity" in faults(status=NO_CAPACITY)
    assert "budget can be met" in faults(status=OVER_BUDGET)
    assert (share == good.share).all()


@settings(max_examples=400)
@given(routing_problems())
def test_any_problem(problems: Problems) -> None:
    kept = Problems(*(x.copy() for x in problems))
    answer = compiled.solve(*problems)
    assert_optimal(problems, answer)
    truth = exact.solve(*problems)
    assert_optimal(problems, truth)
    for before, after in zip(kept, problems, strict=True):
        np.testing.assert_array_equal(before, after)


# --- Against exact arithmetic -----------------------------------------------------------------


def test_ties_are_decided_as_in_exact_arithmetic() -> None:
    rng = np.random.default_rng(11)
    seen: Counter[int] = Counter()
    for k in range(300):
        problems = exact_problems(rng, 25, 1 + k % 8)
        truth = exact.solve(*problems)
        assert_same(compiled.solve(*problems), truth, problems, 1e-9)
        seen.update(truth.status.tolist())
    assert min(seen.values()) > 300


def test_values_are_those_of_exact_arithmetic() -> None:
    rng = np.random.default_rng(12)
    for k in range(80):
        kind = degenerate_problems if k % 4 else random_problems
        problems = kind(rng, 20, 1 + k % 7)
        truth = exact.solve(*problems)
        found = compiled.solve(*problems)
        # Capacity within rounding of the tolerance may be judged either way.
        same = found.status == truth.status
        assert same.mean() > 0.99
        assert (np.abs(found.value - truth.value) <= tolerated(problems, found, truth))[same].all()


def test_the_budget_is_kept_beside_costs_of_any_size() -> None:
    """One rule: the same status as in exact arithmetic, and never more than 1e-8 beyond it."""
    rng = np.random.default_rng(13)
    seen: Counter[int] = Counter()
    for k in range(48):
        problems = mixed_problems(rng, 50, (2, 3, 5, 8)[k % 4])
        truth = exact.solve(*problems)
        found = compiled.solve(*problems)
        np.testing.assert_array_equal(found.status, truth.status)
        np.testing.assert_allclose(found.value, truth.value, rtol=0.0, atol=1e-11)
        np.testing.assert_allclose(found.share, truth.share, rtol=0.0, atol=1e-10)
        met = found.status == OPTIMAL
        for answer in (found, truth):
            spend = (answer.share * problems.cost).sum(1)
            assert (spend <= problems.budget * (1.0 + 1e-8))[met].all()
        seen.update(found.status.tolist())
    assert min(seen[OPTIMAL], seen[OVER_BUDGET]) > 500


@BACKENDS
@pytest.mark.parametrize(
    ("budget", "status"), [(1e-7, OVER_BUDGET), (1e-6, OPTIMAL), (1.1e-6, OPTIMAL)]
)
def test_a_budget_far_below_the_dearest_cost(module: Any, budget: float, status: int) -> None:
    problems = problem([0.9, 0.5], [1e6, 1e-6], 1.0, budget)
    answer = module.solve(*problems)
    assert answer.status[0] == status
    spend = float((answer.share[0] * problems.cost[0]).sum())
    assert spend == pytest.approx(max(budget, 1e-6), rel=1e-8)
    # What the dear model may have of such a budget is still given to it.
    assert answer.share[0, 0] == pytest.approx(max(budget - 1e-6, 0.0) / 1e6, abs=1e-20)


def test_costs_that_differ_by_less_than_the_tolerance_still_differ() -> None:
    """Moving mass between them may be what brings the budget within reach."""
    cost = np.array([1.0, 1.0 + 8e-13, 2.0, 0.0])
    problems = problem([0.5, 0.9, 1.0, 0.1], cost, [1.0, 1.0, 1.0, 1e-13], 1.0 - 1.5e-12)
    for module in (compiled, exact):
        answer = module.solve(*problems)
        assert answer.status[0] == OPTIMAL
        np.testing.assert_allclose(answer.share[0], [1.0, 0.0, 0.0, 1e-13], atol=1e-15)


@pytest.mark.parametrize("size", [16, 40])
def test_large_problems_are_those_of_exact_arithmetic(size: int) -> None:
    rng = np.random.default_rng(size)
    problems = random_problems(rng, 12, size)
    assert_same(compiled.solve(*problems), exact.solve(*problems), problems, 1e-9)


# --- The tie order, by hand -------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize(
    ("reward", "cost", "limit", "budget", "share", "price"),
    [
        # Higher reward first, up to the limit.
        ([0.5, 0.75], [0.5, 0.5], 0.75, 1.0, [0.25, 0.75], 0.0),
        # Equal rewards: lower cost first, even when the budget asks for nothing.
        ([0.5, 0.5, 0.5], [0.75, 0.25, 0.5], 0.5, np.inf, [0.0, 0.5, 0.5], 0.0),
        # Equal models: lower index first.
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], 0.5, 1.0, [0.5, 0.5, 0.0], 0.0),
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], 0.75, 0.5, [0.75, 0.25, 0.0], 0.0),
        # Equal models under a binding budget: the first of them is mixed with the cheap one.
        ([1.0, 1.0, 0.0], [1.0, 1.0, 0.0], 1.0, 0.5, [0.5, 0.0, 0.5], 1.0),
        ([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], 1.0, 0.5, [0.5, 0.5, 0.0], 1.0),
        # On one line: as much as possible to the highest reward, then to the next.
        ([1.0, 0.5, 0.0], [1.0, 0.5, 0.0], 1.0, 0.5, [0.5, 0.0, 0.5], 1.0),
        ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0], 0.75, 0.5, [0.5, 0.0, 0.5], 1.0),
        ([1.0, 0.5, 0.0], [1.0, 0.5, 0.0], 0.5, 0.5, [0.5, 0.0, 0.5], 1.0),
        ([1.0, 0.75, 0.25, 0.0], [1.0, 0.75, 0.25, 0.0], 0.5, 0.5, [0.5, 0.0, 0.0, 0.5], 1.0),
        (
            [1.0, 0.75, 0.25, 0.0],
            [1.0, 0.75, 0.25, 0.0],
            [0.25, 0.25, 0.5, 0.25],
            0.5,
            [0.25, 0.25, 0.25, 0.25],
            1.0,
        ),
        # Price 0 although the budget binds exactly.
        ([1.0, 0.0], [0.5, 0.25], 0.5, 0.375, [0.5, 0.5], 0.0),
        # All of the budget goes into the dearest mix that it allows.
        ([1.0, 0.5], [1.0, 0.0], 1.0, 0.25, [0.25, 0.75], 0.5),
    ],
)
def test_documented_tie_order(
    module: Any, reward: Any, cost: Any, limit: Any, budget: float, share: Any, price: float
) -> None:
    answer = module.solve(*problem(reward, cost, limit, budget))
    assert answer.status[0] == OPTIMAL
    np.testing.assert_array_equal(answer.share[0], share)
    assert answer.budget_price[0] == price


@BACKENDS
def test_over_budget_is_the_cheapest_distribution_and_the_best_of_those(module: Any) -> None:
    answer = module.solve(*problem([0.9, 0.2, 0.7, 0.7], [1.0, 0.5, 0.5, 0.5], 0.75, 0.25))
    assert answer.status[0] == OVER_BUDGET
    np.testing.assert_allclose(answer.share[0], [0.0, 0.0, 0.75, 0.25], atol=1e-15)
    assert answer.value[0] == pytest.approx(0.7)
    # The smallest price at which nothing dearer is preferred: (0.9 - 0.7) / (1 - 0.5).
    assert answer.budget_price[0] == pytest.approx(0.4)


@BACKENDS
def test_over_budget_multipliers_prove_that_nothing_else_is_preferred(module: Any) -> None:
    """Both models are full, so the simplex price lies between them and the model left out."""
    problems = problem([0.0, 0.5, 0.0, 0.0, 0.375], [0.375, 0.625, 0.625, 0.25, 0.375], 0.5, 0.25)
    answer = module.solve(*problems)
    assert answer.status[0] == OVER_BUDGET
    np.testing.assert_array_equal(answer.share[0], [0.0, 0.0, 0.0, 0.5, 0.5])
    gain = problems.reward[0] - answer.budget_price[0] * problems.cost[0]
    assert answer.simplex_price[0] <= gain[[3, 4]].min() + 1e-12
    assert answer.simplex_price[0] >= gain[[0, 1, 2]].max() - 1e-12


@BACKENDS
@pytest.mark.parametrize("limit", [[0.5, 0.25], [0.25, 0.0], [1e-300, 0.5]])
def test_no_capacity_is_in_proportion_to_the_limits(module: Any, limit: list[float]) -> None:
    answer = module.solve(*problem([0.9, 0.2], [1.0, 0.5], limit, 0.0))
    assert answer.status[0] == NO_CAPACITY
    np.testing.assert_allclose(answer.share[0], np.array(limit) / sum(limit), rtol=1e-15)
    assert answer.budget_price[0] == answer.simplex_price[0] == 0.0


@BACKENDS
def test_nobody_there(module: Any) -> None:
    answer = module.solve(*problem([0.9, 0.2], [1.0, 0.5], 0.0, 1.0))
    assert answer.status[0] == NO_CAPACITY
    np.testing.assert_array_equal(answer.share[0], [0.0, 0.0])
    assert answer.value[0] == 0.0


@BACKENDS
@pytest.mark.parametrize("size", [3, 7, 10, 49])
def test_limits_that_add_up_to_one_but_for_rounding(module: Any, size: int) -> None:
    """Ten times 0.1 is a whole, whichever way the sum rounds."""
    cost = np.arange(size) / 8.0
    mean = float(cost.mean())
    for budget, status in ((np.inf, OPTIMAL), (mean, OPTIMAL), (0.9 * mean, OVER_BUDGET)):
        problems = problem(cost[::-1], cost, 1.0 / size, budget)
        answer = module.solve(*problems)
        assert answer.status[0] == status
        np.testing.assert_allclose(answer.share[0], 1.0 / size, rtol=1e-12)


@BACKENDS
@pytest.mark.parametrize("cost", [0.0, 5e-324, 1.0, 1e300])
def test_one_model(module: Any, cost: float) -> None:
    for budget, status in ((cost, OPTIMAL), (np.inf, OPTIMAL), (0.5 * cost, OVER_BUDGET)):
        if cost < 1e-300 and status == OVER_BUDGET:
            continue  # Half of the least number is zero: see the next test.
        answer = module.solve(*problem([0.25], [cost], 1.0, budget))
        assert answer.status[0] == status
        assert answer.share[0, 0] == 1.0
        assert (answer.value[0], answer.budget_price[0]) == (0.25, 0.0)


@BACKENDS
def test_least_numbers(module: Any) -> None:
    tiny = 5e-324
    answer = module.solve(*problem([1.0, 0.0], [tiny, 0.0], 1.0, 0.0))
    assert answer.status[0] == OPTIMAL
    np.testing.assert_array_equal(answer.share[0], [0.0, 1.0])
    answer = module.solve(*problem([1.0, 0.0], [2 * tiny, 0.0], 1.0, tiny))
    np.testing.assert_array_equal(answer.share[0], [0.5, 0.5])
    assert np.isfinite(answer.budget_price[0])
    answer = module.solve(*problem([0.25], [tiny], 1.0, 0.0))
    assert answer.status[0] == OVER_BUDGET


def test_shares_stay_within_the_limits_to_the_last_bit() -> None:
    problems = problem(
        [0.2, 0.5333333333333333, 0.7],
        [0.0, 0.5, 0.75],
        [0.7813072516701768, 0.9149716946878683, 0.36031362719831844],
        0.10934637416491155,
    )
    answer = compiled.solve(*problems)
    assert (answer.share <= problems.limit).all()


# --- One problem alone ------------------------------------------------------------------------


def shares_of_basis(problems: Problems, row: int, side: F8, i: int, j: int) -> F8:
    """Shares by the two coupling rows: full models at their limits, then the basis."""
    _, c, a, b = (x[row] for x in problems)
    share = np.where(side > 0.0, a, 0.0)
    rest = 1.0 - share.sum()
    if i != j:
        # Costs are measured from those of j.
        left = b - c[j] - (share * (c - c[j])).sum()
        share[i] = left / (c[i] - c[j])
        share[j] = rest - share[i]
    else:
        share[i] = rest
    return share


KINDS = pytest.mark.parametrize(
    "kind", [random_problems, exact_problems, degenerate_problems, mixed_problems]
)


@KINDS
def test_the_basis_gives_the_shares(
    kind: Callable[[np.random.Generator, int, int], Problems],
) -> None:
    rng = np.random.default_rng(81)
    found = 0
    for size in (1, 2, 3, 5, 8, 16, 33):
        problems = kind(rng, 60, size)
        problems.limit[rng.random(problems.limit.shape) < 0.1] = 0.0
        for r in range(60):
            u, c, a, b = (np.copy(x[r]) for x in problems)
            share, side = np.full(size, np.nan), np.full(size, np.nan)
            status, _, _, i, j = compiled.solve_one(u, c, a, size, float(b), share, side)
            if status == OPTIMAL:
                found += 1
                side[a <= 0.0] = 0.0
                by_basis = shares_of_basis(problems, r, side, i, j)
                np.testing.assert_allclose(by_basis, share, atol=1e-9)
    assert found > 100


@KINDS
@pytest.mark.parametrize("count", [1, 5, 32, 75])
def test_lanes_answer_as_one_problem_alone_to_the_bit(
    kind: Callable[[np.random.Generator, int, int], Problems], count: int
) -> None:
    rng = np.random.default_rng(82)
    for size in (1, 2, 3, 5, 8, 17, 40):
        problems = kind(rng, count, size)
        problems.limit[rng.random(problems.limit.shape) < 0.05] = 0.0
        answer = compiled.solve(*problems)
        for r in range(count):
            u, c, a, b = (np.copy(x[r]) for x in problems)
            share, side = np.empty(size), np.empty(size)
            status, price, marginal, _, _ = compiled.solve_one(u, c, a, size, float(b), share, side)
            np.testing.assert_array_equal(answer.share[r], share)
            assert answer.status[r] == status
            assert (answer.budget_price[r], answer.simplex_price[r]) == (price, marginal)


def test_ordinary_problems_are_solved_in_lockstep() -> None:
    """Left to be solved one by one: no solution, tiny costs, or costs far above the budget."""
    problems = random_problems(np.random.default_rng(83), lanes.WIDTH, 5)
    size, count = np.uint64(5), np.uint64(lanes.WIDTH)
    w = lanes.workspace(5)
    compiled._load(w, *problems, np.uint64(0), count, size)
    lanes.solve_lanes(w, size, count)
    hard = w[int(lanes.LANE.hard) : int(lanes.LANE.hard) + lanes.WIDTH] != 0.0
    far = problems.cost.max(1) > REACH * problems.budget
    np.testing.assert_array_equal(hard, far | (compiled.solve(*problems).status != OPTIMAL))


# --- Lanes, order, absent models, scaling -----------------------------------------------------


def batches(seed: int) -> list[Problems]:
    rng = np.random.default_rng(seed)
    kinds = (random_problems, degenerate_problems, exact_problems, mixed_problems)
    return [kind(rng, 60, size) for kind in kinds for size in (1, 3, 5, 8, 17)]


@pytest.mark.parametrize("count", [1, 7])
def test_an_answer_does_not_depend_on_its_neighbours(count: int) -> None:
    for problems in batches(21):
        whole = compiled.solve(*problems)
        order = np.random.default_rng(0).permutation(len(problems.budget))
        shuffled = compiled.solve(*problems.rows(order))
        for a, b in zip(whole, shuffled, strict=True):
            np.testing.assert_array_equal(a[order], b)
        for first in range(0, len(order), count):
            part = slice(first, first + count)
            for a, b in zip(whole, compiled.solve(*problems.rows(part)), strict=True):
                np.testing.assert_array_equal(a[part], b)


def test_empty_batch() -> None:
    for module in (compiled, exact):
        answer = module.solve(*problem([0.1], [0.2], 1.0, 1.0).rows(slice(0, 0)))
        assert [x.shape for x in answer] == [(0, 1), (0,), (0,), (0,), (0,)]


@BACKENDS
def test_a_limit_of_zero_is_an_absent_model(module: Any) -> None:
    rng = np.random.default_rng(31)
    for problems in batches(32):
        if module is exact and problems.size > 5:
            continue
        few = problems.rows(slice(0, 10)) if module is exact else problems
        rows, size = few.reward.shape
        extra = 3
        where = np.sort(rng.permutation(size + extra)[:size])
        gone = np.setdiff1d(np.arange(size + extra), where)
        wide = [np.empty((rows, size + extra)) for _ in range(3)]
        for array, values, other in zip(
            wide,
            few[:3],
            (rng.choice([0.0, 0.5, 2.0, -1.0]), rng.choice([0.0, 0.3, 1e9]), 0.0),
            strict=True,
        ):
            array[:, where] = values
            array[:, gone] = other
        left_out = module.solve(*few)
        absent = module.solve(wide[0], wide[1], wide[2], few.budget)
        assert not absent.share[:, gone].any()
        np.testing.assert_array_equal(absent.share[:, where], left_out.share)
        for a, b in zip(absent[1:], left_out[1:], strict=True):
            np.testing.assert_array_equal(a, b)


def test_order_of_models_does_not_matter_without_ties() -> None:
    rng = np.random.default_rng(41)
    for size in (2, 5, 16):
        problems = random_problems(rng, 200, size)
        order = rng.permutation(size)
        a = compiled.solve(*problems)
        b = compiled.solve(*problems.models(order))
        np.testing.assert_allclose(b.share, a.share[:, order], atol=1e-9)
        np.testing.assert_allclose(b.budget_price, a.budget_price, rtol=1e-9)


def scaled(problems: Problems, by: float) -> Problems:
    return problems._replace(cost=problems.cost * by, budget=problems.budget * by)


@pytest.mark.parametrize("power", [-40, -3, 1, 17, 60])
def test_powers_of_two_in_the_costs_change_nothing(power: int) -> None:
    for problems in batches(51):
        if (problems.cost < 1e-250).any() and not (problems.cost == 0.0).all():
            continue
        a = compiled.solve(*problems)
        b = compiled.solve(*scaled(problems, 2.0**power))
        np.testing.assert_array_equal(b.share, a.share)
        np.testing.assert_array_equal(b.value, a.value)
        np.testing.assert_array_equal(b.status, a.status)
        np.testing.assert_array_equal(b.budget_price * 2.0**power, a.budget_price)
        np.testing.assert_array_equal(b.simplex_price, a.simplex_price)


@pytest.mark.parametrize("power", range(-6, 7))
def test_powers_of_ten_in_the_costs_scale_the_price_only(power: int) -> None:
    rng = np.random.default_rng(52)
    for size in (1, 2, 5, 8, 32):
        problems = random_problems(rng, 100, size)
        a = compiled.solve(*problems)
        b = compiled.solve(*scaled(problems, 10.0**power))
        np.testing.assert_allclose(b.share, a.share, atol=1e-9)
        np.testing.assert_allclose(b.budget_price * 10.0**power, a.budget_price, rtol=1e-9)
        np.testing.assert_allclose(b.value, a.value, rtol=1e-10)


@pytest.mark.parametrize("power", [-6, -3, 3, 6])
def test_values_of_degenerate_problems_do_not_depend_on_the_unit(power: int) -> None:
    for problems in batches(53):
        if (problems.cost < 1e-250).any() and not (problems.cost == 0.0).all():
            continue
        moved = scaled(problems, 10.0**power)
        a, b = compiled.solve(*problems), compiled.solve(*moved)
        assert_optimal(moved, b)
        same = a.status == b.status
        assert same.mean() > 0.9  # Budgets on the edge may fall on either side of it.
        assert (np.abs(a.value - b.value) <= tolerated(problems, a))[same].all()


def tolerated(problems: Problems, *answers: Routing) -> F8:
    """What the tolerance of the budget row is worth at the highest price, and rounding."""
    price = np.minimum(np.max([x.budget_price for x in answers], axis=0), 1e300)
    return np.asarray(1e-11 * (1.0 + price * problems.cost.max(1)))


def test_a_larger_budget_or_limit_never_hurts() -> None:
    for problems in batches(61):
        a = compiled.solve(*problems)
        wider = np.minimum(1.0, problems.limit * 1.5)
        for more in (
            compiled.solve(*problems._replace(budget=problems.budget * 1.25)),
            compiled.solve(*problems._replace(limit=wider)),
        ):
            good = more.value >= a.value - tolerated(problems, a, more)
            assert good[a.status == OPTIMAL].all()


def test_inputs_are_left_alone() -> None:
    for problems in batches(71):
        kept: list[F8] = [x.copy() for x in problems]
        compiled.solve(*problems)
        for before, after in zip(kept, problems, strict=True):
            np.testing.assert_array_equal(before, after)
