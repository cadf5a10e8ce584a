"""Charts of the page: where lines, bands and ticks of an SVG go. The template draws them.

All positions are in the units of the SVG's view box, with the origin at the top left.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.report.style import PARTS, LineStyle

Floats = NDArray[np.float64]

# Room around the axes: for the tick labels and names of both axes.
_TOP: Final = 10
_RIGHT: Final = 16
_BOTTOM: Final = 46
_CHARACTER: Final = 6.6
# Ticks of a logarithmic axis closer together than this would run into each other.
_LABEL_ROOM: Final = 34.0
# A whisker that ends far below its point, or under zero, is cut here on a logarithmic axis.
_WHISKER: Final = 0.3


class ChartLine(NamedTuple):
    """One line of a chart, each array of shape [points] and NaN where there is nothing."""

    name: str
    style: LineStyle
    policy: int | None  #: whose line it is; None when it is nobody's to switch off
    mean: Floats
    low: Floats
    high: Floats


class LegendEntry(NamedTuple):
    """An entry of a legend: what a line looks like, and whose it is."""

    name: str
    style: LineStyle
    policy: int | None  #: as in :class:`ChartLine`


class Tick(NamedTuple):
    """A tick: where it is, and what it says."""

    at: float
    text: str


class Whisker(NamedTuple):
    """A point with its interval."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Mark:
    """One series as it is drawn, and its numbers for the tooltip.

    `line`, `band` and `area` are paths and may be empty; `mean`, `low` and `high` are JSON
    arrays with null where there is nothing, of the length of the chart's `x_values`.
    """

    name: str
    policy: int | None
    colour: str
    dashes: str
    line: str = ""
    band: str = ""
    area: str = ""
    fill: str = ""
    whiskers: tuple[Whisker, ...] = ()
    mean: str = "[]"
    low: str = "[]"
    high: str = "[]"


@dataclass(frozen=True)
class Chart:
    """Everything that the template needs to draw a chart."""

    name: str
    title: str
    description: str
    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_label: str
    y_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    x_values: str
    x_pixels: str
    marks: list[Mark]
    zero: float | None = None  #: where a thin horizontal line goes
    budget: float | None = None  #: and a thick one
    policy: int | None = None
    log: str = ""


class Scale(NamedTuple):
    """A map from values to positions along an axis."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, values: ArrayLike) -> Floats:
        """Return positions; what is outside the axis is put to its end, NaN stays."""
        array = np.asarray(values, dtype=np.float64)
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                array = np.log(array)
            low, high = math.log(self.low), math.log(self.high)
        else:
            low, high = self.low, self.high
        share = np.clip((array - low) / (high - low), 0.0, 1.0)
        return np.asarray(self.start + share * (self.stop - self.start))

    def ticks(self, most: int = 6) -> list[Tick]:
        """Return ticks at round values."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        locators: list[Any] = [MaxNLocator(most - 1, steps=[1, 2, 2.5, 5, 10])]
        if self.log:
            subs = (1.0,) if self.high > 100.0 * self.low else (1.0, 2.0, 5.0)
            # Between two powers of ten there may be nothing round but on a linear axis.
            locators.insert(0, LogLocator(subs=subs, numticks=most))
        room = 1e-9 * (self.high - self.low)
        inside: list[float] = []
        while locators and len(inside) < 2:
            found = locators.pop(0).tick_values(self.low, self.high)
            inside = [float(v) for v in found if self.low - room <= v <= self.high + room]
        return [Tick(float(self(v)), tick_text(v)) for v in inside]


def tick_text(value: float) -> str:
    """Write the value of a tick: ``20k``, ``1.5M``, ``0.001``."""
    if abs(value) < 1e-12:
        return "0"
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= scale:
            return f"{value / scale:.6g}{unit}"
    return f"{value:.6g}"


def linear_range(parts: Sequence[Floats], *, zero: bool = True) -> tuple[float, float]:
    """Return the ends of a linear axis that holds all finite values, and zero."""
    values = np.concatenate([part[np.isfinite(part)] for part in parts])
    ends = [0.0] if zero or not values.size else []
    low, high = (float(f([*ends, *values])) for f in (min, max))
    if low == high:
        low, high = low - 0.5 * abs(low or 1.0), high + 0.5 * abs(high or 1.0)
    room = 0.04 * (high - low)
    return low - room if low < 0.0 or not zero else low, high + room if high > 0.0 else high


