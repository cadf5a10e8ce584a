"""Figures of rankings: the policies of a world, and how they do over all worlds."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.report.charts import legend_below, new_figure, with_report_style
from fastroute.report.style import GRID, INK, line_style, needs_log, wrapped

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Policies that a ranking shows.
_MOST_RANKED: Final = 24
# Names beside a chart, and its title, are broken at these widths.
_NAME_WIDTH: Final = 32
_TITLE_WIDTH: Final = 70


@with_report_style
def ranking_figure(
    ranked: "pl.DataFrame", *, quantity: str = "priced regret", title: str = ""
) -> "Figure":
    """Draw the policies of a world, best first, with their intervals.

    Parameters
    ----------
    ranked : polars.DataFrame
        From :func:`fastroute.analyse.ranking` with the choice ``policy``.
    quantity : str
        Named on the axis.
    title : str
        Written above the axes.

    Returns
    -------
    matplotlib.figure.Figure
        Filled marks are policies that cannot be told from the best.
    """
    shown = ranked.head(_MOST_RANKED)
    figure, axes, place = _rows(shown, 0.24)
    mean, low, high, tied = (
        shown.get_column(name).to_numpy() for name in ("mean", "low", "high", "tied")
    )
    colour = line_style(0).colour
    ends = np.nan_to_num([mean - low, high - mean])
    axes.errorbar(mean, place, xerr=ends, linestyle="none", color=colour, elinewidth=1.2, capsize=2)
    for marked, face, label in (
        (tied, colour, "best, or within noise of it"),
        (~tied, "none", "clearly worse"),
    ):
        if marked.any():
            look: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 5.5, "color": colour}
            axes.plot(mean[marked], place[marked], markerfacecolor=face, label=label, **look)
    if needs_log(mean):
        axes.set_xscale("log")
    # A single trial has no intervals.
    elif np.fmin(low, mean).min() < 0.0:
        axes.axvline(0.0, color=INK, linewidth=0.6)
    else:
        axes.set_xlim(left=0.0)
    axes.set_xlabel(f"{quantity} (units of reward), 95% intervals")
    axes.set_title(_title(title or "Ranking", ranked))
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


@with_report_style
def standings_figure(standings: "pl.DataFrame", *, title: str = "") -> "Figure":
    """Draw in how many worlds each policy is best, and in how many within noise of the best.

    Parameters
    ----------
    standings : polars.DataFrame
        From :func:`fastroute.analyse.standings` with the choice ``policy``.
    title : str
        Written above the axes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.ticker import MaxNLocator

    shown = standings.head(_MOST_RANKED)
    figure, axes, place = _rows(shown, 0.26)
    colour = line_style(0).colour
    best, tied, worlds = (shown.get_column(name).to_numpy() for name in ("best", "tied", "worlds"))
    axes.barh(place, worlds, color=GRID, height=0.7, label="worlds played")
    axes.barh(place, tied, color=colour, alpha=0.45, height=0.7, label="within noise of the best")
    axes.barh(place, best, color=colour, height=0.7, label="best")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.grid(False, axis="y")
    axes.set_xlabel("worlds (scenario and setting), by mean priced regret")
    axes.set_title(_title(title or "Ranking over all worlds", standings))
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def _rows(shown: "pl.DataFrame", line_height: float) -> "tuple[Figure, Axes, NDArray[np.int64]]":
    """Return a figure with a row for each policy, the first at the top, and their places."""
    names = [wrapped(str(name), _NAME_WIDTH) for name in shown.get_column("policy")]
    lines = sum(name.count("\n") + 1 for name in names)
    figure, (axes,) = new_figure(1, 1, width=6.4, height=line_height * lines + 1.5)
    place = np.arange(shown.height)
    axes.set_yticks(place, names)
    axes.set_ylim(shown.height - 0.5, -0.5)
    return figure, axes, place


def _title(words: str, every: "pl.DataFrame") -> str:
    """Return a title that says how many of all policies are shown."""
    left = every.height > _MOST_RANKED
    more = f" (the first {_MOST_RANKED} of {every.height})" if left else ""
    return wrapped(words + more, _TITLE_WIDTH)
