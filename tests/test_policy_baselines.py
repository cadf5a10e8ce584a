"""The baselines written again from their formulas, where every query goes to one model.

With limits of 1, all models deployed and a slack budget the LP gives everything to the model of
highest U, and a router that ranks by a score to the best one: each policy is a short loop.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import fastroute as fr
from fastroute.kernels.normal import NORMAL
from fastroute.kernels.ref.rng import uniforms

REWARD = [0.42, 0.55, 0.66, 0.71, 0.83]
COST = [0.31, 0.74, 1.32, 0.93, 1.87]
C_MIN, C_MAX = 0.1, 3.0
HORIZON, STAGES, SEED = 900, 4, 17
LENGTH = -(-HORIZON // STAGES)


def bounds(n: float, r: float, c: float, gamma: float, side: float = -1.0) -> tuple[float, float]:
    if n == 0.0:
        return 1.0, C_MIN
    r_bar, c_bar = r / (n + 1), c / (n + 1) / C_MAX
    wide_r = 2 * (math.sqrt(gamma * r_bar / (n + 1)) + gamma / (n + 1))
    wide_c = 2 * (math.sqrt(gamma * c_bar / (n + 1)) + gamma / (n + 1))
    upper, lower = r_bar + wide_r, (c_bar + side * wide_c) * C_MAX
    return min(max(upper, 0.0), 1.0), min(max(lower, C_MIN), C_MAX)


class Naive:
    """One trial: what it knows of the models, and the price or queue that it keeps."""

    def __init__(self, budget: float, gamma: float, trial: int) -> None:
        self.known = [[0.0, 0.0, 0.0] for _ in REWARD]
        self.budget, self.gamma, self.trial = budget, gamma, trial
        self.price, self.mean, self.held = 0.0, budget, 0
        self.forget = 1.0

    def believed(self, now: int) -> list[tuple[float, float]]:
        return [bounds(n, r, c, self.gamma) for n, r, c in self.known]

    def best(self, now: int) -> int:
        """Highest U, then lowest L, then lowest index: the LP with a slack budget."""
        both = self.believed(now)
        return min(range(len(both)), key=lambda m: (-both[m][0], both[m][1], m))

    def ranked(self, now: int, score: Callable[[float, float], float]) -> int:
        both = self.believed(now)
        return min(range(len(both)), key=lambda m: (-score(*both[m]), -both[m][0], both[m][1], m))

    def choose(self, now: int, u: float) -> int:
        return self.best(now)

    def spent(self, cost: float) -> None:
        pass

    def observed(self, m: int, reward: float, cost: float) -> None:
        pass

    def play(self) -> list[int]:
        picks = []
        for now in range(HORIZON):
            u_choice, u_reward, u_cost, _ = uniforms(SEED, now, 0, self.trial, 0)
            m = self.choose(now, u_choice)
            reward = 1.0 if u_reward < REWARD[m] else 0.0
            cost = COST[m] * (0.5 + u_cost)
            new = (1.0, reward, cost)
            self.known[m] = [self.forget * x + y for x, y in zip(self.known[m], new, strict=True)]
            self.observed(m, reward, cost)
            self.spent(cost)
            picks.append(m)
        return picks


class Pessimistic(Naive):
    def believed(self, now: int) -> list[tuple[float, float]]:
        return [bounds(n, r, c, self.gamma, 1.0) for n, r, c in self.known]


class Discounted(Naive):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.forget = 0.9


class Remembering(Naive):
    """Keeps the observations of every model one by one."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.rewards: list[list[float]] = [[] for _ in REWARD]
        self.costs: list[list[float]] = [[] for _ in REWARD]
        self.level = 0.2 * math.log(HORIZON)

    def observed(self, m: int, reward: float, cost: float) -> None:
        self.rewards[m].append(reward)
        self.costs[m].append(cost)
        self.forget_some(m)

    def forget_some(self, m: int) -> None:
        pass

    def believed(self, now: int) -> list[tuple[float, float]]:
        return [
            self.bounds(np.array(r), np.array(c)) if r else (1.0, C_MIN)
            for r, c in zip(self.rewards, self.costs, strict=True)
        ]

    def bounds(self, r: Any, c: Any) -> tuple[float, float]:
        return bounds(len(r), r.sum(), c.sum(), self.gamma)


class Bernstein(Remembering):
    def bounds(self, r: Any, c: Any) -> tuple[float, float]:
        x = self.level / len(r)
        upper = r.mean() + math.sqrt(2 * r.var() * x) + 3 * x
        lower = c.mean() - math.sqrt(2 * c.var() * x) - 3 * C_MAX * x
        return min(upper, 1.0), min(max(lower, C_MIN), C_MAX)


