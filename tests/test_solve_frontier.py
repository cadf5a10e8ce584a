"""The frontier of quality over the budget, against all sets and against HiGHS."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from fastroute.solve import frontier as frontiers
from fastroute.solve.frontier import deployment_frontier, routing_curve


def table(draw: np.random.Generator, models: int) -> tuple[Any, Any, Any]:
    """Return rewards, costs and limits, with ties at times."""
    reward = draw.uniform(size=models)
    cost = draw.exponential(size=models) * 10.0 ** draw.uniform(-3.0, 1.0)
    if draw.uniform() < 0.3:
        reward, cost = np.round(reward, 1), np.round(cost, 1)
    limit = draw.choice([0.3, 0.4, 0.6, 1.0], models)
    return reward, cost, limit if draw.uniform() < 0.5 else np.full(models, draw.choice([0.4, 1.0]))


def best_of_all_sets(reward: Any, cost: Any, limit: Any, most: int, budgets: Any) -> Any:
    """Return the best value at some budgets, by the curve of every set."""
    best = np.full(len(budgets), -np.inf)
    for places in itertools.combinations(range(len(reward)), most):
        chosen = list(places)
        curve = routing_curve(reward[chosen], cost[chosen], limit[chosen])
        if curve is not None:
            best = np.maximum(best, curve.at(budgets))
    return best


@pytest.mark.parametrize("programs", [False, True], ids=["all sets", "programs"])
def test_no_set_is_above_it(programs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontiers, "_MOST_SETS", 0 if programs else 10**6)
    draw = np.random.default_rng(5)
    played = 0
    while played < 20:
        models = int(draw.integers(2, 8))
        most = int(draw.integers(1, models + 1))
        reward, cost, limit = table(draw, models)
        if np.sort(limit)[::-1][:most].sum() < 1.0:
            continue
        played += 1
        found = deployment_frontier(reward, cost, limit, most)
        budgets = np.concatenate(
            [np.linspace(found.budget[0], cost.max(), 97), found.budget, found.budget * (1 + 1e-6)]
        )
        best = best_of_all_sets(reward, cost, limit, most, budgets)
        np.testing.assert_allclose(found.at(budgets), best, rtol=0.0, atol=1e-9)
        for budget in budgets[::12]:
            share = found.shares_at(float(budget))
            assert share.sum() == pytest.approx(1.0, abs=1e-9)
            assert (share <= limit + 1e-9).all()
            assert (share > 1e-12).sum() <= most
            assert share @ cost <= budget + 1e-9
            assert share @ reward == pytest.approx(float(found.at(budget)), abs=1e-9)


def highs(reward: Any, cost: Any, limit: Any, budget: float) -> tuple[float, float]:
    """Return the best value of a set and the price of its budget, by HiGHS; NaN where none is."""
    lp = linprog(
        -reward,
        A_ub=cost[None, :],
        b_ub=[budget],
        A_eq=np.ones((1, len(cost))),
        b_eq=[1.0],
        bounds=[(0.0, top) for top in limit],
        method="highs",
    )
    return (-lp.fun, -float(lp.ineqlin.marginals[0])) if lp.success else (np.nan, np.nan)


def agrees_with_highs(draw: np.random.Generator, most_models: int) -> bool:
    """Compare a frontier and its prices with an LP for every set; False where there is none."""
    models = int(draw.integers(2, most_models + 1))
    most = int(draw.integers(1, models + 1))
    reward, cost, limit = table(draw, models)
    if np.sort(limit)[::-1][:most].sum() < 1.0:
        return False
    found = deployment_frontier(reward, cost, limit, most)
    sets = [list(places) for places in itertools.combinations(range(models), most)]
    # A budget at a corner may be met by rounding alone; in between it is met or not.
    cuts = np.append(found.budget, max(cost.max(), found.budget[-1]) * 1.1 + 0.1)
    for budget in draw.permutation(0.5 * (cuts[1:] + cuts[:-1]))[:3]:
        solved = [highs(reward[one], cost[one], limit[one], float(budget)) for one in sets]
        best = np.nanmax([value for value, _ in solved])
        np.testing.assert_allclose(found.at(budget), best, rtol=0.0, atol=1e-9)
    spread = max(float(np.ptp(cost)), 1e-9)
    for low, high, value, slope in found.pieces(float(cuts[-1])):
        if high - low < 1e-6 * spread:
            continue
        budget = 0.5 * (low + high)
        used = np.flatnonzero(found.shares_at(budget) > 1e-12)
        own, price = highs(reward[used], cost[used], limit[used], budget)
        np.testing.assert_allclose(own, value + slope * (budget - low), rtol=0.0, atol=1e-9)
        np.testing.assert_allclose(price * spread, slope * spread, rtol=0.0, atol=1e-9)
    return True


def test_frontier_and_prices_are_those_of_highs() -> None:
    draw = np.random.default_rng(7)
    assert sum(agrees_with_highs(draw, 6) for _ in range(20)) > 10


@pytest.mark.slow
def test_frontier_and_prices_of_200_tables_are_those_of_highs() -> None:
    draw = np.random.default_rng(8)
    played = 0
    while played < 200:
        played += agrees_with_highs(draw, 10)


@pytest.mark.slow
@pytest.mark.parametrize("programs", [False, True], ids=["all sets", "programs"])
def test_no_set_is_above_the_frontier_of_200_tables(
    programs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontiers, "_MOST_SETS", 0 if programs else 10**6)
    draw = np.random.default_rng(9)
    played = 0
    while played < 200:
        models = int(draw.integers(2, 11))
        most = int(draw.integers(1, models + 1))
        reward, cost, limit = table(draw, models)
        if np.sort(limit)[::-1][:most].sum() < 1.0:
            continue
        played += 1
        found = deployment_frontier(reward, cost, limit, most)
        # Just above a corner, which a set may meet by rounding alone.
        above = found.budget + 1e-9 * np.ptp(cost)
        budgets = np.concatenate([np.linspace(above[0], cost.max(), 97), above])
        best = best_of_all_sets(reward, cost, limit, most, budgets)
        np.testing.assert_allclose(found.at(budgets), best, rtol=0.0, atol=1e-9)


def agrees_above_floors(draw: np.random.Generator, most_models: int) -> bool:
    """Compare a frontier under two floors with an LP for every set; False where there is none."""
    models = int(draw.integers(2, most_models + 1))
    most = int(draw.integers(1, models + 1))
    reward, cost, limit = table(draw, models)
    floors = [(draw.uniform(size=models), float(draw.uniform(0.2, 0.6))) for _ in range(2)]
    above = np.array([-values for values, _ in floors])
    least = [-one for _, one in floors]
    # Costs of order 1, for the absolute tolerances of HiGHS.
    size = max(float(cost.max()), 1e-9)

    def lp(one: list[int], budget: float) -> float:
        found = linprog(
            -reward[one],
            A_ub=np.vstack([cost[one] / size, above[:, one]]),
            b_ub=[budget / size, *least],
            A_eq=np.ones((1, len(one))),
            b_eq=[1.0],
            bounds=[(0.0, top) for top in limit[one]],
        )
        return -found.fun if found.success else -np.inf

    sets = [list(places) for places in itertools.combinations(range(models), most)]
    if max(lp(one, float(cost.max())) for one in sets) == -np.inf:
        with pytest.raises(ValueError, match=r"floors: no mix|max_deployed="):
            deployment_frontier(reward, cost, limit, most, floors)
        return False
    found = deployment_frontier(reward, cost, limit, most, floors)
    cuts = np.append(found.budget, max(cost.max(), found.budget[-1]) * 1.1 + 0.1)
    below = found.budget[0] - 1e-6 * size
    assert max(lp(one, float(below)) for one in sets) == -np.inf
    for budget in draw.permutation(0.5 * (cuts[1:] + cuts[:-1]))[:4]:
        best = max(lp(one, float(budget)) for one in sets)
        np.testing.assert_allclose(found.at(budget), best, rtol=0.0, atol=1e-9)
        share = found.shares_at(float(budget))
        assert all(share @ values >= one - 1e-9 for values, one in floors)
        assert share.sum() == pytest.approx(1.0, abs=1e-9)
        assert (share > 1e-9).sum() <= most
    return True


def test_frontier_above_floors_is_that_of_an_lp_for_every_set() -> None:
    draw = np.random.default_rng(3)
    assert sum(agrees_above_floors(draw, 5) for _ in range(30)) > 8


@pytest.mark.slow
def test_frontier_above_floors_of_100_tables() -> None:
    draw = np.random.default_rng(4)
    played = 0
    while played < 100:
        played += agrees_above_floors(draw, 8)


@pytest.mark.parametrize("programs", [False, True], ids=["all sets", "programs"])
def test_a_set_whose_limits_leave_one_mix_counts(
    programs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Below the jump of the best set, which rounding may put on either side of its corner.
    monkeypatch.setattr(frontiers, "_MOST_SETS", 0 if programs else 10**6)
    reward = np.array([0.1393554623220803, 0.34529930460260116, 0.6786894657231466])
    cost = np.array([0.018058064541693265, 0.3113420012041408, 0.49353691871064687])
    found = deployment_frontier(reward, cost, [0.4, 0.6, 0.6], 2)
    mixes = [(0.4, 0.6, 0.0), (0.4, 0.0, 0.6), (0.0, 0.6, 0.4), (0.0, 0.4, 0.6)]
    assert found.share == pytest.approx(np.array(mixes))
    assert found.slope[:2].tolist() == [0.0, 0.0]


@given(seed=st.integers(0, 2**32 - 1))
def test_the_curve_of_a_set_is_the_value_of_its_lp(seed: int) -> None:
    draw = np.random.default_rng(seed)
    reward, cost, limit = table(draw, int(draw.integers(1, 7)))
    curve = routing_curve(reward, cost, limit)
    if curve is None:
        assert limit.sum() < 1.0
        return
    budget = float(draw.uniform(curve.budget[0], max(curve.budget[-1], curve.budget[0]) * 1.1))
    lp = linprog(
        -reward,
        A_ub=cost[None, :],
        b_ub=[budget],
        A_eq=np.ones((1, len(cost))),
        b_eq=[1.0],
        bounds=[(0.0, top) for top in limit],
    )
    assert float(curve.at(budget)) == pytest.approx(-lp.fun, abs=1e-8)


def test_it_begins_where_a_mix_can_be_paid_and_jumps() -> None:
    # One model at most: a step at the cost of every better one.
    found = deployment_frontier([0.2, 0.9, 0.5], [1.0, 4.0, 2.0], 1.0, 1)
    assert found.budget.tolist() == [1.0, 2.0, 4.0]
    assert found.value.tolist() == [0.2, 0.5, 0.9]
    assert found.slope.tolist() == [0.0, 0.0, 0.0]
    assert found.at([0.5, 1.0, 1.9, 2.0, 9.0]).tolist() == [-np.inf, 0.2, 0.2, 0.5, 0.9]
    with pytest.raises(ValueError, match=r"budget=0\.5 must be at least 1"):
        found.shares_at(0.5)


def test_two_models_mix() -> None:
    found = deployment_frontier([0.2, 0.9, 0.5], [1.0, 4.0, 2.0], 1.0, 2)
    # The hull runs from the first over the third (0.3 per unit) to the second (0.2 per unit).
    assert found.at([1.5, 2.0, 3.0]) == pytest.approx([0.35, 0.5, 0.7])
    assert found.shares_at(3.0) == pytest.approx([0.0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([0.5, 0.6], [1.0, 2.0], 0.4, 2), "max_deployed=2"),
        (([0.5], [1.0, 2.0], 1.0, 1), "one length"),
        (([0.5, np.nan], [1.0, 2.0], 1.0, 1), r"reward\[1\]"),
        (([0.5, 0.6], [1.0, 2.0], 1.5, 1), "limit"),
        (([0.5, 0.6], [1.0, 2.0], 1.0, 0), "max_deployed=0"),
    ],
)
def test_bad_input_is_refused(arguments: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        deployment_frontier(*arguments)
