"""Decision logs of online routers, as tables: read with SQL, without writing a byte."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import numpy as np

from fastroute.outcomes.files import BadFileError, Content, Source

if TYPE_CHECKING:
    import polars as pl

__all__ = ["is_database", "open_database", "read_database"]

_HEAD: Final = b"SQLite format 3\0"
_TABLES: Final = frozenset({"settings", "decisions", "records"})
# Reward and cost of a decision come apart, each once.
_ROWS: Final = """
select d.replica, d.number, d.time, d.model, d.served, d.propensity, d.task, o.reward, o.cost
from decisions d left join (
    select decided_by, number, max(reward) as reward, max(cost) as cost
    from records where kind = 'outcome' group by decided_by, number
) o on o.decided_by = d.replica and o.number = d.number
order by d.replica, d.number
"""

# What was told in the place of an outcome, the newest last.
_REPLACED: Final = """
select decided_by, number, reward, cost from records where kind = 'replace' order by time, place
"""


def is_database(path: Path) -> bool:
    """Return whether a file is a database of SQLite, whatever its name."""
    with path.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database of SQLite that nothing is written to, beside routers that write to it."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True)
    try:
        connection.execute("select 1 from sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # In a folder that cannot be written to there is no place for the index of the journal; a
        # file without a journal needs none.
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        connection = sqlite3.connect(f"{address}&immutable=1", uri=True)
    return connection


def read_database(path: Path) -> Content:
    """Return the decisions of a log with their outcomes; its entries are the settings.

    Raises
    ------
    BadFileError
        When the database is no decision log.
    """
    try:
        with closing(open_database(path)) as connection:
            names = connection.execute("select name from sqlite_master where type = 'table'")
            if not {name for (name,) in names} >= _TABLES:
                raise BadFileError(
                    "it is no decision log: it lacks the tables decisions and records; export the "
                    "table of outcomes as CSV or Parquet"
                )
            settings = {
                name: json.loads(value)
                for name, value in connection.execute("select name, value from settings")
            }
            rows = _replaced(
                connection.execute(_ROWS).fetchall(), connection.execute(_REPLACED).fetchall()
            )
            frame = _frame(rows, settings)
    except sqlite3.Error as error:
        raise BadFileError(f"{error}; restore the file from a copy") from None
    numbers = frame["query"].to_list()
    source = Source(
        frame, np.arange(frame.height), path, locate=lambda row: f"decision {numbers[row]}"
    )
    return Content(path.name, source, settings, path=path)


def _replaced(rows: list[tuple[Any, ...]], newer: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return decisions with the rewards and costs that were told in the place of the first ones."""
    if not newer:
        return rows
    known: dict[tuple[int, int], list[float | None]] = {}
    for replica, number, *values in newer:
        kept = known.setdefault((replica, number), [None, None])
        kept[:] = [old if new is None else new for old, new in zip(kept, values, strict=True)]
    return [
        (
            *row[:-2],
            *(new if new is not None else old for old, new in zip(row[-2:], told, strict=True)),
        )
        if (told := known.get((row[0], row[1])))
        else row
        for row in rows
    ]


def _frame(rows: list[tuple[Any, ...]], settings: dict[str, Any]) -> "pl.DataFrame":
    """Return decisions as a frame, with the probability of what served."""
    import polars as pl

    schema = {
        "replica": pl.Int64,
        "number": pl.Int64,
        "time": pl.Float64,
        "chosen": pl.String,
        "served": pl.String,
        "propensity": pl.Float64,
        "task": pl.String,
        "reward": pl.Float64,
        "cost": pl.Float64,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    if settings.get("mode", "apply") == "apply":
        # What stood in when the money was spent: with which probability, the log does not say.
        served = pl.when(pl.col("served") == pl.col("chosen")).then(pl.col("propensity"))
    else:
        served = pl.when(pl.col("served").is_not_null()).then(1.0)
    return frame.with_columns(
        pl.format("{}-{}", "replica", "number").alias("query"),
        propensity=served.otherwise(None),
        time=(pl.col("time") * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us")),
    )
