"""The rounds of a stage, for blocks of trials in lockstep.

A round is a list of passes (:mod:`.passes`); those of the policy come from :mod:`.estimators` and
:mod:`.routers`, those of the world from :mod:`.outcomes`.  :mod:`.layout` says where the numbers of
a block of trials lie.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from fastroute.kernels.codes import NO_CAPACITY, OVER_BUDGET, STREAM_ROUND
from fastroute.kernels.formulas.names import where
from fastroute.kernels.numba_ import estimators, feedback, outcomes, routers
from fastroute.kernels.numba_.compile import compile_for, compiled
from fastroute.kernels.numba_.layout import HEAD, LANE, LANES, NEXT, SLOT, STEP, STRIDE, WIDTH
from fastroute.kernels.numba_.layout import workspace as blocks_of
from fastroute.kernels.numba_.passes import (
    COMMON,
    NO_TABLE,
    TABLES,
    Pass,
    Tables,
    call_due,
    call_pass,
    common_numbers,
    kernel_of,
    lay_out,
    vectors_in_use,
)
from fastroute.kernels.numba_.rng import philox4x32
from fastroute.kernels.numba_.vectors import (
    ZERO,
    add,
    broadcast,
    index,
    lane_numbers,
    load,
    store,
    unit,
)
from fastroute.kernels.types import F8, I8, STATES, Feedback, Memory, ModelNumbers, Program, Sums

_MASK = np.uint64(0xFFFFFFFF)
_STREAM = np.uint64(STREAM_ROUND)
_SLOT_ROWS = int(STEP) // STRIDE


NO_TRACE = np.zeros((0, 0), np.int32)


class Round(NamedTuple):
    """The passes of a program, compiled."""

    opening: tuple[Pass, ...]  #: when a stage opens
    due: Pass  #: whether the router sets shares in a round
    setting: tuple[Pass, ...]  #: what then comes first
    playing: tuple[Pass, ...]  #: every round
    seen: int  #: numbers that the estimator keeps of a model
    counts_plays: bool  #: whether pulls are counted apart from the observations
    reward: F8
    cost: F8
    tasks: F8
    features: F8
    reward_delay: F8
    cost_delay: F8
    seed: int
    group: int  #: blocks that play together


class Workspace(NamedTuple):
    """Memory of a chunk of trials."""

    blocks: F8  #: [blocks, rows * STRIDE]
    scratch: F8
    trials: int
    slots: int


class PolicyPasses(NamedTuple):
    """The passes of a policy, whatever the world."""

    opening: tuple[Pass, ...]  #: when a stage opens
    due: Pass  #: whether the router sets shares in a round
    setting: tuple[Pass, ...]  #: what then comes first, the query apart
    choosing: tuple[Pass, ...]  #: which model the round pulls
    observed: tuple[Pass, ...]  #: after a reward and a cost are known together
    following: tuple[Pass, ...]  #: the router learns what the round brought
    reads_queries: bool
    bounded: bool  #: whether bounds are renewed with every observation
    group: int  #: blocks that play together


def compose_policy(program: Program, *, late: bool) -> PolicyPasses:
    """Choose the passes of the policy of a program.

    Where outcomes are learnt ``late``, forced pulls are counted when they are made, and not when
    they are observed.
    """
    part = program.estimator
    estimator = getattr(estimators, part.kernel)(part, program.reward.features.shape[1])
    router = getattr(routers, program.router.kernel)(program.router, estimator, part)
    if router.held and not estimator.fixed:
        # Bounds are worked out when shares are set, which does not depend on the query.
        plain = estimators.elementwise(part) if estimator.reads_queries else estimator
        estimator = plain._replace(prepare=(*plain.open, *plain.prepare), observed=plain.counted)
    forced: tuple[Pass, ...] = ()
    if part.forced_pulls:
        counted = SLOT.plays if late else SLOT.seen
        forced = (Pass(kernel_of(_force, counted), (part.forced_pulls,)),)
    return PolicyPasses(
        opening=(*estimator.open, *router.open),
        due=router.due,
        setting=(*estimator.prepare, *router.route),
        choosing=(
            Pass(kernel_of(_draw)),
            *router.before_choice,
            Pass(kernel_of(_choose)),
            *router.after_choice,
            *forced,
        ),
        observed=estimator.observed,
        following=router.learn,
        reads_queries=estimator.reads_queries,
        bounded=not (estimator.fixed or router.held),
        group=estimator.group,
    )


def compose(program: Program) -> Round:
    """Compile the passes of a program, or load them from where they are kept.

    Raises
    ------
    numba.core.errors.NumbaError
        When a formula or function of the user cannot be compiled.
    """
    part, late = program.estimator, program.feedback
    policy = compose_policy(program, late=late is not None)
    observed, setting = policy.observed, policy.setting
    delays = NO_TABLE, NO_TABLE
    if late is not None:
        learn = feedback.passes(late, part, program.models, policy.bounded)
        observed = (estimators.count_plays(), *learn)
        delays = feedback.table_of(late.reward), feedback.table_of(late.cost)
    if policy.reads_queries:
        draw = Pass(kernel_of(_draw))
        setting = (draw, outcomes.read_query(program.reward, program.cost), *setting)
    playing = (
        *policy.choosing,
        *outcomes.passes(program.reward, program.cost),
        *observed,
        *policy.following,
    )
    counts_plays = part.forgets or late is not None
    return round_of(program, policy, setting, playing)._replace(
        counts_plays=counts_plays, reward_delay=delays[0], cost_delay=delays[1]
    )


def round_of(
    program: Program,
    policy: PolicyPasses,
    setting: tuple[Pass, ...],
    playing: tuple[Pass, ...],
) -> Round:
    """Put passes together with the tables of a program, compiled."""
    part, law = program.estimator, program.reward
    tasks = np.stack([law.task_prob, law.task_alias], axis=1) if len(law.task_prob) else NO_TABLE
    round_ = Round(
        opening=policy.opening,
        due=policy.due,
        setting=setting,
        playing=playing,
        seen=len(part.first),
        counts_plays=True,
        # Copies: tables of a scenario are read-only, which would be another type.
        reward=np.array(law.table, order="C"),
        cost=np.array(program.cost.table, order="C"),
        tasks=np.array(tasks, order="C"),
        features=np.array(law.features, order="C"),
        reward_delay=NO_TABLE,
        cost_delay=NO_TABLE,
        seed=int(program.seed),
        group=policy.group,
    )
    # Before anything runs, so that a formula that cannot be compiled is refused here.
    addresses_of((*round_.opening, round_.due, *round_.setting, *round_.playing))
    return round_


def pending(feedback_: Feedback, models: int, trials: int) -> F8:
    """Room for the outcomes that are yet to be learnt, as ``Memory.pending`` has it."""
    return feedback.pending(feedback_, models, trials)


def workspace(trials: int, slots: int) -> Workspace:
    """Memory for ``trials`` trials with ``slots`` models deployed."""
    return Workspace(blocks_of(trials, slots), routers.scratch(slots), trials, slots)


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
        Written.
    round_ : Round
    deployed : i8 [trials, slots]
        Models in increasing order, then -1 for empty slots.
    memory : Memory
        What was seen of every model, [..., N, trials].
    reward_mean, cost_mean, limit : f8 [R, N]
        True means, and throughput limits; R is 1 or the number of trials.
    opened : int
        First round of the stage.
    first_trial : int
        Number of the trial in row 0 of ``deployed``; the others follow.
    """
    load_models(ws, deployed, memory, limit)
    _load_means(ws.blocks, deployed, reward_mean, cost_mean)
    if memory.pending is not None:
        feedback.load_known(memory.pending, memory.seen, deployed)
    span = opened, opened, opened + 1, first_trial
    play(ws, round_, (routers.always(), round_.opening, ()), span, memory, NO_TRACE)


