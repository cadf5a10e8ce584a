"""`prices`: a change of price or of what answers behind a name: recovery, and the money lost."""

import json
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import PairedDifference, mean_interval, paired_difference
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import finals, groups, varied
from fastroute.report.answers.lines import pairable_samples
from fastroute.report.answers.words import (
    format_estimate,
    format_interval,
    join_words,
)
from fastroute.report.charts import dots, legend_below, panels, with_report_style
from fastroute.report.style import format_margin, format_value, line_style
from fastroute.scenarios.optimum import optimum
from fastroute.study import StoredStudy
from fastroute.study.build import build_scenario

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

F8 = NDArray[np.float64]

_QUESTION: Final = (
    "A provider cuts a price, raises one, or silently answers with another model under an old "
    "name: how long until my router has recovered, and how much money and reward is lost?"
)
_SEVERITY: Final = "scenario_severity"
#: Recovered: at most this much above what it was before.
_BACK: Final = 1.1
#: A window begins this often in each length of a window.
_STEPS: Final = 4
_RESAMPLES: Final = 1999


class _Money(NamedTuple):
    """When a world first changes, and what money is worth in it.

    Attributes
    ----------
    event : int
        Round of the first change; the horizon where there is none.
    round, price : f8 [points]
        Rounds, and the sum of the budget prices of the rounds before: straight lines in between.
    """

    event: int
    round: F8
    price: F8

    def between(self, start: F8 | float, stop: F8 | float) -> F8:
        """Return the mean budget price over rounds ``start <= t < stop``."""
        ends = [np.interp(at, self.round, self.price) for at in (start, stop)]
        return np.asarray((ends[1] - ends[0]) / (stop - start))


class _Curve(NamedTuple):
    """Sums so far of every trial at the checkpoints."""

    round: F8  #: [points]
    regret: F8  #: [trials, points]
    spend: F8  #: [trials, points], in cost

    def since(self, point: int, budget: float, money: _Money) -> tuple[F8, F8]:
        """Return spend, and priced regret as of a run of its own, from a checkpoint to the end."""
        rounds = self.round[-1] - self.round[point]
        price = money.between(self.round[point], self.round[-1])
        regret, spend = (sums[:, -1] - sums[:, point] for sums in (self.regret, self.spend))
        return spend, regret + price * np.maximum(spend - budget * rounds, 0.0)


class _Recovery(NamedTuple):
    """How the priced regret per round goes on after the event.

    Attributes
    ----------
    start : f8 [windows]
        First round of every window, from the event on.
    rate, low, high : f8 [windows]
        Priced regret per round, with 95 % intervals.
    before, before_low, before_high : float
        That of the window before the event.
    rounds, rounds_low, rounds_high : float
        From the event until the first window with at most 1.1 times that; infinite where there is
        none before the end.
    """

    start: F8
    rate: F8
    low: F8
    high: F8
    before: float
    before_low: float
    before_high: float
    rounds: float
    rounds_low: float
    rounds_high: float


class _Found(NamedTuple):
    """What one policy makes of one event."""

    policy: str
    knows: bool
    recovery: _Recovery
    money: PairedDifference  #: spent beyond what it would have been, % of the budget after it
    over: tuple[float, float, float]  #: spent beyond the budget after it, % of that budget
    priced: PairedDifference  #: priced regret after it, beyond what it would have been


