"""Tables of recorded outcomes: reading them, and finding what is wrong with them.

The same list of problems serves :func:`fastroute.scenario.replay.replay`, which refuses them,
and :func:`fastroute.scenario.check.check_table`, which reports them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from fastroute.scenario import _checks as checks

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ModelTable", "Outcomes", "Problem", "find_problems", "read_models", "read_outcomes"]

Outcomes: TypeAlias = "str | Path | pl.DataFrame"
ModelTable: TypeAlias = "str | Path | pl.DataFrame | Mapping[str, str | date]"

# The first name that a table has is used when `columns` does not say otherwise.
DEFAULT_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "query": ("query", "query_id"),
    "task": ("task",),
    "model": ("model",),
    "score": ("score",),
    "cost": ("cost",),
}
PICKLE_SUFFIXES: Final = (".pkl", ".pickle")


@dataclass(frozen=True)
class Problem:
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


def is_pickle(source: object) -> bool:
    """Return whether ``source`` is the path of a pickle."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() in PICKLE_SUFFIXES


def read_frame(field: str, source: Outcomes) -> "pl.DataFrame":
    """Return a Polars frame given as one, or as the path of a Parquet or CSV file.

    Raises
    ------
    ValueError
        When the file is missing or of another kind.
    """
    import polars as pl

    if isinstance(source, pl.DataFrame):
        return source
    if not isinstance(source, str | Path):
        raise ValueError(
            f"{field}: cannot read a {type(source).__name__}; pass a Polars frame or a path"
        )
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"{field}={str(source)!r}: no such file; check the path")
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return pl.read_parquet(path)
        if suffix == ".csv":
            return pl.read_csv(path, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"{field}={str(source)!r} cannot be read as {suffix[1:]}: {error}; repair the file"
        ) from None
    raise ValueError(
        f"{field}={str(source)!r} ends in {suffix!r}; pass a .parquet or .csv file (or, for "
        "outcomes, a RouterBench .pkl)"
    )


def read_outcomes(
    source: Outcomes,
    columns: Mapping[str, str] | None = None,
    trust_sha256: str | None = None,
) -> "pl.DataFrame":
    """Return recorded outcomes as a frame query, task, model (str), score, cost (f64).

    Parameters
    ----------
    source : str, Path or polars.DataFrame
        A frame, a Parquet or CSV file, or a RouterBench pickle.
    columns : mapping, optional
        Name of the column for each of query, task, model, score, cost where it differs.
        "query" is also found under "query_id".
    trust_sha256 : str, optional
        For pickles: see :func:`fastroute.scenario.load_routerbench`.

    Returns
    -------
    polars.DataFrame
        One row per row of the source; missing and NaN scores and costs are null.

    Raises
    ------
    ValueError
        When a column is missing, is no number where one is needed, or names nothing.
    """
    import polars as pl

    if is_pickle(source):
        from fastroute.scenario.routerbench_pickle import load_routerbench

        assert isinstance(source, str | Path)
        frame = load_routerbench(source, trust_sha256=trust_sha256)
    else:
        frame = read_frame("outcomes", source)
    mapping = dict(columns or {})
    for role in mapping:
        checks.choice("columns", role, tuple(DEFAULT_COLUMNS))
    chosen = {role: _column(frame, role, mapping.get(role)) for role in DEFAULT_COLUMNS}
    for role in ("score", "cost"):
        dtype = frame.schema[chosen[role]]
        if not (dtype.is_numeric() or dtype == pl.Boolean or dtype == pl.Null):
            raise ValueError(
                f"{role}: column {chosen[role]!r} has type {dtype}; convert it to numbers, or "
                f"map another one, columns={{{role!r}: ...}}"
            )
    text = [pl.col(chosen[role]).cast(pl.String).alias(role) for role in ("query", "task", "model")]
    numbers = [
        pl.col(chosen[role]).cast(pl.Float64).fill_nan(None).alias(role)
        for role in ("score", "cost")
    ]
    table = frame.select(*text, *numbers)
    if table.height == 0:
        raise ValueError("outcomes: the table has no rows; pass recorded outcomes")
    for role in ("query", "task", "model"):
        empty = table[role].null_count()
        if empty:
            raise ValueError(
                f"{role}: column {chosen[role]!r} is empty in {empty} row(s); fill or drop them"
            )
    return table


def _column(frame: "pl.DataFrame", role: str, given: str | None) -> str:
    """Return the column of ``frame`` that plays a role."""
    if given is not None:
        if given not in frame.columns:
            raise ValueError(
                f"columns[{role!r}]={given!r} is not in the table"
                f"{checks.nearest(given, frame.columns)}"
            )
        return given
    for name in DEFAULT_COLUMNS[role]:
        if name in frame.columns:
            return name
    raise ValueError(
        f"outcomes: no column {role!r}; map it, columns={{{role!r}: ...}}"
        f"{checks.nearest(role, frame.columns)}"
    )


