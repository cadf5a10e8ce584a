"""Draws have the means they should have: fixed seeds, bounds of five standard deviations."""

from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.policies import POLICIES
from fastroute.scenarios import Scenario
from fastroute.simulation import Run
from naive import SMALL_WORLDS, can_play

SIGMAS = 5.0
ROUNDS = 2_000
TRIALS = 50


def alone(**laws: Any) -> Run:
    """Run worlds of one model: every draw is the model's law and nothing else."""
    return fr.simulate(
        Scenario(**laws),
        fr.policy("oracle"),
        horizon=ROUNDS,
        budget=1e6,
        max_deployed=1,
        stages=3,
        trials=TRIALS,
        seed=17,
    )


def assert_mean(column: Any, mean: float, variance: float) -> None:
    """Compare per-trial means of ROUNDS draws with their law, in mean and in spread."""
    error = np.sqrt(variance / (ROUNDS * TRIALS))
    assert abs(np.mean(column) - mean) <= SIGMAS * error + 1e-12
    if variance > 0.0:
        # Trials are independent: their spread is that of the law, within five deviations.
        ratio = np.var(column, ddof=1) * ROUNDS / variance
        assert abs(ratio - 1.0) < SIGMAS * np.sqrt(2.0 / (TRIALS - 1))


@pytest.mark.parametrize("mean", [0.0, 0.03, 0.5, 0.98, 1.0])
def test_bernoulli(mean: float) -> None:
    assert_mean(
        alone(reward_mean=[mean], cost_mean=[1.0]).finals["reward"], mean, mean * (1 - mean)
    )


@pytest.mark.parametrize(("mean", "concentration"), [(0.2, 0.5), (0.7, 5.0), (0.95, 200.0)])
def test_beta(mean: float, concentration: float) -> None:
    out = alone(
        reward_mean=[mean],
        cost_mean=[1.0],
        reward=fr.Beta(concentration),
    )
    assert_mean(out.finals["reward"], mean, mean * (1 - mean) / (concentration + 1))


def test_task() -> None:
    weight, means = np.array([5.0, 1.0, 3.0, 0.0]), np.array([[0.1], [0.9], [0.6], [1.0]])
    out = alone(cost_mean=[1.0], reward=fr.ByTask(weight, means))
    mean = float(weight @ means[:, 0]) / 9.0
    assert_mean(out.finals["reward"], mean, mean * (1 - mean))


@pytest.mark.parametrize("cost", [1e-6, 0.4, 3e5])
def test_uniform_cost(cost: float) -> None:
    out = alone(reward_mean=[0.5], cost_mean=[cost])
    assert_mean(out.finals["cost"] / cost, 1.0, 1.0 / 12.0)


def test_fixed_cost() -> None:
    out = alone(reward_mean=[0.5], cost_mean=[0.4], cost="fixed")
    np.testing.assert_allclose(out.finals["cost"], 0.4)


@pytest.mark.parametrize("sigma", [0.1, 0.6, 1.2])
def test_lognormal_cost(sigma: float) -> None:
    out = alone(reward_mean=[0.5], cost_mean=[0.4], cost=fr.Lognormal(sigma))
    table = out.scenario.resolve(ROUNDS, 1).cost.table
    assert_mean(out.finals["cost"], 0.4, float(table.var()))
    if sigma < 1.0:
        # Hardly cut: the variance is close to that of the whole law.
        whole = 0.16 * np.expm1(sigma**2)
        assert table.var() == pytest.approx(whole, rel=0.25)


def test_replayed_rows() -> None:
    draw = np.random.default_rng(2)
    score, cost = draw.random((40, 1)), draw.random((40, 1)) + 0.1
    out = alone(outcomes=fr.Recorded(score, cost))
    assert_mean(out.finals["reward"], float(score.mean()), float(score.var()))
    assert_mean(out.finals["cost"], float(cost.mean()), float(cost.var()))


def test_score_and_cost_of_one_row() -> None:
    # Cost = 1 - score + 1 in every row, so sums are tied exactly.
    score = np.random.default_rng(3).random((40, 1))
    out = alone(outcomes=fr.Recorded(score, 2.0 - score))
    np.testing.assert_allclose(out.finals["reward"] + out.finals["cost"], 2.0)


def test_reward_and_cost_are_independent() -> None:
    out = alone(reward_mean=[0.5], cost_mean=[1.0])
    correlation = np.corrcoef(out.finals["reward"], out.finals["cost"])[0, 1]
    assert abs(correlation) < SIGMAS / np.sqrt(TRIALS)


# The noise is that of the laws of a world: by default two policies play in all worlds, and all play
# in one. In the table the rows come in order, which are not independent draws.
@pytest.mark.parametrize(
    ("policy", "world"),
    [
        pytest.param(
            p,
            w,
            marks=[] if p in ("stageroute", "uniform") or w == "tasks" else pytest.mark.slow,
        )
        for p in POLICIES
        for w in SMALL_WORLDS
        if can_play(p, w) and w != "table"
    ],
)
def test_noise_has_mean_zero(policy: str, world: str) -> None:
    # Rewards lie in [0, 1], so the noise of a round has a standard deviation of at most 1/2.
    scenario, budget, max_deployed = SMALL_WORLDS[world]()
    trials = 2 if scenario.instances > 1 else TRIALS
    out = fr.simulate(
        scenario,
        fr.policy(policy),
        horizon=ROUNDS,
        budget=budget,
        max_deployed=max_deployed,
        trials=trials,
        seed=23,
    )
    bound = SIGMAS * 0.5 * np.sqrt(ROUNDS * trials)
    assert abs(out.finals["noise"].sum()) < bound
    assert (np.abs(out.finals["noise"]) < SIGMAS * 0.5 * np.sqrt(ROUNDS)).all()


def test_shares_of_the_oracle() -> None:
    reward, cost, limit = [0.4, 0.55, 0.7, 0.9], [0.1, 0.4, 0.7, 2.0], [0.3, 0.35, 0.4, 0.7]
    out = fr.simulate(
        Scenario(reward, cost, limit),
        fr.policy("oracle"),
        horizon=ROUNDS,
        budget=0.8,
        max_deployed=4,
        trials=TRIALS,
        trace=True,
    )
    share = fr.solve_routing(reward, cost, limit, 0.8).share
    drawn = np.bincount(out.picks.ravel(), minlength=4) / out.picks.size
    error = np.sqrt(share * (1 - share) / out.picks.size)
    assert (np.abs(drawn - share) <= SIGMAS * error).all()
    # Mean spending is the budget; a round's cost is at most 1.5 * 2.
    assert abs(out.finals["cost"].mean() - 0.8) < SIGMAS * 1.5 / np.sqrt(out.picks.size)


def test_learning_beats_not_learning() -> None:
    # Far apart on purpose: fifty trials cannot get this wrong.
    scenario = fr.scenario("static", n_models=4, gap=0.4)
    regret = {
        name: fr.simulate(
            scenario,
            fr.policy(name, gamma=0.5),
            horizon=ROUNDS,
            budget=1.0,
            max_deployed=4,
            stages=1,
            trials=TRIALS,
        ).finals["regret"]
        for name in ("stageroute", "uniform")
    }
    np.testing.assert_allclose(regret["uniform"], 0.3 * ROUNDS)
    assert regret["stageroute"].max() < 0.5 * 0.3 * ROUNDS
