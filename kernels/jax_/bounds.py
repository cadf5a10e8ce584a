"""Confidence bounds on arrays; the same operations in the same order as :mod:`..ref.bounds`."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from fastroute.kernels.codes import INIT_FORCED, INIT_OPTIMISTIC
from fastroute.kernels.jax_.lanes import in_double, lanes_for, rounded
from fastroute.kernels.types import F8


def radius(mean: jax.Array, inverse: jax.Array, gamma: jax.Array) -> jax.Array:
    """``f_rad(v, n) = sqrt(gamma v / n) + gamma / n`` with ``inverse = 1 / n``."""
    return jnp.sqrt(gamma * mean * inverse) + rounded(gamma * inverse)


def unobserved_below(init: ArrayLike, init_pulls: ArrayLike) -> jax.Array:
    """Observations below which a model counts as unobserved, and as the best and cheapest."""
    forced = jnp.where(init == INIT_FORCED, init_pulls, 0.0)
    return jnp.where(init == INIT_OPTIMISTIC, 1.0, forced)


def bounds(
    count: jax.Array,
    sum_reward: jax.Array,
    sum_cost: jax.Array,
    gamma: jax.Array,
    cost_min: jax.Array,
    cost_max: jax.Array,
    init: ArrayLike,
    init_pulls: ArrayLike,
    cost_side: ArrayLike = -1.0,
) -> tuple[jax.Array, jax.Array]:
    """Upper reward bound U and lower cost bound L of each entry; see the reference."""
    inverse = 1.0 / (count + 1.0)
    reward = rounded(sum_reward * inverse)
    upper = reward + 2.0 * radius(reward, inverse, gamma)
    cost = rounded(sum_cost * inverse * (1.0 / cost_max))
    lower = (cost + cost_side * (2.0 * radius(cost, inverse, gamma))) * cost_max
    unseen = count < unobserved_below(init, init_pulls)
    upper = jnp.where(unseen, 1.0, jnp.clip(upper, 0.0, 1.0))
    lower = jnp.where(unseen, cost_min, jnp.clip(lower, cost_min, cost_max))
    return upper, lower


_bounds = jax.jit(bounds)


@in_double
def bounds_batch(
    count: F8,
    sum_reward: F8,
    sum_cost: F8,
    gamma: float,
    cost_min: float,
    cost_max: float,
    init: int,
    init_pulls: float,
    upper: F8,
    lower: F8,
    cost_side: float = -1.0,
) -> None:
    """Bounds of every model and trial, all arrays ``[N, trials]``; the last two are written."""
    observed = (_padded(x) for x in (count, sum_reward, sum_cost))
    found = _bounds(*observed, gamma, cost_min, cost_max, init, init_pulls, cost_side)
    upper[:], lower[:] = (np.asarray(x)[:, : count.shape[1]] for x in found)


def posterior(
    count: jax.Array,
    sum_reward: jax.Array,
    normal: jax.Array,
    init: ArrayLike,
    init_pulls: ArrayLike,
) -> jax.Array:
    """Sample of each mean reward from its posterior; see the reference."""
    mean = (sum_reward + 1.0) / (count + 2.0)
    deviation = jnp.sqrt(mean * (1.0 - mean) / (count + 3.0))
    sample = jnp.clip(mean + rounded(normal * deviation), 0.0, 1.0)
    return jnp.where(count < unobserved_below(init, init_pulls), 1.0, sample)


_posterior = jax.jit(posterior)


@in_double
def posterior_batch(
    count: F8, sum_reward: F8, normal: F8, init: int, init_pulls: float, upper: F8
) -> None:
    """Posterior samples of every model and trial, ``[N, trials]``; the last array is written."""
    drawn = (_padded(x) for x in (count, sum_reward, normal))
    upper[:] = np.asarray(_posterior(*drawn, init, init_pulls))[:, : count.shape[1]]


def _padded(x: F8) -> F8:
    """Fill up the trials to all lanes."""
    trials = x.shape[1]
    return np.pad(x, ((0, 0), (0, lanes_for(trials) - trials)))
