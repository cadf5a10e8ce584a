"""How often to update: regret against the update interval T/K at a fixed horizon."""

import math
from typing import TYPE_CHECKING

from fastroute.analyse import best_of
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.lines import (
    PARTS,
    CellLine,
    deployments_are_free,
    format_interval,
    format_ratio,
    join_words,
    lines_of,
    pairable_samples,
    samples_of,
    summary_of,
)
from fastroute.report.answers.parts import part_lines
from fastroute.report.charts import legend_below, log_axes, panels, with_report_style
from fastroute.report.style import format_margin, format_value
from fastroute.scenarios.placement import stage_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastroute.study import StoredStudy

QUESTION = "How does regret depend on the update interval T/K, and is K = T^(1/3) a good choice?"


def answer(stored: "StoredStudy") -> Answer:
    """Answer how regret depends on the length of a stage."""
    lines = lines_of(stored, "stages", ("stages_rule", "scenario_stages"))
    swept = [line for line in lines if line.cells.height > 1]
    if not swept:
        words = "The study has one number of stages only; sweep stages to answer the question."
        return Answer(QUESTION, (words,))
    verdict = [" ".join(_verdict(stored, line)) for line in swept]
    verdict += deployments_are_free(stored.cells.collect())
    tables = tuple(_table(stored, line) for line in swept)
    figure = AnswerFigure(
        "interval",
        _figure(stored, swept),
        "Mean regret at the horizon against the length of a stage T/K, in all and by part, with "
        "95 % intervals. The dotted line is K = T^(1/3). Both axes are logarithmic; what is 0 or "
        "less has no place on them. Where the budget is overspent the black line is the priced "
        "regret, which charges for it.",
    )
    return Answer(QUESTION, tuple(verdict), tables, (figure,))


def _verdict(stored: "StoredStudy", line: CellLine) -> list[str]:
    stages = line.cells.get_column("stages").to_list()
    lengths = line.cells.get_column("stage_length").to_list()
    samples = pairable_samples(samples_of(stored, line.cells, line.measure))
    found = best_of(samples)
    best = found.best
    ties = [place for place in found.ties if place != best]
    mean = float(samples[best].mean())
    text = (
        f"{line.title}: mean {line.words} is lowest at T/K = {format_value(lengths[best])} rounds "
        f"(K = {format_value(stages[best])}; {format_margin(mean, _high(stored, line, best))})"
    )
    if len(ties) == len(stages) - 1:
        text += ", but no other number of stages can be told apart from it"
    elif ties:
        names = join_words([format_value(stages[place]) for place in ties])
        text += f"; K = {names} cannot be told apart"
    else:
        text += ", and every other K in the study is worse beyond doubt"
    sentences = [f"{text} (paired by trial, all comparisons at once at 95 %)."]
    horizon = line.cells.get_column("horizon")[0]
    rule = stage_count("T^(1/3)", horizon)
    near = min(range(len(stages)), key=lambda place: abs(stages[place] - rule))
    if abs(stages[near] - rule) > 0.1 * rule:
        sentences.append(f"K = T^(1/3) = {rule} is not among the numbers of stages here.")
    elif near != best:
        ratio = format_ratio(samples[near], samples[best], found.excess[near].level)
        doubt = ", which chance alone may explain" if near in ties else ""
        sentences.append(
            f"K = T^(1/3) = {format_value(stages[near])} has {ratio} that {line.words}{doubt}."
        )
    else:
        sentences.append(f"That is K = T^(1/3) = {format_value(stages[near])}.")
    few, many = (_largest_part(stored, line, place) for place in (0, -1))
    sentences.append(
        f"With the fewest stages (K = {format_value(stages[0])}) the largest part of the "
        f"regret is {few}, "
        f"with the most (K = {format_value(stages[-1])}) it is {many}."
    )
    return sentences


def _high(stored: "StoredStudy", line: CellLine, place: int) -> float:
    high = summary_of(stored, line.cells, line.measure).get_column("high")[place]
    return math.nan if high is None else float(high)


def _largest_part(stored: "StoredStudy", line: CellLine, place: int) -> str:
    means = {
        part: float(summary_of(stored, line.cells, part).get_column("mean")[place])
        for part in PARTS
    }
    return max(means, key=lambda part: means[part])


def _table(stored: "StoredStudy", line: CellLine) -> AnswerTable:
    import polars as pl

    columns: dict[str, list[object]] = {
        "K": line.cells.get_column("stages").to_list(),
        "T/K": line.cells.get_column("stage_length").to_list(),
    }
    for name in ("regret", *PARTS, "priced_regret"):
        found = summary_of(stored, line.cells, name)
        columns[name.replace("_", " ")] = [
            format_interval(row) for row in found.select("mean", "low", "high").iter_rows()
        ]
    return AnswerTable(line.title, pl.DataFrame(columns), "Means over trials, 95 % intervals.")


@with_report_style
def _figure(stored: "StoredStudy", lines: list[CellLine]) -> "Figure":
    priced = [line.measure == "priced_regret" for line in lines]
    titles = [f"{line.title}{', priced' * one}" for line, one in zip(lines, priced, strict=True)]
    figure, shown = panels(len(lines), columns=2, width=2.8, height=2.6)
    for axes, line, title in zip(shown, lines, titles, strict=True):
        lengths = line.cells.get_column("stage_length").to_list()
        part_lines(axes, lengths, stored, line.cells, line.measure, positive=True)
        axes.set_title(title)
        horizon = line.cells.get_column("horizon")[0]
        rule = stage_count("T^(1/3)", horizon)
        axes.axvline(horizon / rule, color="black", linestyle=":", linewidth=1.0)
        log_axes(axes)
        axes.set_xlabel("update interval T/K (rounds)")
    shown[0].set_ylabel("regret at the horizon (units of reward)")
    legend_below(figure, *shown[0].get_legend_handles_labels())
    return figure
