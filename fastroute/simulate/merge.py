"""Putting the accounts of all chunks together, in the order of the trials."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.simulate.engine import ChunkResult, Task
from fastroute.simulate.ledger import QUANTITIES
from fastroute.simulate.run import Moments

F8 = NDArray[np.float64]

#: A model of the optimum starves when it gets less than this share of the oracle's pulls.
STARVED = 0.01
#: Trials merged at a time: a constant, so that sums over trials do not depend on chunks.
BLOCK = 1024


def merge(
    task: Task, results: list[ChunkResult], trials: int, *, keep_curves: bool
) -> tuple[
    dict[str, NDArray[Any]],
    F8 | Moments,
    F8,
    NDArray[np.int16],
    NDArray[np.int16],
    list[str],
]:
    """Put together finals, curves, stage table, deployed sets, picks and warnings of a run."""
    finals = _finals(task, results)
    finals = {"trial": np.arange(trials), **finals}
    curves: F8 | Moments
    if keep_curves:
        curves = np.concatenate([r.ledger.curves for r in results], axis=1)
    else:
        curves = _moments([r.ledger.curves for r in results], trials)
    tables = [r.ledger.stage_table for r in results]
    if task.keep_sets:
        stages = np.concatenate(tables, axis=2)
        sets = np.concatenate([r.ledger.stage_sets for r in results], axis=1)
    else:
        total = sum(t.sum(axis=2) for t in tables)
        stages = (np.asarray(total) / trials)[:, :, None]
        sets = np.zeros((0, 0, 0), np.int16)
    picks = np.concatenate([r.trace for r in results], axis=1).T
    return finals, curves, stages, sets, picks, _warnings(task, finals)


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


def _moments(curves: list[F8], trials: int) -> Moments:
    """Mean and squared deviations, merged in blocks of fixed size (Chan et al. 1983)."""
    shape = (len(QUANTITIES), curves[0].shape[2])
    mean, square = np.zeros(shape), np.zeros(shape)
    done = 0
    for block in _blocks(curves, trials):
        count = block.shape[1]
        block_mean = block.mean(axis=1)
        delta = block_mean - mean
        together = done + count
        square += ((block - block_mean[:, None, :]) ** 2).sum(axis=1)
        square += delta**2 * (done * count / together)
        mean += delta * (count / together)
        done = together
    return Moments(mean, square)


def _blocks(curves: list[F8], trials: int) -> list[F8]:
    if all(c.shape[1] == BLOCK for c in curves[:-1]):
        return curves
    whole = np.concatenate(curves, axis=1)
    return [whole[:, start : start + BLOCK] for start in range(0, trials, BLOCK)]


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
