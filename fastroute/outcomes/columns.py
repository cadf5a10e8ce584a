"""One table of outcomes with typed columns, of whatever source it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Final

from fastroute import checks
from fastroute.outcomes.files import Source
from fastroute.outcomes.frames import numbers
from fastroute.outcomes.table import RowCount

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Table", "costs", "times"]

_CURRENCIES: Final = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
# An amount with a sign or the code of a currency before or behind it.
_AMOUNT: Final = (
    r"^\s*(?<a>[$€£¥]|[A-Za-z]{3})?\s*(?<x>[-+0-9.eE]+)\s*(?<b>[$€£¥]|[A-Za-z]{3})?\s*$"
)
_EPOCHS: Final = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (0.0, "s"))


@dataclass(frozen=True)
class Table:
    """A table whose columns are known.

    Attributes
    ----------
    frame : polars.DataFrame
        Columns of text (null where empty), numbers (f64, null where missing), score_wrong and
        cost_wrong (text that is not a number, else null), and row (number in the source).
    columns : mapping
        Name in the source of each column that is there.
    place : callable
        Where a row of the source is, such as "line 3".
    name : str
        Name of the file, or "frame".
    source_kind : str
        By which schema it was read.
    words : mapping
        Where a column is from, where its name does not say it.
    rows_read : int
        Rows of the source, before any was dropped.
    account : tuple of RowCount
        What was dropped while reading.
    notes : tuple of str
        What is to be known of the source.
    cost_unit : str
    features : tuple of str
        Columns of features; ``frame`` has them as ``feature.NAME``.
    released, retired : mapping of str to date
        Of the price list, where there is one.
    budget, max_deployed : optional
        Of the router whose decisions they are.
    """

    frame: "pl.DataFrame"
    columns: Mapping[str, str]
    place: Callable[[int], str]
    name: str = "frame"
    source_kind: str = "plain"
    words: Mapping[str, str] = field(default_factory=dict)
    rows_read: int = 0
    account: tuple[RowCount, ...] = ()
    notes: tuple[str, ...] = ()
    cost_unit: str = "USD per query"
    features: tuple[str, ...] = ()
    released: Mapping[str, date] = field(default_factory=dict)
    retired: Mapping[str, date] = field(default_factory=dict)
    budget: float | None = None
    max_deployed: int | None = None

    def named(self, roles: Sequence[str]) -> "Table":
        """Return the rows in which no column of some is empty."""
        return replace(self, frame=self.frame.drop_nulls(roles))

    def where(self, rows: "pl.DataFrame") -> str:
        """Return where the first of some rows is, for a message."""
        first = rows.row(0, named=True)
        ids = [
            f"{role} {checks.quoted(first[role])}" for role in ("query", "model") if first.get(role)
        ]
        return self.place(first["row"]) + (f" ({', '.join(ids)})" if ids else "")


def costs(source: Source, column: str) -> tuple["pl.Series", "pl.Series", str | None]:
    """Return a column of costs: numbers, texts that are none, and its currency.

    Raises
    ------
    ValueError
        When amounts are in more than one currency, or some say theirs and others do not.
    """
    import polars as pl

    read, wrong = numbers(source, "cost", column)
    currency = _currency(source)
    if wrong.null_count() == wrong.len():
        return read, wrong, currency
    text = source.frame[column].cast(pl.String)
    parts = text.str.extract_groups(_AMOUNT).struct.unnest()
    sign = (
        pl.Series(parts["a"].fill_null("") + parts["b"].fill_null(""))
        .replace(_CURRENCIES)
        .str.to_uppercase()
    )
    amount = parts["x"].cast(pl.Float64, strict=False)
    signed = amount.is_not_null() & (sign != "")
    if not signed.any():
        return read, wrong, currency
    given = sign.set(read.is_null() & ~signed, None)
    found = given.drop_nulls().unique(maintain_order=True).to_list()
    if len(found) > 1:
        one, two = ((given == word).arg_true()[0] for word in found[:2])
        raise ValueError(
            f"cost: column {column!r} has several currencies, {text[one]!r} in "
            f"{source.place(int(source.rows[one]))} and {text[two]!r} in "
            f"{source.place(int(source.rows[two]))}; write all costs as numbers of one currency"
        )
    return (
        read.set(signed, None).fill_null(amount.set(~signed, None)),
        wrong.set(signed, None),
        str(found[0]),
    )


def _currency(source: Source) -> str | None:
    """Return the one currency that a column of currencies names."""
    import polars as pl

    name = next((n for n in source.frame.columns if n.casefold() == "currency"), None)
    if name is None:
        return None
    words = source.frame[name].cast(pl.String).str.to_uppercase()
    found = words.drop_nulls().unique(maintain_order=True).to_list()
    if len(found) > 1:
        row = int((words == found[1]).arg_true()[0])
        raise ValueError(
            f"cost: column {name!r} names {found[0]!r} and {found[1]!r}, the second in "
            f"{source.place(int(source.rows[row]))}; convert all costs to one currency"
        )
    return found[0] if found else None


def times(source: Source, role: str, column: str) -> tuple["pl.Series", int]:
    """Return a column of times without their zone, and how many could not be read.

    Text is a date or a time as in ISO 8601; numbers count from 1970 in seconds, milliseconds,
    microseconds or nanoseconds, by their size.
    """
    import polars as pl

    values = source.frame[column]
    dtype = values.dtype
    if dtype == pl.String:
        seconds = values.cast(pl.Float64, strict=False)
        if seconds.null_count() > values.null_count():
            text = values.str.slice(0, 19).str.replace("T", " ")
            read = text.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
            if read.null_count() > values.null_count():
                day = text.str.slice(0, 10).str.to_datetime(
                    "%Y-%m-%d", strict=False, time_unit="us"
                )
                read = read.fill_null(day)
            bad = int((read.is_null() & values.is_not_null() & (values != "")).sum())
            return read.alias(role), bad
        values, dtype = seconds, seconds.dtype
    if dtype.is_numeric():
        counted = values.cast(pl.Float64)
        counted = counted.set(~counted.is_finite(), None)
        largest = counted.abs().max()
        size = largest if isinstance(largest, float) else 0.0
        unit = next(unit for least, unit in _EPOCHS if size >= least)
        scale = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}[unit]
        micros = (counted * scale).round().cast(pl.Int64, strict=False)
        return micros.cast(pl.Datetime("us")).alias(role), 0
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        values = values.dt.replace_time_zone(None)
    if dtype in (pl.Datetime, pl.Date):
        return values.cast(pl.Datetime("us")).alias(role), 0
    none = pl.repeat(None, values.len(), dtype=pl.Datetime("us"), eager=True)
    return none.alias(role), values.len() - values.null_count()
