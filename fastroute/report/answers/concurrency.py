"""`concurrency`: the cap on deployed models, the number of models, and the use of empty slots."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.analyse import Interval, fit_scaling, ranking
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import finals, groups, means, otherwise, varied, with_option
from fastroute.report.answers.words import (
    behind,
    format_estimate,
    format_interval,
    join_some,
    join_words,
)
from fastroute.report.charts import error_bars, legend_below, log_ticks, panels, with_report_style
from fastroute.report.style import format_margin, line_style
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "How does regret depend on how many models may be deployed at once, on how many there are, "
    "and on the rule that fills the slots which the deployment optimum leaves empty?"
)
_MODELS: Final = "n_models"
_DEFAULT: Final = "reduced_cost"


def answer(stored: StoredStudy) -> Answer:
    """Compare caps, numbers of models and fill rules.

    Parameters
    ----------
    stored : StoredStudy
        Cells of learning policies that differ in ``max_deployed``, in the scenario's number of
        models, or in ``fill``.
    """
    import polars as pl

    trials = finals(stored, "estimator", "policy_options")
    trials = trials.filter(pl.col("estimator") != "truth")
    if trials.is_empty():
        return Answer(_QUESTION, ("No policy learns: nothing can be compared.",))
    trials = with_option(otherwise(stored, trials, "fill"), "fill")
    axis = f"scenario_{_MODELS}"
    many = axis in trials.columns
    trials = trials.with_columns((pl.col(axis) if many else pl.lit(None)).alias(_MODELS))
    places = varied(stored, trials, "max_deployed", axis, "stages")
    rows: list[dict[str, Any]] = []
    fills: list[dict[str, Any]] = []
    caps: list[_Cap] = []
    powers: list[tuple[str, int, Interval | None]] = []
    for place, _, group in groups(trials, places):
        at = {"setting": place} if place else {}
        fills += [at | row for row in _fills(group)]
        caps += [cap._replace(row=at | cap.row) for cap in _caps(group)]
        powers += [(place, cap, power) for cap, power in _powers(group)]
        rows += [at | row for row in _rows(group)]
    tables = [
        AnswerTable(title, pl.DataFrame(found), note)
        for title, found, note in (
            (
                "Best rule",
                [_shown_fill(row) for row in fills],
                "Combinations of cap and number of models in which the rule is alone the best, or "
                "within noise of the best, and the most that it is behind it.",
            ),
            (
                "Best cap",
                [cap.row for cap in caps],
                f"With the fill rule {_DEFAULT}, or the first. By priced regret, with its 95 % "
                "interval.",
            ),
            (
                "Growth with the number of models",
                [_shown_power(*found) for found in powers],
                "Priced regret as N^x, with its 95 % interval; with the same rule.",
            ),
        )
        if found
    ]
    return Answer(
        _QUESTION,
        (
            *_advice(fills, caps),
            *_verdict(fills, caps, powers),
        ),
        (
            *tables,
            AnswerTable(
                "Fill rules by cap and number of models",
                pl.DataFrame(rows),
                "Priced regret, mean ± half the 95 % interval. Regret is against the best "
                "distribution under the same cap. Within noise: of the best rule, in "
                "paired comparisons that hold jointly at 95 %.",
            ),
        ),
        (
            AnswerFigure(
                "regret",
                _figure(trials, places),
                "Final priced regret against the cap, one line per fill rule. Whiskers: 95 % "
                "intervals of the mean.",
            ),
        ),
    )


def _named(rule: str) -> str:
    return "no fill" if rule == "none" else rule


def _settings(group: "pl.DataFrame") -> "list[tuple[str, pl.DataFrame]]":
    """Return the rows of every cap and number of models, with how they are called."""
    found = []
    for (models, cap), one in group.sort(_MODELS, "max_deployed", maintain_order=True).group_by(
        _MODELS, "max_deployed", maintain_order=True
    ):
        name = f"M_max = {cap}"
        found.append((name if models is None else f"N = {models}, {name}", one))
    return found


def _fills(group: "pl.DataFrame") -> list[dict[str, Any]]:
    """Count where each rule is best or within noise of it, and find the most that it loses."""
    rules = group.get_column("fill").unique(maintain_order=True).to_list()
    if len(rules) < 2:
        return []
    tables = [(name, ranking(one, "fill")) for name, one in _settings(group)]
    rows = []
    for rule in rules:
        mine = [(name, table.filter(fill=rule).row(0, named=True)) for name, table in tables]
        alone = sum(
            row["difference"] == 0.0 and int(table.get_column("tied").sum()) == 1
            for (_, row), (_, table) in zip(mine, tables, strict=True)
        )
        name, worst = max(mine, key=lambda pair: pair[1]["difference"])
        rows.append(
            {
                "rule": _named(rule),
                "alone": alone,
                "good": sum(row["tied"] for _, row in mine),
                "of": len(tables),
                "worst": worst,
                "at": name,
            }
        )
    return rows


def _shown_fill(row: dict[str, Any]) -> dict[str, str]:
    shown = {"setting": row["setting"]} if "setting" in row else {}
    return shown | {
        "rule": row["rule"],
        "alone the best": f"{row['alone']} of {row['of']}",
        "best or within noise": f"{row['good']} of {row['of']}",
        "at worst behind by": behind(row["worst"]) if row["worst"]["difference"] else "-",
        "where": row["at"] if row["worst"]["difference"] else "-",
    }


class _Cap(NamedTuple):
    """The best cap for one number of models."""

    row: dict[str, str]  #: of the table
    best: int
    good: list[int]  #: it, and those within noise of it
    largest: int  #: that was played


def _caps(group: "pl.DataFrame") -> list[_Cap]:
    """Rank the caps for every number of models, with the default fill rule."""
    one_rule = _one_rule(group)
    if one_rule.get_column("max_deployed").n_unique() < 2:
        return []
    rows = []
    for (models,), one in one_rule.sort(_MODELS, "max_deployed").group_by(
        _MODELS, maintain_order=True
    ):
        table = ranking(one, "max_deployed")
        best = table.row(0, named=True)
        tied = table[1:].filter("tied").get_column("max_deployed").sort().to_list()
        row = ({} if models is None else {"N": str(models)}) | {
            "best M_max": str(best["max_deployed"]),
            "priced regret": format_estimate(best["mean"], best["low"], best["high"]),
            "within noise": join_words([str(cap) for cap in tied]) or "-",
        }
        good = [best["max_deployed"], *tied]
        rows.append(_Cap(row, good[0], good, max(table.get_column("max_deployed").to_list())))
    return rows


def _powers(group: "pl.DataFrame") -> list[tuple[int, Interval | None]]:
    """Fit how regret grows with the number of models, for every cap; None where it cannot be."""
    one_rule = _one_rule(group)
    numbers = one_rule.get_column(_MODELS).drop_nulls().unique().sort().to_list()
    found: list[tuple[int, Interval | None]] = []
    if len(numbers) < 2:
        return found
    for (cap,), one in one_rule.sort("max_deployed").group_by("max_deployed", maintain_order=True):
        samples = [
            one.filter(one.get_column(_MODELS) == number).sort("trial").get_column("priced_regret")
            for number in numbers
        ]
        try:
            power = fit_scaling(numbers, [sample.to_numpy() for sample in samples]).exponent
        except ValueError:
            found.append((int(str(cap)), None))
            continue
        found.append((int(str(cap)), power))
    return found


def _shown_power(place: str, cap: int, power: Interval | None) -> dict[str, str]:
    shown = {"setting": place} if place else {}
    told = "none: not clearly above zero" if power is None else format_interval(power)
    return shown | {"M_max": str(cap), "x": told}


def _advice(fills: list[dict[str, Any]], caps: list[_Cap]) -> list[str]:
    """Say which rule and cap to use, where most combinations agree, and what that loses."""
    words = []
    if fills:
        good, total = _good_rules(fills)
        rule = next(iter(good))
        mine = [row["worst"] for row in fills if row["rule"] == rule]
        lost = max(mine, key=lambda row: float(row["difference"]))
        if 2 * good[rule] > total:
            words.append(
                f"the fill rule {rule}, which is at worst {behind(lost)} behind the best rule"
                if lost["difference"]
                else f"the fill rule {rule}, which is never behind the best rule"
            )
    # Regret is against the optimum under the same cap, which is the better the larger the cap:
    # only of the largest one does a low regret say that it is the best choice.
    all_slots = sum(cap.largest in cap.good for cap in caps)
    if 2 * all_slots > len(caps):
        words.append(
            f"as many slots as you can, up to the M_max = {max(cap.largest for cap in caps)} "
            f"played here (the best cap, or within noise of it, in {all_slots} of {len(caps)} "
            "combinations of models and policy)"
        )
    return [f"Use {', and '.join(words)}."] if words else []


def _good_rules(fills: list[dict[str, Any]]) -> tuple[dict[str, int], int]:
    """Count where each rule is best or within noise of it, the most often first; of how many."""
    rules = list(dict.fromkeys(row["rule"] for row in fills))
    good = {rule: sum(row["good"] for row in fills if row["rule"] == rule) for rule in rules}
    total = sum(row["of"] for row in fills if row["rule"] == rules[0])
    return dict(sorted(good.items(), key=lambda item: -item[1])), total


def _verdict(
    fills: list[dict[str, Any]],
    caps: list[_Cap],
    powers: list[tuple[str, int, Interval | None]],
) -> list[str]:
    words = []
    if fills:
        good, total = _good_rules(fills)
        first, *others = good
        rest = join_words([f"{rule} in {good[rule]}" for rule in others])
        words.append(
            f"{first} is the best fill rule, or within noise of the best, in {good[first]} of "
            f"{total} combinations of cap, models and policy; {rest}."
        )
        worst = max(fills, key=lambda row: float(row["worst"]["difference"]))
        if worst["worst"]["difference_low"] > 0.0:
            where = ", ".join([worst["at"], *([worst["setting"]] if "setting" in worst else [])])
            words.append(
                f"At worst, {worst['rule']} has {behind(worst['worst'])} more priced regret than "
                f"the best rule ({where})."
            )
    else:
        words.append("There is one fill rule, so rules cannot be compared.")
    fitted = [(place, cap, power) for place, cap, power in powers if power is not None]
    if fitted:
        least, most = (pick(fitted, key=lambda one: one[2].estimate) for pick in (min, max))
        ends = [
            f"{format_interval(power)} (M_max = {cap}{f', {place}' if place else ''})"
            for place, cap, power in dict.fromkeys((least, most))
        ]
        words.append(
            f"Priced regret grows as N^x with the number of models N, x = {' to '.join(ends)}."
        )
    elif not powers:
        words.append("There is one number of models, so how regret grows with it cannot be told.")
    if refused := [f"M_max = {cap}" for _, cap, power in powers if power is None]:
        words.append(
            f"No power of N can be fitted at {join_some(refused)}: the mean regret is not clearly "
            "above zero."
        )
    if caps:
        best = sorted({cap.best for cap in caps})
        named = " or ".join(str(cap) for cap in best)
        words.append(
            f"The best cap M_max is {named}, by policy and number of models; more slots are not "
            "always better."
            if len(best) > 1
            else f"The best cap M_max is {named} everywhere."
        )
    else:
        words.append("There is one cap, so caps cannot be compared.")
    return words


def _one_rule(group: "pl.DataFrame") -> "pl.DataFrame":
    rules = group.get_column("fill").unique(maintain_order=True).to_list()
    return group.filter(fill=_DEFAULT if _DEFAULT in rules else rules[0])


def _rows(group: "pl.DataFrame") -> list[dict[str, Any]]:
    rows = []
    for name, one in _settings(group):
        table = ranking(one, "fill")
        row = {"models and cap": name}
        for line in table.sort("fill").iter_rows(named=True):
            row[_named(line["fill"])] = format_margin(line["mean"], line["high"])
        tied = table.filter(table.get_column("tied")).get_column("fill").to_list()
        row["best"] = _named(tied[0])
        row["within noise"] = join_words([_named(rule) for rule in tied[1:]]) or "-"
        rows.append(row)
    return rows


@with_report_style
def _figure(trials: "pl.DataFrame", places: list[str]) -> "Figure":
    shown = list(groups(trials, [*places, *([_MODELS] if trials[_MODELS].n_unique() > 1 else [])]))
    figure, axes = panels(len(shown), columns=3)
    rules = trials.get_column("fill").unique(maintain_order=True).to_list()
    for panel, (place, _, group) in zip(axes, shown, strict=True):
        for index, rule in enumerate(rules):
            line = means(
                group.filter(fill=rule).sort("max_deployed"), "max_deployed", "priced_regret"
            )
            error_bars(
                panel, line.get_column("max_deployed"), line, _named(rule), line_style(index)
            )
        log_ticks(panel, group.get_column("max_deployed").unique().sort().to_list())
        panel.set_ylim(bottom=0.0)
        panel.set_title(place)
        panel.set_xlabel("models deployed at once, M_max")
        panel.set_ylabel("priced regret (units of reward)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
