"""A start: what a log says is known again, and a new start begins behind it."""

import json
from typing import Any

import numpy as np

from fastroute.online.log import DecisionRow, Log, Record
from fastroute.online.settings import (
    Catalogue,
    OnlineModel,
    OnlineSettings,
    new_settings,
    read_catalogue,
    refuse_others,
)
from fastroute.online.state import NUMBER_BITS, START_BITS, State
from fastroute.warning import warn


def agreed(
    log: Log | None, given: dict[str, Any], models: Catalogue | None
) -> tuple[OnlineSettings, list[OnlineModel]]:
    """Return the settings and the first models of a router: those of its log, where it has any.

    Raises
    ------
    ValueError
        When what is given is not what the log has, or is not enough for a new router.
    """
    catalogue = None if models is None else read_catalogue(models)
    kept = None if log is None else log.settings()
    if kept is None:
        settings = new_settings(given, catalogue)
        assert catalogue is not None
        return settings, catalogue
    stored = [OnlineModel(**model) for model in kept.pop("models")]
    settings = OnlineSettings(**kept)
    refuse_others(settings, given)
    if catalogue is not None and catalogue != stored:
        raise ValueError(
            "models: the log has other models; leave models out, and change them with add, retire "
            "and set_limit"
        )
    return settings, stored


def write_new(log: Log, settings: OnlineSettings, catalogue: list[OnlineModel]) -> None:
    """Keep the settings of a new log."""
    if log.settings() is None:
        plain = [model.model_dump(mode="json") for model in catalogue]
        log.write_settings({**settings.plain(), "models": plain})


def go_on(state: State, log: Log, moment: float) -> None:
    """Know and believe what the log says.

    Parameters
    ----------
    state : State
        New; written.
    log : Log
    moment : float
        Time of the start.

    Warns
    -----
    FastrouteWarning
        When decisions would now be others.
    """
    snapshot = log.snapshot(stamp())
    first = 0
    if snapshot is not None:
        state.restore(snapshot)
        first = snapshot.at
    own = state.replica << (NUMBER_BITS + START_BITS)
    starts = log.starts()
    begun = {number: mark << NUMBER_BITS for mark, number in starts}
    before = [mark for mark, number in starts if number <= first]
    state.base = own | (before[-1] if before else 0) << NUMBER_BITS
    differ = 0
    records = log.records(first=state.place)
    record = next(records, None)
    for row in log.decisions(first=first):
        while record is not None and record.at <= row.number:
            _play_record(state, record)
            record = next(records, None)
        if row.number in begun:
            state.base = own | begun[row.number]
        differ += _play_decision(state, row)
    while record is not None:
        _play_record(state, record)
        record = next(records, None)
    state.base = own | log.begin(state.player.now, moment) << NUMBER_BITS
    if state.account is not None:
        state.account.spent = log.spent_since(state.account.start, by_others=False)
    if differ:
        warn(
            f"{log.address}: {differ:,} of {state.player.now:,} decisions would now be others: "
            "the log was written by another version; what was observed is learnt as it was"
        )


def _play_decision(state: State, row: DecisionRow) -> bool:
    """Make a decision of the log again; returns whether it is another one now."""
    features = None if row.features is None else np.frombuffer(row.features)
    task = state.task_numbers.get(row.task or "", 0)
    chosen = state.decide(task, features).model
    if row.model is not None:
        state.counts[state.numbers[row.model]][0] += 1.0
    if row.served is not None:
        identifier = state.base | row.number
        state.keep_open(identifier, state.numbers[row.served], task, features)
    return (state.names[chosen] if chosen >= 0 else None) != row.model


def _play_record(state: State, record: Record) -> None:
    """Make an observation or a change of the log again."""
    state.place = record.place + 1
    if record.kind in ("outcome", "replace"):
        state.take(record, here=True)
    else:
        state.make(record, json.loads(record.body or "{}"), played=False)


def stamp() -> str:
    """Return what the numbers of a snapshot depend on: sources of the kernels, and vectors."""
    from fastroute.kernels.numba_.compile import source_stamp
    from fastroute.kernels.numba_.layout import STRIDE

    return f"{source_stamp()}-{STRIDE}"
