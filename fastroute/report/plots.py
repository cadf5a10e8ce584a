"""Plots of one run and of a stored study, for notebooks and scripts: ``run.plot()``."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastroute import checks
from fastroute.report.charts import (
    dots,
    error_bars,
    legend_below,
    log_ticks,
    spread_axis,
    with_report_style,
)
from fastroute.report.compare import told_apart
from fastroute.report.figures import (
    MOST_LINES,
    draw_parts,
    draw_regret,
    draw_spend,
    log_rounds,
    log_spaced,
    shown_policies,
)
from fastroute.report.style import INK, format_value, line_style, needs_log, wrapped
from fastroute.simulation.columns import TRIAL_COLUMNS, names_of
from fastroute.study.axes import axis_name
from fastroute.study.cells import change_rounds
from fastroute.study.tables import PARAMETERS

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastroute.report.compare import StudyComparison
    from fastroute.report.run_comparison import RunComparison
    from fastroute.simulation import Run
    from fastroute.study import PolicySpec, ScenarioSpec, StoredStudy

_TITLE_WIDTH: Final = 70
# Names beside a chart are broken at this width.
_NAME_WIDTH: Final = 24
# Inches.
_SIZE: Final = (6.4, 4.4)


def plot_run(run: "Run", kind: str = "regret", ax: "Axes | None" = None) -> "Axes":
    """Draw what :meth:`fastroute.Run.plot` says."""
    kinds: dict[str, Callable[[Axes, Run], str]] = {
        "regret": lambda axes, run: plot_regrets(axes, [(run.policy.name, run)], "regret"),
        "priced_regret": lambda axes, run: plot_regrets(
            axes, [(run.policy.name, run)], "priced_regret"
        ),
        "parts": _plot_parts,
        "spend": _plot_spend,
    }
    draw = kinds[checks.choice("kind", kind, list(kinds))]
    return drawn(ax, lambda axes: draw(axes, run))


def drawn(ax: "Axes | None", draw: "Callable[[Axes], str]") -> "Axes":
    """Draw on the caller's axes, or on new ones of a figure that notebooks show.

    Parameters
    ----------
    ax : Axes or None
        The caller's.
    draw : callable
        Draws on the axes that it gets; returns the note for the legend.

    Raises
    ------
    ValueError
        When something else is in the place of axes.
    """
    if ax is not None:
        from matplotlib.axes import Axes

        if not isinstance(ax, Axes):
            raise checks.refused(
                "ax", ax, "axes of Matplotlib to draw on", "leave it out for a new figure"
            )
        return _drawn_on(ax, draw)
    from matplotlib import pyplot

    # Before the settings of the house hold: the first figure of a notebook makes pyplot
    # interactive, which is such a setting, and must outlast them.
    figure = pyplot.figure(figsize=_SIZE, layout="constrained", facecolor="white")
    return _drawn_in(figure, draw)


@with_report_style
def _drawn_on(axes: "Axes", draw: "Callable[[Axes], str]") -> "Axes":
    note = draw(axes)
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(handles, labels, title=note or None)
    return axes


@with_report_style
def _drawn_in(figure: "Figure", draw: "Callable[[Axes], str]") -> "Axes":
    axes = figure.subplots()
    note = draw(axes)
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        legend_below(figure, handles, labels, note=note)
    # Ticks take their looks when they are first drawn, which is here under the settings of the
    # house, and not later under those of the caller.
    figure.draw_without_rendering()
    return axes


def plot_regrets(axes: "Axes", runs: "Sequence[tuple[str, Run]]", quantity: str) -> str:
    """Draw a regret of runs over rounds; returns the note for the legend."""
    import polars as pl

    curves = pl.concat(
        [one.curves.with_columns(pl.lit(label).alias("policy")) for label, one in runs]
    )
    words = quantity.replace("_", " ")
    where = " and ".join(dict.fromkeys(one.scenario.name for _, one in runs))
    title = f"{' and '.join(label for label, _ in runs)} in {where}: {words}"
    # Of two worlds the events of neither are those of the chart.
    if len({id(one.scenario) for _, one in runs}) > 1:
        return draw_regret(axes, curves, quantity=quantity, title=title)
    run = runs[0][1]
    changes = change_rounds(run.scenario.resolve(run.settings["horizon"], run.scenario.instances))
    return draw_regret(
        axes, curves, quantity=quantity, title=title, models=run.models, changes=changes
    )


def _plot_parts(axes: "Axes", run: "Run") -> str:
    import polars as pl

    name = run.policy.name
    edges = draw_parts(axes, run.curves.with_columns(pl.lit(name).alias("policy")), name)
    if log_spaced([rounds for rounds, _ in edges]):
        log_rounds(axes, edges)
    axes.set_xlabel("rounds")
    axes.set_ylabel("cumulative regret (units of reward)")
    axes.set_title(wrapped(f"{name} in {run.scenario.name}: parts of the regret", _TITLE_WIDTH))
    return ""


def _plot_spend(axes: "Axes", run: "Run") -> str:
    import polars as pl

    name = run.policy.name
    return draw_spend(
        axes,
        run.stages.with_columns(pl.lit(name).alias("policy")),
        title=f"{name} in {run.scenario.name}: spend against the budget",
        cost_unit=run.scenario.cost_unit.removesuffix(" per query"),
    )


def plot_run_comparison(
    comparison: "RunComparison", kind: str = "regret", ax: "Axes | None" = None
) -> "Axes":
    """Draw what :meth:`RunComparison.plot` says."""
    checks.choice("kind", kind, ("regret", "priced_regret"))
    runs = list(zip(comparison.labels, (comparison.a, comparison.b), strict=True))
    return drawn(ax, lambda axes: plot_regrets(axes, runs, kind))


def plot_study_comparison(
    comparison: "StudyComparison", quantity: str = "priced_regret", ax: "Axes | None" = None
) -> "Axes":
    """Draw what :meth:`fastroute.report.StudyComparison.plot` says."""
    import polars as pl

    every = comparison.table.get_column("quantity").unique(maintain_order=True).to_list()
    rows = comparison.table.filter(quantity=checks.choice("quantity", quantity, every))
    told = told_apart(rows)
    labels = [
        _word(", ".join(format_value(row[name]) for name in told) or quantity.replace("_", " "))
        for row in rows.iter_rows(named=True)
    ]
    measure = "difference" if rows.get_column("ratio").null_count() else "ratio"
    frame = rows.select(
        pl.Series("cell", labels),
        pl.col(measure).alias("mean"),
        pl.col(f"{measure}_low").alias("low"),
        pl.col(f"{measure}_high").alias("high"),
    )

    def draw(axes: "Axes") -> str:
        dots(axes, labels, [("", frame)], "cell")
        axes.axvline(1.0 if measure == "ratio" else 0.0, color=INK, linewidth=0.8)
        words = quantity.replace("_", " ")
        axes.set_xlabel(f"{words}: {'B / A' if measure == 'ratio' else 'B - A'}")
        axes.set_title(wrapped(f"A: {comparison.a}, B: {comparison.b}", _TITLE_WIDTH))
        return ""

    return drawn(ax, draw)


def plot_study(
    stored: "StoredStudy",
    x: str | None = None,
    y: str = "priced_regret",
    by: str = "policy",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw what :meth:`fastroute.study.StoredStudy.plot` says."""
    import polars as pl

    checks.choice("y", y, names_of(TRIAL_COLUMNS))
    rows = stored.summary.filter(pl.col("quantity") == y).sort("cell").collect()
    rows = rows.filter(pl.col("mean").is_finite()).with_columns(
        # Of a single trial there is no interval.
        *(pl.col(end).fill_nan(None).fill_null(pl.col("mean")) for end in ("low", "high"))
    )
    if rows.is_empty():
        raise ValueError(
            f"y={y!r} is not known in any cell of {stored.path}; plot another quantity, or wait "
            "until there are trials"
        )
    names = [name for name in (*PARAMETERS, *stored.axes) if name not in ("cell", "world")]
    varied = [name for name in names if rows.get_column(name).n_unique() > 1]
    if not varied:
        varied = ["policy"]
    x = _swept(stored, varied) if x is None else checks.choice("x", x, varied)
    checks.choice("by", by, list(dict.fromkeys([*varied, "policy"])))
    rows = _numbered(_without_value(stored, rows, x).drop_nulls(x), x)
    lines = _lines(rows, x, by, varied)
    return drawn(ax, lambda axes: _draw_lines(axes, stored, lines, x, y))


