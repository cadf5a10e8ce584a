"""The router ``truth``."""

from typing import ClassVar

from fastroute.policies.part import Router


class TrueLP(Router):
    """The routing LP on the true means: what routing could do at best with the deployed set."""

    name: ClassVar[str] = "truth"
