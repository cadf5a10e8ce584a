"""`deploy-cost`: how many stages, where a deployment costs money and takes time."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import (
    Interval,
    best_of,
    mean_interval,
)
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.deploy_cost_figures import best_figure, loss_figure, shown_in_figures
from fastroute.report.answers.deploy_cost_settings import Setting, lines_of, settings_of
from fastroute.report.answers.words import format_estimate, join_words
from fastroute.report.style import format_margin, format_number, format_value
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    pass

F8 = NDArray[np.float64]

_QUESTION: Final = (
    "A deployment costs me money, and a model takes time to load: how many stages are best, and is "
    "K = T^(1/3) a good choice?"
)
_NOTHING: Final = "The study has one number of stages only: nothing can be compared."
_POWER: Final = 1.0 / 3.0
_LOSS: Final = (
    "Loss is priced regret plus what the deployments cost, each of them as soon as a model is "
    "newly deployed"
)
#: What can be said of the number of stages of theory, in the order in which it is told.
_CLASSES: Final = ("within 5 %", "more than 5 %", "not told", "no share")


def answer(stored: StoredStudy) -> Answer:
    """Find the best number of stages by the cost of a deployment and the time of loading.

    Parameters
    ----------
    stored : StoredStudy
        Cells that differ in ``stages``, and in ``deploy_cost`` or ``load_rounds``.
    """
    import polars as pl

    settings = settings_of(stored)
    if not settings:
        return Answer(_QUESTION, (_NOTHING,))
    verdict = [
        *_advice(settings),
        *_theory_verdict(settings),
        *(_line_verdict(line) for line in lines_of(settings)),
        *_load_verdict(settings),
        *_power_verdict(settings),
    ]
    tables = [
        AnswerTable(
            "Best number of stages",
            pl.DataFrame([_row(setting) for setting in settings]),
            f"{_LOSS}. Not told: the K that cannot be told from the best one, paired by trial, all "
            "comparisons at once at 95 %. More loss: of K = T^(1/3) than of the best K, with the "
            "95 % interval, in units of reward and in % of the loss of the best K.",
        )
    ]
    counts = _count_rows(settings)
    if counts:
        tables.append(
            AnswerTable(
                "Where K = T^(1/3) is within 5 % of the best",
                pl.DataFrame(counts),
                "Number of combinations of horizon and time of loading. Most: the largest "
                "estimate among them.",
            )
        )
    powers = _power_rows(settings)
    if powers:
        tables.append(
            AnswerTable(
                "Best K as a power of T",
                pl.DataFrame(powers),
                "x of K = T^x, fitted to the best K of the horizons, with the shortest time of "
                "loading. The interval spans every K that is not told from the best one, at all "
                "horizons at once at 95 %, and from there halfway to the next K that was played. "
                "It is open where that reaches the fewest or the most stages that were played.",
            )
        )
    horizon, load = shown_in_figures(settings)
    beside = f"T = {format_value(horizon)}, load_rounds = {format_value(load)}"
    figures = (
        AnswerFigure(
            "loss",
            loss_figure(settings),
            f"Priced regret plus the cost of deployments against the number of stages K, by the "
            f"cost of one deployment ({beside}), with 95 % intervals. Dotted: K = T^(1/3).",
        ),
        AnswerFigure(
            "best",
            best_figure(settings),
            "Best number of stages against the cost of one deployment, by the horizon "
            f"(load_rounds = {format_value(load)}). Whiskers span the K that cannot be told from "
            "the best one. Dotted, in the same colour: K = T^(1/3).",
        ),
    )
    return Answer(_QUESTION, tuple(verdict), tuple(tables), figures)


def _range(stages: Sequence[int], every: Sequence[int]) -> str:
    """Write numbers of stages: as a range where none of those between is missing."""
    first, last = every.index(stages[0]), every.index(stages[-1])
    if len(stages) > 2 and tuple(every[first : last + 1]) == tuple(stages):
        return f"{format_value(stages[0])} to {format_value(stages[-1])}"
    return join_words([format_value(one) for one in stages])


def _counts(settings: Iterable[Setting]) -> str:
    """Say how often the theory's number of stages is close to the best one, and its side if not."""
    every = list(settings)
    found = Counter(one.verdict for one in every)
    words = [f"{name} in {found[name]}" for name in _CLASSES if found[name] or name != "no share"]
    sides = Counter(
        "too few" if one.theory < one.found.best else "too many"
        for one in every
        if one.theory is not None and one.verdict == "more than 5 %"
    )
    if sides:
        told = join_words([f"{side} stages in {count}" for side, count in sorted(sides.items())])
        words[1] += f" ({told})"
    return join_words(words)


