"""StageRoute as one would write it from the paper: solvers called from Python, one trial."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp

from fastroute.bench.rivals.base import F8, Player
from fastroute.bench.rivals.highs import new_highs, pass_model, shares
from fastroute.bench.workloads import HORIZON, Problems, draw_workload

#: Returns the shares of one routing LP from rewards, costs, limits and the budget.
Route = Callable[[F8, F8, F8, float], F8]
GAMMA: Final = 0.1
#: Rounds of a stage, as in the simulations of the main table.
STAGE: Final = -(-HORIZON // round(HORIZON ** (1.0 / 3.0)))


def _linprog(u: F8, c: F8, a: F8, b: float) -> F8:
    bounds = np.column_stack([np.zeros_like(a), a])
    one = np.ones((1, len(u)))
    found = linprog(-u, A_ub=c[None], b_ub=[b], A_eq=one, b_eq=[1.0], bounds=bounds)
    return _shares_or_cheapest(found.x, c, a)


class _HotHighs:
    """Keeps the model in HiGHS and changes only the numbers that moved since the last query."""

    def __init__(self) -> None:
        self.solver = new_highs()
        self.reward, self.cost = np.empty(0), np.empty(0)

    def __call__(self, u: F8, c: F8, a: F8, b: float) -> F8:
        if len(u) != len(self.reward):
            lp = Problems(u[None], c[None], a[None], np.array([b]))
            pass_model(self.solver, lp)(0)
        else:
            for m in np.flatnonzero(u != self.reward):
                self.solver.changeColCost(int(m), float(u[m]))
            for m in np.flatnonzero(c != self.cost):
                self.solver.changeCoeff(1, int(m), float(c[m]))
        self.reward, self.cost = u.copy(), c.copy()
        self.solver.run()
        found = shares(self.solver)
        return _shares_or_cheapest(None if math.isnan(found[0]) else found, c, a)


def _shares_or_cheapest(x: F8 | None, c: F8, a: F8) -> F8:
    """Return ``x``, or the cheapest distribution where no distribution met the budget."""
    if x is not None:
        return x
    order = np.argsort(c, kind="stable")
    out = np.zeros_like(a)
    out[order] = np.diff(np.minimum(np.cumsum(a[order]), 1.0), prepend=0.0)
    return out


def _deploy(u: F8, c: F8, a: F8, b: float, cap: int) -> list[int]:
    """Solve the deployment problem; empty slots go to the largest upper bounds."""
    size = len(u)
    zero, one = np.zeros(size), np.ones(size)
    rows = [
        LinearConstraint(np.concatenate([one, zero]), 1.0, 1.0),
        LinearConstraint(np.concatenate([c, zero]), -np.inf, b),
        LinearConstraint(np.concatenate([zero, one]), 0, cap),
        LinearConstraint(np.hstack([np.eye(size), -np.diag(a)]), -np.inf, 0.0),
    ]
    found = milp(
        np.concatenate([-u, zero]),
        constraints=rows,
        integrality=np.concatenate([zero, one]),
        bounds=(0, 1),
    )
    chosen = [] if found.x is None else [m for m in range(size) if found.x[m] > 1e-9]
    rest = [m for m in np.argsort(-u, kind="stable").tolist() if m not in chosen]
    return sorted(chosen + rest[: cap - len(chosen)])


def play(rounds: int, route: Route) -> float:
    """Play one trial of the world with 15 models, 5 deployed; return its mean reward."""
    scenario, budget, cap = draw_workload(15, 5)
    means, prices = scenario.reward_mean, scenario.cost_mean
    c_min, c_max = scenario.cost_range
    arrival = np.floor(np.asarray(scenario.arrival) * HORIZON)
    draw = np.random.default_rng(0)
    size = len(means)
    pulls, rewards, costs = np.zeros(size), np.zeros(size), np.zeros(size)
    upper, lower = np.ones(size), np.full(size, c_min)
    total = 0.0
    for t in range(rounds):
        if t % STAGE == 0:
            here = np.flatnonzero(arrival <= t)
            slots = _deploy(upper[here], lower[here], scenario.limit[here], budget, cap)
            deployed = here[slots]
            limit = scenario.limit[deployed]
        share = route(upper[deployed], lower[deployed], limit, budget)
        slot = int(np.searchsorted(np.cumsum(share), draw.random(), side="right"))
        pick = int(deployed[min(slot, len(deployed) - 1)])
        reward = float(draw.random() < means[pick])
        total += reward
        pulls[pick] += 1
        rewards[pick] += reward
        costs[pick] += prices[pick] * (0.5 + draw.random())
        n = pulls[pick] + 1
        mean, price = rewards[pick] / n, costs[pick] / n / c_max
        upper[pick] = min(mean + 2 * (math.sqrt(GAMMA * mean / n) + GAMMA / n), 1.0)
        bound = c_max * (price - 2 * (math.sqrt(GAMMA * price / n) + GAMMA / n))
        lower[pick] = min(max(bound, c_min), c_max)
    return total / rounds


def scipy_per_query(trials: int, rounds: int) -> Callable[[], float]:
    """Call ``linprog`` for every query and ``milp`` for every stage."""
    return lambda: sum(play(rounds, _linprog) for _ in range(trials)) / trials


def highs_per_query(trials: int, rounds: int) -> Callable[[], float]:
    """Keep the LP in HiGHS, hot-started for every query; ``milp`` for every stage."""
    return lambda: sum(play(rounds, _HotHighs()) for _ in range(trials)) / trials


PLAYERS: Final = (
    Player(
        "StageRoute, scipy",
        scipy_per_query,
        "straight from the paper: linprog per query, milp per stage, 5 of 15 deployed",
        "SciPy manual, scipy.optimize",
        1,
        300,
        ("scipy",),
        full=False,
    ),
    Player(
        "StageRoute, HiGHS kept",
        highs_per_query,
        "the same with the LP kept in HiGHS, hot-started for every query",
        "HiGHS documentation, Python interface: modifying a model",
        1,
        STAGE,
        ("highspy",),
        full=False,
    ),
)
