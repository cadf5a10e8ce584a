"""Tables from any source, and the columns in them by their role."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fastroute import checks
from fastroute.outcomes.files import (
    BadFileError,
    Content,
    Source,
    read_file,
    read_folder,
    rows_source,
    unnested,
    wrapped_rows,
)

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = [
    "Frame",
    "Source",
    "find_columns",
    "known_columns",
    "numbers",
    "read_content",
    "read_source",
    "texts",
]

TableLike: TypeAlias = (
    "pl.DataFrame | pd.DataFrame | np.ndarray[Any, Any] | Mapping[str, Sequence[Any]]"
    " | Sequence[Mapping[str, Any]]"
)
# What a table may be given as. The part that may be a list has a name of its own, because a study
# takes a list for one value wherever the annotation of an option says Sequence, and a list of
# files is an axis.
Frame: TypeAlias = "str | Path | TableLike"


def read_source(field: str, source: "Frame") -> Source:
    """Return the table in a file, or one in memory.

    Parameters
    ----------
    field : str
        What the table is called in messages.
    source : str, Path, polars.DataFrame, pandas.DataFrame, array, mapping or sequence
        The path of a Parquet, CSV, JSON lines or JSON file (a list of objects); a frame; a NumPy
        array with named fields; a mapping of columns; or a sequence of rows that are mappings.

    Returns
    -------
    Source

    Raises
    ------
    ValueError
        When the file is missing, damaged or of another kind, or the object is not a table.
    """
    content = read_content(field, source)
    if content.table is None:
        raise not_rows(field, content)
    return content.table


def not_rows(field: str, content: Content) -> ValueError:
    """Return the error of a source that holds no rows."""
    if content.path is None:
        return ValueError(f"{field}: it is a mapping of objects; pass one mapping per row")
    if content.files:
        return ValueError(f"{field}={str(content.path)!r} is a folder; pass one of its files")
    return ValueError(
        f"{field}={str(content.path)!r} cannot be read as {content.path.suffix[1:]}: it does not "
        "hold a list; write a list of objects, one per row (or one such list under 'data')"
    )


def read_content(
    field: str,
    source: "Frame",
    listing: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> Content:
    """Return what a file, a folder or an object in memory holds.

    Parameters
    ----------
    field : str
        What the table is called in messages.
    source : str, Path, frame, array, mapping or sequence
        As for :func:`read_source`; also a folder, and objects inside objects.
    listing : callable
        Goes through the files of a folder; may show how far it is.

    Raises
    ------
    ValueError
        When a file is missing, damaged or of another kind, or the object is not a table.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        return read_folder(field, path, listing) if path.is_dir() else read_file(field, path)
    if isinstance(source, Mapping) and (
        any(isinstance(value, Mapping) for value in source.values())
        or (source and all(map(_is_entry, source.values())))
    ):
        wrapped = wrapped_rows(source)
        table = None if wrapped is None else _objects_source(field, wrapped)
        return Content("frame", table, source)
    if _is_rows(source):
        rows: Any = source
        if not any(isinstance(v, Mapping) for row in rows for v in row.values()):
            return Content("frame", _memory_source(field, source), source)
        return Content("frame", _objects_source(field, rows), rows)
    return Content("frame", _memory_source(field, source))


def _objects_source(field: str, rows: Sequence[Any]) -> Source:
    """Return the table of rows with objects in them."""
    try:
        return rows_source(rows)
    except BadFileError as error:
        raise ValueError(f"{field}: {error}") from None


def _memory_source(field: str, source: "TableLike") -> Source:
    """Return the table of an object in memory."""
    import polars as pl

    frame = source if isinstance(source, pl.DataFrame) else _from_memory(field, source)
    frame = unnested(frame)
    return Source(frame, np.arange(frame.height))


