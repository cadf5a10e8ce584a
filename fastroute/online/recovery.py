"""A start: what a log says is known again, and a new start begins behind it."""

import json
from typing import Any

from fastroute.online.log import DecisionRow, Log, Record, in_order
from fastroute.online.settings import (
    Catalogue,
    OnlineModel,
    OnlineSettings,
    new_settings,
    read_catalogue,
    refuse_others,
)
from fastroute.online.state import State
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
    kept = None if log is None else stored_settings(log)
    if kept is None:
        settings = new_settings(given, catalogue)
        assert catalogue is not None
        return settings, catalogue
    settings, stored = kept
    refuse_others(settings, given)
    if catalogue is not None and catalogue != stored:
        raise ValueError(
            "models: the log has other models; leave models out, and change them with add, retire "
            "and set_limit"
        )
    return settings, stored


def stored_settings(log: Log) -> tuple[OnlineSettings, list[OnlineModel]] | None:
    """Return the settings of a log and the models with which it began; None for a new one."""
    kept = log.settings()
    if kept is None:
        return None
    models = [OnlineModel(**model) for model in kept.pop("models")]
    return OnlineSettings(**kept), models


def begun_settings(log: Log) -> tuple[OnlineSettings, list[OnlineModel]]:
    """Return the same of a log that has been begun.

    Raises
    ------
    ValueError
        When it has not.
    """
    kept = stored_settings(log)
    if kept is None:
        raise ValueError(f"{log.address}: is an empty decision log; nothing was decided yet")
    return kept


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
    for mark, begun in log.starts():
        state.begin(begun, mark)
    differ = 0
    for event in in_order(log.decisions(first=first), log.records(first=state.place)):
        if isinstance(event, DecisionRow):
            differ += state.name_of(state.decide_again(event)) != event.model
        else:
            _play_record(state, event)
    state.begin(state.player.now, log.begin(state.player.now, moment))
    if state.account is not None:
        state.account.spent = log.spent_since(state.account.start, by_others=False)
    if differ:
        warn(
            f"{log.address}: {differ:,} of {state.player.now:,} decisions would now be others: "
            "the log was written by another version; what was observed is learnt as it was"
        )


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
