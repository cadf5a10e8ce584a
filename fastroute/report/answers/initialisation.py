"""`initialisation`: what should be believed of a model that was never used."""

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fastroute.analyse import (
    adoption_delay,
    mean_interval,
    ranking,
    starvation_rate,
)
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import arrivals, finals, groups, means, varied
from fastroute.report.answers.words import (
    behind,
    describe_best,
    format_estimate,
    format_share,
    join_some,
    join_words,
)
from fastroute.report.charts import dots, legend_below, panels, spread_axis, with_report_style
from fastroute.report.style import format_margin
from fastroute.study import StoredStudy
from fastroute.study.build import flat_options

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "How should models without observations be initialised: what does it do to regret, and to how "
    "soon arriving models are deployed?"
)


class _Setting(NamedTuple):
    """The rules in one setting."""

    place: str
    ranked: "pl.DataFrame"  #: by priced regret
    soonest: "pl.DataFrame | None"  #: by the mean wait of good arrivals; None where unknown


def answer(stored: StoredStudy) -> Answer:
    """Compare the rules, on the same queries.

    Parameters
    ----------
    stored : StoredStudy
        Cells of learning policies that differ in how they initialise; an oracle, which says which
        arrivals are worth deploying.
    """
    import polars as pl

    trials = _with_rules(finals(stored, "gamma", "estimator", "policy_options"))
    if trials.get_column("rule").n_unique() < 2:
        return Answer(_QUESTION, ("There is one rule only: nothing to compare.",))
    places = varied(stored, trials)
    delays = _delays(stored)
    found: list[_Setting] = []
    rows: list[dict[str, Any]] = []
    for place, _, group in groups(trials, [*places, "gamma"]):
        ranked = ranking(group, "rule")
        waits = group.select("cell", "trial", "rule").join(delays, on=["cell", "trial"])
        soonest = None if waits.is_empty() else ranking(waits, "rule", "wait")
        found.append(_Setting(place, ranked, soonest))
        rows += _rows(place, group, ranked, waits)
    figures = [
        AnswerFigure(
            "regret",
            _dots_figure(trials, places, "priced_regret", "priced regret (units of reward)"),
            "Final priced regret by rule and γ. Whiskers: 95 % intervals of the mean.",
        )
    ]
    if not delays.is_empty():
        figures.append(
            AnswerFigure(
                "delay",
                _dots_figure(
                    trials.join(delays, on=["cell", "trial"]),
                    places,
                    "wait",
                    "rounds from arrival to deployment",
                ),
                "Mean rounds from the arrival of a model to its first deployment, over the "
                "arrivals that the oracle deploys; a model that is never deployed waits until the "
                "end. Whiskers: 95 % intervals of the mean.",
            )
        )
    note = (
        "Mean ± half the 95 % interval. Difference from the best: paired, intervals that hold "
        "jointly at 95 %. Waiting: rounds from arrival to first deployment, over the arrivals "
        "that the oracle deploys; never deployed counts as waiting until the end."
    )
    return Answer(
        _QUESTION,
        tuple(_verdict(found)),
        (
            AnswerTable(
                "Setting by setting",
                pl.DataFrame([_summary(one) for one in found]),
                "Mean wait of good arrivals: rounds from the arrival of a model that the oracle "
                "deploys to its first deployment. Within noise: paired differences from the best "
                "that may be zero, jointly at 95 %.",
            ),
            AnswerTable("Rules of initialisation", pl.DataFrame(rows), note),
        ),
        tuple(figures),
    )


