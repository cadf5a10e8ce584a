"""How regret grows with the horizon: exponents with intervals, by part and by gamma."""

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from fastroute.analyse import ScalingFit, fit_scaling, scaling_table
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.lines import PARTS, CellLine, join_words, lines_of, samples_of
from fastroute.report.charts import error_bars, legend_below, log_axes, panels, with_report_style
from fastroute.report.style import format_value, line_style
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from fastroute.study import StoredStudy

QUESTION = "How does regret grow with the horizon T, and where does T^(2/3) hold?"
#: An exponent counts as 2/3 when its whole interval is within this of it.
NEAR: Final = 0.02
_TWO_THIRDS: Final = 2.0 / 3.0
_WORDS: Final = {
    "near": f"The exponent is within {NEAR} of 2/3, its whole 95 % interval included",
    "below": "It is clearly below 2/3, so regret grows more slowly than the bound allows",
    "above": "It is clearly above 2/3, so T^(2/3) does not hold at these horizons",
    "passing": "The exponent over all horizons does not last, and is another between the two "
    "largest, so it says nothing of longer ones",
    "unclear": "It cannot be told apart from 2/3, nor pinned to it",
}
_ENDS: Final = ("horizon_low", "horizon_high")
_QUANTITIES: Final = ("regret", *PARTS, "priced_regret")


class Fitted(NamedTuple):
    """A line with the fit of its growth, or why there is none."""

    line: CellLine
    fit: ScalingFit | None
    problem: str


def answer(stored: "StoredStudy") -> Answer:
    """Answer how regret grows with the horizon."""
    lines = lines_of(stored, "horizon")
    lines = [line for line in lines if line.cells.height > 1]
    if not lines:
        words = "The study has one horizon only; sweep horizon to answer the question."
        return Answer(QUESTION, (words,))
    found = [fitted(stored, line) for line in lines]
    tables = [_exponents(stored, lines, name) for name in _names(lines)]
    caption = (
        "Mean regret at the horizon against T on logarithmic axes, with 95 % intervals; the "
        "legend has the fitted exponents with half their intervals. The grey line has slope 2/3. "
        "Where the budget is overspent it is the priced regret, which charges for it."
    )
    figure = AnswerFigure("scaling", _figure(stored, found), caption)
    return Answer(QUESTION, tuple(_verdict(found)), (_overall(found), *tables), (figure,))


def fitted(stored: "StoredStudy", line: CellLine) -> Fitted:
    """Fit a power of the horizon to the measure of a line."""
    horizons = line.cells.get_column("horizon").to_list()
    samples = samples_of(stored, line.cells, line.measure)
    try:
        return Fitted(line, fit_scaling(horizons, samples), "")
    except ValueError as error:
        return Fitted(line, None, str(error))


def format_exponent(fit: ScalingFit) -> str:
    """Write an exponent with half its interval: ``0.671 ± 0.004``."""
    return f"{fit.exponent.estimate:.3f} ± {0.5 * (fit.exponent.high - fit.exponent.low):.3f}"


def against_two_thirds(fit: ScalingFit) -> str:
    """Compare an exponent with 2/3.

    Returns
    -------
    str
        ``near``, ``below``, ``above``, ``unclear``, or ``passing`` where the exponent between the
        two largest horizons is clearly on another side than that over all horizons.
    """
    last = fit.local.row(-1, named=True)
    overall = _compare_interval(fit.exponent.low, fit.exponent.high)
    latest = _compare_interval(last["low"], last["high"])
    return "passing" if "unclear" not in (overall, latest) and overall != latest else overall


def _compare_interval(low: float, high: float) -> str:
    low, high = low - _TWO_THIRDS, high - _TWO_THIRDS
    if -NEAR <= low and high <= NEAR:
        return "near"
    if low > 0.0:
        return "above"
    return "below" if high < 0.0 else "unclear"


