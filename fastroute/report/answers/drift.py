"""`drift`: models whose means change: which estimators keep up, and what forgetting costs."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.analyse import PairedDifference, paired_difference, ranking
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
    format_estimate,
    format_interval,
    join_some,
    join_words,
)
from fastroute.report.charts import error_bars, legend_below, panels, with_report_style
from fastroute.report.style import format_margin, line_style
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "My models get better and worse, at once or little by little: which estimator keeps up, and "
    "what does forgetting cost when nothing changes?"
)
_SEVERITY: Final = "scenario_severity"


class _Compared(NamedTuple):
    """A policy against the reference, in one workload at one severity.

    Where nothing changes, workloads that differ in their changes alone are one world.
    """

    place: str
    world: str
    severity: float
    policy: str
    found: PairedDifference

    @property
    def shown(self) -> str:
        return format_interval(self.found)


def answer(stored: StoredStudy) -> Answer:
    """Compare estimators over the severity of the changes, on the same queries.

    Parameters
    ----------
    stored : StoredStudy
        Several policies, the first ``stageroute`` among them, in worlds that differ in
        ``severity``; policies that know true means are left out.
    """
    import polars as pl

    trials = finals(stored, "policy_name", "estimator", "scenario_name", "scenario_options").filter(
        pl.col("estimator") != "truth"
    )
    reference = reference_of(trials)
    if reference is None:
        return Answer(_QUESTION, (NO_REFERENCE,))
    if _SEVERITY not in trials.columns or trials.get_column(_SEVERITY).n_unique() < 2:
        return Answer(
            _QUESTION,
            ("The study has one severity of the changes only: nothing can be compared.",),
        )
    trials = trials.sort(_SEVERITY, maintain_order=True)
    places = varied(stored, trials, _SEVERITY)
    # All comparisons with the reference hold together, so that none is found by looking often.
    pairs = trials.select("cell").n_unique() - trials.select("world").n_unique()
    level = 1.0 - 0.05 / max(pairs, 1)
    compared: list[_Compared] = []
    rows: list[dict[str, Any]] = []
    best: list[dict[str, str]] = []
    for place, values, group in groups(trials, places):
        mine = _compare(place, _calm_world(values, group), group, reference, level)
        compared += mine
        best.append(({"workload": place} if place else {}) | _best_row(group))
        rows += [({"workload": place} if place else {}) | row for row in _rows(group, mine)]
    return Answer(
        _QUESTION,
        tuple(_verdict(compared, reference)),
        (
            AnswerTable(
                f"Policies against {reference}",
                pl.DataFrame(_counts(compared)),
                f"Number of workloads with clearly less / clearly more priced regret than "
                f"{reference}, by the severity of the changes (paired intervals that hold jointly "
                "at 95 %). Workloads that are one and the same when nothing changes count once "
                "there.",
            ),
            AnswerTable(
                "Best by workload",
                pl.DataFrame(best),
                "By priced regret. Within noise: paired differences from the best that may be "
                "zero, jointly at 95 %. Rise: from the smallest to the largest severity.",
            ),
            AnswerTable(
                "Priced regret by severity",
                pl.DataFrame(rows),
                f"Priced regret: mean ± half the 95 % interval. Δ: minus that of {reference}, "
                "paired by trial, with intervals that hold jointly at 95 % over the whole table. "
                "Added: minus its own at the smallest severity, paired by trial, 95 % intervals. "
                "Regret is against the optimum of every round, which changes with the models, so "
                "a world is not harder for being worse.",
            ),
        ),
        (
            AnswerFigure(
                "severity",
                _figure(trials, places, reference),
                "Final priced regret against the severity of the changes (0: nothing changes, 1: "
                "as written). Whiskers: 95 % intervals of the mean.",
            ),
            AnswerFigure(
                "difference",
                _figure(trials, places, reference, difference=True),
                f"Priced regret minus that of {reference} in the same trial; below zero the "
                "estimator does better. Whiskers: 95 % intervals of the mean.",
            ),
        ),
    )


def _severities(group: "pl.DataFrame") -> list[float]:
    return group.get_column(_SEVERITY).unique().sort().to_list()


def _calm_world(values: Mapping[str, Any], group: "pl.DataFrame") -> str:
    """Return what tells a workload from others when nothing changes.

    Parameters
    ----------
    values : mapping
        What tells it from the others of the study, its label among them.
    group : polars.DataFrame
        Its trials.
    """
    options = json.loads(group.get_column("scenario_options")[0])
    changing = {"changes", "prices", "severity"}
    others = {name: value for name, value in values.items() if name != "scenario"}
    calm = {name: value for name, value in options.items() if name not in changing}
    return json.dumps([group.get_column("scenario_name")[0], calm, others], default=str)


def _compare(
    place: str, calm: str, group: "pl.DataFrame", reference: str, level: float
) -> list[_Compared]:
    """Compare every policy of a workload with the reference, severity by severity."""
    found = []
    for (severity, policy), one in group.group_by(_SEVERITY, "policy", maintain_order=True):
        if policy == reference:
            continue
        base = group.filter(group.get_column(_SEVERITY) == severity).filter(policy=reference)
        difference = paired_difference(one, base, "priced_regret", level=level)
        world = place if severity else calm
        found.append(_Compared(place, world, float(severity), str(policy), difference))
    return found


def _best_row(group: "pl.DataFrame") -> dict[str, str]:
    """Name the best policy at either end of the severities, and the one that loses least."""
    severities = _severities(group)
    row = {}
    for severity in dict.fromkeys((severities[0], severities[-1])):
        here = group.filter(group.get_column(_SEVERITY) == severity)
        row[f"severity {severity:g}"] = _leader(ranking(here, "policy"))
    row["smallest rise"] = _leader(ranking(_added(group), "policy", "added"))
    return row


def _leader(ranked: "pl.DataFrame") -> str:
    best = ranked.row(0, named=True)
    tied = ranked[1:].filter("tied").get_column("policy").to_list()
    shown = f"{best['policy']}, {format_estimate(best['mean'], best['low'], best['high'])}"
    return f"{shown}; within noise: {join_some(tied)}" if tied else shown


def _when(severity: float) -> str:
    return "when nothing changes" if severity == 0.0 else f"with changes of severity {severity:g}"


def _added(group: "pl.DataFrame") -> "pl.DataFrame":
    """Return what the largest severity adds to the priced regret of every policy and trial."""
    import polars as pl

    severities = _severities(group)
    first, last = (
        group.filter(pl.col(_SEVERITY) == severity).select("policy", "trial", "priced_regret")
        for severity in (severities[0], severities[-1])
    )
    return last.join(
        first, on=["policy", "trial"], suffix="_first", maintain_order="left"
    ).with_columns((pl.col("priced_regret") - pl.col("priced_regret_first")).alias("added"))


def _verdict(compared: Sequence[_Compared], reference: str) -> list[str]:
    """Say who is clearly better with the largest changes, and what that costs without changes."""
    severities = sorted({one.severity for one in compared})
    words = []
    for severity in dict.fromkeys((severities[-1], severities[0])):
        less, more = _sorted_out(compared, severity)
        total = len({one.world for one in compared if one.severity == severity})
        # With the largest changes who gains comes first, without changes who loses.
        kinds = [("less", less), ("more", more)]
        for kind, counts in kinds if severity == severities[-1] else kinds[::-1]:
            named = _by_count(counts, total)
            words.append(
                f"{_capital(_when(severity))}, clearly {kind} priced regret than {reference}: "
                f"{named}."
                if named
                else f"{_capital(_when(severity))}, no policy has clearly {kind} priced regret "
                f"than {reference}."
            )
    pays = [
        policy
        for policy in dict.fromkeys(one.policy for one in compared)
        if _pays(compared, policy, severities[0])
    ]
    if severities[0] == 0.0:
        words.append(
            f"Clearly worse than {reference} when nothing changes and clearly better with the "
            f"largest changes, on the same workload: {join_words(pays) or 'none'}."
        )
    # The gain with changes, then what it costs without any, then the rest.
    order = (0, 2, 1) if len(words) > 2 else (0, 1)
    return [*(words[place] for place in order), *words[len(order) :]]


def _by_count(counts: Sequence[tuple[str, int]], total: int) -> str:
    """Name policies by the number of workloads: ``a and b (4 of 4 workloads), c (3 of 4)``."""
    named: dict[int, list[str]] = {}
    for policy, count in counts:
        if count:
            named.setdefault(count, []).append(policy)
    unit = " workloads" if total > 1 else " workload"
    parts: list[str] = []
    for count, policies in named.items():
        parts.append(f"{join_words(policies)} ({count} of {total}{'' if parts else unit})")
    return ", ".join(parts)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _sorted_out(
    compared: Sequence[_Compared], severity: float
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Count the workloads with clearly less, and with clearly more, most first."""
    less: dict[str, int] = {}
    more: dict[str, int] = {}
    for one in _distinct(compared):
        if one.severity == severity:
            less[one.policy] = less.get(one.policy, 0) + (one.found.high < 0.0)
            more[one.policy] = more.get(one.policy, 0) + (one.found.low > 0.0)
    ordered = [sorted(counts.items(), key=lambda item: -item[1]) for counts in (less, more)]
    return ordered[0], ordered[1]


