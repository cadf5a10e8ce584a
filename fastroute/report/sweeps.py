"""Final regret against each swept parameter: which cells make a line, and the charts."""

import json
import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fastroute.report.page_data import PageData
from fastroute.report.style import format_number, format_value, line_style
from fastroute.report.svg import Chart, ChartLine, LegendEntry, line_chart, log_range
from fastroute.study.build import flat_options, policy_axes, scenario_axes
from fastroute.study.grid import Point, points

if TYPE_CHECKING:
    from fastroute.study import PolicySpec, ScenarioSpec, Study

# Of each parameter this many charts are drawn.
_MOST_CHARTS: Final = 12
_MOST_NAMED: Final = 5
# More points than this have a band instead of whiskers, which would hide each other.
_MOST_WHISKERS: Final = 24
_QUANTITIES: Final = {"regret": "Regret", "priced_regret": "Priced regret"}
_SIZE: Final = (400, 270)

Row = dict[str, Any]


class Sweep(NamedTuple):
    """The charts of one swept parameter.

    Attributes
    ----------
    name : str
        The axis, as the study file calls it, and those that go together with it.
    charts : list of Chart
        A regret and a priced regret for every combination of what else varies.
    keys : list of Key
        What each line looks like, and whose it is.
    notes : list of str
        What is not to be seen in the charts.
    """

    name: str
    charts: list[Chart]
    keys: list[LegendEntry]
    notes: list[str]


class _Place(NamedTuple):
    """One cell of the study, seen along a swept parameter."""

    row: Row
    x: float | str
    panel: str  #: what is held fixed, as text that can be compared
    panel_title: str
    line: str


def sweeps(data: PageData) -> list[Sweep]:
    """Lay out the charts of every swept parameter that at least two cells with trials differ in."""
    study = data.stored.study
    laid = points(study)
    rows = data.cells.to_dicts()
    found = []
    for group in _groups(study):
        places = [
            _place(study, group, row, x, point)
            for row, point in zip(rows, laid, strict=True)
            if row["mean_regret"] is not None and (x := _value(group[0], row)) is not None
        ]
        if len({place.x for place in places}) > 1:
            found.append(_sweep(data, group, places))
    return found


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


def _sweep(data: PageData, group: tuple[str, ...], places: list[_Place]) -> Sweep:
    numeric = all(isinstance(place.x, float) for place in places)
    log = numeric and all(isinstance(place.x, float) and place.x > 0.0 for place in places)
    # A line looks as the first policy on it does everywhere else on the page.
    owners = {place.line: place.row["policy"] for place in reversed(places)}
    keys = [
        LegendEntry(
            name,
            line_style(data.policies.index(owners[name])),
            data.policies.index(name) if name in data.policies else None,
        )
        for name in dict.fromkeys(place.line for place in places)
    ]
    panels: dict[str, list[_Place]] = {}
    for place in places:
        panels.setdefault(place.panel, []).append(place)
    # A panel in which the parameter does not vary says nothing about it.
    drawn = [panel for panel in panels.values() if len({place.x for place in panel}) > 1]
    notes = []
    if not log:
        notes.append(
            f"Values of {group[0]} are evenly spaced, because not all are numbers above 0; the "
            "vertical axis is logarithmic."
        )
    left = len(drawn) - _MOST_CHARTS // len(_QUANTITIES)
    drawn = drawn[: _MOST_CHARTS // len(_QUANTITIES)]
    if left > 0:
        notes.append(f"{left:,} more combinations are not drawn; the table has their numbers.")
    charts = []
    for quantity, title in _QUANTITIES.items():
        lines = [_lines(panel, quantity, keys) for panel in drawn]
        shared = log_range([line for _, _, panel in lines for line in panel], deepest=1e-9)
        notes += _missing(places, quantity)
        if shared is None:
            continue
        for number, (panel, (x, words, panel_lines)) in enumerate(zip(drawn, lines, strict=True)):
            heading = title + (f", {panel[0].panel_title}" if panel[0].panel_title else "")
            charts.append(
                line_chart(
                    f"sweep-{group[0]}-{quantity}-{number}",
                    heading,
                    f"{heading}, at the horizon against {group[0]} on logarithmic axes, one line "
                    "per policy with 95% intervals. The table of results has the numbers.",
                    x if log else np.arange(x.size, dtype=np.float64),
                    panel_lines,
                    x_label=group[0],
                    y_label="units of reward",
                    x_words=words,
                    log_x=log,
                    log_y=True,
                    y_range=shared,
                    whiskers=not log or x.size <= _MOST_WHISKERS,
                    size=_SIZE,
                )
            )
    together = f" (with {', '.join(group[1:])})" if group[1:] else ""
    return Sweep(group[0] + together, charts, keys, notes)


def _lines(
    panel: list[_Place], quantity: str, keys: list[LegendEntry]
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], list[str], list[ChartLine]]:
    """Return values of the parameter, how they are called, and the lines over them."""
    values = list(dict.fromkeys(place.x for place in panel))
    if all(isinstance(value, float) for value in values):
        values.sort()
    column = {value: index for index, value in enumerate(values)}
    words = [_tick_text(value) for value in values]
    lines = []
    for key in keys:
        mine = [place for place in panel if place.line == key.name]
        if not mine:
            continue
        arrays = np.full((3, len(values)), math.nan)
        for place in mine:
            for array, stat in zip(arrays, ("mean", "low", "high"), strict=True):
                found = place.row[f"{stat}_{quantity}"]
                array[column[place.x]] = math.nan if found is None else found
        lines.append(ChartLine(key.name, key.style, key.policy, *arrays))
    x = np.array([v if isinstance(v, float) else i for i, v in enumerate(values)], np.float64)
    return x, words, lines


def _tick_text(x: float | str) -> str:
    """Write a value of the parameter under its axis."""
    if isinstance(x, str):
        return x
    return f"{x:,.0f}" if x >= 1000.0 else f"{x:.4g}"


def _missing(places: list[_Place], quantity: str) -> list[str]:
    """Name the points that have no place on a logarithmic axis."""
    below = [place for place in places if place.row[f"mean_{quantity}"] <= 0.0]
    if not below:
        return []
    named = []
    for place in below[:_MOST_NAMED]:
        where = f", {place.panel_title}" if place.panel_title else ""
        value = format_number(place.row[f"mean_{quantity}"])
        named.append(f"{place.line} at {_tick_text(place.x)}{where} ({value})")
    left = len(below) - len(named)
    more = f" and {left:,} more" if left else ""
    what = _QUANTITIES[quantity]
    return [f"{what} of 0 or less has no place on a logarithmic axis: {'; '.join(named)}{more}."]
