"""The figures of a study.

Each function takes frames of the run directory (lazy or not) and returns a Matplotlib figure
that belongs to no window and no global state; :func:`save_figure` writes it.
"""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import curve_intervals, stage_spend
from fastroute.report.style import PANEL_RATIO, PARTS, RC, line_style, needs_log_axis
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAND: Final = 0.18

P = ParamSpec("P")
R = TypeVar("R")


def with_report_style(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function under the settings of the house, and leave those of the caller alone."""

    @functools.wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context(RC):
            return function(*args, **kwargs)

    return styled


class _Curve(NamedTuple):
    """Mean and band of one quantity of one policy over rounds, each of shape [checkpoints]."""

    rounds: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@with_report_style
def regret_figure(
    curves: "pl.DataFrame | pl.LazyFrame",
    *,
    quantity: str = "regret",
    title: str = "",
    level: float = 0.95,
) -> "Figure":
    """Draw the cumulative pseudo-regret of each policy over rounds.

    Parameters
    ----------
    curves : polars.DataFrame or polars.LazyFrame
        Curves of a study: ``policy, round, quantity, mean, se, trials``.
    quantity : {"regret", "priced_regret", "realised_regret"}
        Which regret.
    title : str
        Written above the axes.
    level : float
        Nominal coverage of the bands around the means.

    Returns
    -------
    matplotlib.figure.Figure
        Both axes are logarithmic, so that powers of the horizon are straight lines, when no
        regret is negative and the final ones differ by more than a factor of 25; otherwise
        both are linear.
    """
    frame = _collect(curves)
    lines = {policy: _curve(frame, policy, quantity, level) for policy in _policies(frame)}
    figure, (axes,) = new_figure(1, 1, width=6.8, height=4.2)
    logarithmic = needs_log_axis([line.mean for line in lines.values()])
    for index, (policy, curve) in enumerate(lines.items()):
        style = line_style(index)
        rounds, mean, low, high = curve
        if logarithmic:
            # The axis has no place for a regret that is still zero, nor for a band that reaches
            # below: the band is cut far under the line, where the axis has ended.
            mean = np.where(mean > NEAR_ZERO, mean, np.nan)
            low = np.maximum(low, 1e-6 * mean)
        axes.fill_between(rounds, low, high, color=style.colour, alpha=_BAND, linewidth=0)
        axes.plot(rounds, mean, color=style.colour, linestyle=style.dashes, label=policy)
    if logarithmic:
        axes.set(xscale="log", yscale="log")
        means = np.concatenate([curve.mean for curve in lines.values()])
        # A few early rounds may be orders of magnitude below all that is to be seen.
        bottom = max(0.7 * means[means > NEAR_ZERO].min(), 1e-4 * means.max())
        rounds = np.concatenate([curve.rounds for curve in lines.values()])
        axes.set_ylim(bottom=bottom)
        axes.set_xlim(left=0.8 * rounds[means >= bottom].min())
    else:
        _linear_axes(axes)
    axes.set_xlabel("rounds")
    words = quantity.replace("_", " ")
    axes.set_ylabel(f"cumulative {words} (units of reward)")
    axes.set_title(title or words.capitalize())
    _legend(figure, axes, _band_text(level, [curve.low for curve in lines.values()]))
    return figure


@with_report_style
def parts_figure(curves: "pl.DataFrame | pl.LazyFrame", *, title: str = "") -> "Figure":
    """Draw the parts of each policy's regret, stacked over rounds, one panel per policy.

    Parts can be negative (a policy that overspends gains in routing). So at every round the
    positive parts are stacked upwards from zero and the negative ones downwards, and the line
    is their sum, the regret.

    Parameters
    ----------
    curves : polars.DataFrame or polars.LazyFrame
        Curves of a study: ``policy, round, quantity, mean, se, trials``.
    title : str
        Written above the panels.

    Returns
    -------
    matplotlib.figure.Figure
        The panels share one vertical axis, unless the tallest is more than eight times as tall
        as the smallest; then each has its own, and the title says so.
    """
    frame = _collect(curves)
    policies = _policies(frame)
    columns = min(3, len(policies))
    rows = math.ceil(len(policies) / columns)
    figure, panels = new_figure(
        rows, columns, width=max(2.6 * columns + 0.5, 4.6), height=2.3 * rows + 1.1
    )
    heights = []
    for axes, policy in zip(panels, policies, strict=False):
        total = _curve(frame, policy, "regret")
        upper, lower = np.zeros(total.rounds.size), np.zeros(total.rounds.size)
        for part, (colour, hatch) in PARTS.items():
            mean = _curve(frame, policy, part).mean
            above, below = upper + np.maximum(mean, 0.0), lower + np.minimum(mean, 0.0)
            look: dict[str, Any] = {
                "facecolor": colour,
                "hatch": hatch,
                "edgecolor": "white",
                "linewidth": 0.0,
            }
            axes.fill_between(total.rounds, upper, above, label=part, **look)
            axes.fill_between(total.rounds, lower, below, **look)
            upper, lower = above, below
        axes.plot(total.rounds, total.mean, color="black", linewidth=1.3, label="regret (the sum)")
        axes.set_title(policy)
        _linear_axes(axes)
        heights.append((float(lower.min()), float(upper.max())))
    for axes in panels[len(policies) :]:
        axes.set_visible(False)
    for axes in panels[max(len(policies) - columns, 0) : len(policies)]:
        axes.set_xlabel("rounds")
    shared = _same_height(panels, heights)
    figure.supylabel("cumulative regret (units of reward)", fontsize=RC["axes.labelsize"])
    figure.suptitle(
        (title or "Parts of the regret") + ("" if shared else " (every panel has its own scale)"),
        fontsize=11,
    )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


@with_report_style
def spend_figure(
    stages: "pl.DataFrame | pl.LazyFrame",
    *,
    title: str = "",
    cost_unit: str = "cost",
    level: float = 0.95,
) -> "Figure":
    """Draw the mean cost per query of each policy, stage by stage, against the budget.

    Parameters
    ----------
    stages : polars.DataFrame or polars.LazyFrame
        Stages of a study: ``policy, trial, stage, opened, spend, budget``.
    title : str
        Written above the axes.
    cost_unit : str
        Unit of costs, named on the axis.
    level : float
        Nominal coverage of the bands around the means. Stages that were stored as means over
        trials have no band.

    Returns
    -------
    matplotlib.figure.Figure
        One line per policy over stages, and the budget as a horizontal line.
    """
    from matplotlib.ticker import MaxNLocator

    spend = stage_spend(_collect(stages), level)
    budget = float(spend.get_column("budget")[0])
    figure, (axes,) = new_figure(1, 1, width=6.8, height=4.2)
    for index, policy in enumerate(_policies(spend)):
        one = spend.filter(policy=policy)
        stage = one.get_column("stage").to_numpy() + 1
        low, mean, high = (one.get_column(name).to_numpy() for name in ("low", "mean", "high"))
        colour, dashes = line_style(index)
        axes.fill_between(stage, low, high, color=colour, alpha=_BAND, linewidth=0)
        # One stage gives no line; a marker still shows it.
        marker = "o" if stage.size == 1 else None
        axes.plot(stage, mean, color=colour, linestyle=dashes, label=policy, marker=marker)
    # Under the lines: a policy exactly on budget must stay visible.
    budget_look: dict[str, Any] = {"color": "black", "linewidth": 2.8, "alpha": 0.35, "zorder": 1}
    axes.axhline(budget, label=f"budget ({budget:g})", **budget_look)
    axes.set_xlabel("stage")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_ylabel(f"mean cost per query in the stage ({cost_unit})")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
    axes.set_title(title or "Spend against the budget")
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    _legend(figure, axes, _band_text(level, [spend.get_column("low").to_numpy()]))
    return figure


@with_report_style
def svg_text(figure: "Figure") -> str:
    """Return a figure as SVG, always the same text for the same figure."""
    import io

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@with_report_style
def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as SVG or PNG (by the suffix), always the same bytes for the same figure."""
    # The date of writing would make every file different.
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": "fastroute"}
    figure.savefig(path, dpi=160, metadata=metadata)


def new_figure(
    rows: int, columns: int, *, width: float, height: float
) -> "tuple[Figure, list[Axes]]":
    """Return a figure and its axes in reading order."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    return figure, list(panels.ravel())


def _collect(frame: "pl.DataFrame | pl.LazyFrame") -> "pl.DataFrame":
    return frame.lazy().collect()


def _policies(frame: "pl.DataFrame") -> list[str]:
    return list(frame.get_column("policy").unique(maintain_order=True))


def _curve(frame: "pl.DataFrame", policy: str, quantity: str, level: float = 0.95) -> _Curve:
    """Return one quantity of one policy, without checkpoints at round 0."""
    import polars as pl

    one = frame.filter(pl.col("round") > 0, policy=policy, quantity=quantity).sort("round")
    columns = curve_intervals(one, level).select("round", "mean", "low", "high").cast(pl.Float64)
    return _Curve(*(column.to_numpy() for column in columns))


def _linear_axes(axes: "Axes") -> None:
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
        axes.axhline(0.0, color="black", linewidth=0.6)
    else:
        # An axis needs some height, also where there is nothing but rounding.
        axes.set_ylim(0.0, 1.0 if axes.dataLim.y1 < NEAR_ZERO else None)


def _same_height(panels: "Sequence[Axes]", heights: Sequence[tuple[float, float]]) -> bool:
    """Give all panels the same vertical range when they are of like height; tell whether."""
    spans = [high - low for low, high in heights]
    if max(spans) > PANEL_RATIO * min(spans):
        return False
    low, high = min(low for low, _ in heights), max(high for _, high in heights)
    if high - low < NEAR_ZERO:
        return True  # of axes on which there is nothing, all have the same range already
    room = 0.05 * (high - low)
    for axes in panels[: len(heights)]:
        axes.set_ylim(low - room if low < 0.0 else 0.0, high + room)
    return True


def _band_text(level: float, lows: Sequence[NDArray[np.float64]]) -> str:
    """Explain the bands, where there are any."""
    if not any(np.isfinite(low).any() for low in lows):
        return ""
    return f"bands: {level:.0%}\nintervals of the mean"


def _legend(figure: "Figure", axes: "Axes", note: str) -> None:
    """Put the legend beside the axes, where it hides nothing, with a note on the bands."""
    from matplotlib.font_manager import FontProperties

    legend = figure.legend(
        *axes.get_legend_handles_labels(), loc="outside right upper", handlelength=3.2
    )
    if note:
        legend.set_title(note, prop=FontProperties(size=RC["legend.fontsize"]))
        legend.set_alignment("left")
