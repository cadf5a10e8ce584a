"""Files of tables: CSV, Parquet, JSON, JSON lines, YAML, and folders of them.

A file of text says nothing about types, and guessing them makes one id of ``007`` and ``7``. So
text is read as text throughout; the reader of a column decides what it holds. Objects inside
objects are columns too: ``{"usage": {"input": 3}}`` has the column ``usage.input``.
"""

import codecs
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "SUFFIXES",
    "BadFileError",
    "Content",
    "Source",
    "join_sources",
    "read_file",
    "read_folder",
    "rows_source",
    "unnested",
    "wrapped_rows",
]

JSON_LINES: Final = (".jsonl", ".ndjson")
_YAML: Final = (".yaml", ".yml")
#: Endings of the files that are read.
SUFFIXES: Final = (".parquet", ".csv", *JSON_LINES, ".json", *_YAML)

# Under which of these an answer of an API has its rows.
_WRAPPERS: Final = ("data", "observations", "results", "items")


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
    locate : callable, optional
        Where a row is, for sources whose rows are not the lines of one file.
    """

    frame: "pl.DataFrame"
    rows: NDArray[np.int64]
    path: Path | None = None
    locate: Callable[[int], str] | None = None

    def kept(self, rows: "pl.Series") -> "Source":
        """Return the rows for which a column of truth values says so."""
        return replace(self, frame=self.frame.filter(rows), rows=self.rows[rows.to_numpy()])

    def place(self, row: int) -> str:
        """Return where a row of the source is: its line in a file of text, or its number."""
        if self.locate is not None:
            return self.locate(row)
        suffix = "" if self.path is None else self.path.suffix.lower()
        if self.path is not None and suffix == ".csv":
            for number, (line, _) in enumerate(_csv_records(self.path)):
                if number == row + 1:
                    return f"line {line}"
        if suffix in JSON_LINES:
            return f"line {row + 1}"
        return f"row {row + 1}"


@dataclass(frozen=True)
class Content:
    """What a file, a folder or an object in memory holds, before anyone knows what it means.

    Attributes
    ----------
    name : str
        The name of the file, or "frame".
    table : Source or None
        Its rows, where it has rows.
    entries : object
        What a JSON or YAML file holds, with its numbers as text; None for other files.
    files : tuple of Content
        The files of a folder, by name.
    path : Path or None
    inside : tuple of str
        The folders in the folder that was read and the file, down to this one.
    """

    name: str
    table: Source | None = None
    entries: Any = None
    files: "tuple[Content, ...]" = ()
    path: Path | None = None
    inside: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; of a folder, those that all of its tables have."""
        if self.table is not None:
            return tuple(self.table.frame.columns)
        tables = [set(file.columns) for file in self.files if file.table is not None]
        return tuple(sorted(set.intersection(*tables))) if tables else ()


def join_sources(sources: "Sequence[Source]") -> Source:
    """Return the rows of several tables as one; each row knows its file."""
    import polars as pl

    starts = np.cumsum([0, *(source.frame.height for source in sources)])

    def locate(row: int) -> str:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        source = sources[part]
        place = source.place(int(source.rows[row - int(starts[part])]))
        return place if source.path is None else f"{place} of {source.path.name}"

    frame = pl.concat([source.frame for source in sources], how="diagonal_relaxed")
    return Source(frame, np.arange(frame.height), locate=locate)


def read_folder(
    field: str, path: Path, listing: Callable[[Sequence[Path]], Iterable[Path]] = iter
) -> Content:
    """Return the files of a folder and the folders in it.

    Parameters
    ----------
    field : str
        What the table is called in messages.
    path : Path
    listing : callable
        Goes through the files; may show how far it is.

    Raises
    ------
    ValueError
        When no file in it can be read, or one of them is damaged.
    """
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise ValueError(f"{field}={str(path)!r}: no {', '.join(SUFFIXES)} file in the folder")
    files = tuple(
        replace(read_file(field, file), inside=file.relative_to(path).parts)
        for file in listing(found)
    )
    # The folder in which one is has no name in its path.
    return Content(path.resolve().name, None, None, files, path)


