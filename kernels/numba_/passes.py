"""What a pass is: a kernel of one signature that does one step of a round for a group of blocks.

A round is a list of passes (:mod:`.rounds` plays it).  Each is compiled alone, when a policy or a
world first needs it, and called through a pointer, so that the loop knows none of them.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numba import config, types
from numba.extending import intrinsic, register_jitable

from fastroute.kernels.numba_.compile import compile_for
from fastroute.kernels.numba_.layout import WIDTH
from fastroute.kernels.numba_.vectors import WIDE, ZERO
from fastroute.kernels.types import F8

#: Blocks that do each pass one after the other: many lost bases are solved together, and a call
#: through a pointer costs next to nothing.
GROUP: Final = 4


class Common(NamedTuple):
    """Where the numbers stand that every pass may read, in front of those of the passes."""

    seed_low: int
    seed_high: int
    first_trial: int
    trials: int
    slots: int
    opened: int  #: first round of the stage


COMMON: Final = Common(*range(len(Common._fields)))


@register_jitable
def lanes_in_use(numbers: Any, b: Any) -> Any:
    """Lanes of a block that hold a trial; those of the last block may not."""
    return min(WIDTH, np.int64(numbers[COMMON.trials]) - b * WIDTH)


@register_jitable
def vectors_in_use(numbers: Any, b: Any) -> Any:
    """Offsets of the vectors of a block that hold a trial."""
    return range(ZERO, np.uint64(lanes_in_use(numbers, b)), WIDE)


class Tables(NamedTuple):
    """Tables that passes look up, 2-dimensional; [0, 0] where there is none."""

    reward: F8  #: of the law of the rewards, [rows, N]
    cost: F8  #: of the law of the costs, [rows, N]
    tasks: F8  #: alias table: probability and alias of every task, [J, 2]
    contexts: F8  #: as in ``Memory``, flat for every trial; written
    features: F8  #: of the queries, [rows, d]
    #: What is known of all models and what is yet to be learnt, see :mod:`.feedback`; written.
    pending: F8
    reward_delay: F8  #: law of the delays of the rewards, [delays, 3]
    cost_delay: F8


class Pass(NamedTuple):
    """A pass and its own numbers."""

    kernel: "Kernel"
    parameters: tuple[float, ...] = ()


_F1: Final = types.Array(types.float64, 1, "C")
_F2: Final = types.Array(types.float64, 2, "C")
TABLES: Final = types.NamedUniTuple(_F2, len(Tables._fields), Tables)

#: A pass: ``(ws, first, stop, now, numbers, at, scratch, tables) -> refused``.  It works on the
#: blocks ``first <= b < stop`` of the workspace ``ws``, in round ``now``; its own numbers start at
#: ``numbers[at]``; ``scratch`` is room to work in; what it returns is 0, or the number of trials
#: in which a function of the user gave no distribution.
PASS: Final = types.int64(_F2, types.int64, types.int64, types.int64, _F1, types.int64, _F1, TABLES)
#: Whether the router sets new shares: ``(elapsed, slots, numbers, at) -> 0 or 1``, where
#: ``elapsed`` counts the rounds since the stage opened.
DUE: Final = types.int64(types.int64, types.int64, _F1, types.int64)


class Kernel:
    """What a pass is compiled from, as soon as its address is asked for."""

    def __init__(self, made: Callable[..., Any], signature: Any, *, keep: bool) -> None:
        self._made, self._signature, self._keep = made, signature, keep

    @cached_property
    def function(self) -> Any:
        """The compiled function."""
        return compile_for(self._signature, self._made, keep=self._keep, python=False)

    @cached_property
    def address(self) -> Any:
        """Where its code is; the function itself where nothing is compiled."""
        if not hasattr(self.function, "get_compile_result"):
            return self.function
        code = self.function.get_compile_result(self._signature)
        return code.library.get_pointer_to_function(code.fndesc.llvm_func_name)


kernels: Final[dict[Any, Kernel]] = {}


def kernel_of(
    make: Callable[..., Callable[..., Any]],
    *arguments: Any,
    keep: bool = True,
    signature: Any = PASS,
) -> Kernel:
    """Return the kernel of what ``make(*arguments)`` returns, one for each process.

    Parameters
    ----------
    make : callable
        Of a kernel module; its arguments are constants and formulas.
    keep : bool
        As in :func:`.compile.compile_for`: also keep it for the next process.
    signature : numba signature
        ``PASS`` or ``DUE``.
    """
    key = make, arguments
    if key not in kernels:
        kernels[key] = Kernel(make(*arguments), signature, keep=keep)
    return kernels[key]


# Functions that are arguments would do the same, but to find their addresses takes Numba 50 us each
# at every call from Python.
@intrinsic
def _pass_at(context, address, ws, first, stop, now, numbers, at, scratch, tables):
    return PASS.return_type(types.int64, *PASS.args), _call_code(PASS)


@intrinsic
def _due_at(context, address, elapsed, slots, numbers, at):
    return DUE.return_type(types.int64, *DUE.args), _call_code(DUE)


def _call_code(signature: Any) -> Any:
    """Code that calls the address in the first argument with all others."""

    def build(context, builder, _, values):
        address, *arguments = values
        kind = context.call_conv.get_function_type(signature.return_type, signature.args)
        pointer = builder.inttoptr(address, kind.as_pointer())
        status, found = context.call_conv.call_function(
            builder, pointer, signature.return_type, signature.args, arguments
        )
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return found

    return build


def _call_plainly(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


# Where nothing is compiled, the address of a function is the function.
plain: Final = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]  # set from the environment
#: Call the pass at an address: ``(address, ws, first, ...)``.
call_pass: Final[Any] = _call_plainly if plain else _pass_at
#: Call the function of signature ``DUE`` at an address.
call_due: Final[Any] = _call_plainly if plain else _due_at


def built_in(*functions: Any) -> bool:
    """Whether all formulas are of this package, so that what is compiled of them can be kept."""
    return all(
        function is None or function.__module__.startswith("fastroute.kernels.")
        for function in functions
    )


def lay_out(passes: tuple[Pass, ...], start: int) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Put the numbers of passes one behind the other: the numbers, and where each starts."""
    numbers: list[float] = []
    places = []
    for one in passes:
        places.append(start + len(numbers))
        numbers.extend(one.parameters)
    return tuple(numbers), tuple(places)


def common_numbers(
    seed: int, first_trial: int, trials: int, slots: int, opened: int
) -> list[float]:
    """Values of :class:`Common`."""
    low, high = int(seed) & 0xFFFFFFFF, int(seed) >> 32
    return [float(x) for x in (low, high, first_trial, trials, slots, opened)]


NO_TABLE: Final = np.zeros((0, 0))
