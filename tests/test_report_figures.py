from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.collections import FillBetweenPolyCollection

import factories
from fastroute.analyse import student_halfwidth
from fastroute.report import parts_figure, regret_figure, spend_figure
from fastroute.report.charts import save_figure
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
        (float("nan"), "-"),
        (float("inf"), "inf"),
    ],
)
def test_compact_numbers(value: float, text: str) -> None:
    assert format_number(value) == text
