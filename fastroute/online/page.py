"""A page on a decision log: traffic, rewards and costs against the budget, deployed models."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup

from fastroute.online.evaluate import Interval
from fastroute.online.history import read_history
from fastroute.online.traffic import ModelTraffic, Traffic, mean_of, traffic_of
from fastroute.report.charts import (
    band_line,
    legend_below,
    legend_name,
    new_figure,
    save_figure,
    with_report_style,
)
from fastroute.report.inline import inline_svg
from fastroute.report.markup import template
from fastroute.report.page_stamp import PAGE
from fastroute.report.style import INK, LineStyle, format_number, format_percent, line_style
from fastroute.report.tables import HeaderCell, Table, TableCell, TableRow, number
from fastroute.study.files import write_file
from fastroute.study.store import text_writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Parts of the log in which traffic is counted.
_BINS: Final = 60
# Models with a colour of their own; the rest of the traffic is one area.
_COLOURED: Final = 9
_REST: Final = "#bdbdbd"
_WIDTH: Final = 7.2
_CAPTIONS: Final = {
    "traffic": "Share of the queries that each model served, in the order of time.",
    "means": "Mean reward and cost of a query by stage, with 95% intervals, and the budget.",
    "deployed": "Which models were deployed, by stage.",
}


@with_report_style
def traffic_figure(traffic: Traffic) -> "Figure":
    """Draw the share of the queries that each model served, over time."""
    figure, (axes,) = new_figure(1, 1, width=_WIDTH, height=3.4)
    edges = np.unique(np.linspace(0, traffic.decisions, _BINS + 1).astype(int))
    counts = np.array(
        [
            np.bincount(traffic.model[a:b] + 1, minlength=len(traffic.names) + 1)[1:]
            for a, b in itertools.pairwise(edges)
        ]
    )
    shares = counts / np.diff(edges)[:, None]
    order = [m for m in np.argsort(-counts.sum(axis=0), kind="stable") if counts[:, m].any()]
    below = np.zeros(len(edges) - 1)
    for place in order[:_COLOURED]:
        name = legend_name(traffic.names[place])
        top = below + shares[:, place]
        axes.stairs(top, edges, baseline=below, fill=True, label=name, color=_colour(place))
        below = top
    if rest := order[_COLOURED:]:
        top = below + shares[:, rest].sum(axis=1)
        label = f"{len(rest)} more"
        axes.stairs(top, edges, baseline=below, fill=True, label=label, color=_REST)
    axes.set(xlim=(0, traffic.decisions), ylim=(0.0, 1.0), xlabel="decisions", ylabel="share")
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


@with_report_style
def means_figure(traffic: Traffic) -> "Figure":
    """Draw mean reward and cost by stage, against the budget."""
    figure, (left, right) = new_figure(1, 2, width=_WIDTH, height=3.0)
    stages = traffic.stages()
    middle = [0.5 * (stage.first + stage.stop) for stage in stages]
    for place, (axes, name) in enumerate(((left, "reward"), (right, "cost"))):
        mean, low, high = np.array([getattr(stage, name) for stage in stages]).T
        style = LineStyle(line_style(place).colour, "-")
        look = {"marker": "o", "markersize": 3.0}
        band_line(axes, middle, mean, low, high, f"mean {name}", style, **look)
        axes.set(xlim=(0, traffic.decisions), xlabel="decisions", ylabel=f"mean {name} of a query")
    budget = traffic.history.settings.budget
    right.axhline(budget, color=INK, linewidth=1.0, linestyle="--", label="budget")
    right.set_ylim(bottom=0.0)
    (reward, label), (others, labels) = (a.get_legend_handles_labels() for a in (left, right))
    legend_below(figure, [*reward, *others], [*label, *labels])
    return figure


@with_report_style
def deployed_figure(traffic: Traffic) -> "Figure":
    """Draw which models were deployed, by stage."""
    names = traffic.names
    figure, (axes,) = new_figure(1, 1, width=_WIDTH, height=1.0 + 0.24 * len(names))
    ends = [*(first for first, _ in traffic.openings), traffic.decisions]
    for place, name in enumerate(names):
        bars = [
            (first, stop - first)
            for (first, deployed), stop in zip(traffic.openings, ends[1:], strict=True)
            if name in deployed and stop > first
        ]
        axes.broken_barh(bars, (place - 0.36, 0.72), facecolors=_colour(place))
    axes.set_yticks(range(len(names)), [legend_name(name) for name in names])
    axes.set(xlim=(0, traffic.decisions), ylim=(len(names) - 0.5, -0.5), xlabel="decisions")
    axes.grid(False, axis="y")
    return figure


def _colour(place: int) -> str:
    return line_style(place).colour


def log_page(traffic: Traffic) -> str:
    """Return the page on a log as HTML that needs nothing else."""
    settings = traffic.history.settings
    figures = _figures(traffic)
    return template("log.html").render(
        source=Path(traffic.history.source).name,
        lead=_lead(traffic),
        asked=(
            f"policy {settings.policy.title}, budget {format_number(settings.budget)}, at most "
            f"{settings.max_deployed} deployed, mode {settings.mode}"
        ),
        notes=_notes(traffic),
        charts=[
            (name, Markup(inline_svg(figure, name, _CAPTIONS[name])), _CAPTIONS[name])
            for name, figure in figures.items()
        ],
        models=model_table(traffic.models()),
        stages=stage_table(traffic),
    )


def _figures(traffic: Traffic) -> "dict[str, Figure]":
    return {
        "traffic": traffic_figure(traffic),
        "means": means_figure(traffic),
        "deployed": deployed_figure(traffic),
    }


def _lead(traffic: Traffic) -> str:
    budget = format_number(traffic.history.settings.budget)
    return (
        f"{traffic.decisions:,} decisions: mean reward {mean_of(traffic.reward)}, mean cost "
        f"{mean_of(traffic.cost)} against a budget of {budget}."
    )


def _notes(traffic: Traffic) -> list[str]:
    """Return what a reader must know of the numbers."""
    served = traffic.model >= 0
    found = []
    if none := int((~served).sum()):
        found.append(f"Decisions that no model could serve: {none:,}.")
    for name, values in (("reward", traffic.reward), ("cost", traffic.cost)):
        if missing := int((served & np.isnan(values)).sum()):
            found.append(f"Decisions without a {name} so far: {missing:,}.")
    if len(traffic.history.replicas) > 1:
        found.append(
            f"{len(traffic.history.replicas)} replicas write here; the stages are those of the one "
            "with the most decisions."
        )
    return found


def model_table(models: list[ModelTraffic]) -> Table:
    """Return the table of models: traffic, mean reward and cost with intervals."""
    heads = [
        HeaderCell("model", number=False, key=True),
        HeaderCell("queries"),
        HeaderCell("share"),
        HeaderCell("reward", "Mean with its 95% interval."),
        HeaderCell("cost", "Mean with its 95% interval."),
        HeaderCell("deployed now", number=False),
    ]
    lines = [
        TableRow(
            [
                TableCell(one.name, head=True),
                number("queries", one.served, lambda count: f"{count:,}"),
                number("share", one.share, format_percent),
                _mean("reward", one.reward),
                _mean("cost", one.cost),
                TableCell("yes" if one.deployed else "no"),
            ]
        )
        for one in models
    ]
    return Table("models", "Models", heads, lines)


def stage_table(traffic: Traffic) -> Table:
    """Return the table of stages: decisions, mean reward and cost, and what was deployed."""
    heads = [
        HeaderCell("first decision", key=True),
        HeaderCell("decisions"),
        HeaderCell("reward"),
        HeaderCell("cost"),
        HeaderCell("deployed", number=False),
    ]
    sets = dict(traffic.openings)
    lines = [
        TableRow(
            [
                number("first", stage.first, lambda count: f"{count:,}"),
                number("decisions", stage.stop - stage.first, lambda count: f"{count:,}"),
                _mean("reward", stage.reward),
                _mean("cost", stage.cost),
                TableCell(", ".join(sets.get(stage.first, ()))),
            ]
        )
        for stage in traffic.stages()
    ]
    together = len(lines) < len(sets)
    note = "Of many stages neighbours are together, with the set of the first." if together else ""
    return Table("stages", "Stages", heads, lines, note)


def _mean(name: str, value: Interval) -> TableCell:
    return number(name, value.mean, format_number, value.low, value.high)


def write_log_page(place: Path, out: Path | None = None) -> Path:
    """Write the page on a decision log.

    Parameters
    ----------
    place : Path
        The log.
    out : Path, optional
        The file to write, or a folder for the page and the figures; default beside the log, with
        the ending ``.html``.

    Returns
    -------
    Path
        The page.
    """
    traffic = traffic_of(read_history(place))
    page = place.with_suffix(".html") if out is None else out
    # A name without a suffix is that of a folder, also of one that is not there yet.
    if out is not None and (out.is_dir() or not out.suffix):
        out.mkdir(parents=True, exist_ok=True)
        page = out / PAGE
        for name, figure in _figures(traffic).items():
            for suffix in (".svg", ".png"):
                save_figure(figure, out / f"{name}{suffix}")
    write_file(page, text_writer(log_page(traffic)))
    return page
