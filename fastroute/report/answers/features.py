"""`features`: what looking at the query is worth, and from which horizon on."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.analyse import PairedDifference, paired_difference
from fastroute.policies import ESTIMATORS
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import finals, groups, means, varied
from fastroute.report.answers.words import (
    format_count,
    format_estimate,
    join_words,
    span_of,
)
from fastroute.report.charts import error_bars, legend_below, log_ticks, panels, with_report_style
from fastroute.report.style import format_margin, format_number, line_style
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_QUESTION: Final = (
    "How much of what knowing the query is worth do policies capture that look at its task or its "
    "features, and from which horizon on is looking worth it?"
)
_NEITHER: Final = "nothing"
_SHORTEST: Final = ", the shortest played"


class _Pair(NamedTuple):
    """A policy that looks at the query and its partner, which does not, at one horizon.

    Deployer and router of both are the same.
    """

    place: str
    horizon: int
    policy: str
    partner: str
    difference: PairedDifference  # of priced regret per query


def answer(stored: StoredStudy) -> Answer:
    """Compare policies that look at the query with those that do the same and do not look.

    Parameters
    ----------
    stored : StoredStudy
        Scenarios whose queries have tasks or features, and policies of the same deployer and
        router, of which some look at them; several horizons for when looking is worth it.
    """
    import polars as pl

    trials = _judged(finals(stored, "estimator", "deployer", "router"))
    if trials.is_empty():
        return Answer(
            _QUESTION,
            ("Nowhere is knowing the query worth anything: nothing can be compared.",),
        )
    places = varied(stored, trials, "horizon", "stages")
    pairs = _pairs(trials, places)
    if not pairs:
        return Answer(
            _QUESTION,
            (
                "No two policies of the same deployer and router differ in whether they look at "
                "the query: nothing can be compared.",
            ),
        )
    return Answer(
        _QUESTION,
        _verdict(trials, places, pairs),
        (
            AnswerTable(
                "Whether looking is worth it",
                pl.DataFrame(_line_rows(pairs)),
                "Against the policy with the same deployer and router that does not look. Worth it "
                "from: the horizon from which on it always has clearly less priced regret. Δ: "
                "priced regret per 1,000 queries minus the other's at the longest horizon, paired "
                "by trial; intervals hold jointly at 95 %.",
            ),
            AnswerTable(
                "What is captured",
                pl.DataFrame(_rows(trials, places, pairs)),
                "Captured: the expected reward above the best that does not look, over what "
                "knowing the query is worth. After overspending: the same where what is spent "
                "beyond the budget is charged at its price, as in priced regret. Mean ± half the "
                "95 % interval. Δ priced regret: per 1,000 queries, minus that of the policy with "
                "the same deployer and router that does not look, paired by trial; these "
                "intervals hold jointly at 95 %.",
            ),
            AnswerTable(
                "What knowing the query is worth",
                pl.DataFrame(_worth_rows(trials, places)),
                "Mean reward per query of the optimum that does not look at the query (V) and of "
                "the one that does (V_ctx), at the longest horizon. Where V_ctx is an upper "
                "bound, the shares captured are lower bounds.",
            ),
        ),
        (
            AnswerFigure(
                "captured",
                _captured_figure(trials, places),
                "Share of what knowing the query is worth that is captured after overspending "
                "against the horizon T. 0: the optimum that does not look; 1: all there is. "
                "Shares below -2 are outside. Whiskers: 95 % intervals of the mean.",
            ),
            AnswerFigure(
                "difference",
                _difference_figure(pairs),
                "Priced regret per 1,000 queries minus that of the policy with the same deployer "
                "and router that does not look. Below zero, looking is worth it. Whiskers: "
                "intervals that hold jointly at 95 %.",
            ),
        ),
    )


def _judged(trials: "pl.DataFrame") -> "pl.DataFrame":
    """Return learning policies where looking is worth something, with what they capture.

    Adds ``looks``, ``value`` (V), ``worth`` (V_ctx - V), ``after`` (captured after overspending)
    and ``priced`` (priced regret per query).
    """
    import polars as pl

    rounds = pl.col("horizon")
    looks = {
        name: "tasks" if part.needs_tasks else "features" if part.needs_features else _NEITHER
        for name, part in ESTIMATORS.items()
    }
    known = pl.any_horizontal(pl.col("estimator", "deployer", "router") == "truth")
    return (
        trials.filter(~known, pl.col("captured").is_not_null())
        .with_columns(
            pl.col("estimator").replace_strict(looks, default=_NEITHER).alias("looks"),
            (pl.col("reward") + pl.col("realised_regret") / rounds).alias("value"),
            (pl.col("priced_regret") / rounds).alias("priced"),
        )
        .with_columns((pl.col("contextual_value") - pl.col("value")).alias("worth"))
        .with_columns((-pl.col("priced") / pl.col("worth")).alias("after"))
    )


def _pairs(trials: "pl.DataFrame", places: list[str]) -> list[_Pair]:
    """Compare every policy that looks with the first that does not, at every horizon."""
    met = list(_meetings(trials, places))
    # All comparisons hold together, so that none is found by looking often.
    level = 1.0 - 0.05 / max(len(met), 1)
    return [
        _Pair(
            place,
            horizon,
            one.get_column("policy")[0],
            other.get_column("policy")[0],
            paired_difference(one, other, "priced", level=level),
        )
        for place, horizon, one, other in met
    ]


def _meetings(
    trials: "pl.DataFrame", places: list[str]
) -> "Iterator[tuple[str, int, pl.DataFrame, pl.DataFrame]]":
    import polars as pl

    for place, _, group in groups(trials, places):
        for (horizon,), here in group.group_by("horizon", maintain_order=True):
            blind = here.filter(looks=_NEITHER)
            looking = here.filter(pl.col("looks") != _NEITHER)
            for _, one in looking.group_by("policy", maintain_order=True):
                same = {name: one.get_column(name)[0] for name in ("deployer", "router")}
                partners = blind.filter(**same)
                if len(partners):
                    first = partners.get_column("policy")[0]
                    yield place, int(str(horizon)), one, partners.filter(policy=first)


def _lines(pairs: list[_Pair]) -> dict[tuple[str, str], list[_Pair]]:
    """Sort the pairs into lines along the horizon, by place and policy."""
    lines: dict[tuple[str, str], list[_Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: pair.horizon):
        lines.setdefault((pair.place, pair.policy), []).append(pair)
    return lines


def _worth_from(line: list[_Pair]) -> int | None:
    """Return the horizon from which on looking is clearly worth it; None where it never is."""
    found = None
    for pair in reversed(line):
        if not pair.difference.high < 0.0:
            break
        found = pair.horizon
    return found


def _verdict(trials: "pl.DataFrame", places: list[str], pairs: list[_Pair]) -> tuple[str, ...]:
    """Say in how many settings each policy gains by looking, from when on, and how much of it."""
    policies: dict[str, list[list[_Pair]]] = {}
    for (_, policy), line in sorted(_lines(pairs).items(), key=lambda one: _order(pairs, one[0])):
        policies.setdefault(policy, []).append(line)
    last = trials.filter(trials.get_column("horizon") == trials.get_column("horizon").max())
    words = []
    for policy, lines in policies.items():
        gains = [start for line in lines if (start := _worth_from(line)) is not None]
        lost = sum(line[-1].difference.low > 0.0 for line in lines)
        total = len(lines)
        partner = lines[0][0].partner
        if gains:
            text = (
                f"{policy}, which looks at the query, has clearly less priced regret than "
                f"{partner} in {len(gains)} of {total} settings"
            )
            shortest = max(gains) == min(pair.horizon for pair in pairs)
            text += f", from T = {span_of(gains, format_count)} on{_SHORTEST * shortest}"
        else:
            text = (
                f"{policy}, which looks at the query, has clearly less priced regret than "
                f"{partner} in no setting"
            )
        words.append(f"{text}{f', and clearly more in {lost} of {total}' * bool(lost)}.")
    shares = []
    for policy in dict.fromkeys(last.get_column("policy")):
        found = [
            means(one, "policy", "after").get_column("mean")[0]
            for _, _, one in groups(last.filter(policy=policy), places)
        ]
        shares.append(f"{policy} ({span_of(found, _percent)} %)")
    words.insert(
        0,
        "Of what knowing the query is worth, these capture at the longest horizon, overspending "
        "charged: "
        f"{join_words(shares)}.",
    )
    return tuple(words)


def _line_rows(pairs: list[_Pair]) -> list[dict[str, str]]:
    rows = []
    for (place, policy), line in _lines(pairs).items():
        start, last = _worth_from(line), line[-1].difference
        worth = "clearly worse" if last.low > 0.0 else "never"
        if start is not None:
            worth = f"T = {start:,}{_SHORTEST * (start == line[0].horizon)}"
        row = {"setting": place} if place else {}
        rows.append(
            row
            | {
                "policy": policy,
                "against": line[0].partner,
                "worth it from": worth,
                "at": f"T = {line[-1].horizon:,}",
                "Δ priced regret": _per_thousand(last),
            }
        )
    return rows


def _percent(share: float) -> str:
    return format_number(100.0 * share, 2)


def _per_thousand(found: PairedDifference) -> str:
    return format_estimate(*(1e3 * end for end in (found.mean, found.low, found.high)))


def _order(pairs: list[_Pair], key: tuple[str, str]) -> int:
    return next(i for i, pair in enumerate(pairs) if (pair.place, pair.policy) == key)


def _rows(trials: "pl.DataFrame", places: list[str], pairs: list[_Pair]) -> list[dict[str, Any]]:
    import polars as pl

    found = {(pair.place, pair.horizon, pair.policy): pair for pair in pairs}
    rows = []
    for place, _, group in groups(trials, places):
        for (horizon, policy), one in group.group_by("horizon", "policy", maintain_order=True):
            row: dict[str, Any] = {"setting": place} if place else {}
            row |= {"T": f"{horizon:,}", "policy": policy, "looks at": one.get_column("looks")[0]}
            spent = one.with_columns((100.0 * (pl.col("cost") / pl.col("budget") - 1.0)).alias("x"))
            for name, column, scale in (
                ("captured, %", "captured", 100.0),
                ("after overspending, %", "after", 100.0),
                ("excess cost, %", "x", 1.0),
            ):
                mean = means(spent, "policy", column).row(0, named=True)
                row[name] = format_margin(scale * mean["mean"], scale * mean["high"])
            pair = found.get((place, int(str(horizon)), str(policy)))
            row["Δ priced regret"] = "-"
            if pair is not None:
                row["Δ priced regret"] = _per_thousand(pair.difference)
            rows.append(row)
    return rows


def _worth_rows(trials: "pl.DataFrame", places: list[str]) -> list[dict[str, Any]]:
    rows = []
    for place, _, group in groups(trials, places):
        last = group.filter(horizon=group.get_column("horizon").max()).row(0, named=True)
        row: dict[str, Any] = {"setting": place} if place else {}
        rows.append(
            row
            | {
                "V": format_number(last["value"]),
                "V_ctx": format_number(last["contextual_value"]),
                "worth": format_number(last["worth"]),
                "V_ctx is": "exact" if last["contextual_exact"] == 1.0 else "an upper bound",
            }
        )
    return rows


@with_report_style
def _captured_figure(trials: "pl.DataFrame", places: list[str]) -> "Figure":
    shown = list(groups(trials, places))
    policies = trials.get_column("policy").unique(maintain_order=True).to_list()
    figure, axes = panels(len(shown), columns=2, width=3.8, height=2.7)
    for panel, (place, _, group) in zip(axes, shown, strict=True):
        lowest = 0.0
        for policy, one in group.group_by("policy", maintain_order=True):
            line = means(one.sort("horizon"), "horizon", "after")
            style = line_style(policies.index(policy[0]))
            error_bars(panel, line.get_column("horizon"), line, str(policy[0]), style)
            lowest = min(lowest, float(line.get_column("low").fill_nan(0.0).to_numpy().min()))
        log_ticks(panel, group.get_column("horizon").unique().sort().to_list())
        for level in (0.0, 1.0):
            panel.axhline(level, color="black", linewidth=0.6)
        panel.set_ylim(max(1.1 * lowest, -2.0) - 0.05, 1.05)
        panel.set_title(place)
        panel.set_xlabel("T (queries)")
        panel.set_ylabel("share captured\nafter overspending")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


@with_report_style
def _difference_figure(pairs: list[_Pair]) -> "Figure":
    import polars as pl

    places = list(dict.fromkeys(pair.place for pair in pairs))
    policies = list(dict.fromkeys(pair.policy for pair in pairs))
    figure, axes = panels(len(places), columns=2, width=3.8, height=2.7)
    for panel, place in zip(axes, places, strict=True):
        for (where, policy), line in _lines(pairs).items():
            if where != place:
                continue
            frame = pl.DataFrame(
                [
                    {name: 1e3 * getattr(pair.difference, name) for name in ("mean", "low", "high")}
                    for pair in line
                ]
            )
            horizons = [pair.horizon for pair in line]
            label = f"{policy} - {line[0].partner}"
            error_bars(panel, horizons, frame, label, line_style(policies.index(policy)))
        log_ticks(panel, sorted({pair.horizon for pair in pairs if pair.place == place}))
        panel.axhline(0.0, color="black", linewidth=0.8)
        panel.set_title(place)
        panel.set_xlabel("T (queries)")
        panel.set_ylabel("Δ priced regret\nper 1,000 queries")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