def answer(stored: StoredStudy) -> Answer:
    """Follow every policy through an event, against the same queries without it.

    Parameters
    ----------
    stored : StoredStudy
        Worlds in which something changes, and the same ones with severity 0; curves of every
        trial.
    """
    import polars as pl

    trials = finals(stored, "estimator", "curves_kept")
    if _SEVERITY not in trials.columns or 0.0 not in trials.get_column(_SEVERITY).to_list():
        return Answer(
            _QUESTION,
            ("The study has no severity of 0 beside others: nothing to compare with.",),
        )
    if (trials.get_column("curves_kept") != "trials").any():
        return Answer(
            _QUESTION,
            (
                "Curves of single trials were not kept, so recovery cannot be told: set "
                'curves = "trials" in [store].',
            ),
        )
    calm_titles: list[str] = []
    rows: list[dict[str, Any]] = []
    shown: list[tuple[str, list[_Found]]] = []
    for place, _, group in groups(trials, varied(stored, trials, _SEVERITY)):
        calm = group.filter(pl.col(_SEVERITY) == 0.0)
        for (severity,), moved in group.filter(pl.col(_SEVERITY) > 0.0).group_by(
            _SEVERITY, maintain_order=True
        ):
            title = place or str(moved.get_column("scenario")[0])
            title += "" if severity == 1.0 else f", severity {severity:g}"
            found = _follow(stored, moved, calm)
            if not found:
                calm_titles.append(title)
                continue
            shown.append((title, found))
            rows += [{"event": title} | _row(one) for one in found]
    verdict = [
        f"{title}: nothing changes, so there is nothing to recover from." for title in calm_titles
    ]
    if not shown:
        return Answer(_QUESTION, tuple(verdict))
    verdict[:0] = _verdict(shown)
    return Answer(
        _QUESTION,
        tuple(verdict),
        (
            AnswerTable(
                "Rounds until recovery",
                pl.DataFrame([_summary(title, found) for title, found in shown]),
                "Rounds from the event to the first window of one stage in which the priced regret "
                "per round is at most 10 % above what it was before. 95 % intervals; ∞: not before "
                "the end.",
            ),
            AnswerTable(
                "Recovery, and what was lost",
                pl.DataFrame(rows),
                "Priced regret per round of a window of one stage, as if the window were a run: "
                "regret, and mean spend beyond the budget at the budget price that holds then. "
                "Recovered: rounds from the event to the first window in which it is at most 1.1 "
                "times that of the window before; ∞: not before the end; -: not clearly above zero "
                "before. Money and priced regret: of the rounds from the event to the end, as if "
                "they were a run (what was overspent before is not netted), minus the same in the "
                "world where nothing happens, paired by trial; money in percent of the budget of "
                "these rounds. Intervals: 95 %. * knows true means.",
            ),
        ),
        (
            AnswerFigure(
                "recovery",
                _figure(shown),
                "Priced regret per round in windows of one stage, against the rounds since the "
                "event; the horizontal marks left of 0 are the window before it. Bands and "
                "whiskers: 95 % intervals of the mean.",
            ),
            AnswerFigure(
                "money",
                _losses_figure(shown),
                "Money spent beyond what it would have been without the event (in percent of the "
                "budget of these rounds), and priced regret beyond it, from the event to the end. "
                "Whiskers: 95 % intervals of the mean, paired by trial. * knows true means.",
            ),
        ),
    )


