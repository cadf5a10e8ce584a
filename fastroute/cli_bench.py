"""The command ``fastroute bench``: run the suites in a process of their own, print one table."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from fastroute.cli_output import console

_NEEDED: Final = ("pytest", "pytest_benchmark")
_SUITES: Final = ("routing", "deployment", "simulation", "startup")
# Exit codes of pytest: cases ended in an error; it was interrupted.
_SOME_FAILED, _INTERRUPTED = 1, 2


def bench(
    full: Annotated[
        bool, typer.Option("--full", help="Run every case and rival (about 25 minutes).")
    ] = False,
    full_memory: Annotated[
        bool,
        typer.Option(
            "--full-memory",
            help="Measure the memory of 1024 trials of 10^8 rounds too (about 20 minutes more).",
        ),
    ] = False,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="routing, deployment, simulation or startup; may be repeated. Default: all.",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Keep the results in this file, for the report.")
    ] = None,
) -> None:
    """Measure fastroute, and what one would use instead.

    The short run takes about two minutes. The table goes to standard output, progress to standard
    error.
    """
    from fastroute.checks import choice

    suites = [choice("--suite", name, _SUITES) for name in suite or _SUITES]
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ValueError(
                f"the benchmarks need {name}, which is not installed: "
                'pip install "fastroute[bench]"'
            )
    if json is not None and json.is_dir():
        raise ValueError(f"--json {json} is a folder; name a file in it")
    if json is not None and not json.parent.is_dir():
        raise ValueError(f"--json {json}: there is no folder {json.parent}; make it first")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "results.json")
        code = _run_suites(suites, file, full=full, full_memory=full_memory)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        if code not in (0, _SOME_FAILED) or not file.exists():
            raise ValueError(f"the benchmarks did not run (pytest ended with {code}); see above")
        if json is not None:
            shutil.copyfile(file, json)
        _print_table(file)
    if code == _SOME_FAILED:
        raise ValueError("some cases ended in an error and are missing from the table; see above")


def _run_suites(suites: list[str], file: Path, *, full: bool, full_memory: bool) -> int:
    """Run pytest on the suites, its output on standard error, and return its exit code."""
    import fastroute.bench

    folder = Path(fastroute.bench.__file__).parent
    command = [
        *(sys.executable, "-m", "pytest", "-v", "--no-header", "--benchmark-quiet"),
        f"--benchmark-json={file}",
        # Its default makes a folder where the command was started.
        f"--benchmark-storage=file://{file.parent}",
        *(["--full"] if full else []),
        *(["--full-memory"] if full_memory else []),
        *(str(folder / f"test_{name}.py") for name in suites),
    ]
    # Options of the user for pytest, such as many workers, would spoil the times.
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    return subprocess.run(command, stdout=sys.__stderr__, env=environment, check=False).returncode


def _print_table(file: Path) -> None:
    from fastroute.bench.headline import headline
    from fastroute.bench.results import disturbance_text, load, machine_text
    from fastroute.report.terminal import FittedTable, TableColumn

    results = load(file)
    columns = [
        TableColumn("work", key=True, wraps=True),
        TableColumn("fastroute", right=True),
        TableColumn("instead", key=True, wraps=True),
        TableColumn("takes", right=True),
        TableColumn("ratio", right=True),
    ]
    rows = [[cell.replace("`", "") for cell in line] for line in headline(results)]
    screen = console()
    screen.print(FittedTable(columns, rows))
    screen.print(
        f"{machine_text(results)}. One core unless said otherwise, compilation apart, best of at "
        f"least five rounds. {disturbance_text(results)}".rstrip(),
        markup=False,
        highlight=False,
    )
