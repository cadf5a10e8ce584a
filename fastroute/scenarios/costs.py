"""What budgets mean in a scenario: the smallest that serves, and the smallest that never binds."""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.scenarios.base import World
from fastroute.scenarios.optimum import optimum

# Digits to which both are rounded, so that a last bit of a solver on another machine is no other
# budget.
_DIGITS: Final = 12


class BudgetMarks(NamedTuple):
    """Two budgets of a scenario, per query; those of the true means."""

    cheapest: float  #: the smallest that can serve the first round
    slack: float  #: the smallest that binds in no round


def budget_marks(world: World, horizon: int, max_deployed: int) -> BudgetMarks:
    """Work out ``cheapest`` and ``slack`` of a run.

    Parameters
    ----------
    world : World
        Of that horizon.
    horizon : int
        T.
    max_deployed : int
        M_max.

    Returns
    -------
    BudgetMarks
        The largest over the instances, and ``slack`` over the pools of models of the run.
    """
    # A pool for every round at which a model comes or goes.
    changes = np.unique(np.concatenate([world.arrival, world.retirement]))
    opened = changes[changes < horizon][:, None]
    pools = (world.arrival <= opened) & (opened < world.retirement)
    cheapest = _spend(world, pools[:1], 0.0, max_deployed)
    slack = _spend(world, pools, math.inf, max_deployed)
    # A budget just below the cheapest would be refused.
    return BudgetMarks(_rounded(cheapest, up=True), _rounded(slack, up=False))


def _spend(world: World, pools: NDArray[np.bool_], budget: float, max_deployed: int) -> float:
    """Return the largest mean cost of the best distribution, over pools and instances."""
    best = optimum(world, pools, budget, max_deployed, "numba")
    return float((best.weight * world.cost_mean).sum(axis=2).max())


def _rounded(value: float, *, up: bool) -> float:
    near = float(f"{value:.{_DIGITS - 1}e}")
    if up and near < value:
        near += 10.0 ** (math.floor(math.log10(abs(value))) - _DIGITS + 1)
    return near
