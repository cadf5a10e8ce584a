"""The command ``fastroute advise``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fastroute.cli_data import (
    Columns,
    CostPer,
    PriceFile,
    ScoreFile,
    ScoreRange,
    SourceKind,
    reading_options,
    with_option,
)
from fastroute.cli_output import console


class Format(StrEnum):
    """How the answer is printed."""

    text = "text"
    json = "json"
    litellm = "litellm"


def advise(
    table: Annotated[
        Path,
        typer.Argument(
            help="Benchmark outcomes, a leaderboard, or a log of a gateway or an online router."
        ),
    ],
    max_deployed: Annotated[
        int | None,
        typer.Option(min=1, help="Most models that are deployed; a decision log has its own."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Most that a query may cost on the mean. Default: that of a decision log, or none."
        ),
    ] = None,
    limit: Annotated[
        float, typer.Option(help="Largest share of the traffic of any one model.")
    ] = 1.0,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANGE",
            help="price:MODEL=0.5x, price:MODEL=0.002, limit:MODEL=0.3, drop:MODEL or "
            "add:NAME,score=0.8,cost=0.001. Can be given again.",
        ),
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(metavar="FLOOR", help="min-score:TASK=0.7. Can be given again."),
    ] = None,
    queries_per_day: Annotated[
        int | None,
        typer.Option(min=1, help="Traffic; given, learning it online is simulated too."),
    ] = None,
    days: Annotated[float, typer.Option(help="Days that are simulated.")] = 30.0,
    present: Annotated[
        str | None,
        typer.Option(
            metavar="MODELS",
            help="What is deployed now, separated by commas: names, or NAME=SHARE of the "
            "traffic. Without shares the best split of these models is taken.",
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Bootstrap draws of the queries.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the draws and of the simulation.")] = 0,
    columns: Columns = None,
    score_range: ScoreRange = None,
    cost_per: CostPer = None,
    scores: ScoreFile = None,
    prices: PriceFile = None,
    source_kind: SourceKind = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of numbers that describes the queries of a log, or a pattern such as "
            "'emb_*'. Can be given again.",
        ),
    ] = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="text, json, or litellm: weights for a LiteLLM proxy."),
    ] = Format.text,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for advice.json, litellm.yaml, frontier.svg and advice.html."),
    ] = None,
) -> None:
    """Say which models to deploy and how to split the traffic.

    TABLE is read as `fastroute data check` reads it. The answer has 95% intervals from a joint
    bootstrap of the queries; what more budget, traffic or models would buy; and the model whose
    uncertainty decides.
    """
    from fastroute.advice import advise as advise_on
    from fastroute.advice.files import write_advice

    reading = reading_options(columns, score_range, cost_per, source_kind, prices, scores)
    try:
        found = advise_on(
            table,
            budget=budget,
            max_deployed=max_deployed,
            limit=limit,
            what_if=what_if or (),
            constraints=constraint or (),
            queries_per_day=queries_per_day,
            days=days,
            present=[name.strip() for name in present.split(",")] if present else (),
            draws=draws,
            seed=seed,
            progress=queries_per_day is not None,
            features=features,
            **reading,
        )
    except ValueError as error:
        raise with_option(error) from None
    written = [] if out is None else write_advice(found, out)
    if form is Format.json:
        typer.echo(found.to_json())
    elif form is Format.litellm:
        typer.echo(found.to_litellm(), nl=False)
    else:
        console().print(str(found), markup=False, highlight=False, soft_wrap=True)
        for file in written:
            console().print(str(file), markup=False, highlight=False, soft_wrap=True)
