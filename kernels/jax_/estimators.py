"""Estimators: what is believed of each model, renewed for the pulled one after every round.

A function here makes the steps of an estimator; ``EstimatorKernel.kernel`` is its name.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from fastroute.kernels.codes import STREAM_POSTERIOR
from fastroute.kernels.formulas.estimates import posterior
from fastroute.kernels.jax_.layout import Fixed, Lanes, Numbers
from fastroute.kernels.jax_.rng import uniforms
from fastroute.kernels.normal import BITS, NORMAL
from fastroute.kernels.types import EstimatorKernel

Pair = tuple[Any, Any]


class EstimatorSteps(NamedTuple):
    """Steps of an estimator."""

    #: Bounds of all deployed models when a stage opens, from what was seen of them.
    open: Callable[[tuple[Any, ...], Fixed, Numbers, Any], Pair]
    #: Bounds of one model of every lane, from what was seen of it; None where they never change.
    renew: Callable[[tuple[Any, ...], Numbers, Any], Pair] | None
    #: Upper bounds for a decision of the router, from lanes, numbers, round and trials.
    prepare: Callable[[Lanes, Numbers, Any, Any], Any] | None = None


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
        slots, dtype = len(lanes.upper), lanes.upper.dtype
        index = jnp.arange(-(-slots // 4))[:, None]
        four = uniforms(numbers.key, now, index, trial, STREAM_POSTERIOR)
        table = jnp.stack(four, axis=1).reshape(-1, len(trial))[:slots]
        normal = jnp.asarray(NORMAL)[(table * (1 << BITS)).astype(jnp.int32)]
        count, sum_reward, normal = (x.astype(dtype) for x in (*lanes.seen[:2], normal))
        return posterior(count, sum_reward, normal, numbers.unobserved_below)

    return elementwise(part)._replace(prepare=prepare)


def known_means(part: EstimatorKernel) -> EstimatorSteps:
    """Make the true means the bounds, for good."""
    del part

    def open_(seen: tuple[Any, ...], fixed: Fixed, numbers: Numbers, dtype: Any) -> Pair:
        return fixed.mean_reward.astype(dtype), fixed.mean_cost.astype(dtype)

    return EstimatorSteps(open_, None)
