"""The means and limits of every round, where events change them.

Between two changes all of them stay as they are: a *regime*. Round 0 opens the first one.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.kernels.types import Outcome
from fastroute.scenarios.changes import (
    STEPS,
    Calendar,
    Change,
    Event,
    Outage,
    length_of,
    round_of,
)
from fastroute.scenarios.laws.base import CostLaw, RewardLaw

__all__ = [
    "Values",
    "by_event",
    "changed_costs",
    "changed_rewards",
    "check_laws",
    "refuse_severity",
    "regimes",
    "widened",
]

Array = NDArray[np.float64]
#: A mean or a limit by name: "reward", "cost" or "limit".
Quantity: TypeAlias = str

# Means may leave their range by rounding.
_ROUNDING: Final = 1e-12


class Values(NamedTuple):
    """What holds in a regime."""

    reward: Array  #: mean rewards, [R, N]
    cost: Array  #: mean costs, [R, N]
    limit: Array  #: throughput limits, [N]


class _Span(NamedTuple):
    """A change of one quantity of one model."""

    number: int  #: of the event
    start: int
    length: int  #: rounds of a gradual change, 0 for at once
    steps: int
    target: Array  #: as written, [R] or []


def by_event(
    events: Sequence[Event], severity: float, base: Values, models: Sequence[str]
) -> Iterator[Values]:
    """Go through what every event leads to by itself, for checks that need no horizon.

    Raises
    ------
    ValueError
        When a value that comes of an event and the severity is out of its range.
    """
    for number, event in enumerate(events):
        values = Values(*(array.copy() for array in base))
        model = models.index(event.model)
        for quantity, target in _targets(event, base, model):
            start = getattr(base, quantity)[..., model]
            value = scaled(start, target, severity)
            top = np.inf if quantity == "cost" else 1.0
            bad = (value < -_ROUNDING) | (value > top + _ROUNDING)
            if np.any(bad):
                range_ = "at least 0" if quantity == "cost" else "in [0, 1]"
                raise ValueError(
                    f"changes[{number}]: {quantity} of {event.model!r} comes to "
                    f"{np.atleast_1d(value)[np.argmax(np.atleast_1d(bad))]:g} with "
                    f"severity={severity:g}, but must be {range_}; use a lower severity"
                )
            getattr(values, quantity)[..., model] = np.clip(value, 0.0, top)
        yield values


def refuse_severity(events: Sequence[Event], severity: float) -> None:
    """Raise ValueError where a severity above 1 has nothing to make larger."""
    if severity > 1.0 and events and all(isinstance(event, Outage) for event in events):
        raise ValueError(
            f"severity={severity:g} is no more than 1 where all changes are outages, in which the "
            "limit is 0 already; use a severity of at most 1"
        )


def regimes(
    events: Sequence[Event],
    severity: float,
    base: Values,
    models: Sequence[str],
    horizon: int,
    calendar: Calendar | None,
) -> list[tuple[int, Values]]:
    """Return the first round and the values of every regime after the first.

    Raises
    ------
    ValueError
        When an event is not within the horizon, or two change one quantity at one time.
    """
    spans: dict[tuple[Quantity, int], list[_Span]] = {}
    outages: list[tuple[int, int, int]] = []
    for number, event in enumerate(events):
        model = models.index(event.model)
        try:
            if isinstance(event, Outage):
                outages.append((model, *_outage(event, horizon, calendar)))
                continue
            start, length = _span(event, horizon, calendar)
        except ValueError as error:
            raise ValueError(f"changes[{number}]: {error}") from None
        steps = min(event.steps or STEPS, length) or 1
        for quantity, target in _targets(event, base, model):
            span = _Span(number, start, length, steps, np.asarray(target))
            spans.setdefault((quantity, model), []).append(span)
    steps_at: dict[int, list[tuple[Quantity, int, Array]]] = {}
    for (quantity, model), some in spans.items():
        some.sort(key=lambda span: span.start)
        _refuse_overlap(some, quantity, models[model])
        origin = getattr(base, quantity)[..., model]
        before = origin
        for span in some:
            for k in range(1, span.steps + 1):
                now = span.start + (2 * k - 1) * span.length // (2 * span.steps)
                value = span.target if k == span.steps else _between(before, span, k)
                value = np.clip(scaled(origin, value, severity), 0.0, _top(quantity))
                steps_at.setdefault(now, []).append((quantity, model, value))
            before = span.target
    cuts = sorted({*steps_at, *(now for _, *ends in outages for now in ends if now < horizon)})
    return list(_play(cuts, steps_at, outages, severity, base))


def _play(
    cuts: Sequence[int],
    steps_at: dict[int, list[tuple[Quantity, int, Array]]],
    outages: Sequence[tuple[int, int, int]],
    severity: float,
    base: Values,
) -> Iterator[tuple[int, Values]]:
    """Go through the rounds in which something changes; what changes nothing is no regime."""
    current = last = base
    for now in cuts:
        steps = steps_at.get(now, ())
        # What does not change is the same array: there may be a row for each of very many trials.
        fresh = {quantity: getattr(current, quantity).copy() for quantity, _, _ in steps}
        for quantity, model, value in steps:
            fresh[quantity][..., model] = value
        current = current._replace(**fresh)
        limit = current.limit.copy()
        down = sorted({model for model, start, stop in outages if start <= now < stop})
        limit[down] *= 1.0 - min(severity, 1.0)
        found = current._replace(limit=limit)
        if not all(x is y or np.array_equal(x, y) for x, y in zip(found, last, strict=True)):
            yield now, found
            last = found


def scaled(origin: Array, value: Array, severity: float) -> Array:
    """Return a value that is as far from that of round 0 as the severity says."""
    # What is as written keeps its bits.
    return value if severity == 1.0 else origin + severity * (value - origin)


def _targets(event: Event, base: Values, model: int) -> Iterator[tuple[Quantity, Array]]:
    if isinstance(event, Outage):
        return
    if event.reward is not None:
        yield "reward", np.full(len(base.reward), event.reward)
    if event.cost is not None:
        yield "cost", np.full(len(base.cost), event.cost)
    if event.cost_factor is not None:
        yield "cost", base.cost[:, model] * event.cost_factor
    if event.limit is not None:
        yield "limit", np.array(event.limit)


def _span(event: Change, horizon: int, calendar: Calendar | None) -> tuple[int, int]:
    start, length = round_of("at", event.at, horizon, calendar), length_of(event.over, horizon)
    if start + length > horizon:
        raise ValueError(
            f"at={event.at!r} with over={event.over!r} ends in round {start + length}, beyond "
            f"horizon={horizon}; begin earlier, or let it take less time"
        )
    if event.steps is not None and event.steps > length:
        raise ValueError(
            f"steps={event.steps} in over={event.over!r}, {length} rounds of horizon={horizon}; "
            "use at most one step per round"
        )
    return start, length


def _outage(event: Outage, horizon: int, calendar: Calendar | None) -> tuple[int, int]:
    start = round_of("start", event.start, horizon, calendar)
    stop = horizon if event.stop is None else round_of("stop", event.stop, horizon, calendar)
    if stop <= start:
        raise ValueError(
            f"stop={event.stop!r} (round {stop}) is not after start={event.start!r} (round "
            f"{start}); end the outage later"
        )
    return start, stop


def _refuse_overlap(spans: Sequence[_Span], quantity: Quantity, model: str) -> None:
    for one, two in pairwise(spans):
        end = one.start + one.length
        if two.start < end or two.start == one.start:
            raise ValueError(
                f"changes[{two.number}]: the {quantity} of {model!r} changes from round "
                f"{two.start} on, while changes[{one.number}] changes it in rounds {one.start} to "
                f"{max(end - 1, one.start)}; let one end before the next begins"
            )


def _between(before: Array, span: _Span, step: int) -> Array:
    return np.asarray(before + (span.target - before) * (step / span.steps))


def _top(quantity: Quantity) -> float:
    return np.inf if quantity == "cost" else 1.0


def changed_rewards(law: RewardLaw, first: Outcome, base: Array, now: Array) -> Outcome:
    """Return the law of the rewards around other means.

    Parameters
    ----------
    law : RewardLaw
    first : Outcome
        The law around the means of round 0.
    base, now : f8 [R, N]
        Means of round 0, and the other ones.
    """
    if first.kernel == "elementwise" or np.array_equal(base, now):
        return first
    if first.kernel == "atoms":
        return law.outcome(now[0])
    # Each recorded reward, or mean of a task, moves by one share of its way to 0, or to 1.
    old, new = base[0], now[0]
    down = np.divide(new, old, out=np.ones_like(new), where=new < old)
    up = np.divide(1.0 - new, 1.0 - old, out=np.ones_like(new), where=new > old)
    table = np.where(new > old, 1.0 - (1.0 - first.table) * up, first.table * down)
    return first._replace(table=table)


def changed_costs(
    law: CostLaw, first: Outcome, base: Array, now: Array, cost_range: tuple[float, float]
) -> Outcome:
    """Return the law of the costs around other means; parameters as in :func:`changed_rewards`."""
    if first.kernel == "elementwise" or np.array_equal(base, now):
        return first
    if first.kernel == "atoms":
        return law.outcome(now[0], cost_range)
    return first._replace(table=first.table * _factor(base[0], now[0]))


def _changed_support(law: CostLaw, base: Array, now: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest cost of every model around other means."""
    if law.implied_mean() is None:
        return law.support(now)
    low, high = law.support(base)
    factor = _factor(base[0] if base.ndim == 2 else base, now[0] if now.ndim == 2 else now)
    return low * factor, high * factor


