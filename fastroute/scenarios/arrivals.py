"""Arrival by release date: calendars become fractions of the horizon."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.scenarios.changes import Calendar

__all__ = ["arrivals_by_release", "release_calendar", "release_order", "retirements_by_date"]


def release_order(released: Sequence[date]) -> list[int]:
    """Return the indices of models from oldest to newest; equal dates keep their order."""
    return sorted(range(len(released)), key=lambda index: released[index])


def arrivals_by_release(
    released: Sequence[date], *, limit: float, initial: int, spread: float
) -> NDArray[np.float64]:
    """Return when models arrive, as fractions of the horizon.

    The first ``initial`` models are there from the first round. The others arrive in
    proportion to their dates: with r the date of the last initial model and R the newest
    date, a model released on d arrives at ``spread * (d - r) / (R - r)``. So models released
    on the same day arrive together, also when that day is r.

    Parameters
    ----------
    released : sequence of date [N]
        Release dates, oldest first.
    limit : float
        Throughput limit of every model; ``initial * limit`` must reach 1, or the first
        queries could not all be served.
    initial : int
        Number of models there from the first round; N or more means all of them.
    spread : float
        Fraction of the horizon at which the newest model arrives.

    Returns
    -------
    f8 [N]
        Fractions in [0, spread].

    Raises
    ------
    ValueError
        When an option is out of range.
    """
    limit = checks.fraction("limit", limit, zero=False)
    spread = checks.fraction("spread", spread, zero=True)
    initial = min(checks.integer("initial", initial, 1), len(released))
    days = np.array([day.toordinal() for day in released], dtype=np.float64)
    since = days - days[initial - 1]
    last = float(since[-1])
    if last <= 0.0:
        arrival = np.zeros(days.size)
    else:
        arrival = spread * (np.maximum(since, 0.0) / last)
    there = int((arrival == 0.0).sum())
    if there * limit < 1.0 - 1e-9:
        raise ValueError(
            f"limit={limit:g} with {there} initial model(s) serves only {there * limit:g} of the "
            f"traffic; use limit >= {1.0 / there:.4g} or more initial models (initial={initial})"
        )
    return arrival


def release_calendar(released: Sequence[date], *, initial: int, spread: float) -> Calendar | None:
    """Return the calendar by which models arrive; parameters as in :func:`arrivals_by_release`.

    Returns
    -------
    Calendar or None
        None where all models are there from the first round, so that no date is a round.
    """
    first, last = released[min(initial, len(released)) - 1], released[-1]
    return Calendar(first, last, spread) if last > first and spread > 0.0 else None


def retirements_by_date(
    names: Sequence[str], retired: Mapping[str, date], calendar: Calendar | None
) -> list[float | None] | None:
    """Return when models leave, as fractions of the horizon; None for those that stay.

    Parameters
    ----------
    names : sequence of str [N]
    retired : mapping of str to date
        The last day of some models.
    calendar : Calendar or None
        By which they arrive; without one no date is a round, and all stay.

    Raises
    ------
    ValueError
        When a model leaves before the first round.
    """
    if calendar is None or not retired:
        return None
    left = {name: calendar.fraction(retired[name]) for name in names if name in retired}
    early = [name for name, fraction in left.items() if fraction <= 0.0]
    if early:
        raise ValueError(
            f"models: {checks.first_names(early)} left by {calendar.first}, before the first "
            f"round; leave out with exclude={early!r}"
        )
    return [left[name] if left.get(name, 1.0) < 1.0 else None for name in names]
