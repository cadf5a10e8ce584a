"""Putting the accounts of all chunks together, in the order of the trials."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.simulate.blocks import Moments, merge_moments, merge_stages
from fastroute.simulate.engine import ChunkResult, Task

F8 = NDArray[np.float64]

#: A model of the optimum starves when it gets less than this share of the oracle's pulls.
STARVED = 0.01


class Merged(NamedTuple):
    """Fields of a :class:`~fastroute.simulate.run.Run`."""

    finals: dict[str, NDArray[Any]]
    curve_array: F8 | Moments
    stage_array: F8
    stage_sets: NDArray[np.int16]
    picks: NDArray[np.int16]
    warnings: list[str]


def merge(task: Task, results: list[ChunkResult], trials: int) -> Merged:
    """Put together finals, curves, stage table, deployed sets, picks and warnings of a run."""
    finals = {"trial": np.arange(trials), **_finals(task, results)}
    whole = [r.curves for r in results if isinstance(r.curves, np.ndarray)]
    parts = [r.curves for r in results if isinstance(r.curves, Moments)]
    if task.keep_stages:
        stages = np.concatenate([r.stages for r in results], axis=2)
        sets = np.concatenate([r.ledger.stage_sets for r in results], axis=1)
    else:
        stages = merge_stages([r.stages for r in results], trials)
        sets = np.zeros((0, 0, 0), np.int16)
    return Merged(
        finals,
        np.concatenate(whole, axis=1) if task.keep_curves else merge_moments(parts, trials),
        stages,
        sets,
        np.concatenate([r.trace for r in results], axis=1).T,
        _warnings(task, finals),
    )


def _finals(task: Task, results: list[ChunkResult]) -> dict[str, NDArray[Any]]:
    rows = []
    first = 0
    horizon = task.plan.horizon
    for result in results:
        book = result.ledger
        regret = book.discovery + book.deployment + book.routing
        rows.append(
            {
                "regret": regret,
                "discovery": book.discovery,
                "deployment": book.deployment,
                "routing": book.routing,
                "noise": book.noise,
                "realised_regret": regret + book.noise,
                "priced_regret": book.priced,
                "reward": book.reward / horizon,
                "cost": book.cost / horizon,
                "violation": np.maximum(book.cost - task.budget * horizon, 0.0),
                "worst_stage_violation": book.worst_violation,
                "starved": _starved(task, result, first),
                "over_budget_rounds": book.over_budget.astype(np.int64),
                "no_capacity_rounds": book.no_capacity.astype(np.int64),
                "over_budget_stages": book.over_budget_stages.astype(np.int64),
                "deployments": book.deployments.astype(np.int64),
                "deploy_cost": book.deployments * task.deploy_cost,
            }
        )
        first += book.trials
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _starved(task: Task, result: ChunkResult, first: int) -> NDArray[np.int64]:
    """Models of the true optimum that got under 1 % of the pulls the oracle gives them."""
    weight = task.optimum.weight
    oracle = sum(s.rounds * weight[s.pool] for s in task.plan.stages)  # [R, N]
    trials = result.pulls.shape[1]
    mine = np.asarray(oracle)
    if len(mine) > 1:
        mine = mine[first : first + trials]
    wanted = mine >= 1.0
    return (wanted & (result.pulls.T < STARVED * mine)).sum(axis=1)


def _warnings(task: Task, finals: dict[str, NDArray[Any]]) -> list[str]:
    found = []
    late = [p for p in range(1, len(task.plan.pools)) if (task.optimum.status[p] != 0).any()]
    if late:
        found.append(
            f"In {len(late)} of {len(task.plan.pools)} pools no distribution meets the budget or "
            "the limits even under the true means; their value is that of the fallback."
        )
    rounds = len(finals["trial"]) * task.plan.horizon
    for name, what in (
        ("over_budget_rounds", "no distribution over the deployed models met the budget"),
        ("no_capacity_rounds", "the deployed models could not carry all traffic"),
    ):
        share = float(finals[name].sum()) / rounds
        if share > 0.0:
            found.append(f"In {share:.2%} of the rounds {what}.")
    starving = float((finals["starved"] > 0).mean())
    if starving > 0.0 and task.rules.estimator != codes.ESTIMATOR_TRUTH:
        found.append(
            f"Starvation in {starving:.1%} of the trials: a model of the true optimum got less "
            f"than {STARVED:.0%} of the pulls the oracle gives it. A larger gamma explores more."
        )
    return found
