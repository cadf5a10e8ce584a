"""The rounds of a stage, for all trials in lockstep.

Arrays are ``[slots, lanes]``: one row per deployed model, one lane per trial.  Lanes are divided
among the devices of a mesh, and nothing passes between them.  A round is composed of the steps of
the policy's parts (:mod:`.estimators`, :mod:`.routers`) and of the world's laws
(:mod:`.outcomes`): a compiled program holds nothing else.

All numbers of a run (seed, budget, parameters of the parts, rounds) are arguments of the compiled
functions, which are compiled once for every shape and every composition.
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

from fastroute.kernels.codes import NO_CAPACITY, OVER_BUDGET, STREAM_ROUND
from fastroute.kernels.formulas import rounded
from fastroute.kernels.jax_ import estimators, feedback, outcomes, routers
from fastroute.kernels.jax_.lanes import (
    at,
    entries,
    in_double,
    indices,
    kept,
    lanes_for,
    least,
    only_if,
    over_models,
    total,
)
from fastroute.kernels.jax_.layout import (
    Fixed,
    Lanes,
    Numbers,
    Tables,
    form_of,
    numbers_of,
    tables_of,
)
from fastroute.kernels.jax_.rng import uniforms
from fastroute.kernels.types import F8, I8, Feedback, Memory, ModelNumbers, Program, Sums

#: Rounds whose picks one call writes down.
TRACED = 1024
#: Trials of a chunk on each device: what fits into the fast memory of a processor, or what keeps
#: an accelerator busy.
CHUNK = 1024
CHUNK_ACCELERATOR = 1 << 16


# How the arrays of a stage are divided among the devices: by lanes, the only or the second axis.
_LANES = Spec("trials")
_TABLE = Spec(None, "trials")
_FIXED = Fixed(*[_TABLE] * 4)  # type: ignore[arg-type]
_STATE = Lanes(*[_TABLE] * 8, *[_LANES] * 4)  # type: ignore[arg-type]
_MEMORY = (_TABLE, _TABLE, _TABLE, _LANES)
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
        self.tables: Any = None
        self.tables_of: Any = None  #: the program whose tables they are
        self.fixed: Any = None
        self.state: Any = None
        self.late: Any = ()

    def put(self, array: NDArray[Any], fill: Any, dtype: Any) -> Any:
        """Fill up an array ``[trials]`` or ``[rows, trials, ...]`` to all lanes and divide it."""
        missing = [(0, 0)] * array.ndim
        missing[min(array.ndim - 1, 1)] = (0, self.lanes - self.trials)
        full = np.pad(array.astype(dtype), missing, constant_values=fill)
        spec = _LANES if array.ndim == 1 else _TABLE
        return jax.device_put(full, NamedSharding(self.mesh, spec))

    def put_known(self, model: I8, values: Any, dtype: Any = np.float64) -> Any:
        """Put numbers of deployed models ``[slots, trials]``; 0 in empty slots."""
        return self.put(np.where(model >= 0, values, 0.0), 0.0, dtype)

    def put_contexts(self, model: I8, part: F8) -> Any:
        """Put what is kept of deployed models, from ``[trials, N, ...]``; 0 in empty slots."""
        values = part[np.arange(self.trials), model]
        values[model < 0] = 0.0
        return self.put(values, 0.0, np.float64)


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


def pending(feedback_: Feedback, models: int, trials: int) -> Feedback:
    """Room for the outcomes that are yet to be learnt, as ``Memory.pending`` has it.

    The workspace holds it, on the devices; this says that it must.
    """
    del models, trials
    return feedback_


class Round(NamedTuple):
    """A program, and what of it is compiled."""

    program: Program
    form: Program


class Steps(NamedTuple):
    """The steps of a form of programs."""

    form: Program
    estimator: estimators.EstimatorSteps
    router: routers.RouterSteps
    reward: outcomes.Draw
    cost: outcomes.Draw


def compose(program: Program) -> Round:
    """Find what is compiled of a program; it is compiled when a stage opens."""
    return Round(program, form_of(program))


def _steps_of(form: Program) -> Steps:
    part = form.estimator
    estimator = getattr(estimators, part.kernel)(part)
    router = getattr(routers, form.router.kernel)(form.router, estimator, part)
    if router.held and estimator.queries is not None:
        estimator = estimators.elementwise(part)
    return Steps(
        form=form,
        estimator=estimator,
        router=router,
        reward=getattr(outcomes, form.reward.kernel)(form.reward),
        cost=getattr(outcomes, form.cost.kernel)(form.cost),
    )


def _open(
    steps: Steps,
    model: Any,
    limit: Any,
    mean_reward: Any,
    mean_cost: Any,
    memory: Any,
    numbers: Numbers,
) -> tuple[Fixed, Lanes]:
    seen, plays, contexts, state = memory
    even, short = routers.uniform_shares(limit)
    fixed = Fixed(model, mean_reward, mean_cost, even)
    upper, lower = steps.estimator.open(seen, fixed, numbers, limit.dtype)
    none = jnp.zeros_like(limit[0])
    lanes = Lanes(
        seen=seen,
        plays=plays,
        upper=upper,
        lower=lower,
        limit=limit,
        side=jnp.zeros_like(limit),
        share=even,
        contexts=contexts,
        i=none,
        j=none,
        status=short,
        state=state,
    )
    return fixed, steps.router.open(fixed, lanes, numbers)


def _forced(lanes: Lanes, count: Any, slot: Any, share: Any, init_pulls: Any) -> tuple[Any, Any]:
    """Slot and shares where a deployed model still needs forced pulls: fewest pulls first."""
    index = indices(count)
    pulls = jnp.where(lanes.limit > 0.0, count, jnp.inf)
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


def _observe(
    steps: Steps, fixed: Fixed, one: Any, u: Any, now: Any, numbers: Numbers, tables: Tables
) -> tuple[Any, Any]:
    """Reward and cost of the pulled models; 0 where nothing is pulled."""
    _, u_reward, u_cost, u_task = u
    model = at(one, fixed.model)
    here = jnp.any(one, axis=0)
    reward = outcomes.Query(
        u_reward, u_task, at(one, fixed.mean_reward), model, now, tables, tables.reward
    )
    cost = outcomes.Query(u_cost, u_task, at(one, fixed.mean_cost), model, now, tables, tables.cost)
    return (
        jnp.where(here, steps.reward(reward, numbers.reward), 0.0),
        jnp.where(here, steps.cost(cost, numbers.cost), 0.0),
    )


def _read_query(
    steps: Steps,
    fixed: Fixed,
    lanes: Lanes,
    numbers: Numbers,
    tables: Tables,
    u: Any,
    now: Any,
    trial: Any,
) -> tuple[Fixed, Lanes, Any]:
    """Load the true means of the query's row and the bounds for it; also what was looked up."""
    if steps.estimator.queries is None:
        return fixed, lanes, None
    reward, cost = steps.form.reward, steps.form.cost
    row = outcomes.row_of(reward)(u[3], now, tables, tables.reward)
    here, model = fixed.model >= 0, jnp.maximum(fixed.model, 0)
    fixed = fixed._replace(mean_reward=jnp.where(here, tables.reward[row, model], 0.0))
    # What was recorded of the query, both of it.
    if cost.kernel == reward.kernel:
        fixed = fixed._replace(mean_cost=jnp.where(here, tables.cost[row, model], 0.0))
    asked = estimators.Asked(row, now, trial, numbers, tables)
    upper, looked_up = steps.estimator.queries.look_up(lanes, asked)
    return fixed, lanes._replace(upper=upper), looked_up


