"""`concurrency`: the cap on deployed models, the number of models, and the use of empty slots."""

from typing import TYPE_CHECKING, Any, Final

from fastroute.analyse import fit_scaling, ranking
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import finals, groups, means, otherwise, varied, with_option
from fastroute.report.answers.lines import join_words
from fastroute.report.answers.words import describe_best, format_estimate
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
    verdict: list[str] = []
    rows: list[dict[str, Any]] = []
    for place, _, group in groups(trials, places):
        at = f"{place}: " if place else ""
        verdict += [at + words for words in _fills(group)]
        verdict += [at + words for words in _caps(group)]
        verdict += [at + words for words in _numbers(group)]
        rows += [({"setting": place} if place else {}) | row for row in _rows(group)]
    return Answer(
        _QUESTION,
        tuple(verdict),
        (
            AnswerTable(
                "Fill rules by cap and number of models",
                pl.DataFrame(rows),
                "Priced regret, mean ± half the 95 % interval. Regret is against the best "
                "distribution under the same cap. Tied: cannot be told from the best rule in "
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


def _fills(group: "pl.DataFrame") -> list[str]:
    """Count where each rule is best or tied, and find the worst that it costs."""
    rules = group.get_column("fill").unique(maintain_order=True).to_list()
    if len(rules) < 2:
        return [f"the fill rule is {rules[0]} everywhere, so rules cannot be compared."]
    tables = [(name, ranking(one, "fill")) for name, one in _settings(group)]
    words = []
    for rule in rules:
        mine = [(name, table.filter(fill=rule).row(0, named=True)) for name, table in tables]
        alone = sum(
            row["difference"] == 0.0 and int(table.get_column("tied").sum()) == 1
            for (_, row), (_, table) in zip(mine, tables, strict=True)
        )
        good = sum(row["tied"] for _, row in mine)
        name, worst = max(mine, key=lambda pair: pair[1]["difference"])
        loss = format_estimate(
            worst["difference"], worst["difference_low"], worst["difference_high"]
        )
        words.append(
            f"{_named(rule)} is alone the best in {alone} and not to be told from the best in "
            f"{good - alone} (at worst {loss} more priced regret, at {name})"
        )
    return [f"of {len(tables)} combinations of cap and models, {'; '.join(words)}."]


def _caps(group: "pl.DataFrame") -> list[str]:
    """Rank the caps for every number of models, with the default fill rule."""
    one_rule = _one_rule(group)
    if one_rule.get_column("max_deployed").n_unique() < 2:
        return ["there is one cap, so caps cannot be compared."]
    found = []
    for (models,), one in one_rule.sort(_MODELS, "max_deployed").group_by(
        _MODELS, maintain_order=True
    ):
        where = "" if models is None else f"with N = {models}, "
        words = describe_best(
            ranking(one, "max_deployed"),
            "max_deployed",
            lambda cap: f"M_max = {cap}",
            "priced regret",
        )
        found.append(f"{where}{words}")
    return [f"fill rule {one_rule.get_column('fill')[0]}: {'; '.join(found)}."]


def _numbers(group: "pl.DataFrame") -> list[str]:
    """Fit how regret grows with the number of models, for every cap."""
    one_rule = _one_rule(group)
    numbers = one_rule.get_column(_MODELS).drop_nulls().unique().sort().to_list()
    if len(numbers) < 2:
        return ["there is one number of models, so how regret grows with it cannot be told."]
    found, refused = [], []
    for (cap,), one in one_rule.sort("max_deployed").group_by("max_deployed", maintain_order=True):
        samples = [
            one.filter(one.get_column(_MODELS) == number).sort("trial").get_column("priced_regret")
            for number in numbers
        ]
        try:
            power = fit_scaling(numbers, [sample.to_numpy() for sample in samples]).exponent
        except ValueError:
            refused.append(f"M_max = {cap}")
            continue
        found.append(f"{format_estimate(power.estimate, power.low, power.high)} at M_max = {cap}")
    words = []
    if found:
        words.append(f"priced regret grows as N^x with x = {join_words(found)}.")
    if refused:
        words.append(
            f"no power of N can be fitted at {join_words(refused)}: the mean regret is not clearly "
            "above zero."
        )
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
        row["tied"] = join_words([_named(rule) for rule in tied[1:]]) or "-"
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