def _swept(stored: "StoredStudy", varied: list[str]) -> str:
    """Return the first parameter that the study varies on purpose."""
    setting = stored.study.setting
    swept = [
        name
        for name in varied
        if name in stored.axes or isinstance(getattr(setting, name, None), tuple)
    ]
    return [*swept, *(name for name in ("scenario", "policy") if name in varied), *varied][0]


def _without_value(stored: "StoredStudy", rows: "pl.DataFrame", x: str) -> "pl.DataFrame":
    """Leave the options out of the labels of scenarios or policies where one of them is swept.

    What has the option at a single value does not sweep it, and is left out.
    """
    import polars as pl

    for kind, specs in (("scenario", stored.study.scenario), ("policy", stored.study.policy)):
        if x.startswith(f"{kind}_"):
            labels = {
                label: _owner(label, specs) for label in rows.get_column(kind).unique().to_list()
            }
            rows = rows.with_columns(pl.col(kind).replace_strict(labels))
            rows = rows.filter(pl.col(x).n_unique().over(kind) > 1)
    return rows


def _numbered(rows: "pl.DataFrame", x: str) -> "pl.DataFrame":
    """Return a column of words as numbers where all of them are numbers."""
    import polars as pl

    if rows.schema[x] != pl.String:
        return rows
    numbers = rows.get_column(x).cast(pl.Float64, strict=False)
    return rows if numbers.null_count() else rows.with_columns(numbers)


