"""The chart system: how figures are made, what is drawn on them, and how they are written.

Every figure of the report is a Matplotlib figure that belongs to no window and no global state. It
is made once and serves as a file (:func:`save_figure`), on the page (:mod:`.inline`) and in
notebooks. What belongs to one line, its band and its entry in the legend included, has one mark
(:func:`mark_series`), by which the page finds it again.
"""

import functools
import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.report.lighten import lighten
from fastroute.report.style import (
    INK,
    PANEL_RATIO,
    RC,
    LineStyle,
    font_families,
    format_number,
    line_style,
    wrapped,
)
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

#: How the marks begin: of what belongs to one line, and of its entry in a legend.
SERIES: Final = "series:"
KEY: Final = "key:"

# How much text of a legend fits, and how much of it a key with its space takes.
_CHARACTERS_PER_INCH: Final = 14.0
_KEY_CHARACTERS: Final = 10
# A figure has room for this many lines of a legend, and grows by so many inches for each one more.
_KEY_LINES: Final = 2
_KEY_HEIGHT: Final = 0.17
# Names in a legend are broken at this width.
_KEY_WIDTH: Final = 30
_BAND: Final = 0.18
# Of an SVG, in which no angle bracket stands for itself.
_TAG: Final = re.compile(r"<[^<>]*>")
_ATTRIBUTE: Final = re.compile(r"""\s([\w:-]+)=(?:"([^"]*)"|'([^']*)')""")
_COORDINATES: Final = ("d", "x", "y", "width", "height", "transform")
_LONG_NUMBER: Final = re.compile(r"-?\d+\.\d{3,}")
_LINE_END: Final = re.compile(r" +\n")
# Before a name that begins with an underline, which Matplotlib would leave out of a legend: a
# letter without width.
_SHOWN: Final = "\N{ZERO WIDTH SPACE}"
# The labels of so many ticks fit beside each other.
_LEVEL_TICKS: Final = 6
# Text on colours; it is the same in the light and in the dark theme.
_ON_COLOUR: Final = "#111111"
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")

P = ParamSpec("P")
R = TypeVar("R")


