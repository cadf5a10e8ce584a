"""Deployers: which models a policy deploys when a stage opens.

``mip``
    The exact deployment problem on the bounds; empty slots by the fill rule (Li & Li 2025,
    arXiv 2506.17254).
``truth``
    The same on the true means, without fill: the set of the optimum.
``top``
    The M_max models of highest ``U - lam L``, with ``lam`` the budget price of the LP relaxation.
``newest``
    The M_max models that arrived last.
``least_pulled``
    The M_max models with fewest observations.
``random``
    M_max models drawn uniformly.
``static``
    What ``mip`` chooses in the first stage, for good; retired models are not replaced.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.solve.deployment import FILL_RULES, deploy, fill_slots
from fastroute.solve.validate import Batch

F8 = NDArray[np.float64]
Mask = NDArray[np.bool_]


class StageProblem(NamedTuple):
    """What a deployer may look at when a stage opens, for a batch of B trials."""

    upper: F8  #: bounds on the reward (the true means for the oracle estimator), [B, N]
    lower: F8  #: bounds on the cost, [B, N]
    reward_mean: F8  #: true means, [R, N] with R = 1 or B
    cost_mean: F8  #: [R, N]
    limit: F8  #: throughput limits, 0 for models not available, [N]
    arrival: NDArray[np.int64]  #: [N]
    pulls: F8  #: observations so far, [B, N]
    previous: Mask  #: set of the last stage, [B, N]
    first: bool  #: whether this is the first stage
    uniforms: Callable[[], F8]  #: draws of this stage, [B, N]
    budget: float  #: margin already taken off
    charge: float  #: per-round charge for a newly deployed model
    max_deployed: int
    fill: str  #: rule for empty slots
    backend: str


class Choice(NamedTuple):
    """Deployed sets of a batch of B trials and how they were found."""

    deployed: Mask  #: [B, N]
    budget_price: F8  #: of the LP relaxation on the policy's bounds, [B]
    gap: F8  #: [B]
    method: NDArray[np.int64]  #: [B]
    status: NDArray[np.int64]  #: [B]


def mip(problem: StageProblem) -> Choice:
    """Exact deployment on the bounds, then the fill rule."""
    batch = _batch(problem, problem.upper, problem.lower)
    charge = np.where(problem.previous, 0.0, problem.charge)
    answer = deploy(batch, charge, problem.max_deployed, backend=problem.backend)
    deployed = fill_slots(
        answer.deployed,
        batch,
        answer.budget_price,
        problem.pulls,
        problem.max_deployed,
        FILL_RULES[problem.fill],
        problem.backend,
    )
    return Choice(deployed, answer.budget_price, answer.gap, answer.method, answer.status)


def truth(problem: StageProblem) -> Choice:
    """Exact deployment on the true means."""
    batch = _batch(problem, problem.reward_mean, problem.cost_mean)
    count = len(problem.upper)
    # Where all trials share one instance, it is solved once (a charge depends on the trial).
    if problem.charge > 0.0 and len(batch.reward) < count:
        batch = _batch(
            problem,
            np.repeat(problem.reward_mean, count, axis=0),
            np.repeat(problem.cost_mean, count, axis=0),
        )
    charge = np.where(problem.previous[: len(batch.reward)], 0.0, problem.charge)
    answer = deploy(batch, charge, problem.max_deployed, backend=problem.backend)
    times = count // len(batch.reward)
    return Choice(
        np.repeat(answer.deployed, times, axis=0),
        np.repeat(answer.budget_price, times),
        np.repeat(answer.gap, times),
        np.repeat(answer.method, times),
        np.repeat(answer.status, times),
    )


def top(problem: StageProblem) -> Choice:
    """Best models by ``U - lam L``."""
    price = _relaxation_price(problem)
    return _ranked(problem, problem.upper - price[:, None] * problem.lower, price)


def newest(problem: StageProblem) -> Choice:
    """Latest arrivals first."""
    score = np.broadcast_to(problem.arrival.astype(np.float64), problem.upper.shape)
    return _ranked(problem, score)


def least_pulled(problem: StageProblem) -> Choice:
    """Fewest observations first."""
    return _ranked(problem, -problem.pulls)


def random(problem: StageProblem) -> Choice:
    """Uniformly drawn sets."""
    return _ranked(problem, problem.uniforms())


def static(problem: StageProblem) -> Choice:
    """Keep the first stage's choice, as far as it is still available."""
    if problem.first:
        return mip(problem)
    return _by_rule(problem.previous & (problem.limit > 0.0), np.zeros(len(problem.upper)))


DEPLOYERS: Final[dict[str, Callable[[StageProblem], Choice]]] = {
    "mip": mip,
    "top": top,
    "newest": newest,
    "least_pulled": least_pulled,
    "random": random,
    "static": static,
    "truth": truth,
}


def _batch(problem: StageProblem, reward: F8, cost: F8) -> Batch:
    count = len(reward)
    return Batch(
        (count,),
        # Always copies: a read-only view would be another type, and compiled once more.
        np.array(reward, order="C"),
        np.array(cost, order="C"),
        np.array(np.broadcast_to(problem.limit, reward.shape), order="C"),
        np.full(count, problem.budget),
    )


def _relaxation_price(problem: StageProblem) -> F8:
    from fastroute.solve.routing import route

    return route(_batch(problem, problem.upper, problem.lower), problem.backend).budget_price


def _ranked(problem: StageProblem, score: F8, price: F8 | None = None) -> Choice:
    """Models of highest score; ties by higher U, lower L, lower index."""
    index = np.broadcast_to(np.arange(score.shape[1]), score.shape)
    absent = np.broadcast_to(problem.limit <= 0.0, score.shape)
    order = np.lexsort((index, problem.lower, -problem.upper, -_grouped(score), absent), axis=1)
    deployed = np.zeros(score.shape, np.bool_)
    np.put_along_axis(deployed, order[:, : problem.max_deployed], True, axis=1)
    return _by_rule(deployed & ~absent, np.zeros(len(score)) if price is None else price)


def _grouped(score: F8) -> F8:
    """Give scores that differ by rounding alone one value.

    At the budget price the two marginal models of the LP are worth the same on paper.
    """
    order = np.argsort(score, axis=1)
    ranked = np.take_along_axis(score, order, axis=1)
    apart = np.diff(ranked, axis=1) > 1e-12 * np.maximum(1.0, np.abs(ranked[:, 1:]))
    group = np.concatenate([np.zeros((len(score), 1)), np.cumsum(apart, axis=1)], axis=1)
    grouped = np.empty_like(group)
    np.put_along_axis(grouped, order, group, axis=1)
    return grouped


def _by_rule(deployed: Mask, price: F8) -> Choice:
    count = len(deployed)
    return Choice(
        deployed,
        price,
        np.zeros(count),
        np.full(count, codes.RULE, np.int64),
        np.zeros(count, np.int64),
    )