def _owner(label: str, specs: "Sequence[ScenarioSpec] | Sequence[PolicySpec]") -> str:
    """Return what a label with options begins with."""
    fits = [s.label for s in specs if label == s.label or label.startswith(f"{s.label} (")]
    return max(fits, key=len, default=label)


def _lines(
    rows: "pl.DataFrame", x: str, by: str, varied: list[str]
) -> "list[tuple[str, pl.DataFrame]]":
    """Put rows on lines: one per value of `by`, and where more varies, one per value of that."""
    keys = [by] if by != x else []
    for name in varied:
        if rows.select(*keys, x).is_unique().all():
            break
        if name not in (x, by) and _splits(rows, [*keys, x], name):
            keys.append(name)
    if not keys:
        return [("", rows)]
    found = []
    for values, one in rows.group_by(keys, maintain_order=True):
        told = [
            str(value)
            if name in ("policy", "scenario")
            else f"{axis_name(name)} = {format_value(value)}"
            for name, value in zip(keys, values, strict=True)
        ]
        found.append((", ".join(told), one.sort(x) if one.schema[x].is_numeric() else one))
    return found


def _splits(rows: "pl.DataFrame", keys: list[str], name: str) -> bool:
    """Tell whether rows that agree in `keys` differ in another column."""
    return rows.select(*keys, name).n_unique() > rows.select(keys).n_unique()


def _word(value: Any) -> str:
    """Write a value that stands beside the chart; it takes no more than a third of the width."""
    return wrapped(format_value(value), _NAME_WIDTH)


def _cost_unit(stored: "StoredStudy") -> str:
    """Return the unit of costs; of several scenarios, all of them."""
    units = (found["cost_unit"] for found in stored.manifest["scenarios"].values())
    return " or ".join(dict.fromkeys(units))


def _draw_lines(
    axes: "Axes",
    stored: "StoredStudy",
    lines: "list[tuple[str, pl.DataFrame]]",
    x: str,
    y: str,
) -> str:
    import polars as pl

    finals = {label: float(rows.get_column("mean")[-1]) for label, rows in lines}
    shown = shown_policies(finals)
    drawn_lines = [(label, rows) for label, rows in lines if label in shown]
    column = next(one for one in TRIAL_COLUMNS if one.name == y)
    unit = {"reward": "units of reward", "cost": _cost_unit(stored)}.get(column.unit)
    label = y.replace("_", " ") + (f" ({unit})" if unit not in (None, y) else "")
    if not lines[0][1].schema[x].is_numeric():
        words = [
            (name, rows.with_columns(pl.col(x).map_elements(_word, pl.String)))
            for name, rows in drawn_lines
        ]
        every = list(dict.fromkeys(word for _, rows in words for word in rows.get_column(x)))
        dots(axes, every, words, x)
        spread_axis(axes, [rows for _, rows in words])
        axes.set_xlabel(label)
    else:
        means = np.concatenate([rows.get_column("mean").to_numpy() for _, rows in drawn_lines])
        logarithmic = needs_log(means)
        for name, rows in drawn_lines:
            places = rows.get_column(x).cast(pl.Float64).to_numpy()
            style = line_style(list(finals).index(name))
            error_bars(axes, places, rows, name, style, positive=logarithmic)
        every_x = sorted({float(v) for _, rows in drawn_lines for v in rows.get_column(x)})
        if len(every_x) > 1 and every_x[0] > 0.0:
            log_ticks(axes, every_x)
        if logarithmic:
            axes.set_yscale("log")
        axes.set(xlabel=axis_name(x), ylabel=label)
    title = f"{stored.study.name}: {y.replace('_', ' ')} by {axis_name(x)}"
    axes.set_title(wrapped(title, _TITLE_WIDTH))
    left = len(lines) - len(drawn_lines)
    more = f"; of {len(lines):,} lines {MOST_LINES} are drawn" if left else ""
    return f"95% intervals of the mean{more}" if lines[0][0] else ""