def _with_rules(trials: "pl.DataFrame") -> "pl.DataFrame":
    """Keep the policies that learn, and name their rules of initialisation."""
    import polars as pl

    def rule(text: str) -> str:
        options = flat_options(json.loads(text))
        pulls = options["init_pulls"]
        if options["init"] == "prior":
            return f"prior {options['prior_reward']:g} of weight {pulls}"
        if options["init"] == "forced":
            return f"{pulls} forced pull{'s' if pulls > 1 else ''}"
        return str(options["init"])

    learners = trials.filter(pl.col("estimator") == "ucb")
    texts = learners.get_column("policy_options").unique().to_list()
    return learners.with_columns(
        pl.col("policy_options")
        .replace_strict({text: rule(text) for text in texts}, return_dtype=pl.String)
        .alias("rule")
    )


def _delays(stored: StoredStudy) -> "pl.DataFrame":
    """Return waits per cell and trial, over the arrivals that the oracle of the world deploys.

    Columns ``cell, trial, wait`` (rounds) and ``never`` (share of the models that were never
    deployed); no rows where there is no oracle or deployed sets were not kept.
    """
    import polars as pl

    cells = stored.cells.select("cell", "world", "estimator", "stages_kept").collect()
    oracles = cells.filter(estimator="truth")
    kept = cells.group_by("world", maintain_order=True).agg(
        (pl.col("stages_kept") == "trials").all(), (pl.col("estimator") == "truth").any()
    )
    schema = {"cell": pl.Int64, "trial": pl.Int64, "wait": pl.Float64, "never": pl.Float64}
    found = [pl.DataFrame(schema=schema)]
    for world in kept.filter("stages_kept", "estimator").get_column("world"):
        stages = (
            stored.stages.filter(world=world)
            .select("cell", "horizon", "trial", "stage", "opened", "deployed")
            .collect()
        )
        first = arrivals(stored, cells.filter(world=world).get_column("cell")[0])
        delay = adoption_delay(stages, first, by=["cell", "horizon"])
        wanted = (
            delay.join(oracles.filter(world=world).head(1).select("cell"), on="cell", how="semi")
            .filter(pl.col("adopted").is_not_null())
            .select("trial", "model")
        )
        mine = delay.join(wanted, on=["trial", "model"], how="semi").join(
            oracles.select("cell"), on="cell", how="anti"
        )
        found.append(
            mine.group_by("cell", "trial", maintain_order=True).agg(
                pl.col("delay")
                .fill_null(pl.col("horizon") - pl.col("arrival"))
                .mean()
                .alias("wait"),
                pl.col("delay").is_null().mean().alias("never"),
            )
        )
    return pl.concat(found)


def _verdict(found: list[_Setting]) -> list[str]:
    """Say which rules are best, what the others cost, and whether they delay deployment."""
    total = len(found)
    tied = [one.ranked.filter("tied").get_column("rule").to_list() for one in found]
    counts = {
        rule: sum(rule in names for names in tied)
        for rule in found[0].ranked.get_column("rule").to_list()
    }
    ordered = sorted((rule for rule in counts if counts[rule]), key=lambda rule: -counts[rule])
    words = []
    if total > 1:
        others = join_some([f"{rule} in {counts[rule]}" for rule in ordered[1:]])
        words.append(
            f"{ordered[0]} has the lowest priced regret, or is within noise of it, in "
            f"{counts[ordered[0]]} of {total} settings{'; ' * bool(others)}{others}."
        )
    else:
        words.append(f"{describe_best(found[0].ranked, 'rule', what='priced regret')}.")
    words += _worst([(one.place, one.ranked) for one in found], "more priced regret")
    known = [(one.place, one.soonest) for one in found if one.soonest is not None]
    if not known:
        words.append(
            "How soon arrivals are deployed cannot be answered: the oracle deploys none, is not in "
            "the study, or deployed sets of single trials were not kept."
        )
        return words
    equal = {
        rule: sum(
            row["rule"] == rule and row["difference"] == 0.0 == row["difference_high"]
            for _, table in known
            for row in table.iter_rows(named=True)
        )
        for rule in counts
    }
    always = [rule for rule, count in equal.items() if count == len(known)]
    late = _worst(known, "more rounds until a good arrival is deployed")
    words.append(
        f"{join_words(always)} deploy{'s' * (len(always) == 1)} good arrivals equally soon, and "
        f"soonest, in {len(known)} of {len(known)} settings."
        if always
        else "No rule deploys good arrivals soonest in all settings."
    )
    return words + late


