"""`budget`: how a policy keeps to its budget, and what a safety margin buys and costs."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fastroute.analyse import (
    mean_interval,
    paired_difference,
    stage_spend,
    violation_decay,
    worst_violation,
)
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import (
    budget_names,
    finals,
    groups,
    means,
    otherwise,
    varied,
    with_option,
)
from fastroute.report.answers.words import format_interval, span_of
from fastroute.report.charts import (
    error_bars,
    legend_below,
    panels,
    symmetric_log,
    with_report_style,
)
from fastroute.report.style import format_margin, format_number, line_style
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "How far does spending exceed the budget, over the run and in its worst stage, how does that "
    "fade, and what does a safety margin buy and cost?"
)


class _Setting(NamedTuple):
    """Spending in one setting."""

    place: str
    margin: float  #: the smallest of the study
    facts: list[dict[str, Any]]  #: of every budget, at this margin
    needed: list[dict[str, Any]]  #: of every budget that it does not meet: the margin that does


def answer(stored: StoredStudy) -> Answer:
    """Compare spending with the budget, over budgets and margins.

    Parameters
    ----------
    stored : StoredStudy
        Cells of learning policies at several budgets; several values of ``margin`` for its price.
    """
    import polars as pl

    trials = finals(stored, "estimator", "policy_options").filter(pl.col("estimator") != "truth")
    if trials.is_empty():
        return Answer(_QUESTION, ("The study has no policy that learns.",))
    trials = with_option(otherwise(stored, trials, "margin"), "margin").with_columns(
        (100.0 * (pl.col("cost") / pl.col("budget") - 1.0)).alias("excess")
    )
    names = budget_names(trials)
    places = varied(stored, trials, "budget", "budget_rule")
    found: list[_Setting] = []
    rows: list[dict[str, Any]] = []
    prices: list[dict[str, Any]] = []
    for place, _, group in groups(trials, places):
        base = group.filter(pl.col("margin") == pl.col("margin").min())
        margin = float(base.get_column("margin")[0])
        facts = [
            _facts(stored, one, names[budget])
            for (budget,), one in base.sort("budget").group_by("budget", maintain_order=True)
        ]
        rows += [({"setting": place} if place else {}) | fact["row"] for fact in facts]
        paid = _prices(group, base, names)
        found.append(_Setting(place, margin, facts, _needed(paid, facts)))
        prices += [({"setting": place} if place else {}) | price["row"] for price in paid]
    tables = [
        AnswerTable(
            "Spending against the budget, smallest margin",
            pl.DataFrame(rows),
            "Excess: mean cost per query over the budget, mean ± half the 95 % interval. Stages "
            "over: share of the stages whose spend is above the budget. Worst stage: largest "
            "excess per query of a stage, mean over trials. Decay: power of the round with which "
            "the mean of spend - budget falls; none where too few stages are clearly above.",
        )
    ]
    if prices:
        tables.append(
            AnswerTable(
                "The smallest margin that brings the mean cost within the budget",
                pl.DataFrame([row for one in found for row in _needed_rows(one)]),
                "Changes: against the smallest margin of the study at the same budget, paired by "
                "trial, with 95 % intervals.",
            )
        )
        tables.append(
            AnswerTable(
                "What a margin buys and costs",
                pl.DataFrame(prices),
                "Against the smallest margin of the study at the same budget, paired by trial, "
                "with 95 % intervals. Worst stage: what is spent beyond the budget in it, in cost.",
            )
        )
    return Answer(
        _QUESTION,
        tuple([*_adherence(found), *_margins(found)]),
        tuple(tables),
        (
            AnswerFigure(
                "excess",
                _excess_figure(trials, places, names),
                "Mean cost per query over the budget, in percent, by budget (from tight to slack) "
                "and margin. Whiskers: 95 % intervals of the mean.",
            ),
            AnswerFigure(
                "price",
                _price_figure(trials, places, names),
                "Regret against excess spending; along each line the margin grows from the "
                "hollow mark. Whiskers: 95 % intervals of the means.",
            ),
            AnswerFigure(
                "stages",
                _stages_figure(stored, trials, places, names),
                "Excess of the mean spend of each stage at the smallest margin. Bands: 95 % "
                "intervals of the mean, where stages of single trials were kept.",
            ),
        ),
    )


def _stages(stored: StoredStudy, cell: int) -> "pl.DataFrame":
    return (
        stored.stages.filter(cell=cell)
        .select("trial", "stage", "opened", "rounds", "spend", "budget", "violation")
        .collect()
    )


def _facts(stored: StoredStudy, one: "pl.DataFrame", name: str) -> dict[str, Any]:
    """Return what is known of one cell: its excess, and a row of the table."""
    import polars as pl

    budget = float(one.get_column("budget")[0])
    excess = mean_interval(one.get_column("excess").to_numpy())
    stages = _stages(stored, one.get_column("cell")[0])
    row = {
        "budget": name,
        "b": f"{budget:.4g}",
        "excess, %": format_margin(excess.estimate, excess.high),
        "stages over, %": "not kept",
        "worst stage, % of b": "not kept",
        "decay": "not kept",
    }
    fact: dict[str, Any] = {
        "budget": budget,
        "name": name,
        "excess": excess,
        "worst": None,
        "decay": None,
        "bent": False,
    }
    if stages.get_column("trial").null_count() == 0:
        over = stages.group_by("trial").agg((pl.col("spend") > pl.col("budget")).mean())
        share = mean_interval(100.0 * over.sort("trial").get_column("spend").to_numpy())
        worst = worst_violation(stages, by=[]).row(0, named=True)
        fact["worst"] = 100.0 * worst["per_query"] / budget
        # One number stands for the run, so the fit needs two bins clearly above the budget.
        fit = violation_decay(stages, signed=True, resamples=999).fit
        row["stages over, %"] = format_margin(share.estimate, share.high)
        row["worst stage, % of b"] = format_number(fact["worst"], 3)
        row["decay"] = "none"
        if fit is not None:
            fact["decay"] = fit.exponent
            fact["bent"] = bool(fit.warnings)
            row["decay"] = format_interval(fit.exponent)
    return fact | {"row": row}


def _adherence(found: list[_Setting]) -> list[str]:
    """Say how far spending is from the budget, in all, in the worst stage, and as it fades."""
    every = [(one, fact) for one in found for fact in one.facts]
    above = [pair for pair in every if pair[1]["excess"].low > 0.0]
    words = [
        f"With a margin of {span_of([one.margin for one in found])} the mean cost is clearly above "
        f"the budget at {len(above)} of {len(every)} budgets"
    ]
    if above:
        one, fact = max(above, key=lambda pair: pair[1]["excess"].estimate)
        words[0] += f", by up to {format_interval(fact['excess'], '%')} ({_where(one, fact)})"
    words[0] += "."
    if known := [pair for pair in every if pair[1]["worst"] is not None]:
        one, fact = max(known, key=lambda pair: pair[1]["worst"])
        words.append(
            f"The worst stage of a run exceeds its budget by up to "
            f"{format_number(fact['worst'], 3)} % on average ({_where(one, fact)})."
        )
    fits = [fact for _, fact in every if fact["decay"] is not None]
    if not fits:
        words.append(
            "How the excess fades cannot be answered: it is clearly above zero in too few stages, "
            "or stages of single trials were not kept."
        )
        return words
    fading = [fact for fact in fits if fact["decay"].high < 0.0]
    powers = span_of([fact["decay"].estimate for fact in fits], lambda power: f"{power:.2f}")
    bent = sum(fact["bent"] for fact in fits)
    words.append(
        f"The excess of the stages clearly fades with the round at {len(fading)} of {len(fits)} "
        f"budgets where it can be fitted, as a power of it of {powers}."
    )
    if bent:
        words.append(
            f"At {bent} of them no single power describes how it fades, as arrivals make it rise "
            "again."
        )
    return words


def _where(one: _Setting, fact: dict[str, Any]) -> str:
    at = f"b = {fact['name']}"
    return f"{one.place}, {at}" if one.place else at


def _prices(
    group: "pl.DataFrame", base: "pl.DataFrame", names: dict[float, str]
) -> list[dict[str, Any]]:
    """Compare every margin with the smallest at the same budget, trial by trial."""
    prices = []
    for (budget,), one in group.sort("budget", "margin").group_by("budget", maintain_order=True):
        start = base.filter(base.get_column("budget") == budget)
        for (margin,), mine in one.group_by("margin", maintain_order=True):
            if margin == start.get_column("margin")[0]:
                continue
            changes = {
                quantity: paired_difference(mine, start, quantity)
                for quantity in ("excess", "worst_stage_violation", "regret", "priced_regret")
            }
            excess = mean_interval(mine.get_column("excess").to_numpy())
            shown = {name: format_interval(found) for name, found in changes.items()}
            row = {
                "budget": names[budget],
                "margin": f"{margin:g}",
                "excess, %": format_margin(excess.estimate, excess.high),
                "change of excess": shown["excess"],
                "of worst stage": shown["worst_stage_violation"],
                "of regret": shown["regret"],
                "of priced regret": shown["priced_regret"],
            }
            prices.append(
                {
                    "budget": budget,
                    "margin": margin,
                    "excess": excess,
                    "row": row,
                    "changes": changes,
                }
            )
    return prices


def _needed(prices: list[dict[str, Any]], facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Find the smallest margin that meets each budget that is not met anyway, and its price."""
    found = []
    for fact in facts:
        here = [price for price in prices if price["budget"] == fact["budget"]]
        if fact["excess"].high <= 0.0 or not here:
            continue
        enough = [price for price in here if price["excess"].high <= 0.0]
        found.append(
            {"name": fact["name"], "price": enough[0] if enough else None, "largest": here[-1]}
        )
    return found


