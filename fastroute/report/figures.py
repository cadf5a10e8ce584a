"""The figures of a study, drawn from its frames (lazy or not)."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import curve_intervals, stage_spend
from fastroute.report.charts import (
    band_line,
    legend_below,
    linear_axes,
    mark_series,
    new_figure,
    with_report_style,
)
from fastroute.report.style import (
    INK,
    PANEL_RATIO,
    PARTS,
    RC,
    line_style,
    needs_log_axis,
    wrapped,
)
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Lines in one chart; of more policies those with the lowest final values and the first are drawn.
MOST_LINES: Final = 8
# Rounds whose last step is this much longer than their first are on a logarithmic grid.
_LOG_SPACED: Final = 4.0
# Values below this share of the largest cannot be seen on a linear axis.
_SEEN: Final = 0.005
# Of longer curves this many points are drawn, evenly chosen, the last one always.
_MOST_POINTS: Final = 128
# Marks of events above the axes, and the row in which each kind stands, so that none hides another.
_EVENT_MARKS: Final = {"arrival": ("v", 1.015), "retirement": ("x", 1.045)}
# A change is a light line, under the curves.
_CHANGE_INK: Final = 0.6
# Both charts of a world, which have the same range of rounds.
_SIDE_BY_SIDE: Final = ("regret", "priced_regret")
# Names beside a chart are broken at this width.
_NAME_WIDTH: Final = 32


#: Rounds, and the values at an edge of what is stacked over them.
Stack = tuple[NDArray[np.float64], NDArray[np.float64]]


class _Curve(NamedTuple):
    """Mean and band of one quantity of one policy over rounds, each of shape [checkpoints]."""

    rounds: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class _Lines(NamedTuple):
    """The lines of one quantity that are drawn, and whether their axes are logarithmic."""

    curves: dict[str, _Curve]
    logarithmic: bool
    left: int  #: policies that are not drawn

    @property
    def bottom(self) -> float:
        """The lowest value on a logarithmic axis."""
        means = np.concatenate([curve.mean for curve in self.curves.values()])
        # A few early rounds may be orders of magnitude below all that is to be seen.
        return float(max(0.7 * means[means > NEAR_ZERO].min(), 1e-4 * means.max()))

    @property
    def first(self) -> float | None:
        """The round from which on a logarithmic axis shows something; None on a linear one."""
        if self.logarithmic:
            seen = [curve.rounds[curve.mean >= self.bottom] for curve in self.curves.values()]
            return float(np.concatenate(seen).min())
        if log_spaced([curve.rounds for curve in self.curves.values()]):
            return _first_seen([(curve.rounds, curve.mean) for curve in self.curves.values()])
        return None


@with_report_style
def regret_figure(
    curves: "pl.DataFrame | pl.LazyFrame",
    *,
    quantity: str = "regret",
    title: str = "",
    level: float = 0.95,
    models: "pl.DataFrame | pl.LazyFrame | None" = None,
    changes: Sequence[int] = (),
    policies: Sequence[str] = (),
) -> "Figure":
    """Draw the cumulative pseudo-regret of each policy over rounds.

    Parameters
    ----------
    curves : polars.DataFrame or polars.LazyFrame
        Curves of a study: ``policy, round, quantity, mean, se, trials``, or with ``low`` and
        ``high`` what :func:`fastroute.analyse.curve_intervals` makes of them.
    quantity : {"regret", "priced_regret", "realised_regret"}
        Which regret.
    title : str
        Written above the axes.
    level : float
        Nominal coverage of the bands around the means.
    models : polars.DataFrame or polars.LazyFrame, optional
        Models of the same world: ``model, arrival, retirement``. Later arrivals and retirements are
        marked at the top, each in a row of its own.
    changes : sequence of int
        Rounds in which the world changes: vertical lines.
    policies : sequence of str
        The policies of the study, in its order, which gives each its colour; default: as in
        `curves`.

    Returns
    -------
    matplotlib.figure.Figure
        Both axes are logarithmic, so that powers of the horizon are straight lines, when no
        regret is negative and the final ones differ by more than a factor of 25. Otherwise the
        vertical axis is linear; the horizontal one is logarithmic where the rounds are spaced so,
        for between two points far apart nothing is known. The charts of ``regret`` and
        ``priced_regret`` of the same curves have the same range of rounds. Of more than
        ``MOST_LINES`` policies the best and the first are drawn.
    """
    figure, (axes,) = new_figure(1, 1, width=5.8, height=4.2)
    note = draw_regret(
        axes,
        curves,
        quantity=quantity,
        title=title,
        level=level,
        models=models,
        changes=changes,
        policies=policies,
    )
    legend_below(figure, *axes.get_legend_handles_labels(), note=note)
    return figure


def draw_regret(
    axes: "Axes",
    curves: "pl.DataFrame | pl.LazyFrame",
    *,
    quantity: str = "regret",
    title: str = "",
    level: float = 0.95,
    models: "pl.DataFrame | pl.LazyFrame | None" = None,
    changes: Sequence[int] = (),
    policies: Sequence[str] = (),
) -> str:
    """Draw what :func:`regret_figure` shows on given axes; returns the note for its legend."""
    frame = _collect(curves)
    every = list(policies) or _policies(frame)
    lines = _lines(frame, quantity, level)
    for policy, (rounds, mean, low, high) in lines.curves.items():
        if lines.logarithmic:
            # The axis has no place for a regret that is still zero.
            mean = np.where(mean > NEAR_ZERO, mean, np.nan)
        band_line(axes, rounds, mean, low, high, policy, line_style(every.index(policy)))
    last = max(float(curve.rounds[-1]) for curve in lines.curves.values())
    if lines.logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(bottom=lines.bottom)
    else:
        linear_axes(axes)
    if first := _first_round(frame, lines, quantity, level):
        left = 0.8 * first
        axes.set_xscale("log")
        axes.set_xlim(left, last * (last / left) ** 0.02)
    _mark_events(axes, _event_rounds(models, changes), last)
    axes.set_xlabel("rounds")
    words = quantity.replace("_", " ")
    axes.set_ylabel(f"cumulative {words} (units of reward)")
    # Events are marked between the axes and the title.
    axes.set_title(wrapped(title or words.capitalize(), 70), pad=18.0)
    lows = [curve.low for curve in lines.curves.values()]
    return _note(level, lows, lines.left, "with higher final values")


def _lines(frame: "pl.DataFrame", quantity: str, level: float) -> _Lines:
    """Return the lines of a quantity that are drawn."""
    every = {policy: _curve(frame, policy, quantity, level) for policy in _policies(frame)}
    shown = shown_policies({policy: float(line.mean[-1]) for policy, line in every.items()})
    lines = {policy: every[policy] for policy in shown}
    logarithmic = needs_log_axis([line.mean for line in lines.values()])
    return _Lines(lines, logarithmic, len(every) - len(shown))


def _first_round(frame: "pl.DataFrame", lines: _Lines, quantity: str, level: float) -> float | None:
    """Return from which round on a logarithmic axis shows something; None for a linear axis."""
    both = [lines]
    if quantity in _SIDE_BY_SIDE:
        known = frame.get_column("quantity").unique().to_list()
        both += [
            _lines(frame, name, level)
            for name in _SIDE_BY_SIDE
            if name in known and name != quantity
        ]
    return min((one.first for one in both if one.first is not None), default=None)


def shown_policies(finals: dict[str, float]) -> list[str]:
    """Return the policies that are drawn, in their order: those with the lowest values, the first.

    Parameters
    ----------
    finals : dict of str to float
        What each policy came to, of all policies in the order of the study.
    """
    first, *others = finals
    # What has no value comes last.
    best = sorted(others, key=lambda policy: (math.isnan(finals[policy]), finals[policy]))
    best = best[: MOST_LINES - 1]
    return [policy for policy in finals if policy == first or policy in best]


def log_spaced(rounds: Sequence[NDArray[np.float64]]) -> bool:
    """Tell whether points are spaced by a factor, and not by a step."""
    return any(
        one.size > 2 and one[-1] - one[-2] > _LOG_SPACED * (one[1] - one[0]) for one in rounds
    )


def log_rounds(axes: "Axes", lines: Sequence[Stack]) -> None:
    """Make the axis of rounds logarithmic, from where on there is something to be seen."""
    axes.set_xscale("log")
    axes.set_xlim(left=0.8 * _first_seen(lines))


def _first_seen(lines: Sequence[Stack]) -> float:
    """Return the first round in which a value is not too small to be seen on a linear axis."""
    largest = max(float(np.nanmax(np.abs(values), initial=0.0)) for _, values in lines)
    starts = [rounds[np.abs(values) >= _SEEN * largest] for rounds, values in lines]
    return min((float(start[0]) for start in starts if start.size), default=1.0)


def _event_rounds(
    models: "pl.DataFrame | pl.LazyFrame | None", changes: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Return the rounds of arrivals, retirements and changes."""
    import polars as pl

    found = {"change": np.array(changes, dtype=np.float64)}
    if models is not None:
        frame = _collect(models)
        for name in ("arrival", "retirement"):
            column = frame.get_column(name).drop_nulls().unique()
            found[name] = column.cast(pl.Float64).to_numpy()
    return found


