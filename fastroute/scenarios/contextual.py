"""The contextual optimum: what could be earned by whoever looks at every query.

Queries are tasks, or rows of a table; a distribution over models is chosen for each of them, and
the mean cost is held to the budget, the mean share of every model to its limit::

    V_ctx(S) = max sum_q w_q mu_q . p_q   s.t.  sum_q w_q c_q . p_q <= b,  sum_q w_q p_q <= alpha,
                                               every p_q a distribution over S

and the optimum is the best of all sets S of at most M_max models.  It is at least V, which has one
distribution for all queries.

At prices of the budget and of the limits every query is routed by itself, to the model of highest
``mu - lam c - nu``.  What comes of it is one point (reward, cost, shares); the LP over mixtures of
the points found so far gives the next prices, until they find no better point (Dantzig & Wolfe
1960).  That takes a dozen small LPs, however many queries there are.
"""

import hashlib
from collections import OrderedDict
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.kernels.tolerances import SUPPORT, TINY
from fastroute.scenarios.base import World
from fastroute.scenarios.optimum import Optimum
from fastroute.solve.highs import Mixtures
from fastroute.solve.routing import route
from fastroute.solve.validate import Batch

F8 = NDArray[np.float64]

#: Points found at most for a set; a dozen is usual.
_POINTS: Final = 500
#: What prices may leave between a mixture and its bound.
_GAP: Final = 1e-10
_SLACK: Final = 1e-12
#: Sets looked at for a pool, before an upper bound has to do.
SETS: Final = 256
#: Optima that a process keeps, and those it has.
_KEPT: Final = 64
_known: "OrderedDict[str, Contextual]" = OrderedDict()


class Queries(NamedTuple):
    """The queries of a world."""

    weight: F8  #: how often each occurs, adding up to 1, [Q]
    reward: F8  #: mean rewards, [Q, N]
    cost: F8  #: mean costs, [Q, N], or [1, N] where they are the same for all


class Contextual(NamedTuple):
    """Contextual optimum of each of P pools."""

    value: F8  #: V_ctx(pool, M_max), or an upper bound, [P]
    exact: NDArray[np.bool_]  #: whether it is no bound but the value, [P]


class _Answer(NamedTuple):
    """Best routing within a set; a value of -inf where there is none."""

    value: float
    share: F8  #: mean share of every model, [N]


class _Point(NamedTuple):
    """What comes of one way to route every query."""

    reward: float
    cost: float
    share: F8  #: mean share of every model


def queries_of(world: World) -> Queries | None:
    """Return the queries of a world where they have tasks or features; else None."""
    law = world.reward
    rows = len(law.table)
    if len(law.task_prob):
        # Each row of the table of aliases is as likely as another.
        weight = np.bincount(law.task_alias, 1.0 - law.task_prob, rows) + law.task_prob
        return Queries(weight / rows, law.table, world.cost_mean)
    if law.features.size:
        cost = world.cost.table if world.cost.kernel == law.kernel else world.cost_mean
        return Queries(np.full(rows, 1.0 / rows), law.table, cost)
    return None


def contextual_optimum(
    world: World,
    pools: NDArray[np.bool_],
    budget: float,
    max_deployed: int,
    found: Optimum,
    regimes: NDArray[np.int64] | None = None,
) -> Contextual | None:
    """Solve for the contextual optimum of every pool.

    Parameters
    ----------
    world : World
    pools : ndarray of bool, [P, N]
        Models available in each pool.
    budget : float
        Largest mean cost.
    max_deployed : int
        M_max.
    found : Optimum
        The optimum that does not look at the query.
    regimes : ndarray of int, [P], optional
        Whose means and limits hold for each pool: an index of ``world.regimes``; default those of
        round 0.

    Returns
    -------
    Contextual or None
        None where queries have neither tasks nor features.  Where nothing serves a pool within the
        budget and the limits, the value is that of ``found``.
    """
    held = np.zeros(len(pools), np.int64) if regimes is None else regimes
    value, exact = np.zeros(len(pools)), np.ones(len(pools), np.bool_)
    for number in np.unique(held):
        one, rows = world.regimes[number], np.flatnonzero(held == number)
        queries = queries_of(one)
        if queries is None:
            return None
        plain = np.where(found.status[rows, 0] == codes.OPTIMAL, found.value[rows, 0], np.nan)
        best = _of_regime(queries, one, pools[rows], budget, max_deployed, plain)
        value[rows] = np.where(np.isnan(plain), found.value[rows, 0], best.value)
        exact[rows] = best.exact
    return Contextual(value, exact)


