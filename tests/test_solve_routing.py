"""``solve_routing``: shapes, types, messages, backends, and HiGHS as a second opinion."""

from datetime import date
from typing import Any

import numpy as np
import pytest

import fastroute as fr
from certificates import assert_optimal
from fastroute.checks import choice, integer, number_array
from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.numba_ import routing as compiled
from fastroute.kernels.types import Routing
from fastroute.solve import (
    InfeasibleWarning,
    RoutingResult,
    Status,
    solve_deployment,
    solve_routing,
)
from fastroute.solve.highs import routing as by_highs
from fastroute.solve.status import round_up
from strategies import (
    Problems,
    cheapest_mix,
    degenerate_problems,
    exact_problems,
    mixed_problems,
    random_problems,
)

pytestmark = pytest.mark.filterwarnings("ignore::fastroute.solve.InfeasibleWarning")
BACKENDS = pytest.mark.parametrize("backend", ["auto", "numba", "ref", "highs"])
GOOD: dict[str, Any] = {"reward": [0.9, 0.2], "cost": [1.0, 0.1], "limit": 1.0, "budget": 0.55}


# --- HiGHS ------------------------------------------------------------------------------------


def test_values_are_those_of_highs() -> None:
    """Two thousand LPs, random and degenerate, through the facade."""
    rng = np.random.default_rng(1)
    compared = 0
    kinds = (random_problems, exact_problems, degenerate_problems)
    while compared < 2_000:
        problems = kinds[compared // 50 % 3](rng, 50, int(rng.integers(1, 25)))
        # HiGHS works with tolerances of its own: costs over many magnitudes, costs that are close
        # to one large number, and the smallest limits are beyond it.
        costs = problems.cost[problems.cost > 0.0]
        if problems.limit.min() < 1e-6 or (
            costs.size and (costs.min() < 1e-4 or costs.max() < 1.0001 * costs.min())
        ):
            continue
        ours = solve_routing(*problems)
        theirs = solve_routing(*problems, backend="highs")
        same = ours.status == theirs.status
        # A budget at the very cheapest mix is feasible within the tolerance of one or the other.
        assert same.mean() > 0.9
        slack = 1e-9 * (1.0 + ours.budget_price * np.ptp(problems.cost, axis=1))
        assert (np.abs(ours.value - theirs.value) <= slack)[same].all()
        compared += int(same.sum())


@pytest.mark.parametrize(
    "kind", [random_problems, degenerate_problems, exact_problems, mixed_problems]
)
def test_highs_gives_the_statuses_of_the_others_and_proven_values(kind: Any) -> None:
    """Whatever the input: nothing is raised, and every answer is within the one tolerance."""
    rng = np.random.default_rng(3)
    for _ in range(10):
        problems: Problems = kind(rng, 30, int(rng.integers(1, 12)))
        theirs, ours = by_highs(*problems), compiled.solve(*problems)
        np.testing.assert_array_equal(theirs.status, ours.status)
        price = np.minimum(ours.budget_price * np.ptp(problems.cost, axis=1), 1e300)
        assert (np.abs(theirs.value - ours.value) <= 2e-9 * (1.0 + price)).all()
        assert (theirs.share <= problems.limit)[ours.status != NO_CAPACITY].all()


def test_highs_answers_where_it_once_had_no_status() -> None:
    reward = [-195080.1, -1347320.9, 1149155.2, 921010.0, 162802.9, -640869.6, -781035.0, 1135318.4]
    cost = 1e4 + 1e-7 * np.array([289.7, 8817.2, 5705.6, 2142.3, 5049.2, 7086.0, 1095.8, 7503.5])
    limit = [1.0, 0.25, 1.0, 0.5, 0.125, 0.25, 0.25, 1.0]
    for budget, status in ((1e4 + 1.897e-5, OVER_BUDGET), (1e4 + 3e-5, OPTIMAL), (2e4, OPTIMAL)):
        ours = solve_routing(reward, cost, limit, budget)
        theirs = solve_routing(reward, cost, limit, budget, backend="highs")
        assert ours.status == theirs.status == status
        assert theirs.value == pytest.approx(float(ours.value), rel=1e-9)


@BACKENDS
def test_tiny_limits_over_budget(backend: str) -> None:
    """The cheapest distribution leaves no room for the tolerances of a second solution."""
    cost = [10000.0008016, 10000.0005677, 10000.0009488, 10000.0009165, 10000.0001631]
    limit = [9.893e-11, 4.4675e-11, 4.056e-3, 1.0, 4.1923e-7]
    found = solve_routing(np.zeros(5), cost, limit, 9654.0, backend=backend)
    assert found.status == OVER_BUDGET
    np.testing.assert_allclose(found.share, [0.0, 0.0, 0.0, 1.0, 0.0], atol=1e-5)


def test_highs_forgets_what_it_solved_before() -> None:
    """Budgets just short of the cheapest mix, before and after a problem with integers."""
    rng = np.random.default_rng(4)
    close = []
    for size in (2, 3, 4, 6):
        reward, cost = rng.random((30, size)), rng.random((30, size))
        limit = rng.uniform(1.0 / size, 1.0, (30, size))
        close.append(Problems(reward, cost, limit, cheapest_mix(cost, limit)[1] - 4e-10))
    before = [solve_routing(*x, backend="highs") for x in close]
    solve_deployment([0.9, 0.5, 0.2], [1.0, 0.6, 0.1], 0.5, 0.35, 2, backend="highs")
    after = [solve_routing(*x, backend="highs") for x in close]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a.status, b.status)
        np.testing.assert_array_equal(a.share, b.share)


