"""Ridge regression for the deployed models of all lanes: P is [slots, lanes, d, d].

d is a multiple of ``FEATURE_BLOCK``.  The features come last, so that what is kept of a model lies
together: a pulled model is written as a whole.  Sums over features have the terms and the order of
:mod:`..numba_.ridge`.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from fastroute.kernels.formulas import rounded
from fastroute.kernels.formulas.ridge import ridge_inverse, ridge_theta
from fastroute.kernels.types import FEATURE_BLOCK


class Prediction(NamedTuple):
    """What the regressions of the deployed models say of the queries."""

    mean: Any  #: theta'x, [slots, lanes]
    square: Any  #: x'P x, [slots, lanes]
    z: Any  #: P x, [slots, lanes, d]


def predict(inverse: Any, theta: Any, features: Any) -> Prediction:
    """Predict the rewards of all deployed models for the features of the queries, [lanes, d]."""
    # Worked out once, and not for each of its uses.
    x = lax.optimization_barrier(features)
    z = lax.optimization_barrier(_times(inverse, x))
    return Prediction(_dot(theta, x), _dot(z, x), z)


def follow(
    inverse: Any, theta: Any, prediction: Prediction, slot: Any, reward: Any
) -> tuple[Any, Any]:
    """Let P and theta of the pulled models follow the rewards.

    Where nothing is pulled, the slot is one too many, and what is set there is dropped.
    """
    pulled = slot, jnp.arange(len(slot))
    mean, square, z = (x.at[pulled].get(mode="clip") for x in prediction)
    z = lax.optimization_barrier(z)
    share = 1.0 / (1.0 + square)
    entry, weight = (x.at[pulled].get(mode="clip") for x in (inverse, theta))
    after = (
        ridge_inverse(entry, z[:, :, None], z[:, None], share[:, None, None]),
        ridge_theta(weight, z, (reward - mean)[:, None], share[:, None]),
    )
    inverse, theta = (
        x.at[pulled].set(new, mode="drop", unique_indices=True)
        for x, new in zip((inverse, theta), after, strict=True)
    )
    return inverse, theta


def _times(inverse: Any, x: Any) -> Any:
    """Return ``P x``: the sums of every fourth term, and then their sum."""
    a, b, c, e = _sums([inverse[:, :, i] * x[:, i, None] for i in range(x.shape[1])], 4)
    return (a + b) + (c + e)


def _dot(y: Any, x: Any) -> Any:
    """Return ``y'x``: the sums of every eighth term, and then their sum by pairs."""
    terms = [y[:, :, i] * x[:, i] for i in range(x.shape[1])]
    a, b, c, d, e, f, g, h = _sums(terms, FEATURE_BLOCK)
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


def _sums(terms: list[Any], parts: int) -> list[Any]:
    """Return the sums of every so many-th of some products."""
    found = [rounded(x) for x in terms[:parts]]
    for i, term in enumerate(terms[parts:]):
        found[i % parts] = found[i % parts] + rounded(term)
    return found
