"""Generator, bounds and deployment on JAX: equal to the other backends, to the last bit."""

import jax
import numpy as np
import pytest

from fastroute.kernels.codes import BRANCH_AND_BOUND, INIT_FORCED, NODE_LIMIT, VERTEX
from fastroute.kernels.jax_ import bounds, deployment, rng
from fastroute.kernels.numba_ import bounds as compiled_bounds
from fastroute.kernels.numba_ import deployment as compiled
from fastroute.kernels.ref import rng as ref_rng
from fastroute.solve import solve_deployment
from referee import assert_valid
from strategies import Problems, degenerate_problems, stage_problems
from test_kernel_rng import KNOWN


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


@pytest.mark.parametrize("init", range(4))
def test_bounds_have_the_digits_of_the_reference(init: int) -> None:
    draw = np.random.default_rng(init)
    count = 1.0 * draw.integers(0, 400, (7, 90)) * (draw.random((7, 90)) < 0.8)
    reward, cost = count * draw.random((7, 90)), count * draw.uniform(0.0, 3.0, (7, 90))
    for gamma in (0.0, 0.1, 9.0):
        mine, theirs = (np.empty((2, 7, 90)) for _ in range(2))
        pulls = 5.0 if init == INIT_FORCED else 0.0
        for module, out in ((bounds, mine), (compiled_bounds, theirs)):
            module.bounds_batch(count, reward, cost, gamma, 0.02, 3.0, init, pulls, out[0], out[1])
        np.testing.assert_array_equal(mine, theirs)


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
    found = solve_deployment(*problems, 2, backend="jax", node_limit=1)
    whole = solve_deployment(*problems, 2, backend="numba")
    np.testing.assert_array_equal(found.deployed, whole.deployed)
    assert (found.method != whole.method).any()
