"""``solve_deployment``: which models to deploy, over leading axes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.checks import choice, integer, number, number_array, refuse_entries
from fastroute.kernels import codes
from fastroute.kernels.types import Deployment
from fastroute.solve.backend import BACKENDS, load_kernel, resolve_backend
from fastroute.solve.status import INFEASIBLE, Status, describe_result, messages, report_infeasible
from fastroute.solve.validate import LARGEST_REWARD, Batch, prepare

FILL_RULES = {
    "reduced_cost": codes.FILL_REDUCED_COST,
    "none": codes.FILL_NONE,
    "ucb": codes.FILL_UCB,
    "least_pulled": codes.FILL_LEAST_PULLED,
}

#: LPs that one branch and bound may solve before HiGHS takes over.
NODE_LIMIT = 10_000
#: Seconds that HiGHS may then take for one problem.
TIME_LIMIT = 60.0


@dataclass(frozen=True, repr=False)
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
        Proven distance of ``value`` to the best possible one; 0 but at a time limit.
    budget_price, simplex_price : ndarray, [...]
        Multipliers of the LP relaxation.
    method : ndarray of int, [...]
        :class:`~fastroute.solve.Method` that proved the answer.
    status : ndarray of int, [...]
        :class:`~fastroute.solve.Status` of each problem.
    """

    deployed: NDArray[np.bool_]
    weight: NDArray[np.float64]
    value: NDArray[np.float64]
    gap: NDArray[np.float64]
    budget_price: NDArray[np.float64]
    simplex_price: NDArray[np.float64]
    method: NDArray[np.int64]
    status: NDArray[np.int64]

    def __repr__(self) -> str:
        """Return the answers, with their status in words."""
        return describe_result(self)

    @property
    def message(self) -> Any:
        """Status in words: a string, or an array of strings over the leading axes."""
        return messages(self.status)

    @property
    def feasible(self) -> Any:
        """Whether the answer meets the budget and the limits."""
        stopped = (self.status == Status.TIME_LIMIT) & np.isfinite(self.gap)
        return (self.status == Status.OPTIMAL) | stopped


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
    node_limit: int = NODE_LIMIT,
    time_limit: float = TIME_LIMIT,
    infeasible: str = "warn",
) -> DeploymentResult:
    r"""Solve deployment problems exactly.

    Each one is

    .. math::

        \max_{d, z} \; & \sum_m \mathrm{reward}_m \, d_m - \sum_m \mathrm{deploy\_cost}_m \, z_m \\
        \text{such that} \; & \sum_m d_m = 1, \quad \sum_m \mathrm{cost}_m \, d_m
        \le \mathrm{budget}, \\
        & 0 \le d_m \le \mathrm{limit}_m \, z_m, \quad z_m \in \{0, 1\}, \quad
        \sum_m z_m \le \mathrm{max\_deployed}

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
    time_limit : float
        Seconds that each search by HiGHS may take (one for most problems, at most four where no
        set clearly meets the budget); may be infinite.  A set that is not proven the
        best by then has the status ``TIME_LIMIT``, and ``gap`` says how much better another can be.
    infeasible : {"warn", "raise", "ignore"}
        What to do where the limits or the budget cannot be met, besides the status: an
        :class:`~fastroute.solve.InfeasibleWarning`, a ``ValueError``, or nothing.

    Returns
    -------
    DeploymentResult

    Raises
    ------
    ValueError
        For NaN, negative costs, limits outside (0, 1], an empty set of models, shapes that do not
        broadcast, an unknown rule, or ``max_deployed < 1``; and where ``infeasible="raise"`` asks
        for it.

    Notes
    -----
    Infeasible problems have an answer too: see :class:`~fastroute.solve.Status`.
    Source: Li & Li 2025 (arXiv 2506.17254), the stage problem of StageRoute.

    A set is feasible by the rule of :func:`solve_routing`, over its own models.  Weights up to
    1e-11 do not count: such a model is not deployed, which may cost its reward times 1e-11.  Two
    values within 1e-12 count as equal, and to decide between equally good sets up to 1e-10 times
    the square root of the number of models may be lost.  These tolerances are for rewards of order
    1: rewards of order 1e-9 are compared to two or three digits only, so scale them up.  HiGHS
    sees weights from about 1e-9 on; where the best set needs a smaller one, it may pay the
    ``deploy_cost`` of another model than the best.
    """
    backend = resolve_backend(choice("backend", backend, BACKENDS))
    rule = FILL_RULES[choice("fill", fill, tuple(FILL_RULES))]
    max_deployed = integer("max_deployed", max_deployed)
    node_limit = integer("node_limit", node_limit)
    time_limit = number(
        "time_limit",
        time_limit,
        "a number > 0 of seconds",
        lambda x: x > 0.0,
        remedy="use np.inf for none",
    )
    infeasible = choice("infeasible", infeasible, INFEASIBLE)
    batch = prepare(reward, cost, limit, budget)
    charge = number_array("deploy_cost", deploy_cost, infinity=True)
    refuse_entries(
        "deploy_cost",
        charge,
        (charge < 0.0) | (charge > LARGEST_REWARD),
        f"is outside [0, {LARGEST_REWARD:g}]",
        "use a finite charge >= 0, in units of reward",
    )
    charge = _per_model("deploy_cost", charge, batch)
    if rule == codes.FILL_LEAST_PULLED and pulls is None:
        raise ValueError('fill="least_pulled" needs pulls: observations of each model so far.')
    counts = _per_model("pulls", 0.0 if pulls is None else pulls, batch)
    answer = deploy(batch, charge, max_deployed, node_limit, backend, time_limit)
    deployed = fill_slots(
        answer.deployed, batch, answer.budget_price, counts, max_deployed, rule, backend
    )
    size = batch.reward.shape[1]
    report_infeasible(
        infeasible, batch.shape, answer.status, answer.weight, batch.cost, batch.budget
    )
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
    time_limit: float = np.inf,
) -> Deployment:
    """Solve a prepared batch without fill; limits of 0 mark absent models.

    Problems that the branch and bound leaves open go to HiGHS.  Without a time limit, which is what
    simulations need, the answer is a function of the data alone.
    """
    # As many as there are is as good as more, and kernels count in 64 bits.
    max_deployed = min(max_deployed, batch.reward.shape[1])
    if backend == "highs":
        from fastroute.solve import highs

        return highs.deployment(
            batch.reward, batch.cost, batch.limit, batch.budget, charge, max_deployed, time_limit
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
            time_limit,
        )
        _keep_better_incumbent(exact, answer, open_, batch, max_deployed)
        for mine, theirs in zip(answer, exact, strict=True):
            mine[open_] = theirs
    return answer


