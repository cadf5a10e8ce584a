"""Statistics of whole studies against their definitions, computed one by one."""

import statistics

import polars as pl
import pytest

import factories
from fastroute.analyse import (
    budget_adherence,
    curve_intervals,
    paired_difference,
    paired_differences,
    solver_methods,
    stage_spend,
    trial_diagnostics,
    work_times,
)

POLICIES = ("StageRoute", "uniform", "greedy")


@pytest.fixture
def trials() -> pl.DataFrame:
    """Return two worlds of three policies; the last cell has played fewer trials."""
    worlds = []
    for world in range(2):
        frame = factories.fake_study_frames(POLICIES, trials=7, seed=world)["trials"]
        cell = pl.col("policy").replace_strict({p: 3 * world + i for i, p in enumerate(POLICIES)})
        worlds.append(frame.with_columns(world=pl.lit(world), cell=cell))
    return pl.concat(worlds).filter((pl.col("cell") < 5) | (pl.col("trial") < 4))


@pytest.mark.parametrize("against", ["first", "all"])
def test_pairs_of_every_world(trials: pl.DataFrame, against: str) -> None:
    shuffled = trials.sample(fraction=1.0, shuffle=True, seed=3)
    found = paired_differences(shuffled.lazy(), "priced_regret", against=against)  # type: ignore[arg-type]
    pairs = found.select("world", "policy", "other").rows()
    first = [(w, p, "StageRoute") for w in range(2) for p in ("uniform", "greedy")]
    if against == "all":
        first = [*first[:2], (0, "greedy", "uniform"), *first[2:], (1, "greedy", "uniform")]
    assert pairs == first
    for row in found.iter_rows(named=True):
        sides = [trials.filter(cell=row[name]) for name in ("cell", "other_cell")]
        common = min(side.height for side in sides)
        a, b = (side.filter(pl.col("trial") < common) for side in sides)
        truth = paired_difference(a, b, "priced_regret")
        for name in ("mean", "se", "low", "high", "share_lower", "n"):
            assert row[name] == getattr(truth, name)


def test_pairs_without_a_common_trial_or_another_policy(trials: pl.DataFrame) -> None:
    apart = trials.filter((pl.col("cell") == 0) == (pl.col("trial") < 3), world=0)
    assert paired_differences(apart).is_empty()
    assert paired_differences(trials.filter(policy="greedy")).is_empty()
    with pytest.raises(ValueError, match="against: 'last' is unknown"):
        paired_differences(trials, against="last")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="level=2"):
        paired_differences(trials, level=2.0)


def test_shares_of_trials_rounds_and_stages() -> None:
    trials = pl.DataFrame(
        {
            "cell": [1, 0, 1, 0],
            "horizon": 100,
            "stages": [5, 4, 5, 4],
            "starved": [0, 2, 0, 0],
            "over_budget_rounds": [0, 10, 0, 30],
            "no_capacity_rounds": [5, 0, 0, 0],
            "over_budget_stages": [0, 1, 0, 1],
        }
    )
    assert trial_diagnostics(trials).to_dicts() == [
        {
            "cell": 0,
            "n": 2,
            "starved": 0.5,
            "over_budget": 0.2,
            "no_capacity": 0.0,
            "over_budget_stages": 0.25,
        },
        {
            "cell": 1,
            "n": 2,
            "starved": 0.0,
            "over_budget": 0.0,
            "no_capacity": 0.025,
            "over_budget_stages": 0.0,
        },
    ]


def test_methods_in_the_order_of_policies_and_frequency() -> None:
    stages = pl.DataFrame(
        {
            "cell": [0, 0, 0, 1, 2],
            "policy": ["b", "b", "b", "a", "b"],
            "method": ["HiGHS", "vertex", "vertex", "top", "vertex"],
            "gap": [0.1, 0.0, 0.0, 0.0, 0.0],
            "status": ["OPTIMAL", "OVER_BUDGET", "OPTIMAL", "OPTIMAL", "OPTIMAL"],
        }
    )
    assert solver_methods(stages.lazy()).rows() == [
        ("b", "vertex", 3, 0.75, 0.0, 1),
        ("b", "HiGHS", 1, 0.25, 0.1, 0),
        ("a", "top", 1, 1.0, 0.0, 0),
    ]


def test_times_of_policies() -> None:
    cells = pl.DataFrame(
        {
            "policy": ["a", "b", "a"],
            "key": ["x", "y", "z"],
            "trials_done": [10, 0, 10],
            "horizon": [100, 100, 300],
            "seconds": [1.0, None, 2.0],
        }
    )
    shards = pl.DataFrame(
        {
            "key": ["x", "x", "z"],
            "compile_seconds": [0.5, 0.25, 0.0],
            "backend": ["numba", "ref", "numba"],
        }
    )
    first, second = work_times(cells, shards).to_dicts()
    assert first == {
        "policy": "a",
        "rounds": 4000,
        "seconds": 3.0,
        "compile_seconds": 0.75,
        "backends": "numba, ref",
        "ns_per_trial_round": 750_000.0,
    }
    assert (second["rounds"], second["backends"]) == (0, "")


def test_adherence_of_stages_to_the_budget() -> None:
    stages = pl.DataFrame(
        {
            "policy": ["a"] * 6 + ["b"] * 3,
            "trial": [0, 0, 0, 1, 1, 1, None, None, None],
            "stage": [0, 1, 2] * 3,
            "opened": [0, 10, 20] * 3,
            "spend": [3.0, 2.5, 1.0, 2.0, 1.0, 1.0, 1.0, 2.0, 4.0],
            "budget": 2.0,
        }
    )
    spend = stage_spend(stages)
    assert spend["over"].to_list() == [0.5, 0.5, 0.0, None, None, None]
    first, second = budget_adherence(spend).to_dicts()
    assert first == {
        "policy": "a",
        "stages": 3,
        "stages_over": 1,
        "over": pytest.approx(2 / 6),
        "worst_stage": 0,
        "worst": 1.25,
        "last": 0.5,
    }
    assert (second["over"], second["worst_stage"], second["worst"]) == (None, 2, 2.0)


def test_bands_of_curves() -> None:
    values = [5.0, 2.0, 9.0, 4.0]
    se = statistics.stdev(values) / 2.0
    curves = pl.DataFrame({"mean": [5.0, 1.0], "se": [se, None], "trials": [4, 1]})
    found = curve_intervals(curves)
    # 3.18245 is the two-sided 95 % quantile of Student's t with 3 degrees of freedom.
    assert found["high"][0] == pytest.approx(5.0 + 3.18245 * se, rel=1e-5)
    assert found["low"][0] == pytest.approx(5.0 - 3.18245 * se, abs=1e-4)
    assert found.select(pl.col("low", "high").is_nan()).row(1) == (True, True)