def _worst(tables: "list[tuple[str, pl.DataFrame]]", what: str) -> list[str]:
    """Name the rule that is clearly behind the best by most, where there is one."""
    rows = [
        (place, table.get_column("rule")[0], row)
        for place, table in tables
        for row in table.iter_rows(named=True)
        if row["difference_low"] > 0.0
    ]
    if not rows:
        return []
    place, best, row = max(rows, key=lambda one: one[2]["difference"])
    at = f" ({place})" if len(tables) > 1 else ""
    return [f"At worst, {row['rule']} has {behind(row)} {what} than {best}{at}."]


def _summary(one: _Setting) -> dict[str, str]:
    best = one.ranked.row(0, named=True)
    tied = one.ranked[1:].filter("tied").get_column("rule").to_list()
    row = {
        "setting": one.place,
        "best rule": best["rule"],
        "priced regret": format_estimate(best["mean"], best["low"], best["high"]),
        "within noise": join_words(tied) or "-",
    }
    if one.soonest is not None:
        first = one.soonest.row(0, named=True)
        equal = one.soonest.filter(
            one.soonest.get_column("difference") == 0.0,
            one.soonest.get_column("difference_high") == 0.0,
        )
        row["deploy good arrivals soonest"] = join_words(equal.get_column("rule").to_list())
        row["mean wait"] = format_estimate(first["mean"], first["low"], first["high"])
    return row


def _rows(
    place: str, group: "pl.DataFrame", ranked: "pl.DataFrame", waits: "pl.DataFrame"
) -> list[dict[str, Any]]:
    starved = starvation_rate(group, by=["rule"])
    rows = []
    ranked_rows = list(ranked.iter_rows(named=True))
    for row in ranked_rows:
        name = row["rule"]
        regret = mean_interval(group.filter(rule=name).get_column("regret").to_numpy())
        rate = starved.filter(rule=name).row(0, named=True)
        line = {
            "setting": place,
            "rule": name,
            "priced regret": format_margin(row["mean"], row["high"]),
            "from the best": "best" if row is ranked_rows[0] else behind(row),
            "regret": format_margin(regret.estimate, regret.high),
            "starved trials": format_share(rate["rate"], rate["low"], rate["high"]),
        }
        if not waits.is_empty():
            one = waits.filter(rule=name)
            wait = mean_interval(one.get_column("wait").to_numpy())
            never = float(np.mean(one.get_column("never").to_numpy()))
            line["wait, rounds"] = format_margin(wait.estimate, wait.high)
            line["never deployed"] = f"{100.0 * never:.3g}%"
        rows.append(line)
    return rows


@with_report_style
def _dots_figure(trials: "pl.DataFrame", places: list[str], quantity: str, label: str) -> "Figure":
    shown = list(groups(trials, places))
    names = trials.get_column("rule").unique(maintain_order=True).to_list()
    figure, axes = panels(len(shown), columns=2, width=3.9, height=0.34 * len(names) + 1.1)
    for panel, (place, _, group) in zip(axes, shown, strict=True):
        series = [
            (f"γ = {gamma:.3g}", means(one, "rule", quantity)) for gamma, one in _by_gamma(group)
        ]
        dots(panel, names, series, "rule")
        panel.set_title(place)
        panel.set_xlabel(label)
        spread_axis(panel, [one for _, one in series])
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


def _by_gamma(group: "pl.DataFrame") -> "list[tuple[float, pl.DataFrame]]":
    return [
        (gamma, one) for (gamma,), one in group.sort("gamma").group_by("gamma", maintain_order=True)
    ]
