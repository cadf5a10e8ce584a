"""Final regret against each swept parameter: which cells make a line, and the charts."""

import json
import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.report.charts import (
    error_bars,
    legend_below,
    log_ticks,
    new_figure,
    with_report_style,
)
from fastroute.report.figures import MOST_LINES, shown_policies
from fastroute.report.style import INK, RC, format_value, line_style, needs_log, wrapped
from fastroute.report.view import StudyView
from fastroute.study.build import flat_options, policy_axes, scenario_axes
from fastroute.study.grid import Point, points

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastroute.study import PolicySpec, ScenarioSpec, Study

# Of each parameter this many panels are drawn.
_MOST_PANELS: Final = 6
# Values under an axis are broken at this width.
_TICK_WIDTH: Final = 14
_QUANTITIES: Final = {"regret": "Regret", "priced_regret": "Priced regret"}

Row = dict[str, Any]


class SweepLine(NamedTuple):
    """One line over the values of a swept parameter.

    Attributes
    ----------
    name : str
        The policy, without the value of the parameter.
    policy : str
        The first policy on it, whose colour it has.
    values : f8 [3, values]
        Mean, low and high end of the interval; NaN where there is no cell.
    """

    name: str
    policy: str
    values: NDArray[np.float64]


class SweepPanel(NamedTuple):
    """The lines of one combination of what else varies.

    Attributes
    ----------
    title : str
        What is held fixed; empty where nothing else varies.
    x : list of float or str
        Values of the parameter.
    lines : list of SweepLine
    """

    title: str
    x: list[float | str]
    lines: list[SweepLine]


class Sweep(NamedTuple):
    """Final regret against one swept parameter.

    Attributes
    ----------
    name : str
        The axis, as the study file calls it, and those that go together with it.
    axis : str
        The axis alone.
    panels : dict of str to list of SweepPanel
        By quantity: ``regret``, ``priced_regret``.
    notes : list of str
        What is not to be seen in the charts.
    """

    name: str
    axis: str
    panels: dict[str, list[SweepPanel]]
    notes: list[str]


class _Place(NamedTuple):
    """One cell of the study, seen along a swept parameter."""

    row: Row
    x: float | str
    panel: str  #: what is held fixed, as text that can be compared
    panel_title: str
    line: str


def sweeps(view: StudyView) -> list[Sweep]:
    """Lay out the charts of every swept parameter that at least two cells with trials differ in."""
    study = view.stored.study
    laid = points(study)
    rows = view.cells.to_dicts()
    found = []
    for group in _groups(study):
        places = [
            _place(study, group, row, x, point)
            for row, point in zip(rows, laid, strict=True)
            if row["mean_regret"] is not None and (x := _value(group[0], row)) is not None
        ]
        if panels := _panels(places):
            found.append(_sweep(group, places, panels))
    return found


def _panels(places: list[_Place]) -> list[list[_Place]]:
    """Return the places of every panel; where the parameter does not vary, it says nothing."""
    panels: dict[str, list[_Place]] = {}
    for place in places:
        panels.setdefault(place.panel, []).append(place)
    return [panel for panel in panels.values() if len({place.x for place in panel}) > 1]


def _groups(study: "Study") -> list[tuple[str, ...]]:
    """Return the axes of a study; those that go together as one, led by the first."""
    axes = {
        name: None
        for scenario in study.scenario
        for policy in study.policy
        for name, axis in study.axes(scenario, policy).items()
        if len(axis) > 1
    }
    groups: dict[tuple[str, ...], None] = {}
    for name in axes:
        together = next((group for group in study.zip if name in group), (name,))
        groups[tuple(axis for axis in axes if axis in together)] = None
    return list(groups)


def _place(
    study: "Study", group: tuple[str, ...], row: Row, x: float | str, point: Point
) -> _Place:
    """Find the value of the parameter in a cell, and what is held fixed besides."""
    fixed = [
        f"{name} = {format_value(value)}"
        for name, value in point.setting.items()
        if name not in group and isinstance(getattr(study.setting, name), tuple)
    ]
    scenario = _label(study.scenario, point.scenario, "scenario", group)
    several = len(study.scenario) > 1 or scenario != study.scenario[0].label
    title = ", ".join([scenario, *fixed] if several else fixed)
    policy = _label(study.policy, point.policy, "policy", group)
    return _Place(row, x, f"{scenario}; {fixed}", title, policy)


def _label(
    specs: "tuple[ScenarioSpec, ...] | tuple[PolicySpec, ...]",
    chosen: "ScenarioSpec | PolicySpec",
    kind: str,
    group: Collection[str],
) -> str:
    """Return the label of a scenario or policy without the value of the parameter."""
    if not any(axis.startswith(f"{kind}.") for axis in group):
        return chosen.label
    spec = max(
        (s for s in specs if chosen.label == s.label or chosen.label.startswith(f"{s.label} (")),
        key=lambda s: len(s.label),
    )
    found = (
        scenario_axes(spec.name, spec.options) if kind == "scenario" else policy_axes(spec.options)
    )
    told = [
        f"{name}={chosen.options[name]}"
        for name, axis in found.items()
        if len(axis) > 1 and f"{kind}.{name}" not in group
    ]
    return f"{spec.label} ({', '.join(told)})" if told else spec.label


def _value(axis: str, row: Row) -> float | str | None:
    """Return the parameter as a number where it is one; None where a cell has no such option."""
    kind, _, name = axis.rpartition(".")
    if axis == "policy.gamma":
        value = row["gamma"]
    elif kind:
        options = json.loads(row[f"{kind}_options"])
        value = (flat_options(options) if kind == "policy" else options).get(name)
    else:
        value = row[name]
    if value is None or isinstance(value, str):
        return value
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric else json.dumps(value)


