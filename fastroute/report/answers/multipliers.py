"""The budget price of each stage: whether it is bounded in practice, and grows with T."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import budget_prices, paired_difference, price_supremum
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.lines import (
    CellLine,
    lines_of,
    pairable_samples,
)
from fastroute.report.answers.words import (
    format_count,
    format_estimate,
    format_ratio,
    join_words,
    span_of,
)
from fastroute.report.charts import error_bars, legend_below, panels, with_report_style
from fastroute.report.style import format_number, line_style
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from fastroute.study import StoredStudy

QUESTION = "Are the budget prices λ*_k of the stages bounded in practice?"

_LAST: Final = {"grows": "grows", "falls": "falls", "flat": "not told", "single": "one horizon"}


class Prices(NamedTuple):
    """The prices of the cells of a line, each times the budget of its cell."""

    line: CellLine
    horizons: list[int]
    supremum: "pl.DataFrame"  #: per horizon, of the largest price of each trial: statistics
    samples: list[NDArray[np.float64]]  #: per horizon, the largest price of each trial
    stages: "pl.DataFrame"  #: of the largest horizon: quantiles over trials, stage by stage

    @property
    def largest(self) -> float:
        """The largest price of any stage, trial and horizon."""
        return float(np.max([values.max() for values in self.samples]))

    @property
    def true(self) -> bool:
        """Whether the policy knows the true means."""
        return bool(self.line.cells.get_column("estimator")[0] == "truth")

    def last_change(self) -> str:
        """Tell how the mean largest price changes between the two largest horizons.

        Returns
        -------
        str
            ``grows``, ``falls``, ``flat`` where chance explains the change, or ``single`` where
            there is one horizon only.
        """
        if len(self.samples) < 2:
            return "single"
        before, after = pairable_samples(self.samples[-2:])
        found = paired_difference(after, before)
        if found.low > NEAR_ZERO:
            return "grows"
        return "falls" if found.high < -NEAR_ZERO else "flat"

    def change_words(self) -> str:
        """Write the mean largest price of the largest horizon in terms of the one before."""
        before, after = pairable_samples(self.samples[-2:])
        return format_ratio(after, before)


def answer(stored: "StoredStudy") -> Answer:
    """Answer whether the budget prices of the stages are bounded."""
    import polars as pl

    lines = lines_of(stored, "horizon")
    means = [line.title for line in lines if (line.cells["stages_kept"] != "trials").any()]
    kept = [line for line in lines if line.title not in means]
    if not kept:
        words = 'Only means of the stages were kept; run with [store] stages = "trials".'
        return Answer(QUESTION, (words,))
    found = [_prices(stored, line) for line in kept]
    verdict = _verdict(found)
    if means:
        verdict.append(f"Not looked at, as only means of the stages were kept: {'; '.join(means)}.")
    figures = (
        AnswerFigure(
            "multipliers-supremum",
            _suprema(found),
            "Largest budget price of a trial, λ* times the budget per query, against T: mean over "
            "trials with 95 % interval. Crosses: the largest of all trials.",
        ),
        AnswerFigure(
            "multipliers-stages",
            _by_stage(found),
            "Budget price, λ* times the budget per query, by the round at which the stage opens, "
            "at the largest horizon: median (line) and from there to the 95 % quantile over "
            "trials (band).",
        ),
    )
    table = AnswerTable(
        "Largest budget price of a trial, times the budget",
        pl.DataFrame(_rows(found)),
        "λ* is the price of the budget in the deployment problem as the policy sees it, in reward "
        "per unit of cost; times the budget per query it is in units of reward. Last change: "
        "between the two largest horizons. Beside the true means: in terms of the prices of the "
        "oracle at the largest horizon. 95 % intervals.",
    )
    return Answer(QUESTION, tuple(verdict), (table,), figures)


def _prices(stored: "StoredStudy", line: CellLine) -> Prices:
    import polars as pl

    numbers = line.cells.get_column("cell").to_list()
    stages = (
        stored.stages.filter(pl.col("cell").is_in(numbers))
        .select(
            "cell", "horizon", "trial", "stage", "opened", pl.col("budget_price") * pl.col("budget")
        )
        .collect()
    )
    top = (
        stages.group_by("horizon", "trial")
        .agg(pl.col("budget_price").max())
        .sort("horizon", "trial")
        .partition_by("horizon", maintain_order=True)
    )
    horizons = [int(one.get_column("horizon")[0]) for one in top]
    samples = [one.get_column("budget_price").to_numpy() for one in top]
    return Prices(
        line,
        horizons,
        price_supremum(stages, by=("horizon",)).sort("horizon"),
        samples,
        budget_prices(stages.filter(horizon=horizons[-1]), by=()).sort("stage"),
    )


def _verdict(found: list[Prices]) -> list[str]:
    learned = [one for one in found if not one.true]
    binding = [one for one in learned if one.largest > 0.0]
    if not binding:
        return ["The budget never has a price here: it binds in no stage of any trial."]
    top = max(binding, key=lambda one: one.largest)
    horizons = sorted({horizon for one in learned for horizon in one.horizons})
    span = span_of(horizons, format_count)
    verdict = [
        f"The largest price of any stage and trial is λ* b = {format_number(top.largest, 3)} units "
        f"of reward, for T = {span} ({top.line.title})."
    ]
    kinds = [one.last_change() for one in binding]
    if "single" in kinds:
        verdict.append("There is one horizon only, so whether prices grow cannot be judged.")
    else:
        step = f"From T = {format_count(horizons[-2])} to {format_count(horizons[-1])}"
        verdict.append(
            f"{step} the mean largest price clearly grows on {kinds.count('grows')} of "
            f"{len(binding)} lines, clearly falls on {kinds.count('falls')}, and does not clearly "
            f"change on {kinds.count('flat')}."
        )
        if growing := [one for one in binding if one.last_change() == "grows"]:
            named = [f"{one.line.title} ({one.change_words()})" for one in growing]
            verdict.append(f"No bound is seen where it still grows: {join_words(named)}.")
    ratios = [value for one in binding if (value := _truth_ratio(one, found)) is not None]
    if ratios:
        verdict.append(
            f"Under learnt means the largest price is {span_of(ratios, _short)} times that under "
            f"the true means, at T = {format_count(horizons[-1])}."
        )
    free = [one.line.title for one in learned if one.largest <= 0.0]
    if free:
        verdict.append(f"The budget binds in no stage of {join_words(free)}.")
    return verdict


def _short(value: float) -> str:
    return f"{value:.2f}"


def _truth_ratio(one: Prices, found: list[Prices]) -> float | None:
    """Return the mean largest price over the oracle's; None where there is none to compare."""
    samples = _beside_truth(one, found)
    return None if samples is None else float(samples[0].mean() / samples[1].mean())


