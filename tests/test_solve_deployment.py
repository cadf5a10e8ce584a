"""``solve_deployment``: shapes, messages, fill, charges, backends, and the HiGHS fallback."""

from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.numba_ import deployment as compiled
from fastroute.solve import (
    DeploymentResult,
    InfeasibleWarning,
    Method,
    Status,
    solve_deployment,
)
from fastroute.solve.highs import deployment as by_highs
from referee import assert_valid
from strategies import (
    Problems,
    degenerate_problems,
    exact_problems,
    mixed_problems,
    random_problems,
    stage_problems,
)

pytestmark = pytest.mark.filterwarnings("ignore::fastroute.solve.InfeasibleWarning")
BACKENDS = pytest.mark.parametrize("backend", ["auto", "numba", "ref", "highs"])
RULES = ("reduced_cost", "none", "ucb", "least_pulled")
GOOD: dict[str, Any] = {
    "reward": [0.9, 0.6, 0.5, 0.2],
    "cost": [1.0, 0.5, 0.4, 0.1],
    "limit": 0.6,
    "budget": 0.5,
    "max_deployed": 3,
}


def spend(problems: Problems, weight: Any) -> Any:
    return (weight * problems.cost).sum(-1)


# --- HiGHS ------------------------------------------------------------------------------------


@pytest.mark.parametrize("charged", [False, True])
def test_node_limit_hands_over_to_highs(charged: bool) -> None:
    """One LP per search decides little; HiGHS does the rest, to the same value."""
    rng = np.random.default_rng(1 + charged)
    methods = np.zeros(4, np.int64)
    for k in range(40):
        problems = stage_problems(rng, int(rng.integers(3, 20)), tight=k % 2 == 0)
        charge = rng.choice([0.0, 0.02, 0.1], problems.reward.shape) if charged else 0.0
        cap = 2 + k % 3
        options: dict[str, Any] = {"fill": "none", "deploy_cost": charge}
        full = solve_deployment(*problems, cap, **options)
        short = solve_deployment(*problems, cap, node_limit=1, **options)
        methods += np.bincount(short.method, minlength=4)
        np.testing.assert_array_equal(full.status, short.status)
        assert short.gap[0] <= 1e-9
        if full.status[0] == OPTIMAL:
            assert short.value[0] == pytest.approx(full.value[0], abs=1e-7)
        elif full.status[0] == OVER_BUDGET:
            assert spend(problems, short.weight)[0] == pytest.approx(
                spend(problems, full.weight)[0], rel=1e-6
            )
        assert (short.deployed.sum(1) <= cap).all()
    assert methods[Method.HIGHS] >= 8
    assert methods[Method.RULE] == 0


@pytest.mark.parametrize("node_limit", [1, 2, 3, 4, 5, 6, 7, 8, 16])
def test_no_node_limit_changes_the_answer(node_limit: int) -> None:
    found = solve_deployment(
        [0.0, 1.0, 1.0],
        [0.0, 0.625, 0.875],
        [0.875, 0.5, 1.0],
        0.625,
        2,
        node_limit=node_limit,
        fill="none",
    )
    assert found.status == OPTIMAL
    assert found.value == pytest.approx(5.0 / 7.0, abs=1e-8)


def test_highs_is_as_good_and_as_strict() -> None:
    rng = np.random.default_rng(3)
    for k in range(60):
        problems = stage_problems(rng, int(rng.integers(1, 15)), tight=k % 2 == 0)
        charge = np.zeros_like(problems.reward)
        if k % 2:
            charge = rng.choice([0.0, 0.0625, 0.25, 1.0], charge.shape)
        cap = 1 + k % 4
        theirs = by_highs(*problems, charge, cap)
        ours = compiled.solve(*problems, charge, cap)
        assert_valid(problems, charge, cap, theirs, 1e-8)
        np.testing.assert_array_equal(theirs.status, ours.status)
        if ours.status[0] == OPTIMAL:
            assert theirs.value[0] == pytest.approx(ours.value[0], abs=1e-7)


