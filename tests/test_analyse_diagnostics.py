"""Diagnostics, on frames written by hand and on real runs."""

from typing import Any

import numpy as np
import polars as pl
import pytest

import fastroute as fr
from fastroute.analyse import (
    adoption_delay,
    adoption_summary,
    budget_prices,
    deployment_shares,
    price_supremum,
    share_interval,
    starvation_rate,
    violation_decay,
    worst_violation,
)


@pytest.fixture(scope="module")
def run() -> fr.Run:
    return fr.simulate(
        fr.scenario("sota"),
        fr.policy("stageroute", gamma="scaled:0.1"),
        horizon=4000,
        budget=2.0,
        max_deployed=5,
        trials=20,
    )


def joint(*frames: pl.DataFrame) -> pl.DataFrame:
    """Frames of several policies, as a study joins them."""
    return pl.concat(
        frame.select(pl.lit(f"p{k}").alias("policy"), pl.all()) for k, frame in enumerate(frames)
    )


# Starvation.


def test_starvation_counts_trials_with_any_starved_model() -> None:
    trials = pl.DataFrame({"trial": range(8), "starved": [0, 2, 0, 0, 1, 0, 0, 0]})
    found = starvation_rate(trials).row(0, named=True)
    share = share_interval(2, 8)
    assert found == {
        "n": 8,
        "rate": 0.25,
        "low": share.low,
        "high": share.high,
        "mean_starved": 0.375,
    }


def test_starvation_of_several_runs_keeps_their_order(run: fr.Run) -> None:
    frame = joint(run.trials, run.trials.with_columns(pl.lit(0).cast(pl.Int64).alias("starved")))
    found = starvation_rate(frame)
    assert found["policy"].to_list() == ["p0", "p1"]
    assert found["rate"][1] == 0.0
    other = starvation_rate(frame.rename({"policy": "cell"}), by=["cell"])
    assert other["rate"].to_list() == found["rate"].to_list()


# Adoption.

STAGES = pl.DataFrame(
    {
        "trial": [0, 0, 0, 0, 1, 1, 1, 1],
        "stage": [0, 1, 2, 3] * 2,
        "opened": [0, 10, 20, 30] * 2,
        "deployed": [[0, 1], [0, 2], [0], [0, 3], [1], [1], [1], [1, 2]],
    }
)


def test_adoption_is_the_first_stage_that_deploys_the_model() -> None:
    # Model 2 comes in round 10, as a stage opens; model 3 in round 11; model 4 after all stages.
    delays = adoption_delay(STAGES, [0, 0, 10, 11, 31])
    assert delays.rows() == [
        (0, 2, 10, 10, 0, 0),
        (0, 3, 11, 30, 19, 1),
        (1, 2, 10, 30, 20, 2),
        (1, 3, 11, None, None, None),
    ]
    assert delays.columns == ["trial", "model", "arrival", "adopted", "delay", "passed_over"]


def test_nothing_is_adopted_where_nothing_arrives() -> None:
    assert adoption_delay(STAGES, [0, 0, 0]).rows() == []
    assert adoption_delay(joint(STAGES), [0, 0, 31]).rows() == []


def test_adoption_summary_counts_those_that_never_came_as_waiting_for_ever() -> None:
    rows = adoption_summary(adoption_delay(STAGES, [0, 0, 10, 11, 31])).rows(named=True)
    assert [row["model"] for row in rows] == [2, 3]
    assert [row["adopted"] for row in rows] == [1.0, 0.5]
    assert [row["at_once"] for row in rows] == [0.5, 0.0]
    assert rows[0]["delay"] == 10.0
    # Half of the trials never do: the median is not finite.
    assert rows[1]["delay"] == np.inf
    assert rows[1]["delay_high"] == np.inf


def test_median_delay_is_finite_when_most_adopt() -> None:
    delays = pl.DataFrame(
        {
            "trial": range(20),
            "model": 1,
            "arrival": 5,
            "adopted": [*range(10, 28), None, None],
            "delay": [*range(5, 23), None, None],
            "passed_over": [*range(18), None, None],
        }
    )
    row = adoption_summary(delays).row(0, named=True)
    assert (row["n"], row["adopted"], row["delay"]) == (20, 0.9, 14.5)
    assert (row["delay_low"], row["delay_high"]) == (10.0, 19.0)
    late = adoption_summary(delays, level=0.9999).row(0, named=True)
    assert late["delay_high"] == np.inf


