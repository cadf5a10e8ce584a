"""Routers: how the shares of a trial are set.

A function here makes a router; ``RouterKernel.kernel`` is its name.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL
from fastroute.kernels.formulas.estimates import worth
from fastroute.kernels.formulas.shares import again_uniform, left_over, mixed
from fastroute.kernels.ref.estimators import Estimator
from fastroute.kernels.ref.routing import solve_one
from fastroute.kernels.ref.trial import Trial
from fastroute.kernels.tolerances import DOMINATED, MASS, SHARES
from fastroute.kernels.types import Program

#: A distribution over the slots, and the slot drawn from it (-1 for none).
Choice = tuple[list[float], int]


def choose(share: list[float], u: float) -> int:
    """Slot drawn from the shares by inversion; -1 when nothing is deployed."""
    total = 0.0
    for slot, x in enumerate(share):
        total += x
        if u < total:
            return slot
    return -1


def _by_shares(trial: Trial, u: float) -> Choice:
    return trial.share, choose(trial.share, u)


def _keep_state(trial: Trial, reward: float, cost: float) -> None:
    pass


@dataclass(frozen=True)
class Router:
    """The steps of a router, each on one trial."""

    open: Callable[[Trial], None]  #: shares with which a stage begins
    due: Callable[[int, int], bool]  #: whether shares are set, from rounds elapsed and slots
    #: Set the shares of a round, from the round and the rounds elapsed; False where a function of
    #: the user gave no distribution.
    route: Callable[[Trial, int, int], bool]
    choose: Callable[[Trial, float], Choice] = _by_shares
    learn: Callable[[Trial, float, float], None] = _keep_state
    held: bool = False  #: whether shares are held for many rounds


def lp(program: Program, estimator: Estimator) -> Router:
    """The routing LP, solved for every query."""
    budget = program.router.parameters[0]

    def route(trial: Trial, now: int = 0, elapsed: int = 0) -> bool:
        answer = solve_one(trial.upper, trial.lower, trial.limit, budget)
        trial.share, trial.status = answer.share, answer.status
        return True

    # What never changes has been solved when the stage opened.
    due = _never if estimator.fixed else _every(program)
    return Router(lambda trial: _discard(route(trial)), due, route)


def known_lp(program: Program, estimator: Estimator) -> Router:
    """The routing LP on the true means, which never change in a stage."""
    budget = program.router.parameters[0]

    def open_(trial: Trial) -> None:
        answer = solve_one(trial.mean_reward, trial.mean_cost, trial.limit, budget)
        trial.share, trial.status = answer.share, answer.status

    return Router(open_, _never, _nothing_to_set, held=True)


def epsilon_greedy(program: Program, estimator: Estimator) -> Router:
    """The LP's distribution mixed with the uniform one; its last number is the share of that."""
    explore = program.router.parameters[-1]

    def choose_mixed(trial: Trial, u: float) -> Choice:
        even, _ = uniform_shares(trial.limit)
        share = [mixed(explore, x, y) for x, y in zip(even, trial.share, strict=True)]
        # One uniform decides whether the round explores, and then which model it pulls.
        part = even if u < explore else trial.share
        return share, choose(part, again_uniform(u, explore))

    return replace(lp(program, estimator), choose=choose_mixed)


def uniform(program: Program, estimator: Estimator) -> Router:
    """Equal shares within the limits."""
    return Router(_open_uniform, _never, _nothing_to_set, held=True)


def explore_then_commit(program: Program, estimator: Estimator) -> Router:
    """Uniform at first, then the LP's solution; its last number is the round of the change."""
    change = program.router.parameters[-1]
    return replace(
        lp(program, estimator),
        open=_open_uniform,
        due=lambda elapsed, slots: elapsed == change,
        held=True,
    )


