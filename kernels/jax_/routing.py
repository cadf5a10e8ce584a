"""The routing LP by parametric simplex in the budget price, all lanes in lockstep.

The same steps in the same order as :mod:`..numba_.routing`, which explains them: first the models
are filled in order of reward, then mass moves from dearer to cheaper models until the budget is
met.  A lane that is done waits for the others; lanes with costs far above the budget walk apart
from the rest.  Results are equal to the last bit.

Of the models other than the marginal one, every share is 0 or the limit; so the state of a lane is
one number per model (``side``: +1 at the limit, -1 at zero, 0 marginal or absent) and the share of
the marginal model.  In each step a handful of reductions over the models finds the next pivot.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.formulas import rounded
from fastroute.kernels.jax_.lanes import (
    WIDTH,
    at,
    in_double,
    indices,
    lanes_for,
    largest,
    least,
    over_models,
    tolerances,
    total,
)
from fastroute.kernels.numba_ import routing as host
from fastroute.kernels.tolerances import ENLARGE, TINY
from fastroute.kernels.types import Routing

LARGEST = float(np.finfo(np.float64).max)


class Answer(NamedTuple):
    """Solutions of one routing LP per lane."""

    share: jax.Array  #: [M, lanes]
    value: jax.Array  #: [lanes]
    budget_price: jax.Array  #: [lanes]
    simplex_price: jax.Array  #: [lanes]
    status: jax.Array  #: int32 [lanes]
    side: jax.Array  #: +1 at the limit, -1 at zero, 0 in the basis or absent, [M, lanes]
    i: jax.Array  #: first model of the basis, -1 without capacity; as a real number, [lanes]
    j: jax.Array  #: second model of the basis, or ``i`` again, [lanes]


def solve_lanes(reward: jax.Array, cost: jax.Array, limit: jax.Array, budget: jax.Array) -> Answer:
    """Solve one routing LP per lane.

    Parameters
    ----------
    reward, cost, limit : array, [M, lanes]
        Objective, budget row and upper limits; a limit of 0 marks an absent model.
    budget : array, [lanes]
        Largest mean cost; may be infinite.

    Returns
    -------
    Answer
    """
    tol = tolerances(reward.dtype)
    index = indices(reward)
    here = limit > 0.0
    capacity = total(limit)
    dearest = largest(jnp.where(here, cost, 0.0))
    cheapest = least(jnp.where(here, cost, jnp.inf))
    enough = capacity >= 1.0 - tol.mass
    b = jnp.minimum(budget, dearest)
    # Costs far above the budget count as ``reach``.
    reach = jnp.minimum(dearest, rounded(tol.reach * b))
    far = enough & (dearest > reach)
    spread = jnp.maximum(reach - cheapest, 0.0)
    slack = rounded(tol.budget_range * spread) + rounded(tol.budget_scale * reach)
    side, i, held, excess = _fill(reward, cost, limit, cheapest, cheapest - b, enough, index)
    start = (
        side,
        i,
        held,
        jnp.where(enough & ~far, excess, -jnp.inf),
        jnp.zeros_like(held),
        held * 0.0 - 1.0,
    )
    side, i, held, excess, price, j = _walk(reward, cost, limit, slack, start)
    state = side, i, held, jnp.zeros_like(held), price, j
    side, i, held, rest, price, j = lax.cond(
        jnp.any(far), lambda: _walk_far(reward, cost, limit, b, slack, far, state), lambda: state
    )
    status = jnp.where(enough, OPTIMAL, NO_CAPACITY).astype(jnp.int32)
    status = jnp.where(j == len(reward), OVER_BUDGET, status)
    pair = (j >= 0.0) & (j < len(reward))
    j = jnp.where(pair, j, i)
    mine, theirs = index == i, index == j
    gap = at(mine, cost) - at(theirs, cost)
    # The last step, which spends the budget exactly: between i and a cheaper j that enters, or
    # a dearer j that leaves.
    needed = excess / jnp.abs(gap)
    enters = gap > 0.0
    other = at(theirs, limit)
    # Rounding may step over the limit.
    taken = jnp.minimum(held + needed, at(mine, limit))
    other = jnp.where(enters, jnp.minimum(needed, other), other - needed)
    other = jnp.where(far, rest, other)
    held = jnp.where(pair & ~far, jnp.where(enters, held - needed, taken), held)
    crossing = (at(mine, reward) - at(theirs, reward)) / gap
    price = jnp.where(pair & (crossing > price), crossing, price)
    side = jnp.where(mine | theirs, 0.0, side)
    share = jnp.where(mine, held, jnp.where(theirs, other, jnp.where(side > 0.0, limit, 0.0)))
    marginal = at(mine, reward) - rounded(price * at(mine, cost))
    # What follows is for problems that have no distribution within the limits or the budget.
    share = lax.cond(
        jnp.all(enough),
        lambda: share,
        # A divisor that is the same for all models would become a factor, rounded otherwise.
        lambda: jnp.where(enough, share, limit / jnp.where(here, capacity, 1.0)),
    )

    def of_worst() -> jax.Array:
        # The walk went on where nothing was left to move: the worst model in use is marginal.
        worst = least(jnp.where(share > 0.0, reward - rounded(price * cost), jnp.inf))
        return jnp.where((status == OVER_BUDGET) & (worst < marginal), worst, marginal)

    marginal = lax.cond(jnp.any(status == OVER_BUDGET), of_worst, lambda: marginal)
    return Answer(
        share,
        total(rounded(share * reward)),
        jnp.where(enough, price, 0.0),
        jnp.where(enough, marginal, 0.0),
        status,
        jnp.where(enough, side, jnp.where(here, 1.0, 0.0)),
        jnp.where(enough, i, -1.0),
        jnp.where(enough, j, -1.0),
    )


def _fill(
    reward: jax.Array,
    cost: jax.Array,
    limit: jax.Array,
    cheapest: jax.Array,
    excess: jax.Array,
    enough: jax.Array,
    index: jax.Array,
) -> tuple[jax.Array, ...]:
    """Fill models in order of reward, then cost, then index; the last one is marginal."""
    size = len(reward)
    mass = tolerances(reward.dtype).mass

    def more(state: Any) -> jax.Array:
        filled, _, rest, *_ = state
        return (filled < size) & jnp.any((rest > mass) & enough)

    def step(state: Any) -> Any:
        filled, side, rest, excess, i, held = state
        free = side < 0.0
        best = largest(jnp.where(free, reward, -jnp.inf))
        low = least(jnp.where(free & (reward == best), cost, jnp.inf))
        k = least(jnp.where(free & (reward == best) & (cost == low), index, jnp.inf))
        go = (rest > mass) & (k < size)
        part = jnp.minimum(at(index == k, limit), rest)
        side = jnp.where((index == k) & go, 1.0, side)
        held = jnp.where(go, part, held)
        excess = jnp.where(go, excess + rounded(part * (low - cheapest)), excess)
        rest = jnp.where(go, rest - part, rest)
        return filled + 1, side, rest, excess, jnp.where(go, k, i), held

    zero = jnp.zeros_like(excess)
    side = jnp.where(limit > 0.0, jnp.ones((), reward.dtype), 0.0) * -1.0
    start = (jnp.int32(0), side, zero + 1.0, excess, zero, zero)
    _, side, _, excess, i, held = lax.while_loop(more, step, start)
    return jnp.where(index == i, 0.0, side), i, held, excess


def _walk(
    reward: jax.Array, cost: jax.Array, limit: jax.Array, slack: jax.Array, start: Any
) -> Any:
    """Let the price rise to the last pivot of every lane.

    The state is ``(side, i, held, excess, price, j)``: the sides, the marginal model and its share,
    spending beyond the budget, the price, and how the lane ended: -1 while it goes on or when it
    was within the budget from the start, the model that spends the budget together with ``i``, or
    M when nothing cheaper is left.
    """
    size = len(reward)
    index = indices(reward)
    rounding = tolerances(reward.dtype).rounding

    def more(state: Any) -> jax.Array:
        *_, excess, _, j = state
        return jnp.any((j < 0.0) & (excess > slack))

    def step(state: Any) -> Any:
        side, i, held, excess, price, j = state
        mine = index == i
        c, a = at(mine, cost), at(mine, limit)
        crossing, k, low = _nearest(reward, cost, side, mine, index)
        enters = low < c
        theirs = index == k
        room_k = at(theirs, limit)
        given = jnp.where(enters, held, room_k)
        room = jnp.where(enters, room_k, a - held)
        width = jnp.abs(c - low)
        needed = excess / width
        last = (needed <= given) & (needed <= room)
        going = (j < 0.0) & (excess > slack)
        none = crossing == jnp.inf
        j = jnp.where(going & none, float(size), jnp.where(going & last, k, j))
        # Otherwise the giver is emptied or the taker filled, and the other one is marginal.
        going = going & ~last & ~none
        emptied = given <= room
        moved = jnp.minimum(given, room)
        # What rounding leaves in a share is no mass, and moving it has no price.
        counts = going & (moved > rounded(rounding * jnp.minimum(a, room_k)))
        replaced = going & (emptied == enters)
        to = jnp.where(emptied, -1.0, 1.0)
        new_k = jnp.where(replaced, 0.0, jnp.where(going, to, side))
        side = jnp.where(theirs, new_k, jnp.where(mine & replaced, to, side))
        entered = jnp.where(emptied, held, held - room_k)
        left = jnp.where(emptied, held + room_k, room_k - room)
        held = jnp.where(going, jnp.where(enters, entered, left), held)
        i = jnp.where(replaced, k, i)
        price = jnp.where(counts & (crossing > price), crossing, price)
        excess = jnp.where(counts, excess - rounded(moved * width), excess)
        return side, i, held, excess, price, j

    return lax.while_loop(more, step, start)


def _nearest(
    reward: jax.Array, cost: jax.Array, side: jax.Array, mine: jax.Array, index: jax.Array
) -> tuple[jax.Array, ...]:
    """Nearest crossing of the marginal model, infinite if there is none, and whose it is."""
    u, c = at(mine, reward), at(mine, cost)
    gap = c - cost
    # Unfilled models that are cheaper, filled ones that are dearer.
    crossings = jnp.where(side * gap < 0.0, (u - reward) / gap, jnp.inf)
    crossing = least(crossings)
    # Of equal crossings the cheapest model, then the first that enters or the last that leaves.
    low = least(jnp.where(crossings == crossing, cost, jnp.inf))
    sign = jnp.where(low < c, -1.0, 1.0)
    tied = (crossings == crossing) & (cost == low)
    k = largest(jnp.where(tied, index * sign, -jnp.inf)) * sign
    return crossing, k, low


def _walk_far(
    reward: jax.Array,
    cost: jax.Array,
    limit: jax.Array,
    b: jax.Array,
    slack: jax.Array,
    far: jax.Array,
    start: Any,
) -> Any:
    """Let the price rise in the lanes marked ``far``, where every basis is computed anew.

    The state is ``(side, i, held, rest, price, j)``: as in :func:`_walk`, with the share of the
    second model in the basis instead of the spending.
    """
    size = len(reward)
    index = indices(reward)
    tol = tolerances(reward.dtype)

    def placed(rest: jax.Array, limit: jax.Array) -> jax.Array:
        return jnp.where(rest > tol.mass, jnp.minimum(rest, limit), 0.0)

    def step(state: Any) -> Any:
        (side, i, held, rest, price, j), excess = state
        going = far & (j < 0.0) & (excess > slack)
        mine = index == i
        c, a = at(mine, cost), at(mine, limit)
        crossing, k, low = _nearest(reward, cost, side, mine, index)
        theirs = index == k
        enters = low < c
        room_k = at(theirs, limit)
        a_giver, a_taker = jnp.where(enters, a, room_k), jnp.where(enters, room_k, a)
        c_giver, c_taker = jnp.where(enters, c, low), jnp.where(enters, low, c)
        giver, taker = jnp.where(enters, i, k), jnp.where(enters, k, i)
        left, spent = _without(cost, limit, side, theirs)
        taken = placed(left, a_taker)
        kept = placed(left - taken, a_giver)
        after = spent + rounded(taken * c_taker) + rounded(kept * c_giver) - b
        none = crossing == jnp.inf
        last = going & ~none & (after <= 0.0)
        go = going & ~none & ~last
        # The share of the dearer one, from numbers no larger than the budget.
        part = (b - spent - rounded(left * c_taker)) / (c_giver - c_taker)
        part = jnp.minimum(jnp.minimum(jnp.maximum(part, kept), a_giver), left)
        emptied = left <= a_taker
        given = jnp.where(enters, held, room_k)
        room = jnp.where(enters, room_k, a - held)
        moved = jnp.where(emptied, given, room)
        counts = go & (moved > rounded(tol.rounding * jnp.minimum(a, room_k)))
        price = jnp.where(counts & (crossing > price), crossing, price)
        stays = jnp.where(emptied, taker, giver)
        gone = jnp.where(emptied, giver, taker)
        new = jnp.where(index == gone, jnp.where(emptied, -1.0, 1.0), side)
        side = jnp.where(go, jnp.where(index == stays, 0.0, new), side)
        i = jnp.where(last, giver, jnp.where(go, stays, i))
        j = jnp.where(going & none, float(size), jnp.where(last, taker, j))
        rest = jnp.where(last, jnp.minimum(left - part, a_taker), rest)
        held = jnp.where(go, jnp.where(emptied, taken, kept), held)
        held = jnp.where(last, part, held)
        return (side, i, held, rest, price, j), jnp.where(go, after, excess)

    def more(state: Any) -> jax.Array:
        (*_, j), excess = state
        return jnp.any(far & (j < 0.0) & (excess > slack))

    side, i, held, rest, price, j = start
    mine = index == i
    left, spent = _without(cost, limit, side, mine)
    held = jnp.where(far, placed(left, at(mine, limit)), held)
    excess = spent + rounded(held * at(mine, cost)) - b
    start = (side, i, held, rest, price, j), excess
    found, _ = lax.while_loop(more, step, start)
    return found


def _without(cost: jax.Array, limit: jax.Array, side: jax.Array, out: jax.Array) -> Any:
    """Traffic and budget outside the basis; see :func:`..numba_.routing._without`."""

    def step(state: Any, part: jax.Array, price: jax.Array) -> Any:
        rest, lost, spent = state
        # Kept apart, because XLA takes ``rest - part - rest`` for ``-part``.
        less = rounded(rest - part)
        back = rounded(less - rest)
        lost = lost + ((rest - (less - back)) - (part + back))
        return less, lost, spent + rounded(part * price)

    full = jnp.where((side > 0.0) & ~out, limit, 0.0)
    zero = jnp.zeros_like(full[0])
    rest, lost, spent = over_models(step, (zero + 1.0, zero, zero), full, cost)
    return jnp.maximum(rest + lost, 0.0), spent


@jax.custom_jvp
def _envelope(
    reward: jax.Array, cost: jax.Array, limit: jax.Array, budget: jax.Array
) -> tuple[jax.Array, ...]:
    """Shares, value, prices and status of :func:`solve_lanes`; the value has derivatives."""
    return tuple(solve_lanes(reward, cost, limit, budget)[:5])


@_envelope.defjvp
def _envelope_jvp(primals: Any, tangents: Any) -> Any:
    """Envelope theorem: the derivatives of the value are the shares and the multipliers."""
    reward, cost, limit, _ = primals
    d_reward, d_cost, d_limit, d_budget = tangents
    answer = _envelope(*primals)
    share, _, price, marginal, status = answer
    met = status == OPTIMAL
    price = jnp.where(met, price, 0.0)
    # Multiplier of the limit: what a model is worth beyond the marginal one.
    worth = jnp.where(met, jnp.maximum(reward - price * cost - marginal, 0.0), 0.0)
    worth = jnp.where(limit > 0.0, worth, 0.0)
    change = (share * (d_reward - price * d_cost) + worth * d_limit).sum(0) + price * d_budget
    none = np.zeros(status.shape, jax.dtypes.float0)
    zeros = [jnp.zeros_like(x) for x in (share, price, marginal)]
    return answer, (zeros[0], change.astype(answer[1].dtype), zeros[1], zeros[2], none)


@jax.jit
def solve_rows(reward: jax.Array, cost: jax.Array, limit: jax.Array, budget: jax.Array) -> Any:
    """Solve a batch of independent routing LPs; may be traced.

    Parameters
    ----------
    reward, cost, limit : array, [B, M]
    budget : array, [B]
        All of one number type, which is that of the answer.

    Returns
    -------
    Routing
        Of JAX arrays.  ``value`` has derivatives with respect to all arguments; the others have
        none.
    """
    batch = len(budget)
    # On a processor, blocks of lanes that fit into its fast memory follow each other.
    width = max(min(batch, WIDTH) if jax.default_backend() == "cpu" else batch, 1)
    blocks = max(-(-batch // width), 1)

    def lanes(x: jax.Array) -> jax.Array:
        padded = jnp.pad(x, [(0, blocks * width - batch), *[(0, 0)] * (x.ndim - 1)])
        return jnp.moveaxis(padded.reshape(blocks, width, *x.shape[1:]), 1, -1)

    def rows(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x, -1, 1).reshape(blocks * width, *x.shape[1:-1])[:batch]

    problems = tuple(lanes(x) for x in (reward, cost, limit, budget))
    if blocks > 1:
        answers = lax.map(lambda problem: _envelope(*problem), problems)
    else:
        answers = tuple(x[None] for x in _envelope(*(x[0] for x in problems)))
    return Routing(*(rows(x) for x in answers))  # type: ignore[arg-type]


@in_double
def solve(
    reward: NDArray[np.float64],
    cost: NDArray[np.float64],
    limit: NDArray[np.float64],
    budget: NDArray[np.float64],
) -> Routing:
    """Solve a batch of independent routing LPs.

    Parameters
    ----------
    reward, cost, limit : ndarray, [B, M]
        Objective, budget row and upper limits; a limit of 0 marks an absent model.
    budget : ndarray, [B]
        Largest mean cost of each LP.

    Returns
    -------
    Routing
    """
    batch = len(reward)
    # XLA takes subnormal numbers for zero, so this is done before.
    dearest = np.where(limit > 0.0, cost, 0.0).max(axis=1)
    unit = np.where(dearest < TINY, ENLARGE, 1.0)
    fill = lanes_for(batch) - batch
    with np.errstate(over="ignore"):
        scaled = reward, cost * unit[:, None], limit, budget * unit
        padded = (np.pad(x, [(0, fill), *[(0, 0)] * (x.ndim - 1)]) for x in scaled)
        share, value, price, marginal, status = (np.array(x)[:batch] for x in solve_rows(*padded))
        price = np.minimum(price * unit, LARGEST)
    out = Routing(share, value, price, np.maximum(marginal, -LARGEST), status.astype(np.int64))
    # Budgets that no power of two makes large enough beside the costs.
    small = (budget < TINY) & (dearest >= TINY)
    if small.any():
        alone = host.solve(*(np.ascontiguousarray(x[small]) for x in (reward, cost, limit, budget)))
        for mine, theirs in zip(out, alone, strict=True):
            mine[small] = theirs
    return out