def _verdict(found: list[Fitted]) -> list[str]:
    groups: dict[str, list[str]] = {name: [] for name in _WORDS}
    for line, fit, _ in found:
        if fit is not None:
            groups[against_two_thirds(fit)].append(_named(line, fit))
    verdict = [f"{_WORDS[name]}: {'; '.join(group)}." for name, group in groups.items() if group]
    if not groups["near"]:
        verdict.insert(0, f"Nowhere is the exponent within {NEAR} of 2/3 beyond doubt.")
    bent = [line.title for line, fit, _ in found if fit is not None and "curved" in _remarks(fit)]
    if bent:
        verdict.append(
            "The local exponent changes over the horizons, so that a single one depends on which "
            f"of them are fitted, and the local ones below tell more: {'; '.join(bent)}."
        )
    priced = [line.title for line, _, _ in found if line.measure == "priced_regret"]
    if priced:
        verdict.append(
            "The budget is overspent, so that the regret alone flatters and the priced regret is "
            f"fitted instead: {'; '.join(priced)}."
        )
    verdict += [
        f"{line.title}: no power can be fitted to {line.words}. {problem}."
        for line, fit, problem in found
        if fit is None
    ]
    return verdict


def _named(line: CellLine, fit: ScalingFit) -> str:
    text = format_exponent(fit)
    if against_two_thirds(fit) == "passing":
        text += f", at last {_local_text(fit.local.row(-1, named=True))}"
    return f"{line.title} ({text})"


def _local_text(step: dict[str, float]) -> str:
    return f"{step['slope']:.3f} ± {0.5 * (step['high'] - step['low']):.3f}"


def _remarks(fit: ScalingFit) -> str:
    return ", ".join(_remark(warning) for warning in fit.warnings)


def _names(lines: list[CellLine]) -> list[str]:
    return list(dict.fromkeys(line.scenario for line in lines))


def _overall(found: list[Fitted]) -> AnswerTable:
    """Exponents over all horizons and between neighbouring ones, one row per line."""
    import polars as pl

    rows = []
    for line, fit, problem in found:
        row = {"line": line.title, "measure": line.words}
        if fit is None:
            row["remark"] = f"not fitted: {problem}"
        else:
            row |= {"exponent": format_exponent(fit), "remark": _remarks(fit)}
            for step in fit.local.iter_rows(named=True):
                ends = (f"{step[end]:.3g}".replace("e+0", "e") for end in _ENDS)
                row[" to ".join(ends)] = _local_text(step)
        rows.append(row)
    heads = dict.fromkeys(head for row in rows for head in row)
    order = [*(head for head in heads if head != "remark"), "remark"]
    return AnswerTable(
        "Exponents over all horizons, and between neighbouring ones",
        pl.DataFrame([{head: row.get(head, "-") for head in order} for row in rows]),
        "± half the 95 % interval. A power law has the same exponent everywhere.",
    )


def _exponents(stored: "StoredStudy", lines: list[CellLine], scenario: str) -> AnswerTable:
    """Fitted exponents of the regret and its parts, in one scenario."""
    import polars as pl

    rows = []
    for line in lines:
        if line.scenario != scenario:
            continue
        numbers = line.cells.get_column("cell").to_list()
        trials = (
            stored.trials.filter(pl.col("cell").is_in(numbers))
            .select("horizon", "trial", *_QUANTITIES)
            # Rounding has no growth.
            .with_columns(
                pl.when(pl.col(name).abs() < NEAR_ZERO)
                .then(0.0)
                .otherwise(pl.col(name))
                .alias(name)
                for name in _QUANTITIES
            )
            .collect()
        )
        same = (trials["priced_regret"] - trials["regret"]).abs().max()
        names = _QUANTITIES[:-1] if isinstance(same, float) and same < NEAR_ZERO else _QUANTITIES
        for fit in scaling_table(trials, names, by=()).iter_rows(named=True):
            rows.append(
                {"policy": line.policy, "quantity": fit["quantity"].replace("_", " ")} | _row(fit)
            )
    sizes = lines[0].cells.select("horizon", "trials")
    ladder = join_words(
        [
            f"{format_value(trials)} at {format_value(horizon)}"
            for horizon, trials in sizes.iter_rows()
        ]
    )
    return AnswerTable(
        f"Fitted exponents: {scenario}",
        pl.DataFrame(rows),
        "Weighted least squares of log mean in log T; 95 % studentized bootstrap intervals over "
        f"trials ({ladder} rounds). Curvature is the change of the local exponent over the "
        "horizons, from a parabola. Priced regret is left out where it is the regret. Preferred is "
        "the law of lower AICc.",
    )


