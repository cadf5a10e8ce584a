"""An advice as files: JSON, weights for a gateway, a figure and a page."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup

from fastroute.advice.solution import Estimate, hull
from fastroute.advice.words import (
    about_learning,
    about_set,
    against_staying,
    estimate,
    how_sure,
)
from fastroute.report.charts import legend_below, new_figure, save_figure, with_report_style
from fastroute.report.inline import inline_svg
from fastroute.report.markup import template
from fastroute.report.style import INK, format_number, line_style, wrapped
from fastroute.report.tables import HeaderCell, Table, TableCell, TableRow, exact, number
from fastroute.study.files import write_file
from fastroute.study.store import text_writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastroute.advice.advising import Advice

_NAME_WIDTH: Final = 40
# Costs further apart than this have a logarithmic axis.
_LOG_RATIO: Final = 20.0
# Of the frontiers of many caps these are drawn.
_MOST_CAPS: Final = 5
_CAPTION: Final = "Best quality against the budget, exact for every number of deployed models."


@with_report_style
def frontier_figure(advice: "Advice") -> "Figure":
    """Draw the best quality against the budget, by the number of models, with the single models.

    Parameters
    ----------
    advice : Advice

    Returns
    -------
    matplotlib.figure.Figure
    """
    problem = advice.problem
    figure, (axes,) = new_figure(1, 1, width=6.8, height=4.6)
    last = float(problem.cost.max())
    caps = list(advice.frontiers)
    shown = caps if len(caps) <= _MOST_CAPS else [*caps[: _MOST_CAPS - 1], caps[-1]]
    for place, most in enumerate(shown):
        frontier = advice.frontiers[most]
        colour, dashes = line_style(place)
        # Both ends of every piece, so that jumps are upright.
        pieces = frontier.pieces(last)
        budget = [end for low, high, _, _ in pieces for end in (low, high)]
        value = [end for low, high, v, s in pieces for end in (v, v + s * (high - low))]
        more = " or more" if most == caps[-1] and most < len(problem.models) else ""
        label = f"{most} model{'s' if most > 1 else ''}{more}"
        axes.plot(budget, value, color=colour, linestyle=dashes, label=label)
        if (band := advice.bands.get(most)) is not None:
            # The one that was asked for stands out.
            alpha = 0.2 if most == min(problem.max_deployed, caps[-1]) else 0.08
            axes.fill_between(
                band.budget, band.low, band.high, color=colour, alpha=alpha, linewidth=0
            )
    costs, scores = hull(problem.cost, problem.score)
    grey: dict[str, Any] = {"color": INK, "alpha": 0.4, "linewidth": 1.0, "linestyle": ":"}
    axes.plot(np.append(costs, last), np.append(scores, scores[-1]), label="hull of models", **grey)
    axes.plot(problem.cost, problem.score, ls="none", marker="o", ms=3.5, color=INK, label="models")
    # The names of the advised models stand apart, one below the other, with a line to each.
    deployed = sorted(np.flatnonzero(advice.solution.share > 0.0), key=lambda m: -problem.score[m])
    for place, model in enumerate(deployed):
        axes.annotate(
            wrapped(problem.models[model], _NAME_WIDTH),
            (problem.cost[model], problem.score[model]),
            xytext=(0.98, 0.05 + 0.075 * (len(deployed) - 1 - place)),
            textcoords="axes fraction",
            ha="right",
            fontsize=7.5,
            # To where the name begins, so that no line goes through another name.
            arrowprops={
                "arrowstyle": "-",
                "color": INK,
                "alpha": 0.35,
                "linewidth": 0.6,
                "relpos": (0.0, 0.5),
            },
        )
    quality = advice.solution.quality
    spent = advice.solution.cost.value
    axes.plot(
        [spent],
        [quality.value],
        ls="none",
        marker="*",
        ms=11,
        color=line_style(1).colour,
        label="advised",
    )
    positive = problem.cost[problem.cost > 0.0]
    if positive.size and positive.max() > _LOG_RATIO * positive.min():
        # Models without a cost stand at the left end.
        axes.set_xscale("symlog", linthresh=positive.min(), subs=[2, 5])
    axes.set_xlabel(f"budget ({advice.cost_unit})")
    axes.set_ylabel("quality (mean score)")
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def advice_page(advice: "Advice") -> str:
    """Return the answer as one HTML page that needs nothing else."""
    caption = _CAPTION + (" Bands are 95% intervals." if advice.bands else "")
    return template("advice.html").render(
        source=advice.source,
        sure=how_sure(advice),
        share=_share_table(advice),
        about_set=about_set(advice),
        worth=_worth_table(advice),
        learning=None if advice.learning is None else _learning_table(advice),
        about_learning=() if advice.learning is None else about_learning(advice),
        models=_model_table(advice),
        notes=advice.notes,
        figure=Markup(inline_svg(frontier_figure(advice), "frontier", caption)),
        caption=caption,
        aiq="-" if math.isnan(advice.aiq) else f"{advice.aiq:.4f}",
        quality=estimate(advice.solution.quality),
        unchanged="" if advice.unchanged is None else estimate(advice.unchanged),
        cost=estimate(advice.solution.cost),
        cost_unit=advice.cost_unit,
        asked=_asked(advice),
    )


def _asked(advice: "Advice") -> str:
    """Return what was asked, in words."""
    asked = advice.asked
    budget = asked["budget"]
    words = [
        f"at most {asked['max_deployed']} of {len(advice.problem.models)} models",
        "no budget" if budget is None else f"a budget of {budget:g} {advice.cost_unit}",
    ]
    if asked["limit"] < 1.0:
        words.append(f"no more than {100.0 * asked['limit']:.4g} % of the traffic for any one")
    words += [f"floor {text}" for text in asked["constraints"]]
    words += [f"what if {text}" for text in asked["what_if"]]
    return ", ".join([*words, f"{asked['draws']:,} bootstrap draws"])


def _share_table(advice: "Advice") -> Table:
    model = HeaderCell("model", number=False, key=True)
    heads = [model, HeaderCell("traffic"), HeaderCell("in best set")]
    inside = dict(zip(advice.problem.models, advice.solution.inclusion.tolist(), strict=True))
    lines = [
        TableRow(
            [
                TableCell(name, head=True),
                _share(share, 1),
                _share(inside[name], 0),
            ]
        )
        for name, share in advice.routing_table().items()
    ]
    return Table("deploy", "What to deploy", heads, lines)


def _worth_table(advice: "Advice") -> Table:
    heads = [HeaderCell("change", number=False, key=True), HeaderCell("quality")]
    lines = [
        TableRow(
            [
                TableCell(one.what, head=True),
                _estimated(*one.gain, sign=True),
            ]
        )
        for one in advice.worths
    ]
    return Table("worth", "What would change the quality", heads, lines)


def _learning_table(advice: "Advice") -> Table:
    found = advice.learning
    assert found is not None
    with_present = math.isfinite(found.present_loss)
    heads = [
        HeaderCell("policy", number=False, key=True),
        HeaderCell("quality lost per query"),
        HeaderCell(f"mean cost ({advice.cost_unit})"),
        *([HeaderCell("against staying", number=False)] if with_present else []),
    ]
    lines = [
        TableRow(
            [
                TableCell(row.policy, head=True),
                _estimated(row.loss, row.low, row.high),
                TableCell(format_number(row.cost), repr(row.cost)),
                *([TableCell(against_staying(row.beats_present_from))] if with_present else []),
            ]
        )
        for row in found.rows
    ]
    return Table("learning", "What learning costs", heads, lines)


def _model_table(advice: "Advice") -> Table:
    heads = [
        HeaderCell("model", number=False, key=True),
        HeaderCell("traffic"),
        HeaderCell("in best set", "Share of the bootstrap draws in whose best set it is."),
        HeaderCell("score", "Mean score of a query, with its 95% interval."),
        HeaderCell(f"cost ({advice.cost_unit})", "With its 95% interval."),
        HeaderCell("limit", "Largest share of the traffic."),
        HeaderCell("observations", "As many of equal weight would say as much."),
    ]
    lines = [
        TableRow(
            [
                TableCell(row["model"], head=True),
                _share(row["share"], 1),
                _share(row["in_best_set"], 0),
                _estimated(row["score"], row["score_low"], row["score_high"]),
                _estimated(row["cost"], row["cost_low"], row["cost_high"]),
                _share(row["limit"], 0),
                number("observations", row["observations"], lambda value: f"{value:,.0f}"),
            ]
        )
        for row in advice.table.to_dicts()
    ]
    return Table("models", "All models", heads, lines)


def _share(value: float, digits: int) -> TableCell:
    """Return a share in per cent; what is not known is a dash."""
    return number("", value, lambda share: f"{100.0 * share:.{digits if share else 0}f} %")


def _estimated(value: float, low: float, high: float, *, sign: bool = False) -> TableCell:
    """Return an estimate with its interval, which a narrow page puts on a line of its own."""
    text = estimate(Estimate(value, low, high), sign=sign).replace(", ", ",\N{NO-BREAK SPACE}")
    return TableCell(text, exact(value), exact(low), exact(high))


def write_advice(advice: "Advice", folder: Path) -> list[Path]:
    """Write ``advice.json``, ``litellm.yaml``, ``frontier.svg``, ``.png`` and ``advice.html``.

    Parameters
    ----------
    advice : Advice
    folder : pathlib.Path
        Made where it is missing.

    Returns
    -------
    list of pathlib.Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "advice.json": advice.to_json() + "\n",
        "litellm.yaml": advice.to_litellm(),
        "advice.html": advice_page(advice),
    }
    for name, text in texts.items():
        write_file(folder / name, text_writer(text))
    figure = frontier_figure(advice)
    pictures = [folder / "frontier.svg", folder / "frontier.png"]
    for picture in pictures:
        save_figure(figure, picture)
    return [*(folder / name for name in texts), *pictures]