class KLUCB(Remembering):
    def bounds(self, r: Any, c: Any) -> tuple[float, float]:
        x = self.level / len(r)
        lower = (1 - self.end(1 - c.mean() / C_MAX, x)) * C_MAX
        return self.end(r.mean(), x), min(max(lower, C_MIN), C_MAX)

    def end(self, p: float, level: float) -> float:
        def beyond(q: float) -> float:
            pairs = ((p, q), (1 - p, 1 - q))
            return sum(a * math.log(a / b) for a, b in pairs if a > 0) - level

        return 1.0 if beyond(1 - 1e-15) < 0 else float(brentq(beyond, p, 1 - 1e-15))


class Window(Remembering):
    def forget_some(self, m: int) -> None:
        # Two blocks of 10: when the newer is complete, the older goes.
        if len(self.rewards[m]) % 10 == 0:
            self.rewards[m], self.costs[m] = self.rewards[m][-10:], self.costs[m][-10:]


class Detector(Remembering):
    alarms = 0

    def forget_some(self, m: int) -> None:
        r, c = self.rewards[m], self.costs[m]
        n = len(r) - 5
        if n >= 5 and n % 5 == 0:
            level = 0.3**2 * math.log(2 * len(REWARD) * HORIZON**2)
            wide = math.sqrt(level / 2 * (1 / 5 + 1 / n))
            moved = abs(np.mean(r[-5:]) - np.mean(r[:-5]))
            cost_moved = abs(np.mean(c[-5:]) - np.mean(c[:-5])) / C_MAX
            if moved > wide or cost_moved > wide:
                self.rewards[m], self.costs[m] = [], []
                Detector.alarms += 1


