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
from fastroute.report.answers.frames import finals, groups, means, varied
from fastroute.report.answers.lines import join_words, pairable_samples
from fastroute.report.answers.plots import error_bars, legend_below, log_ticks, panels
from fastroute.report.answers.words import format_estimate
from fastroute.report.figures import with_report_style
from fastroute.report.style import format_margin, format_value, line_style
from fastroute.scenarios.feedback import delay_of
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
        return [
            paired_difference(*pairable_samples([sample, self.samples[0]]), level=level)
            for sample in self.samples[1:]
        ]


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
    verdict = [*_delay_verdict(delays), *_feedback_verdict(shares)]
    tables, figures = [], []
    if delays:
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
                "Priced regret beyond that with the shortest delay, against the delay; the axes "
                "are linear up to the first tick beside 0 and logarithmic from there. Whiskers: "
                "95 % intervals of the mean, paired by trial.",
            )
        )
    if shares:
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


def _with_feedback(trials: "pl.DataFrame") -> "pl.DataFrame":
    """Add the mean delay of the rewards in rounds, and the share of them that is learnt."""
    import polars as pl

    texts = trials.get_column("scenario_options").unique().to_list()
    options = [json.loads(text) for text in texts]
    delays = [delay_of(_DELAY, given.get(_DELAY, 0)) for given in options]
    columns: dict[str, list[float]] = {
        _DELAY: [float(delay) if isinstance(delay, int) else delay.mean for delay in delays],
        _FEEDBACK: [float(given.get(_FEEDBACK, 1.0)) for given in options],
    }
    return trials.with_columns(
        pl.col("scenario_options").replace_strict(texts, values, return_dtype=pl.Float64).alias(name)
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
