"""`delay`: rewards that are learnt late, or never."""

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import (
    Interval,
    PairedDifference,
    ScalingFit,
    fit_scaling,
    mean_interval,
    paired_difference,
)
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.frames import finals, groups, varied
from fastroute.report.answers.lines import pairable_samples
from fastroute.report.answers.words import (
    format_interval,
    format_power,
    join_words,
    span_of,
)
from fastroute.report.charts import (
    error_bars,
    legend_below,
    log_ticks,
    panels,
    symmetric_log,
    with_report_style,
)
from fastroute.report.style import format_margin, format_number, format_value, line_style
from fastroute.scenarios.feedback import (
    Delay,
    EquallyLikelyDelays,
    GeometricDelay,
    RecordedDelays,
    delay_of,
)
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

F8 = NDArray[np.float64]

_QUESTION: Final = (
    "My rewards come late, or for some queries never: what does each round of delay cost, and what "
    "does each reward that is missing?"
)
_DELAY: Final = "reward_delay"
_FEEDBACK: Final = "feedback"
_AXES: Final = (f"scenario_{_DELAY}", f"scenario_{_FEEDBACK}")


class _Line(NamedTuple):
    """One policy in one workload, over delays or over shares of feedback."""

    place: str
    policy: str
    horizon: int
    stages: int
    at: tuple[float, ...]  #: delays in rounds, or shares, from the easiest to the hardest
    samples: tuple[F8, ...]  #: priced regret, one value per trial

    @property
    def title(self) -> str:
        return f"{self.place}, {self.policy}" if self.place else self.policy

    def extra(self, level: float = 0.95) -> list[PairedDifference]:
        """Return what each setting but the first has more than the first, trial by trial."""
        first, *others = pairable_samples(self.samples)
        return [paired_difference(other, first, level=level) for other in others]


def answer(stored: StoredStudy) -> Answer:
    """Fit how priced regret grows with the delay of rewards, and with their being missing.

    Parameters
    ----------
    stored : StoredStudy
        Cells of learning policies that differ in ``reward_delay`` or in ``feedback``.
    """
    import polars as pl

    trials = finals(stored, "estimator", "scenario_options").filter(pl.col("estimator") != "truth")
    if trials.is_empty():
        return Answer(_QUESTION, ("No policy learns: nothing can be compared.",))
    trials = _with_feedback(trials)
    delays, shares = _lines(stored, trials, _DELAY), _lines(stored, trials, _FEEDBACK)
    if not delays and not shares:
        return Answer(
            _QUESTION,
            ("The study has one delay and one share of feedback: nothing can be compared.",),
        )
    verdict = [*_overall(delays, shares), *_lengths(delays)]
    tables, figures = [], []
    if delays:
        tables.append(
            AnswerTable(
                "What a round of delay costs",
                pl.DataFrame([_delay_summary(line) for line in delays]),
                "Slope: priced regret per round of delay, over the delays shorter than the run. "
                "Bend: where the slope up to the last but one delay and that from there on clearly "
                "differ. First harm: the shortest delay with clearly more priced regret than the "
                "shortest of all, all comparisons of a line jointly at 95 %.",
            )
        )
        tables.append(
            AnswerTable(
                "Delays",
                pl.DataFrame([row for line in delays for row in _delay_rows(line)]),
                "Priced regret: mean ± half the 95 % interval. More: than with the shortest delay, "
                "paired by trial. Per round: slope from the delay before to this one, in priced "
                "regret per round of delay. 95 % intervals.",
            )
        )
        figures.append(
            AnswerFigure(
                "delay",
                _figure(delays, _DELAY),
                "Priced regret beyond that with the shortest delay, against the delay; the "
                "vertical axis is linear up to 100 and logarithmic from there. Whiskers: 95 % "
                "intervals of the mean, paired by trial.",
            )
        )
    if shares:
        tables.append(
            AnswerTable(
                "What a missing reward costs",
                pl.DataFrame([_feedback_summary(line) for line in shares]),
                "Priced regret goes as share^x; at the largest and smallest shares where no single "
                "power describes it. More: priced regret beyond that with the most feedback, all "
                "comparisons of a line jointly at 95 %.",
            )
        )
        tables.append(
            AnswerTable(
                "Missing feedback",
                pl.DataFrame([row for line in shares for row in _feedback_rows(line)]),
                "Priced regret: mean ± half the 95 % interval. More: than with the most feedback, "
                "paired by trial. Power: x between this share and the one before, where priced "
                "regret goes as share^x. 95 % intervals.",
            )
        )
        figures.append(
            AnswerFigure(
                "feedback",
                _figure(shares, _FEEDBACK),
                "Priced regret against the share of the queries whose reward is learnt. Whiskers: "
                "95 % intervals of the mean.",
            )
        )
    return Answer(_QUESTION, tuple(verdict), tuple(tables), tuple(figures))