class Thompson(Naive):
    def believed(self, now: int) -> list[tuple[float, float]]:
        both = []
        for m, (n, r, c) in enumerate(self.known):
            # Stream 3: the posterior; four numbers of a draw serve four models.
            z = NORMAL[int(uniforms(SEED, now, m // 4, self.trial, 3)[m % 4] * len(NORMAL))]
            a, b = r + 1, n - r + 1
            spread = math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
            upper = min(max(a / (a + b) + z * spread, 0.0), 1.0)
            both.append((1.0 if n == 0.0 else upper, bounds(n, r, c, 0.0)[1]))
        return both


class EpsilonGreedy(Naive):
    def choose(self, now: int, u: float) -> int:
        share = HORIZON ** (-1 / 3)
        return int(u / share * 5) if u < share else self.best(now)


class Commit(Naive):
    def choose(self, now: int, u: float) -> int:
        elapsed, explore = now % LENGTH, math.ceil(LENGTH ** (2 / 3))
        if elapsed < explore:
            return int(u * 5)
        if elapsed == explore:
            self.held = self.best(now)
        return self.held


class Ratio(Naive):
    def choose(self, now: int, u: float) -> int:
        return self.ranked(now, lambda upper, lower: upper / lower)


class Drift(Naive):
    def choose(self, now: int, u: float) -> int:
        weight = math.sqrt(HORIZON)
        return self.ranked(now, lambda upper, c: weight * upper - self.price * c / C_MAX)

    def spent(self, cost: float) -> None:
        self.price = max(self.price + (cost - self.budget) / C_MAX, 0.0)


class Pacer(Naive):
    def choose(self, now: int, u: float) -> int:
        return self.ranked(now, lambda upper, c: upper - self.price * c / C_MAX)

    def spent(self, cost: float) -> None:
        self.mean = 0.95 * self.mean + 0.05 * cost
        self.price = min(max(self.price + 0.05 * (self.mean / self.budget - 1.0), 0.0), 5.0)


class PrimalDual(Naive):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.price = 1.0

    def choose(self, now: int, u: float) -> int:
        return self.ranked(now, lambda upper, c: upper / (self.price * c + self.budget))

    def spent(self, cost: float) -> None:
        step = math.sqrt(math.log(2.0) * C_MAX / (HORIZON * self.budget))
        self.price *= (1 + step * cost / C_MAX) / (1 + step * self.budget / C_MAX)


SLACK, TIGHT = 2.9, 0.8
CASES: dict[str, tuple[type[Naive], float, float, dict[str, Any]]] = {
    "ucb": (Naive, SLACK, 0.05, {}),
    "pessimistic": (Pessimistic, SLACK, 0.05, {"estimator": "pessimistic"}),
    "discounted": (Discounted, SLACK, 0.05, {"estimator": "discounted", "discount": 0.9}),
    "bernstein": (Bernstein, SLACK, 0.0, {"estimator": "bernstein", "scale": 0.2}),
    "kl_ucb": (KLUCB, SLACK, 0.0, {"estimator": "kl_ucb", "scale": 0.2}),
    "sliding_window": (Window, SLACK, 0.05, {"estimator": "sliding_window", "window": 20}),
    "change_detector": (
        Detector,
        SLACK,
        0.05,
        {"estimator": "change_detector", "window": 10, "threshold": 0.3},
    ),
    "thompson": (Thompson, SLACK, 0.0, {"estimator": "thompson"}),
    "epsilon_greedy": (EpsilonGreedy, SLACK, 0.0, {"router": "epsilon_greedy"}),
    "explore_then_commit": (Commit, SLACK, 0.0, {"router": "explore_then_commit"}),
    "ratio": (Ratio, TIGHT, 0.05, {"router": "ratio"}),
    "drift_plus_penalty": (Drift, TIGHT, 0.05, {"router": "drift_plus_penalty"}),
    "pacer": (Pacer, TIGHT, 0.05, {"router": "pacer"}),
    "primal_dual": (PrimalDual, TIGHT, 0.05, {"router": "primal_dual"}),
}


@pytest.mark.parametrize("backend", ["numba", "ref"])
@pytest.mark.parametrize("case", CASES)
def test_formulas(case: str, backend: str) -> None:
    naive, budget, gamma, options = CASES[case]
    estimator = fr.policy("stageroute", **options).estimator
    radius = {"gamma": gamma} if hasattr(estimator, "gamma") else {}
    run = fr.simulate(
        fr.Scenario(REWARD, COST, cost_range=(C_MIN, C_MAX)),
        fr.policy("stageroute", **radius, **options),
        horizon=HORIZON,
        budget=budget,
        max_deployed=5,
        stages=STAGES,
        trials=2,
        seed=SEED,
        backend=backend,
        trace=True,
    )
    for trial in range(2):
        picks = naive(budget, gamma, trial).play()
        assert run.picks[trial].tolist() == picks
        # The case is worth something only where the policy has a choice to make.
        assert len(set(picks)) > 1
    assert case != "change_detector" or Detector.alarms > 5


def last_tenth(router: Any, **options: Any) -> Any:
    """Spending and shares of the last tenth of a long run with the true means known."""
    run = fr.simulate(
        fr.Scenario(REWARD, COST, limit=0.6, cost="fixed"),
        fr.policy("oracle", router=router, **options),
        horizon=40_000,
        budget=TIGHT,
        max_deployed=5,
        stages=1,
        trials=4,
        trace=True,
    )
    tail = run.picks[:, -4_000:]
    return np.array(COST)[tail].mean(), np.bincount(tail.ravel(), minlength=5) / tail.size


@pytest.mark.parametrize(
    ("router", "options"),
    # The pacer needs a step so small that the price moves little while it averages the spending.
    [("drift_plus_penalty", {}), ("pacer", {"step": 2e-3}), ("primal_dual", {"step": 1e-3})],
)
def test_prices_find_the_budget(router: str, options: dict[str, Any]) -> None:
    spent, _ = last_tenth(router, **options)
    assert spent == pytest.approx(TIGHT, rel=1e-3)


def test_drift_plus_penalty_finds_the_optimum() -> None:
    best = fr.solve_routing(reward=REWARD, cost=COST, limit=0.6, budget=TIGHT)
    _, shares = last_tenth("drift_plus_penalty")
    np.testing.assert_allclose(shares, best.share, atol=0.05)


def test_ratio_takes_the_most_reward_per_cost() -> None:
    _, shares = last_tenth("ratio")
    np.testing.assert_allclose(shares, [0.6, 0.0, 0.0, 0.4, 0.0], atol=0.02)


def test_elimination_drops_what_is_surely_worse() -> None:
    # A slack budget and limits of 0.6: two models carry the optimum, the others must go.
    run = fr.simulate(
        fr.Scenario([0.1, 0.2, 0.15, 0.8, 0.9], [1.0] * 5, limit=0.6, cost="fixed"),
        fr.policy("elimination", gamma=1.0),
        horizon=60_000,
        budget=2.0,
        max_deployed=5,
        stages=1,
        trials=16,
        trace=True,
    )
    late = run.picks[:, 20_000:]
    assert set(np.unique(late)) == {3, 4}
    # Never the two that are needed, in any trial; and both are played at first.
    assert all(set(np.unique(row)) == {3, 4} for row in late)
    assert set(np.unique(run.picks[:, :200])) == set(range(5))


def test_pessimistic_costs_hold_the_budget() -> None:
    scenario = fr.scenario("sota")
    settings: dict[str, Any] = {"horizon": 20_000, "budget": 3.0, "max_deployed": 5, "trials": 32}
    spent = {
        name: fr.simulate(scenario, fr.policy(name, gamma="scaled:0.1"), **settings).finals["cost"]
        for name in ("stageroute", "ucb_bwk", "optimistic_pessimistic")
    }
    assert spent["optimistic_pessimistic"].mean() < 3.0 < spent["stageroute"].mean()
    assert spent["ucb_bwk"].mean() < spent["stageroute"].mean()


def test_normal_table() -> None:
    assert np.all(np.diff(NORMAL) > 0.0)
    assert NORMAL.mean() == pytest.approx(0.0, abs=1e-12)
    assert NORMAL.std() == pytest.approx(1.0, abs=2e-4)
