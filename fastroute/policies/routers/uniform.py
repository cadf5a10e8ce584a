"""The router ``uniform``."""

from typing import ClassVar

from fastroute.policies.part import Router


class Uniform(Router):
    """Equal shares; what a model cannot take because of its limit is shared by the others.

    Does not look at the budget.
    """

    name: ClassVar[str] = "uniform"
    passes: ClassVar[str] = "uniform"