def _round(
    steps: Steps,
    fixed: Fixed,
    lanes: Lanes,
    looked_up: Any,
    late: Any,
    numbers: Numbers,
    tables: Tables,
    u: Any,
    now: Any,
    trial: Any,
) -> Any:
    """Choose, observe and learn: the lanes, what is learnt late, the slots, what is added up."""
    part = steps.form.estimator
    at_once = steps.form.feedback is None
    uniform, chosen, share = steps.router.choice(fixed, lanes, u[0], numbers)
    (slot,) = kept(_choose(uniform, chosen))
    if part.forced_pulls:
        # Where outcomes are learnt late, it is the pulls that count and not what was seen of them.
        counted = lanes.seen[0] if at_once else lanes.plays
        slot, share = _forced(lanes, counted, slot, share, numbers.forced_pulls)
    one = indices(lanes.seen[0]) == slot
    reward, cost = _observe(steps, fixed, one, u, now, numbers, tables)
    added = (
        total(rounded(share * fixed.mean_reward)),
        total(rounded(share * fixed.mean_cost)),
        reward,
        cost,
        lanes.status == OVER_BUDGET,
        lanes.status == NO_CAPACITY,
    )
    if part.forgets or not at_once:
        # Elsewhere the observations count the pulls.
        lanes = lanes._replace(plays=lanes.plays + one)
    if at_once:
        lanes = _learn(steps, lanes, looked_up, slot, reward, cost, numbers)
    else:
        model = jnp.where(jnp.any(one, axis=0), at(one, fixed.model), -1)
        outcome = model, reward, cost
        (late, lanes), reward, cost = feedback.step(
            steps.form, steps.estimator, fixed, (late, lanes), outcome, numbers, tables, now, trial
        )
    if steps.router.learn is not None:
        lanes = lanes._replace(state=steps.router.learn(lanes.state, reward, cost, numbers))
    return lanes, late, slot, added


def _learn(
    steps: Steps,
    lanes: Lanes,
    looked_up: Any,
    slot: Any,
    reward: Any,
    cost: Any,
    numbers: Numbers,
) -> Lanes:
    """Learn the outcome of the round itself."""
    one = indices(lanes.seen[0]) == slot
    if steps.estimator.queries is not None:
        note = steps.estimator.queries.note
        lanes = lanes._replace(contexts=note(lanes, looked_up, slot.astype(jnp.int64), reward))
    pulled = entries(one, *lanes.seen)
    seen = tuple(steps.form.estimator.observe(pulled, reward, cost, *numbers.seen))
    lanes = lanes._replace(
        seen=tuple(jnp.where(one, x, y) for x, y in zip(seen, lanes.seen, strict=True))
    )
    if steps.estimator.renew is not None:
        upper, lower = steps.estimator.renew(seen, numbers, lanes.upper.dtype)
        lanes = lanes._replace(
            upper=jnp.where(one, upper, lanes.upper), lower=jnp.where(one, lower, lanes.lower)
        )
    return lanes


def _play(
    steps: Steps,
    fixed: Fixed,
    lanes: Lanes,
    sums: Sums,
    trace: Any,
    late: Any,
    numbers: Numbers,
    tables: Tables,
    opened: Any,
    start: Any,
    stop: Any,
    first_trial: Any,
) -> tuple[Lanes, Sums, Any, Any]:
    """Play rounds ``start <= t < stop`` on one device; the trace has its rows or none."""
    width = len(lanes.i)
    trial = first_trial + lax.axis_index("trials") * width + jnp.arange(width)
    due, prepare = steps.router.due, steps.estimator.prepare

    def set_shares(lanes: Lanes, now: Any) -> Lanes:
        if due is None:
            return lanes
        when = due(now - opened, len(lanes.limit), numbers)
        if prepare is not None:

            def sample(_: Any) -> Any:
                return prepare(lanes, numbers, now, trial)

            lanes = lanes._replace(upper=only_if(when, sample, lanes.upper))
        return steps.router.route(when, fixed, lanes, numbers, now - opened)

    def step(now: Any, state: Any) -> Any:
        lanes, sums, trace, late = state
        u = kept(*uniforms(numbers.key, now, 0, trial, STREAM_ROUND))
        here, lanes, looked_up = _read_query(steps, fixed, lanes, numbers, tables, u, now, trial)
        lanes = set_shares(lanes, now)
        lanes, late, slot, added = _round(
            steps, here, lanes, looked_up, late, numbers, tables, u, now, trial
        )
        sums = Sums(*(x + y for x, y in zip(sums, added, strict=True)))
        if len(trace):
            one = indices(lanes.seen[0]) == slot
            model = jnp.where(jnp.any(one, axis=0), at(one, fixed.model), -1)
            trace = trace.at[now - start].set(model.astype(trace.dtype))
        return lanes, sums, trace, late

    return lax.fori_loop(start, stop, step, (lanes, sums, trace, late))


