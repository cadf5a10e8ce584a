"""The charts of a world: regret, its parts, and spend by stage."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.report.page_data import PageData, WorldReport
from fastroute.report.style import PANEL_RATIO, PARTS, line_style, needs_log_axis
from fastroute.report.svg import Chart, ChartLine, line_chart, stack_chart, stack_height
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl

#: Of longer curves this many points are drawn, evenly chosen, the last one always.
MOST_POINTS: Final = 128


def regret_charts(data: PageData, world: WorldReport) -> list[Chart]:
    """Lay out regret and priced regret over rounds, with bands."""
    charts = []
    for quantity, title in (("regret", "Regret"), ("priced_regret", "Priced regret")):
        frame = world.curves.filter(quantity=quantity)
        rounds = _points(frame, "round")
        lines = _lines(data, frame, "round", rounds)
        log = needs_log_axis([line.mean for line in lines])
        charts.append(
            line_chart(
                f"{quantity}-{world.number}",
                f"{title} over rounds" + (", logarithmic axes" if log else ""),
                f"{title} added up over rounds in {world.title}, one line per policy with a band "
                "of 95% intervals of the mean. The table above has the final values.",
                rounds,
                lines,
                x_label="rounds",
                y_label="units of reward",
                log_x=log,
                log_y=log,
            )
        )
    return charts


def parts_charts(data: PageData, world: WorldReport) -> tuple[list[Chart], bool]:
    """Lay out the parts of the regret of each policy; tells whether all have one scale."""
    parts: dict[str, dict[str, NDArray[np.float64]]] = {}
    for policy in world.cells.get_column("policy"):
        mine = world.curves.filter(policy=policy)
        if mine.is_empty():
            continue
        rounds = _points(mine.filter(quantity="regret"), "round")
        parts[policy] = {
            name: _values_at(mine.filter(quantity=name), "round", rounds, "mean")
            for name in (*PARTS, "regret")
        }
    heights = {
        policy: stack_height({name: values[name] for name in PARTS})
        for policy, values in parts.items()
    }
    spans = [max(high - low, NEAR_ZERO) for low, high in heights.values()]
    shared = max(spans) <= PANEL_RATIO * min(spans)
    if shared:
        ends = [list(side) for side in zip(*heights.values(), strict=True)]
        heights = dict.fromkeys(heights, (min(ends[0]), max(ends[1])))
    charts = []
    for policy, values in parts.items():
        low, high = heights[policy]
        room = 0.05 * max(high - low, NEAR_ZERO)
        total = values.pop("regret")
        charts.append(
            stack_chart(
                f"parts-{world.number}-{data.policies.index(policy)}",
                policy,
                f"Parts of the regret of {policy} over rounds in {world.title}, stacked; the line "
                "is their sum. The table above has the final values.",
                rounds,
                values,
                total,
                policy=data.policies.index(policy),
                y_range=(low - room if low < 0.0 else 0.0, high + room),
            )
        )
    return charts, shared


def spend_chart(data: PageData, world: WorldReport) -> tuple[Chart, int]:
    """Lay out the spend by stage against the budget; tells how many stages are left out."""
    import polars as pl

    frame = world.spend.with_columns((pl.col("stage") + 1).alias("stage"))
    stages = _points(frame, "stage")
    budget = float(world.spend.get_column("budget")[0])
    unit = world.cells.get_column("cost_unit")[0]
    chart = line_chart(
        f"spend-{world.number}",
        f"Mean cost per query by stage (grey: budget {budget:g})",
        f"Mean cost per query of each policy in each stage of {world.title} against the budget of "
        f"{budget:g} {unit}, with 95% intervals. The table beside it sums it up.",
        stages,
        _lines(data, frame, "stage", stages),
        x_label="stage",
        y_label=unit,
        rule=budget,
    )
    return chart, frame.get_column("stage").n_unique() - stages.size


def _points(frame: "pl.DataFrame", column: str) -> NDArray[np.float64]:
    """Return the points of the horizontal axis that are drawn."""
    every = np.sort(frame.get_column(column).unique().to_numpy()).astype(np.float64)
    every = every[every > 0.0]
    if every.size <= MOST_POINTS:
        return every
    return every[np.unique(np.linspace(0, every.size - 1, MOST_POINTS).round().astype(int))]


def _values_at(
    frame: "pl.DataFrame", column: str, points: NDArray[np.float64], name: str
) -> NDArray[np.float64]:
    """Return a column of one policy at the points; NaN where it has no row."""
    found = np.full(points.size, np.nan)
    x = frame.get_column(column).to_numpy().astype(np.float64)
    place = np.searchsorted(points, x)
    inside = (place < points.size) & (points[np.minimum(place, points.size - 1)] == x)
    values = frame.get_column(name).to_numpy().astype(np.float64)
    found[place[inside]] = values[inside]
    return found


def _lines(
    data: PageData, frame: "pl.DataFrame", column: str, points: NDArray[np.float64]
) -> list[ChartLine]:
    lines = []
    for policy in frame.get_column("policy").unique(maintain_order=True):
        one = frame.filter(policy=policy)
        index = data.policies.index(policy)
        arrays: list[Any] = [
            _values_at(one, column, points, name) for name in ("mean", "low", "high")
        ]
        lines.append(ChartLine(policy, line_style(index), index, *arrays))
    return lines
