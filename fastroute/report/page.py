"""The page of a study: one HTML file that needs nothing else."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from markupsafe import Markup

from fastroute.report.answers.base import Answer, AnswerFigure
from fastroute.report.content import Content
from fastroute.report.inline import inline_svg
from fastroute.report.markup import template
from fastroute.report.notices import notices
from fastroute.report.page_stamp import DETAILS, PAGE, page_stamp
from fastroute.report.page_tables import (
    adherence_table,
    cells_table,
    models_table,
    pairs_table,
    solver_table,
    time_table,
)
from fastroute.report.ranking import ranking_table
from fastroute.report.ranking_figures import ranking_figure, standings_figure
from fastroute.report.style import format_value
from fastroute.report.sweeps import Sweep
from fastroute.report.tables import Table, frame_table
from fastroute.report.view import StudyView, WorldView
from fastroute.study import RunDirectoryError, load
from fastroute.study.errors import DamagedError
from fastroute.study.files import SafeFolder, write_file
from fastroute.study.store import text_writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PageFigure(NamedTuple):
    """A drawing and what is to be seen in it."""

    svg: Markup
    caption: str


class Section(NamedTuple):
    """What the page shows of one world."""

    number: int
    title: str
    ranking: Table | None
    results: Table
    pairs: Table | None
    adherence: Table
    models: Table | None
    figures: dict[str, PageFigure]
    warnings: list[tuple[str, str]]


def write_page(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    details: int = DETAILS,
    content: Content | None = None,
) -> Path:
    """Write the page of a study that is complete, running, interrupted or killed.

    Parameters
    ----------
    path : path-like
        The run directory. Nothing in it is changed but the page.
    out : path-like, optional
        The file to write; default ``report.html`` in the run directory.
    details : int
        Largest number of cells that are shown in detail; whole worlds, the first ones, and at
        least one. All others are in the tables of results and in the sweeps.
    content : Content, optional
        Of the same study; `details` is then that of the content.

    Returns
    -------
    pathlib.Path
        The page: one HTML file without references to other files or to the network, which can be
        read without JavaScript and printed.

    Raises
    ------
    ValueError
        When `details` is below 1.
    RunDirectoryError
        When the directory is not a run directory, a frame or shard in it is damaged, or the page
        in it is a symbolic link.
    OSError
        When the page cannot be written.
    """
    import polars as pl

    if details < 1:
        raise ValueError(f"details: {details} cells cannot be shown; give at least 1")
    stored = load(path) if content is None else content.stored
    stored.check_frames()
    try:
        content = content or Content(stored, details)
        text = render(content, page_stamp(stored, content.details))
    except (DamagedError, pl.exceptions.PolarsError) as error:
        raise RunDirectoryError(
            f"{path}: {error}; run the study again: it computes the damaged parts again"
        ) from None
    write = text_writer(text)
    if out is None:
        SafeFolder(Path(path)).write(PAGE, write)
        return Path(path) / PAGE
    write_file(Path(out), write)
    return Path(out)


def render(content: Content, stamp: str) -> str:
    """Return the page as HTML, with the mark of what it shows in it."""
    view, answer = content.view, content.answer
    cells = view.cells
    several = cells.get_column("world").n_unique() > 1
    begun = view.begun > 0
    return template("page.html").render(
        name=view.stored.study.name,
        description=view.stored.study.description,
        status=view.status,
        as_of=_now() if view.status.state != "complete" else view.stored.manifest["finished"],
        facts=_facts(view),
        scenarios=view.stored.manifest["scenarios"],
        toml=view.stored.study.to_toml(),
        summary=content.summary,
        first_figures=_first_figures(view, answer),
        answer=_answer(answer),
        notices=notices(view),
        several=several,
        cells=cells_table(view, cells, "results", linked=several) if begun else None,
        sections=[_section(content, world) for world in view.worlds],
        begun=view.begun,
        sweeps=[_sweep(*sweep) for sweep in content.sweeps],
        methods=solver_table(view),
        times=time_table(view),
        version=view.stored.manifest["versions"]["fastroute"],
        stamp=stamp,
    )


def _first_figures(view: StudyView, answer: Answer | None) -> list[PageFigure]:
    """Return the figure that answers the question."""
    if answer is not None:
        return [_answer_figure(one) for one in answer.figures[:1]]
    if view.standings is not None:
        caption = "In how many worlds each policy has the lowest priced regret, or is close to it."
        return [PageFigure(_inline(standings_figure(view.standings), "ranking", caption), caption)]
    ranked = view.worlds[0].ranking if view.worlds else None
    if ranked is None:
        return []
    caption = "Priced regret of every policy with its 95% interval, the best first."
    return [PageFigure(_inline(ranking_figure(ranked), "ranking", caption), caption)]


def _answer(answer: Answer | None) -> dict[str, Any] | None:
    """Return what the page shows of an answer below its first part."""
    if answer is None:
        return None
    return {
        "tables": [
            frame_table(f"answer-{place}", table.title, table.frame, table.note)
            for place, table in enumerate(answer.tables)
        ],
        "figures": [_answer_figure(one) for one in answer.figures[1:]],
    }


def _answer_figure(one: AnswerFigure) -> PageFigure:
    return PageFigure(_inline(one.figure, f"answer-{one.name}", one.caption), one.caption)


def _sweep(sweep: Sweep, figures: "dict[str, Figure]") -> dict[str, Any]:
    return {
        "name": sweep.name,
        "figures": [
            PageFigure(
                _inline(
                    figure,
                    f"sweep-{sweep.axis}-{quantity}",
                    f"{quantity.replace('_', ' ').capitalize()} at the horizon against "
                    f"{sweep.name}, one line per policy with 95% intervals.",
                ),
                "",
            )
            for quantity, figure in figures.items()
        ],
        "notes": sweep.notes,
    }


def _section(content: Content, world: WorldView) -> Section:
    view = content.view
    labels = world.cells.get_column("policy").to_list()
    stored: list[tuple[str, str]] = []
    if "warnings" in world.cells.columns:
        texts = world.cells.get_column("warnings").to_list()
        stored = [(label, text) for label, some in zip(labels, texts, strict=True) for text in some]
    return Section(
        number=world.number,
        title=world.title,
        ranking=ranking_table(view, world),
        results=cells_table(view, world.cells, f"results-{world.number}"),
        pairs=pairs_table(view, world),
        adherence=adherence_table(view, world),
        models=models_table(view, world),
        figures=_world_figures(content, world),
        warnings=stored,
    )


def _world_figures(content: Content, world: WorldView) -> dict[str, PageFigure]:
    return {
        name: PageFigure(_inline(figure, f"{name}-{world.number}", caption), caption)
        for name, (figure, caption) in content.figures(world).items()
    }


def _inline(figure: "Figure", name: str, description: str) -> Markup:
    # Drawn by this program, every name in it escaped.
    return Markup(inline_svg(figure, name, description))


def _facts(view: StudyView) -> list[tuple[str, str]]:
    """Describe the study in a few lines."""
    stored, cells = view.stored, view.cells
    study, manifest = stored.study, stored.manifest
    setting = study.setting
    worlds = cells.get_column("world").n_unique()
    last = manifest["sessions"][-1]
    machine = manifest["machine"]
    facts = [
        (
            "Cells",
            f"{_count(cells.height, 'cell')} in {_count(worlds, 'world')}, a world being a "
            "scenario and a setting that all policies meet",
        ),
        ("Policies", "; ".join(_policies(view))),
        *((name, _values(getattr(setting, name))) for name in type(setting).model_fields),
        ("Begun", manifest["created"]),
        ("Finished", manifest["finished"] or "not yet"),
        ("Sessions", f"{len(manifest['sessions'])}, the last on {last.get('executor', 'nothing')}"),
        ("Machine", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("Versions", ", ".join(f"{name} {text}" for name, text in manifest["versions"].items())),
    ]
    return [(_HEADS.get(name, name), text) for name, text in facts]


_HEADS: Final = {
    "horizon": "Rounds (horizon T)",
    "budget": "Budget per query",
    "max_deployed": "Models deployed at once",
    "stages": "Stages",
    "trials": "Trials",
    "seed": "Seed",
    "checkpoints": "Points of a curve",
    "deploy_cost": "Cost of a deployment",
    "load_rounds": "Rounds to load a model",
    "backend": "Backend",
}


def _policies(view: StudyView) -> list[str]:
    """Say what each policy is made of."""
    columns = ("policy", "estimator", "deployer", "router")
    rows = view.cells.unique("policy", keep="first", maintain_order=True).select(columns)
    return [f"{label} ({' · '.join(triple)})" for label, *triple in rows.iter_rows()]


def _values(value: Any) -> str:
    write: Callable[[Any], str] = format_value
    return ", ".join(map(write, value)) if isinstance(value, tuple) else format_value(value)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
