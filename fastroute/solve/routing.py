"""``solve_routing``: the routing LP over leading axes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.kernels.types import Routing
from fastroute.solve.backend import load_kernel
from fastroute.solve.status import Status, messages
from fastroute.solve.validate import Batch, choice, prepare

ROUTING_BACKENDS = ("auto", "numba", "ref", "highs")


@dataclass(frozen=True)
class RoutingResult:
    """Answers of a batch of routing LPs; leading axes as in the input.

    Attributes
    ----------
    share : ndarray, [..., M]
        Routing distribution p; at most two entries strictly between 0 and the limit.
    value : ndarray, [...]
        Objective ``sum reward * share``.
    budget_price : ndarray, [...]
        Multiplier of the budget row: reward per unit of cost, >= 0.
    simplex_price : ndarray, [...]
        Multiplier of the row ``sum share = 1``.
    status : ndarray of int, [...]
        :class:`Status` of each problem.
    """

    share: NDArray[np.float64]
    value: NDArray[np.float64]
    budget_price: NDArray[np.float64]
    simplex_price: NDArray[np.float64]
    status: NDArray[np.int64]

    @property
    def message(self) -> Any:
        """Status in words: a string, or an array of strings over the leading axes."""
        return messages(self.status)

    @property
    def feasible(self) -> Any:
        """Whether the budget and the limits can be met."""
        return self.status == Status.OPTIMAL


def solve_routing(
    reward: ArrayLike,
    cost: ArrayLike,
    limit: ArrayLike,
    budget: ArrayLike,
    *,
    backend: str = "auto",
) -> RoutingResult:
    """Solve routing LPs exactly.

    Each one is ::

        max  sum reward_m p_m
        s.t. sum p_m = 1,  sum cost_m p_m <= budget,  0 <= p_m <= limit_m

    Among equally good distributions the one that gives most to the first model in the order higher
    reward, lower cost, lower index is returned.

    Parameters
    ----------
    reward : array_like, [..., M]
        Reward (or its upper bound) of each model.
    cost : array_like, [..., M]
        Cost (or its lower bound) of each model, >= 0, in any unit.
    limit : array_like, [..., M] or scalar
        Throughput limits in (0, 1].
    budget : array_like, [...]
        Largest mean cost, same unit as ``cost``; may be infinite.
    backend : {"auto", "numba", "ref", "highs"}
        Compiled kernel (default), exact rational arithmetic, or HiGHS.  HiGHS may return another
        of several equally good distributions.

    Returns
    -------
    RoutingResult

    Raises
    ------
    ValueError
        For NaN, negative costs, limits outside (0, 1], an empty set of models, or shapes that do
        not broadcast.

    Notes
    -----
    Infeasible problems do not raise: see :class:`Status` for what is returned.
    Source: Li & Li 2025 (arXiv 2506.17254), the per-query LP of StageRoute.
    """
    backend = choice("backend", backend, ROUTING_BACKENDS)
    batch = prepare(reward, cost, limit, budget)
    answer = route(batch, backend)
    return RoutingResult(
        answer.share.reshape(*batch.shape, batch.reward.shape[1]),
        answer.value.reshape(batch.shape),
        answer.budget_price.reshape(batch.shape),
        answer.simplex_price.reshape(batch.shape),
        answer.status.reshape(batch.shape),
    )


def route(batch: Batch, backend: str = "auto") -> Routing:
    """Solve a prepared batch; limits of 0 mark absent models."""
    if backend == "highs":
        from fastroute.solve import highs

        return highs.routing(batch.reward, batch.cost, batch.limit, batch.budget)
    kernel = load_kernel("routing", backend)
    answer: Routing = kernel.solve(batch.reward, batch.cost, batch.limit, batch.budget)
    return answer
