"""How often to update: regret against the update interval T/K at a fixed horizon."""

from typing import TYPE_CHECKING, NamedTuple

from fastroute.analyse import best_of
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.lines import (
    PARTS,
    CellLine,
    deployments_are_free,
    lines_of,
    pairable_samples,
    samples_of,
    summary_of,
)
from fastroute.report.answers.parts import part_lines
from fastroute.report.answers.words import (
    format_count,
    format_estimate,
    format_ratio,
    join_alike,
    join_words,
    span_of,
)
from fastroute.report.charts import legend_below, log_axes, panels, with_report_style
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
    found = [_found(stored, line) for line in swept]
    verdict = [*_verdict(found), *deployments_are_free(stored.cells.collect())]
    tables = (_best_table(found), *(_table(stored, line) for line in swept))
    figure = AnswerFigure(
        "interval",
        _figure(stored, swept),
        "Mean regret at the horizon against the length of a stage T/K, in all and by part, with "
        "95 % intervals. The dotted line is K = T^(1/3). Both axes are logarithmic; what is 0 or "
        "less has no place on them. Where the budget is overspent the black line is the priced "
        "regret, which charges for it.",
    )
    return Answer(QUESTION, tuple(verdict), tables, (figure,))


class _Found(NamedTuple):
    """What is found on one line."""

    line: CellLine
    best: int  #: the best number of stages
    lowest: str  #: its mean, with its interval
    ties: list[int]  #: others within noise of it
    third: int  #: K = T^(1/3)
    played: int | None  #: the number of stages that stands for it
    ratio: str  #: what T^(1/3) has in terms of the best; empty where it is that or was not played
    parts: tuple[str, str]  #: the largest part of the regret with the fewest and most stages

    @property
    def good(self) -> bool:
        """Whether K = T^(1/3) is the best or within noise of it."""
        return self.played is not None and self.played in (self.best, *self.ties)


def _found(stored: "StoredStudy", line: CellLine) -> _Found:
    stages = line.cells.get_column("stages").to_list()
    samples = pairable_samples(samples_of(stored, line.cells, line.measure))
    found = best_of(samples)
    best = found.best
    mean = summary_of(stored, line.cells, line.measure).select("mean", "low", "high").row(best)
    rule = stage_count("T^(1/3)", line.cells.get_column("horizon")[0])
    near = min(range(len(stages)), key=lambda place: abs(stages[place] - rule))
    played = abs(stages[near] - rule) <= 0.1 * rule
    ratio = ""
    if played and near != best:
        ratio = format_ratio(samples[near], samples[best], found.excess[near].level)
    few, many = (_largest_part(stored, line, place) for place in (0, -1))
    return _Found(
        line,
        stages[best],
        format_estimate(*mean),
        [stages[place] for place in found.ties if place != best],
        stages[near] if played else rule,
        stages[near] if played else None,
        ratio,
        (few, many),
    )


def _verdict(found: list[_Found]) -> list[str]:
    """Say which number of stages is best, how far T^(1/3) is behind it, and why."""
    most = [one for one in found if one.best == max(one.line.cells.get_column("stages"))]
    numbers = span_of([one.best for one in found], format_count)
    every = "all lines" if len(found) > 1 else found[0].line.title
    words = [
        f"Regret is lowest with the most stages played, K = {numbers}, on {every}."
        if len(most) == len(found)
        else "Regret is lowest with "
        + join_alike([(f"K = {format_count(one.best)}", one.line.title) for one in found])
        + "."
    ]
    asked = [one for one in found if one.played is not None]
    if asked:
        good = [one for one in asked if one.good]
        numbers = span_of([one.third for one in asked], format_count)
        told = f"K = T^(1/3) = {numbers} is best or within noise of the best on {len(good)} of "
        told += f"{len(asked)} lines"
        behind = [
            f"{one.ratio} the lowest regret on {one.line.title}" for one in asked if not one.good
        ]
        words.append(f"{told}{'; it has ' * bool(behind)}{join_words(behind)}.")
    if missing := [one.line.title for one in found if one.played is None]:
        words.append(f"K = T^(1/3) is not among the numbers of stages of {join_words(missing)}.")
    for place, name in enumerate(("fewest", "most")):
        largest = join_alike([(one.parts[place], one.line.title) for one in found])
        words.append(f"With the {name} stages, the largest part of the regret is {largest}.")
    return words


def _best_table(found: list[_Found]) -> AnswerTable:
    """Lay out the best number of stages of every line, one row each."""
    import polars as pl

    rows = []
    for one in found:
        cells = one.line.cells
        length = dict(cells.select("stages", "stage_length").iter_rows())[one.best]
        every = len(one.ties) == cells.height - 1
        rows.append(
            {
                "line": one.line.title,
                "judged by": one.line.words,
                "best K": format_count(one.best),
                "T/K": format_count(length),
                "lowest": one.lowest,
                "within noise": "all others"
                if every
                else join_words([*map(format_count, one.ties)]) or "-",
                "with K = T^(1/3)": "not played"
                if one.played is None
                else f"K = {format_count(one.third)}, {one.ratio or 'best'}",
                "largest part, fewest stages": one.parts[0],
                "largest part, most stages": one.parts[1],
            }
        )
    return AnswerTable(
        "Best number of stages",
        pl.DataFrame(rows),
        "Within noise: cannot be told from the best K, paired by trial, all comparisons of a line "
        "at once at 95 %. With K = T^(1/3): in terms of the lowest.",
    )


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
            format_estimate(*row) for row in found.select("mean", "low", "high").iter_rows()
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
