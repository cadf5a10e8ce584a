"""The decision log: what was decided, observed and changed, in the order in which it happened.

It is only appended to, and it is the truth: a router that starts reads it and goes on where it
ended.  Rows are committed in groups, by a thread of their own.
"""

import atexit
import json
import os
import secrets
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from fastroute.online.database import (
    DECISIONS,
    MARKS,
    RECORDS,
    SETTINGS,
    SNAPSHOTS,
    STARTS,
    address_of,
    identity_of,
    lock_of,
    open_to_read,
    open_to_write,
    release,
    shown,
)

#: Rows that are read from the log at once.
_READ: Final = 10_000


class DecisionRow(NamedTuple):
    """A decision, as the log has it."""

    replica: int
    number: int
    time: float
    model: str | None  #: what the policy chose; None where nothing could take the query
    served: str | None  #: what took the query
    propensity: float  #: probability of what the policy chose
    task: str | None
    features: bytes | None  #: doubles


class Record(NamedTuple):
    """An observation or a change, as the log has it."""

    replica: int
    place: int  #: in the order in which they happened
    at: int  #: number of the decision that came next
    time: float
    kind: str  #: "outcome", or of a change
    decided_by: int | None = None  #: replica of the decision that was observed
    number: int | None = None  #: of the decision that was observed
    reward: float | None = None
    cost: float | None = None
    body: str | None = None  #: of a change, as JSON


@dataclass(frozen=True)
class Snapshot:
    """What a router knew at some place of the log."""

    at: int  #: number of the next decision
    place: int  #: of the next record
    arrays: dict[str, NDArray[Any]]


