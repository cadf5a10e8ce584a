"""Putting the report into the run directory."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastroute.report.figures import parts_figure, regret_figure, save_figure, spend_figure
from fastroute.report.table import Row, markdown_table, rich_tables, table_rows
from fastroute.study.store import StoredStudy, add_files, load

if TYPE_CHECKING:
    from rich.console import Group


def write_report(path: str | os.PathLike[str]) -> list[Path]:
    """Draw the figures of a run directory and put the table of results into its README.

    Parameters
    ----------
    path : path-like
        A run directory; of an unfinished study, the finished policies are drawn.

    Returns
    -------
    list of pathlib.Path
        The figures, as SVG and PNG.

    Raises
    ------
    RunDirectoryError
        When the directory is not a run directory, or no policy has finished in it yet.
    """
    stored = load(path)
    unit = cost_unit(stored)
    name = stored.study.name
    figures = {
        "regret": regret_figure(stored.curves, title=f"{name}: regret"),
        "priced_regret": regret_figure(
            stored.curves, quantity="priced_regret", title=f"{name}: priced regret"
        ),
        "parts": parts_figure(stored.curves, title=f"{name}: parts of the regret"),
        "spend": spend_figure(
            stored.stages, title=f"{name}: spend against the budget", cost_unit=unit
        ),
    }
    writers: dict[str, Callable[[Path], Any]] = {
        f"figures/{figure_name}{suffix}": functools.partial(save_figure, figure)
        for figure_name, figure in figures.items()
        for suffix in (".svg", ".png")
    }
    results = markdown_table(stored_rows(stored), cost_unit=unit)
    add_files(
        path, writers, f"{results}\n![Regret](figures/regret.svg)\n\n![Spend](figures/spend.svg)"
    )
    return [Path(path) / file for file in writers]


def stored_tables(path: str | os.PathLike[str]) -> "Group":
    """Return the tables of a run directory for a terminal."""
    stored = load(path)
    return rich_tables(stored_rows(stored), title=stored.study.name, cost_unit=cost_unit(stored))


def stored_rows(stored: StoredStudy) -> list[Row]:
    """Gather the rows of the table of a stored study."""
    return table_rows(stored.trials, stored.study.setting.budget, stored.manifest["policies"])


def cost_unit(stored: StoredStudy) -> str:
    """Return the unit of costs of a stored study's scenario."""
    unit = str(stored.manifest["scenario"]["cost_unit"])
    # Headings say "per query" themselves where it holds; an overspend is a plain amount.
    return unit.removesuffix(" per query")
