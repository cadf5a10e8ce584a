"""Exact deployment: the vertex of the relaxation here, whatever needs a search on the host.

A vertex of the relaxation has few models in its support, so with enough slots it is the answer;
all problems get theirs at once.  The others go to the branch and bound of :mod:`..numba_`.
"""

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.codes import OPTIMAL, VERTEX
from fastroute.kernels.jax_.routing import solve as relax
from fastroute.kernels.numba_ import deployment as host
from fastroute.kernels.numba_.deployment import fill
from fastroute.kernels.tolerances import SUPPORT
from fastroute.kernels.types import Deployment

__all__ = ["fill", "solve"]


def solve(
    reward: NDArray[np.float64],
    cost: NDArray[np.float64],
    limit: NDArray[np.float64],
    budget: NDArray[np.float64],
    charge: NDArray[np.float64],
    max_deployed: int,
    node_limit: int = 10_000,
) -> Deployment:
    """Solve a batch of independent deployment problems.

    Parameters
    ----------
    reward, cost, limit : ndarray, [B, N]
        Objective, budget row and upper limits; a limit of 0 marks an absent model.
    budget : ndarray, [B]
        Largest mean cost.
    charge : ndarray, [B, N]
        Charge for deploying each model, in units of the objective.
    max_deployed : int
        Largest number of models deployed at once.
    node_limit : int
        LPs per search; beyond it the status is ``NODE_LIMIT`` and the best set so far is returned.

    Returns
    -------
    Deployment
    """
    relaxed = relax(reward, cost, limit, budget)
    deployed = relaxed.share > SUPPORT
    batch = len(reward)
    out = Deployment(
        deployed,
        relaxed.share,
        relaxed.value,
        np.zeros(batch),
        relaxed.budget_price,
        relaxed.simplex_price,
        np.full(batch, VERTEX, np.int64),
        relaxed.status,
        np.ones(batch, np.int64),
    )
    charged = ((charge != 0.0) & (limit > 0.0)).any(axis=1)
    is_vertex = (relaxed.status == OPTIMAL) & (deployed.sum(axis=1) <= max_deployed) & ~charged
    rest = np.flatnonzero(~is_vertex)
    if rest.size:
        searched = host.solve(
            reward[rest],
            cost[rest],
            limit[rest],
            budget[rest],
            charge[rest],
            max_deployed,
            node_limit,
        )
        for mine, theirs in zip(out, searched, strict=True):
            mine[rest] = theirs
    return out