def _advice(settings: list[Setting]) -> list[str]:
    """Say on which side of T^(1/3) to go at each cost of a deployment, where most agree."""
    costs: dict[float, list[Setting]] = {}
    for one in sorted(settings, key=lambda one: one.cost):
        if one.theory is not None:
            costs.setdefault(one.cost, []).append(one)
    if not costs:
        return []
    found: dict[str, list[str]] = {kind: [] for kind in ("more", "right", "fewer", "open")}
    for cost, line in costs.items():
        clear = [one for one in line if one.verdict == "more than 5 %"]
        count = {
            "more": sum(one.stages[one.theory or 0] < one.best for one in clear),
            "right": sum(one.verdict == "within 5 %" for one in line),
            "fewer": sum(one.stages[one.theory or 0] > one.best for one in clear),
        }
        kind = next((kind for kind, some in count.items() if 2 * some > len(line)), "open")
        of = f" (in {count[kind]} of {len(line)} combinations)" if kind != "open" else ""
        found[kind].append(f"{format_value(cost)}{of}")
    words = [
        f"{what} where a deployment costs {' or '.join(found[kind])}"
        for kind, what in (
            ("more", "clearly more stages than K = T^(1/3)"),
            ("right", "K = T^(1/3) stages, which have at most 5 % more loss than the best K,"),
            ("fewer", "clearly fewer stages than T^(1/3)"),
        )
        if found[kind]
    ]
    dear = " or ".join(found["open"])
    if not words:
        return [
            "No one side of K = T^(1/3) is better in most combinations, at any cost of a "
            "deployment: take K from the table."
        ]
    left = f"; where it costs {dear}, no choice is better in most of them: take K from the table"
    return [f"Use {join_words(words)}{left if dear else ''}. Costs are in units of reward."]


def _theory_verdict(settings: list[Setting]) -> list[str]:
    judged = [one for one in settings if one.theory is not None]
    if not judged:
        return ["K = T^(1/3) is not among the numbers of stages here."]
    words = [
        f"The loss with K = T^(1/3), against that with the best K, in {len(judged)} combinations "
        f"of workload, policy, horizon, cost of a deployment and time of loading: "
        f"{_counts(judged)}. {_LOSS}. The share is of the loss with the best K; all comparisons "
        "of a combination hold at once at 95 %."
    ]
    if any(one.verdict == "no share" for one in judged):
        words.append(
            "There is no share where the loss is not clearly above zero with every K, or there "
            "is a single trial; the table has the difference in units of reward."
        )
    for policy in dict.fromkeys(one.policy for one in judged):
        mine = [one for one in judged if one.policy == policy]
        costs = sorted({one.cost for one in mine})
        told = "; ".join(
            f"{format_value(cost)}: {_counts(one for one in mine if one.cost == cost)}"
            for cost in costs
        )
        words.append(f"{policy}, by the cost of a deployment: {told}.")
    words += _close_verdict(judged)
    if any(one.cost > 0.0 or one.load > 0 for one in judged):
        words.append(
            "The loss has what no K avoids in it: the deployments of the first stage, and the "
            "rounds until they serve. The dearer these are, the smaller is the share that a "
            "difference has of it."
        )
    return words


def _close_verdict(judged: list[Setting]) -> list[str]:
    """Name the workloads, policies and costs where the theory's number of stages is close."""
    lines = _by_cost(judged)
    always, mostly = [], []
    for (where, cost), line in lines.items():
        close = sum(one.verdict == "within 5 %" for one in line)
        name = f"{where} at a cost of {format_value(cost)}"
        if close == len(line):
            always.append(name)
        elif 2 * close > len(line):
            mostly.append(f"{name} ({close} of {len(line)})")
    return [
        "K = T^(1/3) is within 5 % of the best, beyond doubt, at every horizon and time of "
        f"loading: {join_words(always) or 'nowhere'}; at more than half of them: "
        f"{join_words(mostly) or 'nowhere else'}."
    ]