def _mark_events(axes: "Axes", events: dict[str, NDArray[np.float64]], last: float) -> None:
    """Mark above the axes when models arrive and retire, and by lines when the world changes."""
    left, _ = axes.get_xlim()
    shown = {
        name: rounds[(rounds > max(left, 0.0)) & (rounds < last)] for name, rounds in events.items()
    }
    drawn: Sequence[Artist]
    for name, rounds in shown.items():
        if not rounds.size:
            continue
        if name in _EVENT_MARKS:
            marker, row = _EVENT_MARKS[name]
            drawn = axes.plot(
                rounds,
                np.full(rounds.size, row),
                transform=axes.get_xaxis_transform(),
                clip_on=False,
                linestyle="none",
                marker=marker,
                markersize=4.0,
                color=INK,
                label=name,
            )
        else:
            drawn = [
                axes.vlines(
                    rounds,
                    0.0,
                    1.0,
                    transform=axes.get_xaxis_transform(),
                    colors=INK,
                    linestyles=(0, (1.0, 2.0)),
                    linewidth=0.9,
                    alpha=_CHANGE_INK,
                    zorder=1.0,
                    label=name,
                )
            ]
        mark_series(name, drawn)


@with_report_style
def parts_figure(
    curves: "pl.DataFrame | pl.LazyFrame", *, title: str = "", policies: Sequence[str] = ()
) -> "Figure":
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
    policies : sequence of str
        Those that are drawn; default: all, or the best and the first of more than ``MOST_LINES``.

    Returns
    -------
    matplotlib.figure.Figure
        The panels share one vertical axis, unless the tallest is more than eight times as tall
        as the smallest; then each has its own, and the title says so.
    """
    frame = _collect(curves)
    every = list(policies) or _policies(frame)
    totals = {policy: _curve(frame, policy, "regret") for policy in every}
    if not policies:
        every = shown_policies({policy: float(total.mean[-1]) for policy, total in totals.items()})
    columns = min(3, len(every))
    rows = math.ceil(len(every) / columns)
    figure, panels = new_figure(
        rows, columns, width=max(2.6 * columns + 0.5, 4.6), height=2.3 * rows + 1.1
    )
    heights = []
    stacks: list[Stack] = []
    for axes, policy in zip(panels, every, strict=False):
        drawn = draw_parts(axes, frame, policy)
        axes.set_title(wrapped(policy, _NAME_WIDTH))
        stacks += drawn
        heights.append((float(drawn[0][1].min()), float(drawn[1][1].max())))
    for axes in panels[len(every) :]:
        axes.set_visible(False)
    for axes in panels[max(len(every) - columns, 0) : len(every)]:
        axes.set_xlabel("rounds")
    if log_spaced([total.rounds for total in totals.values()]):
        for axes in panels[: len(every)]:
            log_rounds(axes, stacks)
    shared = _same_height(panels, heights)
    figure.supylabel("cumulative regret (units of reward)", fontsize=RC["axes.labelsize"])
    said = [f"{len(every)} of {len(totals)} policies"] if len(every) < len(totals) else []
    said += [] if shared else ["every panel has its own scale"]
    heading = (title or "Parts of the regret") + (f" ({'; '.join(said)})" if said else "")
    figure.suptitle(wrapped(heading, int(14 * figure.get_figwidth())), fontsize=11)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if columns == 1 else 4)
    return figure


def draw_parts(axes: "Axes", curves: "pl.DataFrame", policy: str) -> list[Stack]:
    """Draw one panel of what :func:`parts_figure` shows; returns its lower and its upper edge."""
    total = _curve(curves, policy, "regret")
    upper, lower = np.zeros(total.rounds.size), np.zeros(total.rounds.size)
    for part, (colour, hatch) in PARTS.items():
        mean = _curve(curves, policy, part).mean
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
    (line,) = axes.plot(total.rounds, total.mean, color=INK, lw=1.3, label="regret (the sum)")
    mark_series("regret (the sum)", [line])
    linear_axes(axes)
    return [(total.rounds, lower), (total.rounds, upper)]


@with_report_style
def spend_figure(
    stages: "pl.DataFrame | pl.LazyFrame",
    *,
    title: str = "",
    cost_unit: str = "cost",
    level: float = 0.95,
    policies: Sequence[str] = (),
) -> "Figure":
    """Draw the mean cost per query of each policy, stage by stage, against the budget.

    Parameters
    ----------
    stages : polars.DataFrame or polars.LazyFrame
        Stages of a study, ``policy, trial, stage, opened, spend, budget``, or what
        :func:`fastroute.analyse.stage_spend` makes of them.
    title : str
        Written above the axes.
    cost_unit : str
        Unit of costs, named on the axis.
    level : float
        Nominal coverage of the bands around the means. Stages that were stored as means over
        trials have no band.
    policies : sequence of str
        The policies of the study, in its order, which gives each its colour; default: as in
        `stages`.

    Returns
    -------
    matplotlib.figure.Figure
        One line per policy over stages, and the budget as a horizontal line. Of more than
        ``MOST_LINES`` policies those that spend most in a stage, and the first, are drawn.
    """
    figure, (axes,) = new_figure(1, 1, width=5.8, height=4.2)
    note = draw_spend(
        axes, stages, title=title, cost_unit=cost_unit, level=level, policies=policies
    )
    legend_below(figure, *axes.get_legend_handles_labels(), note=note)
    return figure


def draw_spend(
    axes: "Axes",
    stages: "pl.DataFrame | pl.LazyFrame",
    *,
    title: str = "",
    cost_unit: str = "cost",
    level: float = 0.95,
    policies: Sequence[str] = (),
) -> str:
    """Draw what :func:`spend_figure` shows on given axes; returns the note for its legend."""
    import polars as pl
    from matplotlib.ticker import MaxNLocator

    spend = _collect(stages)
    if "mean" not in spend.columns:
        spend = stage_spend(spend, level)
    budget = float(spend.get_column("budget")[0])
    names = _policies(spend)
    every = list(policies) or names
    highest = dict(spend.group_by("policy").agg(pl.col("mean").max()).iter_rows())
    shown = shown_policies({policy: -highest[policy] for policy in names})
    for policy in shown:
        one = _thinned(spend.filter(policy=policy).sort("stage"))
        stage = one.get_column("stage").to_numpy() + 1
        low, mean, high = (
            one.get_column(name).cast(float).to_numpy() for name in ("low", "mean", "high")
        )
        # One stage gives no line; a marker still shows it.
        marker = "o" if stage.size == 1 else None
        style = line_style(every.index(policy))
        band_line(axes, stage, mean, low, high, policy, style, marker=marker)
    if math.isfinite(budget):
        # Under the lines: a policy exactly on budget must stay visible.
        budget_look: dict[str, Any] = {"color": INK, "linewidth": 2.8, "alpha": 0.35, "zorder": 1}
        axes.axhline(budget, label=f"budget ({budget:g})", **budget_look)
    axes.set_xlabel("stage")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_ylabel(wrapped(f"mean cost per query in the stage ({cost_unit})", _NAME_WIDTH + 8))
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
    axes.set_title(wrapped(title or "Spend against the budget", 70))
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    lows = [spend.get_column("low").cast(float).to_numpy()]
    return _note(level, lows, len(names) - len(shown), "that never spend as much")


def _collect(frame: "pl.DataFrame | pl.LazyFrame") -> "pl.DataFrame":
    return frame.lazy().collect()


def _policies(frame: "pl.DataFrame") -> list[str]:
    return list(frame.get_column("policy").unique(maintain_order=True))


def _curve(frame: "pl.DataFrame", policy: str, quantity: str, level: float = 0.95) -> _Curve:
    """Return one quantity of one policy, without checkpoints at round 0."""
    import polars as pl

    one = frame.filter(pl.col("round") > 0, policy=policy, quantity=quantity).sort("round")
    if "low" not in one.columns:
        one = curve_intervals(one, level)
    columns = _thinned(one).select("round", "mean", "low", "high").cast(pl.Float64)
    return _Curve(*(column.to_numpy() for column in columns))


def _thinned(rows: "pl.DataFrame") -> "pl.DataFrame":
    """Return the rows that are drawn."""
    if rows.height <= _MOST_POINTS:
        return rows
    return rows[np.linspace(0, rows.height - 1, _MOST_POINTS).round().astype(int).tolist()]


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


def _note(level: float, lows: Sequence[NDArray[np.float64]], left: int, which: str) -> str:
    """Explain the bands, and say how many policies are left out, where there are any."""
    said = []
    if any(np.isfinite(low).any() for low in lows):
        said.append(f"bands: {level:.0%} intervals of the mean")
    if left:
        said.append(f"not drawn: {left} {which}")
    return "; ".join(said)
