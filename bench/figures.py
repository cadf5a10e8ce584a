"""The figures of the benchmarks: straight lines on log-log axes are powers."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastroute.bench.results import Measurement, Results
from fastroute.report.style import RC, line_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The lines of fastroute are drawn like this; rivals get the styles after the first.
_OURS: Final[dict[str, Any]] = {"linewidth": 2.4, "markersize": 4.5, "zorder": 3}
_RIVAL: Final[dict[str, Any]] = {"linewidth": 1.2, "markersize": 3.5}
_MARKERS: Final = "osD^v"
_NS: Final = 1e-9


def routing_figure(results: Results) -> "Figure":
    """Draw the time per routing LP against the number of models, one line per solver."""
    figure, axes = _figure(7.2, 4.6)
    lines: dict[str, list[tuple[float, float]]] = {}
    ours: dict[str, bool] = {}
    for row in results.of("routing"):
        if not row.failure:
            lines.setdefault(row.solver, []).append((row.facts["models"], _NS * row.ns))
            ours[row.solver] = bool(row.facts["ours"])
    _draw(axes, lines, ours)
    _plain_ticks(axes, [x for points in lines.values() for x, _ in points])
    axes.set_xlabel("models M")
    axes.set_ylabel("time per routing LP (s)")
    axes.set_title("One routing LP, one core")
    _legend(axes, lines)
    return figure


def simulation_figure(results: Results) -> "Figure":
    """Draw the time per trial-round against the number of trials.

    Rivals that play their trials one after the other have the same time for any number; they
    are lines from edge to edge.
    """
    figure, axes = _figure(7.2, 4.6)
    lines: dict[str, list[tuple[float, float]]] = {}
    ours: dict[str, bool] = {}
    for row in results.of("growth", "trials"):
        if not row.failure:
            name = f"{row.solver}, 5 of 15" if row.facts["ours"] else row.solver
            lines.setdefault(name, []).append((row.facts["value"], _NS * row.ns))
            ours[name] = bool(row.facts["ours"])
    span = [x for points in lines.values() for x, _ in points] or [1.0, 1e5]
    for row in results.of("simulation", "rivals"):
        if not row.failure and row.solver not in lines:
            lines[row.solver] = [(x, _NS * row.ns) for x in (min(span), max(span))]
            ours[row.solver] = False
    _draw(axes, lines, ours)
    axes.set_xlabel("trials")
    axes.set_ylabel("time per trial-round (s)")
    axes.set_title("One trial-round, one core")
    _legend(axes, lines)
    return figure


#: What grows -> what the axis says.
GROWTH: Final = {
    "M_max": "models deployed M_max, of 64",
    "N": "models N, 5 deployed",
    "trials": "trials of 10,000 rounds, 5 of 15",
    "T": "rounds T of 64 trials, 5 of 15",
}


def growth_figure(results: Results) -> "Figure":
    """Draw the time per trial-round of StageRoute against what makes a run larger."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5.0), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True)
    for axes, (case, words) in zip(panels.ravel(), GROWTH.items(), strict=True):
        points = [(row.facts["value"], row.ns) for row in growth_rows(results, case)]
        x, y = zip(*points, strict=True)
        axes.plot(x, y, color=line_style(0).colour, marker=_MARKERS[0], **_OURS)
        axes.set(xscale="log", yscale="log", xlabel=words)
        if max(x) < 1000:
            _plain_ticks(axes, x)
    for axes in panels[:, 0]:
        axes.set_ylabel("time per trial-round (ns)")
    figure.suptitle("StageRoute as a run grows, one core", fontsize=11)
    return figure


def growth_rows(results: Results, case: str) -> list[Measurement]:
    """Return the rows of StageRoute in which ``case`` grows, by its value."""
    rows = (row for row in results.of("growth", case) if row.facts["ours"] and not row.failure)
    return sorted(rows, key=lambda row: float(row.facts["value"]))


#: File name -> what draws it.
FIGURES: Final[dict[str, Callable[[Results], "Figure"]]] = {
    "bench_routing.svg": routing_figure,
    "bench_simulation.svg": simulation_figure,
    "bench_growth.svg": growth_figure,
}


def save_figures(results: Results, folder: Path) -> list[Path]:
    """Write every figure into a folder, the same bytes for the same results and library."""
    import matplotlib as mpl

    paths = []
    with mpl.rc_context(RC):
        for name, draw in FIGURES.items():
            path = folder / name
            draw(results).savefig(path, metadata={"Date": None})
            paths.append(path)
    return paths


def _figure(width: float, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _draw(axes: "Axes", lines: dict[str, list[tuple[float, float]]], ours: dict[str, bool]) -> None:
    # Ours first, so that colours do not depend on which rivals are installed.
    for index, name in enumerate(sorted(lines, key=lambda name: not ours[name])):
        style = line_style(index)
        look = _OURS if ours[name] else _RIVAL
        x, y = zip(*sorted(lines[name]), strict=True)
        # A line from edge to edge is one measurement, not two.
        marker = _MARKERS[index % len(_MARKERS)] if len(x) > 2 else ""
        axes.plot(
            x, y, color=style.colour, linestyle=style.dashes, marker=marker, label=name, **look
        )
    axes.set(xscale="log", yscale="log")


def _plain_ticks(axes: "Axes", values: Iterable[float]) -> None:
    """Mark the values that were measured, and nothing else."""
    ticks = sorted({int(value) for value in values})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def _legend(axes: "Axes", lines: dict[str, list[tuple[float, float]]]) -> None:
    """List the lines beside the axes, in the order of their last points from the top."""
    handles, labels = axes.get_legend_handles_labels()
    last = {name: max(points)[1] for name, points in lines.items()}
    order = sorted(range(len(labels)), key=lambda i: -last[labels[i]])
    axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        handlelength=3.0,
    )
