"""Putting the accounts of all chunks together, in the order of the trials."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.types import ModelNumbers
from fastroute.policies import Policy
from fastroute.scenarios import Scenario
from fastroute.simulation.blocks import (
    Models,
    Moments,
    block_curves,
    block_models,
    block_stages,
    concatenate_moments,
    merge_moments,
    merge_stages,
)
from fastroute.simulation.columns import NEAR_ZERO
from fastroute.simulation.engine import ChunkResult, Task
from fastroute.simulation.frames import mean_with_margin
from fastroute.simulation.ledger import STARVED
from fastroute.simulation.plan import Plan
from fastroute.simulation.run import Run

F8 = NDArray[np.float64]

# Parts that are joined at once.
_JOINED = 16
# Below the 97.5 % quantile of the normal law, and so of every Student law.
_NORMAL: Final = 1.95


class Accounts(NamedTuple):
    """What is kept of some trials, in order, before it is summed up over trials."""

    finals: dict[str, NDArray[Any]]  #: columns of ``Run.trials``, [trials]
    curves: F8 | Moments  #: [quantity, trials, checkpoint], or moments of blocks of trials
    stages: F8  #: [column, stage, trials], or sums over blocks of trials
    sets: ModelNumbers | None  #: [stage, trials, slots]; None when ``stages`` holds sums
    picks: ModelNumbers  #: [rounds, trials], empty unless traced
    models: Models
    pools: int  #: pools of models over the run
    late_pools: NDArray[np.int64]  #: those after the first that no distribution serves, [trials]

    @property
    def trials(self) -> int:
        """Number of trials."""
        return len(self.finals["trial"])

    def reduced(self, *, curves: bool, stages: bool) -> "Accounts":
        """Return the same with curves as moments and stages as sums, where that is asked for.

        The first trial must be the first of a block.
        """
        kept = self
        if curves and not isinstance(kept.curves, Moments):
            kept = kept._replace(curves=block_curves(kept.curves))
        if stages and kept.sets is not None:
            models = kept.models._replace(values=block_models(kept.models.values))
            kept = kept._replace(stages=block_stages(kept.stages), sets=None, models=models)
        return kept


def collect(task: Task, results: list[ChunkResult], first_trial: int = 0) -> Accounts:
    """Put the results of chunks together whose trials start at ``first_trial``."""
    parts = []
    first = first_trial
    status = task.optimum.status
    late = (status[1:] != 0).sum(axis=0)
    world = task.world
    for result in results:
        rows = task.instances(first, result.trials)
        parts.append(
            Accounts(
                finals={"trial": np.arange(first, first + result.trials), **result.finals},
                curves=result.curves,
                stages=result.stages,
                sets=result.sets,
                picks=result.trace,
                models=Models(task.names, world.arrival, world.retirement, result.models),
                pools=len(status),
                late_pools=np.array(np.broadcast_to(late[rows], result.trials)),
            )
        )
        first += result.trials
    return concatenate(parts)


def concatenate(parts: list[Accounts]) -> Accounts:
    """Put accounts one behind the other, in the order of their trials and of one kind."""
    whole = [part.curves for part in parts if isinstance(part.curves, np.ndarray)]
    moments = [part.curves for part in parts if isinstance(part.curves, Moments)]
    sets = [part.sets for part in parts if part.sets is not None]
    return Accounts(
        finals={name: np.concatenate([p.finals[name] for p in parts]) for name in parts[0].finals},
        curves=concatenate_moments(moments) if moments else np.concatenate(whole, axis=1),
        stages=np.concatenate([part.stages for part in parts], axis=2),
        sets=np.concatenate(sets, axis=1) if sets else None,
        picks=np.concatenate([part.picks for part in parts], axis=1),
        models=parts[0].models._replace(
            values=np.concatenate([part.models.values for part in parts], axis=-1)
        ),
        pools=parts[0].pools,
        late_pools=np.concatenate([part.late_pools for part in parts]),
    )


def concatenate_all(parts: Iterable[Accounts]) -> Accounts | None:
    """Join the accounts of very many parts as they come; None when there are none.

    Few are held at a time: sixteen of a size are joined to one of the next size.
    """
    waiting: list[list[Accounts]] = [[]]
    for part in parts:
        waiting[0].append(part)
        for size, held in enumerate(waiting):
            if len(held) == _JOINED:
                if size + 1 == len(waiting):
                    waiting.append([])
                waiting[size + 1].append(concatenate(held))
                held.clear()
    # The largest hold the first trials.
    left = [part for held in reversed(waiting) for part in held]
    return concatenate(left) if left else None


def make_run(
    scenario: Scenario,
    policy: Policy,
    settings: dict[str, Any],
    plan: Plan,
    accounts: Accounts,
    seconds: float,
) -> Run:
    """Sum the accounts of a run up over its trials."""
    curves, stages, sets = merge_trials(accounts)
    return Run(
        scenario=scenario,
        policy=policy,
        settings=settings,
        plan=plan,
        finals=accounts.finals,
        curve_array=curves,
        stage_array=stages,
        stage_sets=sets,
        picks=accounts.picks.T,
        model_account=accounts.models,
        seconds=seconds,
        warnings=warnings(
            accounts,
            plan.horizon,
            settings["budget"],
            policy.estimator.name,
            scenario.never_learnt(plan.horizon),
        ),
    )


def merge_trials(accounts: Accounts) -> tuple[F8 | Moments, F8, ModelNumbers]:
    """Return ``curve_array``, ``stage_array`` and ``stage_sets`` of a run."""
    trials, curves = accounts.trials, accounts.curves
    return (
        merge_moments(curves, trials) if isinstance(curves, Moments) else curves,
        merge_stages(accounts.stages, trials) if accounts.sets is None else accounts.stages,
        np.zeros((0, 0, 0), np.int16) if accounts.sets is None else accounts.sets,
    )


def warnings(
    accounts: Accounts, horizon: int, budget: float, estimator: str, never_learnt: Mapping[str, str]
) -> list[str]:
    """Return what a reader of the numbers must know.

    Parameters
    ----------
    accounts : Accounts
    horizon : int
    budget : float
    estimator : str
        Name of the policy's.
    never_learnt : mapping of str to str
        As :meth:`Scenario.never_learnt` returns it.
    """
    found = []
    finals = accounts.finals
    late = accounts.late_pools
    if late.any():
        most = "" if (late == late[0]).all() else "up to "
        found.append(
            f"In {most}{late.max()} of {accounts.pools} pools no distribution meets the "
            "budget or the limits even under the true means; their value is that of the fallback."
        )
    rounds = accounts.trials * horizon
    for name, what in (
        ("over_budget_rounds", "no distribution over the deployed models met the budget"),
        (
            "no_capacity_rounds",
            "the deployed models could not carry all traffic; what they serve beyond their limits "
            "is not charged, so regret can fall below zero",
        ),
    ):
        share = float(finals[name].sum()) / rounds
        if share > 0.0:
            found.append(f"In {share:.2%} of the rounds {what}.")
    # An estimator that knows the truth overspends and starves by chance alone.
    if estimator == "truth":
        return found
    found += _overspending(finals, budget)
    found += _below_zero(finals)
    found += [
        f"No {what} is learnt within the horizon: {why}." for what, why in never_learnt.items()
    ]
    starving = float((finals["starved"] > 0).mean())
    # What nobody learns, no exploration finds.
    if starving > 0.0 and not never_learnt:
        found.append(
            f"Starvation in {starving:.1%} of the trials: a model of the true optimum got less "
            f"than {STARVED:.0%} of the pulls the oracle gives it. A larger gamma explores more."
        )
    return found


def _overspending(finals: dict[str, NDArray[Any]], budget: float) -> list[str]:
    """Say where the mean cost is above the budget, its whole 95 % interval included."""
    for name, when, then in (
        ("cost", "", "Compare the priced regret, which charges it."),
        (
            "late_cost",
            " over the last half of the stages, after a cheaper start",
            "A longer run would overspend.",
        ),
    ):
        found = above_bound(finals[name], budget)
        if found is not None and found[0] - found[1] > budget:
            mean, half = found
            ends = f"{mean / budget - 1.0:.2%} (± {half / budget:.2%})" if budget else f"{mean:.3g}"
            return [f"The mean cost is {ends} above the budget{when}. {then}"]
    return []


def above_bound(x: F8, bound: float) -> tuple[float, float] | None:
    """Return the mean and half its 95 % interval where all of that is at a bound or above it.

    Student's quantile is above that of the normal law, which needs no SciPy: to import that takes
    as long as a short run, and is hardly ever needed.
    """
    mean, count = float(x.mean()), len(x)
    if count < 2 or mean - _NORMAL * float(x.std(ddof=1) / np.sqrt(count)) < bound:
        return None
    mean, _, half = mean_with_margin(x)
    return None if half is None or mean - half < bound else (mean, half)


def _below_zero(finals: dict[str, NDArray[Any]]) -> list[str]:
    """Say where the priced regret is below zero, its whole 95 % interval included."""
    if above_bound(-finals["priced_regret"], NEAR_ZERO) is None:
        return []
    return [
        "The priced regret is below zero: over time the policy mixed more models, moved spending "
        "from early to late rounds, served more than the limits allow, or looked at the query, "
        "which the optimum of a single round may not."
    ]
