"""Price lists: what a token costs, of each model and from which day on."""

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute import checks
from fastroute.outcomes.frames import Frame, read_content

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PriceList", "is_price_list", "read_price_list"]

# Name of a price -> USD per token that one of its units is.
_INPUT: Final[Mapping[str, float]] = {
    "input_cost_per_token": 1.0,
    "pricing.prompt": 1.0,
    "prompt": 1.0,
    "input_token_price_per_million": 1e-6,
    "input_price_per_million": 1e-6,
    "input_per_million": 1e-6,
    "price_in_per_M": 1e-6,
    "list_price_in_per_M": 1e-6,
    "input": 1.0,
}
_OUTPUT: Final[Mapping[str, float]] = {
    "output_cost_per_token": 1.0,
    "pricing.completion": 1.0,
    "completion": 1.0,
    "output_token_price_per_million": 1e-6,
    "output_price_per_million": 1e-6,
    "output_per_million": 1e-6,
    "price_out_per_M": 1e-6,
    "list_price_out_per_M": 1e-6,
    "output": 1.0,
}
_SINCE: Final = ("from", "since", "date", "valid_from")
_RELEASED: Final = ("release_date", "released", "created")
_RETIRED: Final = ("deprecation_date", "retirement_date", "retired", "expiration_date")
#: A price without a unit in its name that is above this is one per million tokens.
_MOST_PER_TOKEN: Final = 1e-3
#: Where LiteLLM keeps its price list, in its package.
_LITELLM_FILE: Final = "model_prices_and_context_window_backup.json"


class _Price(NamedTuple):
    """One price of a model: from when on, and USD per token."""

    model: str
    since: date | None
    input: float
    output: float


@dataclass(frozen=True)
class PriceList:
    """What a token costs.

    Attributes
    ----------
    frame : polars.DataFrame
        model, since (date; null for a price that always held), input, output (USD per token), by
        model and day.
    name : str
        Name of the file.
    released, retired : mapping of str to date
        Where the list says them.
    """

    frame: "pl.DataFrame"
    name: str
    released: Mapping[str, date] = field(default_factory=dict)
    retired: Mapping[str, date] = field(default_factory=dict)

    def key(self, model: str) -> str | None:
        """Return the name in the list of a model, which may have its provider before it."""
        known = set(self.frame["model"])
        for name in (model, model.rpartition("/")[2]):
            if name in known:
                return name
        short = model.rpartition("/")[2].casefold()
        close = [name for name in known if name.rpartition("/")[2].casefold() == short]
        return close[0] if len(close) == 1 else None

    def costs(self, outcomes: "pl.DataFrame") -> "pl.Series":
        """Return the cost of each row: its tokens at the price of its day.

        Parameters
        ----------
        outcomes : polars.DataFrame
            model, tokens_in, tokens_out and, where prices change, time.
        """
        import polars as pl

        names = outcomes["model"].drop_nulls().unique().to_list()
        keys = pl.DataFrame(
            {"model": names, "key": [self.key(name) for name in names]},
            schema={"model": pl.String, "key": pl.String},
        )
        prices = self.frame.rename({"model": "key"}).with_columns(
            since=pl.col("since").fill_null(date.min).cast(pl.Datetime("us"))
        )
        day = pl.col("time") if "time" in outcomes.columns else pl.lit(None, pl.Datetime("us"))
        rows = (
            outcomes.with_row_index("at")
            .select("at", "model", "tokens_in", "tokens_out", day.alias("day"))
            .with_columns(pl.col("day").fill_null(datetime(9999, 1, 1)))
            .join(keys, on="model", how="left")
            .sort("day")
            .join_asof(
                prices.sort("since"),
                left_on="day",
                right_on="since",
                by="key",
                check_sortedness=False,
            )
            .sort("at")
        )
        cost = pl.col("tokens_in") * pl.col("input") + pl.col("tokens_out") * pl.col("output")
        return rows.select(cost.alias("cost"))["cost"]


def is_price_list(entries: object) -> bool:
    """Return whether what a JSON file holds is a price list."""
    try:
        rows = list(_rows(entries))
    except ValueError:
        return False
    return any(_unit(row, _INPUT) and _unit(row, _OUTPUT) and "score" not in row for row in rows)


