"""What an online router answers when something cannot be done."""

import math
import operator
import sys
from typing import Final, Literal

_LARGEST: Final = sys.float_info.max
#: Why an observation is not taken.
Reason = Literal["unknown", "known already", "out of range", "lost"]


class ObservationError(ValueError):
    """An observation that is not taken.

    Attributes
    ----------
    reason : {"unknown", "known already", "out of range", "lost"}
        There is no such decision; its reward or cost is known already; a value is not allowed; or
        the decision was made before a crash and had not reached the log.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NothingDeployedError(RuntimeError):
    """No deployed model can take the query: none is there, or all have failed."""


class BudgetSpentError(RuntimeError):
    """The window has no money left for the query."""


def checked_id(identifier: object) -> int:
    """Return the identifier of a choice as a plain number.

    Raises
    ------
    ObservationError
        When it is none.
    """
    try:
        number = operator.index(identifier)  # type: ignore[arg-type]  # refused below
    except TypeError:
        number = -1
    if not 0 <= number < 2**63:
        raise ObservationError(
            "unknown", f"id={identifier!r} is no identifier of a decision; pass choice.id"
        )
    return number


def checked_values(
    identifier: int, reward: float | None, cost: float | None
) -> tuple[float | None, float | None]:
    """Return a reward and a cost as plain numbers.

    Raises
    ------
    ObservationError
        When they are none.
    """
    if reward.__class__ is float and cost.__class__ is float:
        assert reward is not None
        assert cost is not None
        if 0.0 <= reward <= 1.0 and 0.0 <= cost <= _LARGEST:
            return reward, cost
    if reward is None and cost is None:
        raise ObservationError(
            "out of range", f"id={identifier}: neither reward nor cost; tell at least one of them"
        )
    if reward is not None:
        words = "is not in [0, 1]; bring scores to that range"
        reward = _checked(identifier, "reward", reward, 1.0, words)
    if cost is not None:
        cost = _checked(identifier, "cost", cost, _LARGEST, "is not a number from 0 on")
    return reward, cost


def _checked(identifier: int, name: str, value: float, most: float, words: str) -> float:
    try:
        number = float(value) if not isinstance(value, str | bytes) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0.0 <= number <= most:
        raise ObservationError("out of range", f"id={identifier}: {name}={value!r} {words}")
    return number
