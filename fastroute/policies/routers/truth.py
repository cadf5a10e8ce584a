"""The router ``truth``."""

from typing import ClassVar

from fastroute.policies.part import Router, RunNumbers


class TrueLP(Router):
    """The routing LP on the true means: what routing could do at best with the deployed set."""

    name: ClassVar[str] = "truth"
    needs_truth: ClassVar[bool] = True
    passes: ClassVar[str] = "known_lp"

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the budget of the LP, and the largest cost."""
        return run.budget, run.cost_max
