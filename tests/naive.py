"""StageRoute once more, written from its definition alone, and small worlds to run it in.

Nothing here calls a solver, a kernel or an account of fastroute: routing is `scipy`'s `linprog`,
deployment its `milp`, the formulas are typed out again.  The one thing shared is the generator of
uniforms, because the point is to follow the same trajectory.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, linprog, milp

from fastroute.kernels.ref.rng import uniforms
from fastroute.policies import POLICIES, policy
from fastroute.scenarios import (
    Beta,
    ByTask,
    Change,
    FixedCost,
    Lognormal,
    Outage,
    Recorded,
    Scenario,
    scenario,
)

F8 = NDArray[np.float64]

_TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
#: What an LP solved to 1e-10 may be off by.
_SLACK = 1e-9


class NaiveRun(NamedTuple):
    """Trajectory of one trial."""

    picks: list[int]
    sets: list[list[int]]  # deployed models of each stage
    capped: list[bool]  # whether M_max cut off the relaxation's optimum
    prices: list[float]  # budget price of each stage's relaxation


class Model:
    """What StageRoute knows of one model."""

    def __init__(self) -> None:
        self.pulls = 0
        self.rewards = 0.0
        self.costs = 0.0

    def bounds(self, gamma: float, cost_min: float, cost_max: float) -> tuple[float, float]:
        """Return (U, L); a model without observations gets the most optimistic pair."""
        if self.pulls == 0:
            return 1.0, cost_min
        n = self.pulls + 1
        reward = self.rewards / n
        cost = self.costs / n / cost_max
        upper = reward + 2 * (math.sqrt(gamma * reward / n) + gamma / n)
        lower = cost - 2 * (math.sqrt(gamma * cost / n) + gamma / n)
        return min(max(upper, 0.0), 1.0), min(max(lower * cost_max, cost_min), cost_max)


def best_shares(u: F8, c: F8, limit: F8, budget: float) -> tuple[F8, float]:
    """Return the routing LP's distribution and its budget price.

    `linprog` returns any of several equally good vertices.  The documented one gives most to the
    first model in the order higher reward, lower cost, lower index, then to the second, ...: so the
    objective is pinned and the shares are maximised one after the other in that order.  Where no
    distribution meets the budget, the cheapest one is wanted: the same with ``-c`` to maximise.
    """
    size = len(u)
    bounds = [(0.0, float(a)) for a in limit]
    cheap = np.argsort(c, kind="stable")
    filled = np.diff(np.minimum(np.cumsum(limit[cheap]), 1.0), prepend=0.0)
    over = float(filled @ c[cheap]) > budget
    goal = -c if over else u
    rows, right = [c], [float(c.max()) if over else budget]

    def solve(objective: F8) -> Any:
        found = linprog(
            -objective,
            A_ub=np.array(rows),
            b_ub=np.array(right),
            A_eq=np.ones((1, size)),
            b_eq=[1.0],
            bounds=bounds,
            method="highs-ds",
            options=_TOLERANCES,
        )
        assert found.status == 0, found.message
        return found

    first = solve(goal)
    price = -float(first.ineqlin.marginals[0])
    share = np.asarray(first.x)
    rows.append(-goal)
    right.append(float(first.fun) + _SLACK)
    for m in sorted(range(size), key=lambda m: (-u[m], c[m], m)):
        share = np.asarray(solve(np.eye(size)[m]).x)
        bounds[m] = (max(float(share[m]) - _SLACK, 0.0), float(limit[m]))
    return share, price


def best_set(
    u: F8, c: F8, limit: F8, budget: float, max_deployed: int
) -> tuple[list[int], bool, float]:
    """Return the models that carry weight in the deployment problem, before any fill.

    Also whether the cap M_max cut off the relaxation, and the relaxation's budget price.  With the
    cap in force the best set must be the only one: ties between sets have no rule to follow here.
    """
    share, price = best_shares(u, c, limit, budget)
    support = [m for m in range(len(u)) if share[m] > 10 * _SLACK]
    if len(support) <= max_deployed:
        return support, False, price
    chosen, value = _milp(u, c, limit, budget, max_deployed, [])
    _, second = _milp(u, c, limit, budget, max_deployed, [chosen])
    assert second < value - 1e-7, (
        "two sets are equally good: choose an instance in general position"
    )
    return chosen, True, price


def _milp(
    u: F8, c: F8, limit: F8, budget: float, max_deployed: int, without: list[list[int]]
) -> tuple[list[int], float]:
    """Maximise over (d, z), with some supports (and all that contain them) cut off."""
    size = len(u)
    zero, one = np.zeros(size), np.ones(size)
    constraints = [
        LinearConstraint(np.concatenate([one, zero]), 1.0, 1.0),
        LinearConstraint(np.concatenate([c, zero]), -np.inf, budget),
        LinearConstraint(np.concatenate([zero, one]), 0, max_deployed),
        LinearConstraint(np.hstack([np.eye(size), -np.diag(limit)]), -np.inf, 0.0),
    ]
    for models in without:
        mask = np.zeros(size)
        mask[models] = 1.0
        constraints.append(LinearConstraint(np.concatenate([zero, mask]), 0, len(models) - 1))
    found = milp(
        np.concatenate([-u, zero]),
        constraints=constraints,
        integrality=np.concatenate([zero, one]),
        bounds=(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        return [], -math.inf
    return [m for m in range(size) if found.x[m] > 1e-7], -float(found.fun)


def naive_stageroute(
    world: Scenario,
    *,
    horizon: int,
    budget: float,
    max_deployed: int,
    stage_length: int,
    gamma: float,
    seed: int,
    trial: int,
    means: Callable[[int], tuple[F8, F8, F8]] | None = None,
    load_rounds: int = 0,
) -> NaiveRun:
    """Play one trial of StageRoute (fill by reduced cost, optimistic start).

    Rewards are Bernoulli, costs uniform on [0.5, 1.5] times their mean.  ``means`` gives the mean
    rewards, mean costs and limits of a round, where they change.  Where nothing serves, the pick is
    -1.
    """
    size = world.n_models
    reward_mean, cost_mean, limit = world.reward_mean, world.cost_mean, world.limit
    retirement = [horizon] * size if world.retirement is None else list(world.retirement)
    cost_min, cost_max = world.cost_range
    known = [Model() for _ in range(size)]
    run = NaiveRun([], [], [], [])
    deployed: list[int] = []
    for t in range(horizon):
        if means is not None:
            reward_mean, cost_mean, limit = means(t)
        both = [model.bounds(gamma, cost_min, cost_max) for model in known]
        u = np.array([x for x, _ in both])
        c = np.array([x for _, x in both])
        if t % stage_length == 0:
            here = [
                m for m in range(size) if world.arrival[m] <= t < retirement[m] and limit[m] > 0.0
            ]
            found, capped, price = best_set(u[here], c[here], limit[here], budget, max_deployed)
            before = deployed
            deployed = [here[k] for k in found]
            free = sorted(
                (m for m in here if m not in deployed),
                key=lambda m: (-(u[m] - price * c[m]), -u[m], c[m], m),
            )
            deployed = sorted(deployed + free[: max_deployed - len(deployed)])
            run.sets.append(deployed)
            run.capped.append(capped)
            run.prices.append(price)
        loaded = deployed if t % stage_length >= load_rounds else before
        serving = [m for m in deployed if limit[m] > 0.0 and m in loaded]
        if not serving:
            run.picks.append(-1)
            continue
        share, capacity = limit[serving], sum(limit[serving])
        if capacity < 1.0:
            share = share / capacity
        else:
            share, _ = best_shares(u[serving], c[serving], share, budget)
        u_choice, u_reward, u_cost, _ = uniforms(seed, t, 0, trial, 0)
        pick = serving[int(np.searchsorted(np.cumsum(share), u_choice, side="right"))]
        run.picks.append(pick)
        known[pick].pulls += 1
        known[pick].rewards += 1.0 if u_reward < reward_mean[pick] else 0.0
        known[pick].costs += cost_mean[pick] * (0.5 + u_cost)
    return run


def naive_ucb(world: Scenario, *, horizon: int, gamma: float, seed: int, trial: int) -> list[int]:
    """Play a plain UCB rule: the model of highest U, then of lowest L, then of lowest index."""
    known = [Model() for _ in range(world.n_models)]
    picks = []
    for t in range(horizon):
        both = [model.bounds(gamma, *world.cost_range) for model in known]
        pick = min(range(len(known)), key=lambda m: (-both[m][0], both[m][1], m))
        _, u_reward, u_cost, _ = uniforms(seed, t, 0, trial, 0)
        noise = 1.0 if isinstance(world.cost, FixedCost) else 0.5 + u_cost
        known[pick].pulls += 1
        known[pick].rewards += 1.0 if u_reward < world.reward_mean[pick] else 0.0
        known[pick].costs += world.cost_mean[pick] * noise
        picks.append(pick)
    return picks


class SmallWorld(NamedTuple):
    """A scenario and the settings it is meant for."""

    scenario: Scenario
    budget: float
    max_deployed: int


#: Rounds that the small worlds are laid out for.
HORIZON = 2_000
#: Rounds of runs that are compared with the reference, which takes a second for three thousand.
SHORT = 600

_REWARD = [0.42, 0.55, 0.66, 0.37, 0.71, 0.48, 0.83]
_COST = [0.31, 0.74, 1.32, 0.12, 0.93, 0.52, 1.87]


def _times(rounds: int, *times: int | None) -> list[Any]:
    """Times of a run of ``HORIZON`` rounds, as early in one of so many rounds."""
    return [time and time * rounds // HORIZON for time in times]


def _retiring(rounds: int = HORIZON) -> SmallWorld:
    return SmallWorld(
        Scenario(
            _REWARD,
            _COST,
            limit=[0.6, 0.5, 0.7, 0.9, 0.4, 0.5, 0.6],
            arrival=_times(rounds, 0, 0, 0, 0, 301, 700, 1_111),
            retirement=_times(rounds, None, 903, 1_500, None, None, 1_300, None),
        ),
        0.8,
        4,
    )


def _tasks(rounds: int = HORIZON) -> SmallWorld:
    draw = np.random.default_rng(8)
    return SmallWorld(
        Scenario(
            None,
            _COST,
            limit=[0.6, 0.5, 0.7, 0.9, 0.4, 0.5, 0.6],
            arrival=_times(rounds, 0, 0, 0, 0, 301, 700, 1_111),
            retirement=_times(rounds, None, 903, None, None, None, 1_300, None),
            reward=ByTask([0.5, 0.2, 0.3], draw.uniform(0.1, 0.95, (3, 7))),
        ),
        0.8,
        4,
    )


def _replay(order: Any, rounds: int = HORIZON) -> SmallWorld:
    draw = np.random.default_rng(5)
    return SmallWorld(
        Scenario(
            limit=0.5,
            arrival=_times(rounds, 0, 0, 0, 400, 900),
            outcomes=Recorded(
                score=draw.integers(0, 5, (37, 5)) / 4.0,
                cost=draw.uniform(0.1, 2.0, (37, 5)),
                order=order,
            ),
        ),
        1.1,
        4,
    )


def _instances(rounds: int = HORIZON) -> SmallWorld:
    draw = np.random.default_rng(6)
    reward = draw.uniform(0.2, 0.9, (2, 6))
    cost = draw.uniform(0.2, 2.0, (2, 6))
    cost[:, 0] = 0.3
    arrival = _times(rounds, 0, 0, 0, 0, 500, 1_234)
    return SmallWorld(Scenario(reward, cost, limit=0.5, arrival=arrival), 1.0, 4)


def _tight() -> SmallWorld:
    # The first models are wide, so the first (all tied) deployment needs no branch and bound.
    return SmallWorld(
        Scenario(_REWARD, _COST, limit=[0.5, 0.3, 0.35, 0.25, 0.3, 0.45, 0.28]), 0.62, 3
    )


SMALL_WORLDS: dict[str, Callable[[], SmallWorld]] = {
    "routerbench": lambda: SmallWorld(scenario("routerbench"), 0.002, 4),
    "sota": lambda: SmallWorld(scenario("sota"), 2.0, 5),
    "static": lambda: SmallWorld(scenario("static", n_models=5, limit=0.4), 1.0, 4),
    "minimax": lambda: SmallWorld(scenario("minimax", horizon=HORIZON, trials=2), 1.0, 3),
    "discovery": lambda: SmallWorld(scenario("discovery", horizon=HORIZON), 1.0, 3),
    "random": lambda: SmallWorld(scenario("random", trials=2, n_models=8), 1.5, 4),
    "retirement": _retiring,
    "tasks": _tasks,
    "beta": lambda: SmallWorld(
        Scenario(_REWARD, _COST, 0.5, reward=Beta(concentration=3.0)), 0.8, 4
    ),
    "lognormal": lambda: SmallWorld(
        Scenario(_REWARD, _COST, 0.5, cost=Lognormal(sigma=0.7)), 0.8, 4
    ),
    "fixed": lambda: SmallWorld(Scenario(_REWARD, _COST, 0.5, cost="fixed"), 0.8, 4),
    "replay": lambda: _replay("iid"),
    "table": lambda: _replay("table"),
    "instances": _instances,
    "tight": _tight,
}

#: The same, laid out for a short run.
SHORT_WORLDS: dict[str, Callable[[], SmallWorld]] = {
    **SMALL_WORLDS,
    "minimax": lambda: SmallWorld(scenario("minimax", horizon=SHORT, trials=2), 1.0, 3),
    "discovery": lambda: SmallWorld(scenario("discovery", horizon=SHORT), 1.0, 3),
    "retirement": partial(_retiring, SHORT),
    "tasks": partial(_tasks, SHORT),
    "replay": partial(_replay, "iid", SHORT),
    "table": partial(_replay, "table", SHORT),
    "instances": partial(_instances, SHORT),
}


def _changing(name: str) -> SmallWorld:
    """Return a small world whose means and limits change, at once and in steps, with outages."""
    scenario, budget, max_deployed = SMALL_WORLDS[name]()
    first, second, third, fourth, *_ = scenario.models
    changes: list[Change | Outage] = [
        Change(first, at=0.07, reward=0.85, cost_factor=1.5),
        Change(second, at=150, cost_factor=0.4, over=0.3, steps=5),
        Change(third, at=0.2, limit=0.45, reward=0.2, over=0.2),
        Outage(fourth, 0.123, 0.41),
        Outage(first, 0.35, 0.55),
        Change(first, at=0.45, limit=0.5),
        Change(first, at=0.6, reward=0.3, cost_factor=0.7),
    ]
    return SmallWorld(scenario.with_changes(changes), budget, max_deployed)


#: Small worlds that change, one for every kind of law.
CHANGING_WORLDS: dict[str, Callable[[], SmallWorld]] = {
    name: partial(_changing, name)
    for name in ("retirement", "tasks", "beta", "lognormal", "replay", "table", "instances")
}

#: Policies that run in any world; the others need queries with tasks.
ANYWHERE = tuple(name for name in POLICIES if not policy(name).estimator.reads_queries)


def can_play(name: str, world: str) -> bool:
    """Whether a named policy runs in a small world."""
    return name in ANYWHERE or isinstance(SMALL_WORLDS[world]().scenario.reward, ByTask)
