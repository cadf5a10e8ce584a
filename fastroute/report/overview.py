"""The table of a study of many worlds: one row per cell, and what varies in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fastroute.analyse import student_halfwidth
from fastroute.report.style import format_number, format_reward, format_value
from fastroute.report.terminal import FittedTable, TableColumn
from fastroute.study.markdown import markdown_rows

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Group

# Nobody reads more rows than this; the frames have them all.
_MOST_ROWS: Final = 60
# The columns of results, and which of them goes first where there is no room: the highest.
_ESTIMATES: Final = {"trials": 3, "regret": 0, "priced regret": 1, "cost / budget": 2}
_SETTINGS: Final = ("scenario", "horizon", "budget", "max_deployed", "stages", "seed")


def rich_overview(cells: "pl.DataFrame", axes: Sequence[str], *, title: str = "") -> "Group":
    """Lay the overview out for a terminal.

    Parameters
    ----------
    cells : polars.DataFrame
        The cells of a study, with their running estimates.
    axes : sequence of str
        Names of the columns of further axes.
    title : str
        Written above the table.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    heads, rows = _table(cells, axes)
    columns = [
        TableColumn(
            head,
            right=head not in ("policy", "scenario"),
            key=head not in _ESTIMATES,
            rank=_ESTIMATES.get(head, 0),
        )
        for head in heads
    ]
    table = FittedTable(columns, rows)
    caption = Padding(Text(_caption(cells), style="dim"), (0, 0, 1, 0))
    return Group(Text(title, style="bold"), table, caption)


def markdown_overview(cells: "pl.DataFrame", axes: Sequence[str]) -> str:
    """Write the overview as Markdown, its caption below."""
    heads, rows = _table(cells, axes)
    body = markdown_rows(heads, ["---:"] * len(heads), rows)
    return f"{body}\n\n{_caption(cells)}"


def _table(cells: "pl.DataFrame", axes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows: what varies, the policy, and the estimates."""
    varied = [name for name in (*_SETTINGS, *axes) if cells.get_column(name).n_unique() > 1]
    heads = [*varied, "policy", *_ESTIMATES]
    rows = []
    for cell in cells.head(_MOST_ROWS).iter_rows(named=True):
        done = cell["trials_done"]
        estimates = ["-", "-", "-"]
        if done:
            estimates = [
                _with_margin(cell["regret"], cell["regret_se"], done),
                format_reward(cell["priced_regret"]),
                format_number(cell["cost"] / cell["budget"]),
            ]
        rows.append(
            [
                *(format_value(cell[name]) for name in varied),
                cell["policy"],
                f"{done:,}",
                *estimates,
            ]
        )
    return heads, rows


def _with_margin(mean: float, se: float | None, trials: int) -> str:
    if not se:
        return format_number(mean)
    half = float(student_halfwidth(se, trials))
    return f"{format_number(mean)} ± {format_number(half, 1 if half < 1.0 else 2)}"


def _caption(cells: "pl.DataFrame") -> str:
    left = cells.height - _MOST_ROWS
    more = f" {left:,} more cells are in the frames." if left > 0 else ""
    return (
        "Means over trials ± half the 95% interval, one row per cell. Priced regret adds "
        f"overspending at what it is worth, and credits no unspent budget.{more}"
    )
