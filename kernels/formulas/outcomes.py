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


def aliased(within: Any, task: Any, probability: Any, alias: Any) -> Any:
    """Task of a query by a table of aliases (Walker 1977).

    A uniform number times the number of tasks falls in the row of ``task``; ``within`` is where in
    the row.
    """
    return where(within < probability, task, alias)