def test_answers_of_highs_are_proven_too() -> None:
    rng = np.random.default_rng(2)
    for size in (1, 2, 5, 12):
        problems = random_problems(rng, 50, size)
        answer = by_highs(*problems)
        loose = compiled.solve(*problems)
        np.testing.assert_array_equal(answer.status, loose.status)
        np.testing.assert_allclose(answer.value, loose.value, atol=1e-9)
        spend = (answer.share * problems.cost).sum(1)
        assert (spend <= problems.budget + 1e-9 * problems.cost.max(1))[answer.status == 0].all()
        np.testing.assert_allclose(answer.share.sum(1), 1.0, atol=1e-9)
        feasible = answer.status == OPTIMAL
        gain = problems.reward - answer.budget_price[:, None] * problems.cost
        over = np.maximum(gain - answer.simplex_price[:, None], 0.0)
        dual = (
            answer.budget_price * problems.budget
            + answer.simplex_price
            + (over * problems.limit).sum(1)
        )
        scale = 1.0 + answer.budget_price * problems.cost.max(1)
        assert (np.abs(dual - answer.value) <= 1e-8 * scale)[feasible].all()


@pytest.mark.parametrize(
    ("limit", "budget", "status", "share"),
    [
        (0.4, 1.0, NO_CAPACITY, [0.5, 0.5]),
        ([0.25, 0.5], 1.0, NO_CAPACITY, [1.0 / 3.0, 2.0 / 3.0]),
        (1.0, 0.05, OVER_BUDGET, [0.0, 1.0]),
        (0.75, 0.1, OVER_BUDGET, [0.25, 0.75]),
        (1.0, 0.55, OPTIMAL, [0.5, 0.5]),
        (1.0, np.inf, OPTIMAL, [1.0, 0.0]),
    ],
)
@BACKENDS
def test_every_backend_gives_the_documented_answer(
    backend: str, limit: Any, budget: float, status: int, share: list[float]
) -> None:
    found = solve_routing([0.9, 0.2], [1.0, 0.1], limit, budget, backend=backend)
    assert found.status == status
    np.testing.assert_allclose(found.share, share, atol=1e-9)
    assert found.value == pytest.approx(float(np.dot(share, [0.9, 0.2])))
    assert found.feasible == (status == OPTIMAL)


@BACKENDS
@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-200, 1e-12, 1e12, 1e300])
def test_every_backend_is_finite_at_any_scale(backend: str, scale: float) -> None:
    cost = np.array([4.0, 3.0, 0.0]) * scale
    for budget in (0.0, scale, 2.0 * scale, np.inf):
        found = solve_routing([0.9, 0.5, 0.1], cost, 0.5, budget, backend=backend)
        for x in (found.share, found.value, found.budget_price, found.simplex_price):
            assert np.isfinite(x).all(), (budget, found)


@BACKENDS
def test_nothing_is_printed(backend: str, capfd: pytest.CaptureFixture[str]) -> None:
    for budget in (0.0, 0.5, np.inf):
        solve_routing(**{**GOOD, "budget": budget}, backend=backend)
    assert tuple(capfd.readouterr()) == ("", "")


