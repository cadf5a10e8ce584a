"""A trial's result depends on its number alone: not on its neighbours, threads or chunks."""

from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.policies import POLICIES, Policy
from fastroute.scenarios import Scenario
from fastroute.simulation import Run, api
from naive import ANYWHERE, SMALL_WORLDS

TRIALS = 200
WORLDS = ("routerbench", "retirement", "beta", "lognormal", "fixed", "replay", "table", "tight")


def run(world: str, policy: Policy, **settings: Any) -> Run:
    scenario, budget, max_deployed = SMALL_WORLDS[world]()
    given = {"horizon": 400, "trials": TRIALS, "trace": True, "checkpoints": 7, "seed": 9}
    return fr.simulate(
        scenario, policy, **{"budget": budget, "max_deployed": max_deployed, **given, **settings}
    )


def cut(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Cut runs into chunks of this many trials, block or not."""
    monkeypatch.setattr(api, "BLOCK", chunk)
    monkeypatch.setattr(api, "CHUNK", chunk)


def assert_bits(few: Run, many: Run) -> None:
    """Compare the trials of one run with the first trials of another, to the last bit."""
    count = len(few.finals["trial"])
    for name, column in few.finals.items():
        np.testing.assert_array_equal(column, many.finals[name][:count], name)
    for name, curve in few.arrays.items():
        other = many.arrays[name]
        np.testing.assert_array_equal(curve, other if name == "round" else other[:count], name)
    np.testing.assert_array_equal(few.stage_array, many.stage_array[:, :, :count])
    np.testing.assert_array_equal(few.stage_sets, many.stage_sets[:, :count])
    if few.picks.size and many.picks.size:
        np.testing.assert_array_equal(few.picks, many.picks[:count])


@pytest.mark.parametrize("world", WORLDS)
def test_neighbours(world: str) -> None:
    many = run(world, fr.policy("stageroute"))
    for trials in (1, 63, 64, 65):
        assert_bits(run(world, fr.policy("stageroute"), trials=trials), many)


@pytest.mark.parametrize("policy", POLICIES)
def test_neighbours_of_every_policy(policy: str) -> None:
    world = "retirement" if policy in ANYWHERE else "tasks"
    many = run(world, fr.policy(policy))
    for trials in (1, 65):
        assert_bits(run(world, fr.policy(policy), trials=trials), many)


@pytest.mark.parametrize("init", ["formula", "prior", "forced"])
def test_neighbours_of_every_start(init: str) -> None:
    policy = fr.policy("stageroute", init=init, init_pulls=3, resolve_every=4, margin=0.1)
    assert_bits(run("tight", policy, trials=65), run("tight", policy))


@pytest.mark.parametrize("chunk", [1, 7, 64, 65, 199])
@pytest.mark.parametrize("world", ["routerbench", "tight"])
def test_chunks(monkeypatch: pytest.MonkeyPatch, world: str, chunk: int) -> None:
    whole = run(world, fr.policy("stageroute"), threads=1)
    cut(monkeypatch, chunk)
    assert_bits(run(world, fr.policy("stageroute"), threads=1), whole)


@pytest.mark.parametrize("policy", ["stageroute", "uniform"])
@pytest.mark.parametrize("threads", [2, 5])
def test_threads(policy: str, threads: int) -> None:
    one = run("retirement", fr.policy(policy), threads=1)
    assert_bits(run("retirement", fr.policy(policy), threads=threads), one)


def test_reference_backend_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"backend": "ref", "horizon": 100}
    whole = run("retirement", fr.policy("stageroute"), trials=3, threads=1, **settings)
    cut(monkeypatch, 2)
    assert_bits(run("retirement", fr.policy("stageroute"), trials=3, threads=2, **settings), whole)


def test_trace() -> None:
    traced = run("tight", fr.policy("stageroute"))
    bare = run("tight", fr.policy("stageroute"), trace=False)
    assert bare.picks.size == 0
    assert_bits(bare, traced)


@pytest.mark.parametrize("points", [1, 2, 60, [3, 100, 101, 400], list(range(1, 401))])
def test_checkpoints(points: Any) -> None:
    # Sums over rounds are added up checkpoint by checkpoint, so the last digits may move.
    few = run("retirement", fr.policy("stageroute"), checkpoints=7)
    other = run("retirement", fr.policy("stageroute"), checkpoints=points)
    np.testing.assert_array_equal(other.picks, few.picks)
    np.testing.assert_array_equal(other.stage_sets, few.stage_sets)
    for name, column in few.finals.items():
        np.testing.assert_allclose(other.finals[name], column, rtol=1e-11, atol=1e-10, err_msg=name)
    shared = [int(r) for r in other.arrays["round"] if r in few.arrays["round"]]
    assert 400 in shared
    for name in set(few.arrays) - {"round"}:
        mine = few.arrays[name][:, np.isin(few.arrays["round"], shared)]
        theirs = other.arrays[name][:, np.isin(other.arrays["round"], shared)]
        np.testing.assert_allclose(theirs, mine, rtol=1e-11, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("policy", ["stageroute", "oracle", "oracle_deployment", "uniform"])
def test_instance_per_trial(monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    # Trial k of many instances is trial k of its own instance, whatever the chunks.
    draw = np.random.default_rng(1)
    reward, cost = draw.uniform(0.2, 0.9, (130, 4)), draw.uniform(0.2, 0.85, (130, 4))
    settings: dict[str, Any] = {"horizon": 200, "budget": 0.9, "max_deployed": 3, "trace": True}
    settings |= {"trials": 130, "threads": 2}

    def scenario(rewards: Any, costs: Any) -> Scenario:
        return Scenario(rewards, costs, 0.6, arrival=[0, 0, 50, 90], cost_range=(0.0, 1.5))

    many = fr.simulate(scenario(reward, cost), fr.policy(policy), **settings)
    for trial in (0, 63, 64, 129):
        alone = fr.simulate(scenario(reward[trial], cost[trial]), fr.policy(policy), **settings)
        np.testing.assert_array_equal(alone.picks[trial], many.picks[trial])
        for name, column in alone.finals.items():
            near = pytest.approx(column[trial], rel=1e-12, abs=1e-12, nan_ok=True)
            assert many.finals[name][trial] == near
    cut(monkeypatch, 17)
    assert_bits(fr.simulate(scenario(reward, cost), fr.policy(policy), **settings), many)


def test_trials_differ_and_seeds_differ() -> None:
    one = run("fixed", fr.policy("stageroute"), trials=3)
    other = run("fixed", fr.policy("stageroute"), trials=3, seed=10)
    assert not np.array_equal(one.picks[0], one.picks[1])
    assert not np.array_equal(one.picks[1], one.picks[2])
    assert not np.array_equal(one.picks, other.picks)


def test_policies_meet_the_same_world() -> None:
    # Where two policies pull the same model in the same round, they see the same reward.
    settings: dict[str, Any] = {"trials": 4, "checkpoints": np.arange(1, 401)}
    seen = []
    for policy in ("stageroute", "uniform", "greedy"):
        out = run("retirement", fr.policy(policy), **settings)
        value = np.concatenate(
            [np.full(p.stop - p.start, _pool_value(out, p.pool)) for s in out.plan.stages
             for p in s.pieces]
        )  # fmt: skip
        realised = np.diff(out.arrays["realised_regret"], axis=1, prepend=0.0)
        seen.append((out.picks, value - realised))
    for (picks, reward), (others, rewards) in ((seen[0], seen[1]), (seen[0], seen[2])):
        same = picks == others
        assert same.mean() > 0.1
        np.testing.assert_allclose(reward[same], rewards[same], atol=1e-9)
        np.testing.assert_allclose(reward, np.rint(reward), atol=1e-9)


def _pool_value(out: Run, pool: int) -> float:
    best = fr.solve_deployment(
        out.scenario.reward_mean[out.plan.pools[pool]],
        out.scenario.cost_mean[out.plan.pools[pool]],
        out.scenario.limit[out.plan.pools[pool]],
        out.settings["budget"],
        out.settings["max_deployed"],
    )
    return float(best.value)


class TestManyTrials:
    """Beyond a number of trials only moments are kept; they are those of the full arrays."""

    def test_curves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = run("tight", fr.policy("stageroute"))
        monkeypatch.setattr(api, "MAX_CURVE_TRIALS", 10)
        moments = run("tight", fr.policy("stageroute"))
        for name in ("round", "quantity", "trials"):
            assert moments.curves[name].equals(kept.curves[name])
        for name in ("mean", "se"):
            expected = kept.curves[name].to_numpy()
            found = moments.curves[name].to_numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
        assert moments.curves.select("^q..$").null_count().sum_horizontal().item() == 0
        with pytest.raises(ValueError, match="trials=200"):
            _ = moments.arrays
        for name, column in kept.finals.items():
            np.testing.assert_array_equal(moments.finals[name], column, name)

    @pytest.mark.parametrize(("chunk", "threads"), [(1024, 1), (64, 1), (128, 2), (1024, 5)])
    def test_they_do_not_depend_on_who_ran_what(
        self, monkeypatch: pytest.MonkeyPatch, chunk: int, threads: int
    ) -> None:
        monkeypatch.setattr(api, "MAX_CURVE_TRIALS", 10)
        monkeypatch.setattr(api, "MAX_STAGE_ROWS", 10)
        one = run("tight", fr.policy("stageroute"), threads=1)
        monkeypatch.setattr(api, "CHUNK", chunk)
        other = run("tight", fr.policy("stageroute"), threads=threads)
        assert other.curves.equals(one.curves)
        assert other.stages.equals(one.stages)

    def test_stages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import polars as pl

        kept = run("tight", fr.policy("stageroute"))
        monkeypatch.setattr(api, "MAX_STAGE_ROWS", 10)
        means = run("tight", fr.policy("stageroute"))
        numbers = ("pool_value", "deployed_value", "budget_price", "gap", "spend", "violation")
        expected = kept.stages.group_by("stage", maintain_order=True).agg(
            pl.col(*numbers, "over_budget_rounds", "no_capacity_rounds").mean()
        )
        assert means.stages["trial"].null_count() == len(means.stages) == len(expected)
        assert means.stages["deployed"].null_count() == len(expected)
        for name in expected.columns:
            np.testing.assert_allclose(
                means.stages[name].to_numpy(), expected[name].to_numpy(), rtol=1e-9, atol=1e-12,
                err_msg=name,
            )  # fmt: skip

    def test_mean_of_different_statuses_is_no_third_status(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # After the cheap model left, trial 0 is within budget and trial 1 is not.
        scenario = Scenario(
            [[0.5, 0.6], [0.5, 0.6]], [[0.5, 0.8], [0.5, 2.0]], retirement=[5, None]
        )
        monkeypatch.setattr(api, "MAX_STAGE_ROWS", 1)
        means = fr.simulate(
            scenario,
            fr.policy("oracle"),
            horizon=10,
            budget=1.0,
            max_deployed=2,
            stages=2,
            trials=2,
        )
        assert means.stages["status"].to_list() == ["OPTIMAL", "MIXED"]
