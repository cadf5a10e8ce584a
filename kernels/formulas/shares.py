"""Shares of the models: what is left for a model, and mixtures of distributions."""

from typing import Any

from fastroute.kernels.formulas.names import maximum, minimum, quotient, rounded, sqrt, where
from fastroute.kernels.tolerances import SHARES


def left_over(limit: Any, before: Any) -> Any:
    """Share of a model when better ones with limits that add up to ``before`` come first."""
    return minimum(limit, maximum(1.0 - before, 0.0))


def mixed(explore: Any, even: Any, share: Any) -> Any:
    """Share of a mixture: ``explore`` of the uniform distribution, the rest of another one."""
    return rounded(explore * even) + rounded((1.0 - explore) * share)


def again_uniform(u: Any, explore: Any) -> Any:
    """Uniform number that is left of ``u`` after it has decided whether to explore.

    A round explores where ``u < explore``.
    """
    return where(u < explore, quotient(u, explore), quotient(u - explore, 1.0 - explore))


def explored(epochs: Any) -> Any:
    """Part of the uniform distribution in the shares of an elimination, after so many epochs."""
    # XLA has an operation for 1 over a root, which is rounded otherwise.
    return quotient(1.0, rounded(sqrt(2.0 * epochs)))


def within(share: Any, limit: Any, tolerance: Any = SHARES) -> Any:
    """Whether the share that a function of the user has written is possible."""
    return (share >= 0.0) & (share <= limit + tolerance)


def whole(total: Any, tolerance: Any = SHARES) -> Any:
    """Whether shares that a function of the user has written add up to 1."""
    return abs(total - 1.0) <= tolerance
