"""`paper`: the experiment of the paper, StageRoute beside greedy, uniform and the oracle."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fastroute.analyse import (
    Interval,
    PairedDifference,
    curve_intervals,
    mean_interval,
    paired_difference,
)
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import (
    NO_REFERENCE,
    arrivals,
    finals,
    groups,
    models_of,
    reference_of,
    varied,
)
from fastroute.report.answers.words import (
    format_estimate,
    format_interval,
    join_words,
)
from fastroute.report.charts import heatmap, legend_below, panels, with_report_style
from fastroute.report.style import format_margin, line_style
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "Does StageRoute follow the oracle when models arrive over time, and does it do better than "
    "greedy and uniform?"
)


class _Setting(NamedTuple):
    """The reference in one setting."""

    place: str
    against: dict[str, PairedDifference]  #: its priced regret minus that of each other policy
    excess: Interval  #: its mean cost over the budget, %


def answer(stored: StoredStudy) -> Answer:
    """Compare StageRoute with the other policies, and its deployments with the oracle's.

    Parameters
    ----------
    stored : StoredStudy
        ``stageroute`` first, and others; an oracle for the comparison of deployments.
    """
    import polars as pl

    trials = finals(stored, "policy_name", "estimator", "stages_kept")
    reference = reference_of(trials)
    if reference is None:
        return Answer(_QUESTION, (NO_REFERENCE,))
    places = varied(stored, trials)
    rows: list[dict[str, Any]] = []
    found: list[_Setting] = []
    for place, _, group in groups(trials, places):
        found.append(_setting(place, group, reference))
        rows += [({"setting": place} if place else {}) | row for row in _rows(group, reference)]
    figures = [
        AnswerFigure(
            quantity,
            _curves_figure(stored, trials, places, quantity),
            f"Cumulative {quantity.replace('_', ' ')}. Bands: 95 % intervals of the mean.",
        )
        for quantity in ("regret", "priced_regret")
    ]
    # Of many worlds the last has the longest horizon and the largest budget.
    _, _, last = list(groups(trials, places))[-1]
    pair = _pair(last, reference)
    verdict = _verdict(found, reference)
    if pair is None:
        verdict.append(
            "Deployments cannot be compared: there is no oracle, or deployed sets of single "
            "trials were not kept."
        )
    else:
        shares = [_deployed(stored, cell) for cell in pair.values()]
        verdict.append(_agreement(stored, pair, reference))
        figures.append(
            AnswerFigure(
                "deployment",
                _deployment_figure(stored, list(pair), list(pair.values()), shares),
                "Share of the trials in which each model is deployed, by stage. Models by "
                "release; the line marks the stage in which a model can first be deployed.",
            )
        )
    return Answer(
        _QUESTION,
        tuple(verdict),
        (
            AnswerTable(
                "Policies",
                pl.DataFrame(rows),
                "Over the run, mean ± half the 95 % interval; differences are paired by trial.",
            ),
        ),
        tuple(figures),
    )


def _setting(place: str, group: "pl.DataFrame", reference: str) -> _Setting:
    """Compare the reference with every other policy, and its spending with the budget."""
    base = group.filter(policy=reference)
    against = {
        str(policy): paired_difference(base, one, "priced_regret")
        for (policy,), one in group.group_by("policy", maintain_order=True)
        if policy != reference
    }
    cost = 100.0 * (base.get_column("cost").to_numpy() / base.get_column("budget").to_numpy() - 1.0)
    return _Setting(place, against, mean_interval(cost))


def _verdict(found: list[_Setting], reference: str) -> list[str]:
    """Say in how many settings the reference has less and more, and how far it overspends."""
    total = len(found)
    policies = list(dict.fromkeys(policy for one in found for policy in one.against))
    words = []
    for less, kind in ((True, "less"), (False, "more")):
        named: list[str] = []
        for policy in policies:
            mine = [one.against[policy] for one in found if policy in one.against]
            clear = [d for d in mine if (d.high < 0.0 if less else d.low > 0.0)]
            if clear:
                largest = max(clear, key=lambda d: abs(d.mean))
                by = format_estimate(
                    abs(largest.mean), *sorted((abs(largest.low), abs(largest.high)))
                )
                where = f"in {len(clear)} of {total}{'' if named else ' settings'}"
                named.append(f"{policy} ({where}, by up to {by})")
        words.append(
            f"{reference} has clearly {kind} priced regret than {join_words(named)}."
            if named
            else f"{reference} has clearly {kind} priced regret than no other policy."
        )
    over = [one for one in found if one.excess.low > 0.0]
    if over:
        worst = max(over, key=lambda one: one.excess.estimate)
        at = f" ({worst.place})" if worst.place else ""
        words.append(
            f"{reference} spends clearly more than the budget in {len(over)} of {total} settings, "
            f"by up to {format_interval(worst.excess, '%')}{at}."
        )
    else:
        words.append(f"{reference} spends clearly more than the budget in no setting.")
    return words


def _rows(group: "pl.DataFrame", reference: str) -> list[dict[str, Any]]:
    base = group.filter(policy=reference)
    rows = []
    for (policy,), one in group.group_by("policy", maintain_order=True):
        row = {"policy": policy}
        for quantity in ("regret", "priced_regret", "discovery", "deployment", "routing"):
            found = mean_interval(one.get_column(quantity).to_numpy())
            row[quantity.replace("_", " ")] = format_margin(found.estimate, found.high)
        ratio = one.get_column("cost").to_numpy() / one.get_column("budget").to_numpy()
        spent = mean_interval(ratio)
        row["cost / budget"] = format_margin(spent.estimate, spent.high)
        difference = paired_difference(one, base, "priced_regret")
        row[f"priced regret above {reference}"] = (
            "-" if policy == reference else format_interval(difference)
        )
        rows.append(row)
    return rows


def _pair(group: "pl.DataFrame", reference: str) -> dict[str, int] | None:
    """Return the cells of the reference and of the oracle, where their sets were kept."""
    oracle = group.filter(estimator="truth")
    kept = group.get_column("stages_kept").unique().to_list() == ["trials"]
    if oracle.is_empty() or not kept:
        return None
    own = group.filter(policy=reference)
    return {reference: own["cell"][0], oracle["policy"][0]: oracle["cell"][0]}


def _sets(stored: StoredStudy, cell: int) -> "pl.DataFrame":
    import polars as pl

    return (
        stored.stages.filter(cell=cell)
        .select("trial", "stage", pl.col("deployed").alias("model"))
        .explode("model", empty_as_null=False)
        .collect()
    )


def _deployed(stored: StoredStudy, cell: int) -> "np.typing.NDArray[np.float64]":
    """Return the share of trials that deploy each model in each stage, [models, stages]."""
    import polars as pl

    sets = _sets(stored, cell)
    stages = stored.stages.filter(cell=cell).select("trial", "stage").collect()
    trials, count = stages.get_column("trial").n_unique(), stages.get_column("stage").n_unique()
    share = np.zeros((len(models_of(stored, cell)), count))
    for model, stage, n in sets.group_by("model", "stage").agg(pl.len()).iter_rows():
        share[model, stage] = n / trials
    return share


def _agreement(stored: StoredStudy, pair: dict[str, int], reference: str) -> str:
    """Say which share of the oracle's deployments the reference has too, early and late."""
    import polars as pl

    own, oracle = (_sets(stored, cell) for cell in pair.values())
    both = oracle.join(
        own.with_columns(pl.lit(True).alias("hit")), on=["trial", "stage", "model"], how="left"
    ).with_columns(
        pl.col("hit").fill_null(False),
        (pl.col("stage") < 0.5 * (pl.col("stage").max() + 1)).alias("early"),
    )
    words = []
    for early, name in ((True, "first"), (False, "second")):
        half = both.filter(early=early).group_by("trial").agg(pl.col("hit").mean()).sort("trial")
        if half.is_empty():
            continue
        found = mean_interval(100.0 * half.get_column("hit").to_numpy())
        words.append(f"{format_interval(found, '%')} in the {name} half")
    return (
        f"Of the models that the oracle deploys, {reference} deploys {' and '.join(words)} of the "
        "stages, in the last setting."
    )