def _mean(delay: Delay) -> float:
    if isinstance(delay, EquallyLikelyDelays):
        return float(np.mean(delay.rounds))
    if isinstance(delay, RecordedDelays):
        return float(np.mean([late for late in delay.rounds if late >= 0] or [0]))
    return float(delay.mean if isinstance(delay, GeometricDelay) else delay)


def _with_feedback(trials: "pl.DataFrame") -> "pl.DataFrame":
    """Add the mean delay of the rewards in rounds, and the share of them that is learnt."""
    import polars as pl

    texts = trials.get_column("scenario_options").unique().to_list()
    options = [json.loads(text) for text in texts]
    delays = [delay_of(_DELAY, given.get(_DELAY, 0)) for given in options]
    columns: dict[str, list[float]] = {
        _DELAY: [_mean(delay) for delay in delays],
        _FEEDBACK: [float(given.get(_FEEDBACK, 1.0)) for given in options],
    }
    return trials.with_columns(
        pl.col("scenario_options")
        .replace_strict(texts, values, return_dtype=pl.Float64)
        .alias(name)
        for name, values in columns.items()
    )


def _lines(stored: StoredStudy, trials: "pl.DataFrame", along: str) -> list[_Line]:
    """Return the lines along delay or feedback, those of more than one value."""
    other = _FEEDBACK if along == _DELAY else _DELAY
    names = [*varied(stored, trials, *_AXES), other, "policy"]
    found = []
    for _, values, group in groups(trials, names):
        one = group.sort(along, "trial", descending=[along == _FEEDBACK, False])
        parts = one.partition_by(along, maintain_order=True)
        if len(parts) < 2:
            continue
        rest = {name: values[name] for name in names if name not in (other, "policy")}
        place = ", ".join(
            str(value) if name == "scenario" else f"{name} = {format_value(value)}"
            for name, value in rest.items()
        )
        first = one.row(0, named=True)
        found.append(
            _Line(
                place,
                values["policy"],
                first["horizon"],
                first["stages"],
                tuple(float(part.get_column(along)[0]) for part in parts),
                tuple(part.get_column("priced_regret").to_numpy() for part in parts),
            )
        )
    return found


def _fitted(line: _Line) -> tuple[F8, list[F8]]:
    """Return the delays shorter than the run, and their samples of equal length.

    With a longer delay nothing is learnt, and a still longer one changes nothing.
    """
    count = sum(delay < line.horizon for delay in line.at)
    return np.array(line.at[:count]), pairable_samples(line.samples[:count])


def _slope(at: F8, samples: list[F8]) -> Interval:
    """Fit a straight line to every trial by least squares, and return the mean slope."""
    x = at - at.mean()
    return mean_interval(x @ np.stack(samples) / float(x @ x))


def _at(delay: float) -> str:
    return format_value(int(delay) if delay == int(delay) else delay)


