import json

import numpy as np
import pytest

from fastroute.report.page_charts import MOST_POINTS
from fastroute.report.style import format_percent, line_style
from fastroute.report.svg import (
    ChartLine,
    Scale,
    line_chart,
    linear_range,
    log_range,
    numbers_to_json,
    stack_height,
    tick_text,
)

NAN = float("nan")


def line(*mean: float, margin: float = 0.0) -> ChartLine:
    y = np.array(mean)
    return ChartLine("a", line_style(0), 0, y, y - margin, y + margin)


def test_scales_map_ends_to_ends_and_keep_what_is_not_there() -> None:
    linear = Scale(0.0, 10.0, 300.0, 20.0)
    assert linear([0.0, 5.0, 10.0]).tolist() == [300.0, 160.0, 20.0]
    assert linear([-3.0, 99.0]).tolist() == [300.0, 20.0]
    assert np.isnan(linear([NAN])).all()
    log = Scale(1.0, 100.0, 0.0, 200.0, True)
    assert log([1.0, 10.0, 100.0]) == pytest.approx([0.0, 100.0, 200.0])


@pytest.mark.parametrize(
    ("scale", "texts"),
    [
        (Scale(0.0, 100_000.0, 0.0, 1.0), ["0", "20k", "40k", "60k", "80k", "100k"]),
        (Scale(-3.0, 3.0, 0.0, 1.0), ["-2", "0", "2"]),
        (Scale(1.0, 1e4, 0.0, 1.0, True), ["1", "10", "100", "1k", "10k"]),
        (Scale(1e-3, 4e-3, 0.0, 1.0), ["0.001", "0.002", "0.003", "0.004"]),
    ],
)
def test_ticks_are_round_and_inside(scale: Scale, texts: list[str]) -> None:
    ticks = scale.ticks()
    assert [tick.text for tick in ticks] == texts
    assert all(-1e-9 <= tick.at <= 1.0 + 1e-9 for tick in ticks)


@pytest.mark.parametrize("low", [1e-7, 3e-3, 1.0, 4.2, 950.0])
@pytest.mark.parametrize("ratio", [1.05, 2.0, 30.0, 1e5, 1e9])
@pytest.mark.parametrize("log", [False, True])
def test_every_axis_has_a_few_ticks(low: float, ratio: float, log: bool) -> None:
    ticks = Scale(low, ratio * low, 0.0, 300.0, log).ticks()
    assert 2 <= len(ticks) <= 12
    assert len({tick.text for tick in ticks}) == len(ticks)


def test_ranges_hold_the_data() -> None:
    assert linear_range([np.array([2.0, 10.0])]) == (0.0, pytest.approx(10.4))
    low, high = linear_range([np.array([-2.0, NAN, 10.0])])
    assert low < -2.0 < 10.0 < high
    assert linear_range([np.array([0.0])])[0] < linear_range([np.array([0.0])])[1]
    found = log_range([line(1.0, 10.0, margin=0.5), line(NAN, -5.0)])
    assert found is not None
    assert found[0] < 0.5 < 10.5 < found[1]
    assert log_range([line(-1.0, 0.0, NAN)]) is None


def test_tick_texts() -> None:
    assert [tick_text(v) for v in (0.0, 1e-15, 2500.0, 3e6, 0.0005)] == [
        "0",
        "0",
        "2.5k",
        "3M",
        "0.0005",
    ]


def test_gaps_are_left_out_of_lines_and_null_in_the_numbers() -> None:
    chart = line_chart(
        "c",
        "t",
        "d",
        np.array([1.0, 10.0, 100.0]),
        [line(NAN, 5.0, 50.0)],
        x_label="x",
        y_label="y",
        log_x=True,
        log_y=True,
    )
    (mark,) = chart.marks
    assert json.loads(mark.mean) == [None, 5.0, 50.0]
    assert mark.line.count("L") == 1
    assert mark.band
    # The axis begins where the line does.
    assert json.loads(chart.x_pixels)[1] == pytest.approx(chart.left, abs=0.1)


def test_a_single_point_is_a_point() -> None:
    chart = line_chart(
        "c", "t", "d", np.array([1.0]), [line(3.0)], x_label="x", y_label="y", rule=2.0
    )
    assert len(chart.marks[0].whiskers) == 1
    assert chart.budget is not None
    assert chart.top < chart.budget < chart.bottom


def test_labels_of_close_points_do_not_touch() -> None:
    x = np.array([1000.0, 1010.0, 5000.0])
    chart = line_chart(
        "c",
        "t",
        "d",
        x,
        [line(1.0, 2.0, 3.0)],
        x_label="x",
        y_label="y",
        x_words=["1,000", "1,010", "5,000"],
        whiskers=True,
    )
    assert [tick.text for tick in chart.x_ticks] == ["1,000", "5,000"]


def test_stacked_parts_reach_down_and_up() -> None:
    parts = {"a": np.array([1.0, 2.0]), "b": np.array([-1.0, 3.0]), "c": np.array([-2.0, 0.0])}
    assert stack_height(parts) == (-3.0, 5.0)


def test_numbers_survive_json() -> None:
    values = np.array([1.0, NAN, -1.23456789e-5, 123456.789])
    found = json.loads(numbers_to_json(values))
    assert found[1] is None
    assert [v for v in found if v is not None] == pytest.approx(
        values[np.isfinite(values)].tolist(), rel=1e-8
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (1.0, "100%"), (0.99999, ">99.9%"), (0.0004, "0.04%"), (2.3456, "235%")],
)
def test_shares(share: float, text: str) -> None:
    assert format_percent(share) == text


def test_many_points_are_thinned_and_the_last_one_stays() -> None:
    import polars as pl

    from fastroute.report.page_charts import _points

    frame = pl.DataFrame({"stage": np.arange(1, 5001)})
    points = _points(frame, "stage")
    assert points.size == MOST_POINTS
    assert (points[0], points[-1]) == (1.0, 5000.0)
