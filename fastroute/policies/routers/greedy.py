"""The router ``greedy``."""

from typing import ClassVar

from fastroute.policies.part import Rounds, Router


class Greedy(Router):
    """As much as allowed to the model of highest U, then to the next: the LP without a budget.

    Attributes
    ----------
    resolve_every : int
        Rounds between two decisions.
    """

    name: ClassVar[str] = "greedy"

    resolve_every: Rounds = 1
