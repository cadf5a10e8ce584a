"""How many stages: the growth of regret in T for K = T^x, and regret at the largest horizon."""

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import BestOf, ScalingFit, best_of
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
from fastroute.report.answers.scaling import Fitted, fitted, format_exponent
from fastroute.report.answers.words import (
    format_count,
    format_estimate,
    format_power,
    format_ratio,
    join_alike,
    join_words,
)
from fastroute.report.charts import (
    error_bars,
    legend_below,
    panels,
    symmetric_log,
    with_report_style,
)
from fastroute.report.style import line_style

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from fastroute.study import StoredStudy

QUESTION = "With K = T^x stages, which x is best, and is it 1/3?"
_THIRD: Final = Fraction(1, 3)
_RULE: Final = "stages_rule"


class ExponentSweep(NamedTuple):
    """The lines over horizons of one scenario and policy, by the power x of their stages."""

    title: str
    powers: list[Fraction]
    found: list[Fitted]
    last: list["pl.DataFrame"]  #: for each power, the cell of the largest horizon
    measure: str
    samples: list[NDArray[np.float64]]  #: of the measure, at the largest horizon
    best: BestOf  #: by the measure, at the largest horizon

    @property
    def horizon(self) -> int:
        """The largest horizon."""
        return int(self.last[0].get_column("horizon")[0])


def answer(stored: "StoredStudy") -> Answer:
    """Answer which power of the horizon is the best number of stages."""
    if _RULE not in stored.axes:
        words = 'The study does not sweep stages over rules "T^x", so there is nothing to compare.'
        return Answer(QUESTION, (words,))
    sweeps = _sweeps(stored)
    if not sweeps:
        words = 'The study has fewer than two rules "T^x" that meet two horizons or more.'
        return Answer(QUESTION, (words,))
    figures = (
        AnswerFigure(
            "stage-exponent-slope",
            _slopes(sweeps),
            "Fitted exponent of regret in T against x, the power of the number of stages K = T^x, "
            "with 95 % intervals. Grey: that of the upper bound "
            "for fixed N and M_max, max(1 - x, (1 + x)/2).",
        ),
        AnswerFigure(
            "stage-exponent-regret",
            _regrets(stored, sweeps),
            "Mean regret at the largest horizon against x, in all and by part, with 95 % "
            "intervals; the vertical axis is linear up to 100. Dotted: x = 1/3. Where the budget "
            "is overspent the black line is the priced regret.",
        ),
    )
    tables = (_best_table(sweeps), *(_table(stored, sweep) for sweep in sweeps))
    free = deployments_are_free(stored.cells.collect())
    verdict = [_advice(sweeps, bool(free)), *_verdict(sweeps), *free]
    return Answer(QUESTION, tuple(verdict), tables, figures)


def power_of(rule: str) -> Fraction | None:
    """Return x of a rule ``T^x``; None for other rules."""
    try:
        return Fraction(rule.removeprefix("T^").strip("()"))
    except ValueError:
        return None


def _sweeps(stored: "StoredStudy") -> list[ExponentSweep]:
    follows = ("stages", "scenario_stages")
    lines: dict[str, list[tuple[Fraction, CellLine]]] = {}
    for line in lines_of(stored, "horizon", follows):
        power = power_of(str(line.cells.get_column(_RULE)[0]))
        if power is not None and line.cells.height > 1:
            title = line.title.rpartition(", stages ")[0] or line.scenario
            lines.setdefault(title, []).append((power, line))
    sweeps = []
    for title, found in lines.items():
        if len(found) < 2:
            continue
        found.sort(key=lambda one: one[0])
        # One measure for all powers, or they could not be compared.
        priced = any(line.measure == "priced_regret" for _, line in found)
        measure = "priced_regret" if priced else "regret"
        alike = [line._replace(measure=measure) for _, line in found]
        last = [line.cells.tail(1) for line in alike]
        samples = pairable_samples([samples_of(stored, cell, measure)[0] for cell in last])
        sweeps.append(
            ExponentSweep(
                title,
                [power for power, _ in found],
                [fitted(stored, line) for line in alike],
                last,
                measure,
                samples,
                best_of(samples),
            )
        )
    return sweeps


