"""The rounds of a stage, one trial and one round after the other, as the definitions read."""

from dataclasses import dataclass

from fastroute.kernels.codes import NO_CAPACITY, OVER_BUDGET, STREAM_ROUND
from fastroute.kernels.ref import estimators, outcomes, routers
from fastroute.kernels.ref.estimators import Estimator
from fastroute.kernels.ref.outcomes import Draw
from fastroute.kernels.ref.rng import uniforms
from fastroute.kernels.ref.routers import Router
from fastroute.kernels.ref.trial import Trial
from fastroute.kernels.types import F8, I8, Memory, ModelNumbers, Program, Sums


@dataclass(frozen=True)
class Round:
    """The steps of a program."""

    seed: int
    estimator: Estimator
    router: Router
    forced_pulls: float
    reward: Draw
    cost: Draw


def compose(program: Program) -> Round:
    """Find the steps of a program."""
    estimator = getattr(estimators, program.estimator.kernel)(program)
    return Round(
        seed=program.seed,
        estimator=estimator,
        router=getattr(routers, program.router.kernel)(program, estimator),
        forced_pulls=program.estimator.forced_pulls,
        reward=getattr(outcomes, program.reward.kernel)(program.reward),
        cost=getattr(outcomes, program.cost.kernel)(program.cost),
    )


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
        Modified in place.
    round_ : Round
    deployed : ndarray of int, [trials, slots]
        Models in increasing order, then -1 for empty slots.
    memory : Memory
        What was seen of every model, [..., N, trials].
    reward_mean, cost_mean : ndarray, [R, N]
        True means; R is 1 or the number of trials.
    limit : ndarray, [N]
        Throughput limits.
    opened : int
        First round of the stage.
    first_trial : int
        Number of the first trial; the others follow.
    """
    for t, (trial, row) in enumerate(zip(ws, deployed, strict=True)):
        models = [int(m) for m in row if m >= 0]
        trial.number = first_trial + t
        trial.models = models
        trial.limit = [float(limit[m]) for m in models]
        trial.seen = [tuple(memory.seen[:, m, t].tolist()) for m in models]
        trial.plays = [float(memory.plays[m, t]) for m in models]
        trial.upper, trial.lower = [0.0] * len(models), [0.0] * len(models)
        trial.state = memory.state[:, t].tolist()
        trial.task = -1
        if len(memory.contexts):
            trial.contexts = memory.contexts[t]
    load_means(ws, deployed, reward_mean, cost_mean)
    for trial in ws:
        round_.estimator.open(trial)
        round_.router.open(trial)


def load_means(ws: list[Trial], deployed: I8, reward_mean: F8, cost_mean: F8) -> None:
    """Load the true means of the deployed models; arguments as in :func:`open_stage`."""
    del deployed
    for t, trial in enumerate(ws):
        r = t if len(reward_mean) > 1 else 0
        trial.mean_reward = [float(reward_mean[r, m]) for m in trial.models]
        trial.mean_cost = [float(cost_mean[r, m]) for m in trial.models]


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
    contexts: F8,
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
    contexts : ndarray, [trials, J, N, 2]
        As in ``Memory``; trials hold views of it since the stage opened.

    Returns
    -------
    int
        A round in which a function of the user gave no distribution within the limits; -1 for
        none.
    """
    del contexts
    estimator, router = round_.estimator, round_.router
    slots = deployed.shape[1]
    # Shares that are held do not depend on the query.
    reads = estimator.reads_queries and not router.held
    refused = -1
    for total in sums:
        total[:] = 0.0
    for t, trial in enumerate(ws):
        for now in range(start, stop):
            u_choice, u_reward, u_cost, u_task = uniforms(
                round_.seed, now, 0, first_trial + t, STREAM_ROUND
            )
            if router.due(now - opened, slots):
                if reads or not estimator.reads_queries:
                    estimator.prepare(trial, now, u_task)
                if not router.route(trial, now, now - opened):
                    refused = now
            share, slot = forced(trial, round_.forced_pulls, router.choose(trial, u_choice))
            sums.expected_reward[t] += dot(share, trial.mean_reward)
            sums.expected_cost[t] += dot(share, trial.mean_cost)
            sums.over_budget[t] += trial.status == OVER_BUDGET
            sums.no_capacity[t] += trial.status == NO_CAPACITY
            reward = cost = 0.0
            if slot >= 0:
                model = trial.models[slot]
                reward = round_.reward(u_reward, u_task, trial.mean_reward[slot], model, now)
                cost = round_.cost(u_cost, u_task, trial.mean_cost[slot], model, now)
                estimator.observe(trial, slot, reward, cost)
                trial.plays[slot] += 1.0
            trial.last = reward, cost
            router.learn(trial, reward, cost)
            sums.reward[t] += reward
            sums.cost[t] += cost
            if trace.size:
                trace[now - start, t] = trial.models[slot] if slot >= 0 else -1
    return refused


def forced(trial: Trial, pulls: float, choice: routers.Choice) -> routers.Choice:
    """Give the round to a deployed model that still needs forced pulls, fewest pulls first."""
    # What was eliminated is not pulled again.
    short = [
        (seen[0], slot)
        for slot, (seen, limit) in enumerate(zip(trial.seen, trial.limit, strict=True))
        if limit > 0.0 and seen[0] < pulls
    ]
    if not short:
        return choice
    _, slot = min(short)
    return [1.0 if s == slot else 0.0 for s in range(len(trial.models))], slot


def dot(share: list[float], mean: list[float]) -> float:
    """Mean over the models of a distribution."""
    return sum(x * y for x, y in zip(share, mean, strict=True))
