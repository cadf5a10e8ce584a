"""What is wrong with a table, all of it at once, and what to do about it.

The same list serves the scenarios, which refuse what no option allows, and
:func:`fastroute.scenarios.check.check_table`, which reports it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastroute import checks
from fastroute.scenarios.tables import Release, Table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TableProblem", "find_mean_problems", "find_problems", "missing_remedies", "refuse"]

# Tasks of which only some queries stay, named in a remedy.
_MOST_TASKS = 3


@dataclass(frozen=True)
class TableProblem:
    """Something wrong with a table.

    Attributes
    ----------
    kind : str
        Which check found it, such as "missing" or "zero_cost".
    message : str
        What is wrong, with the field and the value.
    remedy : str
        What to do about it.
    """

    kind: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """Return message and remedy on one line."""
        return f"{self.message}; {self.remedy}"


def refuse(field: str, problems: Sequence[TableProblem], allowed: Collection[str]) -> None:
    """Raise ValueError with the first problem of a kind that is not allowed."""
    for problem in problems:
        if problem.kind not in allowed:
            raise ValueError(f"{field}: {problem}")


def find_problems(
    table: Table, released: Mapping[str, Release] | None = None
) -> list[TableProblem]:
    """Return everything that is wrong with a table of outcomes.

    Parameters
    ----------
    table : Table
        As :func:`~fastroute.scenarios.tables.read_outcomes` returns it.
    released : mapping, optional
        As :func:`~fastroute.scenarios.tables.read_releases` returns it; without it release dates
        are not checked. Models that are not in the outcomes are passed over.

    Returns
    -------
    list of TableProblem
        Of the kinds "models", "release_date", "empty", "task", "number", "score", "cost",
        "duplicates", "missing" and "zero_cost", in this order.
    """
    ids = ["query", "task", "model"]
    named = table.named(ids)
    found = [] if released is None else _release_problems(named, released)
    found += _empty(table, ids)
    found += _split_tasks(named)
    found += _value_problems(named)
    found += _repeated_cells(named)
    found += _missing_cells(named)
    found += _zero_cost_models(named)
    return found


def find_mean_problems(table: Table, released: Mapping[str, Release] | None) -> list[TableProblem]:
    """Return everything that is wrong with a leaderboard.

    Parameters
    ----------
    table : Table
        As :func:`~fastroute.scenarios.tables.read_means` returns it.
    released : mapping or None
        Releases of its models, where it has dates.

    Returns
    -------
    list of TableProblem
        Of the kinds "release_date", "empty", "number", "score", "cost", "duplicates", "missing"
        and "zero_cost", in this order.
    """
    named = table.named(["model"])
    found = [] if released is None else _release_problems(named, released)
    found += _empty(table, ["model"])
    found += _value_problems(named)
    twice = named.frame.filter(~named.frame["model"].is_first_distinct())
    if twice.height:
        found.append(
            TableProblem(
                "duplicates",
                f"model: {twice.height} repeated, the first in {named.where(twice)}",
                "keep one row per model",
            )
        )
    gaps = named.frame.filter(named.frame["score"].is_null() | named.frame["cost"].is_null())
    if gaps.height:
        models = gaps["model"].unique(maintain_order=True).to_list()
        found.append(
            TableProblem(
                "missing",
                f"score or cost is missing for {checks.first_names(models)}",
                "fill it in" + _exclude_remedy(named, models),
            )
        )
    found += _zero_cost_models(named)
    return found


def _release_problems(table: Table, released: Mapping[str, Release]) -> list[TableProblem]:
    """Return problems with the dates of the models in a table."""
    found = []
    recorded = table.frame["model"].unique(maintain_order=True).to_list()
    twice = [model for model in recorded if model in released and released[model].rows > 1]
    if twice:
        found.append(
            TableProblem(
                "models",
                f"models: {checks.first_names(twice)} occurs twice in the models table",
                "keep one row per model",
            )
        )
    unknown = [model for model in recorded if model not in released]
    if unknown:
        found.append(
            TableProblem(
                "models",
                f"models: {checks.first_names(unknown)} in the outcomes but not in the models "
                "table",
                "add a row with a release date" + _exclude_remedy(table, unknown),
            )
        )
    known = {model: released[model] for model in recorded if model in released}
    wrong = {model: release.wrong for model, release in known.items() if release.wrong}
    if wrong:
        model, text = next(iter(wrong.items()))
        more = f"; {len(wrong) - 1} more models have such a date" if len(wrong) > 1 else ""
        found.append(
            TableProblem(
                "release_date",
                f"release_date: {text} of model {model!r} is not a date{more}",
                "write it as YYYY-MM-DD",
            )
        )
    undated = [m for m, release in known.items() if release.day is None and not release.wrong]
    if undated:
        found.append(
            TableProblem(
                "release_date",
                f"release_date: no date for {checks.first_names(undated)}",
                "fill in YYYY-MM-DD" + _exclude_remedy(table, undated),
            )
        )
    return found


def _exclude_remedy(table: Table, models: Sequence[str]) -> str:
    """Return the other remedy of models that lack something, where it leaves a model."""
    rest = table.frame["model"].n_unique() - len(models)
    return f", or leave out with exclude={list(models)!r}" if rest else ""


def _empty(table: Table, ids: Sequence[str]) -> list[TableProblem]:
    """Return the columns of names that are empty in some rows."""
    found = []
    for role in ids:
        rows = table.frame.filter(table.frame[role].is_null())
        if rows.height:
            column = table.columns.get(role, role)
            found.append(
                TableProblem(
                    "empty",
                    f"{role}: column {column!r} is empty in {rows.height} row(s), the first is "
                    f"{table.where(rows)}",
                    "fill or drop them",
                )
            )
    return found


def _split_tasks(table: Table) -> list[TableProblem]:
    """Return queries that have more than one task."""
    import polars as pl

    split = (
        table.frame.group_by("query", maintain_order=True)
        .agg(pl.col("task").n_unique())
        .filter(pl.col("task") > 1)["query"]
        .to_list()
    )
    if not split:
        return []
    return [
        TableProblem(
            "task",
            f"task: {len(split)} queries have more than one task ({checks.first_names(split, 3)})",
            "make query ids unique across tasks",
        )
    ]


def _value_problems(table: Table) -> list[TableProblem]:
    """Return what is wrong with single scores and costs."""
    import polars as pl

    found = []
    for role in ("score", "cost"):
        wrong = table.frame.drop_nulls(f"{role}_wrong")
        if wrong.height:
            text = checks.quoted(wrong[f"{role}_wrong"][0])
            found.append(
                TableProblem(
                    "number",
                    f"{role}: {wrong.height} value(s) are not numbers, the first is {text} in "
                    f"{table.where(wrong)}",
                    "write a number, or leave the cell empty where it is missing",
                )
            )
    cost = pl.col("cost")
    for role, bad, why, remedy in (
        (
            "score",
            ~pl.col("score").is_between(0.0, 1.0),
            "outside [0, 1]",
            "rescale the scores to [0, 1]",
        ),
        ("cost", (cost < 0.0) | cost.is_infinite(), "negative or infinite", "repair or drop them"),
    ):
        rows = table.frame.filter(bad)
        if rows.height:
            found.append(
                TableProblem(
                    role,
                    f"{role}: {rows.height} value(s) {why}, the first is {rows[role][0]!r} in "
                    f"{table.where(rows)}",
                    remedy,
                )
            )
    return found


def _repeated_cells(table: Table) -> list[TableProblem]:
    """Return rows of a query and model that another row has too."""
    cells = table.frame.select("query", "model")
    repeated = cells.height - cells.n_unique()
    if not repeated:
        return []
    again = table.frame.filter(cells.is_duplicated())
    says = table.frame.filter(
        table.frame["score"].is_not_null() | table.frame["cost"].is_not_null()
    )
    # Those are dropped where the others are averaged.
    empty = repeated - (says.height - says.select("query", "model").n_unique())
    without = f", {empty} of them without score and cost" if empty else ""
    return [
        TableProblem(
            "duplicates",
            f"{repeated} repeated cell(s){without}, such as in {table.where(again)}",
            "drop the repetitions, or replay with duplicates='mean'",
        )
    ]


def _missing_cells(table: Table) -> list[TableProblem]:
    """Return models without a score and a cost for some queries."""
    gaps = _missing_by_model(table.frame)
    if not gaps:
        return []
    queries, models = table.frame["query"].n_unique(), table.frame["model"].n_unique()
    listed = ", ".join(f"{model} ({count})" for model, count in list(gaps.items())[:5])
    more = f" and {len(gaps) - 5} more models" if len(gaps) > 5 else ""
    return [
        TableProblem(
            "missing",
            f"{sum(gaps.values())} of {queries * models} cells are missing: {listed}{more}",
            "; or ".join(["fill them", *missing_remedies(table.frame)]),
        )
    ]


def _missing_by_model(frame: "pl.DataFrame") -> dict[str, int]:
    """Return for each model with missing cells how many queries lack a score or a cost."""
    queries = frame["query"].n_unique()
    full = frame.drop_nulls(["score", "cost"]).select("query", "model").unique()
    counts = dict(full.group_by("model").len().iter_rows())
    models = frame["model"].unique(maintain_order=True).to_list()
    missing = {model: queries - counts.get(model, 0) for model in models}
    return {model: count for model, count in missing.items() if count}


def missing_remedies(frame: "pl.DataFrame") -> list[str]:
    """Return which options complete a table of outcomes, and which queries stay with each.

    An option that leaves no query, or fewer than two models, is not among them.
    """
    gaps = _missing_by_model(frame)
    models = frame["model"].n_unique()
    remedies = []
    if stays := _remaining_queries(frame, ()):
        remedies.append(f"missing='drop' keeps {stays}")
    if models - len(gaps) >= 2 and (stays := _remaining_queries(frame, tuple(gaps))):
        remedies.append(f"exclude={list(gaps)!r} keeps {stays}")
    if remedies:
        return remedies
    # Leaving out a few of the models with most gaps can let the others share queries.
    worst = sorted(gaps, key=lambda model: -gaps[model])
    for count in range(1, models - 1):
        if stays := _remaining_queries(frame, worst[:count]):
            return [f"exclude={worst[:count]!r} with missing='drop' keeps {stays}"]
    return []


def _remaining_queries(frame: "pl.DataFrame", excluded: Sequence[str]) -> str:
    """Return which queries are complete for all models but some, in words; "" when none is."""
    import polars as pl

    tasks = frame.group_by("query", maintain_order=True).agg(pl.col("task").first())
    kept = frame.filter(~pl.col("model").is_in(excluded))
    complete = (
        kept.drop_nulls(["score", "cost"])
        .group_by("query")
        .agg(pl.col("model").n_unique())
        .filter(pl.col("model") == kept["model"].n_unique())
    )
    if complete.height == 0:
        return ""
    words = f"{complete.height} of {tasks.height} queries"
    counts = (
        tasks.with_columns(stays=pl.col("query").is_in(complete["query"].implode()))
        .group_by("task", maintain_order=True)
        .agg(pl.len().alias("all"), pl.col("stays").sum())
    )
    lost = counts.filter(pl.col("stays") == 0)["task"].to_list()
    if lost:
        words += f" and no query of task {checks.first_names(lost)}"
    partly = counts.filter(pl.col("stays").is_between(1, pl.col("all") - 1))
    if partly.height and counts.height > 1:
        rows = partly.sort(pl.col("stays") / pl.col("all"), maintain_order=True).rows()
        listed = [f"{stays} of {size} of task {checks.quoted(task)}" for task, size, stays in rows]
        more = f" and {len(rows) - _MOST_TASKS} more" if len(rows) > _MOST_TASKS else ""
        words += f" ({', '.join(listed[:_MOST_TASKS])}{more})"
    return words


def _zero_cost_models(table: Table) -> list[TableProblem]:
    """Return the models with costs of 0."""
    free = table.frame.filter(table.frame["cost"] == 0.0)
    if not free.height:
        return []
    models = free["model"].unique(maintain_order=True).to_list()
    return [
        TableProblem(
            "zero_cost",
            f"cost is 0 in {free.height} row(s), of {checks.first_names(models)}",
            "often a price that was not recorded: map a column that has it, "
            "columns={'cost': ...}, or pass zero_cost='keep' if these are free",
        )
    ]
