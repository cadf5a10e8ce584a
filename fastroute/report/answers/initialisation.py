"""`initialisation`: what should be believed of a model that was never used."""

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastroute.analyse import (
    adoption_delay,
    mean_interval,
    paired_difference,
    ranking,
    starvation_rate,
)
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import arrivals, finals, groups, means, varied
from fastroute.report.answers.words import (
    describe_best,
    describe_difference,
    format_estimate,
    format_share,
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
    verdict: list[str] = []
    rows: list[dict[str, Any]] = []
    for place, _, group in groups(trials, [*places, "gamma"]):
        ranked = ranking(group, "rule")
        verdict.append(f"{place}: {describe_best(ranked, 'rule', what='priced regret')}.")
        waits = group.select("cell", "trial", "rule").join(delays, on=["cell", "trial"])
        if waits.is_empty():
            verdict.append(
                f"{place}: how soon arrivals are deployed cannot be answered: the oracle deploys "
                "none, is not in the study, or deployed sets of single trials were not kept."
            )
        else:
            verdict += _adoption(place, waits, ranked)
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
        tuple(verdict),
        (AnswerTable("Rules of initialisation", pl.DataFrame(rows), note),),
        tuple(figures),
    )


def _with_rules(trials: "pl.DataFrame") -> "pl.DataFrame":
    """Keep the policies that learn, and name their rules of initialisation."""
    import polars as pl

    def rule(text: str) -> str:
        options = flat_options(json.loads(text))
        pulls = options["init_pulls"]
        if options["init"] == "prior":
            return f"prior {options['prior_reward']:g}, weight {pulls}"
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


def _adoption(place: str, waits: "pl.DataFrame", ranked: "pl.DataFrame") -> list[str]:
    """Say who deploys arrivals soonest, and how the rule of lowest regret compares."""
    soonest = ranking(waits, "rule", "wait")
    words = (
        f"{place}: {describe_best(soonest, 'rule', what='mean wait of a good arrival, in rounds')}"
    )
    best, first = ranked.get_column("rule")[0], soonest.get_column("rule")[0]
    if first == best or soonest.filter(rule=best).get_column("difference").item() == 0.0:
        return [f"{words}; {best}, of lowest priced regret, is among them."]
    found = paired_difference(
        waits.filter(rule=best).select("trial", "wait"),
        waits.filter(rule=first).select("trial", "wait"),
        "wait",
    )
    told = describe_difference(found.mean, found.low, found.high, "waits longer", "waits less")
    return [f"{words}. {best}, of lowest priced regret, compared with it: {told}."]


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
            "from the best": "best"
            if row is ranked_rows[0]
            else format_estimate(row["difference"], row["difference_low"], row["difference_high"]),
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