def _overall(delays: list[_Line], shares: list[_Line]) -> list[str]:
    """Say between which ends the slopes lie, over all lines where they can be fitted."""
    words = []
    slopes = [_slope(*_fitted(line)) for line in delays if _fitted(line)[0].size > 1]
    clear = [slope.estimate for slope in slopes if slope.low > 0.0]
    if slopes:
        each = f", by {span_of(clear, _short)} units of reward per round of delay" if clear else ""
        words.append(
            f"Priced regret grows clearly with the delay of the rewards on {len(clear)} of "
            f"{len(slopes)} lines (workload and policy){each}."
        )
    harms = [_first_clear(line) for line in delays]
    clear_from = [found[0] for found in harms if found is not None]
    if clear_from:
        words.append(
            f"The shortest delay with clearly more priced regret than the shortest played is "
            f"{span_of(clear_from, _at)} rounds, by line."
        )
    fits = [fit.exponent for fit in map(_power, shares) if fit is not None]
    rising = [fit.estimate for fit in fits if fit.high < 0.0]
    if fits:
        each = f", as share^x with x = {span_of(rising, _short)}" if rising else ""
        words.append(
            f"Priced regret grows clearly as a smaller share of the rewards is learnt on "
            f"{len(rising)} of {len(fits)} lines{each}."
        )
    return words


def _short(value: float) -> str:
    return format_number(value, 2)


