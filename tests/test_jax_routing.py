"""The routing LP on JAX: proven and equal to the last bit, traced, differentiated, scoped."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import fastroute
from certificates import assert_optimal
from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.jax_ import routing as kernel
from fastroute.kernels.numba_ import routing as compiled
from fastroute.kernels.ref import routing as exact
from fastroute.kernels.types import Routing
from fastroute.solve import RoutingResult, solve_routing
from fastroute.solve.backend import has_accelerator
from strategies import (
    F8,
    Problems,
    degenerate_problems,
    exact_problems,
    many_problems,
    mixed_problems,
    random_problems,
    routing_problems,
)

pytestmark = pytest.mark.usefixtures("fast_programs")

# One size on either side of the one up to which loops over models are written out.
SIZES = (1, 3, 5, 16, 40)
FIELDS = Routing._fields


def assert_bits(found: Routing, expected: Routing, problems: Problems) -> None:
    for name, mine, theirs in zip(FIELDS, found, expected, strict=True):
        apart = (mine != theirs).reshape(len(mine), -1).any(1)
        if apart.any():
            one = problems.rows(slice(r := int(np.flatnonzero(apart)[0]), r + 1))
            raise AssertionError(f"{name}:\n{one}\n{[x[r] for x in found]}\n{expected}")


@pytest.fixture
def programs_of_users() -> Iterator[None]:
    """Compile with all optimisations after all, and leave no such program to other tests."""
    option = "jax_disable_most_optimizations"
    before = jax.config.values[option]
    jax.config.update(option, False)
    jax.clear_caches()
    yield
    jax.config.update(option, before)
    jax.clear_caches()


@pytest.mark.usefixtures("programs_of_users")
@pytest.mark.parametrize("size", SIZES)
def test_proven_and_equal_to_numba(size: int) -> None:
    rng = np.random.default_rng(size)
    seen = np.zeros(3, np.int64)
    for k in range(20):
        kinds = random_problems, *[degenerate_problems] * 3, exact_problems, mixed_problems
        kind = kinds[k % len(kinds)]
        # The last blocks of lanes are filled up.
        problems = kind(rng, 600, size)
        answer = kernel.solve(*problems)
        assert_optimal(problems, answer)
        assert_bits(answer, compiled.solve(*problems), problems)
        seen += np.bincount(answer.status, minlength=3)
    assert seen[OPTIMAL] > 1_000
    assert seen[OVER_BUDGET] > 100
    assert seen[NO_CAPACITY] > 100 or size > 5


@pytest.mark.slow
def test_many_more_equal_to_numba() -> None:
    for problems in many_problems(seed=11, total=400_000):
        assert_bits(kernel.solve(*problems), compiled.solve(*problems), problems)


@settings(max_examples=120)
@given(routing_problems())
def test_any_problem(problems: Problems) -> None:
    # Filled up with absent models to one size, so that only one is compiled.
    absent = np.zeros((1, 7 - problems.size))
    wide = [np.hstack([x, absent]) for x in problems[:3]]
    # XLA takes subnormal numbers for zero, unless all costs are that small.
    tiny = np.finfo(np.float64).tiny
    reward = np.where(wide[0] < tiny, 0.0, wide[0])
    cost = np.where((wide[1] < tiny) & (wide[1].max() > tiny), 0.0, wide[1])
    full = Problems(reward, cost, wide[2], problems.budget)
    kept = [x.copy() for x in full]
    answer = kernel.solve(*full)
    assert_optimal(full, answer)
    assert_bits(answer, compiled.solve(*full), full)
    truth = exact.solve(*full)
    np.testing.assert_allclose(answer.value, truth.value, rtol=1e-9, atol=1e-11)
    for before, after in zip(kept, full, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_problem_does_not_depend_on_its_neighbours() -> None:
    problems = random_problems(np.random.default_rng(2), 700, 5)
    whole = kernel.solve(*problems)
    for batch in (1, 63):
        part = kernel.solve(*problems.rows(slice(batch)))
        for mine, theirs in zip(part, whole, strict=True):
            np.testing.assert_array_equal(mine, theirs[:batch])


def test_chunks_are_solved_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "CHUNK", 64)
    rng = np.random.default_rng(6)
    problems = random_problems(rng, 150, 5)
    # Costs of the second chunk need another unit, budgets of the third one cannot have any.
    problems.cost[64:128] *= 2.0**-1000
    problems.budget[64:128] *= 2.0**-1000
    problems.budget[128:140] = 2.0**-900
    assert_bits(kernel.solve(*problems), compiled.solve(*problems), problems)
    empty = kernel.solve(*problems.rows(slice(0)))
    assert empty.share.shape == (0, 5)


# --- Through solve_routing --------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "reward": [0.9, 0.7, 0.4],
    "cost": [1.0, 0.3, 0.1],
    "limit": 0.6,
    "budget": 0.4,
}


def traced(*arrays: Any) -> RoutingResult:
    return solve_routing(*arrays, backend="jax")


def value(*arrays: Any) -> Any:
    return traced(*arrays).value


def test_numpy_in_numpy_out_in_double() -> None:
    found = solve_routing(**GOOD, backend="jax")
    plain = solve_routing(**GOOD, backend="numba")
    for name in FIELDS:
        mine, theirs = getattr(found, name), getattr(plain, name)
        assert type(mine) is np.ndarray
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    assert found.feasible
    assert "optimality" in found.message


@pytest.mark.parametrize("backend", ["auto", "jax"])
def test_jax_in_jax_out(backend: str) -> None:
    found = solve_routing(jnp.array(GOOD["reward"]), *list(GOOD.values())[1:], backend=backend)
    assert isinstance(found.share, jax.Array)
    assert found.share.dtype == jnp.float32
    np.testing.assert_allclose(found.share, [0.2, 0.6, 0.2], atol=1e-6)
    assert found.message == "Solved to optimality."


def test_infeasible_jax_arrays_say_so_in_their_status_only() -> None:
    reward = jnp.array(GOOD["reward"])
    found = solve_routing(reward, GOOD["cost"], 0.6, 0.01)
    assert "status=OVER_BUDGET" in repr(found)
    with pytest.raises(ValueError, match=r'infeasible="raise" needs.*`status`'):
        solve_routing(reward, GOOD["cost"], 0.6, 0.01, infeasible="raise")
    texts = []
    jax.jit(lambda u: texts.append(repr(traced(u, GOOD["cost"], 0.6, 0.01))))(reward)
    assert texts[0].startswith("RoutingResult(share=")


def test_other_backends_take_jax_arrays_too() -> None:
    found = solve_routing(jnp.array(GOOD["reward"]), *list(GOOD.values())[1:], backend="numba")
    assert type(found.share) is np.ndarray


def test_double_precision_is_the_callers_choice_under_a_trace() -> None:
    problems = random_problems(np.random.default_rng(4), 300, 5)
    with jax.enable_x64(True):
        found = jax.jit(traced)(*problems)
        assert found.share.dtype == np.float64
        expected = compiled.solve(*problems)
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    single = jax.jit(traced)(*problems)
    assert single.share.dtype == np.float32
    assert np.abs(single.value - expected.value).max() < 1e-3
    assert np.median(np.abs(single.value - expected.value)) < 1e-6


def test_vmap_is_the_loop() -> None:
    reward, cost, limit, budget = random_problems(np.random.default_rng(5), 40, 4)
    with jax.enable_x64(True):
        whole = jax.jit(jax.vmap(jax.vmap(traced)))(
            reward.reshape(8, 5, 4),
            cost.reshape(8, 5, 4),
            limit.reshape(8, 5, 4),
            budget.reshape(8, 5),
        )
        expected = compiled.solve(reward, cost, limit, budget)
        np.testing.assert_array_equal(whole.share.reshape(40, 4), expected.share)
        np.testing.assert_array_equal(whole.status.reshape(40), expected.status)
        # One argument mapped, the others shared.
        shared = jax.vmap(traced, (None, None, None, 0))(reward[0], cost[0], limit[0], budget)
        u, c, a = (np.repeat(x[:1], 40, axis=0) for x in (reward, cost, limit))
        np.testing.assert_array_equal(shared.share, compiled.solve(u, c, a, budget).share)


def test_strict_configurations_are_no_obstacle() -> None:
    reward, cost = jnp.array(GOOD["reward"]), jnp.array(GOOD["cost"])
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        slope = jax.jit(jax.grad(value, 3))(reward, cost, 0.6, 0.4)
        assert solve_routing(**GOOD, backend="jax").share.tolist() == pytest.approx([0.2, 0.6, 0.2])
    assert slope == pytest.approx(5.0 / 9.0, rel=1e-5)


def test_leading_axes_under_a_trace() -> None:
    reward = jnp.linspace(0.1, 0.9, 24).reshape(2, 3, 4)
    found = jax.jit(traced)(reward, jnp.arange(4.0), 0.5, jnp.ones(3))
    assert found.share.shape == (2, 3, 4)
    assert found.value.shape == (2, 3)
    assert traced(jnp.zeros((0, 3)), jnp.ones(3), 0.5, 1.0).share.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"reward": jnp.float32(0.9)}, "reward must have a last axis of models"),
        ({"cost": jnp.ones(2)}, "do not broadcast"),
        ({"budget": jnp.ones(5)}, r"budget \(5,\)"),
        ({"reward": jnp.ones((2, 0)), "cost": jnp.ones(0)}, "empty set of models"),
    ],
)
def test_shapes_are_checked_under_a_trace(change: dict[str, Any], part: str) -> None:
    given = {name: jnp.asarray(x) for name, x in {**GOOD, **change}.items()}
    if part.startswith("do not") or "budget" in change:
        given["reward"] = jnp.ones((3, 3))
    with pytest.raises(ValueError, match=part):
        jax.jit(traced)(*given.values())


def test_a_traced_value_needs_the_jax_backend() -> None:
    with pytest.raises(ValueError, match=r"reward=.*array of numbers"):
        jax.jit(lambda u: solve_routing(u, [1.0, 2.0], 1.0, 2.0, backend="numba").value)(
            jnp.ones(2)
        )


# --- Derivatives ------------------------------------------------------------------------------


def _numeric(problems: Problems, which: int, step: float) -> tuple[F8, F8]:
    """Forward and backward differences of the value in each entry of one argument."""
    base = compiled.solve(*problems).value
    entries = problems[which].reshape(len(base), -1).shape[1]
    sides = []
    for sign in (1.0, -1.0):
        columns = []
        for m in range(entries):
            moved = [x.copy() for x in problems]
            moved[which].reshape(len(base), -1)[:, m] += sign * step
            columns.append((compiled.solve(*moved).value - base) * sign / step)
        sides.append(np.stack(columns, axis=1))
    return sides[0], sides[1]


def test_derivatives_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(7)
    batch, size = 400, 5
    limit = rng.uniform(0.25, 0.7, (batch, size))
    cost = rng.uniform(0.1, 2.0, (batch, size))
    problems = Problems(
        rng.uniform(0.1, 0.9, (batch, size)), cost, limit, rng.uniform(0.7, 1.5, batch)
    )
    status = compiled.solve(*problems).status
    with jax.enable_x64(True):
        gradients = jax.jit(jax.vmap(jax.grad(value, (0, 1, 2, 3))))(*problems)
    for which, gradient in enumerate(gradients):
        slope = np.asarray(gradient).reshape(batch, -1)
        forward, backward = _numeric(problems, which, 1e-6)
        # Away from kinks both differences agree, and the problem is feasible on both sides.
        smooth = (np.abs(forward - backward) < 1e-7) & (status == OPTIMAL)[:, None]
        assert smooth.mean() > 0.8
        np.testing.assert_allclose(slope[smooth], forward[smooth], atol=1e-7)
        assert (np.abs(slope[smooth]) > 1e-3).sum() > 100


def test_derivative_of_a_batch_and_forward_mode() -> None:
    reward, cost, limit, budget = random_problems(np.random.default_rng(8), 300, 5)
    with jax.enable_x64(True):
        expected = compiled.solve(reward, cost, limit, budget)
        slopes = jax.grad(lambda b: traced(reward, cost, limit, b).value.sum())(jnp.asarray(budget))
        feasible = expected.status == OPTIMAL
        np.testing.assert_array_equal(slopes[feasible], expected.budget_price[feasible])
        rows = jax.jacfwd(lambda u: value(u, cost[0], limit[0], budget[0]))(jnp.asarray(reward[0]))
        np.testing.assert_array_equal(rows, expected.share[0])


def test_derivative_at_a_kink_is_that_of_the_answer_returned() -> None:
    # Equal models: the first one is full, so the value follows it up and the second one not.
    gradient = jax.grad(value)(jnp.array([0.5, 0.5]), jnp.array([1.0, 1.0]), 1.0, 2.0)
    np.testing.assert_array_equal(gradient, [1.0, 0.0])
    # The budget is met exactly by the best distribution: its price is 0.
    slope = jax.grad(value, 3)(jnp.array([0.9, 0.1]), jnp.array([1.0, 0.5]), 1.0, jnp.array(1.0))
    assert slope == 0.0


@pytest.mark.parametrize(("limit", "budget"), [(0.3, 2.0), (1.0, 0.1)])
def test_infeasible_problems_have_the_derivative_in_reward_only(
    limit: float, budget: float
) -> None:
    args = (jnp.array([0.9, 0.2]), jnp.array([1.0, 0.5]), jnp.array(limit), jnp.array(budget))
    found = traced(*args)
    assert found.status != OPTIMAL
    gradients = jax.grad(value, (0, 1, 2, 3))(*args)
    np.testing.assert_array_equal(gradients[0], found.share)
    assert not any(np.any(x) for x in gradients[1:])


def test_other_outputs_have_no_derivatives() -> None:
    for name in ("share", "budget_price", "simplex_price"):
        slope = jax.jacobian(lambda b, name=name: getattr(traced(*_kept(), b), name))(0.4)
        assert not np.any(slope)


def _kept() -> tuple[Any, ...]:
    return jnp.array(GOOD["reward"]), jnp.array(GOOD["cost"]), 0.6


def test_example_of_the_page(root: Path) -> None:
    page = (root / "docs" / "jax.md").read_text(encoding="utf-8")
    example = next(x for x in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "grad" in x)
    code, last, said = re.fullmatch(r"(.*\n)(.+)\n# ([\d., ]+):.*\n", example, re.DOTALL).groups()  # type: ignore[union-attr]
    names: dict[str, Any] = {"fr": fastroute}
    exec(code, names)
    found = eval(last, names)
    np.testing.assert_allclose(found, [float(x) for x in said.split(", ")], atol=5e-5)


# --- The user's own JAX is left alone ---------------------------------------------------------


def fresh(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_and_solving_leaves_the_configuration_alone(tmp_path: Path) -> None:
    code = """
import jax, jax.numpy as jnp
kept = dict(jax.config.values)
import fastroute as fr
import fastroute.kernels.jax_.rounds
fr.solve_routing([0.9, 0.7], [1.0, 0.3], 0.6, 0.8, backend="jax")
assert dict(jax.config.values) == kept
assert not jax.config.jax_enable_x64 and jnp.ones(2).dtype == jnp.float32
print("kept")
"""
    assert fresh(code, tmp_path) == "kept"


def test_jax_is_not_imported_where_it_cannot_matter(tmp_path: Path) -> None:
    code = """
import sys
import fastroute as fr
fr.solve_routing([0.9, 0.7], [1.0, 0.3], 0.6, 0.8)
fr.solve_deployment([0.9, 0.7], [1.0, 0.3], 0.6, 0.8, 2)
settings = dict(horizon=20, budget=1.0, max_deployed=2, trials=2)
run = fr.simulate(fr.scenario("static"), fr.policy("stageroute"), **settings)
print(run.settings["backend"], "jax" in sys.modules)
"""
    if has_accelerator():
        pytest.skip("JAX has an accelerator here, so it is asked")
    assert fresh(code, tmp_path) == "numba False"
