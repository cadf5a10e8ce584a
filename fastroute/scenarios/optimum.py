"""The moving optimum: the value of the best deployment of each pool of models."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.scenarios.base import World
from fastroute.solve.deployment import deploy
from fastroute.solve.status import round_up
from fastroute.solve.validate import Batch

F8 = NDArray[np.float64]

# Further from a limit than any tolerance of the solvers.
_CLEAR: Final = 1e-6


class Optimum(NamedTuple):
    """Best deployment of each of P pools under the true means, for R instances."""

    value: F8  #: V(pool, M_max), [P, R]
    weight: F8  #: the optimal routing distribution, [P, R, N]
    budget_price: F8  #: of the LP relaxation over the pool, [P, R]
    status: NDArray[np.int64]  #: [P, R]


def optimum(
    world: World,
    pools: NDArray[np.bool_],
    budget: float,
    max_deployed: int,
    backend: str,
    regimes: NDArray[np.int64] | None = None,
) -> Optimum:
    """Solve the deployment problem of every pool under the true means.

    Parameters
    ----------
    world : World
    pools : ndarray of bool, [P, N]
        Models available in each pool.
    budget : float
        Largest mean cost.
    max_deployed : int
        M_max.
    backend : str
        Of :func:`fastroute.solve.solve_deployment`.
    regimes : ndarray of int, [P], optional
        Whose means and limits hold for each pool: an index of ``world.regimes``; default those
        of the first round.

    Returns
    -------
    Optimum
        Where no distribution meets the budget, the value is that of the cheapest one.
    """
    trials, count, size = len(world.reward_mean), len(pools), pools.shape[1]

    # The pools of a trial follow one another: the search keeps its answer from one to the next
    # where only models come or go that are of no use.
    def flat(array: Any) -> F8:
        # Always a copy: a read-only view would be another type, and compiled once more.
        every = np.broadcast_to(array, (trials, count, size))
        return np.array(every, order="C").reshape(-1, size)

    def by_pool(array: NDArray[Any]) -> Any:
        return np.ascontiguousarray(array.reshape(trials, count, *array.shape[1:]).swapaxes(0, 1))

    held = [world] if regimes is None else [world.regimes[number] for number in regimes]
    reward = flat(np.stack([one.reward_mean for one in held], axis=1))
    batch = Batch(
        (len(reward),),
        reward,
        flat(np.stack([one.cost_mean for one in held], axis=1)),
        flat(np.where(pools, np.stack([one.limit for one in held]), 0.0)),
        np.full(len(reward), budget),
    )
    answer = deploy(batch, np.zeros_like(reward), max_deployed, backend=backend)
    return Optimum(
        by_pool(answer.value),
        by_pool(answer.weight),
        by_pool(answer.budget_price),
        by_pool(answer.status),
    )


def surely_feasible(world: World, budget: float, max_deployed: int) -> bool:
    """Tell whether the cheapest models of round 0 carry all traffic, and well within the budget.

    A look without a solver: where it holds, :func:`refuse_infeasible` has nothing to refuse; where
    it does not, nothing is known.

    Parameters
    ----------
    world : World
    budget : float
        Largest mean cost.
    max_deployed : int
        M_max.
    """
    cost = np.where(world.arrival <= 0, world.cost_mean, np.inf)
    cheapest = np.argsort(cost, axis=1)[:, :max_deployed]
    cost = np.take_along_axis(cost, cheapest, axis=1)
    limit = np.where(np.isfinite(cost), world.limit[cheapest], 0.0)
    carried = limit.cumsum(axis=1)
    share = np.diff(np.minimum(carried, 1.0), prepend=0.0, axis=1)
    spend = (share * np.where(limit > 0.0, cost, 0.0)).sum(axis=1)
    return bool((carried[:, -1] >= 1.0).all() and (spend <= budget * (1.0 - _CLEAR)).all())


def refuse_infeasible(world: World, found: Optimum, budget: float, max_deployed: int) -> None:
    """Raise if the first pool cannot serve all traffic within the budget under the true means.

    Raises
    ------
    ValueError
        Naming the shortage and the remedy.
    """
    status = found.status[0]
    available = world.arrival <= 0
    if (status == codes.NO_CAPACITY).any():
        widest = np.sort(world.limit[available])[::-1][:max_deployed]
        raise ValueError(
            f"limit: the {max_deployed} widest of the {int(available.sum())} models available in "
            f"round 0 carry at most {widest.sum():.6g} of the traffic, which is less than 1. Raise "
            "limit or max_deployed, or let more models be there from the start."
        )
    if (status == codes.OVER_BUDGET).any():
        spend = (found.weight[0] * world.cost_mean).sum(axis=1)
        raise ValueError(
            f"budget={budget!r} is below {round_up(spend.max())}, the mean cost of the cheapest "
            "distribution over the models available in round 0. Raise budget (budget = "
            '"cheapest" is the least one), limit or max_deployed, or let a cheaper model be there '
            "from the start."
        )