def _distinct(compared: Sequence[_Compared]) -> list[_Compared]:
    """Return the comparisons of each world once."""
    found: dict[tuple[Any, ...], _Compared] = {}
    for one in compared:
        found.setdefault((one.world, one.severity, one.policy), one)
    return list(found.values())


def _counts(compared: Sequence[_Compared]) -> list[dict[str, str]]:
    """Count for every policy and severity where it is clearly better and clearly worse."""
    rows = []
    for policy in dict.fromkeys(one.policy for one in compared):
        row = {"policy": policy}
        for severity in sorted({one.severity for one in compared}):
            mine = [
                one
                for one in _distinct(compared)
                if (one.policy, one.severity) == (policy, severity)
            ]
            same = sum(one.found.mean == 0.0 == one.found.high for one in mine)
            less = sum(one.found.high < 0.0 for one in mine)
            more = sum(one.found.low > 0.0 for one in mine)
            row[f"severity {severity:g}: less / more"] = (
                "the same in every trial" if same == len(mine) else f"{less} / {more}"
            )
        rows.append(row)
    return rows


def _pays(compared: Sequence[_Compared], policy: str, smallest: float) -> bool:
    mine = [one for one in compared if one.policy == policy]
    largest = max(one.severity for one in mine)
    return any(
        calm.found.low > 0.0 and moved.found.high < 0.0
        for calm in mine
        for moved in mine
        if calm.place == moved.place and calm.severity == smallest and moved.severity == largest
    )