def _keep_better_incumbent(
    stopped: Deployment,
    first: Deployment,
    rows: NDArray[np.intp],
    batch: Batch,
    max_deployed: int,
) -> None:
    """Where HiGHS ran out of time, let the branch and bound's set stand if it is the better one.

    ``stopped`` has one entry for each of the ``rows`` of ``first`` and ``batch``.
    """
    deployed, weight, value, gap = (x[rows] for x in first[:4])
    spend = (weight * batch.cost[rows]).sum(axis=1)
    # Its gap is finite where it has found a set, which must be one within the budget.
    found = np.isfinite(gap) & (deployed.sum(axis=1) <= max_deployed)
    found &= spend <= batch.budget[rows] * (1.0 + 1e-8)
    better = found & (stopped.status == codes.TIME_LIMIT)
    better &= np.isinf(stopped.gap) | (value > stopped.value)
    bound = np.minimum(value + gap, stopped.value + stopped.gap)
    stopped.deployed[better] = deployed[better]
    stopped.weight[better] = weight[better]
    stopped.value[better] = value[better]
    stopped.gap[better] = np.maximum(bound - value, 0.0)[better]


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
    max_deployed = min(max_deployed, batch.reward.shape[1])
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
    array = number_array(name, value, infinity=True)
    full = (*batch.shape, batch.reward.shape[1])
    try:
        return np.ascontiguousarray(np.broadcast_to(array, full)).reshape(batch.reward.shape)
    except ValueError as error:
        raise ValueError(
            f"{name} has shape {array.shape}, which does not broadcast to {full}."
        ) from error
