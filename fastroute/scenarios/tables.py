"""Tables of recorded outcomes and of models: reading them as they are written.

What is wrong with them is found by :mod:`fastroute.scenarios.problems`, so that everything wrong
is found at once. An error is raised here only where a table cannot be read at all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from fastroute import checks
from fastroute.outcomes.frames import Frame, Source, find_columns, numbers, read_source, texts

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "ONE_TASK",
    "ModelTable",
    "Outcomes",
    "Release",
    "Table",
    "drop_models",
    "is_pickle",
    "keep_tasks",
    "read_means",
    "read_outcomes",
    "read_releases",
    "releases",
]

Outcomes: TypeAlias = Frame
ModelTable: TypeAlias = "Frame | Mapping[str, object]"

# The first name that a table has is used when `columns` does not say otherwise.
OUTCOME_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "query": ("query", "query_id"),
    "task": ("task",),
    "model": ("model",),
    "score": ("score",),
    "cost": ("cost",),
}
RELEASE_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("model",),
    "release_date": ("release_date",),
}
MEANS_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("model",),
    "score": ("score", "reward"),
    "cost": ("cost",),
    "release_date": ("release_date",),
}
#: The task of every query of a table that has no column of tasks.
ONE_TASK: Final = "all"
PICKLE_SUFFIXES: Final = (".pkl", ".pickle")


@dataclass(frozen=True)
class Table:
    """A table whose columns are known.

    Attributes
    ----------
    frame : polars.DataFrame
        Columns of text (null where empty), score and cost (f64, null where missing), score_wrong
        and cost_wrong (text that is not a number, else null), and row (number in the source).
    columns : mapping
        Name in the source of each column that is there.
    place : callable
        Where a row of the source is, such as "line 3".
    """

    frame: "pl.DataFrame"
    columns: Mapping[str, str]
    place: Callable[[int], str]

    def named(self, roles: Sequence[str]) -> "Table":
        """Return the rows in which no column of some is empty."""
        return replace(self, frame=self.frame.drop_nulls(roles))

    def where(self, rows: "pl.DataFrame") -> str:
        """Return where the first of some rows is, for a message."""
        first = rows.row(0, named=True)
        ids = [
            f"{role} {checks.quoted(first[role])}" for role in ("query", "model") if first.get(role)
        ]
        return self.place(first["row"]) + (f" ({', '.join(ids)})" if ids else "")


class Release(NamedTuple):
    """What a table says about the release of a model.

    Attributes
    ----------
    day : date or None
        None when the table gives no date, or one that cannot be read.
    wrong : str
        What stands there where it is not a date; else empty.
    rows : int
        In how many rows the model occurs.
    """

    day: date | None
    wrong: str = ""
    rows: int = 1


def is_pickle(source: object) -> bool:
    """Return whether ``source`` is the path of a pickle."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() in PICKLE_SUFFIXES


def read_outcomes(
    source: Outcomes,
    columns: Mapping[str, str] | None = None,
    trust_sha256: str | None = None,
) -> Table:
    """Return recorded outcomes: query, task, model, score and cost.

    Parameters
    ----------
    source : str, Path, frame, array, mapping or sequence
        As for :func:`fastroute.outcomes.frames.read_source`, or a RouterBench pickle.
    columns : mapping, optional
        Name of the column for each of query, task, model, score, cost where it differs.
        "query" is also found under "query_id"; without "task" all queries are of one task.
    trust_sha256 : str, optional
        For pickles: see :func:`fastroute.scenarios.load_routerbench`.

    Raises
    ------
    ValueError
        When the table has no rows, or a column is missing or of a type that cannot be read.
    """
    if is_pickle(source):
        from fastroute.outcomes.routerbench_pickle import load_routerbench

        assert isinstance(source, str | Path)
        frame = load_routerbench(source, trust_sha256=trust_sha256)
        read = Source(frame, np.arange(frame.height))
    else:
        read = read_source("outcomes", source)
    return _read_columns("outcomes", read, OUTCOME_COLUMNS, columns, optional=("task",))


def read_means(source: Frame, columns: Mapping[str, str] | None = None) -> Table:
    """Return a leaderboard: model, score, cost and, where it has them, release dates.

    Parameters
    ----------
    source : str, Path, frame, array, mapping or sequence
        As for :func:`fastroute.outcomes.frames.read_source`.
    columns : mapping, optional
        Name of the column for each of model, score, cost, release_date where it differs. "score"
        is also found under "reward".

    Raises
    ------
    ValueError
        When the table has no rows, or a column is missing or of a type that cannot be read.
    """
    read = read_source("models", source)
    return _read_columns("models", read, MEANS_COLUMNS, columns, optional=("release_date",))


