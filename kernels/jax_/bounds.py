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


def bounds(
    count: jax.Array,
    sum_reward: jax.Array,
    sum_cost: jax.Array,
    gamma: jax.Array,
    cost_min: jax.Array,
    cost_max: jax.Array,
    init: ArrayLike,
    init_pulls: ArrayLike,
) -> tuple[jax.Array, jax.Array]:
    """Upper reward bound U and lower cost bound L of each entry; see the reference."""
    inverse = 1.0 / (count + 1.0)
    reward = rounded(sum_reward * inverse)
    upper = reward + 2.0 * radius(reward, inverse, gamma)
    cost = rounded(sum_cost * inverse * (1.0 / cost_max))
    lower = (cost - 2.0 * radius(cost, inverse, gamma)) * cost_max
    unseen = (init == INIT_OPTIMISTIC) & (count == 0.0)
    unseen |= (init == INIT_FORCED) & (count < init_pulls)
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
) -> None:
    """Bounds of every model and trial, all arrays ``[N, trials]``; the last two are written."""
    trials = count.shape[1]
    fill = ((0, 0), (0, lanes_for(trials) - trials))
    observed = (np.pad(x, fill) for x in (count, sum_reward, sum_cost))
    found = _bounds(*observed, gamma, cost_min, cost_max, init, init_pulls)
    upper[:], lower[:] = (np.asarray(x)[:, :trials] for x in found)
