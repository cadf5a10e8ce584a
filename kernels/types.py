"""Named tuples of arrays that pass between the simulator and every backend."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
#: Models by number, -1 for none.
ModelNumbers = NDArray[np.signedinteger[Any]]

#: Numbers that a router may keep for each trial.
STATES = 8


class Rules(NamedTuple):
    """The numbers of a policy and a run that the round loop needs."""

    seed: int  #: key of the generator, in [0, 2**64)
    budget: float  #: largest mean cost of the routing LP (margin already taken off)
    gamma: float  #: width of the confidence radius
    cost_min: float
    cost_max: float
    estimator: int  #: ``ESTIMATOR_*``
    router: int  #: ``ROUTER_*``
    init: int  #: ``INIT_*``
    init_pulls: float  #: pulls of each new model before routing starts (``INIT_FORCED``)
    resolve_every: int  #: rounds between two solutions of the routing problem
    cost_side: float  #: -1: lower bounds on the costs; +1: upper bounds
    discount: float  #: weight that a model's observations keep when it is pulled again
    explore: float  #: share of uniform routing (epsilon-greedy), or rounds of it in each stage
    gain: float  #: weight of the reward (drift), or step of the price (pacer, primal-dual)
    smoothing: float  #: weight of the last cost in the running mean of the pacer
    ceiling: float  #: largest price of the pacer


class Outcome(NamedTuple):
    """Law of the rewards or of the costs, as the kernels see it."""

    kernel: str  #: "elementwise" | "atoms" | "by_task" | "replay" | "replay_in_order"
    #: Formula of an elementwise law: (uniform, mean, *parameters).
    draw: Callable[..., Any] | None
    parameters: tuple[float, ...]
    #: Atoms [S, N], means of the tasks [J, N] or recorded outcomes [Q, N]; [0, 0] if none.
    table: F8
    task_prob: F8  #: alias table of the tasks, [J]; [0] if none
    task_alias: I8  #: [J]


class Draws(NamedTuple):
    """Law of rewards and costs around their means; see ``Scenario`` for the kinds."""

    reward_kind: int
    cost_kind: int
    reward_table: F8  #: [S, N]
    cost_table: F8  #: [S, N]
    task_prob: F8  #: [J]
    task_alias: I8  #: [J]
    in_order: bool  #: replay rows in table order instead of uniformly


class Memory(NamedTuple):
    """What a policy remembers of every model."""

    pulls: F8  #: observations n, with pseudo-observations and after forgetting, [N, trials]
    sum_reward: F8  #: [N, trials]
    sum_cost: F8  #: in the scenario's cost unit, [N, trials]
    plays: F8  #: rounds in which the model was pulled, [N, trials]
    state: F8  #: what the router keeps from round to round, [STATES, trials]
    #: Observations and sum of rewards of every model on the queries of every task,
    #: [trials, J, N, 2]; [0, 0, 0, 0] unless the estimator is contextual.
    contexts: F8


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
