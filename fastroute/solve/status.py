"""Statuses and methods in words, and what is said of problems that have no solution."""

import contextlib
from dataclasses import fields
from decimal import ROUND_CEILING, Decimal
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.warning import FastrouteWarning, warn


class Status(IntEnum):
    """How a routing or deployment problem ended; ``str()`` gives a sentence."""

    OPTIMAL = codes.OPTIMAL
    NO_CAPACITY = codes.NO_CAPACITY
    OVER_BUDGET = codes.OVER_BUDGET
    TIME_LIMIT = codes.TIME_LIMIT

    def __str__(self) -> str:
        """Sentence that says what holds of the answer."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OPTIMAL: "Solved to optimality.",
    Status.NO_CAPACITY: (
        "No distribution exists: the limits of the models add up to less than 1. The shares are "
        "in proportion to the limits; raise `limit` or admit more models."
    ),
    Status.OVER_BUDGET: (
        "No distribution meets the budget. The shares are the cheapest distribution within the "
        "limits; raise `budget` or add a cheaper model."
    ),
    Status.TIME_LIMIT: (
        "Stopped at the time limit: the best set may be better by up to `gap`, which is infinite "
        "where no set within the budget was found. Raise `time_limit`."
    ),
}


class InfeasibleWarning(FastrouteWarning):
    """The limits or the budget of a problem cannot be met; its answer does not meet them."""


#: What to do with problems that have no solution.
INFEASIBLE = ("warn", "raise", "ignore")


class Method(IntEnum):
    """How a deployment problem was solved; ``str()`` gives its name."""

    VERTEX = codes.VERTEX
    BRANCH_AND_BOUND = codes.BRANCH_AND_BOUND
    HIGHS = codes.HIGHS
    RULE = codes.RULE

    def __str__(self) -> str:
        """Name of the method."""
        return ("vertex", "branch and bound", "HiGHS", "rule")[self]


def messages(status: NDArray[np.int64]) -> Any:
    """Sentences of an array of statuses: a string for a scalar, else an array of strings."""
    if status.ndim == 0:
        return str(Status(int(status)))
    return np.array([str(Status(int(s))) for s in status.ravel()], dtype=object).reshape(
        status.shape
    )


def count_statuses(status: Any) -> str:
    """Names of statuses: one for a scalar, else how many there are of each."""
    if getattr(status, "ndim", 0) == 0:
        return Status(int(status)).name
    counts = ((kind.name, int((status == kind).sum())) for kind in Status)
    return ", ".join(f"{count} {name}" for name, count in counts if count) or "none"


def describe_result(result: Any) -> str:
    """Text of a result: its arrays, and its status in words."""
    parts = []
    for each in fields(result):
        value = getattr(result, each.name)
        text = repr(value)
        if each.name == "status":
            # Under a trace of JAX the values are not known.
            with contextlib.suppress(TypeError):
                text = count_statuses(value)
        parts.append(f"{each.name}={text}")
    return f"{type(result).__name__}({', '.join(parts)})"


def report_infeasible(
    rule: str, shape: tuple[int, ...], status: Any, share: Any, cost: Any, budget: Any
) -> None:
    """Warn of problems without a solution, raise, or do nothing, as ``rule`` says.

    Parameters
    ----------
    rule : {"warn", "raise", "ignore"}
    shape : tuple of int
        Leading axes, which are flat in the arrays.
    status : ndarray of int, [B]
    share, cost : ndarray, [B, M]
        The answers, and the costs of the models.
    budget : ndarray, [B]

    Raises
    ------
    ValueError
        With ``rule="raise"``, where a limit or a budget cannot be met.
    """
    bad = (status == Status.NO_CAPACITY) | (status == Status.OVER_BUDGET)
    if rule == "ignore" or not bad.any():
        return
    first = int(np.flatnonzero(bad)[0])
    kind = Status(int(status[first]))
    text = str(kind)
    if kind is Status.OVER_BUDGET:
        least = round_up(float(share[first] @ cost[first]))
        text = (
            f"budget={float(budget[first])!r} is below {least}, the mean cost of the cheapest "
            f"distribution. {text}"
        )
    if shape:
        index = tuple(int(i) for i in np.unravel_index(first, shape))
        text = f"{int(bad.sum())} of {bad.size} problems, the first at index {index}: {text}"
    if rule == "raise":
        raise ValueError(text)
    warn(f'{text} (infeasible="ignore" drops this warning.)', InfeasibleWarning)


def round_up(number: float) -> str:
    """Shortest number of at most six digits that is not below ``number`` but for its rounding."""
    near = f"{number:.6g}"
    if float(near) >= number * (1.0 - 2.0**-52):
        return near
    exact = Decimal(number)
    return f"{float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 5), ROUND_CEILING)):.6g}"
