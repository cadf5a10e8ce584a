"""The page of a study: one HTML file that needs nothing else."""

import base64
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastroute.report.answers import answer_of
from fastroute.report.answers.base import Answer, format_cell
from fastroute.report.figures import svg_text
from fastroute.report.model_tables import models_table
from fastroute.report.notices import notices
from fastroute.report.page_charts import parts_charts, regret_charts, spend_chart
from fastroute.report.page_data import PageData, WorldReport, collect_page_data
from fastroute.report.page_stamp import DETAILS, PAGE, page_stamp
from fastroute.report.page_tables import (
    HeaderCell,
    PageTable,
    TableCell,
    TableRow,
    adherence_table,
    cells_table,
    pairs_table,
    solver_table,
    time_table,
)
from fastroute.report.style import PARTS, RC, format_value, line_style
from fastroute.report.svg import Chart, LegendEntry
from fastroute.report.sweeps import sweeps
from fastroute.study import RunDirectoryError, load
from fastroute.study.errors import DamagedError
from fastroute.study.files import SafeFolder, write_file
from fastroute.study.store import text_writer


class Section(NamedTuple):
    """What the page shows of one world."""

    number: int
    title: str
    keys: list[LegendEntry]
    results: PageTable
    pairs: PageTable | None
    adherence: PageTable
    models: PageTable | None
    regret: list[Chart]
    parts: list[Chart]
    parts_shared: bool
    spend: Chart
    stages_left: int
    warnings: list[tuple[str, str]]


def write_page(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    details: int = DETAILS,
    answer: Answer | None = None,
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
    answer : Answer, optional
        That of the study; it is worked out when not given.

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
    stored = load(path)
    stored.check_frames()
    try:
        stamp = page_stamp(stored, details)
        content = render(collect_page_data(stored, details), answer or answer_of(stored), stamp)
    except (DamagedError, pl.exceptions.PolarsError) as error:
        raise RunDirectoryError(
            f"{path}: {error}; run the study again: it computes the damaged parts again"
        ) from None
    write = text_writer(content)
    if out is None:
        SafeFolder(Path(path)).write(PAGE, write)
        return Path(path) / PAGE
    write_file(Path(out), write)
    return Path(out)


def render(data: PageData, answer: Answer | None, stamp: str) -> str:
    """Return the page as HTML, with the mark of what it shows in it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fastroute.report", "templates"),
        # Names and labels come from a file that someone wrote: nothing of them is markup.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cells = data.cells
    several = cells.get_column("world").n_unique() > 1
    begun = data.begun > 0
    return environment.get_template("page.html").render(
        name=data.stored.study.name,
        description=data.stored.study.description,
        status=data.status,
        as_of=_now() if data.status.state != "complete" else data.stored.manifest["finished"],
        facts=_facts(data),
        scenarios=data.stored.manifest["scenarios"],
        toml=data.stored.study.to_toml(),
        answer=_answer(answer),
        notices=notices(data),
        several=several,
        cells=cells_table(data, cells, "results", linked=several) if begun else None,
        sections=[_section(data, world) for world in data.worlds],
        begun=data.begun,
        sweeps=sweeps(data) if begun else [],
        methods=solver_table(data),
        times=time_table(data),
        parts={part: {"colour": colour, "hatch": hatch} for part, (colour, hatch) in PARTS.items()},
        line_width=RC["lines.linewidth"],
        version=data.stored.manifest["versions"]["fastroute"],
        stamp=stamp,
    )


def _answer(answer: Answer | None) -> dict[str, Any] | None:
    """Return what the page shows of an answer."""
    if answer is None:
        return None
    return {
        "question": answer.question,
        "verdict": answer.verdict,
        "tables": [
            PageTable(
                f"answer-{place}",
                table.title,
                [
                    HeaderCell(name, number=dtype.is_numeric())
                    for name, dtype in table.frame.schema.items()
                ],
                [
                    TableRow([TableCell(format_cell(value)) for value in row])
                    for row in table.frame.iter_rows()
                ],
                table.note,
            )
            for place, table in enumerate(answer.tables)
        ],
        "figures": [
            {
                "caption": one.caption,
                "data": base64.b64encode(svg_text(one.figure).encode()).decode(),
            }
            for one in answer.figures
        ],
    }


def _section(data: PageData, world: WorldReport) -> Section:
    parts, shared = parts_charts(data, world)
    spend, left = spend_chart(data, world)
    labels = world.cells.get_column("policy").to_list()
    stored: list[tuple[str, str]] = []
    if "warnings" in world.cells.columns:
        texts = world.cells.get_column("warnings").to_list()
        stored = [(label, text) for label, some in zip(labels, texts, strict=True) for text in some]
    return Section(
        number=world.number,
        title=world.title,
        keys=[_key(data, label) for label in labels],
        results=cells_table(data, world.cells, f"results-{world.number}"),
        pairs=pairs_table(data, world),
        adherence=adherence_table(data, world),
        models=models_table(data, world),
        regret=regret_charts(data, world),
        parts=parts,
        parts_shared=shared,
        spend=spend,
        stages_left=left,
        warnings=stored,
    )


def _key(data: PageData, label: str) -> LegendEntry:
    index = data.policies.index(label)
    return LegendEntry(label, line_style(index), index)


def _facts(data: PageData) -> list[tuple[str, str]]:
    """Describe the study in a few lines."""
    stored, cells = data.stored, data.cells
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
        ("Policies", "; ".join(_policies(data))),
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


def _policies(data: PageData) -> list[str]:
    """Say what each policy is made of."""
    columns = ("policy", "estimator", "deployer", "router")
    rows = data.cells.unique("policy", keep="first", maintain_order=True).select(columns)
    return [f"{label} ({' · '.join(triple)})" for label, *triple in rows.iter_rows()]


def _values(value: Any) -> str:
    write: Callable[[Any], str] = format_value
    return ", ".join(map(write, value)) if isinstance(value, tuple) else format_value(value)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
