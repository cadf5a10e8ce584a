"""The table of a study, for the terminal and as Markdown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.analyse import Interval, PairedDifference, mean_interval, paired_difference
from fastroute.report.style import format_margin, format_number, format_percent, format_reward
from fastroute.report.terminal import FittedTable, TableColumn
from fastroute.study.markdown import markdown_rows, plain

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Group

# Columns of the two tables on a terminal: what to compare by, then parts of the regret and time.
_HALVES: Final = ((0, 1, 2, 3, 4, 5, 6), (0, 7, 8, 9, 10, 11, 12))
_PARTS: Final = ("discovery", "deployment", "routing")
# Columns that go first where there is no room.
_SPARE: Final = ("lower", "worst stage")


class PolicyRow(NamedTuple):
    """One policy of a study.

    Attributes
    ----------
    policy : str
        Label of the policy.
    regret : Interval
        Pseudo-regret at the horizon, in units of reward.
    discovery, deployment, routing : float
        Means of its parts; they add up to the regret.
    priced : Interval
        Priced regret: the regret plus what was spent beyond the budget, at the budget price, so
        that no policy looks good for having spent more. Unspent budget is not credited.
    cost_ratio : Interval
        Mean cost per query over the budget; 1 is exactly on budget.
    worst_violation : float
        Mean over trials of the largest overspend of a stage, in the unit of costs.
    starved : float
        Share of trials in which at least one model starved.
    difference : PairedDifference or None
        Priced regret minus that of the first policy, paired by trial; None for the first policy.
    seconds : float
        Wall seconds of the run; NaN when not known.
    ns_per_trial_round : float
        Nanoseconds per trial and round; NaN when not known.
    """

    policy: str
    regret: Interval
    discovery: float
    deployment: float
    routing: float
    priced: Interval
    cost_ratio: Interval
    worst_violation: float
    starved: float
    difference: PairedDifference | None
    seconds: float
    ns_per_trial_round: float


def table_rows(
    trials: "pl.DataFrame | pl.LazyFrame",
    budget: float,
    facts: Sequence[Mapping[str, Any]] = (),
    *,
    level: float = 0.95,
) -> list[PolicyRow]:
    """Gather the rows of the table of a study.

    Parameters
    ----------
    trials : polars.DataFrame or polars.LazyFrame
        Trials of a study, with the column ``policy``.
    budget : float
        Budget per query.
    facts : sequence of mappings
        ``label``, ``seconds`` and ``ns_per_trial_round`` of each run: the manifest's
        ``policies``.
    level : float
        Nominal coverage of all intervals.

    Returns
    -------
    list of Row
        One per policy, in the order of the frame.
    """
    frame = trials.lazy().collect()
    times = {fact["label"]: fact for fact in facts}
    policies = list(frame.get_column("policy").unique(maintain_order=True))
    first = frame.filter(policy=policies[0])
    rows = []
    for policy in policies:
        one = frame.filter(policy=policy)
        means = {
            name: mean_interval(one.get_column(name).to_numpy(), level)
            for name in ("regret", *_PARTS, "priced_regret", "worst_stage_violation")
        }
        time = times.get(policy, {})
        rows.append(
            PolicyRow(
                policy=policy,
                regret=means["regret"],
                discovery=means["discovery"].estimate,
                deployment=means["deployment"].estimate,
                routing=means["routing"].estimate,
                priced=means["priced_regret"],
                cost_ratio=mean_interval(one.get_column("cost").to_numpy() / budget, level),
                worst_violation=means["worst_stage_violation"].estimate,
                starved=float((one.get_column("starved").to_numpy() > 0).mean()),
                difference=(
                    None
                    if policy == policies[0]
                    else paired_difference(one, first, "priced_regret", level=level)
                ),
                seconds=float(time.get("seconds", "nan")),
                ns_per_trial_round=float(time.get("ns_per_trial_round", "nan")),
            )
        )
    return rows


def rich_tables(rows: Sequence[PolicyRow], *, title: str = "", cost_unit: str = "cost") -> "Group":
    """Lay the rows out for a terminal, as two tables that fit its width.

    Parameters
    ----------
    rows : sequence of Row
        From :func:`table_rows`.
    title : str
        Written above the tables.
    cost_unit : str
        Unit of costs, named in the caption.

    Returns
    -------
    rich.console.Group
        What is printed with ``rich.console.Console().print``.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    heads, cells = _heads(rows), [_cells(row) for row in rows]
    tables = [
        FittedTable(
            [
                TableColumn(heads[i], right=i > 0, key=i == 0, rank=int(heads[i] in _SPARE))
                for i in columns
            ],
            [[line[i] for i in columns] for line in cells],
        )
        for columns in _HALVES
    ]
    caption = Padding(Text(_caption(rows, cost_unit), style="dim"), (0, 0, 1, 0))
    return Group(Text(title, style="bold"), *tables, caption)


def markdown_table(rows: Sequence[PolicyRow], *, cost_unit: str = "cost") -> str:
    """Write the same table as Markdown, its caption below.

    Parameters
    ----------
    rows : sequence of Row
        From :func:`table_rows`.
    cost_unit : str
        Unit of costs, named in the caption.

    Returns
    -------
    str
        Markdown, ending in a line break.
    """
    heads = _heads(rows)
    rules = ["---", *["---:"] * (len(heads) - 1)]
    body = markdown_rows(heads, rules, map(_cells, rows))
    return f"{body}\n\n{plain(_caption(rows, cost_unit))}\n"


def _heads(rows: Sequence[PolicyRow]) -> list[str]:
    return [
        "policy",
        "priced regret",
        f"vs {rows[0].policy}",
        "lower",
        "cost / budget",
        "worst stage",
        "starved",
        "regret",
        *_PARTS,
        "seconds",
        "ns",
    ]


def _cells(row: PolicyRow) -> list[str]:
    """Write a row as words, in the order of the heads."""
    versus = row.difference
    return [
        row.policy,
        format_margin(row.priced.estimate, row.priced.high),
        "" if versus is None else format_margin(versus.mean, versus.high),
        "" if versus is None else f"{versus.share_lower:.0%}",
        format_margin(row.cost_ratio.estimate, row.cost_ratio.high),
        format_number(row.worst_violation, 3),
        format_percent(row.starved),
        format_margin(row.regret.estimate, row.regret.high),
        *(format_reward(part) for part in (row.discovery, row.deployment, row.routing)),
        format_number(row.seconds, 3),
        format_number(row.ns_per_trial_round, 3),
    ]


def _caption(rows: Sequence[PolicyRow], cost_unit: str) -> str:
    """Explain the columns."""
    first, regret = rows[0].policy, rows[0].regret
    return (
        f"Means over {regret.n:,} trials ± half the {regret.level:.0%} interval, in units of "
        "reward. Priced regret adds overspending to the regret, at what it is worth, and credits "
        f"no unspent budget; vs {first}: its difference, paired by trial; lower: share of trials "
        f"in which it is lower. Worst stage: largest overspend of a stage, in {cost_unit}. "
        "Starved: trials in which a model starved. Regret = discovery + deployment + routing; "
        "below zero, reward was bought by overspending, or by sets that differ between stages. "
        "Seconds and ns (per trial and round): compilation apart."
    )
