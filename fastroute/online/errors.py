"""What an online router answers when something cannot be done."""

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