def _read_columns(
    field: str,
    read: Source,
    roles: Mapping[str, tuple[str, ...]],
    columns: Mapping[str, str] | None,
    optional: Sequence[str],
) -> Table:
    """Return the columns that a table needs, with their types."""
    import polars as pl

    _check_rows(field, read)
    chosen = find_columns(
        field, read.frame.columns, roles, {} if columns is None else columns, optional
    )
    found: list[pl.Series] = []
    for role, column in chosen.items():
        if role in ("score", "cost"):
            found += numbers(read, role, column)
        elif role != "release_date":
            found.append(texts(read, role, column))
    frame = pl.DataFrame([*found, pl.Series("row", read.rows)])
    if "task" in roles and "task" not in chosen:
        frame = frame.with_columns(task=pl.lit(ONE_TASK))
    if "release_date" in chosen:
        frame = frame.with_columns(release_date=read.frame[chosen["release_date"]])
    # A mean of scores, or a sum of floats, can leave [0, 1] by its rounding.
    score = pl.col("score")
    rounded = score.is_between(-checks.ROUNDING, 1.0 + checks.ROUNDING)
    frame = frame.with_columns(pl.when(rounded).then(score.clip(0.0, 1.0)).otherwise(score))
    return Table(frame, chosen, read.place)


def _check_rows(field: str, read: Source) -> None:
    """Raise ValueError when a table is empty."""
    if read.frame.height == 0:
        content = "recorded outcomes" if field == "outcomes" else "one row per model"
        raise ValueError(f"{field}: the table has no rows; pass {content}")


def read_releases(source: ModelTable) -> dict[str, Release]:
    """Return the release of each model.

    Parameters
    ----------
    source : str, Path, frame, array, mapping or sequence
        A table with columns ``model`` and ``release_date``, as for
        :func:`fastroute.outcomes.frames.read_source`, or a mapping from model to date.

    Raises
    ------
    ValueError
        When the table has no rows, a column is missing or of a type that cannot be read, or a
        row names no model.
    """
    if isinstance(source, Mapping) and not any(map(_is_column, source.values())):
        return releases(source.keys(), source.values())
    read = read_source("models", source)
    _check_rows("models", read)
    chosen = find_columns("models", read.frame.columns, RELEASE_COLUMNS)
    names = texts(read, "model", chosen["model"])
    empty = names.is_null().arg_true()
    if empty.len():
        raise ValueError(
            f"models: no model is named in {read.place(int(read.rows[empty[0]]))}; name it, or "
            "drop the row"
        )
    return releases(names, read.frame[chosen["release_date"]])


def _is_column(value: object) -> bool:
    """Return whether the value of a mapping is a column, and no date."""
    return hasattr(value, "__len__") and not isinstance(value, str | bytes)


def releases(models: Iterable[object], days: Iterable[object]) -> dict[str, Release]:
    """Return the release of each model; of a model that occurs twice, the first."""
    found: dict[str, Release] = {}
    for model, day in zip(models, days, strict=True):
        name = str(model)
        if name in found:
            found[name] = found[name]._replace(rows=found[name].rows + 1)
            continue
        try:
            found[name] = Release(checks.release_date(f"release_date of {name!r}", day))
        except ValueError:
            found[name] = Release(None, checks.quoted(day))
    return found


def keep_tasks(table: Table, tasks: str | Sequence[str]) -> Table:
    """Return the rows of some tasks.

    Raises
    ------
    ValueError
        When a task is unknown, or none is named.
    """
    wanted = checks.name_list("tasks", tasks)
    if not wanted:
        raise ValueError("tasks=[] selects no query; name at least one task, or omit it")
    known = table.frame["task"].drop_nulls().unique(maintain_order=True).to_list()
    for task in wanted:
        checks.choice("tasks", task, known)
    return replace(table, frame=table.frame.filter(table.frame["task"].is_in(wanted)))


def drop_models(table: Table, exclude: str | Sequence[str], released: Iterable[str] = ()) -> Table:
    """Return the rows of all models but some.

    Parameters
    ----------
    table : Table
    exclude : str or sequence of str
        Models to leave out.
    released : iterable of str
        Models of the models table, which may be named too.

    Raises
    ------
    ValueError
        When a model is unknown, or none would be left.
    """
    left_out = checks.name_list("exclude", exclude)
    models = table.frame["model"]
    known = list(dict.fromkeys([*models.drop_nulls().unique(maintain_order=True), *released]))
    for model in left_out:
        checks.choice("exclude", model, known)
    frame = table.frame.filter(~models.is_in(left_out).fill_null(False))
    if frame["model"].null_count() == frame.height:
        raise ValueError(f"exclude={left_out!r} leaves no model; keep at least one")
    return replace(table, frame=frame)