def elimination(program: Program, estimator: Estimator) -> Router:
    """Drop what is surely not needed, and mix the LP with uniform routing."""
    budget = program.router.parameters[0]
    part = program.estimator

    def ends(trial: Trial, slot: int, price: float) -> tuple[float, float]:
        if estimator.fixed or part.interval is None:
            reward, cost = trial.mean_reward[slot], trial.mean_cost[slot]
            low, high = worth(reward, cost, 0.0, 0.0, price)
        else:
            low, high = worth(*part.interval(trial.seen[slot], *part.parameters), price)
        return low, high

    def due(elapsed: int, slots: int) -> bool:
        epochs = elapsed // slots if slots else 0
        return epochs > 0 and elapsed % slots == 0 and epochs & (epochs - 1) == 0

    def route(trial: Trial, now: int, elapsed: int) -> bool:
        price = solve_one(trial.upper, trial.lower, trial.limit, budget).budget_price
        worths = [ends(trial, slot, price) for slot in range(len(trial.models))]
        limit = list(trial.limit)
        for slot, (_, high) in enumerate(worths):
            better = sum(
                a for a, (low, _) in zip(limit, worths, strict=True) if low > high + DOMINATED
            )
            if better >= 1.0 - MASS:
                trial.limit[slot] = 0.0
        answer = solve_one(trial.upper, trial.lower, trial.limit, budget)
        even, _ = uniform_shares(trial.limit)
        explore = 1.0 / math.sqrt(2.0 * (elapsed // max(trial.slots, 1)))
        trial.share = [mixed(explore, x, y) for x, y in zip(even, answer.share, strict=True)]
        trial.status = answer.status
        return True

    return Router(_open_uniform, due, route, held=True)


def by_score(program: Program, estimator: Estimator) -> Router:
    """As much as allowed to the model of highest score, then to the next."""
    part = program.router
    kept = len(part.first)
    assert part.score is not None
    score, learn = part.score, part.learn

    def route(trial: Trial, now: int, elapsed: int) -> bool:
        state = tuple(trial.state[:kept])
        scores = [
            score(upper, lower, state, *part.parameters)
            for upper, lower in zip(trial.upper, trial.lower, strict=True)
        ]
        trial.share, trial.status = fill_by_score(scores, trial.upper, trial.lower, trial.limit)
        return True

    def follow(trial: Trial, reward: float, cost: float) -> None:
        if learn is not None:
            trial.state[:kept] = learn(tuple(trial.state[:kept]), reward, cost, *part.parameters)

    return Router(_open_uniform, _every(program), route, learn=follow)


def custom_shares(program: Program, estimator: Estimator) -> Router:
    """Shares written by a function of the user."""
    (budget,) = program.router.parameters
    function = program.router.function
    assert function is not None

    def route(trial: Trial, now: int, elapsed: int) -> bool:
        count = [seen[0] for seen in trial.seen]
        columns = (np.array(x)[:, None] for x in (trial.upper, trial.lower, trial.limit, count))
        state, share = np.array(trial.state)[:, None], np.zeros((len(trial.models), 1))
        last = (np.array([x]) for x in trial.last)
        function(now, *columns, budget, *last, state, share)
        trial.state = state[:, 0].tolist()
        if sum(trial.limit) < 1.0 - MASS:
            trial.share, trial.status = uniform_shares(trial.limit)
            return True
        trial.share, trial.status = share[:, 0].tolist(), OPTIMAL
        within = all(0.0 <= x <= a + SHARES for x, a in zip(trial.share, trial.limit, strict=True))
        return within and abs(sum(trial.share) - 1.0) <= SHARES

    return Router(_open_uniform, _every(program), route)


def fill_by_score(
    score: list[float], upper: list[float], lower: list[float], limit: list[float]
) -> tuple[list[float], int]:
    """As much as allowed to the model of highest score, then to the next: shares and status.

    Ties by higher U, lower L, lower index.
    """
    if sum(limit) < 1.0 - MASS:
        return uniform_shares(limit)
    rank = [(-score[m], -upper[m], lower[m], m) for m in range(len(score))]
    share = []
    for m, a in enumerate(limit):
        before = sum(limit[k] for k in range(len(limit)) if rank[k] < rank[m])
        share.append(left_over(a, before))
    return share, OPTIMAL


def uniform_shares(limit: list[float]) -> tuple[list[float], int]:
    """Equal shares within the limits, and status: what a full model leaves, the others share.

    A limit of 0 marks a model that is not there.  Where limits add up to less than 1, shares follow
    them.
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


def _open_uniform(trial: Trial) -> None:
    trial.share, trial.status = uniform_shares(trial.limit)


def _nothing_to_set(trial: Trial, now: int, elapsed: int) -> bool:
    return True


def _never(elapsed: int, slots: int) -> bool:
    return False


def _every(program: Program) -> Callable[[int, int], bool]:
    every = program.router.resolve_every
    return lambda elapsed, slots: elapsed % every == 0


def _discard(value: object) -> None:
    del value
