"""The columns of a run, each said once: what it is called, what it is, and where it comes from.

The arrays of the ledger, the frames, the shards and the tables of the documentation follow from
the four tables below. A new column of ``run.trials`` is one more line of ``TRIAL_COLUMNS``; only
an account that is not kept yet needs a field of the :class:`~fastroute.simulation.ledger.Ledger`.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.solve.status import Method, Status

if TYPE_CHECKING:
    from fastroute.simulation.ledger import Ledger


class Reduce(StrEnum):
    """How the numbers of single trials are put together where not all of them are kept."""

    NONE = "kept for every trial"
    MOMENTS = "mean, standard error and quantiles over trials"
    MEAN = "mean over trials"
    ERROR = "mean over trials and its standard error"
    AGREED = "kept where all trials agree"


class Column(NamedTuple):
    """One column.

    Attributes
    ----------
    name : str
    dtype : type
        ``np.float64`` or ``np.int64``; ``np.str_`` for a code, which arrays hold as a number and
        frames as a word.
    unit : str
        In words.
    what : str
        What it is, in one sentence without its end, as the documentation has it.
    reduce : Reduce
        How it is put together over trials.
    value : callable
        Reads it from the ledger: [trials], of models [N, trials].
    word : callable, optional
        Of a code: its word; that of None stands where trials differ.
    """

    name: str
    dtype: type[Any]
    unit: str
    what: str
    reduce: Reduce
    value: Callable[["Ledger"], NDArray[Any]]
    word: Callable[[int | None], str] | None = None


def _method(code: int | None) -> str:
    return "mixed" if code is None else str(Method(code))


def _status(code: int | None) -> str:
    return "MIXED" if code is None else Status(code).name


#: What rounding may leave of a sum of rewards, or of costs, that is zero.
NEAR_ZERO: Final = 1e-6

_REWARD: Final = "reward"
_COST: Final = "cost"
_COUNT: Final = "number"
_SHARE: Final = "share"

#: One number for every trial, at the end of the run: the columns of ``run.trials`` behind `trial`.
TRIAL_COLUMNS: Final = (
    Column(
        "regret",
        np.float64,
        _REWARD,
        "pseudo-regret over the run: the value of the optimum minus the expected reward",
        Reduce.NONE,
        lambda book: book.regret,
    ),
    Column(
        "discovery",
        np.float64,
        _REWARD,
        "part of the regret: models that arrived wait for the next stage",
        Reduce.NONE,
        lambda book: book.discovery,
    ),
    Column(
        "deployment",
        np.float64,
        _REWARD,
        "part of the regret: the deployed models are not the best set",
        Reduce.NONE,
        lambda book: book.deployment,
    ),
    Column(
        "routing",
        np.float64,
        _REWARD,
        "part of the regret: the traffic is not routed best among the deployed models",
        Reduce.NONE,
        lambda book: book.routing,
    ),
    Column(
        "noise",
        np.float64,
        _REWARD,
        "expected rewards minus the rewards that were drawn",
        Reduce.NONE,
        lambda book: book.noise,
    ),
    Column(
        "realised_regret",
        np.float64,
        _REWARD,
        "`regret + noise`",
        Reduce.NONE,
        lambda book: book.regret + book.noise,
    ),
    Column(
        "priced_regret",
        np.float64,
        _REWARD,
        "regret plus what was spent beyond the budget, at the mean budget price; nothing is "
        "credited ([definition](statistics.md#regret-and-its-price))",
        Reduce.NONE,
        lambda book: book.priced_regret,
    ),
    Column(
        "reward",
        np.float64,
        _REWARD,
        "mean reward per query",
        Reduce.NONE,
        lambda book: book.reward / book.rounds,
    ),
    Column(
        "cost",
        np.float64,
        _COST,
        "mean cost per query",
        Reduce.NONE,
        lambda book: book.cost / book.rounds,
    ),
    Column(
        "violation",
        np.float64,
        _COST,
        "spent beyond the budget over the run",
        Reduce.NONE,
        lambda book: np.maximum(book.cost - book.budget * book.rounds, 0.0),
    ),
    Column(
        "worst_stage_violation",
        np.float64,
        _COST,
        "spent beyond the budget in the worst stage",
        Reduce.NONE,
        lambda book: book.worst_violation,
    ),
    Column(
        "late_cost",
        np.float64,
        _COST,
        "mean cost per query over the last half of the stages",
        Reduce.NONE,
        lambda book: book.late_spend / book.late_rounds,
    ),
    Column(
        "starved",
        np.int64,
        _COUNT,
        "models of the optimum with under 1 % of the pulls the oracle gives them",
        Reduce.NONE,
        lambda book: book.starved,
    ),
    Column(
        "over_budget_rounds",
        np.int64,
        _COUNT,
        "rounds in which no distribution over the deployed models met the budget",
        Reduce.NONE,
        lambda book: book.over_budget,
    ),
    Column(
        "no_capacity_rounds",
        np.int64,
        _COUNT,
        "rounds in which the deployed models could not carry all traffic",
        Reduce.NONE,
        lambda book: book.no_capacity,
    ),
    Column(
        "over_budget_stages",
        np.int64,
        _COUNT,
        "stages whose deployed set cannot meet the budget",
        Reduce.NONE,
        lambda book: book.over_budget_stages,
    ),
    Column(
        "deployments",
        np.int64,
        _COUNT,
        "newly deployed models",
        Reduce.NONE,
        lambda book: book.deployments,
    ),
    Column(
        "deploy_cost",
        np.float64,
        _REWARD,
        "what the newly deployed models cost",
        Reduce.NONE,
        lambda book: book.deployments * book.deploy_cost,
    ),
    Column(
        "contextual_value",
        np.float64,
        _REWARD,
        "mean value of the contextual optimum, which looks at every query; null where queries have "
        "neither tasks nor features",
        Reduce.NONE,
        lambda book: book.contextual_value / book.rounds,
    ),
    Column(
        "contextual_exact",
        np.float64,
        _SHARE,
        "share of the rounds in which it is exact, and not an upper bound over more than "
        "`max_deployed` models; null as before",
        Reduce.NONE,
        lambda book: book.contextual_exact / book.rounds,
    ),
    Column(
        "captured",
        np.float64,
        _SHARE,
        "share of what knowing the query is worth, the contextual optimum minus the optimum, that "
        "the expected reward is above the optimum; null as before, or where it is worth nothing",
        Reduce.NONE,
        lambda book: book.captured,
    ),
)

_AT_CHECKPOINTS: Final = (
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
#: Quantities kept at every checkpoint: what the columns of trials are so far.
CURVE_COLUMNS: Final = tuple(
    column._replace(reduce=Reduce.MOMENTS)
    for column in TRIAL_COLUMNS
    if column.name in _AT_CHECKPOINTS
)

#: Numbers kept for every stage and trial.
STAGE_COLUMNS: Final = (
    Column(
        "pool_value",
        np.float64,
        _REWARD,
        "value of the optimum over the models that are there when the stage opens",
        Reduce.MEAN,
        lambda book: book.stage.pool_value,
    ),
    Column(
        "deployed_value",
        np.float64,
        _REWARD,
        "value of the best routing among the deployed models",
        Reduce.MEAN,
        lambda book: book.stage.deployed_value,
    ),
    Column(
        "budget_price",
        np.float64,
        "reward per cost",
        "budget price of the deployer's problem without the limit on the number of models",
        Reduce.MEAN,
        lambda book: book.stage.choice.budget_price,
    ),
    Column(
        "gap",
        np.float64,
        _REWARD,
        "proven distance of the deployed set to the best one on the policy's bounds",
        Reduce.MEAN,
        lambda book: book.stage.choice.gap,
    ),
    Column(
        "method",
        np.str_,
        "word",
        "how the set was found; `mixed` where trials differ",
        Reduce.AGREED,
        lambda book: book.stage.choice.method,
        _method,
    ),
    Column(
        "status",
        np.str_,
        "word",
        "status of the deployment problem; `MIXED` where trials differ",
        Reduce.AGREED,
        lambda book: book.stage.choice.status,
        _status,
    ),
    Column(
        "spend",
        np.float64,
        _COST,
        "mean cost per query in the stage",
        Reduce.MEAN,
        lambda book: book.stage.sums.cost / book.stage.rounds,
    ),
    Column(
        "violation",
        np.float64,
        _COST,
        "spent beyond the budget in the stage",
        Reduce.MEAN,
        lambda book: book.stage_violation,
    ),
    Column(
        "over_budget_rounds",
        np.float64,
        _COUNT,
        "rounds of the stage in which no distribution over the deployed models met the budget",
        Reduce.MEAN,
        lambda book: book.stage.sums.over_budget,
    ),
    Column(
        "no_capacity_rounds",
        np.float64,
        _COUNT,
        "rounds of the stage in which the deployed models could not carry all traffic",
        Reduce.MEAN,
        lambda book: book.stage.sums.no_capacity,
    ),
)

#: Numbers kept for every model, summed up over trials.
MODEL_COLUMNS: Final = (
    Column(
        "share",
        np.float64,
        _SHARE,
        "share of the traffic that the policy sent to it",
        Reduce.ERROR,
        lambda book: book.pulls / book.rounds,
    ),
    Column(
        "deployed",
        np.float64,
        _SHARE,
        "share of the stages in which it was deployed",
        Reduce.ERROR,
        lambda book: book.stages_deployed.T / book.stages,
    ),
    Column(
        "oracle_share",
        np.float64,
        _SHARE,
        "share of the traffic that the optimum of each stage sends to it",
        Reduce.MEAN,
        lambda book: book.oracle.T / book.rounds,
    ),
    Column(
        "reward_mean",
        np.float64,
        _REWARD,
        "its true mean reward per query",
        Reduce.MEAN,
        lambda book: book.reward_mean.T,
    ),
    Column(
        "cost_mean",
        np.float64,
        _COST,
        "its true mean cost per query",
        Reduce.MEAN,
        lambda book: book.cost_mean.T,
    ),
)


def names_of(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the names of columns, in their order."""
    return tuple(column.name for column in columns)