def _by_cost(settings: Iterable[Setting]) -> dict[tuple[str, float], list[Setting]]:
    """Sort settings by world and policy, and by the cost of a deployment."""
    lines: dict[tuple[str, float], list[Setting]] = {}
    for one in settings:
        lines.setdefault((one.where, one.cost), []).append(one)
    return lines


def _line_verdict(line: list[Setting]) -> str:
    """Say how the best number of stages moves with the cost of a deployment."""
    horizon, load = shown_in_figures(line)
    mine = sorted(
        (one for one in line if (one.horizon, one.load) == (horizon, load)),
        key=lambda one: one.cost,
    )
    ends = mine if len(mine) == 1 else [mine[0], mine[-1]]
    told = []
    for one in ends:
        others = [stages for stages in one.untold if stages != one.best]
        text = f"K = {format_value(one.best)} where a deployment costs {format_value(one.cost)}"
        if len(others) == len(one.stages) - 1:
            text += " (no other K can be told from it)"
        elif others:
            text += f" ({_range(one.untold, one.stages)} cannot be told apart)"
        if one.theory is not None:
            text += f", and T^(1/3) = {format_value(one.stages[one.theory])} has "
            text += _theory_words(one)
        told.append(text)
    first = mine[0]
    return (
        f"{first.where}, T = {format_value(horizon)}, load_rounds = {format_value(load)}: the best "
        f"is {'; it is '.join(told)}. Where a deployment costs {format_value(first.cost)}, "
        f"{format_number(first.deployments[0], 3)} models are newly deployed with K = "
        f"{format_value(first.stages[0])} and {format_number(first.deployments[-1], 3)} with K = "
        f"{format_value(first.stages[-1])}."
    )


def _theory_words(setting: Setting) -> str:
    found, share = setting.excess, setting.share
    assert found is not None
    if setting.theory == setting.found.best:
        return "the lowest loss"
    if share is None:
        return f"{format_estimate(found.estimate, found.low, found.high)} more loss"
    return f"{_percent(share)} % more loss"


def _percent(share: Interval) -> str:
    ends = [100.0 * (end - 1.0) for end in (share.estimate, share.low, share.high)]
    one, low, high = (format_number(end, 3) for end in ends)
    return f"{one} [{low}, {high}]"


def _load_verdict(settings: list[Setting]) -> list[str]:
    """Say whether the best number of stages moves with the time that a model loads."""
    pairs: dict[tuple[str, int, float], list[Setting]] = {}
    for one in settings:
        pairs.setdefault((one.where, one.horizon, one.cost), []).append(one)
    ends = [
        (min(line, key=lambda one: one.load), max(line, key=lambda one: one.load))
        for line in pairs.values()
    ]
    ends = [(short, long) for short, long in ends if short.load < long.load]
    if not ends:
        return []
    fewer = sum(long.untold[-1] < short.untold[0] for short, long in ends)
    more = sum(long.untold[0] > short.untold[-1] for short, long in ends)
    same = sum(long.best == short.best for short, long in ends)
    loads = [format_value(f(one.load for pair in ends for one in pair)) for f in (min, max)]
    return [
        f"From {loads[0]} to {loads[1]} rounds of loading, of {len(ends)} combinations of "
        f"workload, policy, horizon and cost of a deployment, the best K is clearly smaller in "
        f"{fewer}, clearly larger in {more}, and no difference can be told in "
        f"{len(ends) - fewer - more} (the lowest mean is at the same K in {same})."
    ]


