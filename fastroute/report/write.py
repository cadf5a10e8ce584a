"""Putting the report into the run directory."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastroute.report.answers import answer_of
from fastroute.report.answers.base import Answer, markdown_answer
from fastroute.report.figures import parts_figure, regret_figure, save_figure, spend_figure
from fastroute.report.model_tables import markdown_models
from fastroute.report.overview import markdown_overview, rich_overview
from fastroute.report.table import PolicyRow, markdown_table, rich_tables, table_rows
from fastroute.study import StoredStudy, load
from fastroute.study.store import add_files, text_writer

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Group

# Of a study of many worlds, this many get figures of their own.
_WORLDS_DRAWN: Final = 4
# No two of so many lines are alike; of several worlds, those of more policies are not drawn.
_POLICIES_DRAWN: Final = 49


def write_report(path: str | os.PathLike[str], *, answer: Answer | None = None) -> list[Path]:
    """Draw the figures of a run directory and put its results into its README.

    Where the study names a question, its answer comes first, and is in ``answer.md`` too.

    Parameters
    ----------
    path : path-like
        The run directory of a complete study.
    answer : Answer, optional
        That of the study; it is worked out when not given.

    Returns
    -------
    list of pathlib.Path
        The figures, as SVG and PNG: of every world (a scenario and a setting), or of the first
        few when there are many, without those of more policies than can be told apart; and the
        answer with its figures.

    Raises
    ------
    RunDirectoryError
        When the directory is not a run directory, is being written to, or a frame in it is
        damaged; and when a link is in the place of a file or folder that is written.
    """
    stored = load(path)
    stored.check_frames()
    cells = stored.cells.collect()
    worlds = _drawn(cells)
    writers = _all_figures(stored, cells)
    shown = []
    for prefix in worlds.values():
        shown += [f"![Regret](figures/{prefix}regret.svg)", f"![Spend](figures/{prefix}spend.svg)"]
    count = cells.get_column("world").n_unique()
    if count == 1:
        results = markdown_table(_rows(stored, cells), cost_unit=_cost_unit(cells))
        results += (
            f"\n### Models\n\n{markdown_models(stored.models.collect(), _cost_unit(cells))}\n"
        )
    else:
        results = markdown_overview(cells, stored.axes)
        if left := count - len(worlds):
            shown.append(f"{left} of {count} worlds have no figures here.")
    first = []
    if (answer := answer or answer_of(stored)) is not None:
        text = markdown_answer(answer)
        first = [f"**{answer.question}**", text]
        writers |= _answer_figures(answer)
        writers["answer.md"] = text_writer(f"# {answer.question}\n\n{text}\n")
    add_files(path, writers, "\n\n".join([*first, results, *shown]))
    return [Path(path) / file for file in writers]


def write_figures(path: str | os.PathLike[str], folder: Path) -> list[Path]:
    """Draw the figures of a complete run directory, its answer's too, into ``figures`` elsewhere.

    Parameters
    ----------
    path : path-like
        The run directory; nothing in it is changed.
    folder : pathlib.Path
        Where to.

    Returns
    -------
    list of pathlib.Path
        The figures.
    """
    stored = load(path)
    writers = _all_figures(stored, stored.cells.collect())
    if (answer := answer_of(stored)) is not None:
        writers |= _answer_figures(answer)
    (folder / "figures").mkdir(exist_ok=True)
    for file, write in writers.items():
        write(folder / file)
    return [folder / file for file in writers]


def stored_tables(path: str | os.PathLike[str]) -> "Group":
    """Return the tables of a run directory for a terminal."""
    stored = load(path)
    cells = stored.cells.collect()
    if cells.get_column("world").n_unique() > 1:
        return rich_overview(cells, stored.axes, title=stored.study.name)
    return rich_tables(_rows(stored, cells), title=stored.study.name, cost_unit=_cost_unit(cells))


def _drawn(cells: "pl.DataFrame") -> dict[int, str]:
    """Return the worlds that get figures, and how the names of their files begin."""
    import polars as pl

    worlds = cells.get_column("world").unique(maintain_order=True).to_list()
    several = len(worlds) > 1
    if several:
        sizes = dict(cells.group_by("world").agg(pl.col("policy").n_unique()).iter_rows())
        worlds = [world for world in worlds if sizes[world] <= _POLICIES_DRAWN]
    return {world: f"world-{world}-" if several else "" for world in worlds[:_WORLDS_DRAWN]}


def _all_figures(stored: StoredStudy, cells: "pl.DataFrame") -> dict[str, Callable[[Path], Any]]:
    """Draw the figures of every world that gets some."""
    writers: dict[str, Callable[[Path], Any]] = {}
    for world, prefix in _drawn(cells).items():
        writers |= _figures(stored, cells.filter(world=world), prefix)
    return writers


def _figures(
    stored: StoredStudy, cells: "pl.DataFrame", prefix: str
) -> dict[str, Callable[[Path], Any]]:
    """Draw the figures of one world; returns file names and what writes them."""
    world = cells.get_column("world")[0]
    curves = stored.curves.filter(world=world)
    name = stored.study.name if not prefix else f"{stored.study.name}, world {world}"
    figures = {
        "regret": regret_figure(curves, title=f"{name}: regret"),
        "priced_regret": regret_figure(
            curves, quantity="priced_regret", title=f"{name}: priced regret"
        ),
        "parts": parts_figure(curves, title=f"{name}: parts of the regret"),
        "spend": spend_figure(
            stored.stages.filter(world=world),
            title=f"{name}: spend against the budget",
            cost_unit=_cost_unit(cells),
        ),
    }
    return {
        f"figures/{prefix}{figure_name}{suffix}": functools.partial(save_figure, figure)
        for figure_name, figure in figures.items()
        for suffix in (".svg", ".png")
    }


def _answer_figures(answer: Answer) -> dict[str, Callable[[Path], Any]]:
    """Return file names of the figures of an answer and what writes them."""
    return {
        f"figures/answer-{one.name}{suffix}": functools.partial(save_figure, one.figure)
        for one in answer.figures
        for suffix in (".svg", ".png")
    }


def _rows(stored: StoredStudy, cells: "pl.DataFrame") -> list[PolicyRow]:
    """Gather the rows of the table of a study of one world."""
    facts = cells.select("policy", "seconds", "ns_per_trial_round").rename({"policy": "label"})
    return table_rows(stored.trials, cells.get_column("budget")[0], facts.to_dicts())


def _cost_unit(cells: "pl.DataFrame") -> str:
    # Headings say "per query" themselves where it holds; an overspend is a plain amount.
    return str(cells.get_column("cost_unit")[0]).removesuffix(" per query")
