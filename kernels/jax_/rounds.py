"""The rounds of a stage, for all trials in lockstep.

Arrays are ``[slots, lanes]``: one row per deployed model, one lane per trial.  Lanes are divided
among the devices of a mesh, and nothing passes between them.

The routing LP keeps its last basis, as in :mod:`..numba_.rounds`.  Each round checks it against the
bounds of the round, which is O(M) for all lanes at once.  The lanes of a device form a matrix of
groups and columns; of the lanes that fail, the first one of every column is solved anew, as one
small batch, until none is left.  A basis is accepted only where it is the answer that a solution
from scratch gives, ties included, so results depend neither on when it was last solved nor on the
other lanes.

All numbers of a run (seed, budget, gamma, codes, rounds) are arguments of the compiled functions,
which are compiled once for every shape.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec
from numpy.typing import NDArray

from fastroute.kernels.codes import (
    COST_FIXED,
    COST_REPLAY,
    COST_TABLE,
    COST_UNIFORM,
    ESTIMATOR_TRUTH,
    INIT_FORCED,
    NO_CAPACITY,
    OPTIMAL,
    OVER_BUDGET,
    REWARD_BERNOULLI,
    REWARD_REPLAY,
    REWARD_TABLE,
    REWARD_TASK,
    ROUTER_GREEDY,
    ROUTER_LP,
    ROUTER_TRUTH,
    ROUTER_UNIFORM,
    STREAM_ROUND,
)
from fastroute.kernels.jax_.bounds import bounds
from fastroute.kernels.jax_.lanes import (
    FEWEST,
    at,
    in_double,
    indices,
    lanes_for,
    least,
    over_models,
    rounded,
    tolerances,
    total,
)
from fastroute.kernels.jax_.rng import key_words, uniforms
from fastroute.kernels.jax_.routing import solve_lanes
from fastroute.kernels.types import F8, I8, Draws, Memory, Rules, Sums

#: Lanes that are solved anew together: this part of all, and at least ``FEWEST``.
PART = 16
#: Rounds whose picks one call writes down.
TRACED = 1024
#: Trials of a chunk on each device: what fits into the fast memory of a processor, or what keeps
#: an accelerator busy.
CHUNK = 1024
CHUNK_ACCELERATOR = 1 << 16


class Fixed(NamedTuple):
    """What the open stage leaves as it is, [slots, lanes]."""

    model: Any  #: int32, -1 for an empty slot
    limit: Any
    mean_reward: Any  #: float64, like the cost
    mean_cost: Any


class Lanes(NamedTuple):
    """What changes from round to round."""

    count: Any  #: observations and their sums, float64 [slots, lanes]
    sum_reward: Any
    sum_cost: Any
    upper: Any  #: bounds, [slots, lanes]
    lower: Any
    side: Any  #: the basis, as in ``routing.Answer``, [slots, lanes]
    share: Any  #: of the last solution, [slots, lanes]
    i: Any  #: [lanes]
    j: Any  #: [lanes]
    status: Any  #: of the last solution, int32 [lanes]


class Numbers(NamedTuple):
    """Numbers of the policy and the run, as scalars."""

    key: Any  #: uint32 [2]
    budget: Any  #: infinite for the greedy router
    gamma: Any
    cost_min: Any
    cost_max: Any
    init: Any
    init_pulls: Any
    resolve_every: Any
    truth: Any  #: whether the true means are routed on
    uniform: Any  #: whether the shares are uniform
    adaptive: Any  #: whether the bounds of every round are routed on


# How the arrays of a stage are divided among the devices: by lanes, the last axis.
_LANES = Spec("trials")
_TABLE = Spec(None, "trials")
_FIXED = Fixed(*[_TABLE] * 4)
_STATE = Lanes(*[_TABLE] * 7, *[_LANES] * 3)
_SUMS = Sums(*[_LANES] * 6)  # type: ignore[arg-type]


class Workspace:
    """The lanes of a chunk of trials, and where they are."""

    def __init__(self, trials: int, slots: int, dtype: str) -> None:
        devices = jax.local_devices()
        self.trials = trials
        self.slots = slots
        self.lanes = len(devices) * lanes_for(-(-trials // len(devices)))
        self.dtype = np.dtype(dtype)
        self.mesh = Mesh(np.array(devices), ("trials",))
        self.draws: Any = None
        self.fixed: Any = None
        self.state: Any = None

    def put(self, array: NDArray[Any], fill: Any, dtype: Any) -> Any:
        """Fill up an array ``[..., trials]`` to all lanes and divide it among the devices."""
        missing = [*[(0, 0)] * (array.ndim - 1), (0, self.lanes - self.trials)]
        full = np.pad(array.astype(dtype), missing, constant_values=fill)
        spec = _LANES if array.ndim == 1 else _TABLE
        return jax.device_put(full, NamedSharding(self.mesh, spec))


def chunk_trials() -> int:
    """Trials that are best simulated together on the devices of this process."""
    devices = jax.local_devices()
    cpu = devices[0].platform == "cpu"
    return len(devices) * (CHUNK if cpu else CHUNK_ACCELERATOR)


def workspace(trials: int, slots: int, dtype: str = "float64") -> Workspace:
    """Memory for ``trials`` trials with up to ``slots`` models deployed.

    ``dtype`` is the precision of bounds and shares; observations, means and sums are double.
    """
    return Workspace(trials, slots, dtype)


def _numbers(rules: Rules, dtype: np.dtype[Any]) -> Numbers:
    real = dtype.type
    routed = rules.router in (ROUTER_LP, ROUTER_GREEDY)
    return Numbers(
        key_words(rules.seed),
        real(np.inf if rules.router == ROUTER_GREEDY else rules.budget),
        real(rules.gamma),
        real(rules.cost_min),
        real(rules.cost_max),
        np.int32(rules.init),
        np.float64(rules.init_pulls),
        np.int64(rules.resolve_every),
        np.bool_(rules.estimator == ESTIMATOR_TRUTH or rules.router == ROUTER_TRUTH),
        np.bool_(rules.router == ROUTER_UNIFORM),
        np.bool_(rules.estimator != ESTIMATOR_TRUTH and routed),
    )


def _renewed(observed: Any, numbers: Numbers, dtype: Any) -> tuple[Any, Any]:
    """Bounds in the precision of the run."""
    count, sum_reward, sum_cost = (x.astype(dtype) for x in observed)
    return bounds(
        count,
        sum_reward,
        sum_cost,
        numbers.gamma,
        numbers.cost_min,
        numbers.cost_max,
        numbers.init,
        numbers.init_pulls,
    )


def _open(fixed: Fixed, observed: Any, numbers: Numbers) -> Lanes:
    dtype = fixed.limit.dtype
    upper, lower = _renewed(observed, numbers, dtype)
    upper = jnp.where(numbers.truth, fixed.mean_reward.astype(dtype), upper)
    lower = jnp.where(numbers.truth, fixed.mean_cost.astype(dtype), lower)
    answer = solve_lanes(upper, lower, fixed.limit, jnp.full_like(upper[0], numbers.budget))
    even, short = _spread(fixed.limit)
    share = jnp.where(numbers.uniform, even, answer.share)
    status = jnp.where(numbers.uniform, short, answer.status)
    count, sum_reward, sum_cost = observed
    return Lanes(
        count,
        sum_reward,
        sum_cost,
        upper,
        lower,
        answer.side,
        share,
        answer.i,
        answer.j,
        status,
    )


def _spread(limit: Any) -> tuple[Any, Any]:
    """Uniform shares within the limits: what a full model leaves, the others share."""
    here = limit > 0.0

    def fill(_: int, state: Any) -> Any:
        fixed, rest, open_, _ = state
        level = rest / jnp.maximum(open_, 1.0)
        more = here & (fixed == 0.0) & (limit <= level)
        fixed = jnp.where(more, limit, fixed)
        # Once all are full there is no level to renew.
        level = jnp.where(open_ > 0.0, level, 0.0)
        return fixed, total(jnp.where(more, -limit, 0.0), rest), open_ - total(1.0 * more), level

    one = jnp.ones_like(limit[0])
    start = (jnp.zeros_like(limit), one, total(1.0 * here).astype(limit.dtype), 0.0 * one)
    fixed, rest, open_, level = lax.fori_loop(0, len(limit) + 1, fill, start)
    filled = jnp.where(open_ == 0.0, 1.0 - rest, 1.0)
    share = jnp.where(fixed == 0.0, level, fixed) / jnp.where(here, filled, 1.0)
    short = filled < 1.0 - tolerances(limit.dtype).mass
    return jnp.where(here, share, 0.0), jnp.where(short, NO_CAPACITY, OPTIMAL).astype(jnp.int32)


def _check(fixed: Fixed, lanes: Lanes, budget: Any, cost_max: Any) -> Any:
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
    i_share, rest, slack = _basic(fixed, lanes, budget)
    j_share = rest - i_share
    # Alone, the basis must be within the budget, or beyond it where nothing is cheaper.
    affordable = pair | ((slack >= 0.0) == ~over)
    good = affordable & (~pair | (price > 0.0) & (price < jnp.inf)) & (worst > guard)
    good &= (i_share >= 0.0) & (j_share >= 0.0)
    good &= (i_share <= at(mine, fixed.limit)) & (j_share <= at(theirs, fixed.limit))
    # Without capacity the shares are those of the limits, whatever the bounds.
    return ~good & (status != NO_CAPACITY)


def _basic(fixed: Fixed, lanes: Lanes, budget: Any) -> Any:
    """Share of the first model of the basis, of both, and what the second leaves unspent."""
    index = indices(lanes.lower)
    full = jnp.where(lanes.side > 0.0, fixed.limit, 0.0)
    base = at(index == lanes.j, lanes.lower)
    rest = total(-full, 1.0)
    slack = (budget - base) - total(rounded(full * (lanes.lower - base)))
    inverse = 1.0 / (at(index == lanes.i, lanes.lower) - base)
    return jnp.where(lanes.i == lanes.j, rest, rounded(slack * inverse)), rest, slack


def _share(fixed: Fixed, lanes: Lanes, budget: Any) -> Any:
    """Shares of all models from the basis."""
    index = indices(lanes.lower)
    mine, theirs = index == lanes.i, index == lanes.j
    i_share, rest, _ = _basic(fixed, lanes, budget)
    # Rounding may step over the limits.
    low = jnp.maximum(rest - at(theirs, fixed.limit), 0.0)
    low = jnp.where(lanes.i == lanes.j, i_share, low)
    i_share = jnp.minimum(jnp.maximum(i_share, low), jnp.minimum(at(mine, fixed.limit), rest))
    full = jnp.where(lanes.side > 0.0, fixed.limit, 0.0)
    share = jnp.where(mine, i_share, jnp.where(theirs, rest - i_share, full))
    return jnp.where(lanes.status == NO_CAPACITY, lanes.share, share)


def _mend(fixed: Fixed, lanes: Lanes, bad: Any, budget: Any) -> Lanes:
    """Solve the bad lanes anew, the first one of every column at a time."""
    width = len(bad)
    columns = min(max(width // PART, FEWEST), width)

    def grouped(x: Any) -> Any:
        return x.reshape(*x.shape[:-1], width // columns, columns)

    group = jnp.arange(width // columns).astype(lanes.upper.dtype)[:, None]
    problem = [jnp.moveaxis(grouped(x), 1, 0) for x in (lanes.upper, lanes.lower, fixed.limit)]

    def step(state: Any) -> Any:
        bad, side, i, j, status = state
        one = group == least(jnp.where(bad, group, jnp.inf))
        upper, lower, limit = (at(one[:, None], x) for x in problem)
        answer = solve_lanes(upper, lower, limit, jnp.full_like(upper[0], budget))
        side = jnp.where(one, answer.side[:, None], side)
        i, j = jnp.where(one, answer.i, i), jnp.where(one, answer.j, j)
        return bad & ~one, side, i, j, jnp.where(one, answer.status, status)

    start = tuple(grouped(x) for x in (bad, lanes.side, lanes.i, lanes.j, lanes.status))
    _, *basis = lax.while_loop(lambda state: jnp.any(state[0]), step, start)
    side, i, j, status = (x.reshape(*x.shape[:-2], width) for x in basis)
    return lanes._replace(side=side, i=i, j=j, status=status)


def _route(fixed: Fixed, lanes: Lanes, numbers: Numbers) -> Lanes:
    """Shares for this round's bounds."""
    bad = _check(fixed, lanes, numbers.budget, numbers.cost_max)
    lanes = _mend(fixed, lanes, bad, numbers.budget)
    return lanes._replace(share=_share(fixed, lanes, numbers.budget))


