"""Histories of prices, as tables, read into the events of a scenario."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np

from fastroute import checks
from fastroute.outcomes.frames import (
    Frame,
    Source,
    find_columns,
    numbers,
    read_content,
    texts,
)
from fastroute.outcomes.price_lists import read_price_list
from fastroute.scenarios.changes import Change, When

__all__ = ["Prices", "read_prices"]

#: A table of prices; a name of its own, by which a study knows that text is the name of a file.
Prices: TypeAlias = "Frame"

_ROLES: Final = {"model": ("model",), "from": ("from",), "input": ("input",), "output": ("output",)}
#: Input tokens and output tokens of a query, in proportion.
_TOKENS: Final = (3.0, 1.0)


def read_prices(
    source: "Prices",
    tokens: tuple[float, float] = _TOKENS,
    models: Sequence[str] | None = None,
) -> list[Change]:
    """Return the changes of price in a table of prices over time.

    Parameters
    ----------
    source : str, Path, frame, array, mapping or sequence
        One row for every price: the columns ``model``, ``from`` (the round, fraction of the
        horizon or date from which on it holds), ``input`` and ``output`` (prices per token, in any
        unit). Or a price list that maps models to their prices, each ``from`` a date.
    tokens : (input, output)
        How many input and output tokens a query has, in proportion.
    models : sequence of str, optional
        Names of the models that there are; default any.

    Returns
    -------
    list of Change
        The first price of a model is the one that its mean cost in the scenario stands for; every
        later one multiplies that mean.

    Raises
    ------
    ValueError
        When the table cannot be read, a cell is missing or wrong, a model is not among those that
        there are, two prices of a model hold from one time on, or no price ever changes; naming
        the row, the value and the remedy.

    Examples
    --------
    >>> rows = [("a", 0, 3.0, 15.0), ("a", 0.5, 1.0, 3.0)]
    >>> read_prices([dict(zip(("model", "from", "input", "output"), row)) for row in rows])
    [Change(model='a', at=0.5, cost_factor=0.25)]
    """
    weights = checks.number_array("tokens", tokens, (1,))
    if weights.shape != (2,) or (weights < 0.0).any() or weights.sum() <= 0.0:
        raise checks.refused("tokens", tokens, "two numbers >= 0, not both 0", "as (3, 1)")
    read = _table(source, models)
    columns = find_columns("prices", read.frame.columns, _ROLES)
    named = texts(read, "model", columns["model"]).to_list()
    times = read.frame[columns["from"]].to_list()
    prices = {role: _prices(read, role, columns[role]) for role in ("input", "output")}
    history: dict[str, list[tuple[int, When, float]]] = {}
    for row, (model, time) in enumerate(zip(named, times, strict=True)):
        place = read.place(int(read.rows[row]))
        if model is None:
            raise ValueError(f"prices: no model is named in {place}; name it, or drop the row")
        if models is not None and model not in models:
            raise ValueError(
                f"prices: model={model!r} in {place} is unknown{checks.nearest(model, models)}"
            )
        price = weights[0] * prices["input"][row] + weights[1] * prices["output"][row]
        try:
            history.setdefault(model, []).append((row, _time(time), float(price)))
        except ValueError as error:
            raise ValueError(f"prices: {place}: {error}") from None
    found = []
    for model, rows in history.items():
        (_, _, first), *later = _in_order(model, rows)
        if later and first <= 0.0:
            raise ValueError(
                f"prices: the first price of {model!r} is 0, of which no other price is a "
                "multiple; use fr.Change(model, at=..., cost=...)"
            )
        found += [Change(model, time, cost_factor=price / first) for _, time, price in later]
    if all(change.cost_factor == 1.0 for change in found):
        raise ValueError(
            "prices: no price changes: the first price of a model is the one that its mean cost "
            "stands for, and there is no other one; add later prices, or leave prices out"
        )
    return found


def _table(source: "Prices", models: Sequence[str] | None) -> Source:
    """Return a table of prices; of a price list, those of the models there are, if they change."""
    import polars as pl

    # A file of objects is a price list, and so are objects in memory; rows are a table.
    content = read_content("prices", source)
    if content.table is not None:
        return content.table
    frame = read_price_list(source).frame
    frame = frame.filter(pl.len().over("model") > 1)
    if models is not None:
        frame = frame.filter(pl.col("model").is_in(list(models)))
    # What always held does so from the first day on.
    since = pl.col("since").fill_null(date.min).alias("from")
    return Source(frame.select("model", since, "input", "output"), np.arange(frame.height))


def _prices(read: Source, role: str, column: str) -> list[float]:
    values, wrong = numbers(read, role, column)
    for row, (value, text) in enumerate(zip(values, wrong, strict=True)):
        if value is None and text is None:
            raise ValueError(
                f"prices: {role} is missing in {read.place(int(read.rows[row]))}; fill in a number "
                ">= 0, or drop the row"
            )
        if value is None or not value >= 0.0:
            shown = value if text is None else text
            raise ValueError(
                f"prices: {role}={shown!r} in {read.place(int(read.rows[row]))} must be a number "
                ">= 0; fill it in, or drop the row"
            )
    return [float(value) for value in values]


def _time(value: Any) -> When:
    """Return a time as an event takes it; numbers may be written as text."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = None
        if number is not None:
            value = int(number) if number % 1.0 == 0.0 else number
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    day = checks.release_date("from", value)
    if day is None:
        raise ValueError("from is missing; write a round, a fraction of the horizon or a date")
    return day


def _in_order(model: str, rows: list[tuple[int, When, float]]) -> list[tuple[int, When, float]]:
    """Return the prices of a model in the order of their times."""
    # Where a round is and where a fraction or a date is, only a horizon would say.
    kinds = {_unit(time) for _, time, _ in rows}
    if len(kinds) > 1 and ("date" in kinds or kinds >= {"fraction", "round"}):
        raise ValueError(
            f"prices: from of {model!r} has rounds, fractions or dates mixed; write them in one "
            "unit"
        )
    rows = sorted(rows, key=lambda row: row[1])
    for one, two in pairwise(rows):
        if one[1] == two[1]:
            raise ValueError(f"prices: two prices of {model!r} from {two[1]} on; keep one")
    return rows


def _unit(time: When) -> str:
    """Return the unit of a time; 0 is the start in rounds and in fractions."""
    if not isinstance(time, int | float):
        return "date"
    return "start" if time == 0 else "fraction" if time < 1 else "round"
