"""Figures as part of a page: SVG that follows its theme, and whose lines can be read and hidden.

The figure is the one that is saved as a file. Here its text takes the fonts and the ink of the
page, its lines carry their names (``data-series``, legends ``data-key``), and the numbers behind
them go along as JSON (``data-panels``), so that a script can show them. All of it is readable
without one.
"""

import html
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastroute.report.charts import KEY, SERIES, svg_text, with_attributes, with_report_style
from fastroute.report.style import GRID, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that follow the theme of the page.
_THEME: Final = {INK: "var(--ink)", "#000000": "var(--ink)", GRID: "var(--grid)"}
_POINTS_PER_INCH: Final = 72.0


@with_report_style
def inline_svg(figure: "Figure", name: str, description: str) -> str:
    """Return a figure as an SVG element for a page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Different for every figure of a page; what refers to another part of the drawing begins
        with it.
    description : str
        What is to be seen, for those who cannot see it.

    Returns
    -------
    str
        HTML. The attribute ``data-panels`` has, of every panel that has named lines, its frame in
        the units of the drawing, the label of its horizontal axis, and of every line name, colour,
        values ``x``, ``mean``, ``low``, ``high`` (null where there is none) and places ``px``.
    """
    text = svg_text(figure, transparent=True)
    # Layout and places are those of the drawing just made.
    panels = [_panel(figure, axes) for axes in figure.axes if axes.get_visible()]
    body = text[text.index("<defs>") : text.rindex("</svg>")]
    width, height = (size * _POINTS_PER_INCH for size in figure.get_size_inches())
    data = json.dumps([panel for panel in panels if panel["series"]], separators=(",", ":"))
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{html.escape(description)}" data-chart="{html.escape(name)}" '
        f"data-panels='{html.escape(data)}'>{_of_page(body, name)}</svg>"
    )


def _of_page(body: str, name: str) -> str:
    """Let attributes follow the theme of the page, and name the ids that are used by the figure."""
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", body))
    own = re.sub(r"[^A-Za-z0-9_-]", "-", name)

    def changed(attribute: str, value: str) -> tuple[str, str]:
        if attribute == "id":
            for mark, of_page in ((SERIES, "data-series"), (KEY, "data-key")):
                if value.startswith(mark):
                    return of_page, value.removeprefix(mark)
            return "id" if value in used else "", f"{own}-{value}"
        if attribute in ("style", "fill", "stroke"):
            for colour, themed in _THEME.items():
                value = value.replace(colour, themed)
        # Pictures are in the figure themselves.
        if attribute.endswith("href") and value.startswith("#"):
            return attribute, f"#{own}-{value[1:]}"
        return attribute, value.replace("url(#", f"url(#{own}-")

    return with_attributes(body, changed)


def _panel(figure: "Figure", axes: "Axes") -> dict[str, Any]:
    """Return what a script needs of one panel."""
    height = figure.get_figheight() * figure.dpi
    scale = _POINTS_PER_INCH / figure.dpi
    box = axes.get_window_extent()
    series = {}
    for line in axes.get_lines():
        gid = line.get_gid() or ""
        x, mean = (_floats(line.get_data(orig=False)[place]) for place in (0, 1))
        # The caps of intervals have the mark of their line, but no line of their own.
        if not gid.startswith(SERIES) or line.get_linestyle() == "None":
            continue
        places = axes.transData.transform([(at, 1.0) for at in x])[:, 0] * scale
        series[gid] = {
            "name": gid.removeprefix(SERIES),
            "colour": _THEME.get(str(line.get_color()), str(line.get_color())),
            "x": x,
            "mean": [_known(value) for value in mean],
            "px": [round(float(place), 1) for place in places],
        }
    for gid, one in series.items():
        ends = _ends(axes, gid)
        for side, name in enumerate(("low", "high")):
            one[name] = [_known(ends[at][side]) if at in ends else None for at in one["x"]]
    return {
        "frame": [
            round(value, 1)
            for value in (
                box.x0 * scale,
                (height - box.y1) * scale,
                box.x1 * scale,
                (height - box.y0) * scale,
            )
        ],
        "x_label": axes.get_xlabel(),
        "series": list(series.values()),
    }


def _ends(axes: "Axes", gid: str) -> dict[float, tuple[float, float]]:
    """Return the interval at every place of a line: of its band, or of its bars."""
    from matplotlib.collections import LineCollection, PolyCollection

    found: dict[float, tuple[float, float]] = {}
    for drawn in axes.collections:
        if drawn.get_gid() != gid or not isinstance(drawn, LineCollection | PolyCollection):
            continue
        for path in drawn.get_paths():
            for x, y in np.asarray(path.vertices, dtype=np.float64).tolist():
                low, high = found.get(x, (math.inf, -math.inf))
                found[x] = min(low, y), max(high, y)
    return found


def _floats(values: Any) -> list[float]:
    return [float(value) for value in values]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