def read_models(source: ModelTable) -> dict[str, date | None]:
    """Return the release date of each model; None where the table has none.

    Parameters
    ----------
    source : str, Path, polars.DataFrame or mapping
        A table with columns ``model`` and ``release_date`` (dates or YYYY-MM-DD), or a mapping
        from model to date.

    Raises
    ------
    ValueError
        When a column is missing, a model occurs twice, or a date cannot be read.
    """
    if isinstance(source, Mapping):
        pairs: list[tuple[object, object]] = list(source.items())
    else:
        frame = read_frame("models", source)
        for name in ("model", "release_date"):
            if name not in frame.columns:
                raise ValueError(
                    f"models: no column {name!r}; rename the one that holds it"
                    f"{checks.nearest(name, frame.columns)}"
                )
        pairs = list(frame.select("model", "release_date").iter_rows())
    released: dict[str, date | None] = {}
    for model, day in pairs:
        name = str(model)
        if name in released:
            raise ValueError(f"models: {name!r} occurs twice; keep one row per model")
        blank = day is None or day == ""
        released[name] = None if blank else checks.release_date(f"release_date of {name!r}", day)
    return released


def find_problems(
    table: "pl.DataFrame", released: Mapping[str, date | None] | None = None
) -> list[Problem]:
    """Return everything that is wrong with a table of outcomes.

    Parameters
    ----------
    table : polars.DataFrame
        As :func:`read_outcomes` returns it.
    released : mapping, optional
        As :func:`read_models` returns it; without it release dates are not checked.

    Returns
    -------
    list of Problem
        Of the kinds "models", "release_date", "task", "score", "cost", "duplicates",
        "missing" and "zero_cost", in this order.
    """
    found = [] if released is None else _model_problems(table, released)
    found += _value_problems(table)
    found += _cell_problems(table)
    return found


def _model_problems(table: "pl.DataFrame", released: Mapping[str, date | None]) -> list[Problem]:
    """Return problems between the table of outcomes and that of models."""
    found = []
    recorded = table["model"].unique(maintain_order=True).to_list()
    unknown = [model for model in recorded if model not in released]
    if unknown:
        found.append(
            Problem(
                "models",
                f"models: {checks.several(unknown)} in the outcomes but not in the models table",
                "add the model(s) with a release date, or drop their rows",
            )
        )
    unused = [model for model in released if model not in set(recorded)]
    if unused:
        found.append(
            Problem(
                "models",
                f"models: {checks.several(unused)} in the models table but not in the outcomes",
                "drop the model(s) from the models table, or add their outcomes",
            )
        )
    undated = [model for model in recorded if model in released and released[model] is None]
    if undated:
        found.append(
            Problem(
                "release_date",
                f"release_date: {checks.several(undated)} have none",
                "fill in YYYY-MM-DD",
            )
        )
    return found


def _value_problems(table: "pl.DataFrame") -> list[Problem]:
    """Return problems with tasks and with single values."""
    import polars as pl

    found = []
    split = (
        table.group_by("query", maintain_order=True)
        .agg(pl.col("task").n_unique())
        .filter(pl.col("task") > 1)["query"]
        .to_list()
    )
    if split:
        found.append(
            Problem(
                "task",
                f"task: {len(split)} queries have more than one task ({checks.several(split, 3)})",
                "make query ids unique across tasks",
            )
        )
    outside = table.filter(~pl.col("score").is_between(0.0, 1.0))["score"]
    if outside.len():
        found.append(
            Problem(
                "score",
                f"score: {outside.len()} value(s) outside [0, 1], such as {outside[0]:g}",
                "rescale the scores to [0, 1]",
            )
        )
    wrong = table.filter((pl.col("cost") < 0.0) | pl.col("cost").is_infinite())["cost"]
    if wrong.len():
        found.append(
            Problem(
                "cost",
                f"cost: {wrong.len()} value(s) negative or infinite, such as {wrong[0]:g}",
                "repair or drop these rows",
            )
        )
    return found


def _cell_problems(table: "pl.DataFrame") -> list[Problem]:
    """Return repeated cells, missing cells and zero costs."""
    import polars as pl

    found = []
    repeated = table.height - table.select("query", "model").n_unique()
    if repeated:
        twice = table.filter(table.select("query", "model").is_duplicated()).row(0, named=True)
        found.append(
            Problem(
                "duplicates",
                f"{repeated} repeated cell(s), such as query {twice['query']!r} with model "
                f"{twice['model']!r}",
                "drop the repetitions, or replay with duplicates='mean'",
            )
        )
    full = table.drop_nulls(["score", "cost"]).select("query", "model").unique()
    queries, models = table["query"].n_unique(), table["model"].n_unique()
    missing = queries * models - full.height
    if missing:
        counts = dict(full.group_by("model").len().iter_rows())
        gaps = [
            f"{model} ({queries - counts.get(model, 0)})"
            for model in table["model"].unique(maintain_order=True).to_list()
            if counts.get(model, 0) < queries
        ]
        found.append(
            Problem(
                "missing",
                f"{missing} of {queries * models} cells are missing: {', '.join(gaps[:5])}"
                + (f" and {len(gaps) - 5} more models" if len(gaps) > 5 else ""),
                "fill them, leave these models out, or drop their queries with missing='drop'",
            )
        )
    free = table.filter(pl.col("cost") == 0.0)
    if free.height:
        models_free = free["model"].unique(maintain_order=True).to_list()
        found.append(
            Problem(
                "zero_cost",
                f"cost is 0 in {free.height} row(s), of {checks.several(models_free)}",
                "often a price that was not recorded: map a column that has it, "
                "columns={'cost': ...}, or replay with zero_cost='keep' if these are free",
            )
        )
    return found
