"""``solve_deployment``: which models to deploy, over leading axes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.kernels import codes
from fastroute.kernels.types import Deployment
from fastroute.solve.backend import load_kernel, resolve_backend
from fastroute.solve.status import Status, messages
from fastroute.solve.validate import Batch, choice, number_array, positive_int, prepare

DEPLOYMENT_BACKENDS = ("auto", "numba", "jax", "ref", "highs")
FILL_RULES = {
    "reduced_cost": codes.FILL_REDUCED_COST,
    "none": codes.FILL_NONE,
    "ucb": codes.FILL_UCB,
    "least_pulled": codes.FILL_LEAST_PULLED,
}

#: LPs that one branch and bound may solve before HiGHS takes over.
NODE_LIMIT = 10_000


@dataclass(frozen=True)
class DeploymentResult:
    """Answers of a batch of deployment problems; leading axes as in the input.

    Attributes
    ----------
    deployed : ndarray of bool, [..., N]
        Models to deploy: the support of ``weight`` and what the fill rule adds.
    weight : ndarray, [..., N]
        Optimal d; chooses the set only, it is not a routing distribution.
    value : ndarray, [...]
        Objective of ``weight``, its charges included; models that ``fill`` adds do not count.
    gap : ndarray, [...]
        Proven distance of ``value`` to the best possible one.
    budget_price, simplex_price : ndarray, [...]
        Multipliers of the LP relaxation.
    method : ndarray of int, [...]
        :class:`~fastroute.solve.Method` that proved the answer.
    status : ndarray of int, [...]
        :class:`Status` of each problem.
    """

    deployed: NDArray[np.bool_]
    weight: NDArray[np.float64]
    value: NDArray[np.float64]
    gap: NDArray[np.float64]
    budget_price: NDArray[np.float64]
    simplex_price: NDArray[np.float64]
    method: NDArray[np.int64]
    status: NDArray[np.int64]

    @property
    def message(self) -> Any:
        """Status in words: a string, or an array of strings over the leading axes."""
        return messages(self.status)

    @property
    def feasible(self) -> Any:
        """Whether the budget and the limits can be met."""
        return self.status == Status.OPTIMAL


def solve_deployment(
    reward: ArrayLike,
    cost: ArrayLike,
    limit: ArrayLike,
    budget: ArrayLike,
    max_deployed: int,
    *,
    fill: str = "reduced_cost",
    pulls: ArrayLike | None = None,
    deploy_cost: ArrayLike = 0.0,
    backend: str = "auto",
    node_limit: int = 10_000,
) -> DeploymentResult:
    """Solve deployment problems exactly.

    Each one is ::

        max  sum reward_m d_m - sum deploy_cost_m z_m
        s.t. sum d_m = 1,  sum cost_m d_m <= budget,  0 <= d_m <= limit_m z_m,
             z binary,  sum z_m <= max_deployed

    Parameters
    ----------
    reward, cost : array_like, [..., N]
        Upper bounds of the rewards and lower bounds of the costs of the candidates.
    limit : array_like, [..., N] or scalar
        Throughput limits in (0, 1].
    budget : array_like, [...]
        Largest mean cost, same unit as ``cost``; may be infinite.
    max_deployed : int
        Concurrency cap M_max.
    fill : {"reduced_cost", "none", "ucb", "least_pulled"}
        What to do with slots that the optimum leaves empty.
    pulls : array_like, [..., N], optional
        Observations so far, for ``fill="least_pulled"``.
    deploy_cost : array_like, [..., N] or scalar
        Charge for deploying a model, in units of the objective.
    backend : {"auto", "numba", "jax", "ref", "highs"}
        ``numba``: vertex of the relaxation, then branch and bound, then HiGHS for problems beyond
        ``node_limit``.  ``jax``: the same with the vertices of all problems found at once on its
        device.  ``ref``: exhaustive search.  ``highs``: HiGHS only.  ``auto`` is ``jax`` where JAX
        has an accelerator, else ``numba``.
    node_limit : int
        LPs that one branch and bound may solve.

    Returns
    -------
    DeploymentResult

    Raises
    ------
    ValueError
        For NaN, negative costs, limits outside (0, 1], an empty set of models, shapes that do not
        broadcast, an unknown rule, or ``max_deployed < 1``.

    Notes
    -----
    Infeasible problems do not raise: see :class:`Status` for what is returned.
    Source: Li & Li 2025 (arXiv 2506.17254), the stage problem of StageRoute.
    """
    backend = resolve_backend(choice("backend", backend, DEPLOYMENT_BACKENDS))
    rule = FILL_RULES[choice("fill", fill, tuple(FILL_RULES))]
    max_deployed = positive_int("max_deployed", max_deployed)
    node_limit = positive_int("node_limit", node_limit)
    batch = prepare(reward, cost, limit, budget)
    charge = _per_model("deploy_cost", deploy_cost, batch)
    if (charge < 0.0).any() or np.isinf(charge).any():
        wrong = charge[(charge < 0.0) | np.isinf(charge)][0]
        raise ValueError(f"deploy_cost must be finite and >= 0, got {wrong}.")
    if rule == codes.FILL_LEAST_PULLED and pulls is None:
        raise ValueError('fill="least_pulled" needs pulls: observations of each model so far.')
    counts = _per_model("pulls", 0.0 if pulls is None else pulls, batch)
    answer = deploy(batch, charge, max_deployed, node_limit, backend)
    deployed = fill_slots(
        answer.deployed, batch, answer.budget_price, counts, max_deployed, rule, backend
    )
    size = batch.reward.shape[1]
    return DeploymentResult(
        deployed.reshape(*batch.shape, size),
        answer.weight.reshape(*batch.shape, size),
        answer.value.reshape(batch.shape),
        answer.gap.reshape(batch.shape),
        answer.budget_price.reshape(batch.shape),
        answer.simplex_price.reshape(batch.shape),
        answer.method.reshape(batch.shape),
        answer.status.reshape(batch.shape),
    )


def deploy(
    batch: Batch,
    charge: NDArray[np.float64],
    max_deployed: int,
    node_limit: int = NODE_LIMIT,
    backend: str = "numba",
) -> Deployment:
    """Solve a prepared batch without fill; limits of 0 mark absent models.

    Problems that the branch and bound leaves open go to HiGHS.
    """
    if backend == "highs":
        from fastroute.solve import highs

        return highs.deployment(
            batch.reward, batch.cost, batch.limit, batch.budget, charge, max_deployed
        )
    answer: Deployment = load_kernel("deployment", backend).solve(
        batch.reward, batch.cost, batch.limit, batch.budget, charge, max_deployed, node_limit
    )
    open_ = np.flatnonzero(answer.status == codes.NODE_LIMIT)
    if open_.size:
        from fastroute.solve import highs

        exact = highs.deployment(
            batch.reward[open_],
            batch.cost[open_],
            batch.limit[open_],
            batch.budget[open_],
            charge[open_],
            max_deployed,
        )
        for mine, theirs in zip(answer, exact, strict=True):
            mine[open_] = theirs
    return answer


def fill_slots(
    deployed: NDArray[np.bool_],
    batch: Batch,
    budget_price: NDArray[np.float64],
    pulls: NDArray[np.float64],
    max_deployed: int,
    rule: int,
    backend: str = "numba",
) -> NDArray[np.bool_]:
    """Give empty slots of a prepared batch to further models, by one of the ``FILL_*`` codes."""
    filled: NDArray[np.bool_] = load_kernel("deployment", backend).fill(
        deployed,
        batch.reward,
        batch.cost,
        batch.limit,
        budget_price,
        pulls,
        max_deployed,
        rule,
    )
    return filled


def _per_model(name: str, value: ArrayLike, batch: Batch) -> NDArray[np.float64]:
    array = number_array(name, value)
    full = (*batch.shape, batch.reward.shape[1])
    try:
        return np.ascontiguousarray(np.broadcast_to(array, full)).reshape(batch.reward.shape)
    except ValueError as error:
        raise ValueError(
            f"{name} has shape {array.shape}, which does not broadcast to {full}."
        ) from error
