"""Estimators: what is believed of the models of a trial.

A function here makes an estimator; ``EstimatorKernel.kernel`` is its name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastroute.kernels.codes import STREAM_POSTERIOR
from fastroute.kernels.formulas.estimates import posterior
from fastroute.kernels.normal import normal
from fastroute.kernels.ref.outcomes import task_of
from fastroute.kernels.ref.rng import uniforms
from fastroute.kernels.ref.trial import Trial
from fastroute.kernels.types import Program


def _nothing(trial: Trial, *_: float) -> None:
    pass


@dataclass(frozen=True)
class Estimator:
    """The steps of an estimator, each on one trial."""

    open: Callable[[Trial], None]  #: bounds of all deployed models when a stage opens
    observe: Callable[[Trial, int, float, float], None]  #: slot, reward and cost of a round
    #: Before the router sets shares: the round, and the uniform number of the query.
    prepare: Callable[[Trial, int, float], None] = _nothing
    #: Whether bounds and means change with every query.
    reads_queries: bool = False
    #: Whether bounds never change, so that what was solved once stays solved.
    fixed: bool = False


def elementwise(program: Program) -> Estimator:
    """Bounds that are a formula of what has been seen of the model."""
    part = program.estimator

    def renew(trial: Trial, slot: int) -> None:
        trial.upper[slot], trial.lower[slot] = part.bounds(trial.seen[slot], *part.parameters)

    def open_(trial: Trial) -> None:
        for slot in range(len(trial.models)):
            renew(trial, slot)

    def observe(trial: Trial, slot: int, reward: float, cost: float) -> None:
        trial.seen[slot] = part.observe(trial.seen[slot], reward, cost, *part.parameters)
        renew(trial, slot)

    return Estimator(open_, observe)


def sampled(program: Program) -> Estimator:
    """As :func:`elementwise`, but rewards are drawn from their posterior for each decision."""
    part = program.estimator
    renewed = elementwise(program)

    def prepare(trial: Trial, now: int, u_task: float) -> None:
        for slot, (count, sum_reward, *_) in enumerate(trial.seen):
            four = uniforms(program.seed, now, slot // 4, trial.number, STREAM_POSTERIOR)
            drawn = float(normal(np.array(four[slot % 4])))
            trial.upper[slot] = posterior(count, sum_reward, drawn, part.unobserved_below)

    return Estimator(renewed.open, renewed.observe, prepare)


def by_task(program: Program) -> Estimator:
    """As :func:`elementwise`, but rewards are bounded for the task of the query."""
    part, law = program.estimator, program.reward
    renewed = elementwise(program)

    def prepare(trial: Trial, now: int, u_task: float) -> None:
        trial.task = task_of(u_task, law)
        for slot, model in enumerate(trial.models):
            count, total = (float(x) for x in trial.contexts[trial.task, model])
            trial.upper[slot], _ = part.bounds((count, total, 0.0), *part.parameters)
            trial.mean_reward[slot] = float(law.table[trial.task, model])

    def observe(trial: Trial, slot: int, reward: float, cost: float) -> None:
        if trial.task >= 0:
            trial.contexts[trial.task, trial.models[slot]] += 1.0, reward
        renewed.observe(trial, slot, reward, cost)

    return Estimator(renewed.open, observe, prepare, reads_queries=True)


def known_means(program: Program) -> Estimator:
    """The true means."""
    part = program.estimator

    def open_(trial: Trial) -> None:
        trial.upper, trial.lower = list(trial.mean_reward), list(trial.mean_cost)

    def observe(trial: Trial, slot: int, reward: float, cost: float) -> None:
        trial.seen[slot] = part.observe(trial.seen[slot], reward, cost, *part.parameters)

    return Estimator(open_, observe, fixed=True)
