"""Final regret against swept parameters: which cells make a line, and where its points are."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fastroute.report import StudyView, collect_view, write_page
from fastroute.report.notices import notices
from fastroute.report.style import line_style
from fastroute.report.sweeps import Sweep, sweep_figure, sweeps
from fastroute.study import load, run_study
from pages import Node, read
from studies import mini


def view_of(path: Path, **changes: Any) -> StudyView:
    run_study(mini(**changes), path, progress=False)
    return collect_view(load(path), 100)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """Return a study of a swept setting, a swept option of one policy, and another policy."""
    return view_of(
        tmp_path_factory.mktemp("sweeps") / "run",
        policy=[
            {"name": "stageroute", "gamma": [0.05, 0.2, 0.8], "label": "SR"},
            {"name": "uniform"},
        ],
        setting={"horizon": [50, 100, 400], "trials": 64},
    )


@pytest.fixture(scope="module")
def by_setting(swept: StudyView) -> Sweep:
    return sweeps(swept)[0]


@pytest.fixture(scope="module")
def by_option(swept: StudyView) -> Sweep:
    return sweeps(swept)[1]


def test_points_and_intervals_are_the_frames_on_logarithmic_axes(
    swept: StudyView, by_setting: Sweep, tmp_path: Path
) -> None:
    page = read(write_page(swept.stored.path, tmp_path / "x.html", details=1))
    summary = swept.stored.summary.collect()
    for quantity, panels in by_setting.panels.items():
        chart = page.one("svg", data_chart=f"sweep-horizon-{quantity}")
        lines = chart.lines()
        assert list(lines) == swept.policies
        for name, line in lines.items():
            mine = summary.filter(policy=name, quantity=quantity).sort("horizon")
            assert line["x"] == [50.0, 100.0, 400.0]
            assert line["mean"] == mine["mean"].to_list()
            # Matplotlib keeps what is between a mean and the end of its interval.
            for stat in ("low", "high"):
                assert line[stat] == pytest.approx(mine[stat].to_list(), rel=1e-12)
            # On a logarithmic axis 50 to 100 is half as far as 100 to 400.
            px = line["px"]
            assert px[2] - px[1] == pytest.approx(2.0 * (px[1] - px[0]), abs=0.2)
        figure = sweep_figure(by_setting, quantity, swept.policies)
        means = np.concatenate([line.values[0] for line in panels[0].lines])
        far = means.min() > 0.0 and means.max() > 25.0 * means.min()
        assert figure.axes[0].get_yscale() == ("log" if far else "linear")


def test_lines_keep_the_colours_of_their_policies(
    swept: StudyView, by_setting: Sweep, by_option: Sweep
) -> None:
    for sweep, names in (
        (by_setting, swept.policies),
        (by_option, [swept.policies[0], "uniform"]),
    ):
        axes, *_ = sweep_figure(sweep, "regret", swept.policies).axes
        bars: list[Any] = axes.containers
        colours = [one.lines[0].get_color() for one in bars]
        assert colours == [line_style(swept.policies.index(name)).colour for name in names]


def test_a_swept_option_of_a_policy_is_a_line_over_its_values(by_option: Sweep) -> None:
    assert by_option.name == by_option.axis == "policy.gamma"
    for panels in by_option.panels.values():
        assert [panel.title for panel in panels] == [
            "horizon = 50",
            "horizon = 100",
            "horizon = 400",
        ]
        for panel in panels:
            assert panel.x == [0.05, 0.1, 0.2, 0.8]
            line, other = panel.lines
            assert (line.name, line.policy) == ("SR", "SR (gamma=0.05)")
            assert (other.name, other.policy) == ("uniform", "uniform")
            assert np.isfinite(line.values[0]).tolist() == [True, False, True, True]
            assert np.isfinite(other.values[0]).tolist() == [False, True, False, False]


def view_with(swept: StudyView, **columns: pl.Expr) -> StudyView:
    return dataclasses.replace(swept, cells=swept.cells.with_columns(**columns))


def test_values_far_apart_have_a_logarithmic_axis_unless_one_is_below_zero(
    swept: StudyView,
) -> None:
    far = 10.0 ** pl.col("cell")
    below = pl.when(pl.col("cell") > 0).then(far).otherwise(-3.5)
    for value, scale in ((far, "log"), (below, "linear")):
        columns = {f"{stat}_regret": value for stat in ("mean", "low", "high")}
        (sweep, _) = sweeps(view_with(swept, **columns))
        (axes,) = sweep_figure(sweep, "regret", swept.policies).axes
        assert axes.get_yscale() == scale
        means = np.concatenate([line.values[0] for line in sweep.panels["regret"][0].lines])
        low, high = axes.get_ylim()
        # Nothing is cut.
        assert low <= means.min()
        assert means.max() <= high


@pytest.mark.filterwarnings("error")
def test_values_that_are_all_zero_or_missing_have_an_axis(swept: StudyView) -> None:
    for number in (0.0, math.nan):
        same = {f"{stat}_regret": pl.lit(number) for stat in ("mean", "low", "high")}
        (sweep, _) = sweeps(view_with(swept, **same))
        figure = sweep_figure(sweep, "regret", swept.policies)
        figure.draw_without_rendering()
        low, high = figure.axes[0].get_ylim()
        assert low < high


def test_cells_without_trials_make_no_panel(swept: StudyView) -> None:
    # Of every policy one horizon is done, and not the same.
    done = pl.col("cell").is_in([0, 5])
    gone = {"mean_regret": pl.when(done).then("mean_regret")}
    assert [sweep.axis for sweep in sweeps(view_with(swept, **gone))] == ["horizon"]
    for one in (pl.col("cell") == 0, pl.lit(value=False)):
        assert sweeps(view_with(swept, mean_regret=pl.when(one).then("mean_regret"))) == []


def test_of_many_lines_the_best_and_the_first_are_drawn(tmp_path: Path) -> None:
    view = view_of(
        tmp_path / "run",
        policy=[{"name": "uniform", "label": f"u{place}"} for place in range(11)],
        setting={"trials": 4},
    )
    # The first is the worst, and the others get better and better.
    worth = {f"{stat}_priced_regret": 100.0 - pl.col("cell") for stat in ("mean", "low", "high")}
    (sweep,) = sweeps(view_with(view, **worth))
    for panels in sweep.panels.values():
        names = [line.name for line in panels[0].lines]
        assert names == ["u0", *(f"u{place}" for place in range(4, 11))]
    assert sweep.notes == [
        "Of 11 lines the 7 with the lowest priced regret at horizon = 90 and the first are drawn."
    ]


def test_words_and_zeros_are_evenly_spaced(tmp_path: Path) -> None:
    view = view_of(
        tmp_path / "run",
        policy=[{"name": "stageroute", "fill": ["none", "ucb"]}],
        setting={"horizon": 60, "seed": [0, 1, 2], "trials": 8},
    )
    by_seed, by_fill = sweeps(view)
    assert (by_seed.name, by_fill.name) == ("seed", "policy.fill")
    assert by_seed.panels["regret"][0].x == [0.0, 1.0, 2.0]
    assert by_fill.panels["regret"][0].x == ["none", "ucb"]
    assert [line.name for line in by_fill.panels["regret"][0].lines] == ["stageroute"]
    for sweep, labels in ((by_seed, ["0", "1", "2"]), (by_fill, ["none", "ucb"])):
        axes, *_ = sweep_figure(sweep, "regret", view.policies).axes
        assert axes.get_xscale() == "linear"
        assert [label.get_text() for label in axes.get_xticklabels()] == labels
        assert list(axes.get_xticks()) == list(range(len(labels)))


def test_axes_that_go_together_are_one_parameter(tmp_path: Path) -> None:
    view = view_of(
        tmp_path / "run",
        zip=[["horizon", "trials"]],
        scenario={"name": "static", "n_models": [3, 4]},
        setting={"trials": [16, 8]},
    )
    by_models, by_horizon = sweeps(view)
    assert (by_horizon.name, by_horizon.axis) == ("horizon (with trials)", "horizon")
    assert [panel.title for panel in by_horizon.panels["regret"]] == [
        "static (n_models=3)",
        "static (n_models=4)",
    ]
    assert by_models.name == "scenario.n_models"
    assert [panel.title for panel in by_models.panels["regret"]] == [
        "horizon = 60, trials = 16",
        "horizon = 90, trials = 8",
    ]
    assert by_models.panels["regret"][0].x == [3.0, 4.0]
    figure = sweep_figure(by_models, "regret", view.policies, title="a title")
    assert figure.get_suptitle() == "a title"
    # Panels that are compared have the same scale.
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


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


def test_overspending_that_a_cheap_start_hides_is_a_warning_of_its_own(swept: StudyView) -> None:
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


def test_infeasible_rounds_and_late_pools_are_passed_on(swept: StudyView) -> None:
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