def _forced(fixed: Fixed, lanes: Lanes, slot: Any, init_pulls: Any) -> tuple[Any, Any]:
    """Slot and shares where a deployed model still needs forced pulls: fewest pulls first."""
    index = indices(lanes.count)
    pulls = jnp.where(fixed.limit > 0.0, lanes.count, jnp.inf)
    fewest = least(pulls)
    short = fewest < init_pulls
    slot = jnp.where(short, least(jnp.where(pulls == fewest, index, jnp.inf)), slot)
    alone = (index == slot).astype(lanes.share.dtype)
    return slot, jnp.where(short, alone, lanes.share)


def _observe(fixed: Fixed, one: Any, u: Any, now: Any, draws: Draws) -> tuple[Any, Any]:
    """Reward and cost of the pulled models; 0 where nothing is pulled."""
    _, u_reward, u_cost, u_task = u
    mean_reward, mean_cost = at(one, fixed.mean_reward), at(one, fixed.mean_cost)
    model = at(one, fixed.model)
    here = jnp.any(one, axis=0)

    def row_of(table: Any) -> Any:
        rows = len(table)
        return jnp.where(draws.in_order, now % rows, (u_task * rows).astype(jnp.int64))

    def bernoulli() -> Any:
        return (u_reward < mean_reward).astype(jnp.float64)

    def task() -> Any:
        scaled = rounded(u_task * len(draws.task_prob))
        k = scaled.astype(jnp.int64)
        chosen = jnp.where(scaled - k < draws.task_prob[k], k, draws.task_alias[k])
        return (u_reward < draws.reward_table[chosen, model]).astype(jnp.float64)

    def drawn(table: Any, row: Any) -> Any:
        return jnp.where(here, table[row, model], 0.0)

    rewards = {
        REWARD_BERNOULLI: bernoulli,
        REWARD_TASK: lambda: jnp.where(here, task(), 0.0),
        REWARD_TABLE: lambda: drawn(
            draws.reward_table, (u_reward * len(draws.reward_table)).astype(jnp.int64)
        ),
        REWARD_REPLAY: lambda: drawn(draws.reward_table, row_of(draws.reward_table)),
    }
    costs = {
        COST_UNIFORM: lambda: rounded(mean_cost * (0.5 + u_cost)),
        COST_FIXED: lambda: mean_cost,
        COST_TABLE: lambda: drawn(
            draws.cost_table, (u_cost * len(draws.cost_table)).astype(jnp.int64)
        ),
        COST_REPLAY: lambda: drawn(draws.cost_table, row_of(draws.cost_table)),
    }
    reward = lax.switch(draws.reward_kind, [rewards[k] for k in sorted(rewards)])
    return reward, lax.switch(draws.cost_kind, [costs[k] for k in sorted(costs)])


