"""A decision log as it was written: read whole, and played again from nothing."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.online.log import DecisionRow, Log, Record, in_order
from fastroute.online.player import Decision, Player
from fastroute.online.recovery import begun_settings
from fastroute.online.settings import OnlineModel, OnlineSettings
from fastroute.online.state import State

F8 = NDArray[np.float64]

#: Changes that the models of every policy follow, whatever it decides.
_CATALOGUE: Final = ("add", "retire", "fail", "recover", "limit", "reprice")


_OUTCOMES: Final = ("outcome", "replace")


class Outcome(NamedTuple):
    """What was observed of a decision in the end."""

    reward: float | None
    cost: float | None


@dataclass(frozen=True)
class History:
    """What a decision log has.

    Attributes
    ----------
    source : str
        The file or address.
    settings : OnlineSettings
    models : tuple of OnlineModel
        With which the log began.
    decisions : dict of int to list of DecisionRow
        Of every replica, by number.
    records : dict of int to list of Record
        Of every replica, in their order.
    outcomes : dict of (int, int) to Outcome
        By replica and number of the decision.
    """

    source: str
    settings: OnlineSettings
    models: tuple[OnlineModel, ...]
    decisions: dict[int, list[DecisionRow]]
    records: dict[int, list[Record]]
    outcomes: dict[tuple[int, int], Outcome]

    @property
    def replicas(self) -> list[int]:
        """Numbers of the routers that have written here."""
        return list(self.decisions)

    def events(self, replica: int) -> Iterator[DecisionRow | Record]:
        """Return what a replica decided, observed and changed, in the order in which it did."""
        return in_order(self.decisions[replica], self.records[replica])

    def task_number(self, row: DecisionRow) -> int:
        """Return the number of the task of a query; 0 where the router has no tasks."""
        tasks = self.settings.tasks
        return tasks.index(row.task) if row.task in tasks else 0


def read_history(place: str | Path) -> History:
    """Read a decision log, of which nothing is written.

    Parameters
    ----------
    place : str or Path
        A file of SQLite, or the address of a database.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        When there is no log, or nothing was decided yet.
    """
    log = Log(place, read_only=True)
    try:
        settings, models = begun_settings(log)
        replicas = log.replicas()
        decisions = {replica: list(log.decisions(replica)) for replica in replicas}
        records = {replica: list(log.records(replica)) for replica in replicas}
    finally:
        log.close()
    if not any(decisions.values()):
        raise ValueError(f"{place}: no decision was made yet; route queries first")
    outcomes: dict[tuple[int, int], Outcome] = {}
    told = [one for rows in records.values() for one in rows if one.kind in _OUTCOMES]
    # What replaces an outcome comes after it.
    for record in sorted(told, key=lambda one: (one.kind == "replace", one.time, one.place)):
        assert record.decided_by is not None
        assert record.number is not None
        key = record.decided_by, record.number
        known = outcomes.get(key, Outcome(None, None))
        outcomes[key] = Outcome(
            known.reward if record.reward is None else record.reward,
            known.cost if record.cost is None else record.cost,
        )
    return History(str(place), settings, tuple(models), decisions, records, outcomes)


class Catalogue:
    """A player whose models follow what the log says of them.

    Parameters
    ----------
    player : Player
    models : iterable of OnlineModel
        With which the log began.
    """

    def __init__(self, player: Player, models: tuple[OnlineModel, ...]) -> None:
        self.player = player
        self.names: list[str] = []
        self.numbers: dict[str, int] = {}
        for model in models:
            self._add(model)

    def follow(self, record: Record) -> bool:
        """Make a change of the models; returns whether it was one."""
        if record.kind not in _CATALOGUE:
            return False
        body = json.loads(record.body or "{}")
        if record.kind == "add":
            # Several replicas may tell of the same model.
            if body["name"] not in self.numbers:
                self._add(OnlineModel(**body))
            return True
        self.player.change(record.kind, self.numbers[body["name"]], body)
        return True

    def _add(self, model: OnlineModel) -> None:
        self.numbers[model.name] = self.player.add(model.limit)
        self.names.append(model.name)


@dataclass(frozen=True)
class Verification:
    """Whether a log is what its policy decides.

    Attributes
    ----------
    replica : int
    decisions : int
        Decisions of the policy that were played again; none in the mode ``fixed``.
    differ : int
        Those in which another model is chosen now.
    stages : int
        Stages in which the policy chose what to deploy.
    stages_differ : int
        Those in which it would deploy another set now.
    first : str
        The first difference, in words; "" without one.
    """

    replica: int
    decisions: int
    differ: int
    stages: int
    stages_differ: int
    first: str = ""

    @property
    def same(self) -> bool:
        """Whether everything was decided again as it was."""
        return not (self.differ or self.stages_differ)

    def __str__(self) -> str:
        """Say it in a sentence."""
        if not self.decisions:
            return f"replica {self.replica}: nothing was chosen, one model takes all queries"
        counted = f"{self.decisions:,} decisions and {self.stages:,} stages"
        if self.same:
            return f"replica {self.replica}: {counted}, all the same"
        return (
            f"replica {self.replica}: {counted}; {self.differ:,} decisions and "
            f"{self.stages_differ:,} stages differ, the first: {self.first}"
        )


#: Is told of every decision of a log: its row, and what its policy decides now, with the names of
#: the deployed models.
Listener = Callable[[DecisionRow, Decision, list[str]], None]


def play_again(history: History, replica: int, listener: Listener | None = None) -> Verification:
    """Play the log of a replica from nothing, and compare what is decided by name.

    What was observed, changed and deployed is taken from the log, so that one difference is not the
    reason of another.

    Parameters
    ----------
    history : History
    replica : int
    listener : callable, optional

    Returns
    -------
    Verification
    """
    log = Log(history.source, replica=replica, read_only=True)
    try:
        return _Again(history, log, listener).play()
    finally:
        log.close()


class _Again:
    """Plays a log from nothing."""

    def __init__(self, history: History, log: Log, listener: Listener | None) -> None:
        self.history, self.listener = history, listener
        self.state = State(history.settings, list(history.models), log.replica, log)
        self.played = self.differ = self.stages = self.stages_differ = 0
        self.first = ""

    def play(self) -> Verification:
        replica = self.state.replica
        for event in self.history.events(replica):
            if isinstance(event, DecisionRow):
                self._decide(event)
            elif event.kind in _OUTCOMES:
                self.state.take(event, here=True)
            else:
                self._change(event)
        return Verification(
            replica, self.played, self.differ, self.stages, self.stages_differ, self.first
        )

    def _decide(self, row: DecisionRow) -> None:
        state = self.state
        decision = state.decide_again(row)
        if state.fixed is None:
            self.played += 1
            chosen = state.name_of(decision)
            if chosen != row.model:
                self.differ += 1
                self._note(f"decision {row.number} was {row.model}, and is {chosen} now")
        if self.listener is not None:
            self.listener(row, decision, [state.names[m] for m in state.player.deployed])

    def _change(self, record: Record) -> None:
        state = self.state
        body = json.loads(record.body or "{}")
        if record.kind == "stage" and not body["given"]:
            self.stages += 1
            choice, _ = state.player.preview()
            chosen = [state.names[m] for m in np.flatnonzero(choice.deployed[0])]
            if sorted(chosen) != sorted(body["deployed"]):
                self.stages_differ += 1
                self._note(
                    f"before decision {record.at} {', '.join(body['deployed'])} were deployed, and "
                    f"{', '.join(chosen)} would be now"
                )
        state.make(record, body, played=False)

    def _note(self, first: str) -> None:
        self.first = self.first or first
