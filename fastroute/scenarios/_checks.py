"""Checks shared by the scenarios: every message names the field, the value and the remedy."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.solve.validate import real_array, refuse_masked

__all__ = [
    "MISSING_WORDS",
    "MOST_MODELS",
    "ROUNDING",
    "choice",
    "fraction",
    "is_missing",
    "name_list",
    "nearest",
    "number_array",
    "positive",
    "quoted",
    "read_only",
    "reject",
    "release_date",
    "several",
    "unique_names",
    "whole",
]

Array = NDArray[np.float64]

#: Most models that a builder makes: every stage looks at all of them.
MOST_MODELS: Final = 100_000

MISSING_WORDS: Final = (
    *("", "-", "na", "n/a", "nan", "-nan", "nat", "null", "none", "<na>", "#na", "#n/a"),
    *("#n/a n/a", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
)
"""Texts in lower case that mean that a number or a date is missing, as for pandas, and "-"."""

ROUNDING: Final = 1e-9
"""How far a score may leave [0, 1]: a mean of scores, or a sum of floats, does so by rounding."""

_LONGEST: Final = 60


def is_missing(value: object) -> bool:
    """Return whether a cell is None, NaN, NaT or pandas' NA."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        # Comparing NA gives NA, which is neither true nor false; an array gives an array.
        return type(value).__name__ == "NAType"


def quoted(value: object) -> str:
    """Return a value as it is written in Python, shortened when it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}...{text[-1]}"


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` plus the valid names, for the end of a message."""
    names = list(valid)
    folded = {candidate.casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.4)
    hint = f"did you mean {folded[close[0]]!r}? " if close else ""
    return f"; {hint}valid: {', '.join(names) if names else '(none)'}"


def several(names: Iterable[object], most: int = 5) -> str:
    """Return the first few names, quoted, and how many more there are."""
    items = [quoted(name) for name in names]
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def choice(field: str, value: str, valid: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``valid``."""
    if value not in valid:
        raise ValueError(f"{field}={value!r} is unknown{nearest(str(value), valid)}")


def name_list(field: str, value: object) -> list[str]:
    """Return one name, or a list of names, as a list; raise ValueError for anything else."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise ValueError(f"{field}={value!r} must be a name or a list of names")
    return list(value)


def whole(field: str, value: object, least: int, most: int | None = None) -> int:
    """Return ``value`` as an int of at least ``least``; raise ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{field}={value!r} must be a whole number >= {least}")
    if most is not None and value > most:
        raise ValueError(f"{field}={value!r} must be at most {most:,}")
    return int(value)


def fraction(field: str, value: object, *, zero: bool) -> float:
    """Return ``value`` as a float in (0, 1], or in [0, 1] when ``zero`` is allowed."""
    ok = not isinstance(value, bool) and isinstance(value, int | float | np.number)
    if not ok or not (0.0 <= float(value) <= 1.0) or (float(value) == 0.0 and not zero):  # type: ignore[arg-type]
        interval = "[0, 1]" if zero else "(0, 1]"
        raise ValueError(f"{field}={value!r} must be a number in {interval}")
    return float(value)  # type: ignore[arg-type]


def positive(field: str, value: object) -> float:
    """Return ``value`` as a finite float above 0."""
    ok = not isinstance(value, bool) and isinstance(value, int | float | np.number)
    if not ok or not 0.0 < float(value) < np.inf:  # type: ignore[arg-type]
        raise ValueError(f"{field}={value!r} must be a finite number > 0")
    return float(value)  # type: ignore[arg-type]


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
        raise ValueError(f"{field}={quoted(value)} is no date; write it as YYYY-MM-DD") from None


def number_array(field: str, value: ArrayLike, dims: tuple[int, ...]) -> Array:
    """Return ``value`` as a new C-contiguous float array, finite, with allowed dimensions."""
    refuse_masked(field, value)
    try:
        array = np.array(real_array(value), order="C")
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{field}={value!r} cannot be read as an array of numbers; pass rows of equal length"
        ) from None
    if array.ndim not in dims or array.size == 0:
        allowed = " or ".join(str(dim) for dim in dims)
        raise ValueError(
            f"{field} has shape {array.shape}; pass a non-empty array with {allowed} dimension(s)"
        )
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(
            f"{field} holds {array[where]} at index {where}; replace NaN and infinity by numbers"
        )
    return array


def reject(field: str, array: Array, bad: NDArray[np.bool_], why: str, remedy: str) -> None:
    """Raise ValueError with the first bad entry of ``array``, when there is one."""
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        index = where[0] if len(where) == 1 else where
        raise ValueError(f"{field}[{index}] = {array[where]:g} {why}; {remedy}")


def read_only(array: NDArray[np.generic]) -> None:
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
        raise ValueError(f"{field}: {several(twice)} occurs twice; names must be unique")
    return found