def _lengths(lines: list[_Line]) -> list[str]:
    """Say what a delay is measured by: the time between two decisions of the deployer."""
    lengths = sorted({-(-line.horizon // line.stages) for line in lines})
    words = [f"A stage has {join_words([_at(length) for length in lengths])} rounds."]
    return words if lengths else []


def _delay_summary(line: _Line) -> dict[str, str]:
    at, samples = _fitted(line)
    if at.size < 2:
        told = {"slope": "only one delay is shorter than the run", "bend": "-"}
    else:
        told = {"slope": format_interval(_slope(at, samples)), "bend": _bend(at, samples)}
    return {
        "line": line.title,
        "delays": f"{_at(line.at[0])} to {_at(line.at[-1])}",
        **told,
        "first harm": _first_harm(line),
    }


def _bend(at: F8, samples: list[F8]) -> str:
    """Say whether the last stretch is steeper than those before it."""
    if at.size < 3:
        return "-"
    last = (samples[-1] - samples[-2]) / (at[-1] - at[-2])
    before = (samples[-2] - samples[0]) / (at[-2] - at[0])
    bend = paired_difference(last, before)
    if bend.low <= 0.0 <= bend.high or np.isnan(bend.low):
        return "none can be told"
    return (
        f"{format_interval(mean_interval(before))} up to {_at(at[-2])} rounds, "
        f"{format_interval(mean_interval(last))} from there on"
    )


def _first_clear(line: _Line) -> tuple[float, PairedDifference] | None:
    """Find from which delay on there is clearly more regret; all comparisons hold together."""
    extra = line.extra(1.0 - 0.05 / (len(line.at) - 1))
    found = zip(line.at[1:], extra, strict=True)
    return next(((delay, more) for delay, more in found if more.low > 0.0), None)


def _first_harm(line: _Line) -> str:
    found = _first_clear(line)
    return "none" if found is None else f"{_at(found[0])} rounds, {format_interval(found[1])} more"


def _power(line: _Line) -> ScalingFit | None:
    """Fit a power of the number of rewards that are learnt; None where there is none to fit."""
    learnt = [share * line.horizon for share in reversed(line.at)]
    if len(learnt) < 2 or learnt[0] < 2.0:
        return None
    try:
        return fit_scaling(learnt, line.samples[::-1])
    except ValueError:
        return None


def _feedback_summary(line: _Line) -> dict[str, str]:
    fit = _power(line)
    if fit is None:
        told = "none: not clearly above zero, or one trial only"
    else:
        told = format_power(fit.exponent.estimate, fit.exponent.low, fit.exponent.high)
        # With two shares, or less than a decade of them, the fit warns of that as well.
        if fit.warnings and len(line.at) > 2 and line.at[0] >= 10.0 * line.at[-1]:
            ends = [
                format_power(*fit.local.select("slope", "low", "high").row(place))
                for place in (-1, 0)
            ]
            told = f"{ends[0]} at the largest shares, {ends[1]} at the smallest"
    extra = line.extra(1.0 - 0.05 / (len(line.at) - 1))
    row = {"line": line.title, "shares learnt": f"{line.at[0]:g} to {line.at[-1]:g}", "x": told}
    for name, place in (("least missing", 0), ("most missing", -1)):
        missing = f"{100.0 * (1.0 - line.at[1:][place]):.3g} %"
        row[f"more with the {name}"] = f"{format_interval(extra[place])} ({missing} missing)"
    return row


def _delay_rows(line: _Line) -> list[dict[str, Any]]:
    samples = pairable_samples(line.samples)
    rows = []
    for place, (delay, more) in enumerate(zip(line.at, [None, *line.extra()], strict=True)):
        mean = mean_interval(line.samples[place])
        row = {
            "line": line.title,
            "delay, rounds": _at(delay),
            "priced regret": format_margin(mean.estimate, mean.high),
            "more": "-" if more is None else format_interval(more),
            "per round": "-",
        }
        if place and delay < line.horizon:
            step = delay - line.at[place - 1]
            row["per round"] = format_interval(
                mean_interval((samples[place] - samples[place - 1]) / step)
            )
        elif place:
            row["per round"] = "nothing is learnt"
        rows.append(row)
    return rows


def _feedback_rows(line: _Line) -> list[dict[str, Any]]:
    fit = _power(line)
    powers = ["-"] * len(line.at)
    if fit is not None:
        slopes = fit.local.select("slope", "low", "high").rows()
        powers[1:] = [format_power(*slope) for slope in reversed(slopes)]
    rows = []
    for place, (share, more) in enumerate(zip(line.at, [None, *line.extra()], strict=True)):
        mean = mean_interval(line.samples[place])
        rows.append(
            {
                "line": line.title,
                "rewards learnt": f"{share:g}",
                "priced regret": format_margin(mean.estimate, mean.high),
                "more": "-" if more is None else format_interval(more),
                "power": powers[place],
            }
        )
    return rows


@with_report_style
def _figure(lines: list[_Line], along: str) -> "Figure":
    places = list(dict.fromkeys(line.place for line in lines))
    policies = list(dict.fromkeys(line.policy for line in lines))
    figure, axes = panels(len(places), columns=2, width=3.9, height=3.2)
    for panel, place in zip(axes, places, strict=True):
        for line in lines:
            if line.place == place:
                _draw(panel, line, along, policies.index(line.policy))
        panel.set_title(place)
        if along == _DELAY:
            panel.set_xlabel("delay of the rewards (rounds)")
            panel.set_ylabel("more priced regret (units of reward)")
        else:
            panel.set_xlabel("share of the rewards that is learnt")
            panel.set_ylabel("priced regret (units of reward)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


def _draw(panel: "Axes", line: _Line, along: str, number: int) -> None:
    import polars as pl
    from matplotlib.ticker import LogLocator, NullFormatter

    style = line_style(number)
    if along == _DELAY:
        extra = line.extra()
        frame = pl.DataFrame(
            {name: [getattr(one, name) for one in extra] for name in ("mean", "low", "high")}
        )
        error_bars(panel, line.at[1:], frame, line.policy, style)
        log_ticks(panel, line.at[1:])
        symmetric_log(panel, 100.0)
        return
    found = [mean_interval(sample) for sample in line.samples]
    frame = pl.DataFrame(
        {
            "mean": [one.estimate for one in found],
            "low": [one.low for one in found],
            "high": [one.high for one in found],
        }
    )
    error_bars(panel, line.at, frame, line.policy, style)
    log_ticks(panel, sorted(line.at))
    if min(one.low for one in found) > 0.0:
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