def read_price_list(source: "Frame | PriceList") -> PriceList:
    """Return a price list.

    Parameters
    ----------
    source : str, Path, frame, mapping or sequence
        LiteLLM's map from model to ``input_cost_per_token`` and ``output_cost_per_token``, or
        "litellm" for the one in its package; the models of OpenRouter with ``pricing``; a map from
        model to ``input_token_price_per_million`` and ``output_token_price_per_million``; a map
        from model to a list of prices, each ``from`` a day; or a table of such rows.

    Raises
    ------
    ValueError
        When it cannot be read, or a price is not a number.
    """
    import polars as pl

    if isinstance(source, PriceList):
        return source
    if source == "litellm" and not Path("litellm").exists():
        source = _litellm_file()
    name, entries = _entries(source)
    prices: list[_Price] = []
    released: dict[str, date] = {}
    retired: dict[str, date] = {}
    for row in _rows(entries):
        units = _unit(row, _INPUT), _unit(row, _OUTPUT)
        if units[0] is None or units[1] is None:
            continue
        model = str(row["model"])
        numbers = [_number(model, row, *unit) for unit in units if unit is not None]
        if None in numbers:
            continue
        prices.append(
            _Price(model, _day(model, row, _SINCE), *(x for x in numbers if x is not None))
        )
        for found, names in ((released, _RELEASED), (retired, _RETIRED)):
            day = _day(model, row, names)
            if day is not None:
                found[model] = day
    if not prices:
        raise ValueError(
            f"prices: {name} names no price; write input_cost_per_token and "
            "output_cost_per_token, or input_token_price_per_million and "
            "output_token_price_per_million, for each model"
        )
    frame = pl.DataFrame(
        prices,
        schema={"model": pl.String, "since": pl.Date, "input": pl.Float64, "output": pl.Float64},
        orient="row",
    )
    twice = frame.filter(frame.select("model", "since").is_duplicated())
    twice = twice.filter(twice.select("model", "since", "input", "output").is_unique())
    if twice.height:
        raise ValueError(f"prices: {twice['model'][0]!r} has two prices from one day on; keep one")
    return PriceList(
        frame.unique(maintain_order=True).sort("model", "since", maintain_order=True),
        name,
        released,
        retired,
    )


def _entries(source: Frame) -> tuple[str, Any]:
    """Return the name of a price list and what it holds, as of JSON."""
    content = read_content("prices", source)
    name = "prices" if content.name == "frame" else content.name
    if content.entries is None and content.table is not None:
        return name, content.table.frame.to_dicts()
    return name, content.entries


def _litellm_file() -> Path:
    """Return the price list in LiteLLM's package, which is not imported."""
    spec = importlib.util.find_spec("litellm")
    folders = (spec.submodule_search_locations if spec is not None else None) or []
    for folder in folders:
        if (Path(folder) / _LITELLM_FILE).is_file():
            return Path(folder) / _LITELLM_FILE
    raise ValueError(
        "prices='litellm': the package is not installed; pass the path of a price list"
    )


def _rows(entries: Any) -> Iterator[dict[str, Any]]:
    """Yield the prices of a list as rows with a model."""
    if isinstance(entries, Mapping) and isinstance(entries.get("data"), list):
        entries = entries["data"]
    if isinstance(entries, Mapping):
        for model, value in entries.items():
            history = value.get("price_history", value) if isinstance(value, Mapping) else value
            if isinstance(history, Mapping):
                yield {"model": model, **history}
            elif isinstance(history, list):
                rest = value if isinstance(value, Mapping) else {}
                for entry in history:
                    if not isinstance(entry, Mapping):
                        raise ValueError(
                            f"prices: the history of {model!r} holds {checks.quoted(entry)}; "
                            "write objects with from, input and output"
                        )
                    yield {**rest, **entry, "model": model}
    elif isinstance(entries, list):
        for entry in entries:
            if isinstance(entry, Mapping):
                inner = entry.get("pricing")
                named = entry.get("model") or entry.get("id") or entry.get("name")
                if named is not None:
                    flat = dict(inner) if isinstance(inner, Mapping) else {}
                    yield {**entry, **flat, "model": named}


def _unit(row: Mapping[str, Any], names: Mapping[str, float]) -> tuple[str, float] | None:
    """Return the price that a row has: its name and unit."""
    return next(((name, unit) for name, unit in names.items() if row.get(name) is not None), None)


def _number(model: str, row: Mapping[str, Any], name: str, unit: float) -> float | None:
    """Return a price in USD per token; None for one that is left open, written as -1."""
    value = row[name]
    try:
        number = float(str(value).strip())
    except ValueError:
        raise ValueError(
            f"prices: {name}={checks.quoted(value)} of {model!r} is not a number; write USD per "
            "token as a number without a sign of a currency"
        ) from None
    if number == -1.0:
        return None
    if not 0.0 <= number < float("inf"):
        raise ValueError(f"prices: {name}={number:g} of {model!r} must be a number >= 0; mend it")
    if name in ("input", "output") and number > _MOST_PER_TOKEN:
        unit = 1e-6
    return number * unit


def _day(model: str, row: Mapping[str, Any], names: tuple[str, ...]) -> date | None:
    """Return a day that a row has: a date, or seconds since 1970."""
    for name in names:
        value = row.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) if isinstance(value, str | int | float) else None
        except ValueError:
            seconds = None
        if seconds is not None and seconds > 1e8:
            return datetime.fromtimestamp(seconds, UTC).date()
        try:
            return checks.release_date(f"prices: {name} of {model!r}", value)
        except ValueError:
            # LiteLLM's map explains its fields in an entry of its own.
            if name in _RETIRED:
                return None
            raise
    return None