def test_highs_does_not_charge_for_crumbs() -> None:
    """A model with a weight within the tolerance of the integers must not cost its charge."""
    problems = Problems(
        np.array([[0.5746, 0.2090, 0.6307, 0.2274, 0.6359, 0.3365]]),
        np.array([[1.7707, 3.3318e-3, 5.5458e-2, 26.906, 9.3937, 7.4947e-3]]),
        np.array([[0.5322, 0.9389, 0.5987, 0.9227, 0.3282, 0.7462]]),
        np.array([3.5863e-3]),
    )
    exact = Problems(
        np.array(
            [
                [
                    0.5746055128376065,
                    0.20896418113991233,
                    0.6307281547079455,
                    0.2274385234816001,
                    0.6358861318931706,
                    0.33654199617567937,
                ]
            ]
        ),
        np.array(
            [
                [
                    1.7707365491277782,
                    0.0033318354190457642,
                    0.055457988278982170,
                    26.906423443669755,
                    9.3936749196344280,
                    0.0074947293317629022,
                ]
            ]
        ),
        np.array(
            [
                [
                    0.5321503610400142,
                    0.9388749122422597,
                    0.5986509496889119,
                    0.9227521272885544,
                    0.32822448513355895,
                    0.7461870203501774,
                ]
            ]
        ),
        np.array([0.00358629768823527]),
    )
    charge = np.array([[1.0, 1.0, 0.0625, 0.0625, 1.0, 0.0]])
    for each in (problems, exact):
        ours = compiled.solve(*each, charge, 5)
        theirs = by_highs(*each, charge, 5)
        assert ours.status[0] == theirs.status[0] == OPTIMAL
        assert theirs.value[0] == pytest.approx(ours.value[0], abs=1e-7)


def test_highs_grants_the_tolerance_of_the_others_and_no_more() -> None:
    """Its own tolerance, 1e-9, is wider than that of the budget row."""
    for short in (0.9e-9, 1e-11, 1e-13):
        for backend in ("numba", "ref", "highs"):
            found = solve_deployment([0.5], [1.0], 1.0, 1.0 - short, 1, backend=backend)
            assert found.status == OVER_BUDGET, (short, backend)
    for backend in ("numba", "ref", "highs"):
        assert solve_deployment([0.5], [1.0], 1.0, 1.0 - 1e-16, 1, backend=backend).feasible


@pytest.mark.parametrize(
    "kind", [random_problems, degenerate_problems, exact_problems, mixed_problems]
)
def test_highs_gives_the_statuses_and_values_of_the_others(kind: Any) -> None:
    rng = np.random.default_rng(8)
    for k in range(8):
        problems: Problems = kind(rng, 8, int(rng.integers(1, 9)))
        charge = rng.choice([0.0, 0.0, 0.05], problems.reward.shape)
        theirs = by_highs(*problems, charge, 1 + k % 4)
        ours = compiled.solve(*problems, charge, 1 + k % 4)
        np.testing.assert_array_equal(theirs.status, ours.status)
        met = ours.status == OPTIMAL
        np.testing.assert_allclose(theirs.value[met], ours.value[met], rtol=0.0, atol=1e-8)


def test_rewards_of_any_size_are_scaled_for_highs() -> None:
    for unit in (1e-9, 1.0, 1e9, 1e200):
        options: dict[str, Any] = {**GOOD, "reward": unit * np.array(GOOD["reward"])}
        found = solve_deployment(**options, backend="highs", fill="none")
        assert found.status == OPTIMAL
        assert found.value == pytest.approx(unit * solve_deployment(**GOOD).value, rel=1e-9)


# --- A time limit -----------------------------------------------------------------------------


def subset_sum(size: int) -> dict[str, Any]:
    """Every model is worth its cost, and two must meet the budget exactly: hard to prove."""
    cost = np.random.default_rng(3).uniform(0.1, 1.0, size)
    return {"reward": cost, "cost": cost, "limit": 0.5, "budget": 0.37, "max_deployed": 2}


