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
    entries,
    fold,
    in_double,
    indices,
    kept,
    lanes_for,
    least,
    over_models,
    together,
    tolerances,
    total,
)
from fastroute.kernels.numba_ import routing as host
from fastroute.kernels.tolerances import ENLARGE, TINY
from fastroute.kernels.types import F8, Routing

LARGEST = float(np.finfo(np.float64).max)
#: Problems from NumPy that a processor solves in one call: they fit into its fast memory.
CHUNK = 16384


class Model(NamedTuple):
    """One model per lane, and its numbers, [lanes]."""

    slot: jax.Array  #: its index, as a real number
    reward: jax.Array
    cost: jax.Array
    limit: jax.Array


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
    dearest, cheapest = _range(cost, limit)
    enough = capacity >= 1.0 - tol.mass
    b = jnp.minimum(budget, dearest)
    # Costs far above the budget count as ``reach``.
    reach = jnp.minimum(dearest, rounded(tol.reach * b))
    far = enough & (dearest > reach)
    spread = jnp.maximum(reach - cheapest, 0.0)
    slack = rounded(tol.budget_range * spread) + rounded(tol.budget_scale * reach)
    # Absent models are worth nothing, so no lane ever turns to them.
    worth = jnp.where(here, reward, -jnp.inf)
    side, i, held, excess = _fill(worth, cost, limit, cheapest, cheapest - b, enough)
    none = jnp.zeros_like(held)
    excess = jnp.where(enough & ~far, excess, -jnp.inf)
    state = side, jnp.stack((*i, held, excess, none, none - 1.0, none - 1.0, none))
    state = _walk(worth, cost, limit, slack, state)
    side, (*i, held, excess, price, j, gone, to) = lax.cond(
        jnp.any(far), lambda: _walk_far(worth, cost, limit, b, slack, far, state), lambda: state
    )
    i = Model(*i)
    status = jnp.where(enough, OPTIMAL, NO_CAPACITY).astype(jnp.int32)
    status = jnp.where(j == len(reward), OVER_BUDGET, status)
    pair = (j >= 0.0) & (j < len(reward))
    j = jnp.where(pair, j, i.slot)
    u_j, c_j, a_j = entries(index == j, reward, cost, limit)
    gap = i.cost - c_j
    # The last step, which spends the budget exactly: between i and a cheaper j that enters, or
    # a dearer j that leaves.
    needed = excess / jnp.abs(gap)
    enters = gap > 0.0
    # Rounding may step over the limit.
    taken = jnp.minimum(held + needed, i.limit)
    other = jnp.where(enters, jnp.minimum(needed, a_j), a_j - needed)
    other = jnp.where(far, excess, other)
    held = jnp.where(pair & ~far, jnp.where(enters, held - needed, taken), held)
    crossing = (i.reward - u_j) / gap
    price = jnp.where(pair & (crossing > price), crossing, price)
    marginal = i.reward - rounded(price * i.cost)
    held, other, price, marginal, j = kept(held, other, price, marginal, j)
    mine, theirs = index == i.slot, index == j
    side = jnp.where(mine | theirs, 0.0, jnp.where(index == gone, to, side))
    share = jnp.where(mine, held, jnp.where(theirs, other, jnp.where(side > 0.0, limit, 0.0)))
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
        jnp.where(here, jnp.where(enough, side, 1.0), 0.0),
        jnp.where(enough, i.slot, -1.0),
        jnp.where(enough, j, -1.0),
    )


def _range(cost: jax.Array, limit: jax.Array) -> Any:
    """Largest and smallest cost of the models that are there; 0 and infinite without any."""

    def join(a: Any, b: Any) -> Any:
        return lax.select(a[0] > b[0], a[0], b[0]), lax.select(a[1] < b[1], a[1], b[1])

    here = limit > 0.0
    costs = jnp.where(here, cost, 0.0), jnp.where(here, cost, jnp.inf)
    return fold(join, costs, (-jnp.inf, jnp.inf))


