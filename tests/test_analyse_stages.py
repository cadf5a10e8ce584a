import statistics

import numpy as np
import polars as pl
import pytest

import factories
from fastroute.analyse import stage_spend


def test_means_and_bands_of_each_policy_and_stage() -> None:
    stages = factories.fake_study_frames(("static", "greedy"), trials=5, stages=3)["stages"]
    spend = stage_spend(stages)
    assert spend.get_column("policy").to_list() == ["static"] * 3 + ["greedy"] * 3
    assert spend.get_column("stage").to_list() == [0, 1, 2] * 2
    for row in spend.iter_rows(named=True):
        one = stages.filter(policy=row["policy"], stage=row["stage"])
        values = one.get_column("spend").to_list()
        # 2.77645 is the two-sided 95 % quantile of Student's t with 4 degrees of freedom.
        half = 2.77645 * statistics.stdev(values) / 5**0.5
        assert row["mean"] == pytest.approx(statistics.fmean(values))
        assert row["high"] - row["mean"] == pytest.approx(half, rel=1e-5)
        assert row["mean"] - row["low"] == pytest.approx(half, rel=1e-5)
        assert (row["n"], row["budget"]) == (5, 0.001)
        assert row["opened"] == one.get_column("opened")[0]


def test_a_run_without_policies_and_in_any_order() -> None:
    stages = factories.fake_run(trials=4, stages=3).stages
    spend = stage_spend(stages.sample(fraction=1.0, shuffle=True, seed=1))
    assert "policy" not in spend.columns
    assert spend.get_column("stage").to_list() == [0, 1, 2]
    assert spend.select("mean", "low").to_numpy() == pytest.approx(
        stage_spend(stages).select("mean", "low").to_numpy()
    )


@pytest.mark.parametrize("options", [{"trials": 1}, {"trials": 6, "stage_means": True}])
def test_no_band_without_several_trials(options: dict[str, int]) -> None:
    run = factories.fake_run(stages=3, **options)  # type: ignore[arg-type]
    spend = stage_spend(run.stages)
    assert spend.get_column("mean").is_finite().all()
    assert np.isnan(spend.select(pl.col("low", "high")).to_numpy()).all()