def _from_memory(field: str, source: Any) -> "pl.DataFrame":
    """Return a Polars frame of the columns of a table of another kind."""
    pandas = sys.modules.get("pandas")  # a pandas frame exists only where pandas was imported
    columns: dict[str, Any]
    if pandas is not None and isinstance(source, pandas.DataFrame):
        if any(name is not None for name in source.index.names):
            source = source.reset_index(allow_duplicates=True)
        names = [str(name) for name in source.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{field}: column {twice[0]!r} occurs twice; rename one of them")
        columns = {name: _pandas_column(source.iloc[:, at]) for at, name in enumerate(names)}
    elif isinstance(source, np.ndarray) and source.dtype.names and source.ndim == 1:
        columns = {name: source[name] for name in source.dtype.names}
    elif isinstance(source, Mapping):
        columns = {str(name): values for name, values in source.items()}
    elif _is_rows(source):
        names = list(dict.fromkeys(name for row in source for name in row))
        columns = {str(name): [row.get(name) for row in source] for name in names}
    else:
        raise ValueError(
            f"{field}: cannot read a {type(source).__name__} as a table; pass a path, a Polars "
            "frame, a pandas frame, a mapping of columns, a list of rows that are mappings, or a "
            "NumPy array with named fields"
        )
    return _frame(field, columns)


def _is_entry(value: object) -> bool:
    """Return whether a value of a mapping is an object, or a list of objects: no column."""
    if isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, Mapping)


def _is_rows(source: object) -> bool:
    """Return whether an object is a sequence of mappings."""
    return isinstance(source, Sequence) and all(isinstance(row, Mapping) for row in source)


def _pandas_column(series: Any) -> Any:
    """Return the values of a pandas column, by NumPy where it has a plain type.

    Polars would ask for pyarrow to read the others.
    """
    return series.to_numpy() if isinstance(series.dtype, np.dtype) else series.tolist()


def _frame(field: str, columns: Mapping[str, Any]) -> "pl.DataFrame":
    """Return a Polars frame of columns in memory."""
    import polars as pl

    made = []
    for name, values in columns.items():
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise ValueError(
                f"{field}: column {name!r} is {checks.quoted(values)}; pass one value per row"
            )
        made.append(_series(field, name, values))
    heights = {series.len() for series in made}
    if len(heights) > 1:
        sizes = ", ".join(f"{series.name!r} has {series.len()}" for series in made[:5])
        raise ValueError(f"{field}: columns of different length ({sizes}); pass one value per row")
    return pl.DataFrame(made)


def _series(field: str, name: str, values: Iterable[Any]) -> "pl.Series":
    """Return one column; values of different types become text, never nulls."""
    import polars as pl

    if isinstance(values, pl.Series):
        return values.alias(name)
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = values.astype("datetime64[ms]")
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    items = [_cell(value) for value in listed]
    try:
        return pl.Series(name, items, strict=True)
    except UnicodeEncodeError:
        raise ValueError(
            f"{field}: column {name!r} holds text that is not valid Unicode; replace the broken "
            "characters"
        ) from None
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        if any(isinstance(item, bytes | bytearray) for item in items):
            return pl.Series(name, items, dtype=pl.Object)
        return pl.Series(name, [None if item is None else str(item) for item in items])


def _cell(value: Any) -> Any:
    """Return a cell: None where it is missing, times without the zone they are written in."""
    if checks.is_missing(value):
        return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.replace(tzinfo=None)
    return value


