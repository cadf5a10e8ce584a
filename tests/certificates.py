"""Proofs that an answer is right, independent of how it was found."""

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.tolerances import BUDGET_RANGE, BUDGET_SCALE, MASS, REACH
from fastroute.kernels.types import Routing
from strategies import F8, Problems, cheapest_mix

#: Rounding of sums over up to 64 models, relative to their terms.
ROUNDING = 1e-13


def routing_faults(problems: Problems, answer: Routing) -> dict[str, NDArray[np.bool_]]:
    """What is wrong with each answer, by name of the rule it breaks, [B] each.

    Costs are measured from the cheapest present model; as the shares add up to 1, that changes
    the simplex price only.
    """
    p, value, price, nu, status = answer
    u, c, a, budget = problems
    # Sums of subnormal numbers lose digits; a power of two in front of all costs loses none.
    unit = np.where(c.max(1) < 2.0**-900, 2.0**600, 1.0)
    c, budget, price = c * unit[:, None], budget * unit, price / unit
    here = a > 0.0
    capacity = a.sum(1)
    feasible = status != NO_CAPACITY
    top = np.where(here, c, 0.0).max(1)
    low = np.where(here, c, np.inf).min(1, initial=np.inf)
    low = np.where(np.isfinite(low), low, 0.0)
    b = np.minimum(budget, top)
    gap = np.where(here, c - low[:, None], 0.0)
    spread = gap.max(1)
    excess = (p * gap).sum(1) - (b - low)
    with np.errstate(over="ignore"):
        reach = np.minimum(top, REACH * b)
    allowed = (BUDGET_RANGE + ROUNDING) * np.maximum(reach - low, 0.0) + BUDGET_SCALE * reach
    faults = {
        "not finite": ~(
            np.isfinite(p).all(1) & np.isfinite(value) & np.isfinite(price) & np.isfinite(nu)
        ),
        "below 0": (p < 0.0).any(1),
        "above the limit": feasible & (p > a).any(1),
        "absent model used": (p * ~here > 0.0).any(1),
        "mass": (capacity > 0.0) & (np.abs(p.sum(1) - 1.0) > MASS + 1e-14),
        "value": np.abs(value - (p * u).sum(1)) > ROUNDING * (1.0 + np.abs(u).max(1)),
        "price below 0": price < 0.0,
        "capacity": np.where(
            np.abs(capacity - 1.0 + MASS) < 1e-14, False, (capacity < 1.0 - MASS) == feasible
        ),
        "over budget": (status == OPTIMAL) & (excess > allowed),
        "more than two between the bounds": feasible & (((p > 1e-9) & (p < a - 1e-9)).sum(1) > 2),
    }
    # Weak duality: price b + nu + sum a (u - price c - nu)+ is at least every value.
    with np.errstate(over="ignore", invalid="ignore"):
        room = np.abs(u).max(1) + price * spread
        shifted = nu + price * low
        rounding = ROUNDING * (room + price * top + np.abs(nu))
        gain = np.where(here, u - price[:, None] * gap - shifted[:, None], 0.0)
        dual = price * (b - low) + shifted + (a * np.maximum(gain, 0.0)).sum(1)
        # The tolerances of the two rows, at their prices.
        slack = price * (allowed + MASS * top) + MASS * np.abs(nu) + rounding * (1.0 + capacity)
        # A price past the largest double is cut; nothing is proven by it then.
        known = answer.budget_price < 1e300
        apart = np.abs(dual - (p * u).sum(1))
    faults["objectives apart"] = (status == OPTIMAL) & known & ~(apart <= slack)
    # At the price itself the distribution must be best, whatever the budget.
    with np.errstate(over="ignore", invalid="ignore"):
        score = np.where(here, u - price[:, None] * gap, -np.inf)
        best = _greedy(score, a)
        mine = (p * np.where(here, score, 0.0)).sum(1)
    faults["not best at its price"] = feasible & known & ~(best - mine <= 1e-12 * 3.0 * room)
    # Over budget: the cheapest distribution, the best among the cheapest.
    cheap, spend = cheapest_mix(np.where(here, gap, 1.0), a, u)
    least = spend - (b - low)
    faults["budget can be met"] = (status == OVER_BUDGET) & (least < 0.8 * allowed)
    faults["budget cannot be met"] = (status == OPTIMAL) & (least > allowed)
    over = status == OVER_BUDGET
    faults["not the cheapest"] = over & ((p * gap).sum(1) - spend > 2.0 * MASS * spread)
    faults["not the best of the cheapest"] = over & (
        ((cheap - p) * u).sum(1) > 2.0 * MASS * (1.0 + np.abs(u).max(1))
    )
    # No capacity: in proportion to the limits, at no price.
    share = a / np.where(capacity > 0.0, capacity, 1.0)[:, None]
    faults["not in proportion"] = ~feasible & (
        (np.abs(p - share).max(1) > 1e-15) | (price != 0.0) | (nu != 0.0)
    )
    return faults


def _greedy(score: F8, limit: F8) -> F8:
    """Largest sum of score over distributions within the limits, [B]."""
    p, _ = cheapest_mix(-score, limit)
    return (p * np.where(limit > 0.0, score, 0.0)).sum(1)


def assert_optimal(problems: Problems, answer: Routing) -> None:
    """Fail on the first answer that is not proven right, with all that is needed to repeat it."""
    for fault, bad in routing_faults(problems, answer).items():
        if bad.any():
            r = int(np.flatnonzero(bad)[0])
            one = problems.rows(slice(r, r + 1))
            got = Routing(*(x[r] for x in answer))
            raise AssertionError(f"{fault} in {int(bad.sum())} of {len(bad)}, first:\n{one}\n{got}")
