"""Putting the report into the run directory."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastroute.report.answers.base import Answer, markdown_answer
from fastroute.report.charts import save_figure
from fastroute.report.content import Content
from fastroute.report.page_tables import cells_table, models_table
from fastroute.report.summary import markdown_summary
from fastroute.report.tables import markdown_table
from fastroute.study import load
from fastroute.study.store import add_files, text_writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of a study of many worlds, this many get figures of their own.
_WORLDS_DRAWN: Final = 4
# Nobody reads more rows than this in a README; the frames have them all.
_MOST_ROWS: Final = 60
_SUFFIXES: Final = (".svg", ".png")

#: File names, from the folder of the study, and what writes them.
Writers = dict[str, Callable[[Path], Any]]


def write_report(path: str | os.PathLike[str], *, content: Content | None = None) -> list[Path]:
    """Draw the figures of a run directory and put its results into its README.

    Where the study names a question, its answer comes first, and is in ``answer.md`` too.

    Parameters
    ----------
    path : path-like
        The run directory of a complete study.
    content : Content, optional
        Of the same study; it is collected when not given.

    Returns
    -------
    list of pathlib.Path
        The figures, as SVG and PNG: of every world (a scenario and a setting), or of the first
        few when there are many; of every swept parameter; and the answer with its figures.

    Raises
    ------
    RunDirectoryError
        When the directory is not a run directory, is being written to, or a frame in it is
        damaged; and when a link is in the place of a file or folder that is written.
    """
    stored = load(path)
    stored.check_frames()
    content = content or Content(stored)
    view = content.view
    writers = _figure_writers(content)
    shown = [f"![{Path(file).stem}]({file})" for file in writers if file.endswith(".svg")]
    cells = cells_table(view, view.cells.head(_MOST_ROWS), "results", linked=bool(view.varied))
    parts = [markdown_table(cells)]
    if left := view.cells.height - _MOST_ROWS:
        parts += [f"{left:,} more cells are in the frames."] if left > 0 else []
    if view.begun == 1 and (models := models_table(view, view.worlds[0])) is not None:
        parts.append(f"### Models\n\n{markdown_table(models)}")
    parts += shown
    if (left := view.begun - _WORLDS_DRAWN) > 0:
        parts.append(f"{left:,} of {view.begun:,} worlds have no figures here.")
    if (answer := content.answer) is not None:
        text = markdown_answer(answer)
        parts = [f"**{answer.question}**", text, *parts]
        writers |= _answer_writers(answer)
        writers["answer.md"] = text_writer(f"# {answer.question}\n\n{text}\n")
    else:
        parts.insert(0, markdown_summary(content.summary))
    add_files(path, writers, "\n\n".join(part for part in parts if part))
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
    content = Content(stored)
    writers = _figure_writers(content)
    if content.answer is not None:
        writers |= _answer_writers(content.answer)
    (folder / "figures").mkdir(exist_ok=True)
    for file, write in writers.items():
        write(folder / file)
    return [folder / file for file in writers]


def _figure_writers(content: Content) -> Writers:
    """Draw the figures of the first worlds and of every swept parameter."""
    several = content.view.begun > 1
    writers: Writers = {}
    for world in content.view.worlds[:_WORLDS_DRAWN]:
        prefix = f"world-{world.number}-" if several else ""
        for name, (figure, _) in content.figures(world).items():
            writers |= _writers(f"figures/{prefix}{name}", figure)
    for sweep, figures in content.sweeps:
        for quantity, figure in figures.items():
            writers |= _writers(f"figures/sweep-{sweep.axis}-{quantity}", figure)
    return writers


def _answer_writers(answer: Answer) -> Writers:
    writers: Writers = {}
    for one in answer.figures:
        writers |= _writers(f"figures/answer-{one.name}", one.figure)
    return writers


def _writers(name: str, figure: "Figure") -> Writers:
    return {f"{name}{suffix}": functools.partial(save_figure, figure) for suffix in _SUFFIXES}
