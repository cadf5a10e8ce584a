"""What several deployers do: pose a stage to the solvers, and deploy the best by a score."""

from typing import Literal

import numpy as np

from fastroute.policies.stage import F8, Choice, StageProblem, rule_choice
from fastroute.solve.validate import Batch

#: Use of slots that the deployment optimum leaves empty.
Fill = Literal["reduced_cost", "none", "ucb", "least_pulled"]


def make_batch(problem: StageProblem, reward: F8, cost: F8) -> Batch:
    """Pose the problem of a stage with these rewards and costs to the solvers."""
    count = len(reward)
    return Batch(
        (count,),
        # Always copies: a read-only view would be another type, and compiled once more.
        np.array(reward, order="C"),
        np.array(cost, order="C"),
        np.array(np.broadcast_to(problem.limit, reward.shape), order="C"),
        np.full(count, problem.budget),
    )


def deploy_highest(problem: StageProblem, score: F8, price: F8 | None = None) -> Choice:
    """Deploy the models of highest score; ties by higher U, lower L, lower index."""
    index = np.broadcast_to(np.arange(score.shape[1]), score.shape)
    absent = np.broadcast_to(problem.limit <= 0.0, score.shape)
    order = np.lexsort((index, problem.lower, -problem.upper, -_merge_ties(score), absent), axis=1)
    deployed = np.zeros(score.shape, np.bool_)
    np.put_along_axis(deployed, order[:, : problem.max_deployed], True, axis=1)
    return rule_choice(deployed & ~absent, price)


def _merge_ties(score: F8) -> F8:
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
