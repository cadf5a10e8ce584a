"""Philox4x32-10 on arrays; same draws as :mod:`..ref.rng`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from numpy.typing import NDArray

from fastroute.kernels.jax_.lanes import in_double, lanes_for
from fastroute.kernels.ref.rng import (
    INV_2_32,
    MASK,
    MULTIPLIER_0,
    MULTIPLIER_1,
    ROUNDS,
    WEYL_0,
    WEYL_1,
)

Words = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


def key_words(seed: int) -> NDArray[np.uint32]:
    """Both words of a key in [0, 2**64), the lower one first."""
    return np.array([int(seed) & MASK, int(seed) >> 32], np.uint32)


def philox4x32(
    c0: jax.Array, c1: jax.Array, c2: jax.Array, c3: jax.Array, k0: jax.Array, k1: jax.Array
) -> Words:
    """Encrypt a counter of four words under a key of two, all uint32; needs 64-bit types."""
    for _ in range(ROUNDS):
        p0 = np.uint64(MULTIPLIER_0) * c0.astype(jnp.uint64)
        p1 = np.uint64(MULTIPLIER_1) * c2.astype(jnp.uint64)
        high0, high1 = (lax.shift_right_logical(p, np.uint64(32)) for p in (p0, p1))
        c0 = high1.astype(jnp.uint32) ^ c1 ^ k0
        c1 = p1.astype(jnp.uint32)
        c2 = high0.astype(jnp.uint32) ^ c3 ^ k1
        c3 = p0.astype(jnp.uint32)
        k0, k1 = k0 + np.uint32(WEYL_0), k1 + np.uint32(WEYL_1)
    return c0, c1, c2, c3


def uniforms(
    key: jax.Array, round_: ArrayLike, index: ArrayLike, trial: ArrayLike, stream: int
) -> Words:
    """Four uniforms in [0, 1); ``key`` from :func:`key_words`, the counter below ``2**32``."""
    words = [jnp.asarray(x).astype(jnp.uint32) for x in (round_, index, trial, stream)]
    c0, c1, c2, c3 = jnp.broadcast_arrays(*words)
    x0, x1, x2, x3 = philox4x32(c0, c1, c2, c3, key[0], key[1])
    return real(x0), real(x1), real(x2), real(x3)


def real(word: jax.Array) -> jax.Array:
    """Return the uniform of a word."""
    return word.astype(jnp.float64) * INV_2_32


@functools.partial(jax.jit, static_argnames=("trials", "size"))
def _table(
    key: jax.Array, round_: int, first: int, stream: int, trials: int, size: int
) -> jax.Array:
    trial = (first + jnp.arange(trials)).astype(jnp.uint32)
    index = jnp.arange(-(-size // 4)).astype(jnp.uint32)
    four = uniforms(key, round_, index, trial[:, None], stream)
    return jnp.stack(four, axis=-1).reshape(trials, -1)[:, :size]


@in_double
def uniform_table(
    seed: int, round_: int, first_trial: int, stream: int, trials: int, size: int
) -> NDArray[np.float64]:
    """``size`` uniforms for each of ``trials`` trials in one round, [trials, size]."""
    table = _table(key_words(seed), round_, first_trial, stream, lanes_for(trials), size)
    return np.array(table)[:trials]
