"""What an online router did, as a simulation replays it."""

from typing import NamedTuple

from fastroute.policies import Policy, RunNumbers
from fastroute.scenarios import Scenario


class Recording(NamedTuple):
    """A run that was recorded decision by decision."""

    scenario: Scenario  #: replays the outcomes that were observed, when they were observed
    policy: Policy
    budget: float
    max_deployed: int
    seed: int
    replica: int  #: the trial whose draws it took
    horizon: int  #: decisions
    openings: tuple[int, ...]  #: decisions with which a stage opened
    deploy_cost: float
    run: RunNumbers  #: of which the parts of the policy asked
    picks: tuple[int, ...]  #: number of the model of every decision, -1 for none

    def __repr__(self) -> str:
        """Say what was recorded."""
        return (
            f"Recording of {self.policy.title}: {self.horizon:,} decisions, "
            f"{len(self.openings):,} stages, {len(self.scenario.models)} models"
        )
