"""The commands ``fastroute data``: where data come from, and tables of the user's own."""

import warnings
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from fastroute.cli_output import console

__all__ = ["check", "convert", "list_sources"]

# How a table is read: the options of all commands that read one.
_Table: TypeAlias = Annotated[
    Path,
    typer.Argument(
        help="Table, log or leaderboard: CSV, Parquet, JSON, JSON lines or YAML, a folder of them, "
        "or a RouterBench pickle."
    ),
]
Columns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROLE=NAME",
        help="Column that holds query, task, model, score, cost and so on, where it has another "
        "name: query=prompt,cost=usd. Can be given again.",
    ),
]
ScoreRange: TypeAlias = Annotated[
    tuple[float, float] | None,
    typer.Option(metavar="LOW HIGH", help="Range of the scores: 0 100 for percentages."),
]
CostPer: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Unit of the costs where it is not a query: 1M-tokens, 1K-queries or run."),
]
SourceKind: TypeAlias = Annotated[
    str | None, typer.Option(help="Schema, where the one that is recognised is not the right one.")
]
PriceFile: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Price list, for costs from tokens; or litellm."),
]
ScoreFile: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Table of scores, for a log without them.")
]
_Trusted: TypeAlias = Annotated[
    str | None, typer.Option(help="Read a pickle of this SHA-256 that is not known.")
]


def list_sources() -> None:
    """Show where the data of each scenario come from.

    The last column says whether they are at hand, or what to do.
    """
    from fastroute.report.terminal import FittedTable, TableColumn
    from fastroute.scenarios.check import list_data

    rows = [
        [
            entry.scenario,
            entry.kind,
            "-" if entry.models is None else f"{entry.models:,}",
            "-" if entry.queries is None else f"{entry.queries:,}",
            entry.source,
            entry.licence,
            "; ".join(filter(None, ["yes" if entry.available else "no", entry.remedy])),
        ]
        for entry in list_data()
    ]
    columns = [
        TableColumn("scenario", key=True),
        TableColumn("kind"),
        TableColumn("models", right=True, rank=1),
        TableColumn("queries", right=True, rank=1),
        TableColumn("source", wraps=True),
        TableColumn("licence", wraps=True, rank=2),
        TableColumn("at hand", wraps=True),
    ]
    console().print(FittedTable(columns, rows))


def check(
    file: _Table,
    models: Annotated[
        Path | None, typer.Option(help="Table of models with their release dates.")
    ] = None,
    columns: Columns = None,
    score_range: ScoreRange = None,
    cost_per: CostPer = None,
    source_kind: SourceKind = None,
    prices: PriceFile = None,
    scores: ScoreFile = None,
    trust_sha256: _Trusted = None,
) -> None:
    """Check a table of outcomes, a log or a leaderboard.

    Shows what was recognised, what became of every row and which units are suspicious. Exit code 1
    when it has problems.
    """
    from fastroute.scenarios.check import check_table

    options = reading_options(columns, score_range, cost_per, source_kind, prices, scores)
    try:
        report = check_table(file, models, trust_sha256=trust_sha256, **options)
    except ValueError as error:
        raise with_option(error) from None
    typer.echo(str(report))
    if not report.ok:
        raise typer.Exit(1)


def convert(
    file: _Table,
    out: Annotated[Path, typer.Argument(help="Parquet or CSV file to write.")],
    columns: Columns = None,
    score_range: ScoreRange = None,
    cost_per: CostPer = None,
    source_kind: SourceKind = None,
    prices: PriceFile = None,
    scores: ScoreFile = None,
    trust_sha256: _Trusted = None,
) -> None:
    """Write a table, a log or a leaderboard in one form.

    It has a row for each query and model. Shows what was recognised, what became of every row and
    which units are suspicious.
    """
    from fastroute.outcomes import read_outcomes
    from fastroute.warning import FastrouteWarning

    if out.suffix.lower() not in (".parquet", ".csv"):
        raise ValueError(f"out={str(out)!r} ends in {out.suffix!r}; write a .parquet or .csv file")
    for read in (file, prices, scores):
        if read is not None and out.exists() and Path(read).exists() and out.samefile(read):
            raise ValueError(f"out={str(out)!r} is what is read; write another file")
    options = reading_options(columns, score_range, cost_per, source_kind, prices, scores)
    with warnings.catch_warnings():
        # They are shown below, with all else that was recognised.
        warnings.simplefilter("ignore", FastrouteWarning)
        try:
            outcomes = read_outcomes(
                file, **options, trust_sha256=trust_sha256, progress=console().is_terminal
            )
        except ValueError as error:
            raise with_option(error) from None
    if out.suffix.lower() == ".csv":
        outcomes.frame.write_csv(out)
    else:
        outcomes.frame.write_parquet(out)
    typer.echo(f"{outcomes.describe()}\n\nwritten to {out}")


def reading_options(
    columns: list[str] | None,
    score_range: tuple[float, float] | None,
    cost_per: str | None,
    source_kind: str | None,
    prices: str | None,
    scores: Path | None,
) -> dict[str, Any]:
    """Return the options of reading, with the columns as a mapping."""
    return {
        "columns": _column_names(columns or []),
        "score_range": score_range,
        "cost_per": cost_per,
        "source_kind": source_kind,
        "prices": prices,
        "scores": scores,
    }


def with_option(error: ValueError) -> ValueError:
    """Return an error that says how an option of Python is written here."""
    if "columns={" in str(error):
        error.add_note("here columns={'query': 'prompt'} is --columns query=prompt")
    for option in ("scores", "prices"):
        if f"{option}=..." in str(error):
            error.add_note(f"here {option}=... is --{option} FILE")
    if "score_range=" in str(error):
        error.add_note("here score_range=(0, 100) is --score-range 0 100")
    return error


def _column_names(given: list[str]) -> dict[str, str]:
    """Return the name of the column of each role, from ROLE=NAME and commas between them."""
    names: dict[str, str] = {}
    for pair in (pair for option in given for pair in option.split(",")):
        role, equals, name = (part.strip() for part in pair.partition("="))
        if not (role and equals and name):
            raise ValueError(f"--columns {pair}: write ROLE=NAME, such as query=prompt")
        if role in names:
            raise ValueError(f"--columns {pair}: {role} is already {names[role]}; give it once")
        names[role] = name
    return names