def _follow(stored: StoredStudy, moved: "pl.DataFrame", calm: "pl.DataFrame") -> list[_Found]:
    """Compare every policy after the event with itself where nothing happens.

    Nothing is returned where there is no event.
    """
    money = _money(stored, moved.get_column("cell")[0])
    calm_money = _money(stored, calm.get_column("cell")[0])
    first = moved.row(0, named=True)
    horizon, budget = first["horizon"], first["budget"]
    length = -(-horizon // first["stages"])
    found: list[_Found] = []
    if money.event == horizon:
        return found
    for (policy,), one in moved.group_by("policy", maintain_order=True):
        curve = _curve(stored, one.get_column("cell")[0])
        other = calm.filter(policy=policy)
        without = _curve(stored, other.get_column("cell")[0])
        start = int(np.searchsorted(curve.round, money.event, side="right")) - 1
        percent = 100.0 / (budget * (horizon - curve.round[start]))
        spend, priced = curve.since(start, budget, money)
        calm_spend, calm_priced = without.since(start, budget, calm_money)
        over = mean_interval(percent * spend - 100.0)
        found.append(
            _Found(
                str(policy),
                one.get_column("estimator")[0] == "truth",
                _recover(curve, money, budget, length),
                _paired(percent * spend, percent * calm_spend),
                (over.estimate, over.low, over.high),
                _paired(priced, calm_priced),
            )
        )
    return found


def _paired(moved: F8, calm: F8) -> PairedDifference:
    a, b = pairable_samples([moved, calm])
    return paired_difference(a, b)


def _money(stored: StoredStudy, cell: int) -> _Money:
    """Work out the budget prices of the world of a cell; means where trials have their own."""
    row = stored.cells.filter(cell=cell).collect().row(0, named=True)
    horizon = row["horizon"]
    scenario = build_scenario(row["scenario_name"], json.loads(row["scenario_options"]))
    world = scenario.resolve(horizon, scenario.instances)
    changes = [0, *(regime.start for regime in world.later)]
    opened = np.unique(np.concatenate([changes, world.arrival, world.retirement]))
    opened = opened[(opened >= 0) & (opened < horizon)]
    pools = (world.arrival <= opened[:, None]) & (world.retirement > opened[:, None])
    regimes = np.searchsorted(changes, opened, side="right") - 1
    found = optimum(world, pools, row["budget"], row["max_deployed"], "numba", regimes)
    ends = np.append(opened, horizon).astype(np.float64)
    price = np.append(0.0, np.cumsum(found.budget_price.mean(axis=1) * np.diff(ends)))
    return _Money(changes[1] if len(changes) > 1 else horizon, ends, price)


def _curve(stored: StoredStudy, cell: int) -> _Curve:
    """Read the curves of a cell."""
    frame = (
        stored.trial_curves.filter(cell=cell)
        .select("trial", "round", "regret", "cost")
        .sort("trial", "round")
        .collect()
    )
    rounds = frame.get_column("round").unique().sort().to_numpy().astype(np.float64)
    shape = (-1, rounds.size)
    regret, cost = (frame.get_column(name).to_numpy().reshape(shape) for name in ("regret", "cost"))
    return _Curve(rounds, regret, cost * rounds)


def _recover(curve: _Curve, money: _Money, budget: float, length: int) -> _Recovery:
    """Find when the priced regret per round is back near what it was before the event."""
    rounds, end = curve.round, curve.round[-1]
    # A checkpoint is rarely at the event: windows keep to their side of it.
    last = rounds[rounds <= money.event][-1]
    first = rounds[rounds >= money.event][0]
    length = int(min(length, last - rounds[0], end - first))
    start = np.arange(first, end - length + 1.0, max(length / _STEPS, 1.0))
    opened = np.concatenate([[last - length], start])
    price = money.between(opened, opened + length)

    def mean_rate(sums: F8) -> F8:
        """Return the sums of each trial per round of every window, [trials, windows]."""
        ends = [
            np.stack([np.interp(at, rounds, one) for one in sums])
            for at in (opened, opened + length)
        ]
        return np.asarray((ends[1] - ends[0]) / length)

    regret, spend = mean_rate(curve.regret), mean_rate(curve.spend)
    draws = np.random.default_rng(0).multinomial(
        len(regret), np.full(len(regret), 1.0 / len(regret)), _RESAMPLES
    ) / len(regret)

    def priced(weights: F8) -> F8:
        # The mean over trials before the positive part: costs that are drawn have luck in them.
        return np.asarray(weights @ regret + price * np.maximum(weights @ spend - budget, 0.0))

    rate, resampled = priced(np.full(len(regret), 1.0 / len(regret))), priced(draws)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    waits = np.append(start - money.event, np.inf)
    # The window that begins at the first checkpoint after the event begins with it.
    waits[0] = 0.0

    def wait(rates: F8) -> F8:
        back = rates[:, 1:] <= _BACK * rates[:, :1]
        never = np.ones((len(back), 1), dtype=bool)
        return np.asarray(waits[np.concatenate([back, never], axis=1).argmax(axis=1)])

    ends = np.quantile(wait(resampled), [0.025, 0.975], method="closest_observation")
    return _Recovery(
        start - money.event,
        rate[1:],
        low[1:],
        high[1:],
        float(rate[0]),
        float(low[0]),
        float(high[0]),
        float(wait(rate[None])[0]),
        float(ends[0]),
        float(ends[1]),
    )


def _rounds(value: float) -> str:
    return format_value(round(value)) if math.isfinite(value) else "∞"


def _wait(found: _Recovery) -> str:
    """Write the rounds until recovery with their interval, which may be without end."""
    ends = (_rounds(end) for end in (found.rounds, found.rounds_low, found.rounds_high))
    return "{} [{}, {}]".format(*ends)


def _verdict(shown: list[tuple[str, list[_Found]]]) -> list[str]:
    """Say who recovers first, who not at all, and who loses least, of the policies that learn."""
    first, never, least, over = [], [], [], []
    for title, found in shown:
        learners = [one for one in found if not one.knows]
        known = [one for one in learners if one.recovery.before_low > 0.0]
        if known:
            soonest = min(known, key=lambda one: one.recovery.rounds)
            if not math.isinf(soonest.recovery.rounds):
                first.append(f"{soonest.policy} {_recovers(soonest.recovery)} ({title})")
        never += [f"{one.policy} ({title})" for one in known if one.recovery.rounds_low == math.inf]
        if learners:
            one = min(learners, key=lambda one: one.priced.mean)
            least.append(f"{one.policy}, {format_interval(one.priced)} ({title})")
        beyond = [one for one in learners if one.over[1] > 0.0]
        if beyond:
            worst = max(beyond, key=lambda one: one.over[0])
            over.append(
                f"{len(beyond)} of {len(learners)} policies, at most by "
                f"{format_estimate(*worst.over, unit='%')} ({title})"
            )
    words = [
        f"First to be back within 10 % of the priced regret per round before the event: "
        f"{join_words(first)}."
        if first
        else "No policy is back within 10 % of the priced regret per round before the event, or "
        "nothing can be said of recovery as it was not clearly above zero.",
        f"Not before the end: {join_words(never)}."
        if never
        else "No policy is certain to need longer than the run.",
    ]
    if least:
        words.append(f"The event adds least priced regret to {'; to '.join(least)}.")
    words.append(
        f"From the event on, clearly more than the budget is spent by {join_words(over)}."
        if over
        else "From the event on, no policy spends clearly more than the budget."
    )
    return words


def _summary(title: str, found: list[_Found]) -> dict[str, str]:
    """Sum an event up in a row of a table, over the policies that learn."""
    learners = [one for one in found if not one.knows]
    row = {"event": title}
    for one in learners:
        row[one.policy] = "not told: not clearly above zero before"
        if one.recovery.before_low > 0.0:
            row[one.policy] = f"{_wait(one.recovery)}: {_kind(one.recovery)}"
    return row


def _recovers(found: _Recovery) -> str:
    """Say when a policy recovers."""
    return "at once" if found.rounds_high == 0.0 else f"after {_wait(found)} rounds"


def _kind(found: _Recovery) -> str:
    """Say in which way a policy recovers."""
    if found.rounds_low == math.inf:
        return "not before the end"
    if found.rounds_high == math.inf:
        return "before the end or not, which cannot be told"
    if found.rounds_high == 0.0:
        return "at once"
    return "later" if found.rounds_low > 0.0 else "at once or later, which cannot be told"


def _row(one: _Found) -> dict[str, Any]:
    return {
        "policy": f"{one.policy} *" if one.knows else one.policy,
        "per 1,000 rounds before": format_margin(
            1e3 * one.recovery.before, 1e3 * one.recovery.before_high
        ),
        "at most after": format_margin(
            1e3 * one.recovery.rate.max(), 1e3 * one.recovery.high[one.recovery.rate.argmax()]
        ),
        "recovered, rounds": _wait(one.recovery) if one.recovery.before_low > 0.0 else "-",
        "money, %": format_interval(one.money),
        "over budget, %": format_estimate(*one.over),
        "priced regret": format_interval(one.priced),
    }


@with_report_style
def _figure(shown: list[tuple[str, list[_Found]]]) -> "Figure":
    figure, axes = panels(len(shown), columns=3, width=3.6, height=3.2)
    for panel, (title, found) in zip(axes, shown, strict=True):
        for index, one in enumerate(found):
            style, line = line_style(index), one.recovery
            panel.fill_between(
                line.start,
                1e3 * line.low,
                1e3 * line.high,
                color=style.colour,
                alpha=0.18,
                linewidth=0,
            )
            panel.plot(
                line.start,
                1e3 * line.rate,
                color=style.colour,
                linestyle=style.dashes,
                linewidth=1.3,
                label=one.policy,
            )
            place = -(0.02 + 0.015 * index) * line.start[-1]
            panel.errorbar(
                place,
                1e3 * line.before,
                yerr=[
                    [1e3 * (line.before - line.before_low)],
                    [1e3 * (line.before_high - line.before)],
                ],
                color=style.colour,
                marker="_",
                markersize=7.0,
                elinewidth=0.9,
                linestyle="none",
            )
        panel.axvline(0.0, color="black", linewidth=0.8)
        panel.axhline(0.0, color="black", linewidth=0.8)
        panel.set_title(title)
        panel.set_xlabel("rounds since the event")
        panel.set_ylabel("priced regret per 1,000 rounds")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


@with_report_style
def _losses_figure(shown: list[tuple[str, list[_Found]]]) -> "Figure":
    import polars as pl

    names = list(dict.fromkeys(_row(one)["policy"] for _, found in shown for one in found))
    figure, axes = panels(2, columns=2, width=3.9, height=0.34 * len(names) + 1.1)
    for panel, quantity, label in (
        (axes[0], "money", "money, minus no event (% of the budget)"),
        (axes[1], "priced", "priced regret, minus no event (units of reward)"),
    ):
        series = []
        for title, found in shown:
            rows = [
                {
                    "policy": _row(one)["policy"],
                    "mean": getattr(one, quantity).mean,
                    "low": getattr(one, quantity).low,
                    "high": getattr(one, quantity).high,
                }
                for one in found
            ]
            series.append((title, pl.DataFrame(rows)))
        dots(panel, names, series, "policy")
        panel.axvline(0.0, color="black", linewidth=0.8)
        panel.set_xlabel(label)
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
