"""Tables of recorded outcomes and of models: reading them as they are written.

What is wrong with them is found by :mod:`fastroute.scenarios.problems`, so that everything wrong
is found at once. An error is raised here only where a table cannot be read at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, NamedTuple, TypeAlias

from fastroute import checks
from fastroute.outcomes import Outcomes
from fastroute.outcomes.account import ONE_TASK, table_of
from fastroute.outcomes.columns import Table
from fastroute.outcomes.frames import Frame, find_columns, read_source, texts
from fastroute.outcomes.reading import is_pickle, read_table

__all__ = [
    "ONE_TASK",
    "ModelTable",
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

ModelTable: TypeAlias = "Frame | Mapping[str, object]"

RELEASE_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("model",),
    "release_date": ("release_date",),
}


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


def read_outcomes(
    source: "Frame | Outcomes",
    columns: Mapping[str, str] | None = None,
    trust_sha256: str | None = None,
    score_range: tuple[float, float] | None = None,
) -> Table:
    """Return recorded outcomes: query, task, model, score and cost.

    Parameters
    ----------
    source : Outcomes, str, Path, frame, array, mapping or sequence
        As for :func:`fastroute.read_outcomes`, or a RouterBench pickle.
    columns : mapping, optional
        Name of the column of a role where it is not recognised.
    trust_sha256 : str, optional
        For pickles: see :func:`fastroute.scenarios.load_routerbench`.
    score_range : (low, high), optional
        Of the scores in the table, which are brought to [0, 1].

    Raises
    ------
    ValueError
        When the table has no rows, a column is missing or of a type that cannot be read, or the
        outcomes are not those of queries.
    """
    if isinstance(source, Outcomes):
        _refuse_options(columns=columns, score_range=score_range)
        if source.kind in ("means", "logged"):
            raise ValueError(
                f"outcomes={source!r} has no query that several models answered; take its means, "
                "fr.scenario('means', models=outcomes)"
            )
        return table_of(source)
    return read_table(
        "outcomes",
        source,
        columns,
        wanted="queries",
        score_range=score_range,
        trust_sha256=trust_sha256,
    )


def read_means(
    source: "Frame | Outcomes",
    columns: Mapping[str, str] | None = None,
    score_range: tuple[float, float] | None = None,
    cost_per: str | None = None,
) -> Table:
    """Return a leaderboard: model, score, cost and, where it has them, release dates.

    Parameters
    ----------
    source : Outcomes, str, Path, frame, array, mapping or sequence
        As for :func:`fastroute.read_outcomes`; of outcomes of queries, their estimated means.
    columns : mapping, optional
        Name of the column of a role where it is not recognised.
    score_range : (low, high), optional
        Of the scores in the table, which are brought to [0, 1].
    cost_per : str, optional
        Unit of the costs in the table, such as "run".

    Raises
    ------
    ValueError
        When the table has no rows, or a column is missing or of a type that cannot be read.
    """
    if isinstance(source, Outcomes):
        _refuse_options(columns=columns, score_range=score_range, cost_per=cost_per)
        return _estimated(source)
    return read_table(
        "models", source, columns, wanted="means", score_range=score_range, cost_per=cost_per
    )


def _refuse_options(**given: object) -> None:
    """Refuse options of the reading of outcomes that have been read."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name}={value!r}: the outcomes are read; pass it to read_outcomes")


def _estimated(outcomes: Outcomes) -> Table:
    """Return the means of outcomes as a leaderboard."""
    import polars as pl

    means = outcomes.estimate(draws=1)
    board: dict[str, object] = {"model": means.models, "score": means.score, "cost": means.cost}
    if outcomes.released:
        board["release_date"] = [outcomes.released.get(model) for model in means.models]
    frame = pl.DataFrame(board).with_columns(pl.col("score", "cost").fill_nan(None))
    return table_of(replace(outcomes, frame=frame, kind="means"))


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
    if read.frame.height == 0:
        raise ValueError("models: the table has no rows; pass one row per model")
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
