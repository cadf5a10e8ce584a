"""The database of a decision log: its tables, and how it is opened, with one writer a replica."""

import os
import sqlite3
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Engine

from fastroute.outcomes.databases import open_database

METADATA: Final = sa.MetaData()
#: Starts of a replica are told apart by a number from 1 to so many.
MARKS: Final = 2**16 - 1
SETTINGS: Final = sa.Table(
    "settings",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
STARTS: Final = sa.Table(
    "starts",
    METADATA,
    sa.Column("replica", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    # What identifiers of its decisions have: so they belong to this log and to no copy of it.
    sa.Column("mark", sa.Integer, nullable=False),
    sa.Column("time", sa.Float, nullable=False),
)
DECISIONS: Final = sa.Table(
    "decisions",
    METADATA,
    sa.Column("replica", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("model", sa.String),
    sa.Column("served", sa.String),
    sa.Column("propensity", sa.Float, nullable=False),
    sa.Column("task", sa.String),
    sa.Column("features", sa.LargeBinary),
)
RECORDS: Final = sa.Table(
    "records",
    METADATA,
    sa.Column("replica", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("decided_by", sa.Integer),
    sa.Column("number", sa.BigInteger),
    sa.Column("reward", sa.Float),
    sa.Column("cost", sa.Float),
    sa.Column("body", sa.Text),
    sa.Index("records_by_decision", "number"),
)
SNAPSHOTS: Final = sa.Table(
    "snapshots",
    METADATA,
    sa.Column("replica", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("stamp", sa.String, nullable=False),
    sa.Column("arrays", sa.LargeBinary, nullable=False),
)

# What routers that begin a log at once wait for, one after the other.
_MAKING: Final = 1_751_625_406


def address_of(place: str | Path) -> str:
    """Return the address of a database: of a file, unless it is one already."""
    text = str(place)
    return text if "://" in text else f"sqlite:///{Path(place)}"


def lock_of(place: str | Path, replica: int) -> FileLock | None:
    """Keep other processes from writing to a file as this replica.

    Raises
    ------
    OSError
        When another one does.
    """
    if "://" in str(place):
        return None
    lock = FileLock(f"{place}-{replica}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise OSError(
            f"{place}: another router is at work as replica {replica}; close it, or give this one "
            f"a number of its own, replica={replica + 1}"
        ) from None
    return lock


def release(lock: FileLock | None) -> None:
    """Let another router write as this replica."""
    if lock is not None:
        lock.release()


def identity_of(engine: Engine) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name; None for other databases."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name:
        return None
    try:
        found = os.stat(name)
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


def shown(address: str) -> str:
    """Return an address as messages show it: without a password."""
    try:
        return sa.engine.make_url(address).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return address


def open_to_write(address: str) -> Engine:
    """Open a database and make the tables that it lacks.

    Raises
    ------
    ValueError
        When there is none, or it is something else.
    """
    try:
        engine = sa.create_engine(address)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise ValueError(f"{shown(address)}: cannot be opened: {error}") from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    try:
        _make_tables(engine)
    except sa.exc.DatabaseError as error:
        engine.dispose()
        raise ValueError(
            f"{shown(address)}: is no decision log: {error.orig}; give another file or address"
        ) from error
    return engine


def _make_tables(engine: Engine) -> None:
    """Make the tables that a database lacks, also where several routers begin at once."""
    there = set(sa.inspect(engine).get_table_names())
    ours = {table.name for table in METADATA.sorted_tables}
    if ours <= there:
        return
    if there and engine.dialect.name == "sqlite" and DECISIONS.name not in there:
        raise ValueError(
            f"{shown(str(engine.url))}: is no decision log: it has tables of another program, "
            f"{', '.join(sorted(there)[:3])}; give another file"
        )
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # There two that make the same table "if it does not exist" can fail.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
        for table in METADATA.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))


def open_to_read(place: str | Path) -> Engine:
    """Open the database of a log, of which nothing is written.

    Raises
    ------
    ValueError
        When there is none, or it is something else.
    """
    address = address_of(place)
    try:
        if "://" in str(place):
            engine = sa.create_engine(address)
        else:
            path = Path(place)
            if not path.is_file():
                raise ValueError(f"{place}: there is no such decision log")
            engine = sa.create_engine("sqlite://", creator=lambda: open_database(path))
        there = set(sa.inspect(engine).get_table_names())
    except (sa.exc.SQLAlchemyError, sqlite3.Error, ImportError) as error:
        raise ValueError(f"{place}: cannot be opened: {error}") from error
    if not {table.name for table in METADATA.sorted_tables} <= there:
        engine.dispose()
        raise ValueError(f"{place}: is no decision log; give the database of an online router")
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Let commits go to a journal that survives the process, and wait for other writers."""
    cursor = connection.cursor()
    # First, so that what follows waits too.
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
