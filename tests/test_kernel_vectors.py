"""Vectors of lanes: every lane gets what a number alone gets, to the bit."""

import functools
import inspect
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit, types
from numba.extending import overload

from fastroute.kernels.formulas import names
from fastroute.kernels.numba_ import vectors
from fastroute.kernels.numba_.formulas import formula
from fastroute.kernels.numba_.vectors import VECTOR, WIDE, ZERO
from fastroute.kernels.types import STATISTICS
from test_kernel_formulas import ARGUMENTS, UNUSUAL, WHOLE, one_by_one

COMPILE: Any = njit(error_model="numpy")
#: All pairs of unusual numbers, and more to fill the last vector.
FIRST = np.repeat(UNUSUAL, len(UNUSUAL))
SECOND = np.tile(UNUSUAL, len(UNUSUAL))
PADDED = -(-len(FIRST) // VECTOR) * VECTOR
X, Y = (np.resize(column, PADDED) for column in (FIRST, SECOND))


def elementwise(function: Callable[[Any], Any], x: Any) -> Any:
    """Call a function on one vector after the other."""
    call = formula(function)
    out = np.zeros(PADDED)

    @COMPILE
    def play(x, out):
        for o in range(ZERO, np.uint64(len(out)), WIDE):
            vectors.store(out, o, call(vectors.load(x, o)))

    play(x, out)
    return out


#: Columns of two vectors, and of a vector and a number, in this order.
PAIRS = ((X, Y), (X, 0.5), (-2.0, Y), (X, 3))


def elementwise_pairs(function: Callable[[Any, Any], Any]) -> Any:
    """Call a function on the vectors of all pairs, one after the other; numbers stay numbers."""
    call = formula(function)
    out = np.zeros((len(PAIRS), PADDED))

    # In one kernel: each would take as long to compile as all of them.
    @COMPILE
    def play(x, y, out):
        for o in range(ZERO, np.uint64(len(x)), WIDE):
            vectors.store(out[0], o, call(vectors.load(x, o), vectors.load(y, o)))
            vectors.store(out[1], o, call(vectors.load(x, o), 0.5))
            vectors.store(out[2], o, call(-2.0, vectors.load(y, o)))
            vectors.store(out[3], o, call(vectors.load(x, o), 3))

    play(X, Y, out)
    return out


@functools.cache
def of_numbers(function: Callable[..., Any]) -> Any:
    """Compile a function once for all columns of the same types."""
    return COMPILE(function)


def alone(function: Callable[..., Any], *columns: Any) -> Any:
    """Call the same function on one row after the other, compiled as numbers."""
    call = of_numbers(function)
    size = PADDED
    rows = zip(*[x if isinstance(x, np.ndarray) else [x] * size for x in columns], strict=True)
    return np.array([call(*row) for row in rows], np.float64)


def assert_same_bits(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, expected)
    there = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found)[there], np.signbit(expected)[there])


TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "min": lambda x, y: min(x, y),
    "max": lambda x, y: max(x, y),
    "minimum": lambda x, y: names.minimum(x, y),
    "maximum": lambda x, y: names.maximum(x, y),
    "numpy minimum": lambda x, y: np.minimum(x, y),
    "quotient": lambda x, y: names.quotient(x, y),
    "less": lambda x, y: names.where(x < y, x, y),
    "at most": lambda x, y: names.where(x <= y, 1.0, 0.0),
    "more": lambda x, y: names.where(x > y, x, 0.0),
    "at least": lambda x, y: names.where(x >= y, 0.0, y),
    "equal": lambda x, y: names.where(x == y, 1, 0),
    "not equal": lambda x, y: names.where(x != y, x, 2),
    "and": lambda x, y: names.where((x > 0.0) & (y > 0.0), 1.0, 0.0),
    "or": lambda x, y: names.where((x > 0.0) | (y > 0.0), x, y),
    "either": lambda x, y: names.where((x > 0.0) ^ (y > 0.0), x, y),
    "same truth": lambda x, y: names.where((x > 0.0) == (y > 0.0), x, y),
    "other truth": lambda x, y: names.where((x > 0.0) != (y > 0.0), x, y),
    "with a plain truth": lambda x, y: names.where((x > 0.0) & (1.0 < 2.0), x, y),
}
ONE: dict[str, Callable[[Any], Any]] = {
    "minus": lambda x: -x,
    "abs": lambda x: abs(x),
    "sqrt": lambda x: names.sqrt(x),
    "exp": lambda x: names.exp(x),
    "rounded": lambda x: names.rounded(x),
    "square": lambda x: x**2,
    "root": lambda x: x**0.5,
    "numpy sqrt": lambda x: np.sqrt(x),
    "hyperbolic": lambda x: math.tanh(x),
}


@pytest.mark.parametrize("name", TWO)
def test_two_numbers(name: str) -> None:
    function = TWO[name]
    for found, columns in zip(elementwise_pairs(function), PAIRS, strict=True):
        assert_same_bits(found, alone(function, *columns))


@pytest.mark.parametrize("name", ONE)
def test_one_number(name: str) -> None:
    assert_same_bits(elementwise(ONE[name], X), alone(ONE[name], X))


