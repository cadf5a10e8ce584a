"""The command ``fastroute replay``."""

from typing import Annotated

import typer

from fastroute.cli_output import console


def replay(
    log: Annotated[
        str,
        typer.Argument(
            help="Decision log of an online router: a file of SQLite or the address of a database."
        ),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another policy, such as thompson. Can be given again."),
    ] = None,
    replica: Annotated[
        int | None,
        typer.Option(help="Whose decisions policies are given. Default: of the one with the most."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify a decision log, and say what other policies would have done.

    Every decision is played again and compared with the log; exit code 1 when some differ. With
    --policy: mean reward and cost of that policy on the same queries, with 95% intervals, and how
    much of its traffic the log can answer for.
    """
    from fastroute.online.evaluate import evaluate_log

    found = evaluate_log(log, policy or (), replica=replica)
    if as_json:
        typer.echo(found.to_json())
    else:
        console().print(str(found), markup=False, highlight=False, soft_wrap=True)
    if not all(one.same for one in found.verified):
        raise typer.Exit(1)
