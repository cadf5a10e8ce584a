"""The rounds of a stage, for all trials in lockstep.

Arrays are ``[slots, lanes]``: one row per deployed model, one lane per trial.  Lanes are divided
among the devices of a mesh, and nothing passes between them.  :mod:`.basis` keeps the solutions of
the routing LPs.

All numbers of a run (seed, budget, gamma, codes, rounds) are arguments of the compiled functions,
which are compiled once for every shape.
"""

import functools
from typing import Any

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
    INIT_FORCED,
    NO_CAPACITY,
    OVER_BUDGET,
    REWARD_BERNOULLI,
    REWARD_REPLAY,
    REWARD_TABLE,
    REWARD_TASK,
    ROUTER_EPSILON_GREEDY,
    ROUTER_RATIO,
    STREAM_ROUND,
)
from fastroute.kernels.jax_.bounds import bounds
from fastroute.kernels.jax_.lanes import (
    at,
    in_double,
    indices,
    lanes_for,
    least,
    only_if,
    over_models,
    rounded,
    total,
)
from fastroute.kernels.jax_.layout import Fixed, Lanes, Numbers, numbers_of
from fastroute.kernels.jax_.rng import uniforms
from fastroute.kernels.jax_.routers import explore_evenly, learn, route, spread
from fastroute.kernels.jax_.routing import solve_lanes
from fastroute.kernels.types import F8, I8, Draws, Memory, ModelNumbers, Rules, Sums

#: Rows of ``Memory.state`` that the routers here use.
KEPT = 2
#: Rounds whose picks one call writes down.
TRACED = 1024
#: Trials of a chunk on each device: what fits into the fast memory of a processor, or what keeps
#: an accelerator busy.
CHUNK = 1024
CHUNK_ACCELERATOR = 1 << 16


# How the arrays of a stage are divided among the devices: by lanes, the last axis.
_LANES = Spec("trials")
_TABLE = Spec(None, "trials")
_FIXED = Fixed(*[_TABLE] * 4)
_STATE = Lanes(*[_TABLE] * 9, *[_LANES] * 5)
_MEMORY = (*[_TABLE] * 4, *[_LANES] * 2)
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
        numbers.cost_side,
    )


def _open(
    model: Any, limit: Any, mean_reward: Any, mean_cost: Any, memory: Any, numbers: Numbers
) -> tuple[Fixed, Lanes]:
    dtype = limit.dtype
    count, sum_reward, sum_cost, plays, price, pace = memory
    upper, lower = _renewed((count, sum_reward, sum_cost), numbers, dtype)
    upper = jnp.where(numbers.truth, mean_reward.astype(dtype), upper)
    lower = jnp.where(numbers.truth, mean_cost.astype(dtype), lower)
    answer = solve_lanes(upper, lower, limit, jnp.full_like(upper[0], numbers.budget))
    even, short = spread(limit)
    solved = numbers.router <= ROUTER_EPSILON_GREEDY
    lanes = Lanes(
        count,
        sum_reward,
        sum_cost,
        plays,
        upper,
        lower,
        limit,
        answer.side,
        jnp.where(solved, answer.share, even),
        answer.i,
        answer.j,
        jnp.where(solved, answer.status, short),
        price,
        pace,
    )
    return Fixed(model, mean_reward, mean_cost, even), lanes


def _forced(lanes: Lanes, slot: Any, share: Any, init_pulls: Any) -> tuple[Any, Any]:
    """Slot and shares where a deployed model still needs forced pulls: fewest pulls first."""
    index = indices(lanes.count)
    pulls = jnp.where(lanes.limit > 0.0, lanes.count, jnp.inf)
    fewest = least(pulls)
    short = fewest < init_pulls
    slot = jnp.where(short, least(jnp.where(pulls == fewest, index, jnp.inf)), slot)
    alone = (index == slot).astype(share.dtype)
    return slot, jnp.where(short, alone, share)


