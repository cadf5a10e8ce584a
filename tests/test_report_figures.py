from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure

import factories
from fastroute.analyse import ranking, standings, student_halfwidth
from fastroute.report import (
    parts_figure,
    ranking_figure,
    regret_figure,
    save_figure,
    spend_figure,
)
from fastroute.report.figures import MOST_LINES, shown_policies
from fastroute.report.ranking_figures import standings_figure
from fastroute.report.style import format_number, line_style


@pytest.fixture(scope="module")
def frames() -> dict[str, pl.DataFrame]:
    return factories.fake_study_frames(trials=6, stages=4, checkpoints=10)


def test_regret_lines_and_bands_are_the_data(frames: dict[str, pl.DataFrame]) -> None:
    figure = regret_figure(frames["curves"].lazy(), title="a title")
    (axes,) = figure.axes
    assert axes.get_title() == "a title"
    assert axes.get_xlabel() == "rounds"
    assert "units of reward" in axes.get_ylabel()
    assert axes.get_yscale() == "linear"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(factories.SHAPES)
    assert "95%" in legend.get_title().get_text()
    for line, band, policy in zip(axes.lines, axes.collections, factories.SHAPES, strict=True):
        one = frames["curves"].filter(policy=policy, quantity="regret")
        assert np.array_equal(line.get_ydata(), one["mean"].to_numpy())
        half = student_halfwidth(one["se"].to_numpy(), 6)
        assert isinstance(band, FillBetweenPolyCollection)
        heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
        assert heights.max() == pytest.approx((one["mean"].to_numpy() + half).max())


def test_axes_are_logarithmic_when_regrets_are_far_apart(
    frames: dict[str, pl.DataFrame],
) -> None:
    curves = frames["curves"].with_columns(
        pl.when(policy="oracle").then(pl.col("mean") * 1e-3).otherwise("mean").alias("mean")
    )
    (axes,) = regret_figure(curves).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    # A regret that is exactly zero at first is left out; one that is negative has no place.
    rising = curves.with_columns(
        pl.when(pl.col("round") < 5_000).then(0.0).otherwise("mean").alias("mean")
    )
    assert regret_figure(rising).axes[0].get_yscale() == "log"
    negative = curves.with_columns(
        pl.when(policy="greedy").then(-pl.col("mean")).otherwise("mean").alias("mean")
    )
    (axes,) = regret_figure(negative).axes
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] < 0.0


def legend_of(figure: Figure) -> tuple[str, list[str]]:
    """Return what stands above the legend of a figure, and its entries."""
    (legend,) = figure.legends
    return legend.get_title().get_text(), [text.get_text() for text in legend.get_texts()]


@pytest.fixture(scope="module")
def many() -> dict[str, pl.DataFrame]:
    """Return frames of twelve policies: of two, copies that come to ever more and spend more."""
    frames = factories.fake_study_frames(("greedy", "uniform"), trials=3, stages=3, checkpoints=8)
    value = {"curves": "mean", "stages": "spend"}
    return {
        name: pl.concat(
            frames[name].with_columns(
                pl.format("{} {}", "policy", pl.lit(copy)).alias("policy"),
                pl.col(column) * (1.0 + 0.1 * copy),
            )
            for copy in (5, 1, 4, 2, 3, 0)
        )
        for name, column in value.items()
    }


def test_of_many_policies_the_best_and_the_first_are_drawn(many: dict[str, pl.DataFrame]) -> None:
    curves = many["curves"]
    every = list(curves["policy"].unique(maintain_order=True))
    last = curves.filter(quantity="regret", round=20_000)
    best = last.sort("mean")["policy"].to_list()
    best.remove(every[0])
    wanted = {every[0], *best[: MOST_LINES - 1]}
    figure = regret_figure(curves)
    note, names = legend_of(figure)
    assert names == [policy for policy in every if policy in wanted]
    assert len(names) == MOST_LINES == 8
    assert note == "bands: 95% intervals of the mean; not drawn: 4 with higher final values"
    # Each has the colour that it has among all of them.
    for line, name in zip(figure.axes[0].lines, names, strict=True):
        assert line.get_color() == line_style(every.index(name)).colour
    parts = parts_figure(curves)
    assert "8 of 12 policies" in parts.get_suptitle()
    assert [axes.get_title() for axes in parts.axes if axes.get_visible()] == names
    # Eight fit.
    eight = curves.filter(pl.col("policy").is_in(every[:8]))
    note, names = legend_of(regret_figure(eight))
    assert (names, "not drawn" in note) == (every[:8], False)
    # Without bands the note still says how many are left out.
    single = curves.with_columns(pl.lit(np.nan).alias("se"))
    assert legend_of(regret_figure(single))[0] == "not drawn: 4 with higher final values"


