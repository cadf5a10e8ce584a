"""Which policy is best: a ranking of each world and over worlds, and what they say in words."""

import math
from typing import TYPE_CHECKING, Any, Final

from fastroute.report.answers.words import format_estimate, join_words
from fastroute.report.style import format_number, format_reward, format_value
from fastroute.report.tables import HeaderCell, Table, TableCell, TableRow, exact, number
from fastroute.study.axes import axis_name

if TYPE_CHECKING:
    import polars as pl

    from fastroute.report.view import StudyView, WorldView

#: What a study without a question of its own is asked.
QUESTION: Final = "Which policy has the lowest priced regret?"
# Of many leaders this many are named.
_MOST_NAMED: Final = 4


def ranking_table(view: "StudyView", world: "WorldView") -> Table | None:
    """Lay out the policies of a world, the best first; None where there is nothing to rank."""
    ranked = world.ranking
    if ranked is None:
        return None
    heads = [
        HeaderCell("rank", "By mean priced regret"),
        HeaderCell("policy", number=False, key=True),
        HeaderCell("priced regret", "Mean over trials ± half its 95% interval"),
        HeaderCell(
            "behind the best",
            "Difference from the best, paired by trial, with its interval; all of them together "
            "hold with 95%",
            rank=1,
        ),
        HeaderCell("", number=False, rank=1),
    ]
    lines = []
    for place, row in enumerate(ranked.iter_rows(named=True)):
        behind = ""
        if place:
            ends = row["difference"], row["difference_low"], row["difference_high"]
            behind = format_estimate(*ends)
        note = "within noise of the best" if row["tied"] and place else ""
        lines.append(
            TableRow(
                [
                    TableCell(f"{place + 1}", str(place + 1), name="rank"),
                    TableCell(row["policy"], head=True),
                    number("priced_regret", row["mean"], format_reward, row["low"], row["high"]),
                    TableCell(behind, "" if not behind else repr(row["difference"]), name="behind"),
                    TableCell(note),
                ],
                policy=row["policy"],
            )
        )
    return Table(
        f"ranking-{world.number}",
        "Ranking by priced regret",
        heads,
        lines,
        f"Over {ranked.get_column('n')[0]:,} trials that all have played. Priced regret is the "
        f"regret plus overspending at what it is worth.{_unranked(view)}",
    )


def standings_table(view: "StudyView") -> Table | None:
    """Lay out how the policies do over all worlds; None where there is one world."""
    standings = view.standings
    if standings is None:
        return None
    heads = [
        HeaderCell("policy", number=False, key=True),
        HeaderCell("best or within noise", "Worlds in which it is best or cannot be told from it"),
        HeaderCell("worlds", "Scenarios and settings in which it played", rank=1),
        HeaderCell("mean rank", "Place by priced regret, as a mean over worlds"),
        HeaderCell(
            "times the best", "Median over worlds of its mean over that of the best", rank=3
        ),
        HeaderCell("best", "Worlds in which its mean is the lowest", rank=2),
    ]
    lines = []
    for row in standings.iter_rows(named=True):
        lines.append(
            TableRow(
                [
                    TableCell(row["policy"], head=True),
                    *(
                        TableCell(f"{row[name]:,}", str(row[name]), name=name)
                        for name in ("tied", "worlds")
                    ),
                    number("mean_rank", row["mean_rank"], lambda value: f"{value:.1f}"),
                    number("ratio", row["ratio"], lambda value: format_number(value, 3)),
                    TableCell(f"{row['best']:,}", str(row["best"]), name="best"),
                ],
                policy=row["policy"],
            )
        )
    return Table(
        "standings",
        "Ranking over all worlds",
        heads,
        lines,
        "A world is a scenario and a setting. Ranks are by mean priced regret; within noise: the "
        f"difference from the best of the world, paired by trial, may be zero.{_unranked(view)}",
    )


def verdict(view: "StudyView") -> list[str]:
    """Say in plain sentences which policy is best; empty where there is nothing to compare."""
    if view.standings is not None:
        return _over_worlds(view, view.standings)
    ranked = view.worlds[0].ranking if view.worlds else None
    if ranked is None:
        return []
    best, *others = ranked.iter_rows(named=True)
    horizon = view.worlds[0].cells.get_column("horizon")[0]
    mean = format_estimate(best["mean"], best["low"], best["high"])
    said = [f"{best['policy']} has the lowest priced regret, {mean} over {horizon:,} rounds."]
    if tied := [row["policy"] for row in others if row["tied"]]:
        said.append(f"Within noise of it: {_names(tied)}.")
    if clear := [row for row in others if not row["tied"]]:
        ends = (clear[0][name] for name in ("difference", "difference_low", "difference_high"))
        said.append(f"{clear[0]['policy']} is next, with {format_estimate(*ends)} more.")
    return said


def _over_worlds(view: "StudyView", standings: "pl.DataFrame") -> list[str]:
    rows = sorted(standings.iter_rows(named=True), key=lambda row: -row["tied"])
    leaders = [row for row in rows if row["tied"] == rows[0]["tied"]]
    others = rows[len(leaders) :]
    verb = "is" if len(leaders) == 1 else "are each"
    said = [
        f"{_names([row['policy'] for row in leaders])} {verb} best or within noise of the best in "
        f"{rows[0]['tied']:,} of {rows[0]['worlds']:,} worlds (scenario and setting)."
    ]
    if len(leaders) > 1 and (apart := _apart(view, [row["policy"] for row in leaders])):
        said.append(apart)
    if others:
        named = [f"{row['policy']} in {row['tied']:,}" for row in others[:_MOST_NAMED]]
        if left := others[_MOST_NAMED:]:
            fewer = f"{left[0]['tied']:,}{' or fewer' if left[0]['tied'] else ''}"
            named.append(f"{len(left):,} more in {fewer}")
        said.append(f"Of the others, {join_words(named)}.")
    return said


