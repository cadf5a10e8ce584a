"""The basis of every lane's routing LP, checked each round and repaired where it is lost.

As in :mod:`..numba_.basis`, each round checks the last basis against the bounds of the round, which
is O(M) for all lanes at once.  The lanes of a device form a matrix of
groups and columns; of the lanes that fail, the first one of every column is solved anew, as one
small batch, until none is left.  A basis is accepted only where it is the answer that a solution
from scratch gives, ties included, so results depend neither on when it was last solved nor on the
other lanes.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from fastroute.kernels.codes import NO_CAPACITY, OVER_BUDGET
from fastroute.kernels.formulas import rounded
from fastroute.kernels.jax_.lanes import FEWEST, at, indices, least, tolerances, total
from fastroute.kernels.jax_.layout import Lanes
from fastroute.kernels.jax_.routing import solve_lanes

#: Lanes that are solved anew together: this part of all, and at least ``FEWEST``.
PART = 16


def _check(lanes: Lanes, budget: Any, cost_max: Any) -> Any:
    """Find the lanes whose basis is not the best one for this round's bounds.

    A model that is full must be better than the marginal ones, an empty one worse.  With one
    model in the basis and price 0, a tie is decided by lower cost, then lower index.
    """
    upper, lower, side, status = lanes.upper, lanes.lower, lanes.side, lanes.status
    tol = tolerances(upper.dtype)
    index = indices(upper)
    mine, theirs = index == lanes.i, index == lanes.j
    u, c, base = at(mine, upper), at(mine, lower), at(theirs, lower)
    pair = lanes.i != lanes.j
    over = status == OVER_BUDGET
    price = jnp.where(pair, (u - at(theirs, upper)) * (1.0 / (c - base)), 0.0)
    # Over budget the cheapest models are full: the order is that of cost alone.
    weight = jnp.where(over, 0.0, 1.0)
    price = jnp.where(over, 1.0, price)
    guard = jnp.where(pair, tol.tie * (1.0 + price * cost_max), 0.0)
    # Over budget: costs within the tolerance of the budget row count as equal.
    guard = jnp.where(over, 2.0 * tol.budget_range * cost_max, guard)
    gain = weight * (upper - u) - price * (lower - c)
    tie = jnp.where(lower == c, lanes.i - index, c - lower)
    gain = jnp.where((guard == 0.0) & (gain == 0.0), tie, gain)
    worst = least(jnp.where(side == 0.0, jnp.inf, side * gain))
    i_share, rest, slack = _basic(lanes, budget)
    j_share = rest - i_share
    # Alone, the basis must be within the budget, or beyond it where nothing is cheaper.
    affordable = pair | ((slack >= 0.0) == ~over)
    good = affordable & (~pair | (price > 0.0) & (price < jnp.inf)) & (worst > guard)
    good &= (i_share >= 0.0) & (j_share >= 0.0)
    good &= (i_share <= at(mine, lanes.limit)) & (j_share <= at(theirs, lanes.limit))
    # Without capacity the shares are those of the limits, whatever the bounds.
    return ~good & (status != NO_CAPACITY)


def _basic(lanes: Lanes, budget: Any) -> Any:
    """Share of the first model of the basis, of both, and what the second leaves unspent."""
    index = indices(lanes.lower)
    full = jnp.where(lanes.side > 0.0, lanes.limit, 0.0)
    base = at(index == lanes.j, lanes.lower)
    rest = total(-full, 1.0)
    slack = (budget - base) - total(rounded(full * (lanes.lower - base)))
    inverse = 1.0 / (at(index == lanes.i, lanes.lower) - base)
    return jnp.where(lanes.i == lanes.j, rest, rounded(slack * inverse)), rest, slack


def _share(lanes: Lanes, budget: Any) -> Any:
    """Shares of all models from the basis."""
    index = indices(lanes.lower)
    mine, theirs = index == lanes.i, index == lanes.j
    i_share, rest, _ = _basic(lanes, budget)
    # Rounding may step over the limits.
    low = jnp.maximum(rest - at(theirs, lanes.limit), 0.0)
    low = jnp.where(lanes.i == lanes.j, i_share, low)
    i_share = jnp.minimum(jnp.maximum(i_share, low), jnp.minimum(at(mine, lanes.limit), rest))
    full = jnp.where(lanes.side > 0.0, lanes.limit, 0.0)
    share = jnp.where(mine, i_share, jnp.where(theirs, rest - i_share, full))
    return jnp.where(lanes.status == NO_CAPACITY, lanes.share, share)


def _repair(lanes: Lanes, lost: Any, budget: Any) -> Lanes:
    """Solve the lost lanes anew, the first one of every column at a time."""
    width = len(lost)
    columns = min(max(width // PART, FEWEST), width)

    def grouped(x: Any) -> Any:
        return x.reshape(*x.shape[:-1], width // columns, columns)

    group = jnp.arange(width // columns).astype(lanes.upper.dtype)[:, None]
    problem = [jnp.moveaxis(grouped(x), 1, 0) for x in (lanes.upper, lanes.lower, lanes.limit)]

    def step(state: Any) -> Any:
        bad, side, i, j, status = state
        one = group == least(jnp.where(bad, group, jnp.inf))
        upper, lower, limit = (at(one[:, None], x) for x in problem)
        answer = solve_lanes(upper, lower, limit, jnp.full_like(upper[0], budget))
        side = jnp.where(one, answer.side[:, None], side)
        i, j = jnp.where(one, answer.i, i), jnp.where(one, answer.j, j)
        return bad & ~one, side, i, j, jnp.where(one, answer.status, status)

    start = tuple(grouped(x) for x in (lost, lanes.side, lanes.i, lanes.j, lanes.status))
    _, *basis = lax.while_loop(lambda state: jnp.any(state[0]), step, start)
    side, i, j, status = (x.reshape(*x.shape[:-2], width) for x in basis)
    return lanes._replace(side=side, i=i, j=j, status=status)


def route(lanes: Lanes, budget: Any, cost_max: Any) -> Lanes:
    """Shares for this round's bounds."""
    lost = _check(lanes, budget, cost_max)
    lanes = _repair(lanes, lost, budget)
    return lanes._replace(share=_share(lanes, budget))