def _round(fixed: Fixed, lanes: Lanes, numbers: Numbers, draws: Draws, u: Any, now: Any) -> Any:
    """Draw, observe and learn: the lanes, the slots, and what the round adds to the sums."""
    index = indices(lanes.count)

    def choose(state: Any, row: Any) -> Any:
        reached, slot = state
        reached = reached + row
        return reached, slot + (u[0] >= reached)

    zero = jnp.zeros_like(u[0])
    _, slot = over_models(choose, (zero, zero), lanes.share)
    slot, share = lax.cond(
        numbers.init == INIT_FORCED,
        lambda: _forced(fixed, lanes, slot, numbers.init_pulls),
        lambda: (slot, lanes.share),
    )
    one = index == slot
    reward, cost = _observe(fixed, one, u, now, draws)
    added = (
        total(rounded(share * fixed.mean_reward)),
        total(rounded(share * fixed.mean_cost)),
        reward,
        cost,
        lanes.status == OVER_BUDGET,
        lanes.status == NO_CAPACITY,
    )
    count = at(one, lanes.count) + 1.0
    sum_reward = at(one, lanes.sum_reward) + reward
    sum_cost = at(one, lanes.sum_cost) + cost
    upper, lower = _renewed((count, sum_reward, sum_cost), numbers, lanes.upper.dtype)
    learned = lanes._replace(
        count=jnp.where(one, count, lanes.count),
        sum_reward=jnp.where(one, sum_reward, lanes.sum_reward),
        sum_cost=jnp.where(one, sum_cost, lanes.sum_cost),
        upper=jnp.where(one, upper, lanes.upper),
        lower=jnp.where(one, lower, lanes.lower),
    )
    return learned, slot, added