class _Power:
    """The best number of stages of one world, policy and cost as a power of the horizon."""

    def __init__(self, line: list[Setting]) -> None:
        line = sorted(line, key=lambda one: one.horizon)
        level = 1.0 - 0.05 / len(line)
        ties = [best_of(one.loss, level=level).ties for one in line]
        x = np.log([one.horizon for one in line])
        weight = (x - x.mean()) / float(np.sum((x - x.mean()) ** 2))
        few, many = np.array(
            [_between(one.stages, tie) for one, tie in zip(line, ties, strict=True)]
        ).T
        self.first = line[0]
        self.bests = [one.best for one in line]
        self.estimate = float(weight @ np.log(self.bests))
        # A slope is lowest where short horizons have many stages and long ones few.
        self.low = float(weight @ np.where(weight > 0.0, few, many))
        self.high = float(weight @ np.where(weight > 0.0, many, few))
        self.open = any(
            tie[0] == 0 or tie[-1] == len(one.stages) - 1
            for one, tie in zip(line, ties, strict=True)
        )


def _between(stages: tuple[int, ...], places: tuple[int, ...]) -> tuple[float, float]:
    """Return the logarithms of K halfway to the next ones that were played, below and above."""
    x = np.log(stages)
    middle = np.concatenate([x[:1], 0.5 * (x[1:] + x[:-1]), x[-1:]])
    return float(middle[places[0]]), float(middle[places[-1] + 1])


def _powers(settings: list[Setting]) -> list[_Power]:
    """Fit powers with the shortest time of loading, where there are three horizons or more."""
    load = min(one.load for one in settings)
    lines = _by_cost(one for one in settings if one.load == load)
    return [_Power(line) for line in lines.values() if len(line) > 2]


def _power_verdict(settings: list[Setting]) -> list[str]:
    powers = _powers(settings)
    if not powers:
        return ["A power of T for the best K is not fitted: the study has under three horizons."]
    closed = [one for one in powers if not one.open]
    inside = sum(one.low <= _POWER <= one.high for one in closed)
    below, above = (
        sum(one.high < _POWER for one in closed),
        sum(one.low > _POWER for one in closed),
    )
    return [
        f"Best K as T^x, of {len(powers)} combinations of workload, policy and cost of a "
        f"deployment: x = 1/3 is inside the interval in {inside}, above it in {below} and below "
        f"it in {above}; in {len(powers) - len(closed)} the best K may lie beyond those that were "
        "played, so that nothing can be said of x."
    ]


def _power_rows(settings: list[Setting]) -> list[dict[str, Any]]:
    return [
        {
            "line": one.first.where,
            "cost of a deployment": format_value(one.first.cost),
            "best K by T": ", ".join(format_value(best) for best in one.bests),
            "x": f"{format_number(one.estimate, 3)} (open)"
            if one.open
            else format_estimate(one.estimate, one.low, one.high),
        }
        for one in _powers(settings)
    ]


def _row(setting: Setting) -> dict[str, Any]:
    best = setting.found.best
    mean = mean_interval(setting.loss[best])
    excess, share, place = setting.excess, setting.share, setting.theory
    return {
        "line": setting.where,
        "T": format_value(setting.horizon),
        "cost": format_value(setting.cost),
        "load": format_value(setting.load),
        "best K": format_value(setting.best),
        "not told": _range(setting.untold, setting.stages),
        "its loss": format_margin(mean.estimate, mean.high),
        "deployments": format_number(setting.deployments[best], 3),
        "T^(1/3)": "-" if place is None else format_value(setting.stages[place]),
        "more loss": "-"
        if excess is None
        else format_estimate(excess.estimate, excess.low, excess.high),
        "more loss, %": "-" if share is None else _percent(share),
        "within 5 %": {
            "within 5 %": "yes",
            "more than 5 %": "no",
            None: "-",
        }.get(setting.verdict, setting.verdict),
    }


def _count_rows(settings: list[Setting]) -> list[dict[str, Any]]:
    rows = []
    for (where, cost), line in _by_cost(one for one in settings if one.theory is not None).items():
        found = Counter(one.verdict for one in line)
        shares = [one.share.estimate for one in line if one.share is not None]
        rows.append(
            {
                "line": where,
                "cost": format_value(cost),
                **{name: found[name] for name in _CLASSES},
                "most, %": format_number(100.0 * (max(shares) - 1.0), 3) if shares else "-",
            }
        )
    return rows