def _against_truth(one: Prices, found: list[Prices]) -> str:
    """Write the ratio to the oracle's prices in the same world; empty where there is none."""
    samples = _beside_truth(one, found)
    return "" if samples is None else format_ratio(*samples)


def _beside_truth(
    one: Prices, found: list[Prices]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the largest prices of a line and of the oracle in the same world."""
    for other in found:
        alike = (one.line.scenario, one.line.rest) == (other.line.scenario, other.line.rest)
        if other.true and alike and other.samples[-1].mean() > NEAR_ZERO:
            mine, true = pairable_samples([one.samples[-1], other.samples[-1]])
            return mine, true
    return None


def _rows(found: list[Prices]) -> list[dict[str, str]]:
    """One row per line, a column per horizon."""
    rows = []
    for one in found:
        row = {"line": one.line.title}
        for figures in one.supremum.iter_rows(named=True):
            row[f"mean, T = {format_count(figures['horizon'])}"] = format_estimate(
                *(figures[name] for name in ("mean", "low", "high"))
            )
        row["95 % quantile, largest T"] = format_estimate(
            *(one.supremum.row(-1, named=True)[name] for name in ("q95", "q95_low", "q95_high"))
        )
        row["largest of all"] = format_number(one.largest, 3)
        kind = one.last_change()
        row["last change"] = _LAST[kind]
        if kind in ("grows", "falls"):
            row["last change"] += f", {one.change_words()} the one before"
        row["beside the true means"] = "-" if one.true else _against_truth(one, found) or "-"
        rows.append(row)
    heads = dict.fromkeys(head for row in rows for head in row)
    return [{head: row.get(head, "-") for head in heads} for row in rows]


def _panels(found: list[Prices]) -> "tuple[Figure, dict[str, Any], dict[str, int]]":
    """Return a figure with a panel for each scenario and policy, and the colours of the rest."""
    names = list(dict.fromkeys(_panel(one) for one in found))
    rest = list(dict.fromkeys(one.line.rest for one in found))
    figure, shown = panels(len(names), columns=2, width=2.8, height=2.6)
    for axes, name in zip(shown, names, strict=True):
        axes.set_title(name)
    return figure, dict(zip(names, shown, strict=True)), {name: k for k, name in enumerate(rest)}


def _panel(one: Prices) -> str:
    return f"{one.line.scenario}, {one.line.policy}"


@with_report_style
def _suprema(found: list[Prices]) -> "Figure":
    figure, shown, places = _panels(found)
    for one in found:
        axes, style = shown[_panel(one)], line_style(places[one.line.rest])
        error_bars(axes, one.horizons, one.supremum, one.line.rest or one.line.policy, style)
        axes.set_xscale("log")
        largest = [float(values.max()) for values in one.samples]
        axes.plot(one.horizons, largest, color=style.colour, linestyle="", marker="x", markersize=5)
    return _finished(figure, shown, "horizon T (rounds)", "largest price of a trial")


@with_report_style
def _by_stage(found: list[Prices]) -> "Figure":
    figure, shown, places = _panels(found)
    for one in found:
        axes, style = shown[_panel(one)], line_style(places[one.line.rest])
        opened = one.stages.get_column("opened").to_numpy() + 1.0
        middle, upper = (one.stages.get_column(name).to_numpy() for name in ("q50", "q95"))
        # A price holds for its stage.
        axes.fill_between(
            opened, middle, upper, color=style.colour, alpha=0.18, linewidth=0, step="post"
        )
        axes.plot(
            opened,
            middle,
            color=style.colour,
            linestyle=style.dashes,
            drawstyle="steps-post",
            label=one.line.rest or one.line.policy,
        )
    for axes in shown.values():
        axes.xaxis.set_major_formatter(
            lambda value, _: f"{value / 1e6:g}M" if value >= 1e6 else f"{value:,.0f}"
        )
    return _finished(figure, shown, "round", "price of the stage")


def _finished(figure: "Figure", shown: dict[str, Any], x: str, y: str) -> "Figure":
    for axes in shown.values():
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
    first = next(iter(shown.values()))
    legend_below(figure, *first.get_legend_handles_labels())
    return figure