def _play(
    fixed: Fixed,
    lanes: Lanes,
    sums: Sums,
    trace: Any,
    numbers: Numbers,
    draws: Draws,
    opened: Any,
    start: Any,
    stop: Any,
    first_trial: Any,
) -> tuple[Lanes, Sums, Any]:
    """Play rounds ``start <= t < stop`` on one device; the trace has its rows or none."""
    width = len(lanes.i)
    trial = first_trial + lax.axis_index("trials") * width + jnp.arange(width)

    def step(now: Any, state: Any) -> Any:
        lanes, sums, trace = state
        u = uniforms(numbers.key, now, 0, trial, STREAM_ROUND)
        due = numbers.adaptive & ((now - opened) % numbers.resolve_every == 0)
        lanes = lax.cond(due, lambda: _route(fixed, lanes, numbers), lambda: lanes)
        lanes, slot, added = _round(fixed, lanes, numbers, draws, u, now)
        sums = Sums(*(x + y for x, y in zip(sums, added, strict=True)))
        if len(trace):
            one = indices(lanes.count) == slot
            model = jnp.where(jnp.any(one, axis=0), at(one, fixed.model), -1)
            trace = trace.at[now - start].set(model.astype(trace.dtype))
        return lanes, sums, trace

    return lax.fori_loop(start, stop, step, (lanes, sums, trace))


