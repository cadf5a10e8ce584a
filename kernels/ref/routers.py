"""How each router sets the shares of one trial; :mod:`fastroute.policies.routers` has the formulas.

A trial is a :class:`Trial`; :func:`route` sets its shares when the router is :func:`due`, and
:func:`learn` tells the router what a round has cost.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastroute.kernels.codes import (
    ESTIMATOR_CONTEXTUAL,
    ESTIMATOR_THOMPSON,
    ESTIMATOR_TRUTH,
    NO_CAPACITY,
    OPTIMAL,
    ROUTER_CUSTOM,
    ROUTER_DRIFT_PLUS_PENALTY,
    ROUTER_ELIMINATION,
    ROUTER_EPSILON_GREEDY,
    ROUTER_EXPLORE_THEN_COMMIT,
    ROUTER_GREEDY,
    ROUTER_LP,
    ROUTER_PACER,
    ROUTER_PRIMAL_DUAL,
    ROUTER_RATIO,
    ROUTER_TRUTH,
    ROUTER_UNIFORM,
    STREAM_POSTERIOR,
)
from fastroute.kernels.normal import normal
from fastroute.kernels.ref.bounds import bounds, posterior, radius, unobserved_below
from fastroute.kernels.ref.rng import uniforms
from fastroute.kernels.ref.routing import solve_one
from fastroute.kernels.tolerances import DOMINATED, MASS, POSITIVE, PRICE_RATIO, SHARES
from fastroute.kernels.types import F8, STATES, Draws, Rules

#: A router of the user; see ``fastroute.policies.custom``.
Function = Callable[..., Any]


@dataclass
class Trial:
    """What one trial knows of its deployed models; every list has one entry per model."""

    models: list[int] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    mean_reward: list[float] = field(default_factory=list)
    mean_cost: list[float] = field(default_factory=list)
    count: list[float] = field(default_factory=list)
    sum_reward: list[float] = field(default_factory=list)
    sum_cost: list[float] = field(default_factory=list)
    plays: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    even: list[float] = field(default_factory=list)
    status: int = OPTIMAL
    state: list[float] = field(default_factory=lambda: [0.0] * STATES)
    #: Reward and cost of the last round.
    last: tuple[float, float] = (0.0, 0.0)
    #: Observations by task, [J, N, 2], and the task of the round's query.
    contexts: F8 = field(default_factory=lambda: np.empty((0, 0, 2)))
    task: int = -1


def due(elapsed: int, slots: int, rules: Rules) -> bool:
    """Whether the router sets new shares, ``elapsed`` rounds after the stage opened."""
    router = rules.router
    if router in (ROUTER_LP, ROUTER_GREEDY, ROUTER_EPSILON_GREEDY):
        # What never changes has been solved when the stage opened.
        return rules.estimator != ESTIMATOR_TRUTH and elapsed % rules.resolve_every == 0
    if router == ROUTER_EXPLORE_THEN_COMMIT:
        return elapsed == rules.explore
    if router == ROUTER_ELIMINATION:
        epochs = elapsed // slots if slots else 0
        return epochs > 0 and elapsed % slots == 0 and epochs & (epochs - 1) == 0
    return router >= ROUTER_RATIO and elapsed % rules.resolve_every == 0


def task_of(u: float, draws: Draws) -> int:
    """Task of a query, drawn from a table of aliases (Walker 1977)."""
    scaled = u * len(draws.task_prob)
    k = int(scaled)
    return k if scaled - k < draws.task_prob[k] else int(draws.task_alias[k])


def read_query(trial: Trial, u: float, rules: Rules, draws: Draws) -> None:
    """Contextual estimator: look up the bounds, and the true means, for the query's task."""
    trial.task = task_of(u, draws)
    for s, m in enumerate(trial.models):
        count, total = (float(x) for x in trial.contexts[trial.task, m])
        trial.upper[s], _ = bounds(
            count,
            total,
            0.0,
            rules.gamma,
            rules.cost_min,
            rules.cost_max,
            rules.init,
            rules.init_pulls,
        )
        trial.mean_reward[s] = float(draws.reward_table[trial.task, m])


