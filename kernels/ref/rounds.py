"""The rounds of a stage, one trial and one round after the other, as the definitions read."""

import math
from typing import NamedTuple

from fastroute.kernels.codes import NO_CAPACITY, OVER_BUDGET, STREAM_ROUND
from fastroute.kernels.ref import estimators, feedback, outcomes, routers
from fastroute.kernels.ref.feedback import Pending
from fastroute.kernels.ref.passes import Due, Pass, Trial
from fastroute.kernels.ref.rng import uniforms
from fastroute.kernels.types import F8, I8, Feedback, Memory, ModelNumbers, Program, Sums


class Round(NamedTuple):
    """The passes of a program, in their order."""

    open: tuple[Pass, ...]  #: when a stage opens
    draw: Pass  #: uniform numbers of the round
    due: Due  #: whether the router sets shares in a round
    prepare: tuple[Pass, ...]  #: what then comes first
    route: tuple[Pass, ...]
    choose: tuple[Pass, ...]
    observe: Pass  #: where a model was pulled
    estimate: tuple[Pass, ...]  #: where a model was pulled
    learn_due: tuple[Pass, ...]  #: in a world that teaches late
    learn: tuple[Pass, ...]


def compose(program: Program) -> Round:
    """Choose the passes of a program."""
    estimator = getattr(estimators, program.estimator.kernel)(program)
    router = getattr(routers, program.router.kernel)(program, estimator)
    read_query: tuple[Pass, ...] = ()
    if estimator.read_query and not router.held:
        read_query = (outcomes.read_query(program.reward, program.cost), *estimator.read_query)
    forced = program.estimator.forced_pulls
    estimate: tuple[Pass, ...] = (_learn_at_once, *estimator.observed)
    learn_due: tuple[Pass, ...] = ()
    if program.feedback is not None:
        estimate = (feedback.put_aside(program),)
        learn_due = (feedback.learn_due(program, estimator.renew),)
    late = program.feedback is not None
    return Round(
        (*estimator.open, *router.open),
        _draw(program.seed),
        router.due,
        (*read_query, *estimator.resample),
        router.route,
        (router.choose, _force(forced, late)) if forced else (router.choose,),
        outcomes.observe(program.reward, program.cost),
        estimate,
        learn_due,
        router.learn,
    )


def pending(feedback_: Feedback, models: int, trials: int) -> list[Pending]:
    """Room for the outcomes that are yet to be learnt, as ``Memory.pending`` has them."""
    del feedback_, models
    return [Pending() for _ in range(trials)]


def workspace(trials: int, slots: int) -> list[Trial]:
    """Memory for ``trials`` trials with ``slots`` models deployed."""
    return [Trial(slots=slots) for _ in range(trials)]


