"""The two constraints that couple the models of a problem: shares add up to 1, within the budget.

Tolerances are those of :mod:`fastroute.kernels.tolerances` unless others are given, as for numbers
in single precision or exact ones.
"""

from typing import Any

from fastroute.kernels.formulas.names import maximum, minimum, quotient, rounded, where
from fastroute.kernels.tolerances import BUDGET_RANGE, BUDGET_SCALE, MASS, REACH


def enough(capacity: Any, mass: Any = MASS) -> Any:
    """Whether limits that add up to ``capacity`` can take all queries."""
    return capacity >= 1.0 - mass


def proportional(limit: Any, capacity: Any) -> Any:
    """Share of a model where limits do not add up to 1; 0 for a model that is not there."""
    return where(limit > 0.0, quotient(limit, capacity), limit)


def counted_cost(dearest: Any, budget: Any, times: Any = REACH) -> Any:
    """Largest cost of a model as it counts in tolerances: a few thousand budgets at most."""
    return minimum(dearest, times * budget)


def budget_tolerance(
    largest: Any, cheapest: Any, spread: Any = BUDGET_RANGE, scale: Any = BUDGET_SCALE
) -> Any:
    """Tolerance of what is spent, where costs go from ``cheapest`` to ``largest``."""
    return rounded(spread * maximum(largest - cheapest, 0)) + rounded(scale * largest)
