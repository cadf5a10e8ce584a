"""Units: scores and costs brought to [0, 1] and USD per query, and what looks like others."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fastroute import checks
from fastroute.outcomes.columns import Table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["rescaled_costs", "rescaled_scores", "unit_warnings"]

_UNIT: Final = re.compile(r"(?:(\d+(?:\.\d+)?)?\s*([KM])?[- _]?)?(tokens?|quer(?:y|ies)|run)", re.I)
_SCALES: Final = {"": 1.0, "K": 1e3, "M": 1e6}
_LATENCY: Final = re.compile(r"latency|duration|seconds|elapsed|(^|_)(ms|secs?|time)($|_)", re.I)
# A model with fewer rows can have one cost by chance.
_FEWEST_ROWS: Final = 5
# No query costs this much on the mean; a price for a million tokens does.
_MUCH: Final = 0.05
_TOO_MUCH: Final = 5.0
_TOO_MUCH_PER_TOKEN: Final = 2e-3
# Of the models of a leaderboard; prices for a million tokens are multiples of the step.
_MUCH_OF_BOARD: Final = 0.2
_PRICE_STEP: Final = 0.025
# Columns of leaderboards that say what they are the cost of.
_SAYS_UNIT: Final = ("cost_per_query", "instance_cost", "cost_per_instance")


def rescaled_scores(score: "pl.Series", ends: Sequence[float] | None) -> "pl.Series":
    """Return scores brought from a range to [0, 1].

    Raises
    ------
    ValueError
        When the range is no range.
    """
    if ends is None:
        return score
    try:
        low, high = (float(end) for end in ends)
        good = low < high < float("inf") and low > -float("inf")
    except (TypeError, ValueError):
        good = False
    if not good:
        raise checks.refused("score_range", ends, "two numbers, low < high", "such as (0, 100)")
    return (score - low) / (high - low)


def rescaled_costs(frame: "pl.DataFrame", cost_per: str) -> "pl.Series":
    """Return the costs of single queries from costs in another unit.

    Parameters
    ----------
    frame : polars.DataFrame
        With cost, and tokens_in and tokens_out or n where the unit needs them.
    cost_per : str
        "query", "1K-queries", "1M-tokens", "token", or "run" for the cost of all n queries.

    Raises
    ------
    ValueError
        When the unit is unknown, or what it needs is not there.
    """
    match = _UNIT.fullmatch(cost_per.strip()) if isinstance(cost_per, str) else None
    if match is None:
        raise checks.refused(
            "cost_per", cost_per, "a unit", "write query, 1K-queries, 1M-tokens, token or run"
        )
    count = float(match[1] or 1) * _SCALES[(match[2] or "").upper()]
    what = match[3].lower()
    if what == "run":
        if "n" not in frame.columns:
            raise ValueError(
                f"cost_per={cost_per!r} needs the number of queries of each model; map it, "
                "columns={'n': ...}"
            )
        return frame["cost"] / frame["n"]
    if what.startswith("quer"):
        return frame["cost"] / count
    tokens = [name for name in ("tokens_in", "tokens_out") if name in frame.columns]
    if "query" not in frame.columns:
        raise ValueError(
            f"cost_per={cost_per!r} needs the tokens of each query, which a leaderboard does not "
            "have; write into its column of costs what a query costs each model on the mean, price "
            "times tokens"
        )
    if not tokens:
        raise ValueError(
            f"cost_per={cost_per!r} needs the tokens of each query; map them, "
            "columns={'tokens_in': ..., 'tokens_out': ...}"
        )
    return frame["cost"] * frame.select(tokens).sum_horizontal().alias("cost") / count


def unit_warnings(table: Table, *, means: bool) -> list[str]:
    """Return what looks as if it had another unit, with the remedy.

    Parameters
    ----------
    table : Table
    means : bool
        Whether it is a leaderboard, in which each model has one row.
    """
    frame, found = table.frame, []
    if "score" in frame.columns:
        found += _score_warnings(frame)
    if "cost" in frame.columns:
        found += _cost_warnings(table, means)
    return found


def _score_warnings(frame: "pl.DataFrame") -> list[str]:
    low, high = frame["score"].min(), frame["score"].max()
    if not isinstance(low, float) or not isinstance(high, float) or (low >= 0.0 and high <= 1.0):
        return []
    outside = int((~frame["score"].is_between(0.0, 1.0)).sum())
    if low >= 0.0 and 20.0 < high <= 100.0:
        return [f"score: values up to {high:g} look like percentages; pass score_range=(0, 100)"]
    return [
        f"score: {outside:,} of {frame.height:,} values are outside [0, 1], from {low:g} to "
        f"{high:g}; pass the range of the scores, score_range=(low, high)"
    ]


def _cost_warnings(table: Table, means: bool) -> list[str]:
    """Return what is suspicious of costs."""
    import polars as pl

    frame, found = table.frame, []
    column = table.columns.get("cost", "")
    if _LATENCY.search(column):
        found.append(
            f"cost: column {column!r} is named like a latency; map the column of costs, "
            "columns={'cost': ...}"
        )
    mean = frame["cost"].mean()
    if not isinstance(mean, float):
        return [*found, "cost: no row has a cost; pass a price list, prices=..."]
    free = frame.group_by("model", maintain_order=True).agg(pl.col("cost").max())
    free = free.filter(pl.col("cost") == 0.0)
    if free.height:
        found.append(
            f"cost: it is 0 in every row of {checks.first_names(free['model'])}, often a price "
            "that was not recorded; pass a price list, prices=..., unless these are free"
        )
    if not means:
        models = frame.group_by("model").agg(
            rows=pl.col("cost").count(),
            differ=pl.col("cost").n_unique(),
            mean=pl.col("cost").mean(),
        )
        constant = models.filter((pl.col("rows") >= _FEWEST_ROWS) & (pl.col("differ") == 1))
        constant = constant.filter(pl.col("mean") >= _MUCH)
        average = constant["mean"].mean()
        if isinstance(average, float) and constant.height == models.height:
            tokens = any(name in frame.columns for name in ("tokens_in", "tokens_out"))
            remedy = (
                "pass cost_per='1M-tokens'"
                if tokens
                else "map the tokens and pass cost_per='1M-tokens', or map the cost of a query"
            )
            return [
                *found,
                "cost: it is the same in every row of a model, with mean "
                f"{average:.3g}: a list price, and not the cost of a query; "
                f"{remedy}",
            ]
    elif not found and _looks_like_prices(table):
        return [
            f"cost: the models cost {mean:.3g} per query on the mean, as prices per million tokens "
            "would; write what a query costs each model, or say that it is the cost of a query, "
            "cost_per='query'"
        ]
    if _per_token(frame) > _TOO_MUCH_PER_TOKEN and not found:
        found.append(
            f"cost: the median is {_per_token(frame):.3g} per token, which no model costs; map the "
            "cost of a query, or say its unit, cost_per=..."
        )
    if mean > _TOO_MUCH and not found:
        found.append(
            f"cost: the mean is {mean:.3g} per query, as a latency or a price per million tokens "
            "would be; map the cost of a query, or say its unit, cost_per=..."
        )
    return found


def _looks_like_prices(table: Table) -> bool:
    """Return whether the costs of a leaderboard may be prices for a million tokens."""
    column = table.columns.get("cost", "").casefold()
    if "cost" in table.words or column in _SAYS_UNIT:
        return False
    cost = table.frame["cost"].drop_nulls()
    steps = cost / _PRICE_STEP
    is_round = bool(((steps - steps.round()).abs() < checks.ROUNDING).all())
    mean = cost.mean()
    least = _MUCH if is_round and cost.len() > 1 else _MUCH_OF_BOARD
    return isinstance(mean, float) and mean > least


def _per_token(frame: "pl.DataFrame") -> float:
    """Return the median cost of a token; 0 where tokens are not known."""
    import polars as pl

    names = [name for name in ("tokens_in", "tokens_out") if name in frame.columns]
    if not names:
        return 0.0
    tokens = pl.sum_horizontal(names)
    median = frame.filter(tokens > 0.0).select((pl.col("cost") / tokens).median()).item()
    return median if isinstance(median, float) else 0.0