def log_range(lines: Sequence[ChartLine], *, deepest: float = 1e-4) -> tuple[float, float] | None:
    """Return the ends of a logarithmic axis for the positive means and their intervals.

    None when no mean is positive. Means below `deepest` times the largest are left below the
    axis: a few early rounds may be orders of magnitude under all that is to be seen.
    """
    means = np.concatenate([line.mean for line in lines])
    positive = means[means > 0.0]
    if not positive.size:
        return None
    lows, highs = (np.concatenate([getattr(line, n) for line in lines]) for n in ("low", "high"))
    ends = np.maximum(lows, _WHISKER * means)[means > 0.0]
    low = max(float(np.nanmin([*positive, *ends])), deepest * float(positive.max()))
    high = float(np.nanmax([*positive, *highs[means > 0.0]]))
    return 0.9 * low, 1.1 * high


def line_chart(
    name: str,
    title: str,
    description: str,
    x: Floats,
    lines: Sequence[ChartLine],
    *,
    x_label: str,
    y_label: str,
    x_words: Sequence[str] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    y_range: tuple[float, float] | None = None,
    whiskers: bool = False,
    rule: float | None = None,
    size: tuple[int, int] = (460, 290),
) -> Chart:
    """Lay out lines with bands, or with whiskers at their points.

    Parameters
    ----------
    x : ndarray, [points]
        Shared by all lines, ascending.
    x_words : sequence of str, optional
        What `x` is called. With `whiskers`, ticks are at these points.
    y_range : tuple of float, optional
        Ends of the vertical axis; default from the data.
    rule : float, optional
        Where a thick horizontal line goes: the budget.
    """
    rules = [] if rule is None else [np.array([rule])]
    arrays = [array for line in lines for array in (line.mean, line.low, line.high)]
    log_y = log_y and (y_range is not None or log_range(lines) is not None)
    low, high = y_range or (log_range(lines) if log_y else None) or linear_range([*arrays, *rules])
    width, height = size
    bottom = height - _BOTTOM
    y_scale = Scale(low, high, bottom, _TOP, log_y)
    y_ticks = y_scale.ticks()
    left = _left(y_ticks)
    shown = x
    if log_x and log_y and not whiskers:
        # The axis begins where the first line does, not at rounds of which nothing is to be seen.
        seen = np.any([line.mean >= low for line in lines], axis=0)
        shown = x[np.argmax(seen) :]
    x_scale = _x_scale(shown, left, width - _RIGHT, log_x, padded=whiskers)
    at = x_scale(x)
    if whiskers:
        words = x_words or [tick_text(value) for value in x]
        x_ticks = _drop_overlapping([Tick(float(p), w) for p, w in zip(at, words, strict=True)])
    else:
        x_ticks = _drop_overlapping(x_scale.ticks())
    marks = []
    for line in lines:
        mean = np.where(line.mean >= low, line.mean, np.nan) if log_y else line.mean
        # An interval that reaches below zero reaches the end of a logarithmic axis.
        lower = np.where(line.low <= 0.0, low, line.low) if log_y else line.low
        y, y_low, y_high = y_scale(mean), y_scale(lower), y_scale(line.high)
        marks.append(
            Mark(
                name=line.name,
                policy=line.policy,
                colour=line.style.colour,
                dashes=line.style.svg_dashes,
                line=_path(at, y),
                band="" if whiskers else _band(at, np.where(np.isfinite(y), y_low, np.nan), y_high),
                whiskers=_whiskers(at, y, y_low, y_high) if whiskers or x.size == 1 else (),
                **_numbers(line.mean, line.low, line.high),
            )
        )
    zero = float(y_scale(0.0)) if not log_y and low < 0.0 < high else None
    return Chart(
        name=name,
        title=title,
        description=description,
        width=width,
        height=height,
        left=left,
        right=width - _RIGHT,
        top=_TOP,
        bottom=bottom,
        x_label=x_label,
        y_label=y_label,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        x_values=json.dumps(list(x_words)) if x_words else numbers_to_json(x),
        x_pixels=_pixels(at),
        marks=marks,
        zero=zero,
        budget=None if rule is None else float(y_scale(rule)),
        log="both" if log_x and log_y else "y" if log_y else "x" if log_x else "",
    )