def test_not() -> None:
    """Of a mask it is written ``~``, which would not negate a single truth value."""
    found = elementwise(lambda x: names.where(~(x > 0.0), 1.0, 0.0), X)
    np.testing.assert_array_equal(found, ~(X > 0.0))


def test_a_number_becomes_a_vector_where_the_two_meet() -> None:
    def summed(x: Any) -> Any:
        total = 0.0
        for _ in range(3):
            total = total + x
        return total

    assert_same_bits(elementwise(summed, X), alone(summed, X))


def test_memory() -> None:
    @COMPILE
    def move(w, at, out):
        offsets = vectors.index(vectors.load(at, ZERO)) * np.uint64(2) + vectors.lane_numbers()
        vectors.store(out, ZERO, vectors.gather(w, offsets))
        vectors.scatter(out, vectors.lane_numbers() + WIDE, vectors.load(w, ZERO))
        vectors.add(out, WIDE, 1.0)
        vectors.store(out, WIDE + WIDE, 7)
        vectors.store(out, WIDE + WIDE + WIDE, vectors.broadcast(np.inf))
        return vectors.count_lanes(vectors.load(at, ZERO) > 1.0)

    rng = np.random.default_rng(4)
    w, at = rng.random(64), rng.integers(0, 20, VECTOR).astype(float)
    for run in (move, move.py_func):
        out = np.zeros(4 * VECTOR)
        assert run(w, at, out) == (at > 1.0).sum()
        lanes = np.arange(VECTOR)
        np.testing.assert_array_equal(out[:VECTOR], w[2 * at.astype(int) + lanes])
        np.testing.assert_array_equal(out[VECTOR : 2 * VECTOR], w[:VECTOR] + 1.0)
        np.testing.assert_array_equal(out[2 * VECTOR : 3 * VECTOR], 7.0)
        np.testing.assert_array_equal(out[3 * VECTOR :], np.inf)


@pytest.mark.parametrize("bits", [0, 1, 2**31, 2**32 - 1, 0xD2511F53])
def test_uniform_numbers_from_bits(bits: int) -> None:
    @COMPILE
    def of_number(bits):
        return vectors.unit(bits)

    @COMPILE
    def of_lanes(bits, out):
        vectors.store(out, ZERO, vectors.unit(bits | (vectors.lane_numbers() & ZERO)))

    out = np.zeros(VECTOR)
    of_lanes(np.uint64(bits), out)
    assert of_number(np.uint64(bits)) == vectors.unit(np.uint64(bits)) == bits / 2**32
    np.testing.assert_array_equal(out, bits / 2**32)


# --- Formulas ---------------------------------------------------------------------------------


def _vectors(value: Any, o: Any) -> Any:
    """Columns of arguments as vectors, in whatever tuples they are."""
    raise NotImplementedError


@overload(_vectors)
def _vectors_of(value, o):
    if isinstance(value, types.Array):
        return lambda value, o: vectors.load(value, o)
    if not isinstance(value, types.BaseTuple):
        return lambda value, o: value
    if len(value) == 0:
        return lambda value, o: ()
    return lambda value, o: (_vectors(value[0], o), *_vectors(value[1:], o))


def _keep(out: Any, o: Any, found: Any) -> None:
    raise NotImplementedError


@overload(_keep)
def _keep_all(out, o, found):
    if not isinstance(found, types.BaseTuple):
        if isinstance(found, vectors.Mask):
            return lambda out, o, found: vectors.store(out[0], o, names.where(found, 1.0, 0.0))
        return lambda out, o, found: vectors.store(out[0], o, found)
    if len(found) == 0:
        return lambda out, o, found: None

    def each(out, o, found):
        vectors.store(out[0], o, found[0])
        _keep(out[1:], o, found[1:])

    return each


def _as_floats(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_floats(part) for part in value)
    return value.astype(np.float64) if isinstance(value, np.ndarray) else value


def counts_apart(function: Callable[..., Any]) -> bool:
    """Whether a formula is that of an estimator that counts rewards and costs apart.

    They are long, and by default compared with the reference where outcomes are learnt late.
    """
    of_estimators = function.__module__.endswith(("divergence", "estimates", "spread", "windows"))
    return of_estimators and function.__name__.endswith(("_apart", "_reward", "_cost"))


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(f, marks=[pytest.mark.slow] if counts_apart(f) else [])
        for f in ARGUMENTS
        if f not in WHOLE
    ],
    ids=lambda f: f.__name__,
)
def test_formulas_give_the_same_to_the_bit(function: Callable[..., Any]) -> None:
    call = formula(function)
    given = len(inspect.signature(function).parameters)
    assert given

    @COMPILE
    def play(arguments, out):
        for o in range(ZERO, np.uint64(out.shape[1]), WIDE):
            _keep(out, o, call(*_vectors(arguments, o)))

    arguments = _as_floats(ARGUMENTS[function](np.random.default_rng(11)))
    expected = one_by_one(function, arguments)
    out = np.zeros((STATISTICS, len(expected)))
    play(arguments, out)
    found = out[: expected.shape[1]].T if expected.ndim == 2 else out[0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("operation", [operator.floordiv, operator.mod])
def test_what_vectors_do_not_know_is_named(operation: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(Exception, match="Vector"):
        elementwise(lambda x: operation(x, 2.0), X)
