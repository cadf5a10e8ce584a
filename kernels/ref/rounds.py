"""The rounds of a stage, one trial and one round after the other, as the definitions read."""

import math

from fastroute.kernels.codes import (
    COST_FIXED,
    COST_TABLE,
    COST_UNIFORM,
    ESTIMATOR_TRUTH,
    INIT_FORCED,
    NO_CAPACITY,
    OVER_BUDGET,
    REWARD_BERNOULLI,
    REWARD_REPLAY,
    REWARD_TASK,
    ROUTER_EPSILON_GREEDY,
    ROUTER_TRUTH,
    STREAM_ROUND,
)
from fastroute.kernels.ref.bounds import bounds
from fastroute.kernels.ref.rng import uniforms
from fastroute.kernels.ref.routers import (
    Function,
    Trial,
    due,
    learn,
    open_routing,
    read_query,
    reads_queries,
    route,
    task_of,
)
from fastroute.kernels.types import F8, I8, Draws, Memory, ModelNumbers, Rules, Sums


def workspace(trials: int, slots: int) -> list[Trial]:
    """Memory for ``trials`` trials; ``slots`` is not needed here."""
    del slots
    return [Trial() for _ in range(trials)]


def open_stage(
    ws: list[Trial],
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
    ws : list of Trial
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
    truth = rules.estimator == ESTIMATOR_TRUTH or rules.router == ROUTER_TRUTH
    for t, row in enumerate(deployed):
        r = t if len(reward_mean) > 1 else 0
        models = [int(m) for m in row if m >= 0]
        trial = Trial(
            models,
            [float(limit[m]) for m in models],
            [float(reward_mean[r, m]) for m in models],
            [float(cost_mean[r, m]) for m in models],
            [float(memory.pulls[m, t]) for m in models],
            [float(memory.sum_reward[m, t]) for m in models],
            [float(memory.sum_cost[m, t]) for m in models],
            [float(memory.plays[m, t]) for m in models],
            state=memory.state[:, t].tolist(),
            last=ws[t].last,
        )
        if len(memory.contexts):
            trial.contexts = memory.contexts[t]
        trial.upper, trial.lower = list(trial.mean_reward), list(trial.mean_cost)
        if not truth:
            for s in range(len(models)):
                _renew(trial, s, rules)
        open_routing(trial, rules)
        ws[t] = trial


def close_stage(ws: list[Trial], deployed: I8, memory: Memory, rules: Rules) -> None:
    """Write what was learned in the stage back to ``memory``, in place."""
    del deployed, rules
    for t, trial in enumerate(ws):
        memory.state[:, t] = trial.state
        for s, m in enumerate(trial.models):
            memory.pulls[m, t] = trial.count[s]
            memory.sum_reward[m, t] = trial.sum_reward[s]
            memory.sum_cost[m, t] = trial.sum_cost[s]
            memory.plays[m, t] = trial.plays[s]


def run_rounds(
    ws: list[Trial],
    deployed: I8,
    opened: int,
    start: int,
    stop: int,
    first_trial: int,
    rules: Rules,
    draws: Draws,
    sums: Sums,
    trace: ModelNumbers,
    custom: Function,
    contexts: F8,
) -> int:
    """Play rounds ``start <= t < stop`` of the open stage for every trial.

    Parameters
    ----------
    ws : list of Trial
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
    custom : callable
        Asked for the shares with ``ROUTER_CUSTOM``.
    contexts : ndarray, [trials, J, N, 2]
        As in ``Memory``; trials hold views of it since the stage opened.

    Returns
    -------
    int
        A round in which ``custom`` gave no distribution within the limits; -1 for none.
    """
    del contexts
    refused = -1
    slots = deployed.shape[1]
    for total in sums:
        total[:] = 0.0
    for t, trial in enumerate(ws):
        for now in range(start, stop):
            u = uniforms(rules.seed, now, 0, first_trial + t, STREAM_ROUND)
            elapsed = now - opened
            if reads_queries(rules):
                read_query(trial, u[3], rules, draws)
            if due(elapsed, slots, rules) and not route(
                trial, first_trial + t, now, elapsed / max(slots, 1), rules, custom
            ):
                refused = now
            share, slot = _pick(trial, u[0], rules)
            if rules.init == INIT_FORCED:
                # What was eliminated is not pulled again.
                pulls = [
                    n if a > 0.0 else math.inf
                    for n, a in zip(trial.count, trial.limit, strict=True)
                ]
                if pulls and min(pulls) < rules.init_pulls:
                    slot = pulls.index(min(pulls))
                    share = [1.0 if s == slot else 0.0 for s in range(len(share))]
            sums.expected_reward[t] += sum(
                x * y for x, y in zip(share, trial.mean_reward, strict=True)
            )
            sums.expected_cost[t] += sum(x * y for x, y in zip(share, trial.mean_cost, strict=True))
            sums.over_budget[t] += trial.status == OVER_BUDGET
            sums.no_capacity[t] += trial.status == NO_CAPACITY
            if trace.size:
                trace[now - start, t] = trial.models[slot] if slot >= 0 else -1
            if slot < 0:
                learn(trial, 0.0, 0.0, rules)
                continue
            reward, cost = _observe(trial, slot, u, now, draws)
            sums.reward[t] += reward
            sums.cost[t] += cost
            trial.count[slot] = rules.discount * trial.count[slot] + 1.0
            trial.sum_reward[slot] = rules.discount * trial.sum_reward[slot] + reward
            trial.sum_cost[slot] = rules.discount * trial.sum_cost[slot] + cost
            trial.plays[slot] += 1.0
            if reads_queries(rules):
                trial.contexts[trial.task, trial.models[slot]] += 1.0, reward
            _renew(trial, slot, rules)
            learn(trial, reward, cost, rules)
    return refused


def _renew(trial: Trial, slot: int, rules: Rules) -> None:
    trial.upper[slot], trial.lower[slot] = bounds(
        trial.count[slot],
        trial.sum_reward[slot],
        trial.sum_cost[slot],
        rules.gamma,
        rules.cost_min,
        rules.cost_max,
        rules.init,
        rules.init_pulls,
        rules.cost_side,
    )


def _pick(trial: Trial, u: float, rules: Rules) -> tuple[list[float], int]:
    """Routing distribution of the round, and the slot drawn from it."""
    if rules.router != ROUTER_EPSILON_GREEDY:
        return trial.share, _choose(trial.share, u)
    # One uniform decides whether the round explores, and then which model it pulls.
    explore = rules.explore
    mixed = [
        explore * x + (1.0 - explore) * y for x, y in zip(trial.even, trial.share, strict=True)
    ]
    if u < explore:
        return mixed, _choose(trial.even, u / explore)
    return mixed, _choose(trial.share, (u - explore) / (1.0 - explore))


def _choose(share: list[float], u: float) -> int:
    """Slot drawn from the shares by inversion; -1 when nothing is deployed."""
    total = 0.0
    for slot, x in enumerate(share):
        total += x
        if u < total:
            return slot
    return -1


def _observe(
    trial: Trial, slot: int, u: tuple[float, float, float, float], now: int, draws: Draws
) -> tuple[float, float]:
    """Reward and cost of the pulled model in this round."""
    m = trial.models[slot]
    _, u_reward, u_cost, u_task = u
    if draws.reward_kind == REWARD_BERNOULLI:
        reward = 1.0 if u_reward < trial.mean_reward[slot] else 0.0
    elif draws.reward_kind == REWARD_TASK:
        reward = 1.0 if u_reward < draws.reward_table[task_of(u_task, draws), m] else 0.0
    elif draws.reward_kind == REWARD_REPLAY:
        rows = len(draws.reward_table)
        row = now % rows if draws.in_order else int(u_task * rows)
        reward = float(draws.reward_table[row, m])
    else:
        reward = float(draws.reward_table[int(u_reward * len(draws.reward_table)), m])
    if draws.cost_kind == COST_UNIFORM:
        cost = trial.mean_cost[slot] * (0.5 + u_cost)
    elif draws.cost_kind == COST_FIXED:
        cost = trial.mean_cost[slot]
    elif draws.cost_kind == COST_TABLE:
        cost = float(draws.cost_table[int(u_cost * len(draws.cost_table)), m])
    else:
        rows = len(draws.cost_table)
        row = now % rows if draws.in_order else int(u_task * rows)
        cost = float(draws.cost_table[row, m])
    return reward, cost
