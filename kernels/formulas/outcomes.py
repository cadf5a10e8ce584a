"""Laws of rewards and costs around their means, drawn from one uniform number in [0, 1).

An elementwise law is a formula ``draw(uniform, mean, *parameters) -> value``.
"""

from typing import Any

from fastroute.kernels.formulas.names import rounded, where


def bernoulli(uniform: Any, mean: Any, *parameters: Any) -> Any:
    """1 with the probability ``mean``, else 0."""
    return where(uniform < mean, 1.0, 0.0)


def uniform_cost(uniform: Any, mean: Any, *parameters: Any) -> Any:
    """Uniform between half the mean and one and a half of it."""
    return rounded(mean * (0.5 + uniform))


def always(uniform: Any, mean: Any, *parameters: Any) -> Any:
    """Return the mean itself."""
    return mean
