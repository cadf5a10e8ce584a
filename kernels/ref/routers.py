"""Routers: how the shares of the deployed models are set.

A function here makes the passes of a router; ``RouterKernel.kernel`` is its name.
"""

from typing import NamedTuple

import numpy as np

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL
from fastroute.kernels.formulas import schedules
from fastroute.kernels.formulas.constraints import enough, proportional
from fastroute.kernels.formulas.estimates import exact_interval, surely_better, worth
from fastroute.kernels.formulas.shares import (
    again_uniform,
    explored,
    left_over,
    mixed,
    whole,
    within,
)
from fastroute.kernels.ref.estimators import EstimatorPasses, open_known
from fastroute.kernels.ref.formulas import formula
from fastroute.kernels.ref.passes import Due, Pass, Trial
from fastroute.kernels.ref.routing import Answer, solve_one
from fastroute.kernels.types import STATES, Program


class RouterPasses(NamedTuple):
    """Passes of a router."""

    open: tuple[Pass, ...]  #: shares with which a stage begins
    due: Due
    route: tuple[Pass, ...]  #: set the shares of the round
    choose: Pass  #: draw the pulled model
    learn: tuple[Pass, ...] = ()
    #: Whether shares are held for many rounds, so that they cannot depend on the query.
    held: bool = False


def lp(program: Program, estimator: EstimatorPasses) -> RouterPasses:
    """Solve the routing LP for every query."""
    solve = _solve(program.router.parameters[0])
    # What never changes has been solved when the stage opened.
    due = _never if estimator.fixed else _at_intervals(program)
    return RouterPasses((solve,), due, (solve,), choose)


def known_lp(program: Program, estimator: EstimatorPasses) -> RouterPasses:
    """Solve the routing LP on the true means, which never change in a stage."""
    solve = _solve(program.router.parameters[0])
    return RouterPasses((open_known, solve), _never, (), choose, held=True)


def epsilon_greedy(program: Program, estimator: EstimatorPasses) -> RouterPasses:
    """Mix the LP's distribution with the uniform one; the last number is the share of that."""
    explore = program.router.parameters[-1]

    def choose_or_explore(trial: Trial, now: int) -> None:
        # One uniform decides whether the round explores, and then which model it pulls.
        u = trial.u_choice
        even = uniform_shares(trial.limit)
        trial.played = [mixed(explore, x, y) for x, y in zip(even, trial.share, strict=True)]
        trial.slot = slot_of(even if u < explore else trial.share, again_uniform(u, explore))

    return lp(program, estimator)._replace(choose=choose_or_explore)


def uniform(program: Program, estimator: EstimatorPasses) -> RouterPasses:
    """Equal shares within the limits."""
    return RouterPasses((_uniform,), _never, (), choose, held=True)


def explore_then_commit(program: Program, estimator: EstimatorPasses) -> RouterPasses:
    """Uniform at first, then the LP's solution; its last number is the round of the change."""
    budget, change = program.router.parameters[0], program.router.parameters[-1]

    def due(elapsed: int, slots: int) -> bool:
        return bool(schedules.once(elapsed, change))

    return RouterPasses((_uniform,), due, (_solve(budget),), choose, held=True)