def read_file(field: str, source: str | Path) -> Content:
    """Return what a file holds, by its suffix.

    Raises
    ------
    ValueError
        When the file is missing, damaged or of another kind.
    """
    import polars as pl

    path = Path(source)
    if not path.is_file():
        raise ValueError(f"{field}={str(source)!r}: no such file; check the path")
    from fastroute.outcomes.databases import is_database, read_database

    database = is_database(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES and not database:
        raise ValueError(
            f"{field}={str(source)!r} ends in {suffix!r}; pass a {', '.join(SUFFIXES)} file (or, "
            "for outcomes, a decision log or a RouterBench .pkl)"
        )
    try:
        if database:
            return read_database(path)
        if suffix == ".parquet":
            frame = unnested(pl.read_parquet(path, glob=False))
            return Content(path.name, Source(frame, np.arange(frame.height), path), path=path)
        if suffix == ".csv":
            return Content(path.name, _read_csv(path), path=path)
        return _read_json(path)
    except (pl.exceptions.PolarsError, BadFileError) as error:
        kind = "a decision log" if database else suffix[1:]
        why = str(error) if isinstance(error, BadFileError) else _why_damaged(path, error)
        raise ValueError(f"{field}={str(source)!r} cannot be read as {kind}: {why}") from None


class BadFileError(Exception):
    """A file is not what its name says; the message says where, and what to do."""


def _read_csv(path: Path) -> Source:
    """Return a CSV file, all of it text."""
    import polars as pl

    frame = pl.read_csv(path, infer_schema=False, glob=False)
    head = frame.columns[0]
    if "\0" in head:
        raise BadFileError("it is not UTF-8 text; save the file as UTF-8")
    if frame.width == 1 and (found := [mark for mark in ";\t" if mark in head]):
        raise BadFileError(f"its fields are separated by {found[0]!r}; separate them by commas")
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


def _read_json(path: Path) -> Content:
    """Return what a file of JSON, JSON lines or YAML holds."""
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if path.suffix.lower() in JSON_LINES:
        numbered = [
            (number, _json(line, f"line {number + 1}"))
            for number, line in enumerate(content.split(b"\n"))
            if line.strip()
        ]
        entries = [entry for _, entry in numbered]
        return Content(
            path.name, rows_source(entries, path, [n for n, _ in numbered]), entries, path=path
        )
    entries = _yaml(content) if path.suffix.lower() in _YAML else _json(content, "the file")
    rows = entries if isinstance(entries, list) else wrapped_rows(entries)
    table = None if rows is None else rows_source(rows, path)
    return Content(path.name, table, entries, path=path)


def _yaml(content: bytes) -> Any:
    """Return what YAML holds, with its numbers as text."""
    try:
        import yaml
    except ImportError:
        raise BadFileError(
            "PyYAML is not installed; install it with pip install 'fastroute[yaml]', or convert "
            "the file to JSON"
        ) from None
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        return yaml.load(content, Loader=loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadFileError(f"it is not YAML ({' '.join(str(error).split())}); repair it") from None


def wrapped_rows(entries: Any) -> Sequence[Any] | None:
    """Return the rows of an answer of an API, which lie in a list beside its pages and counts.

    None where no list has a name of those that such answers have, or where several lists hold
    objects.
    """
    if not isinstance(entries, Mapping):
        return None
    lists = [name for name, value in entries.items() if _is_objects(value)]
    return entries[lists[0]] if len(lists) == 1 and lists[0] in _WRAPPERS else None


def _is_objects(value: Any) -> bool:
    """Return whether a value is a list of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def rows_source(
    entries: Sequence[Any], path: Path | None = None, numbers: Sequence[int] | None = None
) -> Source:
    """Return a table of text with one row for each object, and its inner objects as columns.

    Parameters
    ----------
    entries : sequence of mapping
    path : Path, optional
        The file they are from.
    numbers : sequence of int, optional
        Number of each in the source.
    """
    import polars as pl

    rows = range(len(entries)) if numbers is None else numbers
    for number, entry in zip(rows, entries, strict=True):
        if not isinstance(entry, Mapping):
            raise BadFileError(f"entry {number + 1} is not an object; write one object per row")
    if any(isinstance(value, Mapping | list) for entry in entries for value in entry.values()):
        entries = [_flattened(entry) for entry in entries]
    names = dict.fromkeys(name for entry in entries for name in entry)
    columns = {str(name): [_json_text(entry.get(name)) for entry in entries] for name in names}
    try:
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    except UnicodeEncodeError:
        raise BadFileError(
            "it holds text that is not valid Unicode; replace the broken characters"
        ) from None
    return Source(frame, np.array(rows, dtype=np.int64), path)


def _flattened(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the fields of the objects in it beside its own."""
    found: dict[str, Any] = {}
    for name, value in entry.items():
        found[name] = value
        inner = _attributes(value) if isinstance(value, list) else value
        if isinstance(inner, Mapping):
            found |= {f"{name}.{key}": below for key, below in _flattened(inner).items()}
    return found


def _attributes(values: list[Any]) -> dict[str, Any] | None:
    """Return attributes that are written as a list of keys and values, as OpenTelemetry does."""
    if not values or not all(isinstance(v, Mapping) and {"key", "value"} <= set(v) for v in values):
        return None
    return {
        str(v["key"]): next(iter(v["value"].values()), None)
        if isinstance(v["value"], Mapping)
        else v["value"]
        for v in values
    }


def unnested(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return a frame with the fields of its structs beside them."""
    import polars as pl

    added: list[pl.Series] = []
    waiting = [column for column in frame.get_columns() if isinstance(column.dtype, pl.Struct)]
    while waiting:
        column = waiting.pop()
        for inner in column.struct.unnest().get_columns():
            inner = inner.alias(f"{column.name}.{inner.name}")
            (waiting if isinstance(inner.dtype, pl.Struct) else added).append(inner)
    return frame.with_columns(added)


# Numbers stay text, as they are written.
_DECODER: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def _json(content: bytes, place: str) -> Any:
    """Return JSON with its numbers as text."""
    try:
        return _DECODER.decode(content.decode())
    except UnicodeDecodeError:
        raise BadFileError(f"{place} is not valid UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise BadFileError(f"{place} is nested too deep; write plain objects") from None
    except ValueError as error:
        raise BadFileError(f"{place} is not JSON ({error}); repair it") from None


def _json_text(value: Any) -> str | None:
    """Return a value of a JSON object as text."""
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)
