"""Late and missing feedback against a direct simulation in NumPy, with a generator of its own."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import fastroute as fr
from fastroute.scenarios import Scenario

TRIALS, HORIZON, STAGE = 10_000, 240, 40
GAMMA = 0.02
REWARD = np.array([0.35, 0.6, 0.5, 0.75])
COST = np.array([0.4, 1.0, 0.6, 1.6])
C_MIN, C_MAX = 0.5 * 0.4, 1.5 * 1.6

Rng = np.random.Generator
Draw = Callable[[Rng], Any]


class Law(NamedTuple):
    """A world: the options of the scenario, and how its delays are drawn."""

    options: dict[str, Any]
    delays: Callable[[Rng], tuple[Any, Any]]
    router: str = "greedy"


def geometric(rng: Rng, mean: float) -> Any:
    return rng.geometric(1.0 / (1.0 + mean), TRIALS) - 1


def _fixed(rng: Rng) -> tuple[Any, Any]:
    return np.full(TRIALS, 12), np.full(TRIALS, 12)


WORLDS: dict[str, Law] = {
    # Fixed delay of both, and a router that ranks by reward per cost.
    "fixed": Law({"reward_delay": 12, "cost_delay": 12}, _fixed, "ratio"),
    "geometric rewards, many missing": Law(
        {"reward_delay": {"name": "geometric", "mean": 15.0}, "feedback": 0.6},
        lambda rng: (geometric(rng, 15.0), np.zeros(TRIALS, int)),
    ),
    # A queue that follows the costs as they are learnt.
    "a table, and geometric costs": Law(
        {
            "reward_delay": {"name": "table", "rounds": [0, 5, 60]},
            "cost_delay": {"name": "geometric", "mean": 8.0},
        },
        lambda rng: (rng.choice([0, 5, 60], TRIALS), geometric(rng, 8.0)),
        "drift_plus_penalty",
    ),
}
BUDGET, WEIGHT = 0.7, 6.0


class Rotating(fr.Deployer):
    """Two neighbouring models, one further in every stage."""

    def choose(self, problem: fr.StageProblem) -> Any:
        if not problem.first:
            return np.roll(problem.previous, 1, axis=1)
        first = np.zeros(problem.upper.shape, np.bool_)
        first[:, :2] = True
        return first


class Naive(NamedTuple):
    """Means over the rounds of every trial."""

    reward: NDArray[np.float64]
    cost: NDArray[np.float64]
    pulls: NDArray[np.float64]  #: [trials, models]


def radius(mean: Any, count: Any) -> Any:
    return np.sqrt(GAMMA * mean / count) + GAMMA / count


def simulate(world: Law, seed: int) -> Naive:
    """Play all trials round by round: what is due is kept in a list for every round."""
    rng = np.random.default_rng(seed)
    size, rows = len(REWARD), np.arange(TRIALS)
    counts, rewards, cost_counts, costs, pulls = np.zeros((5, TRIALS, size))
    queue, earned, paid = np.zeros((3, TRIALS))
    rewards_due: list[list[Any]] = [[] for _ in range(HORIZON)]
    costs_due: list[list[Any]] = [[] for _ in range(HORIZON)]

    def later(due: list[list[Any]], now: int, delay: Any, known: Any, model: Any, x: Any) -> None:
        for d in np.unique(delay):
            if now + d < HORIZON:
                mine = rows[(delay == d) & known]
                due[now + d].append((mine, model[mine], x[mine]))

    for now in range(HORIZON):
        n, m = counts + 1.0, cost_counts + 1.0
        reward, cost = rewards / n, costs / m / C_MAX
        upper = np.clip(reward + 2.0 * radius(reward, n), 0.0, 1.0)
        lower = np.clip((cost - 2.0 * radius(cost, m)) * C_MAX, C_MIN, C_MAX)
        upper, lower = np.where(counts < 1, 1.0, upper), np.where(cost_counts < 1, C_MIN, lower)
        score = {
            "greedy": upper,
            "ratio": upper / lower,
            "drift_plus_penalty": WEIGHT * upper - queue[:, None] * lower / C_MAX,
        }[world.router]
        here = [(now // STAGE + k) % size for k in (0, 1)]
        # Ties: higher U, lower L, lower index.
        absent = np.ones(size, bool)
        absent[here] = False
        score = np.where(absent, -np.inf, score)
        model = np.lexsort((lower, -upper, -score), axis=1)[:, 0]
        r = (rng.random(TRIALS) < REWARD[model]).astype(float)
        c = COST[model] * (0.5 + rng.random(TRIALS))
        earned, paid = earned + r, paid + c
        pulls[rows, model] += 1.0
        if world.options.get("reward_delay") == world.options.get("cost_delay"):
            reward_delay = cost_delay = world.delays(rng)[0]
        else:
            reward_delay, cost_delay = world.delays(rng)
        known = rng.random(TRIALS) < world.options.get("feedback", 1.0)
        later(rewards_due, now, reward_delay, known, model, r)
        later(costs_due, now, cost_delay, np.ones(TRIALS, bool), model, c)
        for mine, models, x in rewards_due[now]:
            np.add.at(counts, (mine, models), 1.0)
            np.add.at(rewards, (mine, models), x)
        learnt = np.zeros(TRIALS)
        for mine, models, x in costs_due[now]:
            np.add.at(cost_counts, (mine, models), 1.0)
            np.add.at(costs, (mine, models), x)
            np.add.at(learnt, mine, x)
        queue = np.maximum(queue + (learnt - BUDGET) / C_MAX, 0.0)
    return Naive(earned / HORIZON, paid / HORIZON, pulls)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_a_direct_simulation_agrees(name: str) -> None:
    world = WORLDS[name]
    scenario = Scenario(REWARD, COST, **world.options)
    router: Any = world.router
    if router == "drift_plus_penalty":
        router = fr.DriftPlusPenalty(weight=WEIGHT)
    elif router == "greedy":
        router = fr.Greedy()
    mine = simulate(world, 1)
    run = fr.simulate(
        scenario,
        fr.Policy(estimator=fr.UCB(gamma=GAMMA), deployer=Rotating(), router=router),
        horizon=HORIZON,
        budget=BUDGET,
        max_deployed=2,
        stages=HORIZON // STAGE,
        trials=TRIALS,
        seed=2,
        trace=True,
    )
    pairs = {"reward": (run.finals["reward"], mine.reward), "cost": (run.finals["cost"], mine.cost)}
    for m in range(len(REWARD)):
        pairs[f"pulls of model {m}"] = ((run.picks == m).sum(axis=1), mine.pulls[:, m])
    for what, (theirs, ours) in pairs.items():
        error = np.sqrt((theirs.var() + ours.var()) / TRIALS)
        z = (theirs.mean() - ours.mean()) / error
        assert abs(z) < 4.0, (what, z, theirs.mean(), ours.mean())
    # The worlds are worth the time only if delays matter.
    at_once = fr.simulate(
        scenario.with_feedback(reward_delay=0, cost_delay=0, feedback=1),
        fr.Policy(estimator=fr.UCB(gamma=GAMMA), deployer=Rotating(), router=router),
        horizon=HORIZON,
        budget=BUDGET,
        max_deployed=2,
        stages=HORIZON // STAGE,
        trials=TRIALS,
        seed=2,
    )
    moved = at_once.finals["cost"].mean() - run.finals["cost"].mean()
    assert abs(moved) > 20.0 * run.finals["cost"].std() / np.sqrt(TRIALS)
