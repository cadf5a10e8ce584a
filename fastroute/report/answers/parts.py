"""The parts of the regret as lines."""

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from fastroute.report.answers.lines import summary_of
from fastroute.report.charts import error_bars
from fastroute.report.style import INK, PARTS, LineStyle

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from fastroute.study import StoredStudy


def part_lines(
    axes: "Axes",
    x: ArrayLike,
    stored: "StoredStudy",
    cells: "pl.DataFrame",
    measure: str,
    *,
    positive: bool = False,
) -> None:
    """Draw the parts of the regret, and in black the regret by some measure, of cells over `x`."""
    looks = {part: LineStyle(colour, "-") for part, (colour, _) in PARTS.items()}
    for name in (*PARTS, measure):
        error_bars(
            axes,
            x,
            summary_of(stored, cells, name),
            name if name in PARTS else "regret",
            looks.get(name, LineStyle(INK, "-")),
            positive=positive,
        )