def load_models(ws: Workspace, deployed: I8, memory: Memory, limit: F8) -> None:
    """Load what is remembered of the deployed models; arguments as in :func:`open_stage`."""
    _load(ws.blocks, deployed, memory.seen, memory.plays, memory.state, limit)


def load_means(ws: Workspace, deployed: I8, reward_mean: F8, cost_mean: F8) -> None:
    """Load other true means of the deployed models; what is believed and played stays.

    Arguments as in :func:`open_stage`.
    """
    _load_means(ws.blocks, deployed, reward_mean, cost_mean)
    _expect_anew(ws.blocks, ws.trials, ws.slots)


def close_stage(ws: Workspace, round_: Round, deployed: I8, memory: Memory) -> None:
    """Write what was learned in the stage back to ``memory``, in place."""
    _store(ws.blocks, deployed, memory.seen, memory.plays, memory.state, round_.counts_plays)
    if memory.pending is not None:
        feedback.store_known(memory.pending, memory.seen, ws.slots)


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
    trace : i4 [stop - start, trials] or [0, 0]
        Written unless empty: the model pulled, -1 for none.
    memory : Memory
        As given to :func:`open_stage`; ``contexts`` and ``pending`` are written.

    Returns
    -------
    int
        A round in which a function of the user gave no distribution within the limits; -1 for
        none.
    """
    passes = round_.due, round_.setting, round_.playing
    refused = play(ws, round_, passes, (opened, start, stop, first_trial), memory, trace)
    for k, sum_ in enumerate(sums):
        row = int(LANE.sum_expected_reward) + k * STRIDE
        sum_[:] = ws.blocks[:, row : row + WIDTH].reshape(-1)[: ws.trials]
    return refused


def play(
    ws: Workspace,
    round_: Round,
    passes: tuple[Pass, tuple[Pass, ...], tuple[Pass, ...]],
    span: tuple[int, int, int, int],
    memory: Memory,
    trace: ModelNumbers,
) -> int:
    """Play rounds of given passes: whether shares are due, what sets them, what plays the round."""
    due, setting, playing = passes
    opened, start, stop, first_trial = span
    numbers, places = lay_out((due, *setting, *playing), len(COMMON))
    common = common_numbers(round_.seed, first_trial, ws.trials, ws.slots, opened)
    refused: int = _play_compiled()(
        ws.blocks,
        start,
        stop,
        round_.group,
        addresses_of((due,)),
        addresses_of(setting),
        addresses_of(playing),
        np.array(places, np.int64),
        np.array([*common, *numbers]),
        ws.scratch,
        tables_of(round_, memory),
        trace,
    )
    return refused


def addresses_of(passes: tuple[Pass, ...]) -> Any:
    """Return where the code of passes is, compiled if need be."""
    found = [one.kernel.address for one in passes]
    compiled_all = all(isinstance(address, int) for address in found)
    return np.array(found, np.int64 if compiled_all else object)


def tables_of(round_: Round, memory: Memory) -> Tables:
    """Return the tables that passes look up."""
    contexts = memory.contexts
    return Tables(
        reward=round_.reward,
        cost=round_.cost,
        tasks=round_.tasks,
        contexts=contexts.reshape(len(contexts), -1) if contexts.size else NO_TABLE,
        features=round_.features,
        pending=NO_TABLE if memory.pending is None else memory.pending,
        reward_delay=round_.reward_delay,
        cost_delay=round_.cost_delay,
    )


@cache
def _play_compiled() -> Any:
    """Return the compiled loop over rounds."""
    whole, pointers = types.int64, types.Array(types.int64, 1, "C")
    numbers = types.Array(types.float64, 1, "C")
    signature = types.int64(
        types.Array(types.float64, 2, "C"),
        *[whole] * 3,
        *[pointers] * 4,
        numbers,
        numbers,
        TABLES,
        types.Array(types.int32, 2, "C"),
    )
    return compile_for(signature, _play)


def _play(ws, start, stop, group, due, setting, playing, places, numbers, scratch, tables, trace):
    """Play rounds: a group of blocks plays all of them before the next group."""
    trials, slots = np.int64(numbers[COMMON.trials]), np.int64(numbers[COMMON.slots])
    opened = np.int64(numbers[COMMON.opened])
    traced = trace.shape[0] > 0
    refused = -1
    for first in range(0, ws.shape[0], group):
        last = min(first + group, ws.shape[0])
        for b in range(first, last):
            ws[b, LANE.sum_expected_reward : LANE.sum_no_capacity + LANES] = 0.0
        for now in range(start, stop):
            if call_due(due[0], now - opened, slots, numbers, places[0]) > 0:
                for k in range(len(setting)):
                    at = places[1 + k]
                    if (
                        call_pass(setting[k], ws, first, last, now, numbers, at, scratch, tables)
                        > 0
                    ):
                        refused = now
            for k in range(len(playing)):
                at = places[1 + len(setting) + k]
                call_pass(playing[k], ws, first, last, now, numbers, at, scratch, tables)
            if traced:
                for t in range(first * WIDTH, min(last * WIDTH, trials)):
                    w, lane = ws[t // WIDTH], np.uint64(t % WIDTH)
                    slot = index(w[LANE.pick + lane])
                    model = w[HEAD + slot * STEP + lane + SLOT.model]
                    trace[now - start, t] = np.int32(model) if slot < np.uint64(slots) else -1
    return refused


def _draw() -> Any:
    """Uniforms of the round for every lane."""

    def draw(ws, first, stop, now, numbers, at, scratch, tables):
        k0 = np.uint64(numbers[COMMON.seed_low]) & _MASK
        k1 = np.uint64(numbers[COMMON.seed_high]) & _MASK
        this = np.uint64(now) & _MASK
        for b in range(first, stop):
            w = ws[b]
            first_trial = np.uint64(numbers[COMMON.first_trial]) + np.uint64(b * WIDTH)
            for lane in vectors_in_use(numbers, b):
                trial = (first_trial + lane + lane_numbers()) & _MASK
                x0, x1, x2, x3 = philox4x32(this, ZERO, trial, _STREAM, k0, k1)
                store(w, LANE.u_choice + lane, unit(x0))
                store(w, LANE.u_reward + lane, unit(x1))
                store(w, LANE.u_cost + lane, unit(x2))
                store(w, LANE.u_task + lane, unit(x3))
        return 0

    return draw


def _choose() -> Any:
    """Draw the model of every lane from its shares.

    The slot of the pull is ``slots`` for none.  Also: what is expected of the round.
    """

    def choose(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                u = load(w, LANE.u_choice + lane)
                i_slot, j_slot = load(w, LANE.i_slot + lane), load(w, LANE.j_slot + lane)
                i_share, j_share = load(w, LANE.i_share + lane), load(w, LANE.j_share + lane)
                total = broadcast(0.0)
                pick = broadcast(0.0)
                for m in range(slots):
                    slot = np.float64(m)
                    share = load(w, HEAD + m * STEP + lane + SLOT.share)
                    share = share + where(i_slot == slot, i_share, 0.0)
                    share = share + where(j_slot == slot, j_share, 0.0)
                    total = total + share
                    pick = pick + where(u >= total, 1.0, 0.0)
                store(w, LANE.pick + lane, pick)
                store(
                    w,
                    LANE.expected_reward + lane,
                    load(w, LANE.outside_reward + lane)
                    + i_share * load(w, LANE.i_mean_reward + lane)
                    + j_share * load(w, LANE.j_mean_reward + lane),
                )
                store(
                    w,
                    LANE.expected_cost + lane,
                    load(w, LANE.outside_cost + lane)
                    + i_share * load(w, LANE.i_mean_cost + lane)
                    + j_share * load(w, LANE.j_mean_cost + lane),
                )
                status = load(w, LANE.status + lane)
                add(w, LANE.sum_over_budget + lane, where(status == OVER_BUDGET, 1.0, 0.0))
                add(w, LANE.sum_no_capacity + lane, where(status == NO_CAPACITY, 1.0, 0.0))
        return 0

    return choose


def _force(counted: Any) -> Any:
    """Give the round to a deployed model that still needs forced pulls, fewest pulls first.

    Pulls are counted in the row ``counted`` of a slot.
    """

    def force(ws, first, stop, now, numbers, at, scratch, tables):
        forced_pulls = numbers[at]
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                fewest = broadcast(forced_pulls)
                pick = load(w, LANE.pick + lane)
                reward = load(w, LANE.expected_reward + lane)
                cost = load(w, LANE.expected_cost + lane)
                for m in range(slots):
                    o = HEAD + m * STEP + lane
                    pulls = load(w, o + counted)
                    needs = (load(w, o + SLOT.limit) > 0.0) & (pulls < fewest)
                    fewest = where(needs, pulls, fewest)
                    pick = where(needs, np.float64(m), pick)
                    reward = where(needs, load(w, o + SLOT.mean_reward), reward)
                    cost = where(needs, load(w, o + SLOT.mean_cost), cost)
                store(w, LANE.pick + lane, pick)
                store(w, LANE.expected_reward + lane, reward)
                store(w, LANE.expected_cost + lane, cost)
        return 0

    return force


@compiled
def _load(ws, deployed, seen, plays, state, limit):
    """Load what is known of the deployed models; empty slots are all zeros."""
    trials, slots = deployed.shape
    for t in range(ws.shape[0] * WIDTH):
        w = ws[t // WIDTH]
        lane = np.uint64(t % WIDTH)
        r = t if limit.shape[0] > 1 else 0
        if t < trials:
            for k in range(STATES):
                w[LANE.state + np.uint64(k) * NEXT + lane] = state[k, t]
        for s in range(slots + 1):
            o = HEAD + np.uint64(s) * STEP + lane
            m = deployed[t, s] if t < trials and s < slots else -1
            w[o + SLOT.model] = m
            if m < 0:
                for k in range(_SLOT_ROWS):
                    row = np.uint64(k) * NEXT
                    w[o + row] = 0.0 if row != SLOT.model else -1.0
                continue
            w[o + SLOT.limit] = limit[r, m]
            w[o + SLOT.plays] = plays[m, t]
            for k in range(seen.shape[0]):
                w[o + SLOT.seen + np.uint64(k) * NEXT] = seen[k, m, t]


@compiled
def _load_means(ws, deployed, reward_mean, cost_mean):
    """Load the true means of the deployed models."""
    trials, slots = deployed.shape
    for t in range(trials):
        w = ws[t // WIDTH]
        r = t if reward_mean.shape[0] > 1 else 0
        for s in range(slots):
            m = deployed[t, s]
            if m >= 0:
                o = HEAD + np.uint64(s) * STEP + np.uint64(t % WIDTH)
                w[o + SLOT.mean_reward] = reward_mean[r, m]
                w[o + SLOT.mean_cost] = cost_mean[r, m]


@compiled
def _expect_anew(ws, trials, slots):
    """Work out again what the shares in force bring and cost, under other means."""
    for t in range(trials):
        w = ws[t // WIDTH]
        lane = np.uint64(t % WIDTH)
        reward, cost, even_reward, even_cost = 0.0, 0.0, 0.0, 0.0
        for s in range(slots):
            o = HEAD + np.uint64(s) * STEP + lane
            mean_reward, mean_cost = w[o + SLOT.mean_reward], w[o + SLOT.mean_cost]
            reward += w[o + SLOT.share] * mean_reward
            cost += w[o + SLOT.share] * mean_cost
            even_reward += w[o + SLOT.even] * mean_reward
            even_cost += w[o + SLOT.even] * mean_cost
        w[LANE.outside_reward + lane], w[LANE.outside_cost + lane] = reward, cost
        w[LANE.even_reward + lane], w[LANE.even_cost + lane] = even_reward, even_cost
        i = HEAD + np.uint64(w[LANE.i_slot + lane]) * STEP + lane
        j = HEAD + np.uint64(w[LANE.j_slot + lane]) * STEP + lane
        w[LANE.i_mean_reward + lane] = w[i + SLOT.mean_reward]
        w[LANE.i_mean_cost + lane] = w[i + SLOT.mean_cost]
        w[LANE.j_mean_reward + lane] = w[j + SLOT.mean_reward]
        w[LANE.j_mean_cost + lane] = w[j + SLOT.mean_cost]


@compiled
def _store(ws, deployed, seen, plays, state, counts_plays):
    """Write what was learned back."""
    trials, slots = deployed.shape
    for t in range(trials):
        w = ws[t // WIDTH]
        lane = np.uint64(t % WIDTH)
        for k in range(STATES):
            state[k, t] = w[LANE.state + np.uint64(k) * NEXT + lane]
        for s in range(slots):
            m = deployed[t, s]
            if m >= 0:
                o = HEAD + np.uint64(s) * STEP + lane
                if counts_plays:
                    plays[m, t] = w[o + SLOT.plays]
                else:
                    plays[m, t] += w[o + SLOT.seen] - seen[0, m, t]
                for k in range(seen.shape[0]):
                    seen[k, m, t] = w[o + SLOT.seen + np.uint64(k) * NEXT]
