"""`throughput`: how regret depends on the throughput limits, against the oracle."""

from typing import TYPE_CHECKING, Any, Final

from fastroute.analyse import paired_difference
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import finals, groups, means, varied
from fastroute.report.answers.words import describe_difference, format_estimate
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
    verdict: list[str] = []
    rows: list[dict[str, Any]] = []
    for place, _, group in groups(trials, places):
        at = f"{place}: " if place else ""
        oracle = _oracle(group)
        for policy in _learners(group):
            one = group.filter(policy=policy)
            verdict += [f"{at}{policy}, {words}" for words in _trend(one)]
            if oracle is not None:
                verdict.append(f"{at}{policy}, {_against(one, oracle)}")
            rows += _rows(place, policy, one, oracle)
        if oracle is None:
            verdict.append(f"{at}no oracle was played, so the discovery part stands for it.")
    return Answer(
        _QUESTION,
        tuple(verdict),
        (
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


def _trend(one: "pl.DataFrame") -> list[str]:
    """Compare the limits of lowest and highest priced regret, and the two ends."""
    table = means(one.sort(_LIMIT), _LIMIT, "priced_regret").sort("mean")
    low, high = table.row(0, named=True), table.row(-1, named=True)
    limits = one.get_column(_LIMIT).unique().sort()
    ends = _paired(one, one, limits[0], limits[-1])
    told = describe_difference(
        *ends, "it is higher at the smallest limit", "it is lower at the smallest limit"
    )
    return [
        f"priced regret is lowest at α = {low[_LIMIT]:.3g} "
        f"({format_margin(low['mean'], low['high'])}) and highest at α = {high[_LIMIT]:.3g} "
        f"({format_margin(high['mean'], high['high'])}). Between the ends, α = {limits[0]:.3g} and "
        f"α = {limits[-1]:.3g}: {told}."
    ]


def _paired(
    a: "pl.DataFrame",
    b: "pl.DataFrame",
    limit_a: float,
    limit_b: float,
    quantity: str = "priced_regret",
) -> tuple[float, float, float]:
    """Return the mean of a - b over trials, with its interval."""
    found = paired_difference(
        a.filter(a.get_column(_LIMIT) == limit_a).select("trial", quantity),
        b.filter(b.get_column(_LIMIT) == limit_b).select("trial", quantity),
        quantity,
    )
    return found.mean, found.low, found.high


def _against(one: "pl.DataFrame", oracle: "pl.DataFrame") -> str:
    """Say between what the regret above the oracle's lies, over the limits that both played."""
    shared = sorted(set(one.get_column(_LIMIT)) & set(oracle.get_column(_LIMIT)))
    gaps = {limit: _paired(one, oracle, limit, limit) for limit in shared}
    least, most = min(gaps, key=lambda k: gaps[k][0]), max(gaps, key=lambda k: gaps[k][0])
    return (
        f"priced regret above that of the oracle: from {format_estimate(*gaps[least])} at α = "
        f"{least:.3g} "
        f"to {format_estimate(*gaps[most])} at α = {most:.3g}."
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
                format_estimate(*_paired(one, oracle, limit, limit)) if has else "-"
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