def _rows(group: "pl.DataFrame", compared: Sequence[_Compared]) -> list[dict[str, Any]]:
    first = _severities(group)[0]
    against = {(one.severity, one.policy): one.shown for one in compared}
    rows = []
    for (severity, policy), one in group.group_by(_SEVERITY, "policy", maintain_order=True):
        mean = means(one, "policy", "priced_regret").row(0, named=True)
        own = group.filter(group.get_column(_SEVERITY) == first).filter(policy=policy)
        added = paired_difference(one, own, "priced_regret")
        rows.append(
            {
                "severity": f"{severity:g}",
                "policy": policy,
                "priced regret": format_margin(mean["mean"], mean["high"]),
                "Δ": against.get((severity, policy), "-"),
                "added": format_interval(added) if severity != first else "-",
            }
        )
    return rows


@with_report_style
def _figure(
    trials: "pl.DataFrame", places: list[str], reference: str, *, difference: bool = False
) -> "Figure":
    import polars as pl

    quantity, label = "priced_regret", "priced regret (units of reward)"
    if difference:
        base = pl.col("priced_regret").filter(pl.col("policy") == reference).first()
        trials = trials.with_columns(
            (pl.col("priced_regret") - base.over("world", "trial")).alias("difference")
        )
        quantity, label = "difference", f"priced regret − that of {reference}"
    shown = list(groups(trials, places))
    policies = trials.get_column("policy").unique(maintain_order=True).to_list()
    figure, axes = panels(len(shown), columns=2, width=3.9, height=3.1)
    for panel, (place, _, group) in zip(axes, shown, strict=True):
        for index, policy in enumerate(policies):
            one = group.filter(policy=policy)
            if one.is_empty() or (difference and policy == reference):
                continue
            line = means(one, _SEVERITY, quantity)
            error_bars(panel, line.get_column(_SEVERITY), line, policy, line_style(index))
        if difference:
            panel.axhline(0.0, color="black", linewidth=0.8)
        else:
            panel.set_ylim(bottom=min(0.0, panel.get_ylim()[0]))
        panel.set_title(place)
        panel.set_xlabel("severity of the changes")
        panel.set_ylabel(label)
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
