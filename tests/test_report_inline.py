"""Figures as part of a page, and what all charts share."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

import factories
from fastroute.analyse import curve_intervals
from fastroute.report import parts_figure, regret_figure, save_figure, spend_figure
from fastroute.report.charts import (
    error_bars,
    heatmap,
    legend_below,
    log_ticks,
    new_figure,
    symmetric_log,
    with_report_style,
)
from fastroute.report.inline import inline_svg
from fastroute.report.style import GRID, INK, format_percent, line_style, wrapped
from pages import Node, parse

NAN = float("nan")
# Names that read like markup, mathematics, coordinates or colours, or that Matplotlib would hide.
NAMES = (
    "</text><script>x</script>\"'&",
    r"$\frac{1}$ and $a_b$",
    "_hidden",
    f'a d="1.23456789" {INK}',
    'b id="a" url(#b)',
)


@pytest.fixture(scope="module")
def curves() -> pl.DataFrame:
    """Return curves of policies of those names."""
    frames = factories.fake_study_frames(trials=6, stages=4, checkpoints=10)
    named = dict(zip(factories.SHAPES, NAMES, strict=True))
    return frames["curves"].with_columns(pl.col("policy").replace_strict(named))


@pytest.fixture(scope="module")
def figure(curves: pl.DataFrame) -> Figure:
    models = pl.DataFrame(
        {"model": [0, 1, 2], "arrival": [0, 5000, 9000], "retirement": [None, 12000, 20_000]}
    )
    return regret_figure(curves, title=NAMES[1], models=models)


@pytest.fixture(scope="module")
def chart(figure: Figure) -> Node:
    """Return the figure as the page has it."""
    return parse(inline_svg(figure, "regret-0", "Regret <of> all.")).one("svg")


def texts(chart: Node) -> list[str]:
    return ["".join(str(part) for part in node.parts) for node in chart.all("text")]


def test_the_numbers_of_a_chart_are_exactly_those_of_the_frame(
    curves: pl.DataFrame, chart: Node
) -> None:
    (panel,) = json.loads(chart.attrs["data-panels"])
    assert panel["x_label"] == "rounds"
    left, top, right, bottom = panel["frame"]
    assert 0 < left < right <= float(chart.attrs["viewbox"].split()[2])
    assert 0 < top < bottom < float(chart.attrs["viewbox"].split()[3])
    lines = chart.lines()
    assert list(lines) == list(NAMES)
    for index, (name, line) in enumerate(lines.items()):
        one = curve_intervals(curves.filter(policy=name, quantity="regret")).sort("round")
        assert line["x"] == one["round"].to_list()
        for stat in ("mean", "low", "high"):
            assert line[stat] == one[stat].to_list()
        # The places are where the line is drawn.
        slope, start = np.polyfit(line["x"], line["px"], 1)
        assert np.abs(slope * np.array(line["x"]) + start - line["px"]).max() < 0.1
        assert left < line["px"][0] < line["px"][-1] < right
        assert line["colour"] in (line_style(index).colour, "var(--ink)")


def test_names_are_text_and_never_markup_or_mathematics(chart: Node) -> None:
    assert chart.attrs["aria-label"] == "Regret <of> all."
    assert not chart.all("script")
    shown = "".join(texts(chart)).replace("\N{ZERO WIDTH SPACE}", "")
    for name in NAMES:
        # The drawing of a line: the line, its band, its entry in the legend.
        assert {node.tag for node in chart.all(data_series=name)} == {"g"}
        assert len(chart.all(data_series=name)) == 2
        key = [text for node in chart.all(data_key=name) for text in node.all("text")]
        assert len(key) == 1
        assert name in shown
    # The title too.
    assert shown.count(NAMES[1]) == 2


def test_what_is_no_line_cannot_be_pressed(figure: Figure, chart: Node) -> None:
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[len(NAMES) :] == ["arrival", "retirement"]
    keys = {node.attrs["data-key"] for node in chart.walk() if "data-key" in node.attrs}
    marked = {node.attrs["data-series"] for node in chart.walk() if "data-series" in node.attrs}
    assert keys == marked == {*NAMES, "arrival", "retirement"}
    frames = factories.fake_study_frames(("static", "greedy"), trials=3, stages=3)
    spend = parse(inline_svg(spend_figure(frames["stages"]), "s", "Spend."))
    keys = {node.attrs["data-key"] for node in spend.walk() if "data-key" in node.attrs}
    assert keys == {"static", "greedy"}
    assert "budget (0.001)" in texts(spend)


def test_ids_are_those_of_the_figure_alone(curves: pl.DataFrame, chart: Node) -> None:
    parts = inline_svg(parts_figure(curves), "sweep-policy.x", "Parts of the regret.")
    both = [*chart.walk(), *parse(parts).walk()]
    ids = [node.attrs["id"] for node in both if "id" in node.attrs]
    assert len(set(ids)) == len(ids) > 2
    assert all(name.startswith(("regret-0-", "sweep-policy-x-")) for name in ids)
    used = {
        found
        for node in both
        for name, value in node.attrs.items()
        if not name.startswith("data-")
        for found in re.findall(r"url\(#([^)]+)\)" if "href" not in name else "^#(.+)", value)
    }
    assert used == set(ids)


def test_ink_and_grid_follow_the_theme(chart: Node) -> None:
    paints = [
        value
        for node in chart.walk()
        for name, value in node.attrs.items()
        if name in ("style", "fill", "stroke")
    ]
    joined = " ".join(paints)
    assert "var(--ink)" in joined
    assert "var(--grid)" in joined
    assert not any(colour in joined for colour in (INK, GRID, "#000000"))
    assert line_style(0).colour.lower() in joined


def test_a_file_has_short_coordinates_and_its_text_untouched(
    figure: Figure, tmp_path: Path
) -> None:
    save_figure(figure, tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    tags = re.findall(r"<[^<>]*>", text)
    places = [place for tag in tags for place in re.findall(r'\s(?:d|x|y)="([^"]*)"', tag)]
    assert len(places) > 20
    assert not [place for place in places if re.search(r"\.\d{3}", place)]
    assert ' d="1.23456789"' in re.sub(r"<[^<>]*>", "", text)


@pytest.mark.filterwarnings("error")
def test_gaps_are_left_out_of_lines_and_null_in_the_numbers(curves: pl.DataFrame) -> None:
    first = pl.col("round") < 5000
    rising = curves.with_columns(
        pl.when(first | (pl.col("policy") == NAMES[1])).then(1e-3).otherwise("mean").alias("mean"),
        pl.when(first).then(NAN).otherwise("se").alias("se"),
    ).with_columns(pl.when(first).then(0.0).otherwise("mean").alias("mean"))
    chart = parse(inline_svg(regret_figure(rising), "x", "Regret.")).one("svg")
    line = chart.lines()[NAMES[0]]
    known = [x >= 5000 for x in line["x"]]
    assert [mean is not None for mean in line["mean"]] == known
    assert [low is not None for low in line["low"]] == known
    assert all(np.isfinite(line["px"]))


@with_report_style
def bars(x: list[float], *series: list[float]) -> Figure:
    figure, (axes,) = new_figure(1, 1, width=4.0, height=3.0)
    for index, mean in enumerate(series):
        half = 0.1 * np.array(mean)
        frame = pl.DataFrame({"mean": mean, "low": mean - half, "high": mean + half})
        error_bars(axes, x, frame, f"_{index}", line_style(index), positive=True)
    log_ticks(axes, x)
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def test_intervals_of_points_are_theirs_and_labels_do_not_touch() -> None:
    x = [1000.0, 1010.0, 5000.0]
    figure = bars(x, [1.0, 2.0, 3.0], [0.0, 20.0, NAN])
    chart = parse(inline_svg(figure, "x", "Points.")).one("svg")
    one, other = chart.lines().values()
    assert (one["name"], other["name"]) == ("_0", "_1")
    assert one["low"] == pytest.approx([0.9, 1.8, 2.7])
    assert one["high"] == pytest.approx([1.1, 2.2, 3.3])
    assert other["mean"] == [None, 20.0, None]
    # On a logarithmic axis a factor is a distance.
    far, near = one["px"][2] - one["px"][0], one["px"][1] - one["px"][0]
    assert far / near == pytest.approx(np.log(5.0) / np.log(1.01), rel=0.1)
    ticks = [text for text in texts(chart) if text.endswith("k")]
    assert ticks == ["1k", "5k"]


@with_report_style
def table_of_colours(values: np.ndarray, ratios: bool) -> Figure:
    figure, (axes,) = new_figure(1, 1, width=4.0, height=3.0)
    limits = (0.25, 4.0) if ratios else (0.0, 4.0)
    heatmap(figure, axes, values, NAMES[:2], ["$x$", "y"], limits=limits, log=ratios,
            diverging=ratios)  # fmt: skip
    return figure


@pytest.mark.parametrize("ratios", [True, False])
def test_numbers_on_colours_can_be_read(ratios: bool) -> None:
    figure = table_of_colours(np.array([[0.25, 1.0], [4.0, NAN]]), ratios)
    inks = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert list(inks) == ["0.2500", "1.000", "4.000"]
    # Of ratios 1 is the pale middle of the colours, and both ends are dark.
    dark = [ink == "white" for ink in inks.values()]
    assert dark == ([True, False, True] if ratios else [True, True, False])
    chart = parse(inline_svg(figure, "x", "Colours."))
    assert {"$x$", NAMES[0], NAMES[1]} <= set(texts(chart))
    # The colours are a picture inside the figure.
    assert chart.one("image").attrs["xlink:href"].startswith("data:image/png;base64,")


def test_a_figure_grows_with_its_legend() -> None:
    few, many = (bars([1.0, 2.0], *[[1.0, 2.0]] * count) for count in (2, 12))
    heights = []
    for figure in (few, many):
        svg = parse(inline_svg(figure, "x", "Points.")).one("svg")
        (panel,) = json.loads(svg.attrs["data-panels"])
        _, top, _, bottom = panel["frame"]
        heights.append(bottom - top)
    assert many.get_figheight() > few.get_figheight() == 3.0
    # The panel keeps its height, but for rounding of the room.
    assert heights[1] > 0.9 * heights[0]


def test_an_axis_on_both_sides_of_zero_is_linear_in_between() -> None:
    figure = bars([1.0, 2.0], [1.0, 2.0])
    (axes,) = figure.axes
    axes.set_ylim(-100.0, 1000.0)
    symmetric_log(axes, 1.0)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert {"-10", "0", "100", "1,000"} <= set(labels)


def test_formulas_of_ticks_stay_formulas() -> None:
    figure = bars([10.0, 100.0], [1.0, 2000.0])
    figure.axes[0].set_yscale("log")
    shown = texts(parse(inline_svg(figure, "x", "Points.")))
    assert not [text for text in shown if "$" in text]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("", [""]),
        ("unbreakable", ["unbreaka", "ble"]),
        ("東京大学の", ["東京大学", "の"]),
    ],
)
def test_texts_are_broken_at_a_width(text: str, lines: list[str]) -> None:
    assert wrapped(text, 8).split("\n") == lines


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (1.0, "100%"), (0.99999, ">99.9%"), (0.0004, "0.04%"), (2.3456, "235%")],
)
def test_shares(share: float, text: str) -> None:
    assert format_percent(share) == text
