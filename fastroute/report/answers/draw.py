"""What the figures of several answers share. Call it inside the settings of the house."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from fastroute.report.figures import new_figure
from fastroute.report.style import NOTHING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# How much text of a legend fits, and how much of it a key with its space takes.
_CHARACTERS_PER_INCH: Final = 14.0
_KEY_CHARACTERS: Final = 10


def panels_of(
    titles: Sequence[str], *, columns: int = 3, height: float = 2.6
) -> "tuple[Figure, list[Axes]]":
    """Return a figure with a panel for each title, and the panels."""
    columns = min(columns, len(titles))
    rows = math.ceil(len(titles) / columns)
    width = max(3.1 * columns, 4.8)
    figure, panels = new_figure(rows, columns, width=width, height=height * rows + 0.6)
    for axes, title in zip(panels, titles, strict=False):
        axes.set_title(title)
    for axes in panels[len(titles) :]:
        axes.set_visible(False)
    return figure, panels[: len(titles)]


def log_axes(axes: "Axes") -> None:
    """Make both axes logarithmic and end the vertical one where nothing matters any more."""
    axes.set(xscale="log", yscale="log")
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom=max(bottom, 1e-5 * top))


def legend_below(figure: "Figure", handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put a legend under the panels, in as many columns as there is room for."""
    room = figure.get_figwidth() * _CHARACTERS_PER_INCH
    columns = max(1, min(len(labels), int(room // (max(map(len, labels)) + _KEY_CHARACTERS))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=4.0)


def whiskers(
    axes: "Axes",
    x: ArrayLike,
    frame: "pl.DataFrame",
    *,
    label: str,
    colour: str,
    positive: bool = False,
    **look: Any,
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
    label, colour : str
        Of the line.
    positive : bool
        Leave out what a logarithmic axis has no place for.
    **look
        Further arguments of ``Axes.errorbar``.
    """
    places = np.asarray(x, dtype=np.float64)
    mean, low, high = (
        frame.get_column(name).cast(float).fill_null(math.nan).to_numpy()
        for name in ("mean", "low", "high")
    )
    low, high = np.where(np.isnan(low), mean, low), np.where(np.isnan(high), mean, high)
    if positive:
        mean = np.where(mean > NOTHING, mean, np.nan)
        low = np.maximum(low, 1e-2 * mean)
    axes.errorbar(
        places,
        mean,
        yerr=[mean - low, high - mean],
        label=label,
        color=colour,
        marker="o",
        markersize=3.0,
        capsize=2.0,
        elinewidth=0.9,
        **look,
    )