def _apart(view: "StudyView", leaders: list[str]) -> str:
    """Say which swept parameter decides between policies that lead as often; else nothing."""
    worlds = view.cells.unique("world", keep="first", maintain_order=True)
    places = {row["world"]: row for row in worlds.iter_rows(named=True)}
    ruled = [name.removesuffix("_rule") for name in view.stored.axes if name.endswith("_rule")]
    axes = [name for name in view.axes if name not in (*ruled, "scenario", *view.stored.axes)]
    for axis in [*view.stored.axes, *axes, "scenario"]:
        values = [place[axis] for world, place in places.items() if world in view.rankings]
        if None in values or len(set(values)) < 2:
            continue
        # Of every value who is best, or within noise of the best, in all worlds that have it.
        best = {
            value: {
                frozenset(frame.filter(tied=True).get_column("policy")) & set(leaders)
                for world, frame in view.rankings.items()
                if places[world][axis] == value
            }
            for value in dict.fromkeys(values)
        }
        owners = {value: next(iter(found)) for value, found in best.items() if len(found) == 1}
        if len(owners) == len(best) and all(len(owner) <= 1 for owner in owners.values()):
            where = [
                f"{policy} where {_axis_words(axis, mine)}"
                for policy in leaders
                if (mine := [value for value, owner in owners.items() if policy in owner])
            ]
            if len(where) == len(leaders):
                return f"{axis_name(axis.removesuffix('_rule'))} decides: {join_words(where)}."
    return ""


def _axis_words(axis: str, values: "list[Any]") -> str:
    name = axis_name(axis.removesuffix("_rule"))
    left = len(values) - _MOST_NAMED
    written = [format_value(value) for value in values[:_MOST_NAMED]]
    more = [f"{left} more values"] if left > 0 else []
    return f"{name} is {' or '.join([*written, *more])}"


def numbers(view: "StudyView") -> list[str]:
    """Say in plain sentences what every policy came to, where there is nothing to compare."""
    import polars as pl

    known = view.cells.filter(pl.col("mean_priced_regret").is_not_null())
    said = []
    for (policy,), cells in known.group_by("policy", maintain_order=True):
        row = cells.row(0, named=True)
        if cells.height == 1:
            said.append(
                f"{policy} has a priced regret of {_estimate(row, 'priced_regret')} over "
                f"{row['horizon']:,} rounds, and spends {_spend(row)}."
            )
            continue
        low, high = (cells.sort("mean_priced_regret").row(place, named=True) for place in (0, -1))
        said.append(
            f"{policy} has a priced regret from {_estimate(low, 'priced_regret')} to "
            f"{_estimate(high, 'priced_regret')} in {cells.height:,} worlds (scenario and setting)."
        )
    return said


def _estimate(row: dict[str, Any], name: str, by: float = 1.0, **how: Any) -> str:
    ends = (row[f"{end}_{name}"] for end in ("mean", "low", "high"))
    return format_estimate(*(None if end is None else end / by for end in ends), **how)


def _spend(row: dict[str, Any]) -> str:
    """Say what a cell spends, as a share of its budget."""
    if math.isinf(row["budget"]):
        return f"{_estimate(row, 'cost', zero=0.0)} {row['cost_unit']}, without a budget"
    return f"{_estimate(row, 'cost', row['budget'])} times the budget"


def numbers_table(view: "StudyView") -> Table | None:
    """Lay out what every policy came to; None where nothing is known yet."""
    import polars as pl

    known = view.cells.filter(pl.col("mean_priced_regret").is_not_null())
    if known.is_empty():
        return None
    heads = [
        HeaderCell("policy", number=False, key=True),
        *(HeaderCell(axis_name(name), number=name != "scenario", key=True) for name in view.axes),
        HeaderCell("priced regret", "Mean over trials with its 95% interval"),
        HeaderCell("cost / budget", "Mean cost per query over the budget, with its 95% interval"),
    ]
    lines = []
    for row in known.iter_rows(named=True):
        ratio = "-" if math.isinf(row["budget"]) else _estimate(row, "cost", row["budget"])
        regret = _estimate(row, "priced_regret")
        lines.append(
            TableRow(
                [
                    TableCell(row["policy"], head=True),
                    *(TableCell(format_value(row[name])) for name in view.axes),
                    TableCell(regret, exact(row["mean_priced_regret"]), name="priced_regret"),
                    TableCell(ratio, name="cost_ratio"),
                ],
                row["cell"],
                row["policy"],
            )
        )
    return Table(
        "numbers",
        "Results",
        heads,
        lines,
        "Means over trials with 95% intervals. Priced regret is the regret plus overspending at "
        "what it is worth.",
    )


def _unranked(view: "StudyView") -> str:
    names = view.knowing
    if not names:
        return ""
    verb = "knows" if len(names) == 1 else "know"
    return f" Not ranked: {_names(names)}, which {verb} the true means."


def _names(labels: list[str]) -> str:
    left = len(labels) - _MOST_NAMED
    named = labels[:_MOST_NAMED] + ([f"{left} more"] if left > 0 else [])
    return join_words(named)