def _advice(sweeps: list[ExponentSweep], free: bool) -> str:
    """Say which power is best, or within noise of the best, on most lines."""
    good: Counter[Fraction] = Counter()
    for sweep in sweeps:
        good.update(sweep.powers[place] for place in sweep.best.ties)
    # Of equally good ones the one with the fewest stages.
    best = max(good, key=lambda power: (good[power], -power))
    horizon = f"T = {format_count(max(sweep.horizon for sweep in sweeps))}"
    if 2 * good[best] <= len(sweeps):
        return (
            f"No power x of K = T^x is best, or within noise of the best, on more than "
            f"{good[best]} of {len(sweeps)} lines (workload and policy) at {horizon}: choose it by "
            "workload."
        )
    where = " where deployments cost nothing" if free else ""
    at_end = all(best == max(sweep.powers) for sweep in sweeps)
    more = "; it is the most that was played, so that more may be better still" if at_end else ""
    return (
        f"Use K = T^{_exponent(best)} stages{where}: at {horizon} it has the lowest regret, or is "
        f"within noise of it, on {good[best]} of {len(sweeps)} lines (workload and policy){more}."
    )


def _exponent(power: Fraction) -> str:
    return f"({_shown(power)})" if "/" in _shown(power) else _shown(power)


def _verdict(sweeps: list[ExponentSweep]) -> list[str]:
    """Say which power is best, how far 1/3 is behind it, and with which regret grows least."""
    best = join_alike([(f"x = {_best(sweep)}", sweep.title) for sweep in sweeps])
    verdict = [
        f"At T = {format_count(max(sweep.horizon for sweep in sweeps))}, regret is lowest with "
        f"{best}."
    ]
    asked = [sweep for sweep in sweeps if _THIRD in sweep.powers]
    if asked:
        good = [sweep for sweep in asked if sweep.powers.index(_THIRD) in sweep.best.ties]
        words = f"x = 1/3 is best or within noise of the best on {len(good)} of {len(asked)} lines"
        behind = [
            f"{_behind(sweep)} the lowest regret on {sweep.title}"
            for sweep in asked
            if sweep not in good
        ]
        verdict.append(f"{words}{'; it has ' * bool(behind)}{join_words(behind)}.")
    slow = [
        f"x = {_shown(power)} on {sweep.title} (as T^y, y = {format_exponent(fit)})"
        for sweep in sweeps
        for power, fit in _slowest(sweep)
    ]
    verdict.append(
        f"Regret grows most slowly in T with {join_words(slow)}."
        if slow
        else "No exponent in T could be fitted."
    )
    return verdict


def _best(sweep: ExponentSweep) -> str:
    """Name the best power, and the others that are within noise of it."""
    best = sweep.best.best
    others = [_shown(sweep.powers[place]) for place in sweep.best.ties if place != best]
    if len(others) == len(sweep.powers) - 1:
        return f"{_shown(sweep.powers[best])} (all others within noise)"
    noise = f" ({join_words(others)} within noise)" if others else ""
    return f"{_shown(sweep.powers[best])}{noise}"


def _behind(sweep: ExponentSweep) -> str:
    third = sweep.powers.index(_THIRD)
    level = sweep.best.excess[third].level
    return format_ratio(sweep.samples[third], sweep.samples[sweep.best.best], level)


def _slowest(sweep: ExponentSweep) -> list[tuple[Fraction, ScalingFit]]:
    """Return the power with which regret grows most slowly; none where no growth can be told."""
    fits = [
        (power, one.fit)
        for power, one in zip(sweep.powers, sweep.found, strict=True)
        if one.fit is not None and not _untold(one.fit)
    ]
    return sorted(fits, key=lambda one: one[1].exponent.estimate)[:1]


def _best_table(sweeps: list[ExponentSweep]) -> AnswerTable:
    """Lay out the best power of every line, one row each."""
    import polars as pl

    rows = []
    for sweep in sweeps:
        best = sweep.best.best
        third = sweep.powers.index(_THIRD) if _THIRD in sweep.powers else None
        row = {
            "line": sweep.title,
            "judged by": sweep.measure.replace("_", " "),
            "best x": _best(sweep),
            "K": _stages(sweep, best),
            "with x = 1/3": "not played"
            if third is None
            else "best"
            if third == best
            else _behind(sweep),
        }
        for power, fit in _slowest(sweep):
            row["slowest growth"] = f"x = {_shown(power)}, y = {format_exponent(fit)}"
            row["its interval overlaps"] = ", ".join(_rivals(sweep, power, fit)) or "none"
        rows.append(row)
    heads = dict.fromkeys(head for row in rows for head in row)
    return AnswerTable(
        "Best number of stages K = T^x",
        pl.DataFrame([{head: row.get(head, "-") for head in heads} for row in rows]),
        "By the mean at the largest horizon; within noise: paired by trial, all comparisons of a "
        "line at once at 95 %. Growth: as T^y over all horizons, with its 95 % interval and the x "
        "whose intervals overlap with it.",
    )


