"""What a reader must know before the numbers, in plain words worked out from the frames."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.report.style import format_margin, format_percent
from fastroute.report.view import TRUTH, StudyView, title_of
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl

# Of a long list this many entries are named.
_MOST_NAMED: Final = 40
# How the run's own note on pools begins, behind their number.
_OF_POOLS: Final = "pools no distribution meets the budget or the limits"

Row = dict[str, Any]


class Notice(NamedTuple):
    """One thing to know.

    Attributes
    ----------
    kind : str
        One word for tests and styles: unfinished, failed, starvation, ...
    title, text : str
    items : list of str
        Where it holds; the first ones.
    left : int
        How many more there are.
    """

    kind: str
    title: str
    text: str
    items: list[str]
    left: int = 0


def notices(view: StudyView) -> list[Notice]:
    """Return everything that a reader must know, the gravest first."""
    cells = view.cells
    begun = cells.drop_nulls("n")
    found = [_unfinished(view), _failed(view)]
    found += [
        _share_notice(
            "no-capacity",
            "Rounds that could not be served",
            "The throughput limits of the deployed models add up to less than the traffic, and "
            "the shares were set in proportion to the limits.",
            view,
            begun,
            "no_capacity",
            "{share} of the rounds",
        ),
        _share_notice(
            "over-budget",
            "Rounds without a distribution within the budget",
            "By what the policy believed, no mix of the deployed models met the budget; the "
            "cheapest mix was used.",
            view,
            begun,
            "over_budget",
            "{share} of the rounds",
        ),
        _share_notice(
            "over-budget-stages",
            "Stages whose models cannot meet the budget",
            "Under the true costs no mix of the deployed models meets the budget.",
            view,
            begun,
            "over_budget_stages",
            "{share} of the stages",
        ),
        _run_warnings(view),
        _overspending(view, begun),
        _late_overspending(view, begun),
        _below_zero(view, begun),
        _starvation(view, begun),
        _single_trials(view, begun),
    ]
    return [notice for notice in found if notice is not None]


def _named(
    kind: str,
    title: str,
    text: str,
    view: StudyView,
    rows: "pl.DataFrame",
    words: Callable[[Row], str],
) -> Notice:
    """Make a notice that names the cells of some rows."""
    items = []
    for row in rows.head(_MOST_NAMED).iter_rows(named=True):
        where = title_of(row, view.axes)
        items.append(f"{row['policy']}{f' ({where})' if where else ''}: {words(row)}")
    return Notice(kind, title, text, items, max(rows.height - _MOST_NAMED, 0))


def _unfinished(view: StudyView) -> Notice | None:
    import polars as pl

    rows = view.cells.filter(~pl.col("complete"))
    if rows.is_empty():
        return None
    state = {
        "running": "The study is still running",
        "killed": "The study was killed while it ran, and nobody continues it now",
        "interrupted": "The study was interrupted",
        "incomplete": "Parts of the study failed",
    }.get(view.status.state, "The study is not finished")
    return _named(
        "unfinished",
        f"Unfinished: {rows.height:,} of {view.cells.height:,} cells",
        f"{state}. All numbers are over the trials that are done; intervals are as wide as those "
        "trials make them, and policies are compared over the trials that both have played. "
        "Run again with the same study and directory, it continues.",
        view,
        rows,
        lambda row: f"{row['trials_done']:,} of {row['trials']:,} trials",
    )


def _failed(view: StudyView) -> Notice | None:
    failed = view.status.failed
    if not failed:
        return None
    return Notice(
        "failed",
        f"Parts that failed: {len(failed):,}",
        "They were set aside. Each file in the run directory says why; running the study again "
        "tries them again.",
        failed[:_MOST_NAMED],
        max(len(failed) - _MOST_NAMED, 0),
    )


def _share_notice(
    kind: str,
    title: str,
    text: str,
    view: StudyView,
    begun: "pl.DataFrame",
    column: str,
    words: str,
) -> Notice | None:
    import polars as pl

    rows = begun.filter(pl.col(column) > 0.0).sort(column, descending=True, maintain_order=True)
    if rows.is_empty():
        return None
    return _named(
        kind,
        f"{title}: {rows.height:,} of {begun.height:,} cells",
        text,
        view,
        rows,
        lambda row: words.format(share=format_percent(row[column])),
    )


def _starvation(view: StudyView, begun: "pl.DataFrame") -> Notice | None:
    import polars as pl

    # An estimator that knows the truth does not starve a model by mistake.
    return _share_notice(
        "starvation",
        "Starvation",
        "A model that the true optimum uses got less than 1% of the pulls that it gets from the "
        "oracle: it was as good as never tried. Where that happens in some trials only, the mean "
        "regret hides two kinds of trials. A policy with a larger gamma explores more.",
        view,
        begun.filter(pl.col("estimator") != TRUTH),
        "starved",
        "in {share} of the trials",
    )


def _overspending(view: StudyView, begun: "pl.DataFrame") -> Notice | None:
    return _spend_notice(
        "overspending",
        "Overspending",
        "The mean cost per query is above the budget, and its 95% interval too. The reward that "
        "was bought with it makes the regret look smaller, even negative; the priced regret "
        "charges it at what it is worth.",
        view,
        begun.filter(_over_budget("cost")),
        "cost",
    )


def _late_overspending(view: StudyView, begun: "pl.DataFrame") -> Notice | None:
    return _spend_notice(
        "late-overspending",
        "Overspending after a cheap start",
        "Over the whole run the mean cost per query is not clearly above the budget, but over the "
        "last half of the stages it is, and its 95% interval too: a cheap start hides it, and "
        "neither the violation nor the priced regret shows it. A longer run would overspend.",
        view,
        begun.filter(_over_budget("late_cost"), ~_over_budget("cost")),
        "late_cost",
    )


def _below_zero(view: StudyView, begun: "pl.DataFrame") -> Notice | None:
    import polars as pl

    rows = begun.filter(
        pl.col("estimator") != TRUTH,
        pl.col("high_priced_regret").fill_nan(None) < -NEAR_ZERO,
    ).sort("mean_priced_regret", maintain_order=True)
    if rows.is_empty():
        return None
    return _named(
        "below-zero",
        f"Priced regret below zero: {rows.height:,} of {begun.height:,} cells",
        "Regret is against the best of every single round. A policy that mixes more models over "
        "the stages than are deployed at once, that saves early and spends late, or that looks at "
        "the query, can do better. It is no proof of skill: look at the last half of the stages.",
        view,
        rows,
        lambda row: format_margin(row["mean_priced_regret"], row["high_priced_regret"]),
    )


def _over_budget(name: str) -> "pl.Expr":
    """Cells whose `cost` or `late_cost` is above the budget, its whole interval included."""
    import polars as pl

    # A single trial has no interval, and NaN would count as large.
    return (pl.col(f"low_{name}").fill_nan(None) > pl.col("budget")).fill_null(False)


def _spend_notice(
    kind: str, title: str, text: str, view: StudyView, rows: "pl.DataFrame", name: str
) -> Notice | None:
    """Say by how much a mean cost is above the budget, the largest excess first."""
    import polars as pl

    if rows.is_empty():
        return None
    rows = rows.sort(
        pl.col(f"mean_{name}") / pl.col("budget"), descending=True, maintain_order=True
    )

    def words(row: Row) -> str:
        excess = [
            format_percent(row[f"{stat}_{name}"] / row["budget"] - 1.0)
            for stat in ("mean", "low", "high")
        ]
        when = "" if name == "cost" else " in the last half of the stages"
        return f"spends {excess[0]} more than the budget{when} ({excess[1]} to {excess[2]})"

    begun = view.cells.drop_nulls("n").height
    return _named(kind, f"{title}: {rows.height:,} of {begun:,} cells", text, view, rows, words)


def _single_trials(view: StudyView, begun: "pl.DataFrame") -> Notice | None:
    import polars as pl

    rows = begun.filter(pl.col("n") < 2)
    if rows.is_empty():
        return None
    return _named(
        "single-trial",
        f"No intervals: {rows.height:,} of {begun.height:,} cells",
        "They have a single trial, which says nothing about how far results scatter.",
        view,
        rows,
        lambda row: "1 trial",
    )


def _run_warnings(view: StudyView) -> Notice | None:
    """Pass on what the run itself noted; only complete studies have it."""
    import polars as pl

    if "warnings" not in view.cells.columns:
        return None
    rows = (
        view.cells.explode("warnings")
        .filter(pl.col("warnings").str.contains(_OF_POOLS, literal=True))
        .rename({"warnings": "noted"})
    )
    if rows.is_empty():
        return None
    return _named(
        "pools",
        f"Pools that cannot meet budget or limits: {rows.height:,} of {view.cells.height:,} cells",
        "Regret is measured against the cheapest mix in these rounds.",
        view,
        rows,
        lambda row: str(row["noted"]),
    )