# --- Shapes and types -------------------------------------------------------------------------


@BACKENDS
def test_leading_axes(backend: str) -> None:
    rng = np.random.default_rng(3)
    reward = rng.random((2, 3, 4))
    cost = rng.random((2, 3, 4))
    budget = np.array([0.3, 0.5, 0.7])
    found = solve_routing(reward, cost, 0.6, budget, backend=backend)
    assert found.share.shape == (2, 3, 4)
    for x in (found.value, found.budget_price, found.simplex_price, found.status, found.message):
        assert x.shape == (2, 3)
    for i in np.ndindex(2, 3):
        alone = solve_routing(reward[i], cost[i], [0.6] * 4, budget[i[1]], backend=backend)
        assert alone.share.shape == (4,)
        np.testing.assert_array_equal(alone.share, found.share[i])
        assert alone.value == found.value[i]
        assert alone.value.shape == ()


def test_every_argument_may_carry_the_leading_axes() -> None:
    rng = np.random.default_rng(4)
    one: dict[str, Any] = {"reward": rng.random(4), "cost": rng.random(4), "limit": [0.4] * 4}
    full: dict[str, Any] = {k: np.broadcast_to(v, (5, 4)) for k, v in one.items()}
    expected = solve_routing(**one, budget=0.4)
    for key in one:
        found = solve_routing(**{**one, key: full[key]}, budget=0.4)
        assert found.share.shape == (5, 4)
        np.testing.assert_array_equal(found.share, np.broadcast_to(expected.share, (5, 4)))
    found = solve_routing(**one, budget=np.full((3, 1, 2), 0.4))
    assert found.share.shape == (3, 1, 2, 4)
    found = solve_routing(one["reward"], full["cost"], [one["limit"]], [[0.4]])
    assert found.share.shape == (1, 5, 4)


@BACKENDS
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_batches_of_length_zero(backend: str, shape: tuple[int, ...]) -> None:
    empty = np.empty((*shape, 4))
    found = solve_routing(empty, empty, 0.5, 1.0, backend=backend)
    assert found.share.shape == (*shape, 4)
    assert found.status.shape == found.message.shape == shape
    assert solve_routing([0.1, 0.2], [0.1, 0.2], 1.0, np.empty(0)).share.shape == (0, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8, np.bool_, object])
def test_any_type_of_number(dtype: Any) -> None:
    found = solve_routing(
        np.array([1, 0], dtype), np.array([1, 0], dtype), np.array([1, 1], dtype), 0.25
    )
    np.testing.assert_array_equal(found.share, [0.25, 0.75])
    assert found.share.dtype == found.value.dtype == np.float64
    assert found.status.dtype == np.int64


def test_single_precision_is_taken_at_its_word() -> None:
    cost = np.array([1.0, 0.1], np.float32)
    single = solve_routing([0.9, 0.2], cost, 1.0, np.float32(0.4))
    double = solve_routing([0.9, 0.2], cost.astype(float), 1.0, float(np.float32(0.4)))
    np.testing.assert_array_equal(single.share, double.share)


def test_any_layout_in_memory() -> None:
    rng = np.random.default_rng(5)
    reward, cost = rng.random((6, 4)), rng.random((6, 4))
    expected = solve_routing(reward, cost, 0.5, 0.5)
    fortran = solve_routing(np.asfortranarray(reward), np.asfortranarray(cost), 0.5, 0.5)
    np.testing.assert_array_equal(fortran.share, expected.share)
    backwards = solve_routing(reward[::-1], cost[::-1], 0.5, 0.5)
    np.testing.assert_array_equal(backwards.share[::-1], expected.share)
    frozen = reward.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(solve_routing(frozen, cost, 0.5, 0.5).share, expected.share)


def test_input_is_left_alone_and_output_is_fresh() -> None:
    reward, cost = np.array([[0.9, 0.2]]), np.array([[5e-310, 1e-310]])
    limit, budget = np.array([[1.0, 1.0]]), np.array([2e-310])
    kept = [x.copy() for x in (reward, cost, limit, budget)]
    found = solve_routing(reward, cost, limit, budget)
    found.share[:] = 7.0
    for before, after in zip(kept, (reward, cost, limit, budget), strict=True):
        np.testing.assert_array_equal(before, after)