def test_of_many_policies_those_that_spend_most_are_drawn(many: dict[str, pl.DataFrame]) -> None:
    stages = many["stages"]
    most = stages.group_by("policy", "stage").agg(pl.col("spend").mean())
    order = most.group_by("policy").agg(pl.col("spend").max()).sort("spend", descending=True)
    first, *others = order["policy"].to_list()
    every = list(stages["policy"].unique(maintain_order=True))
    others = [policy for policy in (first, *others) if policy != every[0]]
    note, names = legend_of(spend_figure(stages))
    assert set(names[:-1]) == {every[0], *others[:7]}
    assert note.endswith("; not drawn: 4 that never spend as much")


def test_what_has_no_value_is_drawn_last() -> None:
    values = {f"p{place}": float(place) for place in range(12)} | {"p3": float("nan")}
    assert shown_policies(values) == [f"p{place}" for place in range(9) if place != 3]
    assert shown_policies({"p0": float("nan"), "p1": 1.0}) == ["p0", "p1"]


@pytest.mark.filterwarnings("error")
def test_a_policy_without_numbers_does_not_spoil_the_others(
    frames: dict[str, pl.DataFrame],
) -> None:
    gone = pl.when(policy="greedy").then(np.nan)
    curves = frames["curves"].with_columns(
        gone.otherwise("mean").alias("mean"), gone.otherwise("se").alias("se")
    )
    figure = regret_figure(curves)
    figure.draw_without_rendering()
    bottom, top = figure.axes[0].get_ylim()
    assert bottom <= 0.0 < top < np.inf


def test_arrivals_and_retirements_are_marked(frames: dict[str, pl.DataFrame]) -> None:
    models = pl.DataFrame(
        {
            "model": [0, 1, 2, 3],
            "arrival": [0, 5000, 5000, 30_000],
            "retirement": [None, 8000, 12_000, None],
        }
    )
    figure = regret_figure(frames["curves"], models=models)
    events = {line.get_label(): line for line in figure.axes[0].lines[len(factories.SHAPES) :]}
    # What is there from the first round, or comes after the last one, is no event.
    assert np.asarray(events.pop("arrival").get_xdata()).tolist() == [5000]
    assert np.asarray(events.pop("retirement").get_xdata()).tolist() == [8000, 12_000]
    assert not events
    assert legend_of(figure)[1][-2:] == ["arrival", "retirement"]
    still = models.with_columns(arrival=pl.lit(0), retirement=pl.lit(None, pl.Int64))
    assert legend_of(regret_figure(frames["curves"], models=still))[1] == list(factories.SHAPES)


def test_no_event_hides_another(frames: dict[str, pl.DataFrame]) -> None:
    models = pl.DataFrame({"model": [0, 1], "arrival": [0, 5000], "retirement": [5000, None]})
    figure = regret_figure(frames["curves"], models=models, changes=[0, 5000, 6000, 90_000])
    axes = figure.axes[0]
    rows = {
        line.get_label(): float(np.asarray(line.get_ydata())[0])
        for line in axes.lines[len(factories.SHAPES) :]
    }
    # The same round, in rows of their own; a change is a line through the chart.
    assert 1.0 < rows["arrival"] + 0.02 < rows["retirement"]
    (change,) = [one for one in axes.collections if one.get_label() == "change"]
    rounds = [np.asarray(path.vertices)[:, 0].tolist() for path in change.get_paths()]
    assert rounds == [[5000] * 2, [6000] * 2]
    assert legend_of(figure)[1][-3:] == ["change", "arrival", "retirement"]