def _margins(found: list[_Setting]) -> list[str]:
    """Say at how many budgets a margin is needed, and what it does to priced regret."""
    if all(len(one.needed) == 0 and _all_over(one) for one in found):
        return ["The study has one margin only, so its price cannot be told."]
    needed = [row for one in found for row in one.needed]
    if not needed:
        return ["No budget needs a larger margin."]
    enough = [row["price"]["changes"]["priced_regret"] for row in needed if row["price"]]
    rises = sum(change.low > 0.0 for change in enough)
    falls = sum(change.high < 0.0 for change in enough)
    words = []
    if enough:
        words.append(
            f"A margin that brings the mean cost within the budget clearly raises priced regret at "
            f"{rises} of {len(enough)} budgets, and clearly lowers it at {falls}."
        )
    if missing := len(needed) - len(enough):
        words.append(
            f"No margin of the study brings the mean cost within the budget at {missing} of "
            f"{len(needed)} budgets that need one."
        )
    return words


def _all_over(one: _Setting) -> bool:
    return any(fact["excess"].high > 0.0 for fact in one.facts)


def _needed_rows(one: _Setting) -> list[dict[str, str]]:
    needed = {row["name"]: row for row in one.needed}
    rows = []
    for fact in one.facts:
        row = {"setting": one.place} if one.place else {}
        row |= {"budget": fact["name"], "smallest margin": f"{one.margin:g}"}
        row |= dict.fromkeys(("change of regret", "change of priced regret"), "-")
        if found := needed.get(fact["name"]):
            price = found["price"]
            most = found["largest"]
            row["smallest margin"] = (
                f"none up to {most['margin']:g} (excess {format_interval(most['excess'], '%')})"
                if price is None
                else f"{price['margin']:g}"
            )
            if price is not None:
                for name in ("regret", "priced_regret"):
                    change = format_interval(price["changes"][name])
                    row[f"change of {name.replace('_', ' ')}"] = change
        rows.append(row)
    return rows