def test_facade_and_kernel_agree() -> None:
    problems = degenerate_problems(np.random.default_rng(6), 40, 6)
    found = solve_routing(*problems)
    answer = compiled.solve(*problems)
    for name in Routing._fields:
        np.testing.assert_array_equal(getattr(found, name), getattr(answer, name))
    assert_optimal(Problems(*problems), answer)
    assert isinstance(found, RoutingResult)
    assert fr.solve_routing is solve_routing


# --- Statuses in words ------------------------------------------------------------------------


def test_statuses_read_as_sentences() -> None:
    for status in Status:
        text = str(status)
        assert text[0].isupper()
        assert text.endswith(".")
    found = solve_routing(
        [0.9, 0.2], [1.0, 0.1], [[1.0, 1.0], [0.25, 0.25], [1.0, 1.0]], [1.0, 1.0, 0.01]
    )
    assert found.status.tolist() == [Status.OPTIMAL, Status.NO_CAPACITY, Status.OVER_BUDGET]
    assert found.feasible.tolist() == [True, False, False]
    optimal, capacity, budget = found.message
    assert optimal == "Solved to optimality."
    assert "limit" in capacity
    assert "raise" in capacity
    assert "budget" in budget
    assert "cheapest" in budget
    alone = solve_routing(**GOOD)
    assert alone.message == "Solved to optimality."
    assert alone.feasible


@pytest.mark.filterwarnings("error")
@BACKENDS
def test_what_cannot_be_met_is_said(backend: str) -> None:
    over: dict[str, Any] = {**GOOD, "budget": 0.05, "backend": backend}
    with pytest.warns(InfeasibleWarning, match=r"budget=0.05 is below 0.1, the mean cost of"):
        found = solve_routing(**over)
    assert "status=OVER_BUDGET" in repr(found)
    with pytest.raises(ValueError, match=r"budget=0.05 is below 0.1.*add a cheaper model"):
        solve_routing(**over, infeasible="raise")
    np.testing.assert_array_equal(solve_routing(**over, infeasible="ignore").share, found.share)
    with pytest.warns(InfeasibleWarning, match=r"2 of 3 problems, the first at index \(1,\): No"):
        found = solve_routing(
            [0.9, 0.2], [1.0, 0.1], [[1.0], [0.25], [1.0]], [1.0, 1.0, 0.01], backend=backend
        )
    assert "status=1 OPTIMAL, 1 NO_CAPACITY, 1 OVER_BUDGET" in repr(found)
    assert "status=OPTIMAL" in repr(solve_routing(**GOOD, backend=backend, infeasible="raise"))


def test_the_least_budget_can_be_copied() -> None:
    rng = np.random.default_rng(9)
    for least in (1.2345649, 1.2345651, 0.1, 0.1 + 0.2, 1e-9 / 3.0, 2e300 / 3.0, 123456789.0):
        text = round_up(least)
        assert float(text) >= least * (1.0 - 2.0**-52)
        assert float(text) <= least * (1.0 + 1e-5)
        assert len(text.split("e")[0].replace(".", "").lstrip("0")) <= 6
    for problems in (random_problems(rng, 20, 4), mixed_problems(rng, 20, 4)):
        for reward, cost, limit, _ in zip(*problems, strict=True):
            if limit.sum() < 1.0 - 1e-12:
                continue
            with pytest.raises(ValueError, match="is below") as caught:
                solve_routing(reward, cost, limit, 0.0, infeasible="raise")
            copied = float(str(caught.value).split("is below ")[1].split(",")[0])
            solve_routing(reward, cost, limit, copied, infeasible="raise")