@functools.cache
def _compiled(mesh: Mesh) -> tuple[Any, Any]:
    """Open a stage, and play its rounds, on the devices of a mesh."""
    shard = functools.partial(jax.shard_map, mesh=mesh, check_vma=False)
    observed = (_TABLE, _TABLE, _TABLE)
    opening = shard(_open, in_specs=(_FIXED, observed, Spec()), out_specs=_STATE)
    playing = shard(
        _play,
        in_specs=(_FIXED, _STATE, _SUMS, _TABLE, *[Spec()] * 6),
        out_specs=(_STATE, _SUMS, _TABLE),
    )
    return jax.jit(opening), jax.jit(playing, donate_argnums=(1, 2, 3))


@in_double
def open_stage(
    ws: Workspace,
    deployed: I8,
    memory: Memory,
    reward_mean: F8,
    cost_mean: F8,
    limit: F8,
    rules: Rules,
) -> None:
    """Load the deployed models of every trial and solve their first routing problem.

    Parameters
    ----------
    ws : Workspace
        Modified in place.
    deployed : ndarray of int, [trials, slots]
        Models in increasing order, then -1 for empty slots.
    memory : Memory
        Observations of every model, [N, trials].
    reward_mean, cost_mean : ndarray, [R, N]
        True means; R is 1 or the number of trials.
    limit : ndarray, [N]
        Throughput limits.
    rules : Rules
    """
    model = deployed.T
    trial = np.arange(ws.trials)
    row = trial if len(reward_mean) > 1 else 0

    def known(values: Any, dtype: Any = np.float64) -> Any:
        return ws.put(np.where(model >= 0, values, 0.0), 0.0, dtype)

    ws.fixed = Fixed(
        ws.put(model, -1, np.int32),
        known(limit[model], ws.dtype),
        known(reward_mean[row, model]),
        known(cost_mean[row, model]),
    )
    observed = tuple(known(x[model, trial]) for x in memory)
    opening, _ = _compiled(ws.mesh)
    ws.state = opening(ws.fixed, observed, _numbers(rules, ws.dtype))


def close_stage(ws: Workspace, deployed: I8, memory: Memory) -> None:
    """Write the observations of the stage back to ``memory``, in place."""
    model = deployed.T
    slot, trial = np.nonzero(model >= 0)
    for values, known in zip(memory, ws.state, strict=False):
        values[model[slot, trial], trial] = np.asarray(known)[slot, trial]


@in_double
def run_rounds(
    ws: Workspace,
    deployed: I8,
    opened: int,
    start: int,
    stop: int,
    first_trial: int,
    rules: Rules,
    draws: Draws,
    sums: Sums,
    trace: NDArray[np.int16],
) -> None:
    """Play rounds ``start <= t < stop`` of the open stage for every trial.

    Parameters
    ----------
    ws : Workspace
        As left by :func:`open_stage`; modified in place.
    deployed : ndarray of int, [trials, slots]
    opened : int
        First round of the stage.
    start, stop : int
        Rounds to play, 0-based.
    first_trial : int
        Number of the first trial; the others follow.
    rules : Rules
    draws : Draws
    sums : Sums
        Written: sums over these rounds, [trials].
    trace : ndarray of int16, [stop - start, trials] or [0, 0]
        Written unless empty: the model pulled, -1 for none.
    """
    del deployed
    if ws.draws is None:
        everywhere = NamedSharding(ws.mesh, Spec())
        ws.draws = jax.device_put(Draws(*map(np.asarray, draws)), everywhere)  # type: ignore[arg-type]
    _, playing = _compiled(ws.mesh)
    numbers = _numbers(rules, ws.dtype)
    added = Sums(*(ws.put(np.zeros(ws.trials), 0.0, np.float64) for _ in sums))
    rows = TRACED if len(trace) else 0
    for begin in range(start, stop, rows or stop - start):
        end = min(begin + rows, stop) if rows else stop
        played = ws.put(np.zeros((rows, ws.trials)), 0, np.int16)
        span = (np.int64(x) for x in (opened, begin, end, first_trial))
        ws.state, added, played = playing(
            ws.fixed, ws.state, added, played, numbers, ws.draws, *span
        )
        if rows:
            trace[begin - start : end - start] = np.asarray(played)[: end - begin, : ws.trials]
    for total_, part in zip(sums, added, strict=True):
        total_[:] = np.asarray(part)[: ws.trials]
