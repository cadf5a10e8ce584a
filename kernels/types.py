"""Named tuples of arrays that pass between the simulator and every backend."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
#: Models by number, -1 for none.
ModelNumbers = NDArray[np.signedinteger[Any]]

#: Numbers that a router may keep for each trial.
STATES: Final = 8
#: Numbers that an estimator may keep for each model: observations, sum of rewards, sum of costs,
#: and others of its own.
STATISTICS: Final = 8
#: Features come in blocks of so many, and sums over them have so many parts: the sum of every
#: eighth term first, then that of the eight sums.
FEATURE_BLOCK: Final = 8
#: Features that a query may have.
MOST_FEATURES: Final = 64

Formula = Callable[..., Any]
NO_ROUNDS: Final[F8] = np.zeros(0)


class EstimatorKernel(NamedTuple):
    """An estimator, as the kernels see it."""

    #: Function of each room's ``estimators`` that makes its passes.
    kernel: str
    observe: Formula  #: (seen, reward, cost, *parameters) -> seen
    bounds: Formula  #: (seen, *parameters) -> (upper, lower)
    #: (seen, *parameters) -> (reward, cost, reward_width, cost_width); None if it has none.
    interval: Formula | None
    parameters: tuple[float, ...]
    first: tuple[float, ...]  #: what is seen of a model before its first round
    unobserved_below: float  #: observations below which a model counts as unobserved
    forced_pulls: float  #: pulls of each new model before routing starts, 0 for none
    forgets: bool  #: whether observations do not count the pulls
    #: Where a world teaches rewards and costs apart, in the place of ``observe``: (seen, reward,
    #: *parameters) -> seen, and the same with the cost.
    observe_reward: Formula | None = None
    observe_cost: Formula | None = None


class RouterKernel(NamedTuple):
    """A router, as the kernels see it."""

    #: Function of each room's ``routers`` that makes its passes.
    kernel: str
    score: Formula | None  #: (upper, lower, state, *parameters) -> score
    learn: Formula | None  #: (state, reward, cost, *parameters) -> state; None: learns nothing
    function: Formula | None  #: writes shares of many trials
    parameters: tuple[float, ...]
    first: tuple[float, ...]  #: the state before the first round
    resolve_every: int  #: rounds between two routing decisions


class Outcome(NamedTuple):
    """Law of the rewards or of the costs, as the kernels see it."""

    #: Function of each room's ``outcomes`` that makes its pass: "elementwise", "atoms", "by_task",
    #: "by_row", "replay" or "replay_in_order".
    kernel: str
    draw: Formula | None  #: formula of an elementwise law: (uniform, mean, *parameters) -> value
    parameters: tuple[float, ...]
    #: Atoms [S, N], means of the tasks [J, N] or of the rows [Q, N], recorded outcomes [Q, N];
    #: [0, 0] if none.
    table: F8
    task_prob: F8  #: alias table of the tasks, [J]; [0] if none
    task_alias: I8  #: [J]
    #: Features of the query of every row of the table, [Q, d], with columns of zeros up to a
    #: multiple of ``FEATURE_BLOCK``; [0, 0] if none.
    features: F8


class Delay(NamedTuple):
    """Law of the rounds until an outcome is learnt, as the kernels see it."""

    rounds: F8  #: whole numbers that can be drawn, [S]; a single one is fixed
    prob: F8  #: alias table over them, [S]
    alias: I8  #: [S]
    #: Delay of every round where delays were recorded, [rounds], -1 for what is never learnt; else
    #: empty.
    by_round: F8 = NO_ROUNDS


class Feedback(NamedTuple):
    """When a policy learns the outcomes of a round, as the kernels see it."""

    reward: Delay
    cost: Delay
    learnt: float  #: probability that the reward of a round is learnt at all
    #: Whether reward and cost of a round always come together: one delay is drawn for both.
    together: bool

    @property
    def longest(self) -> int:
        """Longest delay in rounds."""
        return int(max(self.reward.rounds.max(), self.cost.rounds.max()))


def pending_bytes(feedback: Feedback, trials: int) -> int:
    """Room that the outcomes of some trials take until they are learnt, about.

    Three numbers for every round that is waited for, and at most eight where a delay is drawn.
    """
    drawn = any(len(delay.rounds) > 1 for delay in (feedback.reward, feedback.cost))
    return (feedback.longest + 1) * (8 if drawn else 3) * 8 * trials


class Program(NamedTuple):
    """Everything that stays the same in a run, as the kernels see it."""

    seed: int  #: key of the generator, in [0, 2**64)
    estimator: EstimatorKernel
    router: RouterKernel
    reward: Outcome
    cost: Outcome
    feedback: Feedback | None = None  #: None: every outcome is learnt in its own round
    models: int = 0  #: N, where there is feedback of this kind


class Memory(NamedTuple):
    """What a policy remembers of every model."""

    #: What the estimator has seen: observations n, with pseudo-observations and after forgetting,
    #: sums of rewards and of costs, numbers of its own; [STATISTICS, N, trials].
    seen: F8
    plays: F8  #: rounds in which the model was pulled, [N, trials]
    state: F8  #: what the router keeps from round to round, [STATES, trials]
    #: What an estimator that reads queries keeps, [trials, ...]: observations and sum of rewards of
    #: every model on the queries of every task, [J, N, 2], or the rows of P and theta of every
    #: model, [N, d + 1, d]; [0, 0, 0, 0] for one that does not.
    contexts: F8
    #: Outcomes that are yet to be learnt, as the backend's ``pending`` makes them; None where
    #: every outcome is learnt in its own round.
    pending: Any = None


class Sums(NamedTuple):
    """Sums over the rounds of a segment, one entry per trial."""

    expected_reward: F8  #: sum of mu . p_t
    expected_cost: F8  #: sum of c . p_t
    reward: F8  #: sum of r_t
    cost: F8  #: sum of c_t
    over_budget: F8  #: rounds whose routing LP was over budget
    no_capacity: F8  #: rounds whose routing LP had no capacity


def new_sums(trials: int) -> Sums:
    """Return the sums of an empty segment."""
    return Sums(*(np.zeros(trials) for _ in Sums._fields))


class Routing(NamedTuple):
    """Solutions of a batch of B routing LPs over M models."""

    share: NDArray[np.float64]  # [B, M]
    value: NDArray[np.float64]  # [B]
    budget_price: NDArray[np.float64]  # [B]
    simplex_price: NDArray[np.float64]  # [B]
    status: NDArray[np.int64]  # [B]


class Deployment(NamedTuple):
    """Solutions of a batch of B deployment problems over N candidates."""

    deployed: NDArray[np.bool_]  # [B, N] support of the weights
    weight: NDArray[np.float64]  # [B, N] the optimal d
    value: NDArray[np.float64]  # [B] objective, charges included
    gap: NDArray[np.float64]  # [B] proven distance to the best possible value
    budget_price: NDArray[np.float64]  # [B] of the LP relaxation
    simplex_price: NDArray[np.float64]  # [B] of the LP relaxation
    method: NDArray[np.int64]  # [B]
    status: NDArray[np.int64]  # [B]
    nodes: NDArray[np.int64]  # [B] LPs solved
