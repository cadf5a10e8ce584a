"""The accounts of a chunk of trials: regret in parts, spending, diagnostics."""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.types import ModelNumbers, Sums, new_sums
from fastroute.policies import Choice
from fastroute.simulation.columns import (
    CURVE_COLUMNS,
    MODEL_COLUMNS,
    NEAR_ZERO,
    STAGE_COLUMNS,
    TRIAL_COLUMNS,
)

F8 = NDArray[np.float64]

#: A model of the optimum starves when it gets less than this share of the oracle's pulls.
STARVED: Final = 0.01
#: An account with one number for every trial, which starts at zero.
PerTrial = Annotated[F8, "per trial"]


class StageAccount(NamedTuple):
    """A stage that is being played, or was played last."""

    rounds: int  #: of the stage, played or not
    choice: Choice
    pool_value: F8  #: V(M_tau) when the stage opens, [trials] or [1]
    deployed_value: F8  #: V(A_k) when the stage opens, [trials]
    sums: Sums  #: over the rounds played so far


@dataclass(kw_only=True)
class Ledger:
    """Running accounts of ``trials`` trials; the columns of a run are read from it.

    The regret of round t is ``V(M_t) - mu . p_t`` and splits into discovery
    ``V(M_t) - V(M_tau)``, deployment ``V(M_tau) - V(A_k)`` and routing ``V(A_k) - mu . p_t``, all
    under the means and limits of round t, as if no model had to load; the realised regret adds the
    noise ``mu . p_t - r_t``.
    The priced regret adds to the regret what was spent beyond the budget, see
    :attr:`priced_regret`.
    """

    trials: int
    models: int  #: N
    slots: int  #: models deployed at once
    stages: int  #: K
    checkpoints: int
    budget: float
    deploy_cost: float
    keep_sets: bool
    rounds: int = field(init=False, default=0)  #: played so far
    discovery: PerTrial = field(init=False)
    deployment: PerTrial = field(init=False)
    routing: PerTrial = field(init=False)
    noise: PerTrial = field(init=False)
    #: Sums over rounds of c . p_t, and of the budget price over M_t.
    expected_cost: PerTrial = field(init=False)
    budget_price: PerTrial = field(init=False)
    #: Sums over rounds of V(M_t), of the value of the contextual optimum (NaN where queries have
    #: neither tasks nor features), and of whether that is exact.
    value: PerTrial = field(init=False)
    contextual_value: PerTrial = field(init=False)
    contextual_exact: PerTrial = field(init=False)
    reward: PerTrial = field(init=False)
    cost: PerTrial = field(init=False)
    over_budget: PerTrial = field(init=False)
    no_capacity: PerTrial = field(init=False)
    #: Stages whose deployed set cannot meet the budget under the true means.
    over_budget_stages: PerTrial = field(init=False)
    deployments: PerTrial = field(init=False)
    worst_violation: PerTrial = field(init=False)
    #: Spent in the last half of the stages, and the rounds of these.
    late_spend: PerTrial = field(init=False)
    late_rounds: int = field(init=False, default=0)
    stages_deployed: F8 = field(init=False)  #: stages in which each model is deployed, [trials, N]
    stage: StageAccount = field(init=False)
    #: Known at the end of the run: pulls of every model, [N, trials]; those of the oracle and the
    #: true means, [trials or 1, N].
    pulls: F8 = field(init=False)
    oracle: F8 = field(init=False)
    reward_mean: F8 = field(init=False)
    cost_mean: F8 = field(init=False)
    curves: F8 = field(init=False)  #: [quantity, trials, checkpoint]
    stage_table: F8 = field(init=False)  #: [column, stage, trials]
    stage_sets: ModelNumbers = field(init=False)  #: [stage, trials, slots], empty when not kept

    def __post_init__(self) -> None:
        """Start every account at zero."""
        for account in fields(self):
            if account.type is PerTrial:
                setattr(self, account.name, np.zeros(self.trials))
        self.stages_deployed = np.zeros((self.trials, self.models))
        self.curves = np.zeros((len(CURVE_COLUMNS), self.trials, self.checkpoints))
        self.stage_table = np.zeros((len(STAGE_COLUMNS), self.stages, self.trials))
        # Sets are stored with every stage: 16 bits wherever they can count the models.
        numbers = np.int16 if self.models <= np.iinfo(np.int16).max else np.int32
        stages = self.stages if self.keep_sets else 0
        self.stage_sets = np.full((stages, self.trials, self.slots), -1, numbers)

    def open_stage(
        self,
        stage: int,
        rounds: int,
        choice: Choice,
        slots: NDArray[np.int64],
        previous: NDArray[np.bool_],
        pool_value: F8,
        deployed_value: F8,
    ) -> None:
        """Count new deployments and start the accounts of a stage.

        Parameters
        ----------
        stage, rounds : int
            Its number and its length.
        choice : Choice
            What the deployer decided.
        slots : ndarray, [trials, slots]
            Deployed models, then -1.
        previous : ndarray, [trials, N]
            Models deployed in the stage before.
        pool_value, deployed_value : ndarray, [trials] or [1]
            V(M_tau) and V(A_k).
        """
        self.deployments += (choice.deployed & ~previous).sum(axis=1)
        self.stages_deployed += choice.deployed
        self.stage = StageAccount(
            rounds=rounds,
            choice=choice,
            pool_value=pool_value,
            deployed_value=deployed_value,
            sums=new_sums(self.trials),
        )
        if self.keep_sets:
            self.stage_sets[stage] = slots

    def add(
        self,
        rounds: int,
        value: F8,
        price: F8,
        pool_value: F8,
        deployed_value: F8,
        sums: Sums,
        contextual: tuple[float, float] = (np.nan, np.nan),
    ) -> None:
        """Add a piece of the stage.

        Parameters
        ----------
        rounds : int
            Length of the piece.
        value, price : ndarray, [trials] or [1]
            V(M_t) and the budget price of the LP relaxation over M_t under the true means,
            constant in the piece.
        pool_value, deployed_value : ndarray, [trials] or [1]
            V(M_tau) and V(A_k) under the means of the piece.
        sums : Sums
            What the round loop added up.
        contextual : (float, float)
            Value of the contextual optimum over M_t, and 1 where it is exact, 0 for a bound.
        """
        self.rounds += rounds
        self.discovery += rounds * (value - pool_value)
        self.deployment += rounds * (pool_value - deployed_value)
        self.routing += rounds * deployed_value - sums.expected_reward
        self.noise += sums.expected_reward - sums.reward
        self.expected_cost += sums.expected_cost
        self.budget_price += rounds * price
        self.value += rounds * value
        self.contextual_value += rounds * contextual[0]
        self.contextual_exact += rounds * contextual[1]
        self.reward += sums.reward
        self.cost += sums.cost
        self.over_budget += sums.over_budget
        self.no_capacity += sums.no_capacity
        for total, piece in zip(self.stage.sums, sums, strict=True):
            total += piece

    @property
    def regret(self) -> F8:
        """Pseudo-regret so far, [trials]."""
        return self.discovery + self.deployment + self.routing

    @property
    def priced_regret(self) -> F8:
        """Regret, and what was spent beyond the budget at the mean budget price, [trials].

        After t rounds ``R_t + mean(lam_s) (sum c . p_s - b t)^+``: only what is spent beyond the
        budget net over the run is charged, and nothing is credited for what is left unspent.
        """
        over = np.maximum(self.expected_cost - self.budget * self.rounds, 0.0)
        return self.regret + self.budget_price / self.rounds * over

    @property
    def captured(self) -> F8:
        """Share of what knowing the query is worth that the policy has earned, [trials].

        NaN where it is worth nothing.
        """
        worth = self.contextual_value - self.value
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(worth > NEAR_ZERO * self.rounds, -self.regret / worth, np.nan)

    @property
    def stage_violation(self) -> F8:
        """Spent beyond the budget in the stage, [trials]."""
        over: F8 = np.maximum(self.stage.sums.cost - self.budget * self.stage.rounds, 0.0)
        return over

    @property
    def starved(self) -> NDArray[np.int64]:
        """Models of the optimum that got next to none of the oracle's pulls, [trials]."""
        few = self.pulls.T < STARVED * self.oracle
        count: NDArray[np.int64] = ((self.oracle >= 1.0) & few).sum(axis=1)
        return count

    def record_checkpoint(self, checkpoint: int) -> None:
        """Write the state of the accounts at a checkpoint."""
        for k, column in enumerate(CURVE_COLUMNS):
            self.curves[k, :, checkpoint] = column.value(self)

    def close_stage(self, stage: int) -> None:
        """Write the row of a stage."""
        self.worst_violation = np.maximum(self.worst_violation, self.stage_violation)
        if 2 * stage >= self.stages - 1:
            self.late_spend += self.stage.sums.cost
            self.late_rounds += self.stage.rounds
        for k, column in enumerate(STAGE_COLUMNS):
            self.stage_table[k, stage] = column.value(self)

    def close(self, pulls: F8, oracle: F8, reward_mean: F8, cost_mean: F8) -> None:
        """Note what is known at the end of the run; as the fields of these names."""
        self.pulls, self.oracle = pulls, oracle
        self.reward_mean, self.cost_mean = reward_mean, cost_mean

    def trial_columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of trials, [trials]."""
        return {c.name: np.asarray(c.value(self), dtype=c.dtype) for c in TRIAL_COLUMNS}

    def model_columns(self) -> F8:
        """Return the numbers of every model, [column, N, trials]."""
        values = np.empty((len(MODEL_COLUMNS), *self.pulls.shape))
        for k, column in enumerate(MODEL_COLUMNS):
            values[k] = column.value(self)
        return values
