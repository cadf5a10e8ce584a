"""Estimators: what is believed of each model, renewed for the pulled one after every round.

A function here makes the steps of an estimator; ``EstimatorKernel.kernel`` is its name.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from fastroute.kernels.codes import STREAM_POSTERIOR
from fastroute.kernels.formulas.estimates import posterior
from fastroute.kernels.formulas.ridge import ridge_upper
from fastroute.kernels.jax_ import ridge
from fastroute.kernels.jax_.layout import Fixed, Lanes, Numbers, Tables
from fastroute.kernels.jax_.rng import uniforms
from fastroute.kernels.normal import BITS, NORMAL
from fastroute.kernels.types import F8, EstimatorKernel

Pair = tuple[Any, Any]


class Asked(NamedTuple):
    """A round of every lane, as an estimator that reads queries sees it."""

    row: Any  #: of the query in the tables, [lanes]
    now: Any
    trial: Any  #: [lanes]
    numbers: Numbers
    tables: Tables


class QuerySteps(NamedTuple):
    """Steps of an estimator that reads the query before it is routed."""

    #: Parts of ``Memory.contexts`` as views [trials, N, ...], as ``Lanes.contexts`` has them.
    parts: Callable[[F8], tuple[F8, ...]]
    #: Upper bounds for the query, and what ``note`` needs of it, from lanes and query.
    look_up: Callable[[Lanes, Asked], tuple[Any, Any]]
    #: The contexts after the rewards: lanes, what was looked up, slots of the pulls, rewards.
    note: Callable[[Lanes, Any, Any, Any], tuple[Any, ...]]


class EstimatorSteps(NamedTuple):
    """Steps of an estimator."""

    #: Bounds of all deployed models when a stage opens, from what was seen of them.
    open: Callable[[tuple[Any, ...], Fixed, Numbers, Any], Pair]
    #: Bounds of one model of every lane, from what was seen of it; None where they never change.
    renew: Callable[[tuple[Any, ...], Numbers, Any], Pair] | None
    #: Upper bounds for a decision of the router, from lanes, numbers, round and trials.
    prepare: Callable[[Lanes, Numbers, Any, Any], Any] | None = None
    queries: QuerySteps | None = None  #: None for one that does not read them


def elementwise(part: EstimatorKernel) -> EstimatorSteps:
    """Bounds that are a formula of what has been seen of the model."""

    def renew(seen: tuple[Any, ...], numbers: Numbers, dtype: Any) -> Pair:
        upper, lower = part.bounds(tuple(x.astype(dtype) for x in seen), *numbers.bounds)
        shape = seen[0].shape
        return (
            jnp.broadcast_to(jnp.asarray(upper, dtype), shape),
            jnp.broadcast_to(jnp.asarray(lower, dtype), shape),
        )

    def open_(seen: tuple[Any, ...], fixed: Fixed, numbers: Numbers, dtype: Any) -> Pair:
        return renew(seen, numbers, dtype)

    return EstimatorSteps(open_, renew)


def sampled(part: EstimatorKernel) -> EstimatorSteps:
    """As :func:`elementwise`, but rewards are drawn from their posterior for each decision."""

    def prepare(lanes: Lanes, numbers: Numbers, now: Any, trial: Any) -> Any:
        dtype = lanes.upper.dtype
        normal = _normal(len(lanes.upper), numbers, now, trial)
        count, sum_reward, normal = (x.astype(dtype) for x in (*lanes.seen[:2], normal))
        return posterior(count, sum_reward, normal, numbers.unobserved_below)

    return elementwise(part)._replace(prepare=prepare)


def _normal(slots: int, numbers: Numbers, now: Any, trial: Any) -> Any:
    """Return a standard normal number for every slot, [slots, lanes]."""
    index = jnp.arange(-(-slots // 4))[:, None]
    four = uniforms(numbers.key, now, index, trial, STREAM_POSTERIOR)
    table = jnp.stack(four, axis=1).reshape(-1, len(trial))[:slots]
    return jnp.asarray(NORMAL)[(table * (1 << BITS)).astype(jnp.int32)]


def by_task(part: EstimatorKernel) -> EstimatorSteps:
    """As :func:`elementwise`, but rewards are bounded for the task of the query."""

    def parts(contexts: F8) -> tuple[F8, ...]:
        by_model = contexts.swapaxes(1, 2)
        return by_model[..., 0], by_model[..., 1]

    def look_up(lanes: Lanes, asked: Asked) -> tuple[Any, Any]:
        row = asked.row[None, :, None]
        count, sum_reward = (
            jnp.take_along_axis(x, row, axis=2, mode="clip")[:, :, 0].astype(lanes.upper.dtype)
            for x in lanes.contexts
        )
        none = jnp.zeros_like(count)
        upper, _ = part.bounds((count, sum_reward, none), *asked.numbers.bounds)
        return upper, asked.row

    def note(lanes: Lanes, row: Any, slot: Any, reward: Any) -> tuple[Any, ...]:
        counts, rewards = lanes.contexts
        # Where nothing is pulled, the slot is one too many, and what is added there is dropped.
        pulled = slot, jnp.arange(len(slot)), row
        return (
            counts.at[pulled].add(1.0, mode="drop", unique_indices=True),
            rewards.at[pulled].add(reward, mode="drop", unique_indices=True),
        )

    return elementwise(part)._replace(queries=QuerySteps(parts, look_up, note))


def by_features(part: EstimatorKernel) -> EstimatorSteps:
    """As :func:`elementwise`, but rewards are bounded for the features of the query."""

    def width(lanes: Lanes, asked: Asked) -> Any:
        return asked.numbers.seen[-1]

    return _by_ridge(part, width)


def sampled_by_features(part: EstimatorKernel) -> EstimatorSteps:
    """As :func:`by_features`, but rewards are drawn from the normal law of the regression."""

    def width(lanes: Lanes, asked: Asked) -> Any:
        normal = _normal(len(lanes.upper), asked.numbers, asked.now, asked.trial)
        return asked.numbers.seen[-1] * normal

    return _by_ridge(part, width)


def _by_ridge(part: EstimatorKernel, width: Callable[[Lanes, Asked], Any]) -> EstimatorSteps:
    """Return the steps of an estimator that regresses rewards on the features of queries."""

    def parts(contexts: F8) -> tuple[F8, ...]:
        return contexts[:, :, :-1], contexts[:, :, -1]

    def look_up(lanes: Lanes, asked: Asked) -> tuple[Any, Any]:
        inverse, theta = lanes.contexts
        found = ridge.predict(inverse, theta, asked.tables.features[asked.row])
        below = asked.numbers.unobserved_below
        upper = ridge_upper(found.mean, found.square, lanes.seen[0], width(lanes, asked), below)
        return upper.astype(lanes.upper.dtype), found

    def note(lanes: Lanes, found: Any, slot: Any, reward: Any) -> tuple[Any, ...]:
        inverse, theta = lanes.contexts
        return ridge.follow(inverse, theta, found, slot, reward)

    return elementwise(part)._replace(queries=QuerySteps(parts, look_up, note))


def known_means(part: EstimatorKernel) -> EstimatorSteps:
    """Make the true means the bounds, for good."""
    del part

    def open_(seen: tuple[Any, ...], fixed: Fixed, numbers: Numbers, dtype: Any) -> Pair:
        return fixed.mean_reward.astype(dtype), fixed.mean_cost.astype(dtype)

    return EstimatorSteps(open_, None)