def _choose(u: Any, share: Any) -> Any:
    """Slot of every lane drawn from the shares by inversion; ``slots`` for none."""

    def pass_by(state: Any, row: Any) -> Any:
        reached, slot = state
        reached = reached + row
        return reached, slot + (u >= reached)

    zero = jnp.zeros_like(u)
    _, slot = over_models(pass_by, (zero, zero), share)
    return slot


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

    def drawn() -> Any:
        return _choose(u[0], lanes.share), lanes.share

    def mixed() -> Any:
        uniform, part, share = explore_evenly(fixed, lanes, u[0], numbers.explore)
        return _choose(uniform, part), share

    mixes, forces = numbers.router == ROUTER_EPSILON_GREEDY, numbers.init == INIT_FORCED

    def special() -> Any:
        slot, share = lax.cond(mixes, mixed, drawn)
        return lax.cond(
            forces,
            lambda: _forced(lanes, slot, share, numbers.init_pulls),
            lambda: (slot, share),
        )

    slot, share = lax.cond(mixes | forces, special, drawn)
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
    kept = (
        rounded(numbers.discount * at(one, x))
        for x in (lanes.count, lanes.sum_reward, lanes.sum_cost)
    )
    count, sum_reward, sum_cost = (x + y for x, y in zip(kept, (1.0, reward, cost), strict=True))
    upper, lower = _renewed((count, sum_reward, sum_cost), numbers, lanes.upper.dtype)
    price, pace = only_if(
        numbers.router >= ROUTER_RATIO,
        lambda kept: learn(kept, cost, numbers),
        (lanes.price, lanes.pace),
    )
    # Where nothing is forgotten, the observations count the pulls.
    plays = only_if(numbers.discount < 1.0, lambda plays: plays + one, lanes.plays)
    # The true means stay what is routed on.
    renew = one & ~numbers.truth
    learned = lanes._replace(
        count=jnp.where(one, count, lanes.count),
        sum_reward=jnp.where(one, sum_reward, lanes.sum_reward),
        sum_cost=jnp.where(one, sum_cost, lanes.sum_cost),
        plays=plays,
        upper=jnp.where(renew, upper, lanes.upper),
        lower=jnp.where(renew, lower, lanes.lower),
        price=price,
        pace=pace,
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
        lanes = route(fixed, lanes, numbers, now, opened, trial)
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
    opening = shard(_open, in_specs=(*[_TABLE] * 4, _MEMORY, Spec()), out_specs=(_FIXED, _STATE))
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

    learned = (memory.pulls, memory.sum_reward, memory.sum_cost, memory.plays)
    opening, _ = _compiled(ws.mesh)
    ws.fixed, ws.state = opening(
        ws.put(model, -1, np.int32),
        known(limit[model], ws.dtype),
        known(reward_mean[row, model]),
        known(cost_mean[row, model]),
        (
            *(known(x[model, trial]) for x in learned),
            *(ws.put(x, 0.0, np.float64) for x in memory.state[:KEPT]),
        ),
        numbers_of(rules, ws.dtype),
    )


def close_stage(ws: Workspace, deployed: I8, memory: Memory, rules: Rules) -> None:
    """Write what was learned in the stage back to ``memory``, in place."""
    model = deployed.T
    slot, trial = np.nonzero(model >= 0)
    entry = model[slot, trial], trial
    before = memory.pulls[entry]
    for values, known in zip(memory[:4], ws.state[:4], strict=True):
        values[entry] = np.asarray(known)[slot, trial]
    if rules.discount == 1.0:
        # Only forgetting needs plays of its own.
        memory.plays[entry] += memory.pulls[entry] - before
    for row, kept in zip(memory.state[:KEPT], (ws.state.price, ws.state.pace), strict=True):
        row[:] = np.asarray(kept)[: ws.trials]


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
    trace: ModelNumbers,
    custom: None,
    contexts: F8,
) -> int:
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
    trace : ndarray of int, [stop - start, trials] or [0, 0]
        Written unless empty: the model pulled, -1 for none.
    custom : None
        Functions of the user are not called here.
    contexts : ndarray
        Empty: there is no contextual estimator here.

    Returns
    -------
    int
        -1, as no such function can go wrong.
    """
    del deployed, custom, contexts
    if ws.draws is None:
        everywhere = NamedSharding(ws.mesh, Spec())
        ws.draws = jax.device_put(Draws(*map(np.asarray, draws)), everywhere)  # type: ignore[arg-type]
    _, playing = _compiled(ws.mesh)
    numbers = numbers_of(rules, ws.dtype)
    added = Sums(*(ws.put(np.zeros(ws.trials), 0.0, np.float64) for _ in sums))
    rows = TRACED if len(trace) else 0
    for begin in range(start, stop, rows or stop - start):
        end = min(begin + rows, stop) if rows else stop
        played = ws.put(np.zeros((rows, ws.trials)), 0, trace.dtype)
        span = (np.int64(x) for x in (opened, begin, end, first_trial))
        ws.state, added, played = playing(
            ws.fixed, ws.state, added, played, numbers, ws.draws, *span
        )
        if rows:
            trace[begin - start : end - start] = np.asarray(played)[: end - begin, : ws.trials]
    for total_, part in zip(sums, added, strict=True):
        total_[:] = np.asarray(part)[: ws.trials]
    return -1
