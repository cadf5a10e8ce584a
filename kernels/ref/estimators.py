"""Estimators: what is believed of each model, renewed for the pulled one after every round.

A function here makes the passes of an estimator; ``EstimatorKernel.kernel`` is its name.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastroute.kernels.codes import STREAM_POSTERIOR
from fastroute.kernels.formulas.estimates import posterior
from fastroute.kernels.formulas.ridge import ridge_inverse, ridge_theta, ridge_upper
from fastroute.kernels.normal import normal
from fastroute.kernels.ref.formulas import formula
from fastroute.kernels.ref.outcomes import row_of
from fastroute.kernels.ref.passes import Pass, Trial
from fastroute.kernels.ref.rng import uniforms
from fastroute.kernels.types import F8, FEATURE_BLOCK, Program


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
            z = _normal_of(program, trial, slot, now)
            trial.upper[slot] = posterior(count, sum_reward, z, part.unobserved_below)

    return elementwise(program)._replace(resample=(resample,))


def _normal_of(program: Program, trial: Trial, slot: int, now: int) -> float:
    """Return the standard normal draw of a slot in a round."""
    words = uniforms(program.seed, now, slot // 4, trial.number, STREAM_POSTERIOR)
    return float(normal(np.array(words[slot % 4])))


def by_task(program: Program) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are bounded for the task of the query."""
    part, law = program.estimator, program.reward
    bounds = formula(part.bounds)

    def look_up(trial: Trial, now: int) -> None:
        for slot, model in enumerate(trial.models):
            count, sum_reward = (float(x) for x in trial.contexts[trial.row, model])
            trial.upper[slot], _ = bounds((count, sum_reward, 0.0), *part.parameters)

    def note(trial: Trial, now: int) -> None:
        model = trial.models[trial.slot]
        trial.contexts[row_of(trial, law, now), model] += 1.0, trial.reward

    found = elementwise(program)
    return found._replace(read_query=(look_up,), observed=(note, *found.observed))


def by_features(program: Program) -> EstimatorPasses:
    """As :func:`elementwise`, but rewards are bounded for the features of the query."""
    part = program.estimator
    beta = part.parameters[-1]

    def look_up(trial: Trial, now: int) -> None:
        for slot, (mean, square) in enumerate(_predictions(program, trial)):
            count = trial.seen[slot][0]
            trial.upper[slot] = ridge_upper(mean, square, count, beta, part.unobserved_below)

    return _by_ridge(program, look_up)


def sampled_by_features(program: Program) -> EstimatorPasses:
    """As :func:`by_features`, but rewards are drawn from the normal law of the regression."""
    part = program.estimator
    deviation = part.parameters[-1]

    def look_up(trial: Trial, now: int) -> None:
        for slot, (mean, square) in enumerate(_predictions(program, trial)):
            z = _normal_of(program, trial, slot, now)
            count = trial.seen[slot][0]
            trial.upper[slot] = ridge_upper(
                mean, square, count, deviation * z, part.unobserved_below
            )

    return _by_ridge(program, look_up)


def _by_ridge(program: Program, look_up: Pass) -> EstimatorPasses:
    """Return the passes of an estimator that regresses rewards on the features of queries."""
    law = program.reward

    def note(trial: Trial, now: int) -> None:
        learn_ridge(
            trial.contexts[trial.models[trial.slot]],
            law.features[row_of(trial, law, now)],
            trial.reward,
        )

    found = elementwise(program)
    return found._replace(read_query=(look_up,), observed=(note, *found.observed))


def _predictions(program: Program, trial: Trial) -> list[tuple[float, float]]:
    """Return ``theta'x`` and ``x'P x`` of every deployed model."""
    x = program.reward.features[trial.row]
    found = []
    for model in trial.models:
        kept = trial.contexts[model]
        found.append((_dot(kept[-1], x), _dot(_times(kept[:-1], x), x)))
    return found


def learn_ridge(kept: F8, x: F8, reward: float) -> None:
    """Let P and theta of a model, [d + 1, d], follow a reward, in place."""
    inverse, theta = kept[:-1], kept[-1]
    z = _times(inverse, x)
    share = 1.0 / (1.0 + _dot(z, x))
    error = reward - _dot(theta, x)
    inverse[:] = ridge_inverse(inverse, z[:, None], z[None, :], share)
    theta[:] = ridge_theta(theta, z, error, share)


def _times(inverse: F8, x: F8) -> F8:
    """Return ``P x``: the sums of every fourth term, and then their sum."""
    a, b, c, e = np.zeros((4, len(x)))
    for i in range(0, len(x), 4):
        a = a + inverse[i] * x[i]
        b = b + inverse[i + 1] * x[i + 1]
        c = c + inverse[i + 2] * x[i + 2]
        e = e + inverse[i + 3] * x[i + 3]
    total: F8 = (a + b) + (c + e)
    return total


def _dot(y: F8, x: F8) -> float:
    """Return ``y'x``: the sums of every eighth term, and then their sum by pairs."""
    parts = np.zeros(FEATURE_BLOCK)
    for term in (y * x).reshape(-1, FEATURE_BLOCK):
        parts = parts + term
    a, b, c, d, e, f, g, h = parts.tolist()
    return float(((a + b) + (c + d)) + ((e + f) + (g + h)))


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