def _fill(
    reward: jax.Array,
    cost: jax.Array,
    limit: jax.Array,
    cheapest: jax.Array,
    excess: jax.Array,
    enough: jax.Array,
) -> tuple[Any, ...]:
    """Fill models in order of reward, then cost, then index; the last one is marginal.

    Returns the sides, the marginal model with its share, and the spending beyond the budget.
    """
    size = len(reward)
    index = indices(reward)
    every = jnp.broadcast_to(index, reward.shape)
    mass = tolerances(reward.dtype).mass

    def behind(last: Model) -> jax.Array:
        """Tell which models come after ``last``."""
        later = (cost > last.cost) | ((cost == last.cost) & (index > last.slot))
        return (reward < last.reward) | ((reward == last.reward) & later)

    def better(a: Any, b: Any) -> Any:
        tied = (b[1] < a[1]) | ((b[1] == a[1]) & (b[2] < a[2]))
        return _chosen((b[0] > a[0]) | ((b[0] == a[0]) & tied), a, b)

    def more(state: Any) -> jax.Array:
        filled, (_, _, _, _, rest, *_) = state
        return (filled < size) & jnp.any((rest > mass) & enough)

    def step(state: Any) -> Any:
        filled, (*last, rest, excess, held) = state
        last = Model(*last)
        worth = jnp.where(behind(last), reward, -jnp.inf)
        found = fold(better, (worth, cost, every, limit), (-jnp.inf, jnp.inf, jnp.inf, 0.0))
        best = Model(found[2], found[0], found[1], found[3])
        go = (rest > mass) & (best.reward > -jnp.inf)
        part = jnp.minimum(best.limit, rest)
        held = jnp.where(go, part, held)
        excess = jnp.where(go, excess + rounded(part * (best.cost - cheapest)), excess)
        rest = jnp.where(go, rest - part, rest)
        return filled + 1, together(*_where(go, best, last), rest, excess, held)

    zero = jnp.zeros_like(excess)
    start = jnp.stack((zero, zero + jnp.inf, zero, zero, zero + 1.0, excess, zero))
    _, (*found, _, excess, held) = lax.while_loop(more, step, (jnp.int32(0), start))
    last = Model(*found)
    one = jnp.ones((), reward.dtype)
    return jnp.where(behind(last), -one, one), last, held, excess


def _chosen(second: jax.Array, a: Any, b: Any) -> Any:
    """Entries of ``b`` where ``second`` holds, else those of ``a``; for :func:`.lanes.fold`."""
    return tuple(lax.select(second, y, x) for x, y in zip(a, b, strict=True))


def _where(condition: jax.Array, a: Model, b: Model) -> Model:
    return Model(*(jnp.where(condition, x, y) for x, y in zip(a, b, strict=True)))


def _walk(
    reward: jax.Array, cost: jax.Array, limit: jax.Array, slack: jax.Array, start: Any
) -> Any:
    """Let the price rise to the last pivot of every lane.

    The state is ``side`` and one array of rows: the marginal model (four numbers) and its share,
    spending beyond the budget, the price, and how the lane ended: -1 while it goes on or when it
    was within the budget from the start, the model that spends the budget together with the
    marginal one, or M when nothing cheaper is left.  The last two are the model that left the basis
    in the last pivot, -1 if none, and its side: each pivot writes that of the one before it, so
    that the models are passed over with few numbers at hand.  The side of the marginal model is not
    kept.
    """
    size = len(reward)
    index = indices(reward)
    rounding = tolerances(reward.dtype).rounding

    def more(state: Any) -> jax.Array:
        _, (*_, excess, _, j, _, _) = state
        return jnp.any((j < 0.0) & (excess > slack))

    def step(state: Any) -> Any:
        side, (*i, held, excess, price, j, gone, to) = state
        i = Model(*i)
        side = jnp.where(index == gone, to, side)
        crossing, k = _nearest(reward, cost, limit, side, i)
        enters = k.cost < i.cost
        given = jnp.where(enters, held, k.limit)
        room = jnp.where(enters, k.limit, i.limit - held)
        width = jnp.abs(i.cost - k.cost)
        needed = excess / width
        last = (needed <= given) & (needed <= room)
        going = (j < 0.0) & (excess > slack)
        none = crossing == jnp.inf
        j = jnp.where(going & none, float(size), jnp.where(going & last, k.slot, j))
        # Otherwise the giver is emptied or the taker filled, and the other one is marginal.
        going = going & ~last & ~none
        emptied = given <= room
        moved = jnp.minimum(given, room)
        # What rounding leaves in a share is no mass, and moving it has no price.
        counts = going & (moved > rounded(rounding * jnp.minimum(i.limit, k.limit)))
        replaced = going & (emptied == enters)
        gone = jnp.where(replaced, i.slot, jnp.where(going, k.slot, -1.0))
        to = jnp.where(emptied, -1.0, 1.0).astype(side.dtype)
        entered = jnp.where(emptied, held, held - k.limit)
        left = jnp.where(emptied, held + k.limit, k.limit - room)
        held = jnp.where(going, jnp.where(enters, entered, left), held)
        price = jnp.where(counts & (crossing > price), crossing, price)
        excess = jnp.where(counts, excess - rounded(moved * width), excess)
        return side, together(*_where(replaced, k, i), held, excess, price, j, gone, to)

    return lax.while_loop(more, step, start)


