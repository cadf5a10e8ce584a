"""Tables from any source, with text as it was written.

A file of text says nothing about types, and guessing them makes one id of ``007`` and ``7``. So
CSV and JSON are read as text throughout; the reader of a column decides what it holds.
"""

import codecs
import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastroute import checks

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["Frame", "Source", "find_columns", "numbers", "read_source", "texts"]

TableLike: TypeAlias = (
    "pl.DataFrame | pd.DataFrame | np.ndarray[Any, Any] | Mapping[str, Sequence[Any]]"
    " | Sequence[Mapping[str, Any]]"
)
# What a table may be given as. The part that may be a list has a name of its own, because a study
# takes a list for one value wherever the annotation of an option says Sequence, and a list of
# files is an axis.
Frame: TypeAlias = "str | Path | TableLike"

_JSON_LINES: Final = (".jsonl", ".ndjson")
_SUFFIXES: Final = (".parquet", ".csv", *_JSON_LINES, ".json")


@dataclass(frozen=True)
class Source:
    """A table as it was read, and where its rows come from.

    Attributes
    ----------
    frame : polars.DataFrame
        All columns; text where the file is text.
    rows : i8 [rows]
        Number of each row of ``frame`` in the source, from 0. Blank lines of a file are counted
        and are not rows of the frame.
    path : Path or None
        The file, None for tables in memory.
    """

    frame: "pl.DataFrame"
    rows: NDArray[np.int64]
    path: Path | None = None

    def place(self, row: int) -> str:
        """Return where a row of the source is: its line in a file of text, or its number."""
        suffix = "" if self.path is None else self.path.suffix.lower()
        if self.path is not None and suffix == ".csv":
            for number, (line, _) in enumerate(_csv_records(self.path)):
                if number == row + 1:
                    return f"line {line}"
        if suffix in _JSON_LINES:
            return f"line {row + 1}"
        return f"row {row + 1}"


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
    import polars as pl

    if isinstance(source, str | Path):
        return _read_file(field, source)
    frame = source if isinstance(source, pl.DataFrame) else _from_memory(field, source)
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


def _read_file(field: str, source: str | Path) -> Source:
    """Return the table in a file, by its suffix."""
    import polars as pl

    path = Path(source)
    if not path.is_file():
        raise ValueError(f"{field}={str(source)!r}: no such file; check the path")
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(
            f"{field}={str(source)!r} ends in {suffix!r}; pass a {', '.join(_SUFFIXES)} file (or, "
            "for outcomes, a RouterBench .pkl)"
        )
    try:
        if suffix == ".parquet":
            frame = pl.read_parquet(path, glob=False)
            return Source(frame, np.arange(frame.height), path)
        if suffix == ".csv":
            return _read_csv(path)
        return _read_json(path)
    except (pl.exceptions.PolarsError, _BadFileError) as error:
        why = str(error) if isinstance(error, _BadFileError) else _why_damaged(path, error)
        raise ValueError(f"{field}={str(source)!r} cannot be read as {suffix[1:]}: {why}") from None


class _BadFileError(Exception):
    """A file is not what its name says; the message says where, and what to do."""


def _read_csv(path: Path) -> Source:
    """Return a CSV file, all of it text."""
    import polars as pl

    frame = pl.read_csv(path, infer_schema=False, glob=False)
    head = frame.columns[0]
    if "\0" in head:
        raise _BadFileError("it is not UTF-8 text; save the file as UTF-8")
    if frame.width == 1 and (found := [mark for mark in ";\t" if mark in head]):
        raise _BadFileError(f"its fields are separated by {found[0]!r}; separate them by commas")
    # A blank line in the middle or at the end of a file is not a row.
    filled = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    return Source(frame.filter(filled), np.flatnonzero(filled.to_numpy()), path)


def _csv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the fields of every record of a CSV file, its header first.

    Blank lines are records but before the header, as Polars counts them.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        reader = csv.reader(lines)
        before, header = 0, False
        for fields in reader:
            header = header or bool(fields)
            if header:
                yield before + 1, fields
            before = reader.line_num


def _why_damaged(path: Path, error: Exception) -> str:
    """Return what is wrong with a file that Polars refuses, and what to do."""
    reason = str(error).splitlines()[0]
    if path.suffix.lower() == ".parquet":
        if column := _broken_text_column(path):
            return (
                f"the text of column {column!r} is not valid UTF-8; write the column anew as UTF-8 "
                "text, or drop it"
            )
        return f"{reason}; repair the file"
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line.decode()
        except UnicodeDecodeError:
            return f"line {number} is not valid UTF-8; save the file as UTF-8"
    width = None
    for place, fields in _csv_records(path):
        width = len(fields) if width is None else width
        if len(fields) > width:
            return (
                f"line {place} has {len(fields)} fields, but the header has {width}; quote fields "
                "that hold a comma"
            )
    return f"{reason}; repair the file"


def _broken_text_column(path: Path) -> str | None:
    """Return the first column of a Parquet file whose text is not UTF-8."""
    import polars as pl

    try:
        names = list(pl.read_parquet_schema(path))
    except pl.exceptions.PolarsError:
        return None
    for name in names:
        try:
            pl.read_parquet(path, columns=[name], glob=False)
        except pl.exceptions.PolarsError as error:
            if "UTF-8" in str(error):
                return name
    return None


def _read_json(path: Path) -> Source:
    """Return the objects of a JSON list, or of JSON lines; numbers stay text, as written."""
    import polars as pl

    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if path.suffix.lower() == ".json":
        objects = _json(content, "the file")
        if not isinstance(objects, list):
            raise _BadFileError("it does not hold a list; write a list of objects, one per row")
        numbered = list(enumerate(objects))
    else:
        numbered = [
            (number, _json(line, f"line {number + 1}"))
            for number, line in enumerate(content.split(b"\n"))
            if line.strip()
        ]
    for number, entry in numbered:
        if not isinstance(entry, dict):
            raise _BadFileError(f"entry {number + 1} is not an object; write one object per row")
    names = dict.fromkeys(name for _, entry in numbered for name in entry)
    columns = {name: [_json_text(entry.get(name)) for _, entry in numbered] for name in names}
    try:
        frame = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))
    except UnicodeEncodeError:
        raise _BadFileError(
            "it holds text that is not valid Unicode; replace the broken characters"
        ) from None
    return Source(frame, np.array([number for number, _ in numbered]), path)


# Numbers stay text, as they are written.
_DECODER: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def _json(content: bytes, place: str) -> Any:
    """Return JSON with its numbers as text."""
    try:
        return _DECODER.decode(content.decode())
    except UnicodeDecodeError:
        raise _BadFileError(f"{place} is not valid UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise _BadFileError(f"{place} is nested too deep; write plain objects") from None
    except ValueError as error:
        raise _BadFileError(f"{place} is not JSON ({error}); repair it") from None


def _json_text(value: Any) -> str | None:
    """Return a value of a JSON object as text."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


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
    found = {role: [name for name in known if name in names] for role, known in roles.items()}
    chosen = {role: known[0] for role, known in found.items() if known} | dict(given or {})
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
