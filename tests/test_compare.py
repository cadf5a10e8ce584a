"""Two studies compared, in Python and on the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats
from typer.testing import CliRunner

from fastroute.analyse import independent_difference, independent_ratio, paired_difference
from fastroute.cli import app
from fastroute.report.compare import (
    Threshold,
    compare_studies,
    comparison_table,
    difference_texts,
)
from fastroute.study import StoredStudy, run_study
from studies import mini


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredStudy]:
    """Return a study, the same one with another seed, with a wider radius, of other policies."""
    folder = tmp_path_factory.mktemp("compare")
    stageroute = {"name": "stageroute", "label": "mine"}
    changes: dict[str, dict[str, Any]] = {
        "a": {"policy": [stageroute, {"name": "uniform"}]},
        "seed": {"policy": [stageroute, {"name": "uniform"}], "setting": {"seed": 8}},
        "wide": {"policy": [{**stageroute, "gamma": 0.5}]},
        "other": {"policy": [{"name": "greedy"}, {"name": "static"}]},
    }
    return {
        name: run_study(mini(**change), folder / name, progress=False)
        for name, change in changes.items()
    }


def trials(stored: StoredStudy, cell: int, name: str) -> np.ndarray:
    found = stored.trials.filter(pl.col("cell") == cell).sort("trial").collect()
    return found.get_column(name).to_numpy()


def test_the_same_queries_are_paired(studies: dict[str, StoredStudy]) -> None:
    found = compare_studies(studies["a"], studies["wide"])
    assert found.only_b == []
    assert found.only_a == ["uniform, horizon = 60", "uniform, horizon = 90"]
    assert found.table.get_column("paired").all()
    for row in found.table.iter_rows(named=True):
        a, b = (
            trials(studies[name], row[f"cell_{side}"], row["quantity"])
            for name, side in (("a", "a"), ("wide", "b"))
        )
        expected = paired_difference(b, a)
        assert row["difference"] == pytest.approx((b - a).mean(), abs=1e-12)
        assert (row["difference_low"], row["difference_high"]) == (expected.low, expected.high)


def test_other_seeds_are_not_paired_but_compared(studies: dict[str, StoredStudy]) -> None:
    found = compare_studies(studies["a"], studies["seed"], quantities=["regret"])
    assert set(found.differs) == {"seed"}
    assert not found.table.get_column("paired").any()
    for row in found.table.iter_rows(named=True):
        a = trials(studies["a"], row["cell_a"], "regret")
        b = trials(studies["seed"], row["cell_b"], "regret")
        parts = [values.var(ddof=1) / values.size for values in (a, b)]
        # Both have as many trials, so Welch's degrees of freedom take this form.
        degrees = (a.size - 1) * sum(parts) ** 2 / sum(part**2 for part in parts)
        half = stats.t.ppf(0.975, degrees) * sum(parts) ** 0.5
        ends = row["difference_low"], row["difference_high"]
        assert ends == pytest.approx((b.mean() - a.mean() - half, b.mean() - a.mean() + half))


def test_a_study_equals_itself(studies: dict[str, StoredStudy]) -> None:
    found = compare_studies(studies["a"], studies["a"])
    assert not found.differs
    assert (found.table.get_column("difference") == 0.0).all()
    assert (found.table.get_column("ratio").drop_nulls() == 1.0).all()
    assert found.table.height == 3 * studies["a"].cells.collect().height


def test_nothing_in_common_is_said(studies: dict[str, StoredStudy]) -> None:
    with pytest.raises(ValueError, match=r"no cell in common.*policies"):
        compare_studies(studies["a"], studies["other"])
    with pytest.raises(ValueError, match=r"quantity='regrets' must be a column.*'regret'"):
        compare_studies(studies["a"], studies["a"], quantities=["regrets"])


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("priced_regret > 1.05", [1]),
        ("priced_regret < 0.95", [2]),
        ("difference cost >= 0.2", [1]),
        ("difference cost < 0", []),
        ("priced_regret > 2", []),
    ],
)
def test_a_threshold_is_broken_by_the_whole_interval(text: str, broken: list[int]) -> None:
    rows = [
        {"cell_a": 1, "quantity": "priced_regret", "ratio_low": 1.06, "ratio_high": 1.5},
        {"cell_a": 2, "quantity": "priced_regret", "ratio_low": 0.5, "ratio_high": 0.9},
        {"cell_a": 3, "quantity": "priced_regret", "ratio_low": 0.9, "ratio_high": 1.2},
        {"cell_a": 4, "quantity": "priced_regret"},
        {"cell_a": 1, "quantity": "cost", "difference_low": 0.3, "difference_high": 0.4},
        {"cell_a": 2, "quantity": "cost", "difference_low": float("nan")},
    ]
    names = ("difference_low", "difference_high", "ratio_low", "ratio_high")
    frame = pl.DataFrame(rows, schema_overrides=dict.fromkeys(names, pl.Float64))
    assert Threshold.parse(text).broken(frame).get_column("cell_a").to_list() == broken


@pytest.mark.parametrize(
    "text", ["priced_regret", "> 3", "priced_regret > nan", "cost > x", "ratio cost > 1"]
)
def test_a_threshold_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="threshold="):
        Threshold.parse(text)


def test_independent_ratio_covers() -> None:
    generator = np.random.default_rng(3)
    inside = 0
    for _ in range(2000):
        a, b = generator.gamma(4.0, 0.5, 40), generator.gamma(4.0, 0.25, 60)
        found = independent_ratio(a, b)
        inside += found.low <= 2.0 <= found.high
    # 2,000 intervals of 95 %: four standard errors are 0.0195.
    assert abs(inside / 2000 - 0.95) < 0.0195


def test_single_trials_have_no_interval() -> None:
    found = independent_difference([3.0], [1.0, 2.0])
    assert found.estimate == 1.5
    assert np.isnan([found.low, found.high]).all()


def test_command(studies: dict[str, StoredStudy], tmp_path: Path) -> None:
    a, b = str(studies["a"].path), str(studies["wide"].path)
    runner = CliRunner()
    same = runner.invoke(app, ["compare", a, a, "--fail-if", "priced_regret > 1.05"])
    assert same.exit_code == 0, same.output
    assert "held: priced_regret > 1.05 in 0 of 4 cells" in same.stderr
    worse = runner.invoke(app, ["compare", a, b, "--fail-if", "difference regret > -1e9", "--json"])
    assert worse.exit_code == 1
    assert "broken: difference regret > -1e9 in" in worse.stderr
    content = json.loads(worse.stdout)
    assert content["broken"]["difference regret > -1e9"]
    assert {"cell_a", "ratio", "paired"} <= content["cells"][0].keys()
    assert runner.invoke(app, ["compare", a, str(tmp_path)]).exit_code == 2
    assert runner.invoke(app, ["compare", a, b, "--fail-if", "cost >"]).exit_code == 2


def test_trials_that_only_one_has_are_said(studies: dict[str, StoredStudy], tmp_path: Path) -> None:
    few = run_study(
        mini(policy=[{"name": "stageroute", "label": "mine"}], setting={"trials": 5}),
        tmp_path / "few",
        progress=False,
    )
    found = compare_studies(studies["a"], few)
    every = len(trials(studies["a"], 0, "regret"))
    first = found.table.row(0, named=True)
    assert (first["n"], first["trials_a"], first["trials_b"]) == (5, every, 5)
    assert found.lines()[2:] == [
        f"trials: {every} in A, 5 in B; compared are the 5 that both have",
        "2 cells are only in A: uniform, horizon = 60; uniform, horizon = 90",
    ]
    note = comparison_table(found, "cost").note
    assert f"Means over 5 trials that both have, of {every} in A and 5 in B; 95% intervals" in note


def test_a_check_says_what_it_could_not_check() -> None:
    rows = [
        {"quantity": "cost", "ratio_low": 1.0, "ratio_high": 1.1},
        {"quantity": "cost", "ratio_low": None, "ratio_high": None},
    ]
    threshold = Threshold.parse("cost > 1.05")
    assert threshold.outcome(pl.DataFrame(rows)) == (
        "held: cost > 1.05 in 0 of 2 cells (1 could not be checked: no ratio with an interval)"
    )
    assert threshold.outcome(pl.DataFrame(rows[:1])) == "held: cost > 1.05 in 0 of 1 cell"


def test_small_differences_of_costs_have_digits() -> None:
    row = {
        "quantity": "cost",
        "mean_a": 5.001e-4,
        "mean_b": 5.008e-4,
        "difference": 6.54e-7,
        "difference_low": 5.1e-7,
        "difference_high": 8.0e-7,
        "ratio": None,
    }
    assert difference_texts(row)[:3] == [
        "0.0005001",
        "0.0005008",
        "6.5e-07 [5.1e-07, 8.0e-07]",
    ]
    # Of a sum of rewards only rounding is left there, and equal costs are equal.
    assert difference_texts({**row, "quantity": "regret"})[2] == "0 [0, 0]"
    same = {**row, "difference": 1e-19, "difference_low": 0.0, "difference_high": 1e-19}
    assert difference_texts(same)[2] == "0 [0, 0]"