def test_adoption_agrees_with_the_deployed_sets_of_a_run(run: fr.Run) -> None:
    arrival = fr.scenario("sota").resolve(4000, 20).arrival
    delays = adoption_delay(run.stages, arrival)
    sets = run.stage_sets
    opened = np.array([stage.opened for stage in run.plan.stages])
    expected = []
    for trial in range(20):
        for model in np.flatnonzero((arrival > 0) & (arrival <= opened[-1])):
            there = np.flatnonzero((sets[:, trial] == model).any(axis=1))
            soonest = int(np.flatnonzero(opened >= arrival[model])[0])
            if there.size:
                first = opened[there[0]]
                row: Any = (int(first), int(first - arrival[model]), int(there[0]) - soonest)
            else:
                row = (None, None, None)
            expected.append((trial, int(model), int(arrival[model]), *row))
    assert delays.rows() == expected
    assert delays["delay"].min() >= 0  # type: ignore[operator]
    two = adoption_delay(joint(run.stages, run.stages), arrival)
    assert two.filter(policy="p1").drop("policy").rows() == expected
    assert two.columns[0] == "policy"


# Violation.


def violating(trials: int = 400, exponent: float = -0.5, noise: float = 0.2) -> pl.DataFrame:
    """Stages of ten rounds whose violation per query fades as a power of the round."""
    stages, rounds = 64, 10
    draw = np.random.default_rng(2)
    middle = rounds * np.arange(stages) + 0.5 * (rounds + 1)
    over = middle**exponent * draw.lognormal(-0.5 * noise**2, noise, (trials, stages))
    return pl.DataFrame(
        {
            "trial": np.repeat(np.arange(trials), stages),
            "stage": np.tile(np.arange(stages), trials),
            "opened": np.tile(rounds * np.arange(stages), trials),
            "rounds": rounds,
            "spend": (2.0 + over).ravel(),
            "budget": 2.0,
            "violation": (rounds * over).ravel(),
        }
    )


def test_worst_violation_is_over_the_stages_of_each_trial() -> None:
    stages = pl.DataFrame(
        {
            "trial": [0, 0, 1, 1, 2, 2],
            "stage": [0, 1] * 3,
            "violation": [3.0, 1.0, 0.0, 5.0, 4.0, 4.0],
            "rounds": [10, 5] * 3,
        }
    )
    row = worst_violation(stages).row(0, named=True)
    assert (row["n"], row["mean"], row["largest"], row["stage"]) == (3, 4.0, 5.0, 0)
    assert row["per_query"] == pytest.approx((0.3 + 1.0 + 0.8) / 3)
    assert row["low"] < 4.0 < row["high"]
    none = worst_violation(stages.with_columns(violation=0.0)).row(0, named=True)
    assert (none["largest"], none["stage"]) == (0.0, None)


def test_worst_violation_is_that_of_the_trials_frame(run: fr.Run) -> None:
    row = worst_violation(run.stages).row(0, named=True)
    values = run.trials["worst_stage_violation"].to_numpy()
    assert row["mean"] == pytest.approx(values.mean())
    assert row["largest"] == pytest.approx(values.max())


@pytest.mark.parametrize("signed", [False, True])
def test_decay_exponent_of_a_power_is_found(signed: bool) -> None:
    found = violation_decay(violating(), signed=signed, resamples=499)
    assert found.fit is not None
    assert found.fit.exponent.estimate == pytest.approx(-0.5, abs=0.02)
    assert found.bins["stage_low"].to_list() == [0, 1, 3, 7, 15, 31, 63]
    assert found.bins["stage_high"].to_list() == [0, 2, 6, 14, 30, 62, 63]
    assert found.bins["used"].all()


def test_decay_over_stages_of_one_round() -> None:
    one = violating().with_columns(opened="stage", rounds=1, violation=pl.col("violation") / 10)
    found = violation_decay(one, resamples=99)
    assert found.bins["round"][0] == 1.0
    assert found.fit is not None
    assert found.fit.models["model"].to_list() == ["power"]


def test_bins_without_a_clear_violation_are_left_out() -> None:
    fading = violating().with_columns(
        violation=pl.when(pl.col("stage") < 7).then("violation").otherwise(0.0)
    )
    found = violation_decay(fading, resamples=199)
    assert found.bins["used"].to_list() == [True] * 3 + [False] * 4
    assert found.fit is not None
    assert len(found.fit.points) == 3
    none = violation_decay(fading.with_columns(violation=0.0))
    assert none.fit is None
    assert not none.bins["used"].any()