# A program is hundreds of mapped regions of memory, of which Linux gives a process 65,530: if all
# were kept, compiling would kill the process after about 150 policies.
@functools.lru_cache(maxsize=64)
def _compiled(mesh: Mesh, form: Program) -> tuple[Any, Any]:
    """Open a stage, and play its rounds, on the devices of a mesh."""
    steps = _steps_of(form)
    shard = functools.partial(jax.shard_map, mesh=mesh, check_vma=False)
    opening = shard(
        functools.partial(_open, steps),
        in_specs=(*[_TABLE] * 4, _MEMORY, Spec()),
        out_specs=(_FIXED, _STATE),
    )
    playing = shard(
        functools.partial(_play, steps),
        in_specs=(_FIXED, _STATE, _SUMS, _TABLE, _TABLE, *[Spec()] * 6),
        out_specs=(_STATE, _SUMS, _TABLE, _TABLE),
    )
    return jax.jit(opening), jax.jit(playing, donate_argnums=(1, 2, 3, 4))


@in_double
def open_stage(
    ws: Workspace,
    round_: Round,
    deployed: I8,
    memory: Memory,
    reward_mean: F8,
    cost_mean: F8,
    limit: F8,
    opened: int,
    first_trial: int,
) -> None:
    """Load the deployed models of every trial and set their first shares.

    Parameters
    ----------
    ws : Workspace
        Modified in place.
    round_ : Round
    deployed : ndarray of int, [trials, slots]
        Models in increasing order, then -1 for empty slots.
    memory : Memory
        What was seen of every model, [..., N, trials].
    reward_mean, cost_mean, limit : ndarray, [R, N]
        True means, and throughput limits; R is 1 or the number of trials.
    opened : int
        First round of the stage.
    first_trial : int
        Number of the first trial; the others follow.
    """
    del opened, first_trial
    model = deployed.T
    trial = np.arange(ws.trials)
    kept = len(round_.program.router.first)
    contexts = _contexts_of(round_, memory)
    opening, _ = _compiled(ws.mesh, round_.form)
    ws.fixed, ws.state = opening(
        ws.put(model, -1, np.int32),
        _put_numbers(ws, model, limit, ws.dtype),
        _put_numbers(ws, model, reward_mean),
        _put_numbers(ws, model, cost_mean),
        (
            tuple(ws.put_known(model, x[model, trial]) for x in memory.seen),
            ws.put_known(model, memory.plays[model, trial]),
            tuple(ws.put_contexts(model, part) for part in contexts),
            tuple(ws.put(x, 0.0, np.float64) for x in memory.state[:kept]),
        ),
        numbers_of(round_.program, ws.dtype),
    )
    if memory.pending is not None:
        if not ws.late:
            ws.late = feedback.empty(memory.pending, ws.trials, ws.put)
        seen = tuple(ws.put(x, 0.0, np.float64) for x in memory.seen)
        ws.late = ws.late._replace(seen=seen)


@in_double
def load_means(ws: Workspace, deployed: I8, reward_mean: F8, cost_mean: F8) -> None:
    """Load the true means of the deployed models; what is believed and played stays.

    Arguments as in :func:`open_stage`.
    """
    rewards = _put_numbers(ws, deployed.T, reward_mean)
    costs = _put_numbers(ws, deployed.T, cost_mean)
    ws.fixed = ws.fixed._replace(mean_reward=rewards, mean_cost=costs)