def _factor(base: Array, now: Array) -> Array:
    """Return what recorded costs are multiplied by."""
    free = (base == 0.0) & (now > 0.0)
    checks.refuse_entries(
        "cost_mean",
        base,
        free,
        "is recorded as free",
        "a change multiplies recorded costs: leave the cost of this model as it is",
    )
    return np.divide(now, base, out=np.ones_like(now), where=base > 0.0)


def widened(
    cost_range: tuple[float, float], law: CostLaw, base: Values, changed: Iterable[Values]
) -> tuple[float, float]:
    """Return a range of costs that also holds those around the means of all changes."""
    low, high = cost_range
    for number, now in enumerate(changed):
        if np.array_equal(now.cost, base.cost):
            continue
        try:
            ends = _changed_support(law, base.cost, now.cost)
        except ValueError as error:
            raise ValueError(f"changes[{number}]: {error}") from None
        low, high = min(low, float(ends[0].min())), max(high, float(ends[1].max()))
    return low, high


def check_laws(
    changed: Iterable[Values],
    base: Values,
    reward: RewardLaw,
    cost: CostLaw,
    span: tuple[float, float],
) -> None:
    """Raise ValueError when a law cannot be drawn around means that come of an event."""
    for number, now in enumerate(changed):
        try:
            if reward.implied_mean() is None and not np.array_equal(now.reward, base.reward):
                reward.check(now.reward)
            if cost.implied_mean() is None and not np.array_equal(now.cost, base.cost):
                cost.check(now.cost, span)
        except ValueError as error:
            raise ValueError(f"changes[{number}]: {error}") from None
