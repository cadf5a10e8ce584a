"""Final regret against swept parameters: which cells make a line, and where its points are."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fastroute.report import write_page
from fastroute.report.notices import notices
from fastroute.report.page_data import PageData, collect_page_data
from fastroute.report.sweeps import sweeps
from fastroute.study import load, run_study
from pages import Node, read
from studies import mini


def page_data_of(path: Path, **changes: Any) -> PageData:
    run_study(mini(**changes), path, progress=False)
    return collect_page_data(load(path), 100)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> PageData:
    """Return a study of a swept setting, a swept option of one policy, and another policy."""
    return page_data_of(
        tmp_path_factory.mktemp("sweeps") / "run",
        policy=[
            {"name": "stageroute", "gamma": [0.05, 0.2, 0.8], "label": "SR"},
            {"name": "uniform"},
        ],
        setting={"horizon": [50, 100, 400], "trials": 64},
    )


def test_points_and_whiskers_are_the_frames_on_logarithmic_axes(
    swept: PageData, tmp_path: Path
) -> None:
    page = read(write_page(swept.stored.path, tmp_path / "x.html"))
    summary = swept.stored.summary.collect()
    for quantity in ("regret", "priced_regret"):
        chart = page.one("svg", data_chart=f"sweep-horizon-{quantity}-0")
        assert chart.attrs["data-log"] == "both"
        # On a logarithmic axis 50 to 100 is half as far as 100 to 400.
        px = chart.numbers("px")
        assert px[0] is not None
        assert px[1] is not None
        assert px[2] is not None
        assert px[2] - px[1] == pytest.approx(2.0 * (px[1] - px[0]), abs=0.2)
        marks = chart.all("g", class_="mark")
        assert len(marks) == 4
        heights: list[tuple[float, float]] = []
        for mark in marks:
            mine = summary.filter(policy=mark.attrs["data-name"], quantity=quantity).sort("horizon")
            assert mark.numbers("mean") == pytest.approx(mine["mean"].to_list(), rel=1e-8)
            assert mark.numbers("low") == pytest.approx(mine["low"].to_list(), rel=1e-8)
            points, whiskers = mark.all("circle"), mark.all("path", class_="whisker")
            assert len(points) == len(whiskers) == 3
            for point, whisker, row in zip(
                points, whiskers, mine.iter_rows(named=True), strict=True
            ):
                heights.append((math.log(row["mean"]), float(point.attrs["cy"])))
                # M x low V high ...
                low, high = whisker.attrs["d"].split("M")[1].split(" ")[1].split("V")
                assert float(low) >= float(point.attrs["cy"]) >= float(high)
                heights.append((math.log(row["high"]), float(high)))
        # All heights are one straight line in the logarithm of the value.
        x, y = np.array(heights).T
        slope, offset = np.polyfit(x, y, 1)
        assert slope < 0.0
        assert np.abs(slope * x + offset - y).max() < 0.15


def test_a_swept_option_of_a_policy_is_a_line_over_its_values(swept: PageData) -> None:
    (_, by_gamma) = sweeps(swept)
    assert by_gamma.name == "policy.gamma"
    assert [(key.name, key.policy) for key in by_gamma.keys] == [("SR", None), ("uniform", 3)]
    assert len(by_gamma.charts) == 2 * 3  # two quantities, three horizons
    chart = by_gamma.charts[0]
    assert chart.title == "Regret, horizon = 50"
    line, other = chart.marks
    assert (len(line.whiskers), len(other.whiskers)) == (3, 1)
    assert chart.x_values == '["0.05", "0.1", "0.2", "0.8"]'


def test_what_has_no_place_on_the_axis_is_named(swept: PageData) -> None:
    first = pl.col("cell") == 0
    below = swept.cells.with_columns(
        pl.when(first).then(-3.5).otherwise("mean_regret").alias("mean_regret")
    )
    found = sweeps(dataclasses.replace(swept, cells=below))
    (note,) = found[0].notes
    assert note == (
        "Regret of 0 or less has no place on a logarithmic axis: SR (gamma=0.05) at 50 (-3.500)."
    )
    assert '"-3.5"' not in found[0].charts[0].marks[0].line
    assert len(found[0].charts[0].marks[0].whiskers) == 2
    nothing = dataclasses.replace(swept, cells=below.with_columns(mean_regret=pl.lit(0.0)))
    assert [chart.name for chart in sweeps(nothing)[0].charts] == ["sweep-horizon-priced_regret-0"]


def test_words_and_zeros_are_evenly_spaced(tmp_path: Path) -> None:
    data = page_data_of(
        tmp_path / "run",
        policy=[{"name": "stageroute", "fill": ["none", "ucb"]}],
        setting={"horizon": 60, "seed": [0, 1, 2], "trials": 8},
    )
    by_seed, by_fill = sweeps(data)
    assert (by_seed.name, by_fill.name) == ("seed", "policy.fill")
    assert by_seed.charts[0].log == "y"
    assert "evenly spaced" in by_seed.notes[0]
    assert by_fill.charts[0].x_values == '["none", "ucb"]'
    assert [key.name for key in by_fill.keys] == ["stageroute"]


def test_axes_that_go_together_are_one_parameter(tmp_path: Path) -> None:
    data = page_data_of(
        tmp_path / "run",
        zip=[["horizon", "trials"]],
        scenario={"name": "static", "n_models": [3, 4]},
        setting={"trials": [16, 8]},
    )
    by_models, by_horizon = sweeps(data)
    assert by_horizon.name == "horizon (with trials)"
    assert [chart.title for chart in by_horizon.charts[:2]] == [
        "Regret, static (n_models=3)",
        "Regret, static (n_models=4)",
    ]
    assert by_models.name == "scenario.n_models"
    assert [chart.title for chart in by_models.charts[:2]] == [
        "Regret, horizon = 60, trials = 16",
        "Regret, horizon = 90, trials = 8",
    ]
    assert by_models.charts[0].x_values == '["3", "4"]'


def test_many_points_have_a_band_instead_of_whiskers(tmp_path: Path) -> None:
    data = page_data_of(tmp_path / "run", setting={"horizon": list(range(60, 90)), "trials": 8})
    for mark in sweeps(data)[0].charts[0].marks:
        assert mark.band
        assert not mark.whiskers


def notice_of(page: Node, kind: str) -> list[str]:
    return [item.text for item in page.one(data_notice=kind).all("li")]


def test_warnings_are_worked_out_from_the_frames(tmp_path: Path) -> None:
    study = mini(
        scenario={"name": "routerbench"},
        policy=[
            {"name": "static", "gamma": 0.1},
            {"name": "greedy", "gamma": 0.1},
            {"name": "oracle"},
        ],
        setting={"horizon": 3000, "trials": 40, "budget": 0.001},
    )
    stored = run_study(study, tmp_path / "run", progress=False)
    page = read(write_page(stored.path))
    trials = stored.trials.collect()
    summary = stored.summary.filter(quantity="cost").collect()
    over = summary.filter(pl.col("low") > 0.001).sort("mean", descending=True)
    lines = notice_of(page, "overspending")
    assert [line.partition(":")[0] for line in lines] == over["policy"].to_list()
    assert f"spends {100 * (over['mean'][0] / 0.001 - 1):.3g}% more" in lines[0]
    starved = {
        policy: (one["starved"].to_numpy() > 0).mean()
        for (policy,), one in trials.group_by("policy")
        if policy != "oracle"
    }
    assert max(starved.values()) > 0.0
    assert sorted(notice_of(page, "starvation")) == sorted(
        f"{policy}: in {100 * share:.3g}% of the trials"
        for policy, share in starved.items()
        if share > 0.0
    )
    # The scenario says itself what it is.
    assert "Surrogate: " in page.one(data_notice="scenario").text


def test_overspending_that_a_cheap_start_hides_is_a_warning_of_its_own(swept: PageData) -> None:
    budget = pl.col("budget")
    late, whole = pl.col("cell") == 1, pl.col("cell") == 0
    cells = swept.cells.with_columns(
        *(
            pl.when(whole).then(budget * a).otherwise(budget * 0.9).alias(f"{stat}_cost")
            for stat, a in (("low", 1.1), ("mean", 1.2), ("high", 1.3))
        ),
        *(
            pl.when(late | whole).then(budget * a).otherwise(budget * b).alias(f"{stat}_late_cost")
            for stat, a, b in (("low", 1.25, 0.9), ("mean", 1.5, 0.95), ("high", 1.75, 1.1))
        ),
    )
    found = {n.kind: n for n in notices(dataclasses.replace(swept, cells=cells))}
    assert [line.partition(": ")[2] for line in found["overspending"].items] == [
        "spends 20% more than the budget (10% to 30%)"
    ]
    # The cell that overspends on the whole is not named twice.
    assert [line.partition(": ")[2] for line in found["late-overspending"].items] == [
        "spends 50% more than the budget in the last half of the stages (25% to 75%)"
    ]
    # The first cell is clearly below zero, the second is not.
    below = swept.cells.with_columns(
        pl.when(pl.col("cell") == 0).then(-10.0).otherwise(-1.0).alias("mean_priced_regret"),
        pl.when(pl.col("cell") == 0).then(-8.0).otherwise(0.5).alias("high_priced_regret"),
    )
    found = {n.kind: n for n in notices(dataclasses.replace(swept, cells=below))}
    assert [line.rpartition(": ")[2] for line in found["below-zero"].items] == ["-10.00 ± 2.0"]
    calm = swept.cells.with_columns(pl.lit(None, pl.Float64).alias("low_late_cost"))
    kinds = {n.kind for n in notices(dataclasses.replace(swept, cells=calm))}
    assert "late-overspending" not in kinds


def test_infeasible_rounds_and_late_pools_are_passed_on(swept: PageData) -> None:
    import fastroute as fr

    # The words are those of the run itself: a scenario whose cheap model leaves.
    scenario = fr.Scenario(
        reward_mean=[0.9, 0.4],
        cost_mean=[1.0, 0.1],
        limit=[1.0, 1.0],
        arrival=[0, 0],
        retirement=[100, 50],
        cost_range=(0.05, 2.0),
    )
    policy = fr.policy("stageroute")
    run = fr.simulate(scenario, policy, horizon=100, budget=0.5, max_deployed=2, stages=4, trials=4)
    cells = swept.cells.with_columns(
        pl.when(pl.col("cell") == 1).then(run.warnings).otherwise([]).alias("warnings"),
        pl.when(pl.col("cell") == 1).then(0.25).otherwise(0.0).alias("over_budget"),
        pl.when(pl.col("cell") == 1).then(0.5).otherwise(0.0).alias("no_capacity"),
    )
    found = {n.kind: n for n in notices(dataclasses.replace(swept, cells=cells))}
    where = "SR (gamma=0.2) (horizon = 50): "
    assert found["over-budget"].items == [f"{where}25% of the rounds"]
    assert found["no-capacity"].items == [f"{where}50% of the rounds"]
    (line,) = found["pools"].items
    assert line == where + run.warnings[0]
    assert "unfinished" not in found