def test_both_regrets_of_a_world_have_the_same_rounds(frames: dict[str, pl.DataFrame]) -> None:
    rounds = dict(zip(range(2000, 20_001, 2000), 20_000 // 2 ** np.arange(9, -1, -1), strict=True))
    regret = frames["curves"].filter(pl.col("round") > 0, quantity="regret")
    regret = regret.with_columns(pl.col("round").replace_strict(rounds))
    # As where a loss comes late, and money is overspent at once.
    early = regret.with_columns(pl.lit("priced_regret").alias("quantity"))
    regret = regret.with_columns(
        pl.when(pl.col("round") < 1000).then(0.0).otherwise("mean").alias("mean")
    )
    both = pl.concat([regret, early])
    ranges = [
        regret_figure(both, quantity=name).axes[0].get_xlim()
        for name in ("regret", "priced_regret")
    ]
    assert ranges[0] == ranges[1]
    # Alone, each shows what it has.
    assert regret_figure(regret).axes[0].get_xlim()[0] > ranges[0][0]


def test_nothing_is_drawn_evenly_between_points_that_are_a_factor_apart(
    frames: dict[str, pl.DataFrame],
) -> None:
    rounds = dict(zip(range(2000, 20_001, 2000), 20_000 // 2 ** np.arange(9, -1, -1), strict=True))
    curves = frames["curves"].with_columns(pl.col("round").replace_strict(rounds))
    (axes,) = regret_figure(curves).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    # The axis begins where there is something to be seen.
    regret = curves.filter(quantity="regret")
    size = np.abs(regret["mean"].to_numpy())
    seen = regret["round"].to_numpy()[size >= 0.005 * size.max()]
    assert axes.get_xlim()[0] == pytest.approx(0.8 * seen.min())
    assert {axes.get_xscale() for axes in parts_figure(curves).axes if axes.get_visible()} == {
        "log"
    }
    # Evenly spaced points stay on an even axis.
    assert regret_figure(frames["curves"]).axes[0].get_xscale() == "linear"


def test_long_curves_are_thinned_and_the_last_point_stays() -> None:
    frames = factories.fake_study_frames(("static",), trials=2, stages=1, checkpoints=5000)
    (line,) = regret_figure(frames["curves"]).axes[0].lines
    x = np.asarray(line.get_xdata())
    assert x.size == 128
    assert (x[0], x[-1]) == (4, 20_000)


def ranked_trials(*means: float, trials: int = 20) -> pl.DataFrame:
    noise = np.random.default_rng(0).normal(0.0, 0.01 * trials, (len(means), trials))
    return pl.concat(
        pl.DataFrame(
            {"policy": f"p{i}", "trial": np.arange(trials), "priced_regret": mean + noise[i]}
        )
        for i, mean in enumerate(means)
    )


def test_a_ranking_marks_what_cannot_be_told_from_the_best() -> None:
    ranked = ranking(ranked_trials(9.0, 3.0, 3.01, 7.0), "policy")
    (axes,) = ranking_figure(ranked, title="a title").axes
    assert axes.get_title() == "a title"
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ranked["policy"].to_list() == ["p1", "p2", "p3", "p0"]
    # The first is at the top.
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    points = {line.get_label(): line for line in axes.lines if line.get_marker() == "o"}
    for tied, label in ((True, "best, or within noise of it"), (False, "clearly worse")):
        mine = ranked.with_row_index().filter(tied=tied)
        assert np.asarray(points[label].get_xdata()).tolist() == mine["mean"].to_list()
        assert np.asarray(points[label].get_ydata()).tolist() == mine["index"].to_list()
    (bars,) = axes.collections
    ends = [np.asarray(path.vertices)[:, 0].tolist() for path in bars.get_paths()]
    assert np.array(ends) == pytest.approx(ranked.select("low", "high").to_numpy())


@pytest.mark.parametrize(
    ("means", "trials", "scale"),
    [((1.0, 100.0), 20, "log"), ((-5.0, 3.0), 1, "linear"), ((2.0, 3.0), 1, "linear")],
)
@pytest.mark.filterwarnings("error")
def test_all_of_a_ranking_is_on_its_axis(means: tuple[float, ...], trials: int, scale: str) -> None:
    ranked = ranking(ranked_trials(*means, trials=trials), "policy")
    figure = ranking_figure(ranked)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    assert axes.get_xscale() == scale
    mean = ranked["mean"].to_numpy()
    assert low <= min(0.0 if scale == "linear" else np.inf, mean.min())
    assert high > mean.max()


def test_standings_are_counts_of_worlds() -> None:
    worlds = [ranked_trials(1.0, 2.0, 1.0), ranked_trials(1.0, 3.0), ranked_trials(4.0, 3.0)]
    table = standings((ranking(world, "policy") for world in worlds), "policy")
    (axes,) = standings_figure(table).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == table["policy"].to_list()
    for bars, column in zip(axes.containers, ("worlds", "tied", "best"), strict=True):
        assert [bar.get_width() for bar in bars] == table[column].to_list()


def test_a_long_ranking_says_what_it_leaves_out() -> None:
    ranked = ranking(ranked_trials(*range(1, 41), trials=3), "policy")
    (axes,) = ranking_figure(ranked).axes
    assert axes.get_title() == "Ranking (the first 24 of 40)"
    assert len(axes.get_yticklabels()) == 24


def test_parts_are_stacked_by_sign_and_the_line_is_their_sum(
    frames: dict[str, pl.DataFrame],
) -> None:
    figure = parts_figure(frames["curves"])
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert list(panels) == list(factories.SHAPES)
    for policy, axes in panels.items():
        last = frames["curves"].filter(policy=policy, round=20_000)
        parts = [last.filter(quantity=part)["mean"].item() for part in factories.PARTS]
        paths = [path for band in axes.collections for path in band.get_paths()]
        heights = np.concatenate([np.asarray(path.vertices) for path in paths])[:, 1]
        assert heights.max() == pytest.approx(sum(part for part in parts if part > 0))
        assert heights.min() == pytest.approx(sum(part for part in parts if part < 0), abs=1e-9)
        assert np.asarray(axes.lines[0].get_ydata())[-1] == pytest.approx(sum(parts))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [*factories.PARTS, "regret (the sum)"]


def test_panels_share_a_scale_only_when_of_like_height() -> None:
    alike = factories.fake_study_frames(("StageRoute", "static"), trials=3, stages=2)
    figure = parts_figure(alike["curves"])
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    apart = factories.fake_study_frames(("oracle", "uniform"), trials=3, stages=2)
    figure = parts_figure(apart["curves"])
    assert "own scale" in figure.get_suptitle()
    assert len({axes.get_ylim() for axes in figure.axes}) == 2


def test_spend_has_the_budget_and_the_unit(frames: dict[str, pl.DataFrame]) -> None:
    (axes,) = spend_figure(frames["stages"], cost_unit="USD").axes
    assert "USD" in axes.get_ylabel()
    *lines, budget = axes.lines
    assert set(np.asarray(budget.get_ydata())) == {0.001}
    for line, policy in zip(lines, factories.SHAPES, strict=True):
        assert np.array_equal(line.get_xdata(), [1, 2, 3, 4])
        mean = frames["stages"].filter(policy=policy, stage=2)["spend"].mean()
        assert np.asarray(line.get_ydata())[2] == pytest.approx(mean)


@pytest.mark.parametrize("options", [{"trials": 1}, {"trials": 4, "stage_means": True}])
def test_without_bands_nothing_speaks_of_bands(options: dict[str, int]) -> None:
    frames = factories.fake_study_frames(("static",), stages=1, **options)
    figure = spend_figure(frames["stages"])
    assert figure.legends[0].get_title().get_text() == ""
    assert figure.axes[0].lines[0].get_marker() == "o"


def test_colours_are_the_same_in_all_figures(frames: dict[str, pl.DataFrame]) -> None:
    regret, spend = regret_figure(frames["curves"]), spend_figure(frames["stages"])
    for one, other in zip(regret.axes[0].lines, spend.axes[0].lines, strict=False):
        assert one.get_color() == other.get_color()
    assert len({line_style(index) for index in range(49)}) == 49


@pytest.mark.parametrize("policies", [1, 2])
@pytest.mark.parametrize("regret", [0.0, -1e-9, 1e-12])
@pytest.mark.filterwarnings("error")
def test_regrets_that_are_all_zero_have_axes_of_some_height(
    frames: dict[str, pl.DataFrame], tmp_path: Path, regret: float, policies: int
) -> None:
    zero = pl.lit(0.0)
    names = list(factories.SHAPES)[:policies]
    curves = frames["curves"].filter(pl.col("policy").is_in(names))
    curves = curves.with_columns(pl.lit(regret).alias("mean"), zero.alias("se"))
    stages = frames["stages"].filter(pl.col("policy").is_in(names)).with_columns(spend=zero)
    for figure in (regret_figure(curves), parts_figure(curves), spend_figure(stages)):
        save_figure(figure, tmp_path / "figure.svg")
        # All panels have the same.
        ranges = {axes.get_ylim() for axes in figure.axes if axes.get_visible()}
        ((low, high),) = ranges
        assert low <= 0.0 < high
    assert "every panel" not in parts_figure(curves).get_suptitle()


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_data_give_the_same_bytes(
    frames: dict[str, pl.DataFrame], tmp_path: Path, suffix: str
) -> None:
    paths = [tmp_path / f"{index}{suffix}" for index in range(2)]
    for path in paths:
        save_figure(parts_figure(frames["curves"]), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_settings_of_the_caller_are_left_alone(frames: dict[str, pl.DataFrame]) -> None:
    before = dict(mpl.rcParams)
    regret_figure(frames["curves"])
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234.56, "1,235"),
        (-12.3456, "-12.35"),
        (0.00123456, "0.001235"),
        (1.5e-7, "1.5e-07"),
        (366_171.2, "366,171"),
        (2.5e12, "2.5e+12"),
        # Rounded up to a power of ten they have as many digits as it.
        (0.00099999999, "0.001000"),
        (999.99, "1,000"),
        (float("nan"), "-"),
        (float("inf"), "inf"),
    ],
)
def test_compact_numbers(value: float, text: str) -> None:
    assert format_number(value) == text