class Log:
    """A decision log in a database.

    Parameters
    ----------
    place : str or Path
        A file of SQLite, or the address of a database as SQLAlchemy has them, such as
        ``postgresql+psycopg://user@host/name``.
    replica : int
        Which of the routers that share the log writes here.
    every : int
        Rows that are committed at the latest when they are so many.
    seconds : float
        Seconds after which rows are committed at the latest.
    read_only : bool
        Only read: nothing is made where it is missing, and a log that is being written to is not
        disturbed.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        replica: int = 0,
        every: int = 256,
        seconds: float = 0.02,
        read_only: bool = False,
    ) -> None:
        self.replica = replica
        address = address_of(place)
        self._lock = None if read_only else lock_of(place, replica)
        try:
            self._engine = open_to_read(place) if read_only else open_to_write(address)
        except BaseException:
            release(self._lock)
            raise
        self._file = identity_of(self._engine)
        self._process = os.getpid()
        #: Of the database, without its password.
        self.address = shown(address)
        self._every, self._seconds = every, seconds
        self._rows: deque[DecisionRow | Record] = deque()
        self._snapshot: dict[str, Any] | None = None
        self._added = self._durable = 0
        self._changed = threading.Condition()
        self._writes = threading.Lock()
        #: Why nothing more can be written; None where it can.
        self.broken: BaseException | None = None
        _logs.add(self)
        self._closing = False
        self._thread: threading.Thread | None = None

    # What is written.

    def add(self, row: DecisionRow | Record) -> None:
        """Append a decision, an observation or a change."""
        self._rows.append(row)
        self._note()

    def refuse_broken(self) -> None:
        """Refuse to go on where the last rows could not be written.

        Raises
        ------
        OSError
        """
        if self.broken is not None:
            raise self._failure()

    def _note(self) -> None:
        self._added += 1
        if self._thread is None:
            self._start()
        if self._added - self._durable == self._every:
            with self._changed:
                self._changed.notify_all()

    def keep_snapshot(self, snapshot: Snapshot, stamp: str) -> None:
        """Keep what is known; it is written with the rows before it."""
        file = BytesIO()
        np.savez(file, allow_pickle=False, **snapshot.arrays)
        self._snapshot = {
            "replica": self.replica,
            "at": snapshot.at,
            "place": snapshot.place,
            "stamp": stamp,
            "arrays": file.getvalue(),
        }

    def flush(self) -> None:
        """Return when all that was appended is in the database.

        Raises
        ------
        OSError
            When it could not be written.
        """
        if os.getpid() != self._process:
            # A lock that the parent held at the fork is never free here.
            raise self._failure()
        self._commit()
        self.refuse_broken()

    def close(self) -> None:
        """Write what is left and let go of the database."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        try:
            self.flush()
        finally:
            self._engine.dispose()
            release(self._lock)

    def _start(self) -> None:
        # What is left when the interpreter ends is written then.
        atexit.register(_commit_rest, weakref.ref(self))
        self._thread = threading.Thread(target=self._run, name="fastroute-log", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            with self._changed:
                self._changed.wait(self._seconds)
            if self._added > self._durable and self.broken is None:
                self._commit()

    def _commit(self) -> None:
        """Write what was appended, in one transaction."""
        with self._writes:
            count = self._added
            # Other threads go on appending: what is taken is a beginning of what there is, so that
            # nothing is written before what it rests on.
            rows = [self._rows.popleft() for _ in range(len(self._rows))]
            decisions = [row for row in rows if isinstance(row, DecisionRow)]
            records = [row for row in rows if isinstance(row, Record)]
            snapshot, self._snapshot = self._snapshot, None
            if not (rows or snapshot):
                self._durable = count
                return
            try:
                if identity_of(self._engine) != self._file:
                    raise FileNotFoundError("its file was deleted or replaced")
                with self._engine.begin() as connection:
                    _insert(connection, DECISIONS, decisions)
                    _insert(connection, RECORDS, records)
                    if snapshot:
                        mine = SNAPSHOTS.c.replica == self.replica
                        connection.execute(SNAPSHOTS.delete().where(mine))
                        connection.execute(SNAPSHOTS.insert(), [snapshot])
            except (sa.exc.SQLAlchemyError, OSError) as error:
                # Nothing that was appended may be lost while it can still be written.
                self._rows.extendleft(reversed(rows))
                self._snapshot = self._snapshot or snapshot
                self.broken = error
                return
            self._durable, self.broken = count, None

    def _failure(self) -> OSError:
        if os.getpid() != self._process:
            return OSError(
                f"{self.address}: this process was forked from the one that opened the log; open a "
                "router in every process, each with a replica number of its own"
            )
        if isinstance(self.broken, sa.exc.IntegrityError):
            return OSError(
                f"{self.address}: another router writes as replica {self.replica}; close one of "
                "them, or give this one a number of its own, replica=1"
            )
        cause = getattr(self.broken, "orig", None) or self.broken
        return OSError(
            f"{self.address}: the decision log cannot be written: {cause}; what was decided "
            "since the last commit is in memory only"
        )

    # What is read.

    def settings(self) -> dict[str, Any] | None:
        """Return the settings of the routers that write here; None for a new log."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(SETTINGS)).all()
        return {name: json.loads(value) for name, value in rows} or None

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Keep the settings of a new log.

        Raises
        ------
        ValueError
            When another router has begun the log meanwhile, with other settings.
        """
        plain = {name: json.dumps(value) for name, value in settings.items()}
        rows = [{"name": name, "value": value} for name, value in plain.items()]
        try:
            with self._engine.begin() as connection:
                connection.execute(SETTINGS.insert(), rows)
        except sa.exc.IntegrityError:
            with self._engine.connect() as connection:
                kept = {name: value for name, value in connection.execute(sa.select(SETTINGS))}
            others = [name for name in plain if kept.get(name) != plain[name]]
            if others:
                self._engine.dispose()
                raise ValueError(
                    f"{self.address}: another router has begun this log with another "
                    f"{', '.join(others)}; give all of them the same settings"
                ) from None

    def begin(self, first: int, now: float) -> int:
        """Note that a router starts with decision ``first``; returns the mark of its start."""
        mine = STARTS.c.replica == self.replica
        with self._engine.begin() as connection:
            last = connection.execute(sa.select(sa.func.max(STARTS.c.start)).where(mine)).scalar()
            start = 0 if last is None else last + 1
            used = set(connection.execute(sa.select(STARTS.c.mark).where(mine)).scalars())
            mark = secrets.choice([m for m in range(1, MARKS + 1) if m not in used])
            row = {
                "replica": self.replica,
                "start": start,
                "first": first,
                "mark": mark,
                "time": now,
            }
            connection.execute(STARTS.insert(), [row])
        return mark

    def starts(self, replica: int | None = None) -> list[tuple[int, int]]:
        """Return mark and first decision of every start of a replica, default this one."""
        mine = self.replica if replica is None else replica
        chosen = sa.select(STARTS.c.mark, STARTS.c.first).where(STARTS.c.replica == mine)
        with self._engine.connect() as connection:
            rows = connection.execute(chosen.order_by(STARTS.c.start)).all()
        return [(mark, first) for mark, first in rows]

    def snapshot(self, stamp: str) -> Snapshot | None:
        """Return the newest snapshot of this replica that kernels of this stamp have made."""
        chosen = sa.select(SNAPSHOTS).where(
            SNAPSHOTS.c.replica == self.replica, SNAPSHOTS.c.stamp == stamp
        )
        with self._engine.connect() as connection:
            row = connection.execute(chosen).mappings().first()
        if row is None:
            return None
        with np.load(BytesIO(row["arrays"]), allow_pickle=False) as arrays:
            return Snapshot(row["at"], row["place"], {name: arrays[name] for name in arrays})

    def decisions(self, replica: int | None = None, first: int = 0) -> Iterator[DecisionRow]:
        """Yield decisions of a replica (default this one) by number, from one on."""
        mine = self.replica if replica is None else replica
        chosen = sa.select(DECISIONS).where(
            DECISIONS.c.replica == mine, DECISIONS.c.number >= first
        )
        yield from self._stream(DecisionRow, chosen.order_by(DECISIONS.c.number))

    def records(
        self, replica: int | None = None, first: int = 0, stop: int | None = None
    ) -> Iterator[Record]:
        """Yield observations and changes of a replica in their order, between two places."""
        mine = self.replica if replica is None else replica
        chosen = sa.select(RECORDS).where(RECORDS.c.replica == mine, RECORDS.c.place >= first)
        if stop is not None:
            chosen = chosen.where(RECORDS.c.place < stop)
        yield from self._stream(Record, chosen.order_by(RECORDS.c.place))

    def end_of(self, replica: int) -> int:
        """Return the place of the next record of a replica."""
        last = sa.select(sa.func.max(RECORDS.c.place)).where(RECORDS.c.replica == replica)
        with self._engine.connect() as connection:
            found = connection.execute(last).scalar()
        return 0 if found is None else int(found) + 1

    def _stream(self, kind: Any, chosen: Any) -> Iterator[Any]:
        with self._engine.connect() as connection:
            streamed = connection.execution_options(stream_results=True, yield_per=_READ)
            for row in streamed.execute(chosen):
                yield kind(*row)

    def decision(self, number: int, replica: int | None = None) -> DecisionRow | None:
        """Return one decision."""
        mine = self.replica if replica is None else replica
        chosen = sa.select(DECISIONS).where(
            DECISIONS.c.replica == mine, DECISIONS.c.number == number
        )
        with self._engine.connect() as connection:
            row = connection.execute(chosen).first()
        return None if row is None else DecisionRow(*row)

    def outcomes_of(self, number: int, replica: int) -> list[Record]:
        """Return what was observed of a decision, by whatever replica."""
        chosen = sa.select(RECORDS).where(
            RECORDS.c.decided_by == replica, RECORDS.c.number == number
        )
        with self._engine.connect() as connection:
            return [Record(*row) for row in connection.execute(chosen.order_by(RECORDS.c.time))]

    def spent_since(self, moment: float, *, by_others: bool) -> float:
        """Return the costs that this replica, or all others, have observed from a time on."""
        mine = RECORDS.c.replica == self.replica
        chosen = sa.select(sa.func.coalesce(sa.func.sum(RECORDS.c.cost), 0.0)).where(
            ~mine if by_others else mine, RECORDS.c.time >= moment
        )
        with self._engine.connect() as connection:
            return float(connection.execute(chosen).scalar_one())

    def replicas(self) -> list[int]:
        """Return the numbers of the routers that have started."""
        chosen = sa.select(STARTS.c.replica).distinct().order_by(STARTS.c.replica)
        with self._engine.connect() as connection:
            return list(connection.execute(chosen).scalars())


def in_order(
    decisions: Iterable[DecisionRow], records: Iterable[Record]
) -> Iterator[DecisionRow | Record]:
    """Yield what a replica decided, observed and changed, in the order in which it did."""
    told = iter(records)
    record = next(told, None)
    for row in decisions:
        while record is not None and record.at <= row.number:
            yield record
            record = next(told, None)
        yield row
    while record is not None:
        yield record
        record = next(told, None)


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[NamedTuple]) -> None:
    """Append rows to a table."""
    if not rows:
        return
    if connection.dialect.name != "sqlite":
        connection.execute(table.insert(), [row._asdict() for row in rows])
        return
    # Past SQLAlchemy, which takes longer to look at a row than SQLite to write it.
    marks = ", ".join("?" * len(table.columns))
    connection.exec_driver_sql(f"insert into {table.name} values ({marks})", list(rows))


# A process that is forked has no thread that writes, and shares the database with its parent.
_logs: "weakref.WeakSet[Log]" = weakref.WeakSet()
if hasattr(os, "register_at_fork"):

    def _break_all() -> None:
        for log in list(_logs):
            log.broken = OSError("forked")

    os.register_at_fork(after_in_child=_break_all)


def _commit_rest(log: "weakref.ref[Log]") -> None:
    found = log()
    if found is not None and os.getpid() == found._process:
        found._commit()
