"""The running estimates of a study, from the frame of cells alone."""

from typing import Final

from fastroute.analyse import student_halfwidth
from fastroute.report.style import format_margin, format_number, format_reward, format_value
from fastroute.report.tables import HeaderCell, Table, TableCell, TableRow
from fastroute.report.view import varied_columns
from fastroute.study import StoredStudy
from fastroute.study.axes import axis_name

_ESTIMATES: Final = (
    HeaderCell("trials", rank=3),
    HeaderCell("regret"),
    HeaderCell("priced regret", rank=1),
    HeaderCell("cost / budget", rank=2),
)


def cells_so_far(stored: StoredStudy) -> Table | None:
    """Lay out one row per cell that has trials; None where there is none."""
    import polars as pl

    every = stored.cells.sort("cell").collect()
    cells = every.filter(pl.col("trials_done") > 0)
    if cells.is_empty():
        return None
    varied = varied_columns(stored, every)
    heads = [
        HeaderCell("policy", number=False, key=True),
        *(HeaderCell(axis_name(name), number=name != "scenario", key=True) for name in varied),
        *_ESTIMATES,
    ]
    lines = []
    for cell in cells.iter_rows(named=True):
        done, regret = cell["trials_done"], format_reward(cell["regret"])
        if cell["regret_se"]:
            half = float(student_halfwidth(cell["regret_se"], done))
            regret = format_margin(cell["regret"], cell["regret"] + half)
        texts = [
            cell["policy"],
            *(format_value(cell[name]) for name in varied),
            f"{done:,}",
            regret,
            format_reward(cell["priced_regret"]),
            format_number(cell["cost"] / cell["budget"]),
        ]
        lines.append(TableRow([TableCell(text) for text in texts], cell["cell"]))
    return Table(
        "cells",
        "Cells",
        heads,
        lines,
        "Means over the trials that are done ± half the 95% interval, one row per cell. Priced "
        "regret adds overspending at what it is worth, and credits no unspent budget.",
    )