def _nearest(
    reward: jax.Array, cost: jax.Array, limit: jax.Array, side: jax.Array, i: Model
) -> tuple[jax.Array, Model]:
    """Nearest crossing of the marginal model ``i``, infinite if there is none, and whose it is."""
    index = jnp.broadcast_to(indices(reward), reward.shape)
    gap = i.cost - cost
    # Unfilled models that are cheaper, filled ones that are dearer.
    crossing = jnp.where(side * gap < 0.0, (i.reward - reward) / gap, jnp.inf)
    # Of equal crossings the cheapest model, then the first that enters or the last that leaves.
    order = jnp.where(gap > 0.0, index, -index)

    def nearer(a: Any, b: Any) -> Any:
        tied = (b[1] < a[1]) | ((b[1] == a[1]) & (b[2] < a[2]))
        return _chosen((b[0] < a[0]) | ((b[0] == a[0]) & tied), a, b)

    rows = crossing, cost, order, reward, limit
    crossing, low, order, u, a = fold(nearer, rows, (jnp.inf, jnp.inf, jnp.inf, 0.0, 0.0))
    return crossing, Model(jnp.abs(order), u, low, a)


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

    The state is as in :func:`_walk`; in these lanes the share of the second model of the basis
    takes the place of the spending.
    """
    size = len(reward)
    index = indices(reward)
    tol = tolerances(reward.dtype)

    def placed(rest: jax.Array, limit: jax.Array) -> jax.Array:
        return jnp.where(rest > tol.mass, jnp.minimum(rest, limit), 0.0)

    def step(state: Any) -> Any:
        side, (*i, held, rest, price, j, excess, gone, to) = state
        i = Model(*i)
        side = jnp.where(index == i.slot, 0.0, jnp.where(index == gone, to, side))
        going = far & (j < 0.0) & (excess > slack)
        crossing, k = _nearest(reward, cost, limit, side, i)
        enters = k.cost < i.cost
        giver, taker = _where(enters, i, k), _where(enters, k, i)
        left, spent = _without(cost, limit, side, index == k.slot)
        taken = placed(left, taker.limit)
        kept = placed(left - taken, giver.limit)
        after = spent + rounded(taken * taker.cost) + rounded(kept * giver.cost) - b
        none = crossing == jnp.inf
        last = going & ~none & (after <= 0.0)
        go = going & ~none & ~last
        # The share of the dearer one, from numbers no larger than the budget.
        part = (b - spent - rounded(left * taker.cost)) / (giver.cost - taker.cost)
        part = jnp.minimum(jnp.minimum(jnp.maximum(part, kept), giver.limit), left)
        emptied = left <= taker.limit
        given = jnp.where(enters, held, k.limit)
        room = jnp.where(enters, k.limit, i.limit - held)
        moved = jnp.where(emptied, given, room)
        counts = go & (moved > rounded(tol.rounding * jnp.minimum(i.limit, k.limit)))
        price = jnp.where(counts & (crossing > price), crossing, price)
        gone = jnp.where(go, jnp.where(emptied, giver.slot, taker.slot), -1.0)
        to = jnp.where(emptied, -1.0, 1.0).astype(side.dtype)
        i = _where(last, giver, _where(go, _where(emptied, taker, giver), i))
        j = jnp.where(going & none, float(size), jnp.where(last, taker.slot, j))
        rest = jnp.where(last, jnp.minimum(left - part, taker.limit), rest)
        held = jnp.where(go, jnp.where(emptied, taken, kept), held)
        held = jnp.where(last, part, held)
        excess = jnp.where(go, after, excess)
        return side, together(*i, held, rest, price, j, excess, gone, to)

    def more(state: Any) -> jax.Array:
        _, (*_, j, excess, _, _) = state
        return jnp.any(far & (j < 0.0) & (excess > slack))

    side, (*i, held, rest, price, j, gone, to) = start
    left, spent = _without(cost, limit, side, index == i[0])
    held = jnp.where(far, placed(left, i[3]), held)
    excess = spent + rounded(held * i[2]) - b
    state = side, jnp.stack((*i, held, rest, price, j, excess, gone, to))
    side, (*i, held, rest, price, j, _, gone, to) = lax.while_loop(more, step, state)
    return side, jnp.stack((*i, held, rest, price, j, gone, to))


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
    """Solve problems in rows ``[lanes, M]``; the value has derivatives.

    Returns shares, value, prices and status.
    """
    u, c, a = kept(reward.T, cost.T, limit.T)
    share, *rest = solve_lanes(u, c, a, budget)[:5]
    return share.T, *rest


@_envelope.defjvp
def _envelope_jvp(primals: Any, tangents: Any) -> Any:
    """Envelope theorem: the derivatives of the value are the shares and the multipliers."""
    reward, cost, limit, _ = primals
    d_reward, d_cost, d_limit, d_budget = tangents
    answer = _envelope(*primals)
    share, _, price, marginal, status = answer
    met = status == OPTIMAL
    price = jnp.where(met, price, 0.0)
    each = price[:, None]
    # Multiplier of the limit: what a model is worth beyond the marginal one.
    worth = jnp.maximum(reward - each * cost - marginal[:, None], 0.0)
    worth = jnp.where(met[:, None] & (limit > 0.0), worth, 0.0)
    change = (share * (d_reward - each * d_cost) + worth * d_limit).sum(1) + price * d_budget
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

    def block(x: jax.Array) -> jax.Array:
        if blocks * width > batch:
            x = jnp.pad(x, [(0, blocks * width - batch), *[(0, 0)] * (x.ndim - 1)])
        return x.reshape(blocks, width, *x.shape[1:])

    problems = tuple(block(x) for x in (reward, cost, limit, budget))
    answers = lax.map(lambda problem: _envelope(*problem), problems)
    return Routing(*(x.reshape(blocks * width, *x.shape[2:])[:batch] for x in answers))


@in_double
def solve(
    reward: F8,
    cost: F8,
    limit: F8,
    budget: F8,
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
    batch, size = reward.shape
    out = Routing(
        np.empty((batch, size)),
        np.empty(batch),
        np.empty(batch),
        np.empty(batch),
        np.empty(batch, np.int64),
    )
    # Full lanes are added to the last problems, so that no second size is compiled for them.
    step = lanes_for(batch)
    if jax.default_backend() == "cpu":
        step = min(step, CHUNK)
    for start in range(0, batch, step):
        rows = slice(start, min(start + step, batch))
        problems = Problems(reward[rows], cost[rows], limit[rows], budget[rows])
        _solve_chunk(problems, step, [x[rows] for x in out])
    return out


class Problems(NamedTuple):
    """Arguments of :func:`solve`."""

    reward: F8
    cost: F8
    limit: F8
    budget: F8


def _solve_chunk(problems: Problems, lanes: int, out: list[NDArray[Any]]) -> None:
    """Solve up to ``lanes`` problems in one call of JAX; the arrays of the answer are written."""
    batch = len(problems.budget)
    reward, cost, limit, budget = padded = problems
    # XLA takes subnormal numbers for zero, so small ones are made larger before.
    tiny = min(cost.min(), budget.min()) < TINY
    if tiny:
        dearest = np.where(limit > 0.0, cost, 0.0).max(axis=1)
        unit = np.where(dearest < TINY, ENLARGE, 1.0)
        with np.errstate(over="ignore"):
            padded = Problems(reward, cost * unit[:, None], limit, budget * unit)
    if lanes > batch:
        none = [(0, lanes - batch)]
        padded = Problems(*(np.pad(x, none + [(0, 0)] * (x.ndim - 1)) for x in padded))
    for mine, found in zip(out, solve_rows(*padded), strict=True):
        mine[:] = np.asarray(found)[:batch]
    _, _, price, marginal, _ = out
    if tiny:
        with np.errstate(over="ignore"):
            price *= unit
    np.minimum(price, LARGEST, out=price)
    np.maximum(marginal, -LARGEST, out=marginal)
    if tiny and (small := (budget < TINY) & (dearest >= TINY)).any():
        # Budgets that no power of two makes large enough beside the costs.
        alone = host.solve(*(np.ascontiguousarray(x[small]) for x in problems))
        for mine, theirs in zip(out, alone, strict=True):
            mine[small] = theirs
