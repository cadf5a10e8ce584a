"""The commands on studies: ``fastroute run``, ``status``, ``report`` and ``presets``.

As in ``cli.py``, only Typer is imported at the top.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fastroute.cli_complete import complete_executor, complete_run, complete_study
from fastroute.cli_output import Verbose, console

if TYPE_CHECKING:
    from fastroute.report import Content
    from fastroute.study import StoredStudy, Study

# Exit code of a study of which some shards failed; the rest is done.
_SOME_FAILED: Final = 1
# Seconds after which a command says what it is doing.
_MOMENT: Final = 1.0
# Rows of cells that `status` prints.
_CELLS_PRINTED: Final = 60
_Directory = Annotated[
    Path,
    typer.Argument(metavar="DIRECTORY", help="A run directory.", autocompletion=complete_run),
]


def run(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="A preset (see `fastroute presets`) or a TOML file.",
            autocompletion=complete_study,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run directory: new, or one to continue. Default: runs/NAME.",
            autocompletion=complete_run,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The short form of the study: its table [quick].")
    ] = False,
    trials: Annotated[int | None, typer.Option(help="Trials, instead of the study's.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Rounds, instead of the study's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the study's.")] = None,
    executor: Annotated[
        str,
        typer.Option(
            help="threads, processes, dask, or dask://HOST:PORT.", autocompletion=complete_executor
        ),
    ] = "threads",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads or processes. Default: all cores.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, how long and how large.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but the run directory.")
    ] = False,
    verbose: Verbose = 0,
) -> None:
    """Run a study, or continue one, and print its results.

    Its cells are simulated, and frames, figures and a page are written to a run directory. The
    results go to standard output, progress to standard error. A run that is interrupted or killed
    keeps what was done; the same command continues it. Exit code 1: some parts failed.
    """
    from fastroute.report.page_stamp import page_is_current
    from fastroute.study import run_study

    found = _find_study(study)
    planned = (found.quick() if quick else found).with_setting(
        trials=trials, horizon=horizon, seed=seed
    )
    if dry_run:
        _print_plan(planned, executor, workers)
        return
    result = run_study(planned, out, executor=executor, workers=workers, progress=not quiet)
    unasked = result.study.answer is not None and not (result.path / "answer.md").exists()
    undrawn = result.shards_run or unasked or not (result.path / "figures").exists()
    # What is there of an earlier run stays: an answer takes seconds of bootstrap in some studies.
    content = None
    if undrawn or not page_is_current(result):
        with _said_when_slow("drawing figures and page", show=not quiet):
            content = _draw(result, figures=bool(result.complete and undrawn))
    if not result.complete:
        counts = result.manifest["shards"]
        typer.echo(
            f"error: {len(counts['failed'])} of {counts['total']:,} shards failed "
            f"{_attempts()} times and were set aside; {result.path / 'failed'} says why. The rest "
            "is done; run the study again to try them again",
            err=True,
        )
        raise typer.Exit(_SOME_FAILED)
    if quiet:
        typer.echo(result.path)
        return
    from fastroute.report import Content
    from fastroute.report.summary import rich_summary

    screen = console()
    screen.print(rich_summary((content or Content(result)).summary))
    screen.print(f"Everything is in {result.path}", markup=False, highlight=False, soft_wrap=True)


def status(
    directory: _Directory,
) -> None:
    """Show how far a study is.

    Prints cells, shards, speed, time left, running estimates and failures. Works while the study
    runs, from any terminal, and after it ended or was killed.
    """
    from fastroute.study import load
    from fastroute.study.status import status_of

    stored = load(directory)
    found = status_of(stored)
    screen = console()
    for line in found.lines:
        screen.print(line, markup=False, highlight=False, soft_wrap=True)
    _print_cells(stored)


def report(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIRECTORY",
            help="A run directory, or the decision log of an online router.",
            autocompletion=complete_run,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or a directory for the page and the figures. "
            "Default: report.html in DIRECTORY; beside a decision log, with the ending .html."
        ),
    ] = None,
    details: Annotated[
        int | None, typer.Option(min=1, help="Most cells that are shown in detail. Default: 24.")
    ] = None,
    verbose: Verbose = 0,
) -> None:
    """Write the results of a study, or a decision log, as one HTML page.

    Prints where the page is. Works on a study that is complete, still running, interrupted or
    killed; the page says what is missing. It needs no network and can be read without JavaScript
    and printed.
    """
    from fastroute.outcomes.databases import is_database

    if directory.is_file() and is_database(directory):
        from fastroute.online.page import write_log_page

        typer.echo(write_log_page(directory, out))
        return
    from fastroute.report import write_figures
    from fastroute.report.page import write_page
    from fastroute.report.page_stamp import DETAILS, PAGE
    from fastroute.study import load

    place = out
    # A name without a suffix is that of a folder, also of one that is not there yet.
    if out is not None and (out.is_dir() or not out.suffix):
        load(directory)
        out.mkdir(parents=True, exist_ok=True)
        place = out / PAGE
    page = write_page(directory, place, details=DETAILS if details is None else details)
    if out is not None and place != out and load(directory).complete:
        write_figures(directory, out)
    typer.echo(page)


def presets() -> None:
    """List the studies that come with fastroute."""
    from fastroute.report.terminal import FittedTable, TableColumn
    from fastroute.study import Study, preset_names
    from fastroute.study.grid import count_cells

    rows = []
    for name in preset_names():
        study = Study.preset(name)
        quick = "-" if study.quick_setting is None else _format_size(study.quick())
        rows.append(
            [name, study.description, f"{count_cells(study):,}", _format_size(study), quick]
        )
    columns = [
        TableColumn("name", key=True),
        TableColumn("description", key=True, wraps=True),
        TableColumn("cells", right=True),
        TableColumn("rounds x trials", wraps=True),
        TableColumn("--quick"),
    ]
    console().print(FittedTable(columns, rows))


def _format_size(study: "Study") -> str:
    """Write the rounds and trials of a study."""
    return f"{_format_axis(study.setting.horizon)} x {_format_axis(study.setting.trials)}"


def _format_axis(value: Any) -> str:
    """Write a setting in one word: the value, or the ends of its axis."""
    if not isinstance(value, tuple):
        return value if isinstance(value, str) else f"{value:,}"
    numbers = [entry for entry in value if not isinstance(entry, str)]
    if len(numbers) < len(value):
        return f"{len(value)} values"
    return f"{min(numbers):,}-{max(numbers):,}"


def _find_study(name: str) -> "Study":
    """Return the study in a file, or the preset of that name."""
    from fastroute.study import Study, StudyError, preset_names

    path = Path(name)
    if name not in preset_names() and (path.suffix == ".toml" or path.exists()):
        return Study.from_toml(path)
    try:
        return Study.preset(name)
    except StudyError as error:
        raise ValueError(f"{error}. Or give a file that ends in .toml") from None


def _draw(result: "StoredStudy", *, figures: bool) -> "Content":
    """Write the page of a study, and its figures."""
    from fastroute.report import Content, write_page, write_report

    content = Content(result)
    write_page(result.path, content=content)
    if figures:
        write_report(result.path, content=content)
    return content


@contextlib.contextmanager
def _said_when_slow(what: str, *, show: bool) -> Iterator[None]:
    """Say on standard error what is being done when it takes longer than a moment."""
    timer = threading.Timer(_MOMENT, lambda: typer.echo(f"{what} ...", err=True))
    timer.daemon = True
    if show:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if show:
            timer.join()


def _attempts() -> int:
    from fastroute.study.schedule import ATTEMPTS

    return ATTEMPTS


def _print_plan(study: "Study", executor: str, workers: int | None) -> None:
    from fastroute.study.estimate import estimate

    screen = console()
    for line in estimate(study, executor, workers, progress=True).lines:
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_cells(stored: "StoredStudy") -> None:
    """Print the table of the cells that have trials."""
    from fastroute.report.status import cells_so_far
    from fastroute.report.tables import rich_table

    if (table := cells_so_far(stored)) is not None:
        console().print(rich_table(table, rows=_CELLS_PRINTED))
