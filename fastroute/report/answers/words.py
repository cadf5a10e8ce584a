"""Sentences and numbers that the answers share."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastroute.report.answers.lines import join_words
from fastroute.report.style import format_margin, format_percent, format_reward

if TYPE_CHECKING:
    import polars as pl


def format_estimate(estimate: float, low: float, high: float) -> str:
    """Write an estimate with its interval: ``12.3 [9.8, 14.7]``."""
    if math.isnan(low):
        return f"{format_reward(estimate)} [one trial, no interval]"
    return f"{format_reward(estimate)} [{format_reward(low)}, {format_reward(high)}]"


def format_share(estimate: float, low: float, high: float) -> str:
    """Write a share of trials with its interval: ``24% [20%, 28%]``."""
    return f"{format_percent(estimate)} [{format_percent(low)}, {format_percent(high)}]"


def describe_best(
    ranked: "pl.DataFrame", choice: str, name: Callable[[Any], str] = str, what: str = ""
) -> str:
    """Say which choice is best, by how much, and what cannot be told from it.

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
    mean = format_margin(rows[0]["mean"], rows[0]["high"])
    leaders = join_words([name(row[choice]) for row in equal] or [name(rows[0][choice])])
    has = "have the same" if len(equal) > 1 else "has the lowest"
    words = f"{leaders} {has} {what} ({mean})"
    if not others:
        return words
    second = others[0]
    gap = format_estimate(second["difference"], second["difference_low"], second["difference_high"])
    words += f"; the runner-up {name(second[choice])} has {gap} more"
    tied = [name(row[choice]) for row in others if row["tied"]]
    if not tied:
        return words
    every = "none of the others" if len(tied) == len(others) > 1 else None
    return f"{words}; " + (
        f"{every} can be told from the best"
        if every
        else f"not to be told from the best: {join_words(tied)}"
    )


def describe_difference(
    mean: float,
    low: float,
    high: float,
    more: str,
    less: str,
    same: str = "no difference can be told",
) -> str:
    """Say what a paired difference shows: `more` when it is above zero, `less` when below.

    An interval that holds zero shows nothing: `same`. So does a single trial.
    """
    found = format_estimate(mean, low, high)
    if low > 0.0:
        return f"{more} ({found})"
    if high < 0.0:
        return f"{less} ({found})"
    return f"{same} ({found})"