def _untold(fit: ScalingFit) -> str:
    """Say that an exponent cannot be told; empty where it can."""
    found = format_power(fit.exponent.estimate, fit.exponent.low, fit.exponent.high)
    return "" if found.endswith("]") else found


def _rivals(sweep: ExponentSweep, power: Fraction, fit: ScalingFit) -> list[str]:
    return [
        _shown(other)
        for other, one in zip(sweep.powers, sweep.found, strict=True)
        if other != power and one.fit is not None and one.fit.exponent.low <= fit.exponent.high
    ]


def _shown(power: Fraction) -> str:
    return str(power) if power == _THIRD else f"{float(power):g}"


def _stages(sweep: ExponentSweep, place: int) -> str:
    return format_count(sweep.last[place].get_column("stages")[0])


def _table(stored: "StoredStudy", sweep: ExponentSweep) -> AnswerTable:
    import polars as pl

    rows = []
    for place, power in enumerate(sweep.powers):
        fit, cell = sweep.found[place].fit, sweep.last[place]
        row = {
            "x": _shown(power),
            "K": _stages(sweep, place),
            "exponent of T": "not fitted" if fit is None else _untold(fit) or format_exponent(fit),
        }
        for name in (sweep.measure, *PARTS):
            found = summary_of(stored, cell, name).select("mean", "low", "high").row(0)
            row[name.replace("_", " ")] = format_estimate(*found)
        rows.append(row)
    return AnswerTable(
        sweep.title,
        pl.DataFrame(rows),
        f"Exponents over all horizons; K and means at T = {format_count(sweep.horizon)}, with 95 % "
        "intervals.",
    )


@with_report_style
def _slopes(sweeps: list[ExponentSweep]) -> "Figure":
    import polars as pl

    figure, (axes,) = panels(1, height=3.6)
    for index, sweep in enumerate(sweeps):
        rows = [
            (float(power), *one.fit.exponent[:1], one.fit.exponent.low, one.fit.exponent.high)
            for power, one in zip(sweep.powers, sweep.found, strict=True)
            if one.fit is not None
        ]
        if not rows:
            continue
        frame = pl.DataFrame(rows, schema=["x", "mean", "low", "high"], orient="row")
        error_bars(axes, frame.get_column("x"), frame, sweep.title, line_style(index))
    powers = sorted({float(power) for sweep in sweeps for power in sweep.powers})
    powers = sorted({*powers, float(_THIRD)})
    bound = [max(1.0 - x, 0.5 * (1.0 + x)) for x in powers]
    axes.plot(powers, bound, color="#999999", linewidth=1.0, zorder=1, label="upper bound")
    axes.axvline(float(_THIRD), color="black", linestyle=":", linewidth=1.0)
    axes.set_xlabel("x, where K = T^x")
    axes.set_ylabel("exponent of regret in T")
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


@with_report_style
def _regrets(stored: "StoredStudy", sweeps: list[ExponentSweep]) -> "Figure":
    import polars as pl

    figure, shown = panels(len(sweeps), columns=2, width=2.8, height=2.6)
    for axes, sweep in zip(shown, sweeps, strict=True):
        powers = [float(power) for power in sweep.powers]
        part_lines(axes, powers, stored, pl.concat(sweep.last), sweep.measure)
        axes.set_title(f"{sweep.title}, T = {format_count(sweep.horizon)}")
        axes.axvline(float(_THIRD), color="black", linestyle=":", linewidth=1.0)
        axes.set_xlabel("x, where K = T^x")
        axes.set_ylabel("regret at the horizon")
        # Too few stages cost orders of magnitude more, and parts can be below zero.
        symmetric_log(axes, 100.0)
    legend_below(figure, *shown[0].get_legend_handles_labels())
    return figure