@pytest.mark.parametrize("backend", ["numba", "highs"])
def test_a_time_limit_ends_with_a_set_and_its_proven_gap(backend: str) -> None:
    """The limit is so short that HiGHS finds nothing: the branch and bound's set stands."""
    problem = subset_sum(60)
    best = solve_deployment(**problem, node_limit=10**9, fill="none")
    found = solve_deployment(
        **problem, backend=backend, node_limit=500, time_limit=1e-9, fill="none"
    )
    assert best.status == OPTIMAL
    assert found.status == Status.TIME_LIMIT
    assert "time_limit" in found.message
    assert "TIME_LIMIT" in repr(found)
    assert found.deployed.sum() <= 2
    if backend == "highs":
        assert not found.feasible or np.isfinite(found.gap)
        return
    assert found.feasible
    assert found.weight @ problem["cost"] <= 0.37 * (1.0 + 1e-12)
    assert found.value <= best.value <= found.value + found.gap + 1e-9


def test_a_time_limit_that_is_long_enough_changes_nothing() -> None:
    problem = subset_sum(12)
    plain = solve_deployment(**problem, backend="highs")
    for limit in (1e3, np.inf):
        again = solve_deployment(**problem, backend="highs", time_limit=limit)
        assert again.status == plain.status == OPTIMAL
        assert again.gap == 0.0
        np.testing.assert_array_equal(again.weight, plain.weight)


# --- No solution ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_met_is_said() -> None:
    options: dict[str, Any] = {**GOOD, "budget": [0.5, 0.01]}
    with pytest.warns(InfeasibleWarning, match=r"1 of 2 problems.*\(1,\): budget=0.01 is below"):
        found = solve_deployment(**options)
    with pytest.raises(ValueError, match="add a cheaper model"):
        solve_deployment(**options, infeasible="raise")
    quiet = solve_deployment(**options, infeasible="ignore")
    np.testing.assert_array_equal(quiet.weight, found.weight)
    assert "status=1 OPTIMAL, 1 OVER_BUDGET" in repr(found)
    with pytest.warns(InfeasibleWarning, match="limits of the models add up to less than 1"):
        solve_deployment(**{**GOOD, "limit": 0.1})


@BACKENDS
def test_any_cap_above_the_number_of_models_is_that_number(backend: str) -> None:
    many: Any = 10**30
    found = solve_deployment(**{**GOOD, "max_deployed": many}, backend=backend)
    plain = solve_deployment(**{**GOOD, "max_deployed": 4}, backend=backend)
    np.testing.assert_array_equal(found.weight, plain.weight)
    np.testing.assert_array_equal(found.deployed, plain.deployed)


@BACKENDS
def test_nothing_is_printed(backend: str, capfd: pytest.CaptureFixture[str]) -> None:
    for budget in (0.0, 0.3, 0.5, np.inf):
        solve_deployment(**{**GOOD, "budget": budget}, backend=backend, node_limit=1)
    assert tuple(capfd.readouterr()) == ("", "")


@BACKENDS
@pytest.mark.parametrize(
    ("change", "status", "deployed"),
    [
        ({"max_deployed": 2}, OPTIMAL, [0, 1, 1, 0]),
        ({"budget": np.inf}, OPTIMAL, [1, 1, 0, 0]),
        ({"budget": 0.01}, OVER_BUDGET, [0, 0, 1, 1]),
        ({"max_deployed": 1}, NO_CAPACITY, [1, 0, 0, 0]),
        ({"limit": [0.2, 0.2, 0.1, 0.3]}, NO_CAPACITY, [1, 1, 0, 1]),
    ],
)
def test_every_backend_gives_the_documented_answer(
    backend: str, change: dict[str, Any], status: int, deployed: list[int]
) -> None:
    found = solve_deployment(**{**GOOD, **change}, backend=backend, fill="none")
    assert found.status == status
    np.testing.assert_array_equal(found.deployed, np.array(deployed, bool))
    assert found.feasible == (status == OPTIMAL)
    assert found.weight.sum() == pytest.approx(1.0)
    assert found.gap == 0.0


# --- Fill, cap, charges -----------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize("fill", RULES)
def test_fill_keeps_the_cap_and_the_optimum(backend: str, fill: str) -> None:
    rng = np.random.default_rng(4)
    for cap in (1, 2, 3, 5, 8):
        problems = random_problems(rng, 6, 5)
        options: dict[str, Any] = {"backend": backend}
        bare = solve_deployment(*problems, cap, fill="none", **options)
        found = solve_deployment(
            *problems, cap, fill=fill, pulls=rng.integers(0, 9, (6, 5)), **options
        )
        np.testing.assert_array_equal(found.weight, bare.weight)
        np.testing.assert_array_equal(found.value, bare.value)
        assert (found.deployed | ~bare.deployed).all()
        np.testing.assert_array_equal(bare.deployed, bare.weight > 1e-11)
        wanted = bare.deployed.sum(1) if fill == "none" else np.full(6, min(cap, 5))
        np.testing.assert_array_equal(found.deployed.sum(1), wanted)


