"""The formulas of :mod:`fastroute.kernels.formulas`, as Numba sees them.

The names that formulas use are single instructions, of numbers and of vectors (:mod:`.vectors`);
formulas themselves are compiled into the passes that call them.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, Final

from numba import njit
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic, overload, register_jitable
from numba.np.unsafe.ndarray import to_fixed_tuple

import fastroute.kernels.numba_.vectors  # noqa: F401 - tells Numba of the names of formulas
from fastroute.kernels.formulas import (
    constraints,
    divergence,
    estimates,
    outcomes,
    ridge,
    schedules,
    scores,
    shares,
    spread,
    windows,
)


def numbers_at(numbers: Any, at: int, count: int) -> tuple[float, ...]:
    """``count`` entries of an array from ``at`` on, as a tuple; ``count`` is a constant."""
    return tuple(numbers[at : at + count])


@overload(numbers_at, prefer_literal=True)
def _numbers_at(numbers, at, count):
    if count.literal_value == 0:
        return lambda numbers, at, count: ()
    fixed: Any = to_fixed_tuple
    return lambda numbers, at, count: fixed(numbers[at : at + count], count)


@cache
def formula(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let kernels call a formula; return it.

    A function that Numba has compiled stands for the plain one behind it.
    """
    plain: Callable[..., Any] = getattr(function, "py_func", function)
    registered: Callable[..., Any] = register_jitable(plain)
    return registered


@cache
def inlined(function: Callable[..., Any]) -> Any:
    """Let a kernel call a function that writes arrays, as if it stood in the kernel.

    Only there are the distances in its arrays known, without which no loop over lanes becomes
    vector instructions.
    """
    plain = getattr(function, "py_func", function)
    return njit(inline="always")(plain)


def read_only(array: Any) -> Any:
    """Return a view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


@intrinsic
def _as_read_only(context, array):
    kind = array.copy(readonly=True)

    def build(context, builder, signature, values):
        return impl_ret_borrowed(context, builder, kind, values[0])

    return kind(array), build


@overload(read_only, inline="always")
def _read_only(array):
    view: Any = _as_read_only
    return lambda array: view(array)


#: Modules of formulas, all of which kernels may call.
MODULES: Final = (
    constraints,
    divergence,
    estimates,
    outcomes,
    ridge,
    schedules,
    scores,
    shares,
    spread,
    windows,
)
for _module in MODULES:
    for _name, _function in vars(_module).items():
        if isinstance(_function, FunctionType) and _function.__module__ == _module.__name__:
            formula(_function)
