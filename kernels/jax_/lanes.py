"""What the JAX kernels share: reductions over models, exact rounding, double precision in scope.

Arrays have the models first and the lanes (problems or trials) last, ``[M, lanes]``: every step
then runs over contiguous lanes.  The lanes may be any number of axes, none included.

The reductions are written with ``select``: the ones of ``jax.numpy`` pass NaN on, which costs twice
the time, and their sums may be taken in any order, which makes results depend on the shape.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from fastroute.kernels import tolerances as double

P = ParamSpec("P")
R = TypeVar("R")

#: Models of which loops over all of them take so many at a time, written out.
UNROLL = 16
#: Models that :func:`fold` reduces in one written-out loop.
GROUP = 8
#: Fewest lanes of a device.
FEWEST = 64
#: Problems solved together on a processor: their arrays fit into its fast memory.
WIDTH = 128


def lanes_for(problems: int) -> int:
    """Lanes that a device gives to so many problems: a power of two, and at least ``FEWEST``.

    Few sizes are compiled, therefore.
    """
    return 1 << (max(problems, FEWEST) - 1).bit_length()


class Tolerances(NamedTuple):
    """Tolerances of one precision; see :mod:`fastroute.kernels.tolerances`."""

    mass: float
    budget_range: float
    budget_scale: float
    reach: float
    rounding: float
    tie: float
    dominated: float


_DOUBLE = Tolerances(
    double.MASS,
    double.BUDGET_RANGE,
    double.BUDGET_SCALE,
    double.REACH,
    double.ROUNDING,
    double.TIE,
    double.DOMINATED,
)
_SINGLE = Tolerances(2e-6, 2e-6, 5e-7, double.REACH, 5e-7, 1e-5, 1e-5)


def tolerances(dtype: np.dtype) -> Tolerances:
    """Tolerances of a precision."""
    return _DOUBLE if dtype == np.float64 else _SINGLE


@contextmanager
def own_promotion() -> Iterator[None]:
    """Let number types and ranks be mixed, as these kernels do, whatever the user allows."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def in_double(function: Callable[P, R]) -> Callable[P, R]:
    """Let ``function`` use 64-bit types, whatever the user's configuration, and only meanwhile."""

    @wraps(function)
    def scoped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(True), own_promotion():
            return function(*args, **kwargs)

    return scoped


def only_if(condition: jax.Array, function: Callable[[R], R], value: R) -> R:
    """Return ``function(value)`` or, where the condition does not hold, ``value`` as it lies.

    A loop of one step or none: it changes its state in place, and ``cond`` would copy it.
    """

    def step(state: Any) -> Any:
        return jnp.zeros_like(condition), function(state[1])

    found: R = lax.while_loop(lambda state: state[0], step, (condition, value))[1]
    return found


def fold(join: Callable[[Any, Any], Any], rows: tuple[jax.Array, ...], none: Any) -> Any:
    """Reduce arrays ``[M, ...]`` together over the models, in one pass.

    Parameters
    ----------
    join : callable
        Entries of two models, as tuples, to those of one; must not depend on the order.
    rows : tuple of array, [M, ...]
    none : tuple of float
        Entries that change nothing.
    """
    size = len(rows[0])
    start = tuple(x.dtype.type(value) for x, value in zip(rows, none, strict=True))
    if size <= GROUP:
        return tuple(lax.reduce(rows, start, join, (0,)))
    # On a processor, only loops over few models are written out, and become vector instructions.
    whole = size // GROUP * GROUP
    groups = tuple(x[:whole].reshape(-1, GROUP, *x.shape[1:]) for x in rows)
    found = fold(join, tuple(lax.reduce(groups, start, join, (1,))), none)
    if whole < size:
        found = join(found, fold(join, tuple(x[whole:] for x in rows), none))
    return found


def kept(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Return ``arrays``, all of one shape and type, worked out in one pass and once.

    On a processor, XLA passes over the lanes once for every result, and works out anew what
    several of them read.  A reduction with several results is one pass, whose results are kept:
    here over two rows of which the second is none.
    """
    # -0 is the number that changes nothing when added, not even 0.
    none = arrays[0].dtype.type(-0.0)
    second = lax.broadcasted_iota(np.int32, (2, *arrays[0].shape), 0) > 0

    def join(a: Any, b: Any) -> Any:
        return tuple(x + y for x, y in zip(a, b, strict=True))

    pairs = tuple(jnp.where(second, none, x[None]) for x in arrays)
    return tuple(lax.reduce(pairs, (none,) * len(arrays), join, (0,)))


def together(*rows: jax.Array) -> jax.Array:
    """Stack ``rows``, arrays ``[lanes]`` of one type, worked out in one pass."""
    return jnp.stack(kept(*rows))


def least(x: jax.Array) -> jax.Array:
    """Smallest entry over the models, infinite when there is none."""
    return fold(lambda a, b: (lax.select(a[0] < b[0], a[0], b[0]),), (x,), (np.inf,))[0]


def entries(one: jax.Array, *rows: jax.Array) -> tuple[jax.Array, ...]:
    """Entries of ``rows`` of the one model where the mask is set; 0 where it is set for none."""
    chosen = tuple(jnp.where(one, x, jnp.zeros((), x.dtype)) for x in rows)

    def join(a: Any, b: Any) -> Any:
        return tuple(lax.select(y != 0, y, x) for x, y in zip(a, b, strict=True))

    found: tuple[jax.Array, ...] = fold(join, chosen, (0.0,) * len(rows))
    return found


def at(one: jax.Array, x: jax.Array) -> jax.Array:
    """Entry of ``x`` of the one model where the mask is set; 0 where it is set for none."""
    return entries(one, x)[0]


def total(x: jax.Array, start: ArrayLike = 0.0) -> jax.Array:
    """Sum over the models in their order, added to ``start``."""
    return over_models(lambda sum_, row: sum_ + row, jnp.full_like(x[0], start), x)


def over_models(step: Callable[..., Any], state: Any, *rows: jax.Array) -> Any:
    """Fold ``step(state, *row)`` over the models, one after the other."""
    size = len(rows[0])
    whole = size // UNROLL * UNROLL if size > UNROLL else 0

    def several(first: Any, state: Any) -> Any:
        group = [lax.dynamic_slice_in_dim(x, first * UNROLL, UNROLL) for x in rows]
        for m in range(UNROLL):
            state = step(state, *(x[m] for x in group))
        return state

    if whole:
        state = lax.fori_loop(0, whole // UNROLL, several, state)
    for m in range(whole, size):
        state = step(state, *(x[m] for x in rows))
    return state


def indices(x: jax.Array) -> jax.Array:
    """Index of each model in the number type of ``x``, [M, 1, ...]."""
    count = jnp.arange(x.shape[0]).astype(x.dtype)
    return count.reshape(-1, *[1] * (x.ndim - 1))