def test_fill_by_hand() -> None:
    problem: dict[str, Any] = {
        "reward": [0.9, 0.8, 0.7, 0.6, 0.1],
        "cost": [1.0, 0.95, 0.2, 0.1, 0.0],
        "limit": 1.0,
        "budget": 0.5,
        "max_deployed": 3,
    }
    # The optimum mixes 0 with 2, at the price (0.9 - 0.7) / 0.8 = 0.25.
    bare = solve_deployment(**problem, fill="none")
    assert np.flatnonzero(bare.deployed).tolist() == [0, 2]
    assert bare.budget_price == pytest.approx(0.25)
    # Reduced costs of 1, 3, 4 at that price: 0.5625, 0.575, 0.1.
    for fill, added in (("reduced_cost", 3), ("ucb", 1), ("least_pulled", 4)):
        found = solve_deployment(**problem, fill=fill, pulls=[0, 5, 0, 5, 1])
        assert sorted({0, 2, added}) == np.flatnonzero(found.deployed).tolist()


@BACKENDS
def test_charges_are_part_of_the_value(backend: str) -> None:
    free = solve_deployment(**GOOD, backend=backend, fill="none")
    for charge in (0.0, 0.01, [0.01, 0.02, 0.03, 0.04], 5.0):
        found = solve_deployment(**GOOD, deploy_cost=charge, backend=backend, fill="none")
        assert found.status == OPTIMAL
        paid = np.broadcast_to(charge, 4)[found.deployed].sum()
        assert found.value == pytest.approx(float(found.weight @ GOOD["reward"]) - paid, abs=1e-9)
        assert found.value <= free.value + 1e-9
    # Dear enough: as few models as carry all traffic.
    assert solve_deployment(**GOOD, deploy_cost=5.0, fill="none").deployed.sum() == 2


# --- Shapes -----------------------------------------------------------------------------------


@BACKENDS
def test_leading_axes(backend: str) -> None:
    rng = np.random.default_rng(5)
    reward, cost, limit = rng.random((2, 3, 4)), rng.random((2, 3, 4)), rng.uniform(0.4, 1.0, 4)
    budget = np.array([0.3, 0.5, 0.7])
    options: dict[str, Any] = {"backend": backend, "deploy_cost": rng.random((3, 4)) * 0.05}
    found = solve_deployment(reward, cost, limit, budget, 2, **options)
    assert found.deployed.shape == found.weight.shape == (2, 3, 4)
    for x in (found.value, found.gap, found.method, found.status, found.message, found.feasible):
        assert x.shape == (2, 3)
    for i in np.ndindex(2, 3):
        options["deploy_cost"], kept = options["deploy_cost"][i[1]], options["deploy_cost"]
        alone = solve_deployment(reward[i], cost[i], limit, budget[i[1]], 2, **options)
        options["deploy_cost"] = kept
        np.testing.assert_array_equal(alone.deployed, found.deployed[i])
        np.testing.assert_array_equal(alone.weight, found.weight[i])
        assert alone.value == found.value[i]
        assert alone.message == found.message[i]


@BACKENDS
@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_batches_of_length_zero(backend: str, shape: tuple[int, ...]) -> None:
    empty = np.empty((*shape, 4))
    found = solve_deployment(empty, empty, 0.5, 1.0, 2, backend=backend)
    assert found.deployed.shape == (*shape, 4)
    assert found.status.shape == found.message.shape == shape


def test_types_and_names() -> None:
    cap: Any = np.int64(2)
    found = solve_deployment(
        np.array([1, 0], np.int8), np.array([1.0, 0.0], np.float32), 1, 0.25, cap
    )
    np.testing.assert_array_equal(found.weight, [0.25, 0.75])
    assert found.deployed.dtype == np.bool_
    assert isinstance(found, DeploymentResult)
    assert fr.solve_deployment is solve_deployment
    assert [str(m) for m in Method] == ["vertex", "branch and bound", "HiGHS", "rule"]
    assert str(Method(int(found.method))) == "vertex"
    assert Method(int(solve_deployment(**GOOD, backend="highs").method)) is Method.HIGHS