# --- Refused input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        ({"reward": [0.9, np.nan]}, ["reward", "nan", "(1,)", "drop or fill"]),
        ({"reward": [0.9, None]}, ["reward", "nan"]),
        ({"reward": [0.9, np.inf]}, ["reward[1]", "finite", "inf"]),
        ({"reward": 0.9}, ["reward", "last axis", "0.9"]),
        ({"reward": ["a", "b"]}, ["reward", "numbers", "'a'"]),
        ({"reward": [[0.1, 0.2], [0.3]]}, ["reward", "numbers"]),
        ({"reward": {"a": 1.0}}, ["reward", "numbers", "'a'"]),
        ({"reward": [0.9 + 1j, 0.2]}, ["reward", "numbers"]),
        ({"reward": [0.1, 0.2, 0.3]}, ["reward (3,)", "cost (2,)", "broadcast"]),
        ({"cost": [1.0, -0.5]}, ["cost[1]", ">= 0", "-0.5"]),
        ({"cost": [1.0, -np.inf]}, ["cost", "finite", "-inf"]),
        ({"cost": [[1.0, 1.0], [np.nan, 1.0]]}, ["cost", "nan", "(1, 0)"]),
        ({"cost": 1.0}, ["cost", "last axis"]),
        ({"limit": 0.0}, ["limit = 0 ", "(0, 1]", "leave absent models out"]),
        ({"limit": [0.5, 0.0]}, ["limit[1] = 0 ", "(0, 1]"]),
        ({"limit": [0.5, 1.5]}, ["limit[1]", "(0, 1]", "1.5"]),
        ({"limit": -0.1}, ["limit", "-0.1"]),
        ({"limit": np.nan}, ["limit", "nan"]),
        ({"limit": [0.5] * 3}, ["limit (3,)", "broadcast"]),
        ({"budget": -1.0}, ["budget", ">= 0", "-1 ", "np.inf"]),
        ({"budget": np.nan}, ["budget", "nan"]),
        ({"budget": "cheap"}, ["budget", "numbers", "'cheap'"]),
        ({"reward": [[0.1, 0.2]] * 3, "budget": [0.1, 0.2]}, ["budget (2,)", "broadcast"]),
        ({"reward": [], "cost": []}, ["empty", "at least one model"]),
        ({"reward": [1.7e308, -1.7e308]}, ["reward", "1e+300", "1.7e+308", "scale"]),
        ({"reward": ["0.9", "0.2"]}, ["reward", "numbers", "'0.9'"]),
        (
            {"reward": np.ma.array([0.9, 99.0], mask=[False, True])},
            ["reward", "1 masked", ".filled("],
        ),
        ({"cost": np.array(["2020-01-01"] * 2, "M8[D]")}, ["cost", "numbers", "2020-01-01"]),
        ({"cost": [np.timedelta64(1, "D")] * 2}, ["cost", "numbers", "timedelta64"]),
        ({"budget": date(2020, 1, 1)}, ["budget", "numbers", "2020"]),
        ({"reward": [0.9, date(2020, 1, 1)]}, ["reward", "numbers", "2020"]),
        ({"infeasible": "stop"}, ["infeasible", "'stop'", "'warn'", "'raise'", "'ignore'"]),
        ({"backend": "gurobi"}, ["backend", "'gurobi'", "'auto'", "'numba'", "'ref'", "'highs'"]),
        ({"backend": "higs"}, ["'higs'", "did you mean 'highs'?"]),
        ({"backend": None}, ["backend", "None"]),
    ],
)
def test_refused_with_field_value_and_remedy(wrong: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the parts are checked below
        solve_routing(**{**GOOD, **wrong})
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [np.array([0.9 + 1j, 0.2]), [10**400, 0.2]],
    ids=["complex", "beyond double"],
)
def test_numbers_that_would_be_changed_on_the_way_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="reward"):
        number_array("reward", value)


def test_a_masked_array_without_masked_entries_is_an_array() -> None:
    found = solve_routing(np.ma.array([0.9, 0.2]), [1.0, 0.1], 1.0, 0.55)
    np.testing.assert_array_equal(found.share, solve_routing(**GOOD).share)


@pytest.mark.parametrize(
    "value", [0, -3, 2.5, True, np.True_, "3", [3], np.nan, np.inf, None, 3 + 0j]
)
def test_whole_names_the_field_whatever_it_gets(value: Any) -> None:
    with pytest.raises(ValueError, match=r"slots=.* must be a whole number >= 1"):
        integer("slots", value)


def test_whole_takes_whole_numbers_of_any_type() -> None:
    for value in (3, 3.0, np.int8(3), np.float32(3.0), np.array(3)):
        assert integer("slots", value) == 3


def test_choice_names_the_nearest() -> None:
    assert choice("fill", "ucb", ("none", "ucb")) == "ucb"
    with pytest.raises(ValueError, match="did you mean 'none'"):
        choice("fill", "non", ("none", "ucb"))


def test_an_empty_limit_is_blamed_on_the_limit() -> None:
    with pytest.raises(ValueError, match="limit"):
        solve_routing([0.5], [1.0], [], 1.0)