def _row(fit: dict[str, object]) -> dict[str, str]:
    """Write the fit of a quantity."""
    blank = dict.fromkeys(("x in T^x", "half-width", "curvature", "T^x log^y T"), "-")
    if fit["exponent"] is None:
        reason = str(fit["warning"]).split(". ")[0]
        return {**blank, "preferred": "-", "remark": f"not fitted; {reason}"}

    def text(*names: str) -> str:
        values = [fit[name] for name in names]
        if any(value is None for value in values):
            return "-"
        estimate, low, high = (f"{value:.3f}" for value in values)
        return f"{estimate} ({low} to {high})"

    low, high = (float(str(fit[end])) for end in ("low", "high"))
    if not math.isfinite(high - low):
        reason = "not fitted; too few trials are above zero for an interval"
        return {**blank, "preferred": "-", "remark": reason}
    power = fit["log_power"]
    # The power of T that goes with the power of the logarithm is in the local exponents.
    return {
        "x in T^x": text("exponent", "low", "high"),
        "half-width": f"{0.5 * (high - low):.3f}",
        "curvature": text("slope_change", "change_low", "change_high"),
        "T^x log^y T": "-"
        if power is None
        else f"y = {text('log_power', 'log_power_low', 'log_power_high')}",
        "preferred": {"power": "T^x", "power_log": "T^x log^y T"}.get(str(fit["preferred"]), "-"),
        "remark": _remark(str(fit["warning"])),
    }


def _remark(warning: str) -> str:
    """Say in a word what a warning is about; the verdict has the whole of it."""
    if "local slope goes" in warning:
        return "curved"
    if "off the power law" in warning:
        return "not smooth"
    return "few horizons" if warning else ""


@with_report_style
def _figure(stored: "StoredStudy", found: list[Fitted]) -> "Figure":
    from matplotlib.lines import Line2D

    names = _names([one.line for one in found])
    policies = list(dict.fromkeys(one.line.policy for one in found))
    figure, shown = panels(len(names), columns=2, width=2.8, height=3.0)
    for axes, name in zip(shown, names, strict=True):
        axes.set_title(name)
        for line, fit, _ in found:
            if line.scenario != name or fit is None:
                continue
            frame = _points(fit)
            style = line_style(policies.index(line.policy))
            horizons = frame.get_column("horizon")
            error_bars(axes, horizons, frame, format_exponent(fit), style, positive=True)
        drawn = [fit for line, fit, _ in found if line.scenario == name and fit is not None]
        if drawn:
            nearest = min(drawn, key=lambda fit: abs(fit.exponent.estimate - _TWO_THIRDS))
            points = nearest.points
            first, last = (float(points.get_column("horizon")[end]) for end in (0, -1))
            middle = math.sqrt(first * last)
            # Below the nearest line, which would hide it.
            height = 0.6 * nearest.constant * middle**nearest.exponent.estimate
            axes.plot(
                [first, last],
                [height * (end / middle) ** _TWO_THIRDS for end in (first, last)],
                color="#999999",
                linewidth=1.0,
                zorder=1,
            )
            axes.legend(loc="upper left", title="exponent", alignment="left", handlelength=3.0)
            log_axes(axes)
        axes.set_xlabel("horizon T (rounds)")
        axes.set_ylabel("regret at the horizon")
    handles = [
        Line2D([], [], color=style.colour, linestyle=style.dashes, marker="o", markersize=3.0)
        for style in map(line_style, range(len(policies)))
    ]
    legend_below(figure, handles, policies)
    return figure


def _points(fit: ScalingFit) -> "pl.DataFrame":
    """Means with Student's intervals."""
    from fastroute.analyse import curve_intervals

    return curve_intervals(fit.points.rename({"n": "trials"}))
