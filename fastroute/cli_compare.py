"""The command ``fastroute compare``."""

from pathlib import Path
from typing import Annotated, Final

import typer

from fastroute.cli_complete import complete_run
from fastroute.cli_output import console

# Exit code when a threshold is broken.
_BROKEN: Final = 1
# Cells of one quantity that are printed.
_ROWS: Final = 40


def compare(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A run directory.", autocompletion=complete_run)
    ],
    b: Annotated[
        Path,
        typer.Argument(metavar="B", help="Another, compared with A.", autocompletion=complete_run),
    ],
    quantity: Annotated[
        list[str] | None,
        typer.Option(help="A column of trials; may be given several times.", show_default=False),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="THRESHOLD",
            help='Such as "priced_regret > 1.05" (mean of B over that of A) or "difference cost > '
            '0.0001" (B minus A): exit with 1 where the whole interval is beyond it in some cell.',
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    level: Annotated[float, typer.Option(help="Coverage of each interval.")] = 0.95,
) -> None:
    """Compare two stored studies cell by cell.

    Cells are matched by the labels of scenario and policy and by their settings. Where both
    studies met the same queries, trials are paired. Exit codes: 0, or 1 where a threshold of
    --fail-if is broken, or 2 where nothing could be compared.
    """
    import json

    from fastroute.report.compare import (
        QUANTITIES,
        Threshold,
        compare_studies,
        comparison_table,
    )
    from fastroute.report.tables import rich_table
    from fastroute.study import load

    thresholds = [Threshold.parse(text) for text in fail_if or ()]
    wanted = dict.fromkeys([*(quantity or QUANTITIES), *(one.quantity for one in thresholds)])
    found = compare_studies(load(a), load(b), quantities=list(wanted), level=level)
    broken = {one.text: one.broken(found.table) for one in thresholds}
    if as_json:
        content = found.to_dict()
        content["broken"] = {
            text: rows.get_column("cell_a").to_list() for text, rows in broken.items()
        }
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
    else:
        screen = console()
        for text in found.lines():
            screen.print(text, markup=False, highlight=False, soft_wrap=True)
        for name in wanted:
            screen.print(f"\n{name.replace('_', ' ')}", style="bold", markup=False)
            screen.print(rich_table(comparison_table(found, name), rows=_ROWS))
    for one in thresholds:
        typer.echo(one.outcome(found.table), err=True)
    if any(rows.height for rows in broken.values()):
        raise typer.Exit(_BROKEN)