@with_report_style
def _excess_figure(trials: "pl.DataFrame", places: list[str], names: dict[float, str]) -> "Figure":
    shown = list(groups(trials, places))
    figure, axes = panels(len(shown), columns=2, width=3.9, height=3.4)
    for panel, (place, _, group) in zip(axes, shown, strict=True):
        budgets = group.get_column("budget").unique().sort().to_list()
        for index, ((margin,), one) in enumerate(
            group.sort("margin", "budget").group_by("margin", maintain_order=True)
        ):
            line = means(one, "budget", "excess")
            place_of = [budgets.index(b) for b in line.get_column("budget")]
            error_bars(panel, place_of, line, f"margin {margin:g}", line_style(index))
        panel.set_xticks(range(len(budgets)), [names[b] for b in budgets], rotation=30, ha="right")
        panel.axhline(0.0, color="black", linewidth=0.8)
        panel.set_title(place)
        panel.set_ylabel("mean cost over budget (%)")
        panel.set_xlabel("budget")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


@with_report_style
def _price_figure(trials: "pl.DataFrame", places: list[str], names: dict[float, str]) -> "Figure":
    shown = list(groups(trials, places))
    figure, axes = panels(2 * len(shown), columns=2, width=3.7)
    for row, (place, _, group) in enumerate(shown):
        for panel, quantity in zip(
            axes[2 * row : 2 * row + 2], ("regret", "priced_regret"), strict=True
        ):
            for index, ((budget,), one) in enumerate(
                group.sort("budget", "margin").group_by("budget", maintain_order=True)
            ):
                x, y = means(one, "margin", "excess"), means(one, "margin", quantity)
                style = line_style(index)
                panel.errorbar(
                    x.get_column("mean"),
                    y.get_column("mean"),
                    xerr=np.nan_to_num((x.get_column("high") - x.get_column("mean")).to_numpy()),
                    yerr=np.nan_to_num((y.get_column("high") - y.get_column("mean")).to_numpy()),
                    color=style.colour,
                    linestyle=style.dashes,
                    marker="o",
                    markersize=3.5,
                    elinewidth=0.9,
                    label=f"b = {names[budget]}",
                )
                panel.plot(
                    x.get_column("mean")[0],
                    y.get_column("mean")[0],
                    marker="o",
                    markersize=5.5,
                    markerfacecolor="white",
                    color=style.colour,
                    zorder=5,
                )
            panel.axvline(0.0, color="black", linewidth=0.8)
            panel.set_title(place)
            panel.set_xlabel("mean cost over budget (%)")
            panel.set_ylabel(f"{quantity.replace('_', ' ')} (units of reward)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


@with_report_style
def _stages_figure(
    stored: StoredStudy, trials: "pl.DataFrame", places: list[str], names: dict[float, str]
) -> "Figure":
    shown = list(groups(trials, places))
    figure, axes = panels(len(shown), columns=2, width=3.9, height=3.2)
    for panel, (place, _, group) in zip(axes, shown, strict=True):
        base = group.filter(group.get_column("margin") == group.get_column("margin").min())
        for index, ((budget,), one) in enumerate(
            base.sort("budget").group_by("budget", maintain_order=True)
        ):
            spend = stage_spend(_stages(stored, one.get_column("cell")[0]))
            style = line_style(index)
            low, mean, high = (
                100.0 * (spend.get_column(name).to_numpy() / budget - 1.0)
                for name in ("low", "mean", "high")
            )
            stage = spend.get_column("stage").to_numpy() + 1
            panel.fill_between(stage, low, high, color=style.colour, alpha=0.18, linewidth=0)
            panel.plot(
                stage,
                mean,
                color=style.colour,
                linestyle=style.dashes,
                linewidth=1.3,
                label=f"b = {names[budget]}",
            )
        # A slack budget is undercut by far, which is not what is looked at.
        symmetric_log(panel, 10.0)
        panel.set_title(place)
        panel.set_xlabel("stage")
        panel.set_ylabel("mean spend of the stage\nover budget (%)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