def reads_queries(rules: Rules) -> bool:
    """Whether shares depend on the task of the query; not where they are held for many rounds."""
    held = (ROUTER_TRUTH, ROUTER_UNIFORM, ROUTER_EXPLORE_THEN_COMMIT, ROUTER_ELIMINATION)
    return rules.estimator == ESTIMATOR_CONTEXTUAL and rules.router not in held


def open_routing(trial: Trial, rules: Rules) -> None:
    """Set the shares with which a stage begins."""
    trial.even, short = spread(trial.limit)
    if rules.router <= ROUTER_EPSILON_GREEDY:
        _solve(trial, rules)
    else:
        trial.share, trial.status = trial.even, short


def route(
    trial: Trial, number: int, now: int, epochs: float, rules: Rules, custom: Function
) -> bool:
    """Set the shares of round ``now``; False when a function of the user gave no distribution.

    ``epochs`` is the time since the stage opened, in rounds per slot.
    """
    _believe(trial, number, now, rules)
    if rules.router <= ROUTER_EPSILON_GREEDY or rules.router == ROUTER_EXPLORE_THEN_COMMIT:
        _solve(trial, rules)
    elif rules.router == ROUTER_ELIMINATION:
        _eliminate(trial, epochs, rules)
    elif rules.router == ROUTER_CUSTOM:
        return _ask(trial, now, rules, custom)
    else:
        score = scores(trial, rules)
        trial.share, trial.status = fill_by_score(score, trial.upper, trial.lower, trial.limit)
    return True


def learn(trial: Trial, reward: float, cost: float, rules: Rules) -> None:
    """Take note of what a round has brought and cost: prices follow the spending."""
    trial.last = reward, cost
    state = trial.state
    pace = min(rules.budget, rules.cost_max)
    scale = 1.0 / rules.cost_max
    if rules.router == ROUTER_DRIFT_PLUS_PENALTY:
        state[0] = max(state[0] + (cost - pace) * scale, 0.0)
    elif rules.router == ROUTER_PACER:
        state[1] = (1.0 - rules.smoothing) * state[1] + rules.smoothing * cost
        step = rules.gain * ((state[1] - pace) / max(pace, POSITIVE))
        state[0] = min(max(state[0] + step, 0.0), rules.ceiling)
    elif rules.router == ROUTER_PRIMAL_DUAL:
        grown = 1.0 + rules.gain * (cost * scale)
        ratio = state[0] * grown / (1.0 + rules.gain * (pace * scale))
        state[0] = min(max(ratio, 1.0 / PRICE_RATIO), PRICE_RATIO)


def scores(trial: Trial, rules: Rules) -> list[float]:
    """Rank the models, for the routers that fill by score."""
    scale = 1.0 / rules.cost_max
    pace = min(rules.budget, rules.cost_max) * scale
    price = trial.state[0]
    found = []
    for u, c in zip(trial.upper, (c * scale for c in trial.lower), strict=True):
        if rules.router == ROUTER_RATIO:
            found.append(u / max(c, POSITIVE))
        elif rules.router == ROUTER_DRIFT_PLUS_PENALTY:
            found.append(rules.gain * u - price * c)
        elif rules.router == ROUTER_PACER:
            found.append(u - price * c)
        else:
            found.append(u / max(price * c + pace, POSITIVE))
    return found


def fill_by_score(
    score: list[float], upper: list[float], lower: list[float], limit: list[float]
) -> tuple[list[float], int]:
    """As much as allowed to the model of highest score, then to the next.

    Ties by higher U, lower L, lower index.
    """
    capacity = sum(limit)
    if capacity < 1.0 - MASS:
        return [a / capacity for a in limit], NO_CAPACITY
    rank = [(-score[m], -upper[m], lower[m], m) for m in range(len(score))]
    share = []
    for m, a in enumerate(limit):
        before = sum(limit[k] for k in range(len(limit)) if rank[k] < rank[m])
        share.append(min(a, max(1.0 - before, 0.0)))
    return share, OPTIMAL