def test_messages() -> None:
    found = solve_deployment(**{**GOOD, "budget": [0.5, 0.0]})
    assert found.message.tolist() == [str(Status.OPTIMAL), str(Status.OVER_BUDGET)]
    assert solve_deployment(**GOOD).message == "Solved to optimality."


def test_input_is_left_alone() -> None:
    problems = random_problems(np.random.default_rng(6), 5, 6)
    charge, pulls = np.full((5, 6), 0.01), np.ones((5, 6))
    kept = [x.copy() for x in (*problems, charge, pulls)]
    found = solve_deployment(*problems, 3, deploy_cost=charge, pulls=pulls, fill="least_pulled")
    found.weight[:] = 7.0
    found.deployed[:] = False
    for before, after in zip(kept, (*problems, charge, pulls), strict=True):
        np.testing.assert_array_equal(before, after)


# --- Refused input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        ({"max_deployed": 0}, ["max_deployed", ">= 1", "0"]),
        ({"max_deployed": -1}, ["max_deployed", "-1"]),
        ({"max_deployed": 1.5}, ["max_deployed", "whole number", "1.5"]),
        ({"max_deployed": True}, ["max_deployed", "True"]),
        ({"max_deployed": np.True_}, ["max_deployed", "True"]),
        ({"time_limit": 0.0}, ["time_limit", "> 0", "np.inf"]),
        ({"time_limit": np.nan}, ["time_limit", "nan"]),
        ({"infeasible": "rais"}, ["infeasible", "did you mean 'raise'?"]),
        ({"max_deployed": "2"}, ["max_deployed", "'2'"]),
        ({"max_deployed": [2]}, ["max_deployed", "[2]"]),
        ({"node_limit": 0}, ["node_limit", ">= 1", "0"]),
        ({"fill": "redused_cost"}, ["fill", "'redused_cost'", "did you mean 'reduced_cost'?"]),
        ({"fill": None}, ["fill", "None", "'least_pulled'"]),
        ({"fill": "least_pulled"}, ["least_pulled", "needs pulls"]),
        ({"backend": "nmba"}, ["backend", "'nmba'", "did you mean 'numba'?"]),
        ({"deploy_cost": -0.1}, ["deploy_cost", ">= 0", "-0.1"]),
        ({"deploy_cost": np.nan}, ["deploy_cost", "nan"]),
        ({"deploy_cost": [0.1, 0.2]}, ["deploy_cost", "(2,)", "(4,)", "broadcast"]),
        ({"pulls": [1, 2, 3], "fill": "least_pulled"}, ["pulls", "(3,)", "broadcast"]),
        ({"pulls": [1, 2, 3, np.nan], "fill": "least_pulled"}, ["pulls", "nan"]),
        ({"limit": 0.0}, ["limit", "(0, 1]", "leave absent models out"]),
        ({"cost": [1.0, 0.5, -0.4, 0.1]}, ["cost[2]", "-0.4"]),
        ({"budget": -0.5}, ["budget", "-0.5"]),
    ],
)
def test_refused_with_field_value_and_remedy(wrong: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the parts are checked below
        solve_deployment(**{**GOOD, **wrong})
    for part in parts:
        assert part in str(caught.value)


def test_an_endless_charge_is_refused() -> None:
    with pytest.raises(ValueError, match=r"deploy_cost = inf .*finite"):
        solve_deployment(**GOOD, deploy_cost=np.inf)


@BACKENDS
@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-12, 1e12, 1e300])
def test_every_backend_is_finite_at_any_scale(backend: str, scale: float) -> None:
    cost = np.array([4.0, 3.0, 1.0, 0.0]) * scale
    for budget in (0.0, 1.5 * scale, np.inf):
        for cap in (1, 2, 3):
            found = solve_deployment([0.9, 0.5, 0.3, 0.1], cost, 0.5, budget, cap, backend=backend)
            for x in (found.weight, found.value, found.gap, found.budget_price):
                assert np.isfinite(x).all(), (budget, cap, found)
            assert found.deployed.sum() <= cap