def with_report_style(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function under the settings of the house, and leave those of the caller alone."""

    @functools.wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl
        from matplotlib.figure import Figure

        with (
            mpl.rc_context({**RC, "font.family": font_families()}),
            warnings.catch_warnings(),
        ):
            # Letters that no installed font has: in SVG they are text, which the reader's fonts
            # show.
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            made = function(*args, **kwargs)
            if isinstance(made, Figure):
                _show_names_as_they_are(made)
            return made

    return styled


def _show_names_as_they_are(figure: "Figure") -> None:
    """Let no dollar signs in names begin a formula; only ticks of numbers may be formulas."""
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    formulas: set[Any] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter | ScalarFormatter):
                formulas.update(axis.findobj(Text))
                formulas.discard(axis.label)
            else:
                # Makes ticks that are not there yet.
                axis.get_ticklabels()
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in formulas:
            text.set_parse_math(False)


def new_figure(
    rows: int, columns: int, *, width: float, height: float
) -> "tuple[Figure, list[Axes]]":
    """Return a figure and its axes in reading order."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    return figure, list(panels.ravel())


@with_report_style
def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as SVG, PNG or PDF (by the suffix), the same figure always as the same bytes.

    Where SVG is written, text stays text.
    """
    if path.suffix == ".svg":
        path.write_text(lighten(svg_text(figure)), encoding="utf-8")
        return
    # The date of writing would make every file different.
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": "fastroute"}
    figure.savefig(path, dpi=160, metadata=metadata)


def svg_text(figure: "Figure", **options: Any) -> str:
    """Return a figure as SVG, with coordinates as exact as can be seen: 0.01 points."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, **options)
    return with_attributes(buffer.getvalue(), _rounded)


def with_attributes(svg: str, change: Callable[[str, str], tuple[str, str]]) -> str:
    """Change the attributes of an SVG, and no text in it.

    Parameters
    ----------
    svg : str
    change : callable
        Takes name and value, and returns those of the new attribute; an empty name drops it.
    """

    def attribute(found: "re.Match[str]") -> str:
        value = found[3].replace('"', "&quot;") if found[2] is None else found[2]
        name, value = change(found[1], value)
        return f' {name}="{value}"' if name else ""

    return _TAG.sub(lambda tag: _ATTRIBUTE.sub(attribute, tag[0]), svg)


def _rounded(name: str, value: str) -> tuple[str, str]:
    """Round the coordinates of an attribute."""
    if name in _COORDINATES:
        value = _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", value)
        value = _LINE_END.sub("\n", value)
    return name, value


def legend_name(label: str) -> str:
    """Return a name as Matplotlib must be given it to show it in a legend."""
    return _SHOWN + label if label.startswith("_") else label


def mark_series(name: str, artists: "Iterable[Artist]") -> None:
    """Say that some artists belong to one line, so that the page can hide them and read them."""
    for artist in artists:
        artist.set_gid(SERIES + name)


def band_line(
    axes: "Axes",
    x: ArrayLike,
    mean: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    label: str,
    style: LineStyle,
    **look: Any,
) -> None:
    """Draw a line with a band around it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, mean, low, high : array_like, [points]
        Places that are not finite are left out.
    label : str
        Of the line.
    style : LineStyle
    **look
        More of how Matplotlib draws the line.
    """
    band = axes.fill_between(x, low, high, color=style.colour, alpha=_BAND, linewidth=0)
    look |= {"color": style.colour, "linestyle": style.dashes}
    (line,) = axes.plot(x, mean, label=legend_name(label), **look)
    mark_series(label, (band, line))


def panels(
    count: int, *, columns: int = 3, width: float = 3.3, height: float = 2.9, legend: float = 0.5
) -> "tuple[Figure, list[Axes]]":
    """Return a figure of `count` panels in reading order, and room for a legend below."""
    across = min(columns, count)
    down = math.ceil(count / across)
    figure, axes = new_figure(
        down, across, width=max(width * across + 0.6, 5.4), height=height * down + legend
    )
    for unused in axes[count:]:
        unused.set_visible(False)
    return figure, axes[:count]


def error_bars(
    axes: "Axes",
    x: ArrayLike,
    frame: "pl.DataFrame",
    label: str,
    style: LineStyle,
    *,
    positive: bool = False,
) -> None:
    """Draw means with their intervals over `x`, joined by a line.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    x : array_like, [points]
        Places of the means.
    frame : polars.DataFrame
        ``mean``, ``low``, ``high``, one row per place.
    label : str
        Of the line.
    style : LineStyle
    positive : bool
        Leave out what a logarithmic axis has no place for.
    """
    places = np.asarray(x, dtype=np.float64)
    mean, low, high = (
        frame.get_column(name).cast(float).fill_null(math.nan).to_numpy()
        for name in ("mean", "low", "high")
    )
    low, high = np.where(np.isnan(low), mean, low), np.where(np.isnan(high), mean, high)
    if positive:
        mean = np.where(mean > NEAR_ZERO, mean, np.nan)
        low = np.maximum(low, 1e-2 * mean)
    drawn = axes.errorbar(
        places,
        mean,
        yerr=[mean - low, high - mean],
        label=legend_name(label),
        color=style.colour,
        linestyle=style.dashes,
        marker="o",
        markersize=3.0,
        capsize=2.0,
        elinewidth=0.9,
    )
    mark_series(label, drawn.get_children())


def dots(
    axes: "Axes", names: Sequence[str], series: "Sequence[tuple[str, pl.DataFrame]]", key: str
) -> None:
    """Draw means with their intervals against words, one row per word and a mark per series.

    Parameters
    ----------
    axes : Axes
    names : sequence of str
        The words, from top to bottom.
    series : sequence of (str, polars.DataFrame)
        Label, and rows with the columns `key` (one of the words), ``mean``, ``low``, ``high``.
    key : str
    """
    spread = 0.18 if len(series) > 1 else 0.0
    for index, (label, frame) in enumerate(series):
        rows = [row for row in frame.iter_rows(named=True) if row[key] in names]
        offset = (index - 0.5 * (len(series) - 1)) * spread
        place = np.array([names.index(row[key]) + offset for row in rows])
        mean = np.array([row["mean"] for row in rows])
        ends = np.array([[row["mean"] - row["low"], row["high"] - row["mean"]] for row in rows])
        axes.errorbar(
            mean,
            place,
            xerr=np.nan_to_num(ends.T),
            linestyle="none",
            color=line_style(index).colour,
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=4.5,
            elinewidth=1.1,
            capsize=2.0,
            label=legend_name(label),
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(True, axis="y", alpha=0.6)


def spread_axis(axes: "Axes", series: "Sequence[pl.DataFrame]") -> None:
    """Make the horizontal axis of dots logarithmic where their means are too far apart."""
    from matplotlib.ticker import LogLocator, NullFormatter

    means = np.concatenate([frame.get_column("mean").to_numpy() for frame in series])
    if means.min() > NEAR_ZERO and means.max() > PANEL_RATIO * means.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    elif means.min() >= 0.0:
        axes.set_xlim(left=0.0)
    else:
        axes.axvline(0.0, color=INK, linewidth=0.6)


def log_ticks(axes: "Axes", values: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with ticks at values that were played.

    Of neighbours too close for their labels the first has one.
    """
    from matplotlib.ticker import FixedLocator, NullLocator

    places = np.log(np.asarray(values, dtype=np.float64))
    room = 0.045 * float(np.ptp(places))
    shown = [0]
    for index in range(1, len(values)):
        if places[index] - places[shown[-1]] >= room:
            shown.append(index)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([values[index] for index in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: _short_tick(value))
    if len(shown) > _LEVEL_TICKS:
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")


def _short_tick(value: float) -> str:
    """Write a place of an axis: ``0.3``, ``100``, ``20k``, ``1M``."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g}{unit}"
    return f"{value:.3g}"


def log_axes(axes: "Axes") -> None:
    """Make both axes logarithmic and end the vertical one where nothing matters any more."""
    axes.set(xscale="log", yscale="log")
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom=max(bottom, 1e-5 * top))


def symmetric_log(axes: "Axes", straight: float) -> None:
    """Make the vertical axis logarithmic on both sides of zero, and linear up to `straight`."""
    from matplotlib.ticker import NullLocator, SymmetricalLogLocator

    axes.set_yscale("symlog", linthresh=straight)
    locator = SymmetricalLogLocator(base=10.0, linthresh=straight, subs=[1.0, 3.0])
    axes.yaxis.set_major_locator(locator)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.axhline(0.0, color=INK, linewidth=0.8)


def heatmap(
    figure: "Figure",
    axes: "Axes",
    values: "NDArray[np.float64]",
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    limits: tuple[float, float],
    log: bool = False,
    diverging: bool = False,
    marks: "NDArray[np.str_] | None" = None,
    text: Callable[[float], str] | None = format_number,
) -> Any:
    """Draw a table of numbers as colours, with the numbers on them; returns the image.

    Parameters
    ----------
    figure, axes : Figure, Axes
    values : f8 [rows, columns]
        NaN cells stay blank.
    rows, columns : sequence of str
        Ticks; the first row is at the bottom.
    limits : (float, float)
        Ends of the colours.
    log : bool
        Whether colours are logarithmic in the values.
    diverging : bool
        Whether the colours have two sides, for ratios: then `limits` are equally far from 1.
    marks : array of str, [rows, columns], optional
        Written behind the numbers.
    text : callable, optional
        How numbers are written; None leaves them out.
    """
    from matplotlib.colors import LogNorm, Normalize

    norm = LogNorm(*limits, clip=True) if log else Normalize(*limits, clip=True)
    image = axes.imshow(
        values, norm=norm, cmap="PuOr_r" if diverging else "cividis", origin="lower", aspect="auto"
    )
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)
    if text is not None:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                mark = "" if marks is None else str(marks[row, column])
                axes.text(
                    column,
                    row,
                    text(value) + mark,
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color="white" if _is_dark(float(norm(value)), diverging) else _ON_COLOUR,
                )
    return image


def _is_dark(place: float, diverging: bool) -> bool:
    """Tell whether the colour at a place between 0 and 1 of a map is dark."""
    return abs(place - 0.5) > 0.36 if diverging else place < 0.55


def linear_axes(axes: "Axes") -> None:
    """Start both axes at zero, mark it where values are negative, and shorten large numbers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def text(value: float, _: object) -> str:
        for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if abs(value) >= scale:
                return f"{value / scale:g}{unit}"
        return f"{value:g}"

    axes.margins(x=0.02)
    axes.set_xlim(left=0.0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(text))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if axes.dataLim.y0 < -NEAR_ZERO:
        axes.axhline(0.0, color=INK, linewidth=0.6)
    else:
        # An axis needs some height, also where there is nothing but rounding.
        axes.set_ylim(0.0, 1.0 if axes.dataLim.y1 < NEAR_ZERO else None)


def legend_below(
    figure: "Figure", handles: Sequence[Any], labels: Sequence[str], note: str = ""
) -> None:
    """Put a legend under the panels, in as many columns as there is room for.

    Long names are broken over lines, and the figure grows with its legend, so that the panels do
    not shrink. `note` is written above it. Entries of lines are marked
    (:func:`mark_series`), so that a press on one can hide its line.
    """
    names = [wrapped(label, _KEY_WIDTH) for label in labels]
    widest = max(len(line) for name in names for line in name.split("\n"))
    room = figure.get_figwidth() * _CHARACTERS_PER_INCH
    columns = max(1, min(len(labels), int(room // (widest + _KEY_CHARACTERS))))
    lines = [name.count("\n") + 1 for name in names]
    tallest = max(int(column.sum()) for column in np.array_split(lines, columns))
    more = max(tallest - _KEY_LINES, 0) * _KEY_HEIGHT
    figure.set_figheight(figure.get_figheight() + more)
    legend = figure.legend(
        handles, names, loc="outside lower center", ncols=columns, handlelength=3.2
    )
    _mark_keys(figure, legend, [label.removeprefix(_SHOWN) for label in labels])
    if note:
        from matplotlib.font_manager import FontProperties

        legend.set_title(note, prop=FontProperties(size=RC["legend.fontsize"]))


def _mark_keys(figure: "Figure", legend: "Legend", labels: Sequence[str]) -> None:
    """Mark the entries of a legend that belong to lines."""
    marked = {drawn.get_gid() for axes in figure.axes for drawn in axes.get_children()}
    entries = zip(labels, legend.legend_handles, legend.get_texts(), strict=True)
    for label, handle, text in entries:
        if SERIES + label not in marked:
            continue
        text.set_gid(KEY + label)
        if handle is not None:
            for artist in (handle, *handle.get_children()):
                artist.set_gid(KEY + label)
