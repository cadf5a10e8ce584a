"""The routing LP in exact rational arithmetic: the truth that compiled solvers are held to.

The LP over M models is ::

    max  sum U_m p_m   s.t.  sum p_m = 1,  sum L_m p_m <= b,  0 <= p_m <= alpha_m

For a fixed budget price lam the best distribution fills models in order of ``U - lam L``, and its
cost does not increase with lam.  So the optimal price is the smallest crossing
``(U_i - U_j) / (L_i - L_j)`` at which the cheapest such fill meets the budget.  Models tied at that
price are mixed so that the budget is spent exactly.

Among equally good distributions the one that gives most to the first model, then to the second and
so on is returned, in the order higher reward, lower cost, lower index.  That one is a vertex, so
at most two shares are strictly between 0 and alpha.

Comparisons between models are exact.  Feasibility has the tolerances of :mod:`..tolerances`.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.formulas.constraints import budget_tolerance, counted_cost, proportional
from fastroute.kernels.tolerances import BUDGET_RANGE, BUDGET_SCALE, MASS, REACH, ROUNDING
from fastroute.kernels.types import Routing


class Answer(NamedTuple):
    """Solution of one routing LP, floats rounded from exact values."""

    share: list[float]
    value: float
    budget_price: float
    simplex_price: float
    status: int


def solve_one(
    reward: Iterable[float],
    cost: Iterable[float],
    limit: Iterable[float],
    budget: float,
) -> Answer:
    """Solve one routing LP exactly.

    Parameters
    ----------
    reward, cost, limit : iterable of float, [M]
        Objective, budget row and upper limits; a limit of 0 marks an absent model.
    budget : float
        Largest mean cost, same unit as ``cost``; may be infinite.

    Returns
    -------
    Answer
        ``NO_CAPACITY`` (limits add up to less than 1): shares in proportion to the limits.
        ``OVER_BUDGET`` (the cheapest distribution costs more than the budget): that distribution,
        with the smallest price at which no cheaper one is preferred.
    """
    u = [Fraction(float(x)) for x in reward]
    c = [Fraction(float(x)) for x in cost]
    a = [Fraction(float(x)) for x in limit]
    size = len(u)
    models = [m for m in range(size) if a[m] > 0]
    share = [Fraction(0)] * size
    capacity = sum((a[m] for m in models), Fraction(0))
    if capacity < 1 - Fraction(MASS):
        if capacity > 0:
            share = [proportional(x, capacity) for x in a]
        return _answer(share, u, Fraction(0), Fraction(0), NO_CAPACITY)

    dearest = max(c[m] for m in models)
    cheapest = min(c[m] for m in models)
    b = dearest if budget >= dearest else Fraction(float(budget))
    largest = counted_cost(dearest, b, Fraction(REACH))
    exact = Fraction(BUDGET_RANGE), Fraction(BUDGET_SCALE)
    tolerance = budget_tolerance(largest, cheapest, *exact)

    def fill(price: Fraction) -> list[Fraction]:
        order = sorted(models, key=lambda m: (price * c[m] - u[m], c[m], m))
        return _fill(order, a)

    def spend(p: list[Fraction]) -> Fraction:
        return sum((c[m] * p[m] for m in models), Fraction(0))

    share = _fill(sorted(models, key=lambda m: (c[m], -u[m], m)), a)
    if spend(share) > b + tolerance:
        # The smallest price at which nothing dearer is preferred to what is used.
        price = max(
            (
                (u[j] - u[i]) / (c[j] - c[i])
                for i in models
                for j in models
                if c[j] > c[i] and u[j] > u[i]
                # What rounding leaves of a limit is no room.
                if min(share[i], a[j] - share[j]) > Fraction(ROUNDING) * min(a[i], a[j])
            ),
            default=Fraction(0),
        )
        marginal = min(u[m] - price * c[m] for m in models if share[m] > 0)
        return _answer(share, u, price, marginal, OVER_BUDGET)

    prices = sorted(
        {Fraction(0)}
        | {
            (u[i] - u[j]) / (c[i] - c[j])
            for i in models
            for j in models
            if c[i] > c[j] and u[i] > u[j]
        }
    )
    # The smallest price whose cheapest fill is within budget; spending falls as the price rises.
    low, high = 0, len(prices) - 1
    while low < high:
        middle = (low + high) // 2
        if spend(fill(prices[middle])) <= b + tolerance:
            high = middle
        else:
            low = middle + 1
    price = prices[low]
    share = fill(price)
    marginal = min(u[m] - price * c[m] for m in models if share[m] > 0)
    if price > 0:
        tied = [m for m in models if u[m] - price * c[m] == marginal]
        _spend_slack(share, tied, a, c, b - spend(share))
    return _answer(share, u, price, marginal, OPTIMAL)


def _fill(order: list[int], limit: list[Fraction]) -> list[Fraction]:
    share = [Fraction(0)] * len(limit)
    rest = Fraction(1)
    for m in order:
        share[m] = min(limit[m], rest)
        rest -= share[m]
        if rest <= Fraction(MASS):
            break
    return share


def _spend_slack(
    share: list[Fraction],
    tied: list[int],
    limit: list[Fraction],
    cost: list[Fraction],
    slack: Fraction,
) -> None:
    """Move mass from cheap to dear models of equal worth until the slack is spent, in place.

    The dearest model (which has the highest reward) receives first, and the dearest giver below it
    gives first: the result gives most to the first model in the tie order.
    """
    receivers = sorted(tied, key=lambda m: (-cost[m], m))
    for r in receivers:
        givers = [m for m in tied if cost[m] < cost[r]]
        for g in sorted(givers, key=lambda m: (-cost[m], -m)):
            amount = min(share[g], limit[r] - share[r], slack / (cost[r] - cost[g]))
            if amount <= 0:
                continue
            share[g] -= amount
            share[r] += amount
            slack -= amount * (cost[r] - cost[g])


def _answer(
    share: list[Fraction], u: list[Fraction], price: Fraction, marginal: Fraction, status: int
) -> Answer:
    value = sum((x * y for x, y in zip(u, share, strict=True)), Fraction(0))
    return Answer(
        [float(x) for x in share], float(value), _to_float(price), _to_float(marginal), status
    )


def _to_float(x: Fraction) -> float:
    """Round to the nearest double, clamped to the largest finite one."""
    largest = Fraction(np.finfo(np.float64).max)
    return float(min(max(x, -largest), largest))


def solve(
    reward: NDArray[np.float64],
    cost: NDArray[np.float64],
    limit: NDArray[np.float64],
    budget: NDArray[np.float64],
) -> Routing:
    """Solve a batch of independent routing LPs, one after the other.

    Parameters
    ----------
    reward, cost, limit : ndarray, [B, M]
        As in ``solve_one``.
    budget : ndarray, [B]
        Largest mean cost of each LP.

    Returns
    -------
    Routing
    """
    answers = [solve_one(*row) for row in zip(reward, cost, limit, budget, strict=True)]
    return Routing(
        np.array([x.share for x in answers], dtype=np.float64).reshape(reward.shape),
        np.array([x.value for x in answers], dtype=np.float64),
        np.array([x.budget_price for x in answers], dtype=np.float64),
        np.array([x.simplex_price for x in answers], dtype=np.float64),
        np.array([x.status for x in answers], dtype=np.int64),
    )
