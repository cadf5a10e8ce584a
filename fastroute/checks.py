"""Checks of arguments: each kind once, with one form of message.

A message names the field, the value, what it must be and, where that is not plain, the remedy:
``trials=0 must be a whole number >= 1``. Where another text names the field and the value already,
as in a study file, `field` is empty and the message begins with ``must be``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.words import closest

Array = NDArray[np.float64]

MISSING_WORDS: Final = (
    *("", "-", "na", "n/a", "nan", "-nan", "nat", "null", "none", "<na>", "#na", "#n/a"),
    *("#n/a n/a", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
)
"""Texts in lower case that mean that a number or a date is missing, as for pandas, and "-"."""

MOST_MODELS: Final = 100_000
"""Most models that a scenario is built with: every stage looks at all of them."""

ROUNDING: Final = 1e-9
"""How far a score may leave [0, 1]: a mean of scores, or a sum of floats, does so by rounding."""

_LONGEST: Final = 60


def quoted(value: object) -> str:
    """Return a value as it is written in Python, shortened when it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}...{text[-1]}"


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` plus the valid names, for the end of a message."""
    names = list(valid)
    close = closest(name, names)
    hint = f"did you mean {close!r}? " if close is not None else ""
    return f"; {hint}valid: {', '.join(map(repr, names)) if names else '(none)'}"


def first_names(names: Iterable[object], most: int = 5) -> str:
    """Return the first few names, quoted, and how many more there are."""
    items = [quoted(name) for name in names]
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def is_missing(value: object) -> bool:
    """Return whether a cell is None, NaN, NaT or pandas' NA."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        # Comparing NA gives NA, which is neither true nor false; an array gives an array.
        return type(value).__name__ == "NAType"


def refused(field: str, value: object, must: str, remedy: str = "") -> ValueError:
    """Return the error of a value that is not what it must be."""
    what = f"{field}={quoted(value)} must be {must}" if field else f"must be {must}"
    return ValueError(f"{what}; {remedy}" if remedy else what)


def choice(field: str, value: Any, valid: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``valid``; the error names the nearest one."""
    if value not in valid:
        what = f"{field}={quoted(value)} is unknown" if field else "is unknown"
        raise ValueError(f"{what}{nearest(str(value), valid)}")
    return str(value)


def check_type(field: str, value: object, kind: type, maker: str) -> None:
    """Refuse what is not of a class; `maker` says how to make one."""
    if not isinstance(value, kind):
        must = f"a {kind.__name__}, not a {type(value).__name__}"
        raise refused(field, value, must, f"make one with {maker}")


def name_list(field: str, value: object) -> list[str]:
    """Return one name, or a list of names, as a list; raise ValueError for anything else."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise refused(field, value, "a name or a list of names")
    return list(value)


def integer(
    field: str,
    value: Any,
    least: int = 1,
    most: int | None = None,
    *,
    exact: bool = False,
    remedy: str = "",
) -> int:
    """Return ``value`` as an int in [least, most].

    Parameters
    ----------
    field : str
    value : object
        1e5 is a whole number; text, truth values and arrays are not.
    least, most : int
        The range; None means no end.
    exact : bool
        Refuse floats too, of which large ones are not the number that was meant.
    remedy : str
        For the end of the message.
    """
    try:
        good = (
            not isinstance(value, bool | np.bool_ | str | bytes)
            and (not exact or isinstance(value, int | np.integer))
            and np.ndim(value) == 0
            and bool(int(value) == value)
        )
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good or int(value) < least:
        raise refused(field, value, f"a whole number >= {least}", remedy)
    if most is not None and int(value) > most:
        raise refused(field, value, f"at most {most:,}", remedy)
    return int(value)


def seed(field: str, value: Any) -> int:
    """Return ``value`` as a seed, an int in [0, 2**64)."""
    found = integer(field, value, 0, exact=True)
    if found >= 1 << 64:
        raise refused(field, value, "below 2**64")
    return found


def number(
    field: str,
    value: Any,
    must: str,
    allowed: Callable[[float], bool],
    *,
    remedy: str = "",
) -> float:
    """Return ``value`` as a float.

    Parameters
    ----------
    field : str
    value : object
        One real number; text, truth values and longer arrays are not allowed.
    must : str
        What it must be, in words.
    allowed : callable
        Whether a float is that; it is asked about infinity and NaN too.
    remedy : str
        For the end of the message.
    """
    try:
        array = real_array(value)
        good = array.ndim == 0 and not isinstance(value, bool | np.bool_)
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good or not allowed(float(array)):
        raise refused(field, value, must, remedy)
    return float(array)


def fraction(field: str, value: Any, *, zero: bool) -> float:
    """Return ``value`` as a float in (0, 1], or in [0, 1] when ``zero`` is allowed."""
    if zero:
        return number(field, value, "a number in [0, 1]", lambda x: 0.0 <= x <= 1.0)
    return number(field, value, "a number in (0, 1]", lambda x: 0.0 < x <= 1.0)


def positive(field: str, value: Any) -> float:
    """Return ``value`` as a finite float above 0."""
    return number(field, value, "a finite number > 0", lambda x: 0.0 < x < np.inf)


def not_negative(field: str, value: Any, remedy: str = "") -> float:
    """Return ``value`` as a finite float of at least 0."""
    must = "a finite number >= 0"
    return number(field, value, must, lambda x: 0.0 <= x < np.inf, remedy=remedy)


def release_date(field: str, value: object) -> date | None:
    """Return the date of a date, a time, or text of either; None where there is none.

    Text is ``YYYY-MM-DD``, which a time of day may follow, or a word for a missing value. A time
    keeps the date it is written with, whatever its zone.
    """
    if is_missing(value):
        return None
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[D]").item()
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if text.lower() in MISSING_WORDS:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise ValueError(f"{field}={quoted(value)} is not a date; write it as YYYY-MM-DD") from None


def real_array(value: ArrayLike) -> Array:
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
        raise TypeError(f"{array.dtype} is not a type of number")
    return array.astype(np.float64, copy=False)


def number_array(
    field: str,
    value: Any,
    dims: tuple[int, ...] | None = None,
    *,
    infinity: bool = False,
    remedy: str = "replace NaN and infinity by numbers",
) -> Array:
    """Convert to float64, refusing what is not numeric.

    Parameters
    ----------
    field : str
    value : array_like
    dims : tuple of int, optional
        Allowed numbers of dimensions of an array that an object will own: it is not empty,
        C-contiguous, and a copy. Default anything.
    infinity : bool
        Whether it may be infinite; NaN is refused always.
    remedy : str
        For numbers that are not allowed.
    """
    count = int(np.ma.getmaskarray(value).sum()) if isinstance(value, np.ma.MaskedArray) else 0
    if count:
        # NumPy would take what lies below the mask.
        raise ValueError(
            f"{field} has {count} masked entries; leave those models out, or give them a number "
            f"with {field}.filled(number)"
        )
    try:
        array = real_array(value) if dims is None else np.array(real_array(value), order="C")
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{field}={quoted(value)} cannot be read as an array of numbers; pass numbers, in rows "
            "of equal length"
        ) from None
    if dims is not None and (array.ndim not in dims or array.size == 0):
        allowed = " or ".join(str(dim) for dim in dims)
        raise ValueError(
            f"{field} has shape {array.shape}; pass a non-empty array with {allowed} dimension(s)"
        )
    bad = np.isnan(array) if infinity else ~np.isfinite(array)
    if bad.any():
        where = _first(bad)
        raise ValueError(f"{field} holds {array[where]} at index {where}; {remedy}")
    return array


def refuse_entries(
    field: str, array: Array, bad: NDArray[np.bool_], why: str, remedy: str = ""
) -> None:
    """Raise ValueError with the first bad entry of ``array``, when there is one."""
    if bad.any():
        where = _first(bad)
        index = f"[{where[0] if len(where) == 1 else where}]" if where else ""
        what = f"{field}{index} = {array[where]:g} {why}"
        raise ValueError(f"{what}; {remedy}" if remedy else what)


def _first(bad: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.ndim else ()


def freeze(array: NDArray[np.generic]) -> None:
    """Freeze an array that a frozen object owns."""
    array.flags.writeable = False


def unique_names(field: str, names: Sequence[str] | None, size: int) -> tuple[str, ...]:
    """Return ``size`` names, all different: those given, or "model-0", "model-1", ..."""
    if names is None:
        return tuple(f"model-{index}" for index in range(size))
    found = tuple(str(name) for name in names)
    if len(found) != size:
        raise ValueError(f"{field} has {len(found)} names for {size} models; pass one per model")
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise ValueError(f"{field}: {first_names(twice)} occurs twice; names must be unique")
    return found