def stack_chart(
    name: str,
    title: str,
    description: str,
    x: Floats,
    parts: dict[str, Floats],
    total: Floats,
    *,
    policy: int,
    y_range: tuple[float, float],
) -> Chart:
    """Lay out the parts of a regret: the positive ones upwards from zero, the others downwards."""
    width, height = 300, 210
    bottom = height - _BOTTOM
    y_scale = Scale(*y_range, bottom, _TOP)
    y_ticks = y_scale.ticks(5)
    left = _left(y_ticks)
    x_scale = _x_scale(x, left, width - _RIGHT, False)
    at = x_scale(x)
    upper, lower = np.zeros(x.size), np.zeros(x.size)
    marks = []
    for part, mean in parts.items():
        above, below = upper + np.maximum(mean, 0.0), lower + np.minimum(mean, 0.0)
        area = _band(at, y_scale(upper), y_scale(above)) if (mean > 0.0).any() else ""
        area += _band(at, y_scale(lower), y_scale(below)) if (mean < 0.0).any() else ""
        colour, hatch = PARTS[part]
        fill = f"url(#part-{part})" if hatch else colour
        marks.append(Mark(part, None, colour, "", area=area, fill=fill, mean=numbers_to_json(mean)))
        upper, lower = above, below
    marks.append(
        Mark(
            "regret",
            None,
            "#000000",
            "",
            line=_path(at, y_scale(total)),
            mean=numbers_to_json(total),
        )
    )
    return Chart(
        name=name,
        title=title,
        description=description,
        width=width,
        height=height,
        left=left,
        right=width - _RIGHT,
        top=_TOP,
        bottom=bottom,
        x_label="rounds",
        y_label="regret",
        x_ticks=_drop_overlapping(x_scale.ticks(5)),
        y_ticks=y_ticks,
        x_values=numbers_to_json(x),
        x_pixels=_pixels(at),
        marks=marks,
        zero=float(y_scale(0.0)) if y_range[0] < 0.0 else None,
        policy=policy,
    )


def stack_height(parts: dict[str, Floats]) -> tuple[float, float]:
    """Return how far down and up the stacked parts of a regret reach."""
    stacked = np.stack(list(parts.values()))
    return (
        float(np.minimum(stacked, 0.0).sum(axis=0).min()),
        float(np.maximum(stacked, 0.0).sum(axis=0).max()),
    )


def numbers_to_json(values: ArrayLike) -> str:
    """Write numbers as a JSON array with null for what is not finite, nine digits each."""
    array = np.asarray(values, dtype=np.float64)
    return "[" + ",".join(f"{v:.9g}" if math.isfinite(v) else "null" for v in array) + "]"


def _numbers(mean: Floats, low: Floats, high: Floats) -> dict[str, Any]:
    known = bool(np.isfinite(low).any())
    return {
        "mean": numbers_to_json(mean),
        "low": numbers_to_json(low) if known else "[]",
        "high": numbers_to_json(high) if known else "[]",
    }


def _left(ticks: Sequence[Tick]) -> float:
    """Room for the labels of the vertical axis and its name."""
    return 28.0 + _CHARACTER * max((len(tick.text) for tick in ticks), default=1)


def _x_scale(x: Floats, start: float, stop: float, log: bool, *, padded: bool = False) -> Scale:
    low, high = float(x.min()), float(x.max())
    if log:
        room = (high / low) ** 0.06 if padded and high > low else 1.0
        low, high = low / room, high * room
        return (
            Scale(low, high, start, stop, True)
            if low < high
            else Scale(low / 2.0, high * 2.0, start, stop, True)
        )
    room = 0.06 * (high - low) if padded else 0.0
    # Rounds and stages begin at the left end of the axis.
    low, high = (low - room, high + room) if padded else (min(low, 0.0), high)
    return Scale(low, high, start, stop) if low < high else Scale(low - 1, high + 1, start, stop)


def _drop_overlapping(ticks: Sequence[Tick]) -> list[Tick]:
    """Leave out ticks whose labels would touch the one before."""
    kept: list[Tick] = []
    for tick in ticks:
        letters = len(kept[-1].text) + len(tick.text) if kept else 0
        room = max(_LABEL_ROOM, 0.5 * _CHARACTER * letters + 8.0)
        if not kept or tick.at - kept[-1].at >= room:
            kept.append(tick)
    return kept


def _pixels(at: Floats) -> str:
    return "[" + ",".join(f"{p:.1f}" for p in at) + "]"


def _path(x: Floats, y: Floats) -> str:
    """Return a path through the points that are there."""
    there = np.isfinite(y)
    points = [f"{a:.1f} {b:.1f}" for a, b in zip(x[there], y[there], strict=True)]
    return "M" + "L".join(points) if len(points) > 1 else ""


def _band(x: Floats, low: Floats, high: Floats) -> str:
    """Return the closed path between two lines."""
    there = np.isfinite(low) & np.isfinite(high)
    if there.sum() < 2:
        return ""
    x, low, high = x[there], low[there], high[there]
    points = [*zip(x, high, strict=True), *zip(x[::-1], low[::-1], strict=True)]
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) + "Z"


def _whiskers(x: Floats, y: Floats, low: Floats, high: Floats) -> tuple[Whisker, ...]:
    """Return points with intervals; the point itself stands in where there is none."""
    found = []
    for a, b, c, d in zip(x, y, low, high, strict=True):
        if math.isfinite(b):
            ends = (c, d) if math.isfinite(c) and math.isfinite(d) else (b, b)
            found.append(Whisker(*(round(float(v), 1) for v in (a, b, *ends))))
    return tuple(found)
