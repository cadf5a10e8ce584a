"""`gamma`: how wide the confidence radius should be, and how that moves with the budget."""

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fastroute.analyse import BestPower, best_power, ranking, starvation_rate
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import budget_names, finals, groups, means, otherwise, varied
from fastroute.report.answers.words import (
    behind,
    format_estimate,
    format_interval,
    format_share,
    join_words,
    span_of,
)
from fastroute.report.charts import (
    error_bars,
    heatmap,
    legend_below,
    log_ticks,
    panels,
    symmetric_log,
    with_report_style,
)
from fastroute.report.style import (
    format_margin,
    format_number,
    format_value,
    line_style,
)
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "How does regret depend on the width γ of the confidence radius, and how should γ scale with "
    "the budget b?"
)
_UNIT: Final = "units of reward"
# Of many settings this many are named.
_MOST_NAMED: Final = 3
# γ up to the paper's value counts as a small constant.
_SMALL: Final = 0.1


def answer(stored: StoredStudy) -> Answer:
    """Compare the values of γ at every budget, on the same queries.

    Parameters
    ----------
    stored : StoredStudy
        Cells of learning policies that differ in γ; several budgets for how γ should scale.
    """
    import polars as pl

    trials = finals(stored, "gamma", "estimator", "policy_options")
    trials = trials.filter(pl.col("estimator") != "truth")
    if trials.is_empty():
        return Answer(_QUESTION, ("No policy learns: nothing can be compared.",))
    trials = otherwise(stored, trials, "gamma", "delta")
    if trials.get_column("gamma").n_unique() < 2:
        return Answer(_QUESTION, ("All cells have one γ: nothing can be compared.",))
    outer = varied(stored, trials, "budget", "budget_rule")
    # The last setting first, as it is the one of the longest horizon.
    verdict: list[str] = []
    rows: list[dict[str, Any]] = []
    maps = []
    names = budget_names(trials)
    for place, _, group in groups(trials, outer):
        at = f"At {place}, " if place else ""
        ranked = {
            budget: ranking(one, "gamma")
            for (budget,), one in group.group_by("budget", maintain_order=True)
        }
        powers = _powers(group)
        verdict[:0] = [
            _capital(at + words)
            for words in (*_scaling(powers, len(ranked)), _one_for_all(ranked, names))
        ]
        maps.append((place, ranked))
        rows += _rows(place, ranked, powers, names)
    starved = starvation_rate(trials, by=[*outer, "budget", "gamma"])
    # After what is said of the longest horizon.
    verdict.insert(2, _starvation(starved))
    verdict.insert(0, _advice(maps))
    return Answer(
        _QUESTION,
        tuple(verdict),
        (
            AnswerTable(
                "Best γ by budget",
                pl.DataFrame(rows),
                "By priced regret (regret plus overspending at its worth), mean ± half the 95 % "
                "interval. Within noise: of the best, in paired comparisons that hold "
                "jointly at 95 %. Between grid points the best γ is where a parabola in log γ is "
                "lowest, with its bootstrap interval.",
            ),
            _starved_table(starved, outer, names),
        ),
        (
            AnswerFigure(
                "regret",
                _regret_figure(trials, outer, names),
                "Final regret and priced regret against γ, one line per budget. Whiskers: 95 % "
                "intervals of the mean. Where regret is far below priced regret, it was bought "
                "by overspending.",
            ),
            AnswerFigure(
                "map",
                _map_figure(maps, names),
                "Priced regret over that of the best γ at the same budget. ★ best, ○ within "
                "noise of the best.",
            ),
            AnswerFigure(
                "starvation",
                _starvation_figure(starved, outer, names),
                "Share of trials in which a model of the optimum got under 1 % of the pulls that "
                "the oracle gives it. Whiskers: Wilson's 95 % intervals.",
            ),
        ),
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _gamma(value: float) -> str:
    return f"γ = {value:.3g}"


def _powers(group: "pl.DataFrame") -> list[BestPower]:
    """Fit how the best γ moves with the budget: over all budgets, and over either half of them.

    Empty where there are too few budgets or values of γ, or not all were played by the same
    trials; only the first where there are fewer than four budgets.
    """
    import polars as pl

    positive = group.filter(pl.col("gamma") > 0.0)
    budgets = positive.get_column("budget").unique().sort().to_list()
    gammas = positive.get_column("gamma").unique().sort().to_list()
    cells = len(budgets) * len(gammas)
    shared = positive.filter(pl.len().over("trial") == cells).sort("budget", "gamma", "trial")
    if len(budgets) < 3 or len(gammas) < 3 or shared.is_empty():
        return []
    values = shared.get_column("priced_regret").to_numpy().reshape(cells, -1).T
    grid = values.reshape(-1, len(budgets), len(gammas))
    middle = len(budgets) // 2
    parts = [slice(None)]
    if len(budgets) > 3:
        parts += [slice(0, middle + len(budgets) % 2), slice(middle, None)]
    return [best_power(budgets[part], gammas, grid[:, part]) for part in parts]


def _scaling(powers: list[BestPower], budgets: int) -> list[str]:
    if not powers:
        return [
            f"how the best γ scales with b cannot be answered from {budgets} budget(s): three "
            "budgets with the same three values of γ, played by the same trials, are needed."
        ]
    power = powers[0]
    shown = [format_interval(power.exponent) for power in powers]
    if power.exponent.low > 0.0:
        found = "the best γ grows with the budget"
    elif power.exponent.high < 0.0:
        found = "the best γ falls as the budget grows"
    else:
        found = "no trend of the best γ with the budget can be told"
    words = f"{found}, as b^x with x = {shown[0]}"
    if len(powers) == 3:
        low, high = powers[1].exponent, powers[2].exponent
        apart = low.low > high.high or high.low > low.high
        words += (
            f", but no single power describes it (x = {shown[1]} over the lower half of the "
            f"budgets, {shown[2]} over the upper half)"
            if apart
            else f" (x = {shown[1]} over the lower half of the budgets, {shown[2]} over the upper)"
        )
    said = [f"{words}."]
    if edge := int(power.at_edge.sum()):
        said.append(
            f"at {edge} of {budgets} budgets the best γ is at the end of the grid, and the true "
            "one may lie beyond."
        )
    return said


class _Loss(NamedTuple):
    """What a γ has more than the best γ, at the budget where that is most."""

    share: float  #: of the best; infinite where that is zero
    budget: float
    row: dict[str, Any]  #: of the ranking at that budget


def _losses(ranked: "dict[float, pl.DataFrame]") -> dict[float, _Loss]:
    """Return what each γ that is played at every budget loses at its worst, the least first."""
    losses: dict[float, _Loss] = {}
    for budget, table in ranked.items():
        best = table.get_column("mean")[0]
        for row in table.iter_rows(named=True):
            share = row["mean"] / best - 1.0 if best > 0.0 else math.inf
            if row["gamma"] not in losses or share > losses[row["gamma"]].share:
                losses[row["gamma"]] = _Loss(share, budget, row)
    return dict(sorted(losses.items(), key=lambda item: item[1].share))


def _advice(maps: "list[tuple[str, dict[float, pl.DataFrame]]]") -> str:
    """Say which γ loses least at its worst budget: at the longest horizon, and before it."""
    named, lost = [], []
    for place, ranked in list(reversed(maps))[:_MOST_NAMED]:
        gamma, loss = next(iter(_losses(ranked).items()))
        told = not all(table.get_column("tied").all() for table in ranked.values())
        if told and math.isfinite(loss.share):
            named.append(f"{_gamma(gamma)}{f' at {place}' if place else ''}")
            lost.append(_times(loss.share).removesuffix(" times"))
    if not named:
        return (
            "No one γ can be advised for all budgets: the values of γ cannot be told apart, or the "
            "best priced regret is zero."
        )
    then = f"{', in this order,' * (len(lost) > 1)} at most {join_words(lost)} times"
    return (
        f"Use {join_words(named)} where one γ must serve every budget: its priced regret is{then} "
        "that of the best γ of the budget; where you know your budget, take the best γ from the "
        "table."
    )


def _one_for_all(ranked: "dict[float, pl.DataFrame]", names: dict[float, str]) -> str:
    """Say what one γ for all budgets costs: the one that loses least at its worst, and others."""
    losses = _losses(ranked)
    if not all(math.isfinite(loss.share) for loss in losses.values()):
        return "no single γ can be judged by its share of the best, which is zero at some budget."
    words = []
    for gamma in dict.fromkeys([next(iter(losses)), *(g for g in sorted(losses) if g == _SMALL)]):
        loss = losses[gamma]
        gap = f"{behind(loss.row)} more at b = {names[loss.budget]}"
        words.append(
            f"{_gamma(gamma)} is at worst {_times(loss.share)} that of the best γ ({gap}"
            f"{', within noise' * loss.row['tied']})"
            if loss.share
            else f"{_gamma(gamma)} is the best γ everywhere"
        )
    return f"of one γ for all budgets, priced regret with {', and with '.join(words)}."


def _times(loss: float) -> str:
    return f"{format_number(1.0 + loss, 3)} times"


def _rows(
    place: str,
    ranked: "dict[float, pl.DataFrame]",
    powers: list[BestPower],
    names: dict[float, str],
) -> list[dict[str, Any]]:
    rows = []
    for budget, table in ranked.items():
        best = table.row(0, named=True)
        second = table.row(1, named=True) if len(table) > 1 else None
        tied = [f"{row['gamma']:.3g}" for row in table.iter_rows(named=True) if row["tied"]][1:]
        row = {"setting": place} if place else {}
        row |= {
            "budget": names[budget],
            "b": format_value(budget),
            "best γ": f"{best['gamma']:.3g}",
            "priced regret": format_margin(best["mean"], best["high"]),
            "runner-up": "-" if second is None else f"{second['gamma']:.3g}",
            "its difference": "-"
            if second is None
            else format_estimate(
                second["difference"], second["difference_low"], second["difference_high"]
            ),
            "within noise": join_words(tied) or "-",
        }
        for power in powers[:1]:
            index = sorted(ranked).index(budget)
            row["between grid points"] = (
                "at the end of the grid"
                if power.at_edge[index]
                else format_estimate(power.best[index], power.low[index], power.high[index])
            )
        rows.append(row)
    return rows


def _starvation(starved: "pl.DataFrame") -> str:
    """Say how often models starve at the small values of γ."""
    gammas = starved.get_column("gamma").unique().sort().to_list()
    words = []
    for gamma in [g for g in gammas if g <= _SMALL] or gammas[:1]:
        rates = starved.filter(gamma=gamma).get_column("rate").to_list()
        words.append(f"{span_of(rates, _percent)} % with {_gamma(gamma)}")
    return (
        f"The share of the trials in which a model of the optimum starves is {join_words(words)}, "
        "by budget."
    )


def _percent(share: float) -> str:
    return format_number(100.0 * share, 2)


def _starved_table(
    starved: "pl.DataFrame", outer: list[str], names: dict[float, str]
) -> AnswerTable:
    """Lay out how often models starve: a row per setting and budget, a column per γ."""
    import polars as pl

    rows = []
    for place, _, group in groups(starved, outer):
        for (budget,), one in group.group_by("budget", maintain_order=True):
            row = {"setting": place} if place else {}
            row["budget"] = names[float(str(budget))]
            for line in one.sort("gamma").iter_rows(named=True):
                row[_gamma(line["gamma"])] = format_share(line["rate"], line["low"], line["high"])
            rows.append(row)
    heads = dict.fromkeys(head for row in rows for head in row)
    return AnswerTable(
        "Trials in which a model of the optimum starves",
        pl.DataFrame([{head: row.get(head, "-") for head in heads} for row in rows]),
        "A model starves that gets under 1 % of the pulls that the oracle gives it. Wilson's 95 % "
        "intervals.",
    )


@with_report_style
def _regret_figure(trials: "pl.DataFrame", outer: list[str], names: dict[float, str]) -> "Figure":
    places = list(groups(trials, outer))
    figure, axes = panels(2 * len(places), columns=2, width=3.6)
    for (place, _, group), (left, right) in zip(
        places, zip(axes[::2], axes[1::2], strict=True), strict=True
    ):
        for panel, quantity in ((left, "regret"), (right, "priced_regret")):
            logarithmic = quantity == "priced_regret"
            for index, ((budget,), one) in enumerate(group.group_by("budget", maintain_order=True)):
                lines = means(one.sort("gamma"), "gamma", quantity)
                error_bars(
                    panel,
                    lines.get_column("gamma"),
                    lines,
                    f"b = {names[budget]}",
                    line_style(index),
                    positive=logarithmic,
                )
            log_ticks(panel, group.get_column("gamma").unique().sort().to_list())
            if logarithmic:
                panel.set_yscale("log")
            else:
                # Overspending makes regrets of either sign, orders of magnitude apart.
                symmetric_log(panel, 100.0)
            panel.set_title(place)
            panel.set_xlabel("γ")
            panel.set_ylabel(f"{quantity.replace('_', ' ')} ({_UNIT})")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


@with_report_style
def _map_figure(
    maps: "list[tuple[str, dict[float, pl.DataFrame]]]", names: dict[float, str]
) -> "Figure":
    rows = max(len(ranked) for _, ranked in maps)
    figure, axes = panels(len(maps), columns=2, width=5.0, height=0.42 * rows + 1.3, legend=0.2)
    image: Any = None
    for panel, (place, ranked) in zip(axes, maps, strict=True):
        budgets = sorted(ranked)
        gammas = sorted({g for table in ranked.values() for g in table.get_column("gamma")})
        values = np.full((len(budgets), len(gammas)), np.nan)
        marks = np.full(values.shape, "", dtype="<U2")
        for i, budget in enumerate(budgets):
            table = ranked[budget]
            best = table.get_column("mean")[0]
            for rank, row in enumerate(table.iter_rows(named=True)):
                j = gammas.index(row["gamma"])
                values[i, j] = row["mean"] / best if best > 0.0 else np.nan
                marks[i, j] = " ★" if rank == 0 else (" ○" if row["tied"] else "")
        image = heatmap(
            figure,
            panel,
            values,
            [names[b] for b in budgets],
            [f"{g:.3g}" for g in gammas],
            limits=(1.0, 4.0),
            log=True,
            marks=marks,
            text=lambda value: format_number(value, 3) if value < 100.0 else f"{value:.0f}",
        )
        panel.set_title(place)
        panel.set_xlabel("γ")
        panel.set_ylabel("budget")
    bar = figure.colorbar(image, ax=axes, extend="max", ticks=[1.0, 1.5, 2.0, 3.0, 4.0])
    bar.set_label("priced regret / that of the best γ")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bar.ax.minorticks_off()
    return figure


@with_report_style
def _starvation_figure(
    starved: "pl.DataFrame", outer: list[str], names: dict[float, str]
) -> "Figure":
    places = list(groups(starved, outer))
    figure, axes = panels(len(places), columns=2, width=3.6)
    for panel, (place, _, group) in zip(axes, places, strict=True):
        for index, ((budget,), one) in enumerate(group.group_by("budget", maintain_order=True)):
            line = one.sort("gamma").rename({"rate": "mean"})
            error_bars(
                panel, line.get_column("gamma"), line, f"b = {names[budget]}", line_style(index)
            )
        log_ticks(panel, group.get_column("gamma").unique().sort().to_list())
        panel.set_ylim(-0.03, 1.03)
        panel.set_title(place)
        panel.set_xlabel("γ")
        panel.set_ylabel("share of trials\nwith a starved model")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