def _sweep(group: tuple[str, ...], places: list[_Place], drawn: list[list[_Place]]) -> Sweep:
    # A line looks as the first policy on it does everywhere else.
    owners = {place.line: place.row["policy"] for place in reversed(places)}
    names = list(dict.fromkeys(place.line for place in places))
    notes = []
    if (left := len(drawn) - _MOST_PANELS) > 0:
        notes.append(f"{left:,} more combinations are not drawn; the table has their numbers.")
    drawn = drawn[:_MOST_PANELS]
    if len(names) > MOST_LINES:
        last = drawn[0][-1].x
        finals = {place.line: _known(place.row, "priced_regret") for place in drawn[0]}
        names = shown_policies(finals)
        notes.append(
            f"Of {len(finals):,} lines the {MOST_LINES - 1} with the lowest priced regret at "
            f"{group[0]} = {_tick_text(last)} and the first are drawn."
        )
    together = f" (with {', '.join(group[1:])})" if group[1:] else ""
    return Sweep(
        group[0] + together,
        group[0],
        {
            quantity: [_panel(panel, quantity, names, owners) for panel in drawn]
            for quantity in _QUANTITIES
        },
        notes,
    )


def _panel(
    panel: list[_Place], quantity: str, names: list[str], owners: dict[str, str]
) -> SweepPanel:
    """Return the lines of a panel."""
    values = list(dict.fromkeys(place.x for place in panel))
    if all(isinstance(value, float) for value in values):
        values.sort()
    lines = []
    for name in names:
        mine = {place.x: place.row for place in panel if place.line == name}
        if mine:
            rows = [mine.get(value) for value in values]
            arrays = [
                [math.nan if row is None else _known(row, quantity, stat) for row in rows]
                for stat in ("mean", "low", "high")
            ]
            lines.append(SweepLine(name, owners[name], np.array(arrays)))
    return SweepPanel(panel[0].panel_title, values, lines)


def _known(row: Row, quantity: str, stat: str = "mean") -> float:
    found = row[f"{stat}_{quantity}"]
    return math.nan if found is None else float(found)


@with_report_style
def sweep_figure(
    sweep: Sweep, quantity: str, policies: Sequence[str], *, title: str = ""
) -> "Figure":
    """Draw a final regret against a swept parameter, one panel per combination of what else varies.

    Parameters
    ----------
    sweep : Sweep
    quantity : {"regret", "priced_regret"}
    policies : sequence of str
        The policies of the study, in its order, which gives each its colour.
    title : str
        Written above the panels.

    Returns
    -------
    matplotlib.figure.Figure
        All panels share their vertical axis, which is logarithmic where no mean is negative and
        they differ by more than a factor of 25. Values of the parameter that are not all numbers
        above 0 are evenly spaced.
    """
    panels = sweep.panels[quantity]
    columns = min(3, len(panels))
    figure, every = new_figure(
        math.ceil(len(panels) / columns),
        columns,
        width=max(2.6 * columns + 0.6, 5.8),
        height=2.5 * math.ceil(len(panels) / columns) + 1.3,
    )
    means = np.concatenate([line.values[0] for panel in panels for line in panel.lines])
    logarithmic = needs_log(means)
    for axes, panel in zip(every, panels, strict=False):
        numbers = [float(value) for value in panel.x if isinstance(value, float) and value > 0.0]
        spaced = len(numbers) == len(panel.x)
        places = np.array(numbers) if spaced else np.arange(len(panel.x), dtype=np.float64)
        for line in panel.lines:
            frame = _rows(line.values)
            style = line_style(policies.index(line.policy))
            error_bars(axes, places, frame, line.name, style, positive=logarithmic)
        if spaced:
            log_ticks(axes, numbers)
        else:
            axes.set_xticks(places, [wrapped(_tick_text(value), _TICK_WIDTH) for value in panel.x])
        axes.set_xlabel(sweep.axis)
        axes.set_title(wrapped(panel.title, int(13 * figure.get_figwidth() / columns)))
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    limits = _same_range(every[: len(panels)], logarithmic)
    for axes in every[: len(panels)]:
        axes.set_ylim(*limits)
    label = f"{_QUANTITIES[quantity].lower()} at the horizon (units of reward)"
    if len(panels) == 1:
        every[0].set_ylabel(label)
    else:
        figure.supylabel(label, fontsize=RC["axes.labelsize"])
    if title:
        figure.suptitle(wrapped(title, int(14 * figure.get_figwidth())), fontsize=11)
    handles = {
        label: handle
        for axes in every[: len(panels)]
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    legend_below(figure, list(handles.values()), list(handles), note="95% intervals of the mean")
    return figure


def _same_range(every: "Sequence[Axes]", logarithmic: bool) -> tuple[float, float]:
    """Return the range that holds what is drawn on all axes."""
    if logarithmic:
        for axes in every:
            axes.set_yscale("log")
    ends = [axes.get_ylim() for axes in every]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    for axes in every:
        if low < 0.0:
            axes.axhline(0.0, color=INK, linewidth=0.6)
    return (low if logarithmic or low < 0.0 else 0.0), high


def _rows(values: NDArray[np.float64]) -> "pl.DataFrame":
    """Return mean, low and high, [3, values], as rows."""
    import polars as pl

    return pl.DataFrame(dict(zip(("mean", "low", "high"), values, strict=True)))


def _tick_text(x: float | str) -> str:
    """Write a value of the parameter under its axis."""
    if isinstance(x, str):
        return x
    return f"{x:,.0f}" if x >= 1000.0 else f"{x:.4g}"
