"""`budget`: how a policy keeps to its budget, and what a safety margin buys and costs."""

from typing import TYPE_CHECKING, Any, Final

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
from fastroute.report.answers.lines import join_words
from fastroute.report.answers.words import describe_difference, format_estimate
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
    verdict: list[str] = []
    rows: list[dict[str, Any]] = []
    prices: list[dict[str, Any]] = []
    for place, _, group in groups(trials, places):
        at = f"{place}: " if place else ""
        base = group.filter(pl.col("margin") == pl.col("margin").min())
        margin = float(base.get_column("margin")[0])
        facts = [
            _facts(stored, one, names[budget])
            for (budget,), one in base.sort("budget").group_by("budget", maintain_order=True)
        ]
        verdict += [at + words for words in _adherence(facts, margin)]
        rows += [({"setting": place} if place else {}) | fact["row"] for fact in facts]
        paid = _prices(group, base, names)
        met = [fact["budget"] for fact in facts if fact["excess"].high <= 0.0]
        verdict += [at + words for words in _margins(paid, met, names)]
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
                "What a margin buys and costs",
                pl.DataFrame(prices),
                "Against the smallest margin of the study at the same budget, paired by trial, "
                "with 95 % intervals. Worst stage: what is spent beyond the budget in it, in cost.",
            )
        )
    return Answer(
        _QUESTION,
        tuple(verdict),
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
            row["decay"] = format_estimate(
                fit.exponent.estimate, fit.exponent.low, fit.exponent.high
            )
    return fact | {"row": row}


def _adherence(facts: list[dict[str, Any]], margin: float) -> list[str]:
    """Say how far spending is from the budget, in all, in the worst stage, and as it fades."""
    ordered = sorted(facts, key=lambda fact: fact["excess"].estimate)
    least, most = ordered[0], ordered[-1]
    above = [fact["name"] for fact in facts if fact["excess"].low > 0.0]

    def shown(fact: dict[str, Any]) -> str:
        found = fact["excess"]
        return f"{format_estimate(found.estimate, found.low, found.high)} % at b = {fact['name']}"

    words = [
        f"with a margin of {margin:g} the mean cost per query is over the budget by between "
        f"{shown(least)} and {shown(most)}; it is clearly above the budget at {len(above)} of "
        f"{len(facts)} budgets."
    ]
    known = [fact for fact in facts if fact["worst"] is not None]
    if known:
        worst = max(known, key=lambda fact: fact["worst"])
        words.append(
            f"the worst stage of a trial exceeds the budget by "
            f"{format_number(worst['worst'], 3)} % on "
            f"average at b = {worst['name']}, the most of all budgets."
        )
    fits = [fact for fact in facts if fact["decay"] is not None]
    fading = [fact for fact in fits if fact["decay"].high < 0.0]
    if fits:
        powers = join_words(
            [
                format_estimate(f["decay"].estimate, f["decay"].low, f["decay"].high)
                + f" at b = {f['name']}"
                for f in fits
            ]
        )
        words.append(
            f"the excess of the stages clearly fades with the round at {len(fading)} of "
            f"{len(fits)} budgets where it can be fitted; power of the round: {powers}. At "
            f"{sum(fact['bent'] for fact in fits)} of them no single power describes it (arrivals "
            "make it rise again)."
        )
    else:
        words.append(
            "how the excess fades cannot be answered: it is clearly above zero in too few stages, "
            "or stages of single trials were not kept."
        )
    return words


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
            shown = {
                name: format_estimate(found.mean, found.low, found.high)
                for name, found in changes.items()
            }
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


def _margins(prices: list[dict[str, Any]], met: list[float], names: dict[float, str]) -> list[str]:
    """Say which margin is needed at each budget that is not met anyway, and what it costs."""
    if not prices:
        return ["the study has one margin only, so its price cannot be told."]
    words = []
    if met:
        words.append(
            f"at b = {join_words([names[budget] for budget in met])} the mean cost is within the "
            "budget without a larger margin."
        )
    for budget in dict.fromkeys(price["budget"] for price in prices):
        if budget in met:
            continue
        here = [price for price in prices if price["budget"] == budget]
        enough = [price for price in here if price["excess"].high <= 0.0]
        at = f"at b = {names[budget]}"
        if not enough:
            most = here[-1]["excess"]
            words.append(
                f"{at} no margin up to {here[-1]['margin']:g} brings the mean cost to the budget "
                f"(excess {format_estimate(most.estimate, most.low, most.high)} % at the largest)."
            )
            continue
        first = enough[0]
        regret, priced = (first["changes"][name] for name in ("regret", "priced_regret"))
        told = describe_difference(priced.mean, priced.low, priced.high, "it rises", "it falls")
        words.append(
            f"{at} a margin of {first['margin']:g} is the smallest that brings the "
            f"mean cost within the budget; change of regret "
            f"{format_estimate(regret.mean, regret.low, regret.high)}, and of priced regret: "
            f"{told}."
        )
    return words


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
        panel.set_ylabel("mean spend of the stage over budget (%)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
