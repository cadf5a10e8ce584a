"""Deployment problems by SciPy's MILP solver, and checks of an answer that need no solver."""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.ref.routing import solve_one
from fastroute.kernels.tolerances import REACH
from fastroute.kernels.types import Deployment
from strategies import F8, Problems


class Verdict(NamedTuple):
    """What the referee says of one deployment problem."""

    status: int
    value: float  #: of its set, charges included, in exact arithmetic
    bound: float  #: no set is better than this (no cheaper, when over budget)
    spend: float  #: of its set


def referee(
    reward: F8, cost: F8, limit: F8, budget: float, charge: F8, max_deployed: int
) -> Verdict:
    """Solve one problem: maximise the value; failing that, minimise the cost; failing that, none.

    Costs are measured in the largest one.  The set that the solver finds is priced again in exact
    arithmetic, because its integers are whole within a tolerance only.
    """
    size = len(reward)
    top = max(float(cost.max()), 5e-324)
    none, eye = np.zeros(size), np.eye(size)
    capacity = [
        LinearConstraint(np.concatenate([np.ones(size), none]), 1.0, 1.0),
        LinearConstraint(np.concatenate([none, np.ones(size)]), -np.inf, max_deployed),
        LinearConstraint(np.hstack([eye, -np.diag(limit)]), -np.inf, 0.0),
    ]
    spending = LinearConstraint(np.concatenate([cost / top, none]), -np.inf, min(budget / top, 2.0))
    for status, goal, rows in (
        (OPTIMAL, np.concatenate([-reward, charge]), [*capacity, spending]),
        (OVER_BUDGET, np.concatenate([cost / top, none]), capacity),
    ):
        found = milp(
            goal,
            constraints=rows,
            bounds=Bounds(np.zeros(2 * size), np.concatenate([limit, np.ones(size)])),
            integrality=np.repeat([0, 1], size),
            options={"mip_rel_gap": 0.0},
        )
        if found.x is None:
            assert found.status == 2, found.message
            continue
        chosen = found.x[size:] > 0.5
        allowed = budget if status == OPTIMAL else 0.0
        priced = solve_one(reward, cost, np.where(chosen, limit, 0.0), allowed)
        used = np.array(priced.share) > 1e-11
        spend = float(np.dot(priced.share, cost))
        value = priced.value - float(charge[used].sum())
        sign = -1.0 if status == OPTIMAL else top
        return Verdict(status, value, sign * float(found.mip_dual_bound), spend)
    return Verdict(NO_CAPACITY, 0.0, 0.0, 0.0)


def assert_valid(
    problems: Problems, charge: F8, max_deployed: int, answer: Deployment, tolerance: float = 1e-11
) -> None:
    """The answer is what it claims to be: a set within the cap, weights on it, their value."""
    u, c, a, budget = problems
    # Sums of subnormal numbers lose digits; a power of two in front of all costs loses none.
    unit = np.where(c.max(1) < 2.0**-900, 2.0**600, 1.0)
    c, budget = c * unit[:, None], budget * unit
    weight, deployed = answer.weight, answer.deployed
    top = np.where(a > 0.0, c, 0.0).max(1)
    with np.errstate(over="ignore"):
        reach = np.minimum(top, REACH * np.minimum(budget, top))
    someone = (a > 0.0).any(1)
    checks: dict[str, Any] = {
        "finite": np.isfinite(weight).all(1)
        & np.isfinite(answer.value)
        & np.isfinite(answer.gap)
        & np.isfinite(answer.budget_price)
        & np.isfinite(answer.simplex_price),
        "gap": answer.gap >= 0.0,
        "cap": deployed.sum(1) <= max_deployed,
        "absent": ~(deployed & (a == 0.0)).any(1),
        "support": (deployed == (weight > 1e-11)).all(1),
        "sign": (weight >= 0.0).all(1),
        "mass": np.abs(weight.sum(1) - someone) <= tolerance + 1e-10,
        "limit": (weight <= a * (1.0 + tolerance)).all(1) | (answer.status == NO_CAPACITY),
        "budget": (answer.status != OPTIMAL)
        | ((weight * c).sum(1) <= np.minimum(budget, top) + tolerance * reach),
        # What is spent in subnormal numbers may round to the budget.
        "over budget": (answer.status != OVER_BUDGET)
        | ((weight * c).sum(1) > budget)
        | (np.where(weight > 0.0, c, 0.0).max(1) < np.finfo(np.float64).tiny),
        "value": np.abs(answer.value - (weight * u).sum(1) + (charge * deployed).sum(1)) <= 1e-12,
    }
    for rule, good in checks.items():
        if not good.all():
            r = int(np.flatnonzero(~good)[0])
            one = problems.rows(slice(r, r + 1))
            raise AssertionError(
                f"{rule}, first:\n{one}\n{charge[r]}, cap {max_deployed}\n{[x[r] for x in answer]}"
            )
