"""The accounts of a chunk of trials: regret in parts, spending, diagnostics."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.types import ModelNumbers, Sums
from fastroute.policies import Choice

F8 = NDArray[np.float64]

#: Quantities kept at every checkpoint.
QUANTITIES: Final = (
    "regret",
    "discovery",
    "deployment",
    "routing",
    "noise",
    "realised_regret",
    "priced_regret",
    "cost",
    "violation",
)
#: Numbers kept for every model, summed up over trials.
MODEL_COLUMNS: Final = ("share", "deployed", "oracle_share", "reward_mean", "cost_mean")
#: Numbers kept for every stage and trial.
STAGE_COLUMNS: Final = (
    "pool_value",
    "deployed_value",
    "budget_price",
    "gap",
    "method",
    "status",
    "spend",
    "violation",
    "over_budget_rounds",
    "no_capacity_rounds",
)


@dataclass
class Ledger:
    """Running accounts of ``trials`` trials.

    The regret of round t is ``V(M_t) - mu . p_t`` and splits into discovery
    ``V(M_t) - V(M_tau)``, deployment ``V(M_tau) - V(A_k)`` and routing ``V(A_k) - mu . p_t``; the
    realised regret adds the noise ``mu . p_t - r_t``.  The priced regret adds to the regret what
    was spent beyond the budget, see :meth:`priced_regret`.
    """

    trials: int
    budget: float
    curves: F8  #: [quantity, trials, checkpoint]
    stage_table: F8  #: [column, stage, trials]
    stage_sets: ModelNumbers  #: [stage, trials, slots], empty when sets are not kept
    models: int  #: N
    discovery: F8 = field(init=False)
    deployment: F8 = field(init=False)
    routing: F8 = field(init=False)
    noise: F8 = field(init=False)
    #: Sums over rounds of c . p_t, and of the budget price over M_t.
    expected_cost: F8 = field(init=False)
    budget_price: F8 = field(init=False)
    reward: F8 = field(init=False)
    cost: F8 = field(init=False)
    over_budget: F8 = field(init=False)
    no_capacity: F8 = field(init=False)
    #: Stages whose deployed set cannot meet the budget under the true means.
    over_budget_stages: F8 = field(init=False)
    deployments: F8 = field(init=False)
    stages_deployed: F8 = field(init=False)  #: stages in which each model is deployed, [trials, N]
    worst_violation: F8 = field(init=False)
    #: Spent in the last half of the stages, and the rounds of these.
    late_spend: F8 = field(init=False)
    late_rounds: int = field(init=False, default=0)
    stage: Sums = field(init=False)

    def __post_init__(self) -> None:
        """Start every account at zero."""
        for name in (
            "discovery",
            "deployment",
            "routing",
            "noise",
            "expected_cost",
            "budget_price",
            "reward",
            "cost",
            "over_budget",
            "no_capacity",
            "over_budget_stages",
            "deployments",
            "worst_violation",
            "late_spend",
        ):
            setattr(self, name, np.zeros(self.trials))
        self.stages_deployed = np.zeros((self.trials, self.models))

    def open_stage(self, deployed: NDArray[np.bool_], previous: NDArray[np.bool_]) -> None:
        """Count new deployments and start the accounts of a stage."""
        self.deployments += (deployed & ~previous).sum(axis=1)
        self.stages_deployed += deployed
        self.stage = Sums(*(np.zeros(self.trials) for _ in Sums._fields))

    def add(
        self, rounds: int, value: F8, pool_value: F8, deployed_value: F8, price: F8, sums: Sums
    ) -> None:
        """Add a piece of a stage.

        Parameters
        ----------
        rounds : int
            Length of the piece.
        value, pool_value, deployed_value, price : ndarray, [trials] or [1]
            V(M_t), V(M_tau), V(A_k) and the budget price of the LP relaxation over M_t under the
            true means, constant in the piece.
        sums : Sums
            What the round loop added up.
        """
        self.discovery += rounds * (value - pool_value)
        self.deployment += rounds * (pool_value - deployed_value)
        self.routing += rounds * deployed_value - sums.expected_reward
        self.noise += sums.expected_reward - sums.reward
        self.expected_cost += sums.expected_cost
        self.budget_price += rounds * price
        self.reward += sums.reward
        self.cost += sums.cost
        self.over_budget += sums.over_budget
        self.no_capacity += sums.no_capacity
        for total, piece in zip(self.stage, sums, strict=True):
            total += piece

    @property
    def regret(self) -> F8:
        """Pseudo-regret so far, [trials]."""
        return self.discovery + self.deployment + self.routing

    def priced_regret(self, rounds_done: int) -> F8:
        """Regret, and what was spent beyond the budget at the mean budget price, [trials].

        After t rounds ``R_t + mean(lam_s) (sum c . p_s - b t)^+``: only what is spent beyond the
        budget net over the run is charged, and nothing is credited for what is left unspent.
        """
        over = np.maximum(self.expected_cost - self.budget * rounds_done, 0.0)
        return self.regret + self.budget_price / rounds_done * over

    def mark(self, checkpoint: int, rounds_done: int) -> None:
        """Write the state of the accounts at a checkpoint."""
        regret = self.regret
        row = (
            regret,
            self.discovery,
            self.deployment,
            self.routing,
            self.noise,
            regret + self.noise,
            self.priced_regret(rounds_done),
            self.cost / rounds_done,
            np.maximum(self.cost - self.budget * rounds_done, 0.0),
        )
        for k, value in enumerate(row):
            self.curves[k, :, checkpoint] = value

    def close_stage(
        self, stage: int, rounds: int, choice: Choice, pool_value: F8, deployed_value: F8
    ) -> None:
        """Write the row of a stage."""
        over = np.maximum(self.stage.cost - self.budget * rounds, 0.0)
        self.worst_violation = np.maximum(self.worst_violation, over)
        if 2 * stage >= self.stage_table.shape[1] - 1:
            self.late_spend += self.stage.cost
            self.late_rounds += rounds
        row = (
            pool_value,
            deployed_value,
            choice.budget_price,
            choice.gap,
            choice.method,
            choice.status,
            self.stage.cost / rounds,
            over,
            self.stage.over_budget,
            self.stage.no_capacity,
        )
        for k, value in enumerate(row):
            self.stage_table[k, stage] = value

    def keep_sets(self, stage: int, slots: NDArray[np.int64]) -> None:
        """Keep the deployed sets of a stage, if sets are kept at all."""
        if len(self.stage_sets):
            self.stage_sets[stage] = slots