def test_signed_violation_lets_noise_cancel() -> None:
    # Costs at the budget but for noise: the violation stays, the excess is not clear of zero.
    draw = np.random.default_rng(0)
    excess = draw.normal(0.0, 0.1, 400 * 64)
    noisy = violating().with_columns(
        spend=2.0 + excess, violation=10 * np.maximum(excess, 0.0), budget=pl.lit(2.0)
    )
    plain = violation_decay(noisy, resamples=199)
    assert plain.fit is not None
    assert abs(plain.fit.exponent.estimate) < 0.05
    assert violation_decay(noisy, signed=True).fit is None


def test_decay_of_two_runs_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="a trial has a stage twice"):
        violation_decay(joint(violating(4), violating(4)))


# Prices and methods.


def test_budget_prices_by_stage_and_their_supremum() -> None:
    stages = pl.DataFrame(
        {
            "policy": ["b"] * 4 + ["a"] * 4,
            "trial": [0, 0, 1, 1] * 2,
            "stage": [0, 1] * 4,
            "opened": [0, 50] * 4,
            "budget_price": [1.0, 4.0, 3.0, 0.5, 9.0, 1.0, 9.0, 2.0],
        }
    )
    prices = budget_prices(stages)
    assert prices["policy"].to_list() == ["b", "b", "a", "a"]
    assert prices["opened"].to_list() == [0, 50] * 2
    assert prices["mean"].to_list() == [2.0, 2.25, 9.0, 1.5]
    assert prices["largest"].to_list() == [3.0, 4.0, 9.0, 2.0]
    assert prices["so_far"].to_list() == [3.0, 4.0, 9.0, 9.0]
    top = price_supremum(stages)
    assert top["mean"].to_list() == [3.5, 9.0]
    assert top["largest"].to_list() == [4.0, 9.0]
    assert top["n"].to_list() == [2, 2]


def test_prices_of_a_run(run: fr.Run) -> None:
    prices = budget_prices(run.stages)
    table = run.stages.sort("trial", "stage")["budget_price"].to_numpy().reshape(20, -1)
    np.testing.assert_allclose(prices["mean"], table.mean(axis=0))
    np.testing.assert_allclose(prices["q95"], np.quantile(table, 0.95, axis=0))
    assert prices["so_far"][-1] == price_supremum(run.stages)["largest"][0] == table.max()
    assert price_supremum(run.stages)["mean"][0] == pytest.approx(table.max(axis=1).mean())


def test_shares_of_methods_and_statuses(run: fr.Run) -> None:
    shares = deployment_shares(run.stages)
    assert shares.group_by("kind").agg(pl.col("share").sum())["share"].to_list() == [1.0, 1.0]
    method = shares.filter(kind="method", value="vertex")["count"][0]
    assert method == run.stages.filter(method="vertex").height
    counts = pl.DataFrame({"method": ["HiGHS", "vertex", "vertex"], "status": ["OPTIMAL"] * 3})
    assert deployment_shares(counts).rows() == [
        ("method", "vertex", 2, 2 / 3),
        ("method", "HiGHS", 1, 1 / 3),
        ("status", "OPTIMAL", 3, 1.0),
    ]


# Refusals.


@pytest.mark.parametrize(
    "function",
    [
        lambda f: adoption_delay(f, [0, 10]),
        worst_violation,
        violation_decay,
        budget_prices,
        price_supremum,
    ],
)
def test_means_over_trials_are_refused(function: Any, run: fr.Run) -> None:
    means = run.stages.with_columns(trial=pl.lit(None, dtype=pl.Int64))
    with pytest.raises(ValueError, match="single trials were not kept"):
        function(means)
    with pytest.raises(ValueError, match="no column 'trial'"):
        function(run.stages.drop("trial"))
    with pytest.raises(ValueError, match="has no rows"):
        function(run.stages.clear())


def test_arrival_of_other_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"arrival: shape \(1, 2\)"):
        adoption_delay(STAGES, [[0, 1]])


def test_unknown_columns_are_named() -> None:
    with pytest.raises(ValueError, match="no column 'cell'"):
        starvation_rate(pl.DataFrame({"starved": [0]}), by=["cell"])
