"""The figures of `deploy-cost`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastroute.analyse import mean_interval
from fastroute.report.answers.deploy_cost_settings import Setting, lines_of, theory_stages
from fastroute.report.charts import error_bars, legend_below, log_ticks, panels, with_report_style
from fastroute.report.style import format_value, line_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def shown_in_figures(settings: Sequence[Setting]) -> tuple[int, int]:
    """Return the largest horizon and the shortest time of loading."""
    return max(one.horizon for one in settings), min(one.load for one in settings)


@with_report_style
def loss_figure(settings: list[Setting]) -> "Figure":
    """Draw the loss against the number of stages, by the cost of a deployment."""
    horizon, load = shown_in_figures(settings)
    shown = [one for one in settings if (one.horizon, one.load) == (horizon, load)]
    lines = lines_of(shown)
    costs = sorted({one.cost for one in shown})
    figure, axes = panels(len(lines), columns=2, width=3.4, height=2.7)
    for panel, line in zip(axes, lines, strict=True):
        panel.set_title(line[0].where)
        for one in line:
            label = f"a deployment costs {format_value(one.cost)}"
            _draw_loss(panel, one, label, costs.index(one.cost))
        panel.axvline(theory_stages(horizon), color="black", linestyle=":", linewidth=1.0)
        log_ticks(panel, sorted({stages for one in line for stages in one.stages}))
        if all(mean_interval(loss).low > 0.0 for one in line for loss in one.loss):
            panel.set_yscale("log")
        panel.set_xlabel("number of stages K")
        panel.set_ylabel("loss (units of reward)")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


def _draw_loss(panel: "Axes", setting: Setting, label: str, number: int) -> None:
    import polars as pl

    found = [mean_interval(loss) for loss in setting.loss]
    frame = pl.DataFrame(
        {
            "mean": [one.estimate for one in found],
            "low": [one.low for one in found],
            "high": [one.high for one in found],
        }
    )
    error_bars(panel, setting.stages, frame, label, line_style(number))


@with_report_style
def best_figure(settings: list[Setting]) -> "Figure":
    """Draw the best number of stages against the cost of a deployment, by the horizon."""
    import polars as pl
    from matplotlib.ticker import FixedLocator, NullLocator

    _, load = shown_in_figures(settings)
    lines = lines_of([one for one in settings if one.load == load])
    costs = sorted({one.cost for line in lines for one in line})
    horizons = sorted({one.horizon for line in lines for one in line})
    figure, axes = panels(len(lines), columns=2, width=3.4, height=2.7)
    for panel, line in zip(axes, lines, strict=True):
        panel.set_title(line[0].where)
        for number, horizon in enumerate(horizons):
            mine = sorted((one for one in line if one.horizon == horizon), key=lambda one: one.cost)
            frame = pl.DataFrame(
                {
                    "mean": [float(one.best) for one in mine],
                    "low": [float(one.untold[0]) for one in mine],
                    "high": [float(one.untold[-1]) for one in mine],
                }
            )
            # Costs are evenly spaced, as 0 is among them; horizons stand side by side.
            offset = 0.1 * (number - 0.5 * (len(horizons) - 1))
            style = line_style(number)
            places = [costs.index(one.cost) + offset for one in mine]
            error_bars(panel, places, frame, f"T = {format_value(horizon)}", style)
            panel.axhline(theory_stages(horizon), color=style.colour, linestyle=":", linewidth=1.0)
        panel.set_yscale("log")
        # The numbers that are played differ a little, as lengths of stages are rounded up.
        played = max(line, key=lambda one: one.horizon).stages
        panel.yaxis.set_major_locator(FixedLocator(played))
        panel.yaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        panel.set_ylim(0.8 * played[0], 1.25 * played[-1])
        panel.set_xticks(range(len(costs)), [format_value(cost) for cost in costs])
        panel.set_xlabel("cost of a deployment (units of reward)")
        panel.set_ylabel("best number of stages")
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure
