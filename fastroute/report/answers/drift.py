"""`drift`: models whose means change: which estimators keep up, and what forgetting costs."""

from collections.abc import Sequence
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
from fastroute.report.answers.lines import join_words
from fastroute.report.answers.words import describe_best, format_estimate
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
    """A policy against the reference, in one workload at one severity."""

    place: str
    severity: float
    policy: str
    found: PairedDifference

    @property
    def shown(self) -> str:
        return format_estimate(self.found.mean, self.found.low, self.found.high)


def answer(stored: StoredStudy) -> Answer:
    """Compare estimators over the severity of the changes, on the same queries.

    Parameters
    ----------
    stored : StoredStudy
        Several policies, the first ``stageroute`` among them, in worlds that differ in
        ``severity``; policies that know true means are left out.
    """
    import polars as pl

    trials = finals(stored, "policy_name", "estimator").filter(pl.col("estimator") != "truth")
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
    compared, verdict = [], []
    rows: list[dict[str, Any]] = []
    for place, _, group in groups(trials, places):
        mine = _compare(place, group, reference, level)
        compared += mine
        at = f"{place}: " if place else ""
        verdict += [at + words for words in _verdict(group, mine, reference)]
        rows += [({"workload": place} if place else {}) | row for row in _rows(group, mine)]
    verdict[:0] = _overall(compared, reference)
    return Answer(
        _QUESTION,
        tuple(verdict),
        (
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


def _compare(place: str, group: "pl.DataFrame", reference: str, level: float) -> list[_Compared]:
    """Compare every policy of a workload with the reference, severity by severity."""
    found = []
    for (severity, policy), one in group.group_by(_SEVERITY, "policy", maintain_order=True):
        if policy == reference:
            continue
        base = group.filter(group.get_column(_SEVERITY) == severity).filter(policy=reference)
        difference = paired_difference(one, base, "priced_regret", level=level)
        found.append(_Compared(place, float(severity), str(policy), difference))
    return found


def _verdict(group: "pl.DataFrame", compared: list[_Compared], reference: str) -> list[str]:
    severities = _severities(group)
    words = []
    for severity in dict.fromkeys((severities[0], severities[-1])):
        mine = [one for one in compared if one.severity == severity]
        words.append(f"{_when(severity)}, {_sorted_out(mine, reference)}.")
    last = group.filter(group.get_column(_SEVERITY) == severities[-1])
    words.append(
        f"{_when(severities[-1])}, "
        f"{describe_best(ranking(last, 'policy'), 'policy', what='priced regret')}."
    )
    added = ranking(_added(group), "policy", "added")
    what = f"rise of priced regret from severity {severities[0]:g} to {severities[-1]:g}"
    words.append(f"{describe_best(added, 'policy', what=what)}.")
    return words


def _when(severity: float) -> str:
    return "when nothing changes" if severity == 0.0 else f"with changes of severity {severity:g}"


def _sorted_out(compared: Sequence[_Compared], reference: str) -> str:
    """Say who has less, more, and the same priced regret as the reference."""
    same = [one for one in compared if one.found.mean == 0.0 == one.found.high]
    less = [one for one in compared if one.found.high < 0.0]
    more = [one for one in compared if one.found.low > 0.0]
    open_ones = [one for one in compared if one not in (*same, *less, *more)]
    parts = [
        f"{title} {join_words([f'{one.policy} ({one.shown})' for one in ones])}"
        for title, ones in (
            ("clearly less:", less),
            ("clearly more:", more),
            ("not to be told from it:", open_ones),
        )
        if ones
    ]
    if same:
        parts.append(f"the same in every trial: {join_words([one.policy for one in same])}")
    return f"priced regret against that of {reference}: {'; '.join(parts)}"


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


def _overall(compared: Sequence[_Compared], reference: str) -> list[str]:
    """Say who is clearly better and clearly worse, over all workloads."""
    severities = sorted({one.severity for one in compared})
    words = []
    for severity in dict.fromkeys((severities[-1], severities[0])):
        here = [one for one in compared if one.severity == severity]
        count = len({one.place for one in here})
        counted = []
        for policy in dict.fromkeys(one.policy for one in here):
            mine = [one for one in here if one.policy == policy]
            less = sum(one.found.high < 0.0 for one in mine)
            more = sum(one.found.low > 0.0 for one in mine)
            rest = len(mine) - less - more
            counted.append(f"{policy} ({less} less, {more} more, {rest} not told)")
        words.append(
            f"Over {count} workload{'s' if count > 1 else ''}, {_when(severity)}, number of those "
            f"with clearly less or more priced regret than {reference}: {join_words(counted)}."
        )
    pays = [
        policy
        for policy in dict.fromkeys(one.policy for one in compared)
        if _pays(compared, policy, severities[0])
    ]
    if severities[0] == 0.0:
        words.append(
            f"On some workload clearly worse than {reference} when nothing changes, and clearly "
            f"better with the largest changes: {join_words(pays) or 'none'}."
        )
    return words


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
                "added": format_estimate(added.mean, added.low, added.high)
                if severity != first
                else "-",
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
