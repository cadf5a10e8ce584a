"""Checks of solver input; every message names the field, the value and the remedy."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]


LARGEST_REWARD: Final = 1e300


class Batch(NamedTuple):
    """Input of a solver, broadcast and flattened to two axes."""

    shape: tuple[int, ...]  # leading axes
    reward: F8  # [B, M]
    cost: F8  # [B, M]
    limit: F8  # [B, M]
    budget: F8  # [B]


def refuse_masked(name: str, value: Any) -> None:
    """Raise ValueError for masked entries: NumPy would take what lies below the mask."""
    count = int(np.ma.getmaskarray(value).sum()) if isinstance(value, np.ma.MaskedArray) else 0
    if count:
        raise ValueError(
            f"{name} has {count} masked entries. Leave those models out, or give them a number "
            f"with {name}.filled(number)."
        )


def real_array(value: ArrayLike) -> F8:
    """Convert real numbers to float64; TypeError for dates, text and complex numbers.

    NumPy by itself takes dates for counts of days, and text for the number that it spells.
    """
    array = np.asarray(value)
    kind = array.dtype.kind
    if kind == "O":
        odd = any(isinstance(x, str | bytes | np.datetime64 | np.timedelta64) for x in array.flat)
    else:
        odd = kind not in "biuf"
    if odd:
        raise TypeError(f"{array.dtype} is no type of number")
    return array.astype(np.float64, copy=False)


def number_array(name: str, value: ArrayLike) -> F8:
    """Convert to float64, refusing what is not numeric or has a NaN."""
    refuse_masked(name, value)
    try:
        array = real_array(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be numbers, got {_short(value)}.") from error
    bad = np.isnan(array)
    if bad.any():
        raise ValueError(
            f"{name} has {int(bad.sum())} NaN, the first at index {_first(bad)}. "
            "Drop or fill missing models before solving."
        )
    return array


def prepare(reward: ArrayLike, cost: ArrayLike, limit: ArrayLike, budget: ArrayLike) -> Batch:
    """Validate and broadcast the arrays of a routing or deployment problem.

    Parameters
    ----------
    reward, cost, limit : array_like, [..., M]
        Broadcast against each other; ``limit`` may be a scalar.
    budget : array_like, [...]
        Broadcast against the leading axes.

    Returns
    -------
    Batch

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.
    """
    u = number_array("reward", reward)
    c = number_array("cost", cost)
    a = number_array("limit", limit)
    b = number_array("budget", budget)
    full = common_shape(u, c, a, b)
    for name, array in (("reward", u), ("cost", c)):
        _refuse(name, array, ~np.isfinite(array), "must be finite")
    # Beyond, differences of rewards are no longer finite.
    largest = f"must be at most {LARGEST_REWARD:g} in size"
    _refuse("reward", u, np.abs(u) > LARGEST_REWARD, largest, "Scale the rewards down")
    _refuse("cost", c, c < 0.0, "must be >= 0", "Costs are spending per query")
    _refuse(
        "limit",
        a,
        (a <= 0.0) | (a > 1.0),
        "must lie in (0, 1]",
        "It is the largest share of the traffic a model may get; leave absent models out",
    )
    _refuse("budget", b, b < 0.0, "must be >= 0", "Use np.inf for no budget")
    flat = int(np.prod(full[:-1], dtype=np.int64))
    models = [
        np.ascontiguousarray(np.broadcast_to(x, full)).reshape(flat, full[-1]) for x in (u, c, a)
    ]
    budgets = np.ascontiguousarray(np.broadcast_to(b, full[:-1])).reshape(flat)
    return Batch(full[:-1], models[0], models[1], models[2], budgets)


def common_shape(reward: Any, cost: Any, limit: Any, budget: Any) -> tuple[int, ...]:
    """Shape ``[..., M]`` to which the arrays of a problem broadcast.

    Raises
    ------
    ValueError
        For a missing axis of models, shapes that do not broadcast, or no model at all.
    """
    for name, array in (("reward", reward), ("cost", cost)):
        if array.ndim == 0:
            raise ValueError(f"{name} must have a last axis of models, got the scalar {array}.")
    limits = limit.shape or (1,)
    try:
        full = np.broadcast_shapes(reward.shape, cost.shape, limits, (*budget.shape, 1))
    except ValueError as error:
        raise ValueError(
            f"shapes do not broadcast: reward {reward.shape}, cost {cost.shape}, limit "
            f"{limits} over [..., M] and budget {budget.shape} over the leading axes [...]."
        ) from error
    if full[-1] == 0:
        shapes = (("reward", reward.shape), ("cost", cost.shape), ("limit", limits))
        name, shape = next((n, x) for n, x in shapes if not x[-1])
        raise ValueError(
            f"{name} has an empty set of models (shape {shape}). Pass at least one model."
        )
    return full


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``allowed``; the error names the nearest one."""
    if value in allowed:
        return str(value)
    from difflib import get_close_matches

    near = get_close_matches(str(value), allowed, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, allowed))}.{hint}")


def positive_int(name: str, value: Any, remedy: str = "") -> int:
    """Return ``value`` as an int >= 1, refusing bools, fractions and text."""
    try:
        whole = (
            not isinstance(value, bool | np.bool_ | str)
            and np.ndim(value) == 0
            and int(value) == value
        )
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or int(value) < 1:
        raise ValueError(f"{name} must be an integer >= 1, got {value!r}.{remedy and ' ' + remedy}")
    return int(value)


def _refuse(name: str, array: F8, bad: NDArray[np.bool_], rule: str, remedy: str = "") -> None:
    if bad.any():
        where = _first(bad)
        at = f" at index {where}" if array.ndim else ""
        raise ValueError(f"{name} {rule}, got {array[where]}{at}.{remedy and f' {remedy}.'}")


def _first(bad: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.ndim else ()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