def _put_numbers(ws: Workspace, model: I8, numbers: F8, dtype: Any = np.float64) -> Any:
    """Put numbers of all models ``[R, N]`` for the deployed ones ``[slots, trials]``."""
    row = np.arange(ws.trials) if len(numbers) > 1 else 0
    return ws.put_known(model, numbers[row, model], dtype)


def _contexts_of(round_: Round, memory: Memory) -> tuple[F8, ...]:
    """Return views of what is kept of queries, [trials, N, ...]; none where they are not read."""
    queries = _steps_of(round_.form).estimator.queries
    return () if queries is None else queries.parts(memory.contexts)


def close_stage(ws: Workspace, round_: Round, deployed: I8, memory: Memory) -> None:
    """Write what was learned in the stage back to ``memory``, in place."""
    model = deployed.T
    slot, trial = np.nonzero(model >= 0)
    entry = model[slot, trial], trial
    before = memory.seen[0][entry]
    for values, known in zip(memory.seen, ws.state.seen, strict=True):
        values[entry] = np.asarray(known)[slot, trial]
    if round_.program.estimator.forgets or memory.pending is not None:
        memory.plays[entry] = np.asarray(ws.state.plays)[slot, trial]
    else:
        memory.plays[entry] += memory.seen[0][entry] - before
    if memory.pending is not None:
        for values, known in zip(memory.seen, ws.late.seen, strict=True):
            values[:] = np.asarray(known)[:, : ws.trials]
    for part, known in zip(_contexts_of(round_, memory), ws.state.contexts, strict=True):
        part[trial, model[slot, trial]] = np.asarray(known)[slot, trial]
    for row, state in zip(memory.state, ws.state.state, strict=False):
        row[:] = np.asarray(state)[: ws.trials]


@in_double
def run_rounds(
    ws: Workspace,
    round_: Round,
    deployed: I8,
    opened: int,
    start: int,
    stop: int,
    first_trial: int,
    sums: Sums,
    trace: ModelNumbers,
    memory: Memory,
) -> int:
    """Play rounds ``start <= t < stop`` of the open stage for every trial.

    Parameters
    ----------
    ws, round_, deployed, opened, first_trial
        As given to :func:`open_stage`.
    start, stop : int
        Rounds to play, 0-based.
    sums : Sums
        Written: sums over these rounds, [trials].
    trace : ndarray of int, [stop - start, trials] or [0, 0]
        Written unless empty: the model pulled, -1 for none.
    memory : Memory
        As given to :func:`open_stage`; not looked at.

    Returns
    -------
    int
        -1, as no such function can go wrong.
    """
    del deployed, memory
    program = round_.program
    if ws.tables_of is not program:
        everywhere = NamedSharding(ws.mesh, Spec())
        ws.tables = jax.device_put(tables_of(program), everywhere)
        ws.tables_of = program
    _, playing = _compiled(ws.mesh, round_.form)
    numbers = numbers_of(program, ws.dtype)
    added = Sums(*(ws.put(np.zeros(ws.trials), 0.0, np.float64) for _ in sums))
    rows = TRACED if len(trace) else 0
    for begin in range(start, stop, rows or stop - start):
        end = min(begin + rows, stop) if rows else stop
        played = ws.put(np.zeros((rows, ws.trials)), 0, trace.dtype)
        span = (np.int64(x) for x in (opened, begin, end, first_trial))
        ws.state, added, played, ws.late = playing(
            ws.fixed, ws.state, added, played, ws.late, numbers, ws.tables, *span
        )
        if rows:
            trace[begin - start : end - start] = np.asarray(played)[: end - begin, : ws.trials]
    for total_, part in zip(sums, added, strict=True):
        total_[:] = np.asarray(part)[: ws.trials]
    return -1
