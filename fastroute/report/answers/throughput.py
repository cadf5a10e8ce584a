"""`throughput`: how regret depends on the throughput limits, against the oracle."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.analyse import PairedDifference, paired_difference
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import finals, groups, means, varied
from fastroute.report.answers.words import format_estimate, format_interval
from fastroute.report.charts import error_bars, legend_below, log_ticks, panels, with_report_style
from fastroute.report.style import format_margin, line_style
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "How does regret depend on the throughput limit α of the models, from just feasible to none, "
    "against the oracle?"
)
_LIMIT: Final = "scenario_limit"


class _Line(NamedTuple):
    """How priced regret goes with the limit, for one policy in one setting."""

    place: str
    policy: str
    low: dict[str, Any]  #: the limit of lowest priced regret: limit, mean, low, high
    high: dict[str, Any]
    ends: PairedDifference  #: at the smallest limit minus at the largest
    above: dict[float, PairedDifference]  #: above the oracle by limit; empty without one

    @property
    def title(self) -> str:
        return f"{self.place}, {self.policy}" if self.place else self.policy


def answer(stored: StoredStudy) -> Answer:
    """Follow regret over the limits, trial by trial.

    Parameters
    ----------
    stored : StoredStudy
        Several values of the scenario option ``limit``; an oracle for what learning costs.
    """
    import polars as pl

    trials = finals(stored, "estimator")
    if _LIMIT not in trials.columns or trials.get_column(_LIMIT).n_unique() < 2:
        return Answer(_QUESTION, ("The study has one throughput limit: nothing to compare.",))
    # The budget may go with the limit (it is worked out from the slack of each).
    places = varied(stored, trials, _LIMIT, "budget")
    found: list[_Line] = []
    rows: list[dict[str, Any]] = []
    for place, _, group in groups(trials, places):
        oracle = _oracle(group)
        for policy in _learners(group):
            one = group.filter(policy=policy)
            found.append(_line(place, policy, one, oracle))
            rows += _rows(place, policy, one, oracle)
    return Answer(
        _QUESTION,
        tuple(_verdict(found)),
        (
            AnswerTable(
                "Lowest and highest",
                pl.DataFrame([_summary(line) for line in found]),
                "Priced regret by limit α. Ends: at the smallest limit minus at the largest. Above "
                "the oracle: between the limits where it is least and most. Differences are paired "
                "by trial; 95 % intervals.",
            ),
            AnswerTable(
                "Regret by throughput limit",
                pl.DataFrame(rows),
                "Over the run, mean ± half the 95 % interval. Above the oracle: paired by trial, "
                "with 95 % intervals. The budget is worked out anew for every limit where the "
                "study writes it as a formula.",
            ),
        ),
        (
            AnswerFigure(
                "regret",
                _figure(trials, places),
                "Final regret (left) and priced regret (right) against the limit. Whiskers: 95 % "
                "intervals of the mean. The regret of the oracle is the discovery part alone. "
                "Regret can be below zero without overspending where the cap on deployed models "
                "binds: a policy whose set differs between stages mixes more models in time.",
            ),
        ),
    )


def _oracle(group: "pl.DataFrame") -> "pl.DataFrame | None":
    oracle = group.filter(estimator="truth")
    return None if oracle.is_empty() else oracle


def _learners(group: "pl.DataFrame") -> list[str]:
    import polars as pl

    mine = group.filter(pl.col("estimator") != "truth")
    return mine.get_column("policy").unique(maintain_order=True).to_list()


def _line(place: str, policy: str, one: "pl.DataFrame", oracle: "pl.DataFrame | None") -> _Line:
    """Compare the limits of lowest and highest priced regret, the two ends, and the oracle."""
    table = means(one.sort(_LIMIT), _LIMIT, "priced_regret").sort("mean")
    limits = one.get_column(_LIMIT).unique().sort()
    shared = [] if oracle is None else sorted(set(limits) & set(oracle.get_column(_LIMIT)))
    return _Line(
        place,
        policy,
        table.row(0, named=True),
        table.row(-1, named=True),
        _paired(one, one, limits[0], limits[-1]),
        {limit: _paired(one, oracle, limit, limit) for limit in shared if oracle is not None},
    )


def _verdict(found: list[_Line]) -> list[str]:
    """Say which end has less, where the limit matters most, and what lies above the oracle."""
    less = sum(line.ends.high < 0.0 for line in found)
    more = sum(line.ends.low > 0.0 for line in found)
    words = [
        f"Priced regret is clearly lower at the smallest limit than at the largest on {less} of "
        f"{len(found)} lines (setting and policy), and clearly higher on {more}."
    ]
    widest = max(found, key=lambda line: float(line.high["mean"] - line.low["mean"]))
    words.append(
        f"The limit matters most on {widest.title}: priced regret is lowest at {_at(widest.low)} "
        f"and highest at {_at(widest.high)}."
    )
    gaps = [(gap, limit, line) for line in found for limit, gap in line.above.items()]
    if gaps:
        least, most = (pick(gaps, key=lambda one: one[0].mean) for pick in (min, max))
        shown = [
            f"{format_interval(gap)} (α = {limit:.3g}, {line.title})"
            for gap, limit, line in (least, most)
        ]
        words.append(f"Minus that of the oracle, priced regret is from {' to '.join(shown)}.")
    if any(not line.above for line in found):
        words.append("Where no oracle was played, the discovery part stands for it.")
    return words


def _at(row: dict[str, Any]) -> str:
    return f"α = {row[_LIMIT]:.3g} ({format_estimate(row['mean'], row['low'], row['high'])})"


def _summary(line: _Line) -> dict[str, str]:
    row = {"setting": line.place} if line.place else {}
    row |= {
        "policy": line.policy,
        "lowest": _at(line.low),
        "highest": _at(line.high),
        "ends": format_interval(line.ends),
    }
    for name, pick in (("least above the oracle", min), ("most", max)):
        limit = pick(line.above, key=lambda limit: line.above[limit].mean, default=None)
        row[name] = (
            "-" if limit is None else f"{format_interval(line.above[limit])} at α = {limit:.3g}"
        )
    return row


def _paired(
    a: "pl.DataFrame",
    b: "pl.DataFrame",
    limit_a: float,
    limit_b: float,
    quantity: str = "priced_regret",
) -> PairedDifference:
    """Return the mean of a - b over trials, with its interval."""
    return paired_difference(
        a.filter(a.get_column(_LIMIT) == limit_a).select("trial", quantity),
        b.filter(b.get_column(_LIMIT) == limit_b).select("trial", quantity),
        quantity,
    )


def _rows(
    place: str, policy: str, one: "pl.DataFrame", oracle: "pl.DataFrame | None"
) -> list[dict[str, Any]]:
    table = {
        name: means(one.sort(_LIMIT), _LIMIT, name)
        for name in ("regret", "priced_regret", "deployment", "discovery")
    }
    budgets = dict(one.select(_LIMIT, "budget").iter_rows())
    rows = []
    for index, limit in enumerate(table["regret"].get_column(_LIMIT)):
        row = {"setting": place} if place else {}
        row |= {"policy": policy, "α": f"{limit:.3g}", "b": f"{budgets[limit]:.4g}"}
        for name, frame in table.items():
            line = frame.row(index, named=True)
            row[name.replace("_", " ")] = format_margin(line["mean"], line["high"])
        if oracle is not None:
            has = limit in set(oracle.get_column(_LIMIT))
            row["priced regret above the oracle"] = (
                format_interval(_paired(one, oracle, limit, limit)) if has else "-"
            )
        rows.append(row)
    return rows


@with_report_style
def _figure(trials: "pl.DataFrame", places: list[str]) -> "Figure":
    shown = list(groups(trials, places))
    figure, axes = panels(2 * len(shown), columns=2, width=3.7)
    policies = trials.get_column("policy").unique(maintain_order=True).to_list()
    for row, (place, _, group) in enumerate(shown):
        limits = group.get_column(_LIMIT).unique().sort().to_list()
        for panel, quantity in zip(
            axes[2 * row : 2 * row + 2], ("regret", "priced_regret"), strict=True
        ):
            for index, policy in enumerate(policies):
                line = means(group.filter(policy=policy).sort(_LIMIT), _LIMIT, quantity)
                error_bars(panel, line.get_column(_LIMIT), line, policy, line_style(index))
            log_ticks(panel, limits)
            panel.axhline(0.0, color="black", linewidth=0.6)
            panel.set_title(place)
            panel.set_xlabel("throughput limit α (share of the traffic)")
            panel.set_ylabel(f"{quantity.replace('_', ' ')} (units of reward)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