def spread(limit: list[float]) -> tuple[list[float], int]:
    """Uniform shares within the limits: what a full model leaves, the others share.

    A limit of 0 marks a model that is not there.
    """
    capacity = sum(limit)
    if capacity < 1.0 - MASS:
        return [a / capacity for a in limit], NO_CAPACITY
    here = {s for s, a in enumerate(limit) if a > 0.0}
    full: set[int] = set()
    while True:
        level = (1.0 - sum(limit[s] for s in full)) / max(len(here) - len(full), 1)
        more = {s for s in here if limit[s] <= level} - full
        if not more:
            return [
                0.0 if s not in here else limit[s] if s in full else level
                for s in range(len(limit))
            ], OPTIMAL
        full |= more


def _believe(trial: Trial, number: int, now: int, rules: Rules) -> None:
    """Renew what does not follow from the observations alone."""
    for s in range(len(trial.models)):
        if rules.estimator == ESTIMATOR_TRUTH:
            trial.upper[s], trial.lower[s] = trial.mean_reward[s], trial.mean_cost[s]
        elif rules.estimator == ESTIMATOR_THOMPSON:
            u = uniforms(rules.seed, now, s // 4, number, STREAM_POSTERIOR)[s % 4]
            trial.upper[s] = posterior(
                trial.count[s],
                trial.sum_reward[s],
                float(normal(np.array(u))),
                rules.init,
                rules.init_pulls,
            )


def _solve(trial: Trial, rules: Rules) -> None:
    budget = math.inf if rules.router == ROUTER_GREEDY else rules.budget
    answer = solve_one(trial.upper, trial.lower, trial.limit, budget)
    trial.share, trial.status = answer.share, answer.status


def _eliminate(trial: Trial, epochs: float, rules: Rules) -> None:
    """Drop the models that are surely not needed, and mix the LP with uniform routing."""
    price = solve_one(trial.upper, trial.lower, trial.limit, rules.budget).budget_price
    low, high = [], []
    for s in range(len(trial.models)):
        inverse = 1.0 / (trial.count[s] + 1.0)
        reward, cost = trial.sum_reward[s] * inverse, trial.sum_cost[s] * inverse
        scaled = cost * (1.0 / rules.cost_max)
        wide = 2.0 * radius(reward, inverse, rules.gamma)
        wide_cost = 2.0 * radius(scaled, inverse, rules.gamma) * rules.cost_max
        unobserved = trial.count[s] < unobserved_below(rules.init, rules.init_pulls)
        if rules.estimator == ESTIMATOR_TRUTH:
            reward, cost, wide, wide_cost = trial.mean_reward[s], trial.mean_cost[s], 0.0, 0.0
            unobserved = False
        middle, width = reward - price * cost, wide + price * wide_cost
        low.append(-math.inf if unobserved else middle - width)
        high.append(math.inf if unobserved else middle + width)
    limit = list(trial.limit)
    for s in range(len(limit)):
        better = sum(a for a, x in zip(limit, low, strict=True) if x > high[s] + DOMINATED)
        if better >= 1.0 - MASS:
            trial.limit[s] = 0.0
    answer = solve_one(trial.upper, trial.lower, trial.limit, rules.budget)
    even, _ = spread(trial.limit)
    explore = 1.0 / math.sqrt(2.0 * epochs)
    trial.share = [
        explore * x + (1.0 - explore) * y for x, y in zip(even, answer.share, strict=True)
    ]
    trial.status = answer.status


def _ask(trial: Trial, now: int, rules: Rules, custom: Function) -> bool:
    """Let a function of the user set the shares; see ``fastroute.policies.custom``."""
    size = len(trial.models)
    capacity = sum(trial.limit)
    columns = (np.array(x)[:, None] for x in (trial.upper, trial.lower, trial.limit, trial.count))
    state, share = np.array(trial.state)[:, None], np.zeros((size, 1))
    last = (np.array([x]) for x in trial.last)
    custom(now, *columns, rules.budget, *last, state, share)
    trial.state = state[:, 0].tolist()
    if capacity < 1.0 - MASS:
        trial.share, trial.status = [a / capacity for a in trial.limit], NO_CAPACITY
        return True
    trial.share, trial.status = share[:, 0].tolist(), OPTIMAL
    within = all(0.0 <= x <= a + SHARES for x, a in zip(trial.share, trial.limit, strict=True))
    return within and abs(sum(trial.share) - 1.0) <= SHARES
