"""Generator, bounds and deployment on JAX: equal to the other backends, to the last bit."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fastroute.kernels.codes import (
    BRANCH_AND_BOUND,
    NO_CAPACITY,
    NODE_LIMIT,
    OPTIMAL,
    VERTEX,
)
from fastroute.kernels.formulas import estimates
from fastroute.kernels.jax_ import deployment, lanes, rng, routers
from fastroute.kernels.numba_ import deployment as compiled
from fastroute.kernels.numba_ import layout
from fastroute.kernels.numba_ import shares as compiled_shares
from fastroute.kernels.ref import rng as ref_rng
from fastroute.kernels.ref import routers as ref_routers
from fastroute.solve import solve_deployment
from referee import assert_valid
from strategies import Problems, degenerate_problems, stage_problems
from test_kernel_rng import KNOWN

pytestmark = pytest.mark.usefixtures("fast_programs")


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN, ids=["zeros", "ones", "pi"])
def test_known_answers(counter: list[int], key: list[int], answer: list[int]) -> None:
    with jax.enable_x64(True):
        words = [np.uint32(x) for x in (*counter, *key)]
        found = jax.jit(rng.philox4x32)(*words)
    assert [int(x) for x in found] == answer


def test_words_are_those_of_the_reference() -> None:
    draw = np.random.default_rng(3)
    words = draw.integers(0, 2**32, (6, 200), dtype=np.uint32)
    words[:, :2] = [0, 2**32 - 1]
    with jax.enable_x64(True):
        found = np.array(jax.jit(rng.philox4x32)(*words)).T
    for mine, given in zip(found, words.T, strict=True):
        assert tuple(mine) == ref_rng.philox4x32(*map(int, given))


@pytest.mark.parametrize("seed", [0, 2**32, 2**64 - 1])
def test_table_of_uniforms(seed: int) -> None:
    found = rng.uniform_table(seed, 2**32 - 1, 2**32 - 5, 1, 5, 6)
    np.testing.assert_array_equal(found, ref_rng.uniform_table(seed, 2**32 - 1, 2**32 - 5, 1, 5, 6))


#: Observations below which a model counts as unobserved, by the rules for new models.
BELOW = [0.0, 1.0, 5.0]


def by_floats(formula: Any, *columns: np.ndarray, rest: tuple[Any, ...] = ()) -> np.ndarray:
    """Results of a formula for one entry after the other, with plain floats."""
    rows = zip(*(x.ravel().tolist() for x in columns), strict=True)
    return np.array([formula(*row, *rest) for row in rows])


@pytest.mark.parametrize("below", BELOW)
def test_bounds_have_the_digits_of_the_reference(below: float) -> None:
    draw = np.random.default_rng(int(below))
    count = 1.0 * draw.integers(0, 400, (7, 90)) * (draw.random((7, 90)) < 0.8)
    reward, cost = count * draw.random((7, 90)), count * draw.uniform(0.0, 3.0, (7, 90))

    def bounds(count: Any, reward: Any, cost: Any, *parameters: Any) -> Any:
        return estimates.bounds((count, reward, cost), *parameters)

    for gamma, side in itertools.product((0.0, 0.1, 9.0), (-1.0, 1.0)):
        rest = (gamma, 0.02, 3.0, side, below)
        theirs = by_floats(bounds, count, reward, cost, rest=rest).T.reshape(2, 7, 90)
        with jax.enable_x64(True):
            mine = jax.jit(bounds)(count, reward, cost, *rest)
        np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(bounds(count, reward, cost, *rest), theirs)


@pytest.mark.parametrize("below", BELOW)
def test_posterior_has_the_digits_of_the_reference(below: float) -> None:
    draw = np.random.default_rng(int(below))
    count = 1.0 * draw.integers(0, 400, (7, 90)) * (draw.random((7, 90)) < 0.8)
    reward, normal = count * draw.random((7, 90)), draw.normal(size=(7, 90))
    plain = by_floats(estimates.posterior, count, reward, normal, rest=(below,)).reshape(7, 90)
    with jax.enable_x64(True):
        found = jax.jit(estimates.posterior)(count, reward, normal, below)
    np.testing.assert_array_equal(found, plain)
    np.testing.assert_array_equal(estimates.posterior(count, reward, normal, below), plain)


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_uniform_shares_have_the_digits_of_numba(size: int) -> None:
    draw = np.random.default_rng(size)
    limit = draw.uniform(0.0, 2.5 / size, (size, layout.WIDTH))
    limit *= draw.random(limit.shape) < 0.8
    w = layout.workspace(layout.WIDTH, size)[0]
    with jax.enable_x64(True):
        share, status = (np.asarray(x) for x in jax.jit(routers.uniform_shares)(limit))
    for lane, column in enumerate(limit.T):
        for m, a in enumerate(column):
            w[layout.HEAD + m * layout.STEP + lane + layout.SLOT.limit] = a
        compiled_shares.spread(w, np.uint64(size), np.uint64(lane))
        row = range(layout.HEAD + lane + layout.SLOT.share, len(w), layout.STEP)
        np.testing.assert_array_equal(share[:, lane], w[row][:size])
        assert status[lane] == w[layout.LANE.status + lane]
        if column.any():
            plain = ref_routers.uniform_shares(column.tolist())
            plain_status = OPTIMAL if column.sum() >= 1.0 else NO_CAPACITY
            np.testing.assert_allclose(share[:, lane], plain, rtol=1e-14)
            assert status[lane] == plain_status
            if plain_status == NO_CAPACITY:
                np.testing.assert_array_equal(share[:, lane], plain)
    assert {OPTIMAL, NO_CAPACITY} == set(status.tolist())


def _stages(seed: int, count: int, size: int) -> Problems:
    draw = np.random.default_rng(seed)
    rows = [stage_problems(draw, size, tight=bool(k % 2)) for k in range(count)]
    return Problems(*(np.concatenate(x) for x in zip(*rows, strict=True)))


@pytest.mark.parametrize("charged", [False, True])
@pytest.mark.parametrize("max_deployed", [2, 4])
def test_deployment_is_that_of_numba(max_deployed: int, charged: bool) -> None:
    problems = _stages(1, 60, 8)
    charge = np.zeros_like(problems.reward)
    if charged:
        charge[::3, 2:5] = 0.01
    mine = deployment.solve(*problems, charge, max_deployed)
    assert_valid(problems, charge, max_deployed, mine)
    theirs = compiled.solve(*problems, charge, max_deployed)
    for name, x, y in zip(mine._fields, mine, theirs, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y, name)
    assert {VERTEX, BRANCH_AND_BOUND} == set(mine.method.tolist())


def test_deployment_of_degenerate_problems_is_that_of_numba() -> None:
    draw = np.random.default_rng(2)
    for _ in range(8):
        problems = degenerate_problems(draw, 60, 8)
        charge = np.zeros_like(problems.reward)
        mine = deployment.solve(*problems, charge, 3)
        for x, y in zip(mine, compiled.solve(*problems, charge, 3), strict=True):
            np.testing.assert_array_equal(x, y)


def test_a_search_left_open_is_said_so() -> None:
    problems = _stages(5, 20, 8)
    mine = deployment.solve(*problems, np.zeros_like(problems.reward), 2, 1)
    assert NODE_LIMIT in mine.status
    # ... and finished by HiGHS behind the public call.
    found = solve_deployment(*problems, 2, backend="jax", node_limit=1, infeasible="ignore")
    whole = solve_deployment(*problems, 2, backend="numba", infeasible="ignore")
    np.testing.assert_array_equal(found.deployed, whole.deployed)
    assert (found.method != whole.method).any()


# --- Reductions -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 8, 20, 70])
def test_reductions_over_any_number_of_models(size: int) -> None:
    draw = np.random.default_rng(size)
    x = draw.normal(size=(size, 3))
    chosen = draw.integers(-1, size, 3)
    one = np.arange(size)[:, None] == chosen
    with jax.enable_x64(True):
        np.testing.assert_array_equal(lanes.least(jnp.array(x)), x.min(0))
        found = lanes.entries(jnp.array(one), jnp.array(x), jnp.array(2.0 * x))
        expected = np.where(chosen < 0, 0.0, x[chosen, np.arange(3)])
        np.testing.assert_array_equal(found, [expected, 2.0 * expected])
        ordered = np.add.accumulate(x)[-1]
        np.testing.assert_array_equal(lanes.total(jnp.array(x)), ordered)


def test_what_is_kept_is_what_was_given() -> None:
    rows = np.array([[0.0, -0.0, np.nan], [np.inf, -np.inf, 1.5]], np.float32)
    found = np.array(jax.jit(lanes.kept)(*jnp.array(rows)))
    np.testing.assert_array_equal(found, rows)
    assert np.signbit(found[0, 1])
