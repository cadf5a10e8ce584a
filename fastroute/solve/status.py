"""Statuses and methods in words."""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes


class Status(IntEnum):
    """How a routing or deployment problem ended; ``str()`` gives a sentence."""

    OPTIMAL = codes.OPTIMAL
    NO_CAPACITY = codes.NO_CAPACITY
    OVER_BUDGET = codes.OVER_BUDGET

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
}


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
