"""Which models were used, and for how much of the traffic: for the page and the README."""

from typing import TYPE_CHECKING, Final

from fastroute.report.page_data import PageData, WorldReport
from fastroute.report.page_tables import HeaderCell, PageTable, TableCell, TableRow, number
from fastroute.report.style import format_number, format_percent
from fastroute.study.markdown import markdown_rows

if TYPE_CHECKING:
    import polars as pl

#: Models shown, those with the most traffic under any policy first to go in; all are in the frame.
MOST_MODELS: Final = 40
_NOTE: Final = (
    "Share of the traffic that each policy sends to each model over the run, as means over trials; "
    "in brackets the share of the stages in which the model is deployed. The optimum deploys, when "
    "a stage opens, the best set of the models that are there under the true means. Arrivals are "
    "rounds."
)


def shown_models(models: "pl.DataFrame") -> "tuple[pl.DataFrame, int]":
    """Return the rows of the models that are shown, in the order of the scenario, and the rest."""
    import polars as pl

    most = pl.max_horizontal("share", "oracle_share")
    used = models.group_by("model").agg(most.max()).sort("share", "model", descending=[True, False])
    chosen = used.head(MOST_MODELS).get_column("model")
    return models.filter(pl.col("model").is_in(chosen.implode())), used.height - chosen.len()


def models_table(data: PageData, world: WorldReport) -> PageTable | None:
    """Lay out the models of a world: their true means, and their shares under every policy."""
    import polars as pl

    if world.models.is_empty():
        return None
    models, left = shown_models(world.models)
    policies = world.models.get_column("policy").unique(maintain_order=True).to_list()
    heads = [
        HeaderCell("model", number=False),
        HeaderCell("arrives", "First round in which the model is there"),
        HeaderCell("reward", "True mean reward"),
        HeaderCell("cost", f"True mean cost, in {data.cost_unit}"),
        HeaderCell("optimum", "Share of the traffic under the optimum of each stage"),
        *(HeaderCell(label, "Share of the traffic (share of the stages)") for label in policies),
    ]
    lines = []
    for one in models.partition_by("model", maintain_order=True):
        first = one.row(0, named=True)
        items = [
            TableCell(first["name"], head=True),
            number("arrival", first["arrival"], lambda value: f"{value:,.0f}"),
            number("reward_mean", first["reward_mean"], lambda value: format_number(value, 3)),
            number("cost_mean", first["cost_mean"], lambda value: format_number(value, 3)),
            number("oracle_share", first["oracle_share"], format_percent),
        ]
        for label in policies:
            row = one.filter(pl.col("policy") == label).row(0, named=True)
            text = f"{format_percent(row['share'])} ({format_percent(row['deployed'])})"
            items.append(TableCell(text, repr(row["share"]), name="share"))
        lines.append(TableRow(items))
    note = _NOTE + (f" {left:,} more models are in the frame only." if left else "")
    return PageTable(f"models-{world.number}", "Models", heads, lines, note)


def markdown_models(models: "pl.DataFrame", cost_unit: str) -> str:
    """Write the same table for one world as Markdown, its note below.

    Parameters
    ----------
    models : polars.DataFrame
        The frame `models` of one world.
    cost_unit : str
        Unit of costs.
    """
    import polars as pl

    rows, left = shown_models(models)

    def written(name: str, write: object) -> "pl.Expr":
        return pl.col(name).map_elements(write, pl.String)  # type: ignore[arg-type]

    facts = rows.unique("model", keep="first", maintain_order=True).select(
        "model",
        "name",
        written("arrival", lambda value: f"{value:,}").alias("arrives"),
        written("reward_mean", lambda value: format_number(value, 3)).alias("reward"),
        written("cost_mean", lambda value: format_number(value, 3)).alias(f"cost ({cost_unit})"),
        written("oracle_share", format_percent).alias("optimum"),
    )
    shares = rows.select(
        "model",
        "policy",
        (written("share", format_percent) + " (" + written("deployed", format_percent) + ")").alias(
            "share"
        ),
    ).pivot("policy", index="model", values="share", maintain_order=True)
    table = facts.join(shares, on="model", maintain_order="left", suffix=" ").drop("model")
    rules = ["---", *["---:"] * (table.width - 1)]
    body = markdown_rows(table.columns, rules, table.rows())
    more = f" {left:,} more models are in `models.parquet`." if left else ""
    return f"{body}\n\n{_NOTE}{more}"
