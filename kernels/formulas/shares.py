"""Shares of the models: what is left for a model, and mixtures of distributions."""

from typing import Any

from fastroute.kernels.formulas.names import maximum, minimum, quotient, rounded, where


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
