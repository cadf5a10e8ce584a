"""The command ``fastroute bench``: run the suites in a process of their own, print one table."""

import importlib.util
import json as json_module
import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fastroute.cli_complete import complete_suite
from fastroute.cli_output import console

if TYPE_CHECKING:
    from fastroute.bench.against import Comparison, Side
    from fastroute.bench.results import Results

_NEEDED: Final = ("pytest", "pytest_benchmark")


def bench(
    full: Annotated[
        bool, typer.Option("--full", help="Run every case and rival (about half an hour).")
    ] = False,
    full_memory: Annotated[
        bool,
        typer.Option(
            "--full-memory",
            help="Measure the memory of 1024 trials of 10^8 rounds too (about 20 minutes more).",
        ),
    ] = False,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="Only show that the suites run, in seconds; times mean nothing."
        ),
    ] = False,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="routing, deployment, simulation, startup or online; may be repeated. "
            "Default: all.",
            autocompletion=complete_suite,
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Keep the results in this file, for the report.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Compare with earlier results (a file of --json); or with the fastroute of "
            "another checkout, virtual environment or Python, which runs in turns with this one. "
            "Exit code 1 where a case of fastroute got slower.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(help="With --against: how much slower is too slow, as a part of the time."),
    ] = 0.1,
) -> None:
    """Measure fastroute, and what one would use instead.

    On a processor with AVX-512 the kernels are measured twice, compiled for it and for AVX2. The
    short run takes about three minutes. Tables go to standard output, progress to standard error.
    """
    from fastroute.bench.against import other_side
    from fastroute.bench.results import load
    from fastroute.bench.suites import SUITES
    from fastroute.checks import choice, not_negative

    suites = [choice("--suite", name, SUITES) for name in suite or SUITES]
    not_negative("--tolerance", tolerance)
    if smoke and (full or full_memory):
        raise ValueError("--smoke runs few cases, and --full all of them; leave one out")
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
    asked = {"--full": full, "--full-memory": full_memory, "--smoke": smoke}
    options = [option for option, wanted in asked.items() if wanted]
    side, before = None, None
    if against is not None:
        side = other_side(against, [*options, *(f"--suite={name}" for name in suites)])
        if side is None:
            before = load(against)
            if bool(before.run.get("smoke")) != smoke:
                raise ValueError(
                    f"--against {against}: only one of the two runs is a smoke run, whose times "
                    "mean nothing"
                )
    if side is not None:
        before, now = _in_turns(side, json)
    else:
        now = _run(suites, options, json)
    _print_table(now)
    if before is None:
        return
    # Times of a smoke run mean nothing, so nothing is too slow there.
    slower = _print_comparison(before, now, math.inf if smoke else tolerance)
    if slower:
        raise typer.Exit(1)


def _run(suites: list[str], options: list[str], keep: Path | None) -> "Results":
    """Run the suites in this environment; an error where cases failed, after the table."""
    from fastroute.bench.results import load
    from fastroute.bench.suites import INTERRUPTED, SOME_FAILED, run_suites

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "results.json")
        code = run_suites(suites, file, options)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code not in (0, SOME_FAILED) or not file.exists():
            raise ValueError(f"the benchmarks did not run (pytest ended with {code}); see above")
        if keep is not None:
            shutil.copyfile(file, keep)
        results = load(file)._replace(name="now")
    if code == SOME_FAILED:
        _print_table(results)
        raise ValueError("some cases ended in an error and are missing from the table; see above")
    return results


def _in_turns(side: "Side", keep: Path | None) -> "tuple[Results, Results]":
    """Run another fastroute and this one in turns; return the best of each."""
    from fastroute.bench.against import alternate, this_side
    from fastroute.bench.results import results_of

    before, now = alternate([side, this_side(side.options)])
    if keep is not None:
        keep.write_text(json_module.dumps(now, indent=1), encoding="utf-8")
    return results_of(before, "the other"), results_of(now, "this one")


def _print_table(results: "Results") -> None:
    from fastroute.bench.headline import headline, headline_columns
    from fastroute.bench.results import disturbance_text, machine_text, rounds_text
    from fastroute.report.terminal import FittedTable, TableColumn

    heads = headline_columns(results)
    rival = heads.index("instead of it")
    # In a narrow terminal the ratios say more than the rivals' times.
    columns = [
        TableColumn(
            head,
            right=i not in (0, rival),
            key=i in (0, rival),
            wraps=i in (0, rival),
            rank=int(head == "takes"),
        )
        for i, head in enumerate(heads)
    ]
    rows = [[cell.replace("`", "") for cell in row.cells] for row in headline(results)]
    screen = console()
    screen.print(FittedTable(columns, rows))
    screen.print(
        f"{machine_text(results)}. One core unless said otherwise, compilation apart, "
        f"{rounds_text(results)}. {disturbance_text(results)}".rstrip(),
        markup=False,
        highlight=False,
    )


def _print_comparison(before: "Results", now: "Results", tolerance: float) -> bool:
    """Print what changed, and return whether a case of fastroute got worse."""
    from fastroute.bench.against import compare
    from fastroute.report.terminal import FittedTable, TableColumn

    found: Comparison = compare(before, now, tolerance)
    columns = [
        TableColumn(head, right=i > 1, key=i < 2, wraps=i < 2)
        for i, head in enumerate(found.columns)
    ]
    screen = console()
    screen.print()
    screen.print(FittedTable(columns, [line.cells for line in found.lines]))
    for note in found.notes:
        screen.print(note, markup=False, highlight=False)
    slower = found.regressions
    for line in slower:
        screen.print(
            f"regression: {line.case}, {line.solver}: {line.before} -> {line.now}",
            markup=False,
            highlight=False,
        )
    if not slower and math.isfinite(tolerance):
        screen.print(f"no case of fastroute is more than {100.0 * tolerance:g} % slower")
    return bool(slower)
