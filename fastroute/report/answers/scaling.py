"""How regret grows with the horizon: exponents with intervals, by part and by gamma."""

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from fastroute.analyse import ScalingFit, fit_scaling, scaling_table
from fastroute.report.answers.base import Answer, AnswerFigure, AnswerTable
from fastroute.report.answers.lines import PARTS, CellLine, lines_of, samples_of
from fastroute.report.answers.words import format_estimate, format_interval, join_words, span_of
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
#: What an exponent is beside 2/3, in the table and in the verdict.
_WORDS: Final = {
    "near": f"The exponent of T is within {NEAR} of 2/3",
    "above": "It is clearly above 2/3, so T^(2/3) does not hold at these horizons,",
    "below": "It is clearly below 2/3, so regret grows more slowly than the bound allows,",
    "wanders": "No single exponent holds over these horizons, as the local one wanders,",
    "unclear": "It is neither pinned to 2/3 nor told from it",
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
        "legend has the fitted exponents. The grey line has slope 2/3. "
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
    """Write an exponent with its interval: ``0.671 [0.667, 0.675]``."""
    return format_interval(fit.exponent)


def against_two_thirds(fit: ScalingFit) -> str:
    """Compare an exponent with 2/3.

    Returns
    -------
    str
        ``near``, ``below``, ``above``, ``unclear``, or ``wanders`` where the exponents between
        neighbouring horizons differ by more than what they would tell: than the distance of the
        whole from 2/3 or, where that is near, where the last is clearly elsewhere.
    """
    overall = _compare_interval(fit.exponent.low, fit.exponent.high)
    steps = list(fit.local.iter_rows(named=True))
    if overall in ("below", "above"):
        # The ends that are certain: noise alone lets no exponent wander.
        spread = max(step["low"] for step in steps) - min(step["high"] for step in steps)
        distance = abs(fit.exponent.estimate - _TWO_THIRDS)
        return "wanders" if spread > distance else overall
    last = _compare_interval(steps[-1]["low"], steps[-1]["high"])
    return "wanders" if overall == "near" and last in ("below", "above") else overall


def _compare_interval(low: float, high: float) -> str:
    low, high = low - _TWO_THIRDS, high - _TWO_THIRDS
    if -NEAR <= low and high <= NEAR:
        return "near"
    if low > 0.0:
        return "above"
    return "below" if high < 0.0 else "unclear"


def _verdict(found: list[Fitted]) -> list[str]:
    groups: dict[str, list[tuple[CellLine, ScalingFit]]] = {name: [] for name in _WORDS}
    for line, fit, _ in found:
        if fit is not None:
            groups[against_two_thirds(fit)].append((line, fit))
    verdict = [
        f"{_WORDS[name]} on {len(group)} of {len(found)} lines: "
        f"{join_words([_named(line, fit) for line, fit in group])}."
        for name, group in groups.items()
        if group
    ]
    if not groups["near"]:
        verdict.insert(0, f"Nowhere is the exponent within {NEAR} of 2/3 beyond doubt.")
    priced = [line.title for line, _, _ in found if line.measure == "priced_regret"]
    if priced:
        verdict.append(
            "The budget is overspent, which flatters the regret, so that the priced regret is "
            f"fitted instead, on {join_words(priced)}."
        )
    verdict += [
        f"No power of T can be fitted to the {line.words} of {line.title}: {problem}."
        for line, fit, problem in found
        if fit is None
    ]
    return verdict


def _named(line: CellLine, fit: ScalingFit) -> str:
    if against_two_thirds(fit) != "wanders":
        return f"{line.title} ({format_exponent(fit)})"
    slopes = fit.local.get_column("slope").to_list()
    return f"{line.title} ({span_of(slopes, lambda slope: f'{slope:.2f}')})"


def _local_text(step: dict[str, float]) -> str:
    return format_estimate(step["slope"], step["low"], step["high"])


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
            beside = against_two_thirds(fit)
            row |= {
                "exponent": format_exponent(fit),
                "beside 2/3": beside,
                "remark": _remarks(fit),
            }
            for step in fit.local.iter_rows(named=True):
                ends = (f"{step[end]:.3g}".replace("e+0", "e") for end in _ENDS)
                row[" to ".join(ends)] = _local_text(step)
        rows.append(row)
    heads = dict.fromkeys(head for row in rows for head in row)
    order = [*(head for head in heads if head != "remark"), "remark"]
    return AnswerTable(
        "Exponents over all horizons, and between neighbouring ones",
        pl.DataFrame([{head: row.get(head, "-") for head in order} for row in rows]),
        "95 % intervals. A power law has the same exponent everywhere; it wanders where those "
        "between neighbouring horizons differ by more than the whole does from 2/3. Near: within "
        f"{NEAR} of 2/3, interval included.",
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
    blank = dict.fromkeys(("x in T^x", "curvature", "T^x log^y T"), "-")
    if fit["exponent"] is None:
        reason = str(fit["warning"]).split(". ")[0]
        return {**blank, "preferred": "-", "remark": f"not fitted; {reason}"}

    def text(*names: str) -> str:
        values = [fit[name] for name in names]
        if any(value is None for value in values):
            return "-"
        return format_estimate(*(float(str(value)) for value in values))

    low, high = (float(str(fit[end])) for end in ("low", "high"))
    if not math.isfinite(high - low):
        reason = "not fitted; too few trials are above zero for an interval"
        return {**blank, "preferred": "-", "remark": reason}
    power = fit["log_power"]
    # The power of T that goes with the power of the logarithm is in the local exponents.
    return {
        "x in T^x": text("exponent", "low", "high"),
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
            exponent = f"{fit.exponent.estimate:.3f}"
            error_bars(axes, horizons, frame, exponent, style, positive=True)
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
