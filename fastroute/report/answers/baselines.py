"""`baselines`: all policies on all workloads, paired against StageRoute."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastroute.analyse import paired_difference, ranking
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import (
    NO_REFERENCE,
    finals,
    groups,
    means,
    reference_of,
    varied,
)
from fastroute.report.answers.words import (
    NAMED,
    behind,
    format_estimate,
    join_some,
    join_words,
)
from fastroute.report.charts import dots, heatmap, panels, spread_axis, with_report_style
from fastroute.report.style import format_margin, format_number
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "How does StageRoute compare with the other policies on every workload, on the same queries: "
    "in priced regret, in regret, and in overspending, which buys regret?"
)
_QUANTITIES: Final = ("priced_regret", "regret", "excess")


def answer(stored: StoredStudy) -> Answer:
    """Rank the policies of every workload, and compare each with StageRoute.

    Parameters
    ----------
    stored : StoredStudy
        Several policies, the first ``stageroute`` among them; policies that know true means are
        shown but not ranked.
    """
    import polars as pl

    trials = finals(stored, "policy_name", "estimator", "deployer", "router").with_columns(
        (100.0 * (pl.col("cost") / pl.col("budget") - 1.0)).alias("excess"),
        pl.any_horizontal(pl.col("estimator", "deployer", "router") == "truth").alias("knows"),
    )
    reference = reference_of(trials)
    if reference is None:
        return Answer(_QUESTION, (NO_REFERENCE,))
    places = varied(stored, trials)
    worlds, rows, results = [], [], {}
    # All comparisons with the reference hold together, so that none is found by looking often.
    rankings: dict[str, pl.DataFrame] = {}
    pairs = trials.select("cell").n_unique() - trials.select("world").n_unique()
    level = 1.0 - 0.05 / max(pairs, 1)
    for place, _, group in groups(trials, places):
        ranked = rankings[place] = ranking(group.filter(~pl.col("knows")), "policy")
        against = _against(group, reference, level)
        results[place] = against
        worlds.append(
            ({"workload": place} if place else {}) | _workload(ranked, against, reference)
        )
        rows += [({"workload": place} if place else {}) | row for row in _rows(ranked, against)]
    return Answer(
        _QUESTION,
        _verdict(results, rankings, reference),
        (
            AnswerTable(
                "Workload by workload",
                pl.DataFrame(worlds),
                "Best: of the policies that learn, by mean priced regret, with its interval. "
                "Within noise: paired differences from the best that may be zero, jointly at 95 %. "
                "Overspending: policies that learn whose mean cost is clearly above the budget, "
                "and the one that overspends most.",
            ),
            AnswerTable(
                "Policies against " + reference,
                pl.DataFrame(_summary(results, reference)),
                "Number of workloads in which the policy has clearly less or clearly more than "
                f"{reference} (paired intervals that hold jointly at 95 %), and median ratio of "
                "the means of priced regret over workloads where both are above zero. * knows "
                "true means.",
            ),
            AnswerTable(
                "Ranking by priced regret",
                pl.DataFrame(rows),
                "Mean ± half the 95 % interval. Excess: mean cost per query over the budget. "
                f"Differences from {reference}: paired by trial, with intervals that hold "
                "jointly at 95 % over all workloads.",
            ),
        ),
        (
            AnswerFigure(
                "ratio",
                _ratio_figure(results, reference),
                f"Priced regret over that of {reference}. ▼ clearly less, ▲ clearly more (paired "
                "intervals that hold jointly at 95 %), no mark: within noise of it. * knows true "
                "means.",
            ),
            *(
                AnswerFigure(
                    quantity,
                    _dots_figure(trials, places, quantity),
                    f"{_axis(quantity).capitalize()} of every policy. Whiskers: 95 % intervals "
                    "of the mean.",
                )
                for quantity in _QUANTITIES
            ),
        ),
    )


def _against(group: "pl.DataFrame", reference: str, level: float) -> dict[str, dict[str, Any]]:
    """Compare every policy of a workload with the reference, trial by trial."""
    base = group.filter(policy=reference)
    found = {}
    for (policy,), one in group.group_by("policy", maintain_order=True):
        found[policy] = {"knows": one.get_column("knows")[0]}
        for quantity in _QUANTITIES:
            mean = means(one, "policy", quantity).row(0, named=True)
            found[policy][quantity] = (mean, paired_difference(one, base, quantity, level=level))
    return found


def _workload(
    ranked: "pl.DataFrame", against: dict[str, dict[str, Any]], reference: str
) -> dict[str, str]:
    """Say in a row of a table who is best, and how the reference compares."""
    best = ranked.row(0, named=True)
    policies = ranked.get_column("policy").to_list()
    tied = [row["policy"] for row in ranked[1:].iter_rows(named=True) if row["tied"]]
    row = {
        "best": best["policy"],
        "priced regret": format_estimate(best["mean"], best["low"], best["high"]),
        "within noise": join_some(tied) or "-",
        f"rank of {reference}": f"{policies.index(reference) + 1} of {len(policies)}",
        "behind the best": behind(ranked.filter(policy=reference).row(0, named=True))
        if policies[0] != reference
        else "-",
    }
    over = _overspending(against)
    row["overspend"] = f"{len(over)} of {len(policies)}"
    row["most"] = f"{over[0]}, {_excess(against[over[0]])}" if over else "-"
    return row


def _excess(found: dict[str, Any]) -> str:
    mean = found["excess"][0]
    return format_estimate(mean["mean"], mean["low"], mean["high"], unit="%")


def _overspending(against: dict[str, dict[str, Any]]) -> list[str]:
    """Return the policies that learn and overspend clearly, the worst first."""
    means = {policy: found["excess"][0] for policy, found in against.items() if not found["knows"]}
    over = [policy for policy, mean in means.items() if mean["low"] > 0.0]
    return sorted(over, key=lambda policy: -means[policy]["mean"])


def _verdict(
    results: dict[str, dict[str, dict[str, Any]]],
    rankings: "dict[str, pl.DataFrame]",
    reference: str,
) -> tuple[str, ...]:
    """Say on how many workloads the reference is best, who has clearly less, and who overspends."""
    total = len(results)
    good = sum(
        bool(ranked.filter(policy=reference).get_column("tied")[0]) for ranked in rankings.values()
    )
    less, never = _better(results, reference)
    words = [
        f"{reference} has the lowest priced regret, or is within noise of the lowest, on "
        f"{good} of {total} workloads.",
        f"Of {total} workloads, clearly less priced regret than {reference}: {join_some(less)}."
        if less
        else f"No policy has clearly less priced regret than {reference} on any workload.",
    ]
    over = {place: found[reference] for place, found in results.items() if _over(found[reference])}
    if over:
        worst = max(over, key=lambda place: over[place]["excess"][0]["mean"])
        at = f", by up to {_excess(over[worst])}{f' ({worst})' if worst else ''}"
        words.append(f"{reference} overspends clearly on {len(over)} of {total} workloads{at}.")
    else:
        words.append(f"{reference} overspends clearly on no workload.")
    if len(less) > NAMED:
        words.append(f"In full: {join_words(less)}.")
    if never:
        words.append(f"On no workload: {join_words(never)}.")
    return tuple(words)


def _over(found: dict[str, Any]) -> bool:
    return bool(found["excess"][0]["low"] > 0.0)


def _better(
    results: dict[str, dict[str, dict[str, Any]]], reference: str
) -> tuple[list[str], list[str]]:
    """Sort the policies that learn: clearly less than the reference somewhere, and nowhere."""
    policies = list(dict.fromkeys(name for found in results.values() for name in found))
    counts = {}
    for policy in policies:
        here = [found[policy] for found in results.values() if policy in found]
        if policy == reference or any(one["knows"] for one in here):
            continue
        wins = sum(one["priced_regret"][1].high < 0.0 for one in here)
        losses = sum(one["priced_regret"][1].low > 0.0 for one in here)
        counts[policy] = wins, losses
    ordered = sorted(counts, key=lambda policy: -counts[policy][0])
    less = [
        f"{policy} on {counts[policy][0]} (clearly more on {counts[policy][1]})"
        for policy in ordered
        if counts[policy][0]
    ]
    never = [
        f"{policy} (clearly more on {counts[policy][1]})"
        for policy in ordered
        if not counts[policy][0]
    ]
    return less, never


def _summary(results: dict[str, dict[str, dict[str, Any]]], reference: str) -> list[dict[str, Any]]:
    rows = []
    policies = list(dict.fromkeys(name for found in results.values() for name in found))
    for policy in policies:
        here = [(found[policy], found[reference]) for found in results.values() if policy in found]
        ratios = [
            one["priced_regret"][0]["mean"] / base["priced_regret"][0]["mean"]
            for one, base in here
            if min(one["priced_regret"][0]["mean"], base["priced_regret"][0]["mean"]) > 0.0
        ]
        row = {"policy": _star(policy, here[0][0]["knows"])}
        for quantity in _QUANTITIES:
            less = sum(one[quantity][1].high < 0.0 for one, _ in here)
            more = sum(one[quantity][1].low > 0.0 for one, _ in here)
            row[f"{quantity.replace('_', ' ')}: less / more"] = f"{less} / {more}"
        row["median ratio"] = format_number(float(np.median(ratios)), 3) if ratios else "-"
        rows.append(row)
    return rows


def _rows(ranked: "pl.DataFrame", against: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    order = ranked.get_column("policy").to_list()
    rows = []
    for policy in [*order, *(name for name in against if name not in order)]:
        found = against[policy]
        row = {
            "rank": str(order.index(policy) + 1) if policy in order else "-",
            "policy": _star(policy, found["knows"]),
        }
        for quantity in _QUANTITIES:
            mean, difference = found[quantity]
            name = "excess, %" if quantity == "excess" else quantity.replace("_", " ")
            row[name] = format_margin(mean["mean"], mean["high"])
            row[f"Δ {name}"] = format_estimate(difference.mean, difference.low, difference.high)
        rows.append(row)
    return rows


def _star(policy: str, knows: bool) -> str:
    return f"{policy} *" if knows else policy


def _axis(quantity: str) -> str:
    if quantity == "excess":
        return "mean cost over budget (%)"
    return f"{quantity.replace('_', ' ')} (units of reward)"


@with_report_style
def _ratio_figure(results: dict[str, dict[str, dict[str, Any]]], reference: str) -> "Figure":
    places = list(results)
    policies = list(dict.fromkeys(name for found in results.values() for name in found))
    values = np.full((len(policies), len(places)), np.nan)
    marks = np.full(values.shape, "", dtype="<U2")
    stars = {}
    for j, place in enumerate(places):
        base = results[place][reference]["priced_regret"][0]["mean"]
        for i, policy in enumerate(policies):
            if policy not in results[place]:
                continue
            found = results[place][policy]
            stars[policy] = _star(policy, found["knows"])
            mean, difference = found["priced_regret"]
            values[i, j] = mean["mean"] / base if base > 0.0 else np.nan
            marks[i, j] = "▼" if difference.high < 0.0 else "▲" if difference.low > 0.0 else ""
    figure, axes = panels(
        1, width=0.78 * len(places) + 2.6, height=0.33 * max(len(policies), 9) + 1.9, legend=0.0
    )
    image = heatmap(
        figure,
        axes[0],
        values[::-1],
        [stars[policy] for policy in reversed(policies)],
        [place or "all" for place in places],
        limits=(1.0 / 8.0, 8.0),
        log=True,
        diverging=True,
        marks=marks[::-1],
        text=lambda value: format_number(value, 2) if abs(value) < 10.0 else f"{value:,.0f}",
    )
    axes[0].set_xlabel("workload")
    axes[0].set_ylabel("policy")
    bar = figure.colorbar(image, ax=axes, extend="both", ticks=[0.125, 0.25, 0.5, 1, 2, 4, 8])
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bar.ax.minorticks_off()
    bar.set_label(f"priced regret / that of {reference}")
    return figure


@with_report_style
def _dots_figure(trials: "pl.DataFrame", places: list[str], quantity: str) -> "Figure":
    shown = list(groups(trials, places))
    policies = trials.get_column("policy").unique(maintain_order=True).to_list()
    figure, axes = panels(
        len(shown), columns=3, width=3.6, height=0.2 * len(policies) + 1.2, legend=0.0
    )
    for index, (panel, (place, _, group)) in enumerate(zip(axes, shown, strict=True)):
        frame = means(group, "policy", quantity)
        dots(panel, policies, [(place, frame)], "policy")
        spread_axis(panel, [frame])
        if index % 3:
            panel.set_yticklabels([])
        panel.set_title(place)
        panel.set_xlabel(_axis(quantity))
    return figure
