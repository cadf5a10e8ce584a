"""A look at the formulas of a part before the run starts: each is called once."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastroute.kernels.types import STATES, STATISTICS, EstimatorKernel, RouterKernel

# Trials for which a formula is called: two, so that one that branches is found out.
_TRIALS = 2


class Wanted(NamedTuple):
    """What a formula must be."""

    name: str
    form: str  #: how it is called, and what it returns
    values: int  #: how many values it returns; 0 for one that stands alone


def check_estimator(owner: str, kernel: EstimatorKernel) -> None:
    """Refuse an estimator whose formulas cannot be used.

    Parameters
    ----------
    owner : str
        What the message calls the estimator.
    kernel : EstimatorKernel

    Raises
    ------
    ValueError
    """
    size = len(kernel.first)
    if not 3 <= size <= STATISTICS:
        raise ValueError(
            f"{owner}: first returned {size} numbers; it must return the count, the sum of rewards "
            f"and the sum of costs of a model, and at most {STATISTICS - 3} numbers more"
        )
    seen, numbers = _columns(kernel.first), kernel.parameters
    observe = Wanted("observe", f"(seen, reward, cost, *parameters) -> seen, {size} numbers", size)
    bounds = Wanted("bounds", "(seen, *parameters) -> (upper, lower)", 2)
    interval = Wanted(
        "interval", "(seen, *parameters) -> (reward, cost, reward_width, cost_width)", 4
    )
    after = _values(owner, observe, kernel.observe, (seen, *_columns((0.5, 0.5)), *numbers))
    for formula, what in ((kernel.observe_reward, "reward"), (kernel.observe_cost, "cost")):
        if formula is not None:
            form = f"(seen, {what}, *parameters) -> seen, {size} numbers"
            wanted = Wanted(f"observe_{what}", form, size)
            after = _values(owner, wanted, formula, (after, *_columns((0.5,)), *numbers))
    for known in (seen, after):
        _values(owner, bounds, kernel.bounds, (known, *numbers))
        if kernel.interval is not None:
            _values(owner, interval, kernel.interval, (known, *numbers))


def check_router(owner: str, kernel: RouterKernel) -> None:
    """Refuse a router whose formulas cannot be used; arguments as :func:`check_estimator`."""
    size = len(kernel.first)
    if size > STATES:
        raise ValueError(
            f"{owner}: first_state returned {size} numbers; it must return at most {STATES}"
        )
    state, numbers = _columns(kernel.first), kernel.parameters
    score = Wanted("score", "(upper, lower, state, *parameters) -> score, one number", 0)
    learn = Wanted("learn", f"(state, reward, cost, *parameters) -> state, {size} numbers", size)
    if kernel.learn is not None:
        state = _values(owner, learn, kernel.learn, (state, *_columns((0.5, 0.5)), *numbers))
    _values(owner, score, kernel.score, (*_columns((0.5, 0.5)), state, *numbers))


def _columns(values: tuple[float, ...]) -> tuple[Any, ...]:
    """Return each number as a column of trials."""
    return tuple(np.full(_TRIALS, value) for value in values)


def _values(
    owner: str, wanted: Wanted, formula: Callable[..., Any] | None, arguments: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Call a formula and return its values.

    Raises
    ------
    ValueError
        When it is missing, takes another number of arguments, fails, or returns something else.
    """
    form = f"{wanted.name}{wanted.form}"
    if formula is None:
        raise ValueError(f"{owner} has no formula {wanted.name}; define {form}, as a static method")
    plain = getattr(formula, "py_func", formula)
    try:
        inspect.signature(plain).bind(*arguments)
    except TypeError as error:
        numbers = len(arguments) - form.partition("*")[0].count(",")
        raise ValueError(
            f"{owner}: {wanted.name} cannot be called with {len(arguments)} arguments ({error}); "
            f"it must be {form}, with {numbers} parameters, as a static method"
        ) from error
    try:
        with np.errstate(all="ignore"):
            found = plain(*arguments)
    except Exception as error:
        raise ValueError(
            f"{owner}: {wanted.name} fails on columns of trials ({error}); a formula must be "
            "written over + - * / and the names of fastroute.kernels.formulas, where in the place "
            "of if"
        ) from error
    values = found if isinstance(found, tuple) else (found,)
    alone = isinstance(found, tuple) == (wanted.values > 0)
    if not alone or len(values) != max(wanted.values, 1) or not all(map(_is_number, values)):
        raise ValueError(f"{owner}: {wanted.name} returned {_said(found)}; it must be {form}")
    if any(np.isnan(value).any() for value in values):
        raise ValueError(
            f"{owner}: {wanted.name} returned a value that is no number; it must return numbers "
            "for a model without observations, too"
        )
    return values


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number, or one for each trial."""
    array = np.asarray(value)
    return array.dtype.kind in "fiu" and array.shape in {(), (_TRIALS,)}


def _said(found: Any) -> str:
    if isinstance(found, tuple):
        return f"{len(found)} values" if all(map(_is_number, found)) else "something else"
    return "one value" if _is_number(found) else f"something of type {type(found).__name__}"
