"""Which policy is best: a ranking of each world and over worlds, and what they say in words."""

from typing import TYPE_CHECKING, Final

from fastroute.report.answers.words import format_estimate, join_words
from fastroute.report.style import format_number, format_reward
from fastroute.report.tables import HeaderCell, Table, TableCell, TableRow, number

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
        HeaderCell("mean rank", "Place by priced regret, as a mean over worlds"),
        HeaderCell("best", "Worlds in which its mean is the lowest", rank=2),
        HeaderCell("best or within noise", "Worlds in which it is best or cannot be told from it"),
        HeaderCell("worlds", "Scenarios and settings in which it played", rank=1),
        HeaderCell(
            "times the best", "Median over worlds of its mean over that of the best", rank=3
        ),
    ]
    lines = []
    for row in standings.iter_rows(named=True):
        lines.append(
            TableRow(
                [
                    TableCell(row["policy"], head=True),
                    number("mean_rank", row["mean_rank"], lambda value: f"{value:.1f}"),
                    *(
                        TableCell(f"{row[name]:,}", str(row[name]), name=name)
                        for name in ("best", "tied", "worlds")
                    ),
                    number("ratio", row["ratio"], lambda value: format_number(value, 3)),
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
        return _over_worlds(view.standings)
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


def _over_worlds(standings: "pl.DataFrame") -> list[str]:
    rows = sorted(standings.iter_rows(named=True), key=lambda row: -row["tied"])
    first, *others = rows
    said = [
        f"{first['policy']} is best or within noise of the best in {first['tied']:,} of "
        f"{first['worlds']:,} worlds (scenario and setting)."
    ]
    if others:
        named = [f"{row['policy']} in {row['tied']:,}" for row in others[:_MOST_NAMED]]
        if left := others[_MOST_NAMED:]:
            fewer = f"{left[0]['tied']:,}{' or fewer' if left[0]['tied'] else ''}"
            named.append(f"{len(left):,} more in {fewer}")
        said.append(f"Of the others, {join_words(named)}.")
    return said


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
