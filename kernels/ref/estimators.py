"""Estimators: what is believed of each model, renewed for the pulled one after every round.

A function here makes the passes of an estimator; ``EstimatorKernel.kernel`` is its name.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastroute.kernels.codes import STREAM_POSTERIOR
from fastroute.kernels.formulas.estimates import posterior
from fastroute.kernels.normal import normal
from fastroute.kernels.ref.formulas import formula
from fastroute.kernels.ref.outcomes import task_of
from fastroute.kernels.ref.passes import Pass, Trial
from fastroute.kernels.ref.rng import uniforms
from fastroute.kernels.types import Program


class EstimatorPasses(NamedTuple):
    """Passes of an estimator."""

    open: tuple[Pass, ...]  #: bounds of all deployed models when a stage opens
    observed: tuple[Pass, ...]  #: after a reward and a cost are known
    resample: tuple[Pass, ...] = ()  #: before the router sets shares
    #: Reads the query before the router sets shares; not where these are held for many queries.
    read_query: tuple[Pass, ...] = ()
    #: Whether bounds never change, so that what was solved once stays solved.
    fixed: bool = False
    #: Renew the bounds of a slot; None where they never change.
    renew: Callable[[Trial, int], None] | None = None


def elementwise(program: Program) -> EstimatorPasses:
    """Bounds that are a formula of what has been seen of the model."""
    part = program.estimator
    bounds = formula(part.bounds)

    def renew(trial: Trial, slot: int) -> None:
        trial.upper[slot], trial.lower[slot] = bounds(trial.seen[slot], *part.parameters)

    def open_(trial: Trial, now: int) -> None:
        for slot in range(len(trial.models)):
            renew(trial, slot)

    def renew_pulled(trial: Trial, now: int) -> None:
        renew(trial, trial.slot)

    return EstimatorPasses((open_,), (_observe(program), renew_pulled), renew=renew)


def sampled(program: Program) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are drawn from their posterior for each decision."""
    part = program.estimator

    def resample(trial: Trial, now: int) -> None:
        for slot, (count, sum_reward, *_) in enumerate(trial.seen):
            words = uniforms(program.seed, now, slot // 4, trial.number, STREAM_POSTERIOR)
            z = float(normal(np.array(words[slot % 4])))
            trial.upper[slot] = posterior(count, sum_reward, z, part.unobserved_below)

    return elementwise(program)._replace(resample=(resample,))


def by_task(program: Program) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are bounded for the task of the query."""
    part, law = program.estimator, program.reward
    bounds = formula(part.bounds)

    def look_up(trial: Trial, now: int) -> None:
        task = task_of(trial.u_task, law)
        for slot, model in enumerate(trial.models):
            count, sum_reward = (float(x) for x in trial.contexts[task, model])
            upper, _ = bounds((count, sum_reward, 0.0), *part.parameters)
            trial.upper[slot] = upper
            trial.mean_reward[slot] = float(law.table[task, model])

    def note(trial: Trial, now: int) -> None:
        model = trial.models[trial.slot]
        trial.contexts[task_of(trial.u_task, law), model] += 1.0, trial.reward

    found = elementwise(program)
    return found._replace(read_query=(look_up,), observed=(note, *found.observed))


def known_means(program: Program) -> EstimatorPasses:
    """Bounds that are the true means."""
    return EstimatorPasses((open_known,), (_observe(program),), fixed=True)


def open_known(trial: Trial, now: int) -> None:
    """Take the true means for the bounds."""
    trial.upper, trial.lower = list(trial.mean_reward), list(trial.mean_cost)


def _observe(program: Program) -> Pass:
    """Pass that counts the observation of the pulled model."""
    part = program.estimator
    count = formula(part.observe)

    def observe(trial: Trial, now: int) -> None:
        seen = trial.seen[trial.slot]
        trial.seen[trial.slot] = count(seen, trial.reward, trial.cost, *part.parameters)

    return observe