@with_report_style
def _curves_figure(
    stored: StoredStudy, trials: "pl.DataFrame", places: list[str], quantity: str
) -> "Figure":
    import polars as pl

    shown = list(groups(trials, places))
    policies = trials.get_column("policy").unique(maintain_order=True).to_list()
    figure, axes = panels(len(shown), columns=2, width=3.8)
    curves = curve_intervals(
        stored.curves.filter(pl.col("quantity") == quantity, pl.col("round") > 0)
        .select("cell", "policy", "round", "mean", "se", "trials")
        .collect()
    )
    for panel, (place, _, group) in zip(axes, shown, strict=True):
        here = curves.filter(pl.col("cell").is_in(group.get_column("cell").unique().implode()))
        for index, policy in enumerate(policies):
            one = here.filter(policy=policy).sort("round")
            style = line_style(index)
            rounds, mean, low, high = (
                one.get_column(name).cast(float).to_numpy()
                for name in ("round", "mean", "low", "high")
            )
            panel.fill_between(rounds, low, high, color=style.colour, alpha=0.18, linewidth=0)
            panel.plot(rounds, mean, color=style.colour, linestyle=style.dashes, label=policy)
        panel.axhline(0.0, color="black", linewidth=0.6)
        panel.set_title(place)
        panel.set_xlim(left=0.0)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")
        panel.set_xlabel("rounds (queries)")
        panel.set_ylabel(f"cumulative {quantity.replace('_', ' ')}\n(units of reward)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


@with_report_style
def _deployment_figure(
    stored: StoredStudy, names: list[str], cells: list[int], shares: "list[Any]"
) -> "Figure":
    models = models_of(stored, cells[0])
    first = arrivals(stored, cells[0])
    opened = (
        (stored.stages.filter(cell=cells[0]).select("opened").unique().sort("opened").collect())
        .get_column("opened")
        .to_numpy()
    )
    figure, axes = panels(
        len(cells), columns=2, width=4.6, height=0.27 * len(models) + 1.2, legend=0.0
    )
    image: Any = None
    for panel, name, share in zip(axes, names, shares, strict=True):
        every = [""] * share.shape[1]
        image = heatmap(figure, panel, share, models, every, limits=(0.0, 1.0), text=None)
        for model, start in enumerate(np.searchsorted(opened, first)):
            if 0 < start < share.shape[1]:
                panel.plot(
                    [start - 0.5] * 2, [model - 0.5, model + 0.5], color="#D55E00", linewidth=2.0
                )
        step = max(1, share.shape[1] // 8)
        ticks = range(0, share.shape[1], step)
        panel.set_xticks(ticks, [str(tick + 1) for tick in ticks], rotation=0)
        panel.set_title(name)
        panel.set_xlabel("stage")
        if panel is not axes[0]:
            panel.set_yticklabels([])
    bar = figure.colorbar(image, ax=axes)
    bar.set_label("share of the trials in which it is deployed")
    return figure
