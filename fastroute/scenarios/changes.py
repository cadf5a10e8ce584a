"""Events that change a world while it runs: other means, other limits, outages.

An event says when it happens as a round, as a fraction of the horizon, or as a date.
:mod:`.regimes` turns the events of a scenario into the means and limits of every round.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import date
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from fastroute import checks

__all__ = [
    "Calendar",
    "Change",
    "Event",
    "Outage",
    "When",
    "event_list",
    "event_table",
    "plain_events",
    "read_events",
]

#: A round (whole number), a fraction of the horizon (below 1), or a date.
When: TypeAlias = int | float | str | date

_Kind = TypeVar("_Kind")

#: Steps of a gradual change that does not say how many.
STEPS: Final = 16
#: Slack of a fraction of the horizon, so that 0.29 * 100 = 28.999... is round 29.
_SLACK: Final = 1e-9


class Calendar(NamedTuple):
    """Which date is which fraction of the horizon: linear between two dates."""

    first: date  #: at round 0
    last: date  #: at ``spread`` of the horizon
    spread: float

    def fraction(self, day: date) -> float:
        """Return the fraction of the horizon at which a day lies; below 0 before round 0."""
        return self.spread * ((day - self.first).days / (self.last - self.first).days)


def read_calendar(calendar: "Calendar | tuple[Any, Any, float] | None") -> Calendar | None:
    """Return a calendar, of which dates may be text.

    Raises
    ------
    ValueError
        When it is not two dates in order and a fraction of the horizon.
    """
    if calendar is None:
        return None
    must = "(first date, last date, fraction of the horizon)"
    if not isinstance(calendar, Sequence) or len(calendar) != len(Calendar._fields):
        raise checks.refused("calendar", calendar, must)
    first, last = (checks.release_date("calendar", day) for day in calendar[:2])
    if first is None or last is None or last <= first:
        raise checks.refused("calendar", calendar, must, "its dates must be in order")
    return Calendar(first, last, checks.fraction("calendar", calendar[2], zero=False))


def _check_options(kind: type, given: int, options: Mapping[str, Any]) -> None:
    """Raise ValueError for a field that an event does not have, or lacks.

    Parameters
    ----------
    kind : type
        Of the event.
    given : int
        Fields that are given by their place.
    options : mapping
        Those given by name.
    """
    names = [field.name for field in fields(kind)]
    for name in options:
        checks.choice("field", name, names)
    for field in fields(kind)[given:]:
        if field.default is MISSING and field.name not in options:
            raise ValueError(f"{field.name} is missing; pass {field.name}=...")


def _with_checked_options(kind: type[_Kind]) -> type[_Kind]:
    """Make a class of events say in plain words which options it does not have, or lacks."""
    made: Callable[..., None] = kind.__init__

    @functools.wraps(made)
    def checked(self: Any, *values: Any, **options: Any) -> None:
        _check_options(kind, len(values), options)
        made(self, *values, **options)

    setattr(kind, "__init__", checked)  # noqa: B010  # what mypy forbids to write as an assignment
    return kind


@_with_checked_options
@dataclass(frozen=True)
class Change:
    """A mean or the limit of a model becomes another value, at once or in steps.

    Parameters
    ----------
    model : str
        Name of the model.
    at : int, float, str or date
        When: a round >= 1, a fraction of the horizon in (0, 1), or a date in a scenario whose
        models arrive by release date.
    reward : float, optional
        The new mean reward, in [0, 1].
    cost : float, optional
        The new mean cost, >= 0.
    cost_factor : float, optional
        In the place of ``cost``: the new mean cost, as a multiple of that of round 0.
    limit : float, optional
        The new throughput limit, in [0, 1].
    over : int or float
        Length of a gradual change: rounds, or a fraction of the horizon below 1. 0 means at once.
    steps : int, optional
        Equal steps of a gradual change: the k-th of n comes ``(k - 1/2) / n`` of ``over`` (rounded
        down to a round) after ``at``, so that the mean over the whole change is that of a straight
        line. Default: 16, and at most one per round.

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.

    Examples
    --------
    >>> Change("small", at=0.5, reward=0.4)
    Change(model='small', at=0.5, reward=0.4)
    """

    model: str
    at: When
    reward: float | None = None
    cost: float | None = None
    cost_factor: float | None = None
    limit: float | None = None
    over: int | float = 0
    steps: int | None = None

    def __post_init__(self) -> None:
        """Check everything that needs no scenario."""
        _check_time("at", self.at)
        if self.cost is not None and self.cost_factor is not None:
            raise ValueError(
                f"cost={self.cost!r} and cost_factor={self.cost_factor!r} are two new costs; "
                "drop one"
            )
        for name in ("reward", "limit"):
            _set(self, name, checks.fraction, zero=True)
        for name in ("cost", "cost_factor"):
            _set(self, name, checks.not_negative)
        if all(getattr(self, name) is None for name in _QUANTITIES):
            raise ValueError(
                f"model={self.model!r} changes nothing; pass reward, cost, cost_factor or limit"
            )
        must = "a number of rounds, or a fraction of the horizon below 1"
        checks.number(
            "over", self.over, must, lambda x: 0.0 <= x < 1.0 or (x >= 1.0 and x % 1.0 == 0.0)
        )
        if isinstance(self.at, int | float) and self.at < 1 and self.over < 1:
            end = self.at + self.over
            if end > 1.0 + _SLACK:
                raise ValueError(
                    f"at={self.at!r} with over={self.over!r} ends at {end:g} of the horizon, "
                    "beyond its end; begin earlier, or let it take less time"
                )
        if self.steps is not None:
            object.__setattr__(self, "steps", checks.integer("steps", self.steps, 1))
            if not self.over:
                raise ValueError(
                    f"steps={self.steps} with over={self.over!r}; pass how long the change takes, "
                    "or drop steps"
                )

    def __repr__(self) -> str:
        """Return the event as it is written, without what it leaves as it is."""
        return _written(self)


@_with_checked_options
@dataclass(frozen=True)
class Outage:
    """A model serves nothing for a while: its limit is 0 in rounds ``start <= t < stop``.

    Parameters
    ----------
    model : str
        Name of the model.
    start, stop : int, float, str or date
        When, as ``at`` of :class:`Change`; ``stop=None`` means that it never comes back.

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.

    Examples
    --------
    >>> Outage("large", 0.4, 0.5)
    Outage(model='large', start=0.4, stop=0.5)
    """

    model: str
    start: When
    stop: When | None = None

    def __post_init__(self) -> None:
        """Check everything that needs no scenario."""
        _check_time("start", self.start)
        if self.stop is None:
            return
        _check_time("stop", self.stop)
        # A round and a fraction can be compared in a run alone.
        (unit, start), (other, stop) = _in_unit(self.start), _in_unit(self.stop)
        if unit == other and not start < stop:
            raise ValueError(
                f"stop={self.stop!r} is not after start={self.start!r}; end the outage later"
            )

    def __repr__(self) -> str:
        """Return the event as it is written."""
        return _written(self)


Event: TypeAlias = Change | Outage

_QUANTITIES: Final = ("reward", "cost", "cost_factor", "limit")


def read_events(
    events: Sequence[Event | Mapping[str, Any]], models: Sequence[str]
) -> tuple[Event, ...]:
    """Return events, of which some may be tables with the fields of one.

    Raises
    ------
    ValueError
        For what is not an event, or the event of an unknown model.
    """
    found = []
    for number, event in enumerate(event_list(events)):
        try:
            one = _read_event(event)
            checks.choice("model", one.model, models)
        except (TypeError, ValueError) as error:
            raise ValueError(f"changes[{number}]: {error}") from None
        found.append(one)
    return tuple(found)


def event_list(events: Any) -> Sequence[Any]:
    """Return a list of events; raise ValueError for anything else, one event alone included."""
    if isinstance(events, Event | Mapping | str) or not isinstance(events, Sequence):
        must = "a list of events"
        raise checks.refused("changes", events, must, "as [fr.Change(model, at=..., cost=...)]")
    return events


def _read_event(event: Any) -> Event:
    if isinstance(event, Event):
        return event
    if not isinstance(event, Mapping):
        raise checks.refused("", event, "a Change, an Outage, or a table with the fields of one")
    kind = Outage if "start" in event else Change
    return kind(**event)


def plain_events(events: Any) -> Any:
    """Return a list of events as tables of plain values; anything else as it is."""
    if not isinstance(events, list | tuple):
        return events

    def plain(event: Any) -> Any:
        if isinstance(event, Event):
            return event_table(event)
        if isinstance(event, Mapping):
            return {k: v.isoformat() if isinstance(v, date) else v for k, v in event.items()}
        return plain_events(event)

    return [plain(event) for event in events]


def event_table(event: Event) -> dict[str, Any]:
    """Return the fields of an event that are not left at their defaults, as plain values."""
    table = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if value is not None and not (field.name == "over" and value == 0):
            table[field.name] = value.isoformat() if isinstance(value, date) else value
    return table


def round_of(field: str, when: When, horizon: int, calendar: Calendar | None) -> int:
    """Return the round that a time is.

    Raises
    ------
    ValueError
        When it is not a round from 1 to the last one, or a date has no meaning here.
    """
    if isinstance(when, str | date):
        day = checks.release_date(field, when)
        assert day is not None
        if calendar is None:
            raise ValueError(
                f"{field}={str(when)!r} is a date, but the models of this scenario do not arrive "
                "by date; use a round or a fraction of the horizon"
            )
        found = int(calendar.fraction(day) * horizon + _SLACK)
        if found < 1 or found >= horizon:
            what = "before round 1" if found < 1 else f"not before horizon={horizon}"
            raise ValueError(
                f"{field}={str(when)!r} is {what}: round 0 is {calendar.first}, and "
                f"{calendar.last} is at {calendar.spread:g} of the horizon; use a date between"
            )
        return found
    found = int(when * horizon + _SLACK) if when < 1 else int(when)
    if found < 1:
        raise ValueError(
            f"{field}={when!r} is in round 0 of horizon={horizon}; use a later time, or give the "
            "scenario these values from the start"
        )
    if found >= horizon:
        raise ValueError(
            f"{field}={when!r} is beyond the last round of horizon={horizon}; use an earlier "
            "round, a fraction of the horizon, or a longer horizon"
        )
    return found


def length_of(over: float, horizon: int) -> int:
    """Return the rounds of a gradual change, at least 1 where it is one."""
    if not over:
        return 0
    return max(int(over * horizon + _SLACK), 1) if over < 1 else int(over)


def _check_time(field: str, value: Any) -> None:
    if isinstance(value, str | date):
        if checks.release_date(field, value) is None:
            raise ValueError(f"{field}={value!r} is not a date; write it as YYYY-MM-DD")
        return
    must = "a round >= 1, a fraction of the horizon in (0, 1), or a date"
    checks.number(field, value, must, lambda x: 0.0 < x < 1.0 or (x >= 1.0 and x % 1.0 == 0.0))
    if isinstance(value, float) and value == 1.0:
        raise checks.refused(field, value, must, "1 is a round, 1.0 would be the end")


def _in_unit(when: When) -> tuple[str, Any]:
    """Return the unit of a time, and the time in it."""
    if isinstance(when, str | date):
        return "date", checks.release_date("", when)
    return "fraction" if when < 1 else "round", when


def _set(event: Event, name: str, check: Any, **options: Any) -> None:
    value = getattr(event, name)
    if value is not None:
        # The dataclass is frozen; its own construction is the one place that may write.
        object.__setattr__(event, name, check(name, value, **options))


def _written(event: Event) -> str:
    kept = [
        f"{field.name}={value!r}"
        for field in fields(event)
        if (value := getattr(event, field.name)) != field.default
    ]
    return f"{type(event).__name__}({', '.join(kept)})"
