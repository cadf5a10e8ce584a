"""What an online router answers when something cannot be done."""

import math
from typing import Literal

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


def refuse_values(identifier: int, reward: float | None, cost: float | None) -> None:
    """Refuse a reward and a cost that are none.

    Raises
    ------
    ObservationError
    """
    if reward is None and cost is None:
        raise ObservationError(
            "out of range", f"id={identifier}: neither reward nor cost; tell at least one of them"
        )
    if reward is not None and not 0.0 <= reward <= 1.0:
        raise ObservationError(
            "out of range",
            f"id={identifier}: reward={reward!r} is not in [0, 1]; bring scores to that range",
        )
    if cost is not None and not 0.0 <= cost < math.inf:
        raise ObservationError(
            "out of range", f"id={identifier}: cost={cost!r} is not a number from 0 on"
        )
