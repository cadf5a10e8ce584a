"""Sentences and numbers that the answers share."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import Interval, PairedDifference, paired_difference, paired_ratio
from fastroute.report.style import format_number, format_value
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl

#: An interval is written with so many digits of its half, and its numbers with no more than these.
_MARGIN_DIGITS: Final = 2
_MOST_DIGITS: Final = 4
#: Of a long list this many are named.
NAMED: Final = 4
_MILLION: Final = 1_000_000


def format_estimate(
    estimate: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    unit: str = "",
    zero: float = NEAR_ZERO,
    sign: bool = False,
) -> str:
    """Write an estimate with its interval: ``12.3 [9.8, 14.7]``, or ``12.3 [9.8, 14.7] %``.

    This is the one way in which intervals are written. Digits that the interval does not support
    are left out. Without an interval, as from a single trial, the estimate stands alone. What is
    smaller than `zero` is zero: of sums of rewards only rounding is left there. With `sign`, as of
    a change, what is above zero has a plus.
    """
    after = f" {unit}" if unit else ""
    values = [math.nan if value is None else float(value) for value in (estimate, low, high)]
    values = [0.0 if abs(value) < zero else value for value in values]
    if math.isnan(values[0]):
        return "-"
    if math.isnan(values[1]) or math.isnan(values[2]):
        return f"{_signed(format_number(values[0]), values[0], sign)}{after}"
    # The nearer end decides, so that it does not become the estimate by rounding.
    sides = [side for side in (values[0] - values[1], values[2] - values[0]) if side > 0.0]
    half, size = min(sides, default=0.0), max(map(abs, values))
    if not math.isfinite(size) or size == 0.0:
        shown = [format_number(value) for value in values]
    elif not 1e-4 <= size < 1e9:
        shown = [_with_exponent(value, half) for value in values]
    else:
        decimals = _MOST_DIGITS - 1 - math.floor(math.log10(size))
        if half > 0.0:
            decimals = min(decimals, _MARGIN_DIGITS - 1 - math.floor(math.log10(half)))
        # Adding 0 makes -0 that rounding leaves 0.
        shown = [f"{round(value, decimals) + 0.0:,.{max(decimals, 0)}f}" for value in values]
    value, *ends = (_signed(text, one, sign) for text, one in zip(shown, values, strict=True))
    return f"{value} [{ends[0]}, {ends[1]}]{after}"


def _signed(text: str, value: float, sign: bool) -> str:
    """Put a plus before what is above zero, unless rounding leaves nothing of it."""
    return (
        f"+{text}" if sign and value > 0.0 and any(digit in "123456789" for digit in text) else text
    )


def _with_exponent(value: float, half: float) -> str:
    """Write a very small or large number with the digits that half an interval supports."""
    if value == 0.0:
        return "0"
    digits = _MOST_DIGITS - 1
    if half > 0.0:
        place = math.floor(math.log10(abs(value))) - math.floor(math.log10(half))
        digits = min(digits, max(place + _MARGIN_DIGITS - 1, 0))
    return f"{value:.{digits}e}"


def format_interval(found: Interval | PairedDifference, unit: str = "") -> str:
    """Write what was found with its interval, as :func:`format_estimate` does."""
    mean = found.estimate if isinstance(found, Interval) else found.mean
    return format_estimate(mean, found.low, found.high, unit=unit)


def format_power(estimate: float, low: float, high: float) -> str:
    """Write an exponent with its interval, or that it cannot be told.

    It cannot where the interval has both signs and is wider than 1: it would go from falling to
    growing in proportion.
    """
    if low < 0.0 < high and high - low > 1.0:
        return "cannot be told"
    return format_estimate(estimate, low, high)


def format_share(estimate: float, low: float, high: float) -> str:
    """Write a share with its interval: ``24 [20, 28] %``."""
    return format_estimate(100.0 * estimate, 100.0 * low, 100.0 * high, unit="%")


def format_ratio(a: NDArray[np.float64], b: NDArray[np.float64], level: float = 0.95) -> str:
    """Write how many times the mean of `b` that of `a` is: ``1.60 [1.54, 1.66] times``.

    Where a mean is not above zero it is the difference instead, in units of reward.
    """
    if min(a.mean(), b.mean()) > NEAR_ZERO:
        found = paired_ratio(a, b, level=level)
        return f"{format_estimate(found.estimate, found.low, found.high)} times"
    return f"{format_interval(paired_difference(a, b, level=level))} units of reward more than"


def format_count(value: float) -> str:
    """Write a number of rounds or stages: ``1,000``, ``10 million``."""
    if value >= _MILLION and value % (_MILLION // 10) == 0:
        return f"{value / _MILLION:g} million"
    return format_value(value)


def join_words(words: Sequence[str]) -> str:
    """Join words as a sentence does: ``a, b and c``."""
    return " and ".join(", ".join(part) for part in (words[:-1], words[-1:]) if part)


def join_some(words: Sequence[str], most: int = NAMED) -> str:
    """Join words, of many only the first: ``a, b, c, d and 5 more``."""
    left = len(words) - most
    return join_words([*words[:most], f"{left} more"] if left > 0 else words)


def join_alike(found: Sequence[tuple[str, str]]) -> str:
    """Join what was found where, the same once: ``a on x and y, b on z``."""
    places: dict[str, list[str]] = {}
    for what, where in found:
        places.setdefault(what, []).append(where)
    if len(places) == 1 and len(found) > 1:
        return f"{found[0][0]} on all of {join_words(places[found[0][0]])}"
    return ", ".join(f"{what} on {join_words(where)}" for what, where in places.items())


def span_of(values: Sequence[float], write: Callable[[float], str] = format_number) -> str:
    """Write between which ends some values lie: ``0.5 to 0.7``, or the only one."""
    low, high = write(min(values)), write(max(values))
    return low if low == high else f"{low} to {high}"


def describe_best(
    ranked: "pl.DataFrame", choice: str, name: Callable[[Any], str] = str, what: str = ""
) -> str:
    """Say which choice is best, and which are within noise of it or how far the next is behind.

    Parameters
    ----------
    ranked : polars.DataFrame
        From :func:`fastroute.analyse.ranking`.
    choice : str
        Its column of choices.
    name : callable
        How a choice is written.
    what : str
        The quantity, such as ``priced regret``.
    """
    rows = list(ranked.iter_rows(named=True))
    equal = [row for row in rows if row["difference"] == 0.0 == row["difference_high"]]
    others = [row for row in rows if row not in equal]
    mean = format_estimate(rows[0]["mean"], rows[0]["low"], rows[0]["high"])
    leaders = join_some([name(row[choice]) for row in equal] or [name(rows[0][choice])])
    has = "have the same" if len(equal) > 1 else "has the lowest"
    words = f"{leaders} {has} {what}, {mean}"
    if not others:
        return words
    if tied := [name(row[choice]) for row in others if row["tied"]]:
        every = len(tied) == len(others) > 1
        return f"{words}; within noise of it: {'all others' if every else join_some(tied)}"
    return f"{words}; next is {name(others[0][choice])}, with {behind(others[0])} more"


def behind(row: dict[str, Any]) -> str:
    """Write how far a row of a ranking is behind the best."""
    return format_estimate(row["difference"], row["difference_low"], row["difference_high"])
