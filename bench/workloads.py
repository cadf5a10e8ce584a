"""What is solved and simulated; every rival gets the same."""

from functools import cache, lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.scenarios import CostLaw, Scenario

F8 = NDArray[np.float64]

#: Throughput limit wherever limits are equal.
LIMIT: Final = 0.4
#: Rounds of the simulations in the main table.
HORIZON: Final = 100_000
#: Trials of the simulations in the main table.
TRIALS: Final = 1024


class Problems(NamedTuple):
    """Routing LPs, or deployment problems where ``max_deployed`` is given."""

    reward: F8  #: [B, M]
    cost: F8  #: [B, M]
    limit: F8  #: [B, M]
    budget: F8  #: [B]
    max_deployed: int = 0

    def take(self, rows: slice | NDArray[np.int64]) -> "Problems":
        """Return some of the problems."""
        return Problems(
            self.reward[rows],
            self.cost[rows],
            self.limit[rows],
            self.budget[rows],
            self.max_deployed,
        )

    def first(self, count: int) -> "Problems":
        """Return the first ``count`` problems."""
        return self.take(slice(count))


def _fill_cost(order: NDArray[np.int64], cost: F8, limit: F8) -> F8:
    """Return the mean cost of filling models up to their limits in the given order, [B]."""
    full = np.minimum(np.cumsum(np.take_along_axis(limit, order, 1), axis=1), 1.0)
    share = np.diff(full, axis=1, prepend=0.0)
    total: F8 = np.einsum("bm,bm->b", share, np.take_along_axis(cost, order, 1))
    return total


def _draw(count: int, models: int, seed: int, limit: F8, binding: float) -> Problems:
    """Draw rewards and costs, and budgets of which the share ``binding`` binds.

    Rewards are uniform on [0, 1], costs on [0.05, 1]. A budget that binds is uniform between the
    cheapest mix and the mix of the best rewards; any other is up to half above the latter.
    """
    draw = np.random.default_rng(seed)
    reward = draw.random((count, models))
    cost = draw.uniform(0.05, 1.0, (count, models))
    cheapest = _fill_cost(np.argsort(cost, axis=1), cost, limit)
    best = _fill_cost(np.argsort(-reward, axis=1), cost, limit)
    part = draw.random(count)
    binds = draw.random(count) < binding
    budget = np.where(binds, cheapest + part * (best - cheapest), best * (1.0 + 0.5 * part))
    return Problems(reward, cost, limit, budget)


@lru_cache(maxsize=1)
def routing_problems(models: int, count: int) -> Problems:
    """Draw routing LPs with equal limits, half of the budgets binding.

    With two models the limit is 0.6, because 0.4 would leave no distribution.
    """
    limit = np.full((count, models), max(LIMIT, 1.2 / models))
    return _draw(count, models, 1, limit, 0.5)


@lru_cache(maxsize=1)
def equal_limit_problems(count: int) -> Problems:
    """Draw deployment problems with N = 15, M_max = 5 and equal limits, half binding.

    No vertex of the relaxation has more than four models, so it is always the answer.
    """
    problems = _draw(count, 15, 2, np.full((count, 15), LIMIT), 0.5)
    return problems._replace(max_deployed=5)


@lru_cache(maxsize=1)
def unequal_limit_problems(count: int) -> Problems:
    """Draw deployment problems with N = 32, M_max = 3 that need branch and bound.

    Limits are uniform on [0.2, 0.6] and budgets bind. Kept are the problems whose relaxation
    uses more than three models and that three models can solve.
    """
    from fastroute.solve import solve_deployment, solve_routing

    cap = 3
    drawn = 4 * count + 100
    limit = np.random.default_rng(3).uniform(0.2, 0.6, (drawn, 32))
    problems = _draw(drawn, 32, 4, limit, 1.0)
    relaxed = solve_routing(*problems[:4], infeasible="ignore")
    deployed = solve_deployment(*problems[:4], cap, infeasible="ignore")
    keep = ((relaxed.share > 1e-9).sum(axis=1) > cap) & deployed.feasible
    rows = np.flatnonzero(keep)[:count]
    if len(rows) < count:
        raise ValueError(f"only {len(rows)} of {drawn} problems need branch and bound")
    return problems._replace(max_deployed=cap).take(rows)


class Workload(NamedTuple):
    """A scenario and the settings that go with it."""

    scenario: Scenario
    budget: float
    max_deployed: int


@cache
def draw_workload(
    models: int, max_deployed: int, limit: float = LIMIT, law: CostLaw | None = None
) -> Workload:
    """Draw a world whose budget binds.

    A third of the models, but at least ``max_deployed``, are there at the start; the others
    arrive evenly until 80 % of the horizon. Better models cost more, from 0.05 to 1. Rewards are
    Bernoulli, costs uniform within half of their mean unless another law is given. The budget lies
    35 % of the way from the cheapest mix at the start to the mix of the best rewards at the start.
    """
    draw = np.random.default_rng(5)
    quality = draw.random(models)
    reward = 0.25 + 0.6 * quality + 0.1 * draw.random(models)
    cost = 0.05 ** (1.0 - 0.7 * quality - 0.3 * draw.random(models))
    there = min(max(models // 3, max_deployed, 3), models)
    arrival = np.zeros(models)
    arrival[there:] = np.linspace(0.0, 0.8, models - there + 1)[1:]
    limits = np.full((1, there), limit)
    early = cost[None, :there]
    cheapest = _fill_cost(np.argsort(early, axis=1), early, limits)
    best = _fill_cost(np.argsort(-reward[None, :there], axis=1), early, limits)
    scenario = Scenario(
        reward,
        cost,
        limit=limit,
        arrival=arrival,
        arrival_unit="horizon",
        cost=law or "uniform",
        name="bench",
    )
    return Workload(scenario, float((cheapest + 0.35 * (best - cheapest))[0]), max_deployed)