def _of_regime(
    queries: Queries,
    world: World,
    pools: NDArray[np.bool_],
    budget: float,
    max_deployed: int,
    plain: F8,
) -> Contextual:
    """Solve for the pools of one regime; ``plain`` is V, nan where nothing serves a pool."""
    key = _digest(queries, world.limit, pools, budget, max_deployed)
    if key not in _known:
        value, exact = plain.copy(), np.ones(len(pools), np.bool_)
        for k in np.flatnonzero(~np.isnan(plain)):
            best, exact[k] = _best_set(queries, world, pools[k], budget, max_deployed)
            value[k] = max(best, plain[k])
        _known[key] = Contextual(value, exact)
        if len(_known) > _KEPT:
            _known.popitem(last=False)
    return _known[key]


def _digest(
    queries: Queries,
    limit: F8,
    pools: NDArray[np.bool_],
    budget: float,
    max_deployed: int,
) -> str:
    digest = hashlib.sha256(f"{budget!r} {max_deployed}".encode())
    for array in (*queries, limit, pools):
        digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _best_set(
    queries: Queries, world: World, pool: NDArray[np.bool_], budget: float, max_deployed: int
) -> tuple[float, bool]:
    """Return the value of the best set of at most M_max models of a pool, and whether it is one.

    Branch and bound: models leave the pool one after the other, the least used one first.
    """
    start = _best_routing(queries, world, pool, budget)
    # The routing over what may be deployed, that, and what must be; the best one last.
    waiting = [(start, pool, np.zeros_like(pool))]
    looked = 1
    while True:
        waiting.sort(key=lambda one: one[0].value)
        answer, allowed, kept = waiting.pop()
        used = answer.share > SUPPORT
        if (used | kept).sum() <= max_deployed or allowed.sum() <= max_deployed:
            return answer.value, True
        if looked >= SETS:
            return answer.value, False
        least = int(np.where(used & ~kept, answer.share, np.inf).argmin())
        without, within = allowed.copy(), kept.copy()
        without[least], within[least] = False, True
        waiting.append((_best_routing(queries, world, without, budget), without, kept))
        looked += 1
        if within.sum() == max_deployed:
            answer, allowed = _best_routing(queries, world, within, budget), within
            looked += 1
        waiting.append((answer, allowed, within))


def _best_routing(
    queries: Queries, world: World, allowed: NDArray[np.bool_], budget: float
) -> _Answer:
    """Solve the fluid LP over the queries within a set."""
    models = np.flatnonzero(allowed)
    nothing = _Answer(-np.inf, np.zeros(len(allowed)))
    # Costs of order 1, as the tolerances of the solver are absolute.
    scale = max(float(queries.cost.max()), TINY)
    cost = np.broadcast_to(queries.cost, queries.reward.shape)[:, models] / scale
    mine = Queries(queries.weight, queries.reward[:, models], cost)
    limit, allowance = world.limit[models], budget / scale
    mean_reward, mean_cost = mine.weight @ mine.reward, mine.weight @ mine.cost
    blind = route(
        Batch((1,), mean_reward[None], mean_cost[None], limit[None].copy(), np.array([allowance])),
        "numba",
    )
    if blind.status[0] == codes.NO_CAPACITY:
        return nothing
    share = blind.share[0]
    points = [_Point(float(mean_reward @ share), float(mean_cost @ share), share)]
    if blind.status[0] == codes.OVER_BUDGET:
        # A query may be cheap with the one model, another with the other.
        least = -_mix(mine, limit, np.inf, points, 0.0)[0]
        if least > allowance:
            return nothing
    value, used = _mix(mine, limit, allowance, points, 1.0)
    found = np.zeros(len(allowed))
    found[models] = used
    return _Answer(value, found)


def _mix(
    queries: Queries, limit: F8, budget: float, points: list[_Point], worth: float
) -> tuple[float, F8]:
    """Mix points for the highest ``worth * reward - (1 - worth) * cost``; more are added.

    Returns
    -------
    value, share : float, ndarray
        The least bound that the prices prove, which the best mixture reaches within rounding, and
        the shares of that.
    """
    # Rounding must not shut out the point that the search begins with.
    mixtures = Mixtures(np.append(limit, budget) + _SLACK)

    def add(point: _Point) -> None:
        value = worth * point.reward - (1.0 - worth) * point.cost
        mixtures.add(value, np.append(point.share, point.cost))

    for point in points:
        add(point)
    rows = np.arange(len(queries.weight))
    bound = np.inf
    while True:
        value, weight, prices = mixtures.solve()
        price = prices[-1]
        score = worth * queries.reward - (1.0 - worth + price) * queries.cost - prices[:-1]
        choice = score.argmax(axis=1)
        proven = queries.weight @ score[rows, choice] + prices[:-1] @ limit
        bound = min(bound, float(proven + (price * budget if price > 0.0 else 0.0)))
        if bound - value <= _GAP or len(points) >= _POINTS:
            return bound, weight @ np.stack([point.share for point in points])
        points.append(
            _Point(
                float(queries.weight @ queries.reward[rows, choice]),
                float(queries.weight @ queries.cost[rows, choice]),
                np.bincount(choice, queries.weight, len(limit)).astype(np.float64),
            )
        )
        add(points[-1])