def find_columns(
    field: str,
    names: Sequence[str],
    roles: Mapping[str, tuple[str, ...]],
    given: Mapping[str, str] | None = None,
    optional: Sequence[str] = (),
) -> dict[str, str]:
    """Return the column that plays each role.

    Parameters
    ----------
    field : str
        What the table is called in messages.
    names : sequence of str
        Columns of the table.
    roles : mapping
        Names under which a role is found when ``given`` does not say otherwise, first one first.
    given : mapping, optional
        Column of a role, from the user; None when the user has no way to say.
    optional : sequence of str
        Roles that may have no column; they are then absent from the answer.

    Raises
    ------
    ValueError
        Naming every role without a column, or what is wrong with ``given``.
    """
    if not isinstance(given, Mapping | None):
        raise ValueError(
            f"columns={given!r} must be a mapping, such as {{{next(iter(roles))!r}: 'name'}}"
        )
    for role, name in (given or {}).items():
        checks.choice("columns", role, tuple(roles))
        if name not in names:
            raise ValueError(
                f"columns[{role!r}]={name!r} is not in the table{checks.nearest(str(name), names)}"
            )
    chosen = known_columns(names, roles) | dict(given or {})
    absent = [role for role in roles if role not in chosen and role not in optional]
    if absent:
        mapped = ", ".join(f"{role!r}: ..." for role in absent)
        remedy = "rename the one that holds it"
        if given is not None:
            remedy = f"map it, columns={{{mapped}}}"
        raise ValueError(
            f"{field}: no column {', '.join(map(repr, absent))}; {remedy}"
            f"{checks.nearest(absent[0], names)}"
        )
    return chosen


def known_columns(names: Sequence[str], roles: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the column of each role: the first of its names that is there, in any case."""
    folded = {name.casefold(): name for name in reversed(names)} | {name: name for name in names}
    found = {}
    for role, known in roles.items():
        columns = (folded.get(name, folded.get(name.casefold())) for name in known)
        column = next((column for column in columns if column is not None), None)
        if column is not None:
            found[role] = column
    return found


def texts(source: Source, role: str, column: str) -> "pl.Series":
    """Return a column of text as it was written; whole numbers as decimal text, empty as null.

    Raises
    ------
    ValueError
        When the column holds bytes, lists or other things that are not text.
    """
    import polars as pl

    values = source.frame[column]
    dtype = values.dtype
    if dtype == pl.Binary or dtype == pl.Object:
        raise ValueError(
            f"{role}: column {column!r} holds bytes or objects (type {dtype}); convert it to "
            "text, for instance by decoding it as UTF-8"
        )
    if dtype.is_nested():
        raise ValueError(
            f"{role}: column {column!r} has type {dtype}; convert it to text, or use another "
            f"column, columns={{{role!r}: ...}}"
        )
    if dtype.is_float():
        values = values.fill_nan(None)
    text = values.cast(pl.String).alias(role)
    return text.set(text == "", None)


def numbers(source: Source, role: str, column: str) -> tuple["pl.Series", "pl.Series"]:
    """Return a column as numbers, and the texts in it that are not numbers.

    Returns
    -------
    numbers : polars.Series of f64
        Null where a number is missing (also as NaN, or a word such as ``NA``) or is not one.
    wrong : polars.Series of str
        Null but for the texts that are neither a number nor a word for a missing one.

    Raises
    ------
    ValueError
        When the column has a type that is neither of numbers nor of text.
    """
    import polars as pl

    values = source.frame[column]
    dtype = values.dtype
    if dtype.is_numeric() or dtype == pl.Boolean or dtype == pl.Null:
        none = pl.repeat(None, values.len(), dtype=pl.String, eager=True)
        return values.cast(pl.Float64).fill_nan(None).alias(role), none.alias(f"{role}_wrong")
    if dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise ValueError(
            f"{role}: column {column!r} has type {dtype}; convert it to numbers, or use another "
            f"column, columns={{{role!r}: ...}}"
        )
    text = values.cast(pl.String).str.strip_chars()
    folded = text.str.to_lowercase()
    given = text.set(folded.is_in(checks.MISSING_WORDS), None)
    # Tables of right and wrong answers have these words for 1 and 0.
    given = given.set(folded == "true", "1").set(folded == "false", "0")
    read = given.cast(pl.Float64, strict=False)
    wrong = given.set(read.is_not_null(), None)
    return read.fill_nan(None).alias(role), wrong.alias(f"{role}_wrong")