def elimination(program: Program, estimator: EstimatorPasses) -> RouterPasses:
    """Drop what is surely not needed, and mix the LP with uniform routing."""
    budget = program.router.parameters[0]
    part = program.estimator
    of_part = exact_interval if estimator.fixed else part.interval
    assert of_part is not None
    interval = formula(of_part)

    def intervals(trial: Trial) -> list[tuple[float, float, float, float]]:
        means = zip(trial.mean_reward, trial.mean_cost, strict=True)
        known = means if estimator.fixed else trial.seen
        return [interval(seen, *part.parameters) for seen in known]

    def eliminate(trial: Trial, now: int) -> None:
        price = _answer(trial, budget).budget_price
        ends = [worth(r, c, r_wide, c_wide, price) for r, c, r_wide, c_wide in intervals(trial)]
        limit = list(trial.limit)
        for slot, (_, high) in enumerate(ends):
            better = [surely_better(low, high) for low, _ in ends]
            if enough(sum(a for a, yes in zip(limit, better, strict=True) if yes)):
                trial.limit[slot] = 0.0
        answer = _answer(trial, budget)
        explore = explored((now - trial.opened) // trial.slots)
        even = uniform_shares(trial.limit)
        trial.share = [mixed(explore, x, y) for x, y in zip(even, answer.share, strict=True)]
        trial.status = answer.status

    def due(elapsed: int, slots: int) -> bool:
        return bool(schedules.doubling(elapsed, slots))

    return RouterPasses((_uniform,), due, (eliminate,), choose, held=True)


def by_score(program: Program, estimator: EstimatorPasses) -> RouterPasses:
    """As much as allowed to the model of highest score, then to the next."""
    part = program.router
    assert part.score is not None
    score, size = formula(part.score), len(part.first)
    follow = None if part.learn is None else formula(part.learn)

    def fill(trial: Trial, now: int) -> None:
        state = trial.state[:size]
        both = zip(trial.upper, trial.lower, strict=True)
        ranked = [score(u, c, state, *part.parameters) for u, c in both]
        trial.share = fill_by_score(ranked, trial.upper, trial.lower, trial.limit)
        trial.status = _capacity(trial.limit)

    def learn(trial: Trial, now: int) -> None:
        assert follow is not None
        state = follow(trial.state[:size], trial.reward, trial.cost, *part.parameters)
        trial.state = (*state, *trial.state[size:])

    learns = () if follow is None else (learn,)
    return RouterPasses((_uniform,), _at_intervals(program), (fill,), choose, learns)


def custom_shares(program: Program, estimator: EstimatorPasses) -> RouterPasses:
    """Shares written by a function of the user, which is given columns of one trial."""
    function, budget = program.router.function, program.router.parameters[0]
    assert function is not None

    def route(trial: Trial, now: int) -> None:
        counts = [seen[0] for seen in trial.seen]
        columns = (np.array(x)[:, None] for x in (trial.upper, trial.lower, trial.limit, counts))
        last = np.array([trial.reward]), np.array([trial.cost])
        state = np.array(trial.state).reshape(STATES, 1)
        share = np.zeros((len(trial.models), 1))
        function(now, *columns, budget, *last, state, share)
        trial.state = tuple(state[:, 0].tolist())
        trial.share, trial.status = share[:, 0].tolist(), _capacity(trial.limit)
        if trial.status == NO_CAPACITY:
            trial.share = uniform_shares(trial.limit)
        elif not is_distribution(trial.share, trial.limit):
            trial.refused = now

    return RouterPasses((_uniform,), _at_intervals(program), (route,), choose)


def choose(trial: Trial, now: int) -> None:
    """Draw the pulled model from the shares."""
    trial.played = trial.share
    trial.slot = slot_of(trial.share, trial.u_choice)


def slot_of(share: list[float], u: float) -> int:
    """Slot drawn from the shares by inversion; -1 when nothing is deployed."""
    total = 0.0
    for slot, x in enumerate(share):
        total += x
        if u < total:
            return slot
    return -1


def fill_by_score(
    score: list[float], upper: list[float], lower: list[float], limit: list[float]
) -> list[float]:
    """As much as allowed to the model of highest score, then to the next.

    Ties by higher U, lower L, lower index.
    """
    capacity = sum(limit)
    if not enough(capacity):
        return [proportional(a, capacity) for a in limit]
    models = range(len(limit))
    rank = [(-score[m], -upper[m], lower[m], m) for m in models]
    return [left_over(limit[m], sum(limit[k] for k in models if rank[k] < rank[m])) for m in models]


def uniform_shares(limit: list[float]) -> list[float]:
    """Equal shares within the limits: what a full model leaves, the others share.

    A limit of 0 marks a model that is not there.
    """
    capacity = sum(limit)
    if not enough(capacity):
        return [proportional(a, capacity) for a in limit]
    here = {m for m, a in enumerate(limit) if a > 0.0}
    full: set[int] = set()
    while True:
        level = (1.0 - sum(limit[m] for m in full)) / max(len(here) - len(full), 1)
        more = {m for m in here if limit[m] <= level} - full
        if not more:
            return [a if m in full else level if m in here else 0.0 for m, a in enumerate(limit)]
        full |= more


def is_distribution(share: list[float], limit: list[float]) -> bool:
    """Whether shares are within their limits and add up to 1."""
    inside = [within(x, a) for x, a in zip(share, limit, strict=True)]
    return all(inside) and bool(whole(sum(share)))


def _uniform(trial: Trial, now: int) -> None:
    trial.share, trial.status = uniform_shares(trial.limit), _capacity(trial.limit)


def _solve(budget: float) -> Pass:
    def solve(trial: Trial, now: int) -> None:
        answer = _answer(trial, budget)
        trial.share, trial.status = answer.share, answer.status

    return solve


def _answer(trial: Trial, budget: float) -> Answer:
    return solve_one(trial.upper, trial.lower, trial.limit, budget)


def _capacity(limit: list[float]) -> int:
    return OPTIMAL if enough(sum(limit)) else NO_CAPACITY


def _never(elapsed: int, slots: int) -> bool:
    return False


def _at_intervals(program: Program) -> Due:
    every = program.router.resolve_every
    return lambda elapsed, slots: bool(schedules.at_intervals(elapsed, every))
