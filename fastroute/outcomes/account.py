"""Outcomes of a table that was read, with an account of its rows."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fastroute import checks
from fastroute.outcomes.columns import Table
from fastroute.outcomes.features import FEATURE
from fastroute.outcomes.sources import MEANS_KINDS
from fastroute.outcomes.table import COLUMNS, Kind, Outcomes, RowCount
from fastroute.outcomes.units import unit_warnings

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ONE_TASK", "is_log", "outcomes_of", "table_of"]

#: The task of every query of a table that has no column of tasks.
ONE_TASK: Final = "all"
_NUMBERS: Final = ("score", "cost", "propensity", "tokens_in", "tokens_out", "n")
# Of the queries of a log, the part that may have gone to a second model: retries.
_MOST_RETRIED: Final = 0.05


def outcomes_of(table: Table) -> Outcomes:
    """Return the outcomes of a table: every value is a number, every cell has one row.

    Raises
    ------
    ValueError
        For a value that is no number or cannot be one, naming its column and row.
    """
    means = table.source_kind in MEANS_KINDS
    _refuse_wrong(table)
    frame, account = _kept(table, means)
    models = tuple(frame["model"].unique(maintain_order=True))
    queries = 0 if means else frame["query"].n_unique()
    kind = "means" if means else _kind(frame, len(models), queries)
    known_tasks = "task" in table.columns
    tasks = tuple(frame["task"].drop_nulls().unique(maintain_order=True)) if known_tasks else ()
    warnings = [
        *table.notes,
        *unit_warnings(replace(table, frame=frame), means=means),
        *_missing_warnings(table, frame, kind),
    ]
    released = dict(table.released)
    if "release_date" in frame.columns:
        released |= _dates(frame)
    return Outcomes(
        frame=frame.select(
            *(name for name in COLUMNS if name in frame.columns and (name != "task" or tasks)),
            *(FEATURE + name for name in table.features),
        ),
        kind=kind,
        models=models,
        tasks=tasks,
        n_queries=queries,
        cost_unit=table.cost_unit,
        source=table.name,
        source_kind=table.source_kind,
        columns={role: table.words.get(role, name) for role, name in table.columns.items()},
        rows_read=table.rows_read,
        account=tuple(account),
        warnings=tuple(warnings),
        features=table.features,
        released={name: day for name, day in released.items() if name in models},
        retired={name: day for name, day in table.retired.items() if name in models},
        budget=table.budget,
        max_deployed=table.max_deployed,
    )


def is_log(table: Table) -> bool:
    """Return whether each query went to one model, whatever else is wrong with a table."""
    if table.source_kind in MEANS_KINDS:
        return False
    cells = table.frame.drop_nulls(["query", "model"]).unique(["query", "model"])
    models, queries = cells["model"].n_unique(), cells["query"].n_unique()
    return _kind(cells, models, queries) == "logged"


def _kept(table: Table, means: bool) -> tuple["pl.DataFrame", list[RowCount]]:
    """Return the rows that say something, one for each cell, and what became of the others."""
    import polars as pl

    frame, account = table.frame, list(table.account)
    values = [role for role in ("score", "cost") if role in frame.columns]
    rules = [("no model is named", pl.col("model").is_null())]
    if not means:
        rules.append(("no query is named", pl.col("query").is_null()))
    if values:
        rule = "neither score nor cost" if len(values) > 1 else f"no {values[0]}"
        rules.append((rule, pl.all_horizontal(pl.col(values).is_null())))
    for rule, bad in rules:
        rows = frame.filter(bad)
        if rows.height:
            account.append(RowCount(rule, rows.height, table.where(rows)))
            frame = frame.filter(~bad)
    if not frame.height:
        raise ValueError(
            f"outcomes: no row of {table.name} is left ("
            + "; ".join(f"{count.rows:,}: {count.rule}" for count in account)
            + "); fill in what is missing, or map other columns, columns={...}"
        )
    ids = ["model"] if means else ["query", "model"]
    frame, repeated = _one_per_cell(frame, ids)
    if means and repeated is not None:
        raise ValueError(
            f"outcomes: {table.name} has model {checks.quoted(repeated['model'][0])} again in "
            f"{table.place(repeated['row'][0])}; keep one row per model, or map the queries, "
            "columns={'query': ...}"
        )
    if repeated is not None:
        rule = "averaged with another row of the same query and model"
        account.append(RowCount(rule, repeated.height, table.where(repeated)))
    return frame, account


def _refuse_wrong(table: Table) -> None:
    """Raise ValueError for the first value that is no number, or none that may be there."""
    import polars as pl

    frame = table.frame
    for role in _NUMBERS:
        if role not in frame.columns:
            continue
        column = table.columns.get(role, role)
        if f"{role}_wrong" in frame.columns:
            wrong = frame.drop_nulls(f"{role}_wrong")
            if wrong.height:
                raise ValueError(
                    f"{role}: column {column!r} of {table.name} holds "
                    f"{checks.quoted(wrong[f'{role}_wrong'][0])} in {table.where(wrong)}, which is "
                    "not a number; write a number, or leave the cell empty where it is missing"
                )
        value = pl.col(role)
        bad, must = {
            "score": (value.is_infinite(), "finite"),
            "propensity": (~((value > 0.0) & (value <= 1.0)), "a probability in (0, 1]"),
        }.get(role, ((value < 0.0) | value.is_infinite(), ">= 0 and finite"))
        rows = frame.filter(bad)
        if rows.height:
            raise ValueError(
                f"{role}: {rows[role][0]:g} in column {column!r} of {table.name}, "
                f"{table.where(rows)}, must be {must}; {_value_remedy(role, frame)}"
            )


def _value_remedy(role: str, frame: "pl.DataFrame") -> str:
    """Return what to do about a number that cannot be one of its column."""
    if role == "propensity" and int((frame["propensity"] > 1.0).sum()) > frame.height / 2:
        return "most are above 1, so they look like percentages: divide the column by 100"
    return "mend or drop the row"


def _one_per_cell(
    frame: "pl.DataFrame", ids: list[str]
) -> tuple["pl.DataFrame", "pl.DataFrame | None"]:
    """Return a table with one row for each cell, and the later rows of the others."""
    import polars as pl

    again = ~frame.select(ids).is_unique()
    if not again.any():
        return frame, None
    rows = frame.filter(again)
    later = rows.filter(~rows.select(pl.struct(ids).is_first_distinct()).to_series())
    means = [name for name in frame.columns if name not in ids and frame.schema[name] == pl.Float64]
    others = [name for name in frame.columns if name not in ids and name not in means]
    mean = rows.group_by(ids, maintain_order=True).agg(pl.col(others).first(), pl.col(means).mean())
    joined = pl.concat([frame.filter(~again), mean.select(frame.columns)])
    return joined.sort("row", maintain_order=True), later


def _kind(frame: "pl.DataFrame", models: int, queries: int) -> Kind:
    """Return whether every model answered every query, or each query went to one."""
    values = [name for name in ("score", "cost") if name in frame.columns]
    if frame.height == models * queries:
        whole = not any(frame[name].null_count() for name in values)
        return "full" if whole else "partial"
    if frame.height - queries <= _MOST_RETRIED * queries:
        return "logged"
    return "partial"


def _missing_warnings(table: Table, frame: "pl.DataFrame", kind: Kind) -> list[str]:
    """Return what outcomes lack that answers need."""
    found = []
    if "score" not in frame.columns:
        found.append("no scores; pass a table of them, scores=..., or map a column")
    elif empty := frame["score"].null_count():
        found.append(f"score: {empty:,} of {frame.height:,} rows have none; only their costs count")
    if "cost" not in frame.columns:
        found.append("no costs; pass a price list, prices=..., or map a column")
    elif (empty := frame["cost"].null_count()) and empty < frame.height:
        found.append(f"cost: {empty:,} of {frame.height:,} rows have none; only their scores count")
    numbered = table.columns.get("query", "").casefold() == "index"
    if kind == "logged" and numbered and frame["query"].n_unique() == frame.height:
        found.append(
            "query: column 'index' numbers the rows; where several models answered the same query, "
            "map its name, columns={'query': ...}"
        )
    return found


def _dates(frame: "pl.DataFrame") -> dict[str, Any]:
    """Return the release dates of a leaderboard that can be read."""
    found = {}
    for model, value in frame.select("model", "release_date").iter_rows():
        try:
            day = checks.release_date("release_date", value)
        except ValueError:
            continue
        if day is not None:
            found[model] = day
    return found


def table_of(outcomes: Outcomes) -> Table:
    """Return outcomes as a table, for what works on tables."""
    import polars as pl

    frame = outcomes.frame
    if "task" not in frame.columns and outcomes.kind != "means":
        frame = frame.with_columns(task=pl.lit(ONE_TASK))
    values = [name for name in ("score", "cost") if name not in frame.columns]
    frame = frame.with_columns(
        *(pl.lit(None, dtype=pl.Float64).alias(name) for name in values),
        score_wrong=pl.lit(None, dtype=pl.String),
        cost_wrong=pl.lit(None, dtype=pl.String),
        row=pl.int_range(frame.height),
    )
    columns = {name: name for name in outcomes.frame.columns}
    return Table(
        frame,
        columns,
        _row_place,
        outcomes.source,
        outcomes.source_kind,
        cost_unit=outcomes.cost_unit,
        released=outcomes.released,
        retired=outcomes.retired,
        budget=outcomes.budget,
        max_deployed=outcomes.max_deployed,
    )


def _row_place(row: int) -> str:
    return f"row {row + 1}"