def open_stage(
    ws: list[Trial],
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
    ws : list of Trial
        Written.
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
        Number of the trial in row 0 of ``deployed``; the others follow.
    """
    for t, row in enumerate(deployed):
        r = t if len(limit) > 1 else 0
        models = [int(m) for m in row if m >= 0]
        ws[t] = Trial(
            number=first_trial + t,
            slots=len(row),
            opened=opened,
            models=models,
            limit=limit[r, models].tolist(),
            seen=[tuple(memory.seen[:, m, t].tolist()) for m in models],
            plays=[float(memory.plays[m, t]) for m in models],
            state=tuple(memory.state[:, t].tolist()),
            upper=[math.nan] * len(models),
            lower=[math.nan] * len(models),
            reward=ws[t].reward,
            cost=ws[t].cost,
            known=memory.seen[:, :, t],
        )
        if memory.pending is not None:
            ws[t].pending = memory.pending[t]
        if len(memory.contexts):
            ws[t].contexts = memory.contexts[t]
    load_means(ws, deployed, reward_mean, cost_mean)
    for trial in ws:
        for one in round_.open:
            one(trial, opened)


def load_means(ws: list[Trial], deployed: I8, reward_mean: F8, cost_mean: F8) -> None:
    """Load the true means of the deployed models; what is believed and played stays.

    Arguments as in :func:`open_stage`.
    """
    del deployed
    for t, trial in enumerate(ws):
        r = t if len(reward_mean) > 1 else 0
        trial.mean_reward = reward_mean[r, trial.models].tolist()
        trial.mean_cost = cost_mean[r, trial.models].tolist()


def close_stage(ws: list[Trial], round_: Round, deployed: I8, memory: Memory) -> None:
    """Write what was learned in the stage back to ``memory``, in place."""
    del round_, deployed
    for t, trial in enumerate(ws):
        memory.state[:, t] = trial.state
        for slot, m in enumerate(trial.models):
            memory.seen[:, m, t] = trial.seen[slot]
            memory.plays[m, t] = trial.plays[slot]


def run_rounds(
    ws: list[Trial],
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
        As given to :func:`open_stage`; trials hold views of it since then.

    Returns
    -------
    int
        A round in which a function of the user gave no distribution within the limits; -1 for
        none.
    """
    del deployed, opened, first_trial, memory
    for total in sums:
        total[:] = 0.0
    for t, trial in enumerate(ws):
        for now in range(start, stop):
            _play(trial, now, round_)
            _account(trial, t, sums)
            if trace.size:
                trace[now - start, t] = trial.models[trial.slot] if trial.slot >= 0 else -1
    return max((trial.refused for trial in ws), default=-1)


def _play(trial: Trial, now: int, round_: Round) -> None:
    """Play one round of one trial."""
    round_.draw(trial, now)
    if round_.due(now - trial.opened, trial.slots):
        for one in (*round_.prepare, *round_.route):
            one(trial, now)
    for one in round_.choose:
        one(trial, now)
    trial.earned = trial.paid = trial.reward = trial.cost = 0.0
    if trial.slot >= 0:
        trial.plays[trial.slot] += 1.0
        for one in (round_.observe, *round_.estimate):
            one(trial, now)
    for one in (*round_.learn_due, *round_.learn):
        one(trial, now)


def _account(trial: Trial, t: int, sums: Sums) -> None:
    """Add a round to the sums."""
    sums.expected_reward[t] += _expected(trial.played, trial.mean_reward)
    sums.expected_cost[t] += _expected(trial.played, trial.mean_cost)
    sums.reward[t] += trial.earned
    sums.cost[t] += trial.paid
    sums.over_budget[t] += trial.status == OVER_BUDGET
    sums.no_capacity[t] += trial.status == NO_CAPACITY


def _expected(share: list[float], mean: list[float]) -> float:
    return sum(x * y for x, y in zip(share, mean, strict=True))


def _draw(seed: int) -> Pass:
    """Pass that draws the uniform numbers of the round."""

    def draw(trial: Trial, now: int) -> None:
        trial.u_choice, trial.u_reward, trial.u_cost, trial.u_task = uniforms(
            seed, now, 0, trial.number, STREAM_ROUND
        )

    return draw


def _learn_at_once(trial: Trial, now: int) -> None:
    """Learn the outcome of the round itself."""
    trial.reward, trial.cost = trial.earned, trial.paid


def _force(forced_pulls: float, late: bool) -> Pass:
    """Pass that gives the round to a model that still needs forced pulls, fewest first.

    Where outcomes are learnt late, it is the pulls that count and not what was seen of them.
    """

    def force(trial: Trial, now: int) -> None:
        counts = trial.plays if late else [seen[0] for seen in trial.seen]
        # What was dropped is not pulled again.
        pulls = [n if a > 0.0 else math.inf for n, a in zip(counts, trial.limit, strict=True)]
        if min(pulls, default=math.inf) < forced_pulls:
            trial.slot = pulls.index(min(pulls))
            trial.played = [1.0 if m == trial.slot else 0.0 for m in range(len(pulls))]

    return force
