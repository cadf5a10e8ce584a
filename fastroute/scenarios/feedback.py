"""When a policy learns what a query brought and what it cost: delays, and rewards that never come.

What a query brings and costs is counted in its own round; these are about what is *learnt*.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from fastroute import checks
from fastroute.kernels import types
from fastroute.scenarios.laws.alias import alias_table

__all__ = [
    "FEEDBACK_OPTIONS",
    "EquallyLikelyDelays",
    "Feedback",
    "GeometricDelay",
    "RecordedDelays",
    "delay_of",
    "delay_table",
    "shortest_delay",
]

FEEDBACK_OPTIONS: Final = ("reward_delay", "cost_delay", "feedback")
"""Options that every scenario has besides its own."""

LONGEST: Final = 2**32 - 1
"""Longest delay: as many rounds as a run can have."""

CUT: Final = 1e-6
"""Share of the geometric law beyond its longest delay, which counts as that delay."""


@dataclass(frozen=True)
class GeometricDelay:
    """A delay of D rounds with probability p (1 - p)^D, p = 1 / (1 + mean).

    Cut at the delay that is exceeded with a probability of at most 1e-6, about 13.8 times the mean:
    longer delays count as that one, and the mean stays within 1e-6 of itself.

    Parameters
    ----------
    mean : float
        Mean number of rounds, > 0.
    """

    name: ClassVar[str] = "geometric"

    mean: float

    def __post_init__(self) -> None:
        """Check the parameter."""
        mean = checks.positive("mean", self.mean)
        if mean > LONGEST:
            raise checks.refused("mean", mean, f"at most {LONGEST}", "no run has more rounds")
        object.__setattr__(self, "mean", mean)

    def law(self, horizon: int) -> types.Delay:
        """Return the delay as kernels see it; what is longer than the run is as long as it."""
        stays = -math.log1p(1.0 / self.mean)  # log of the share that is not learnt in a round
        longest = min(max(math.ceil(math.log(CUT) / stays) - 1, 0), horizon)
        rounds = np.arange(longest + 1, dtype=np.float64)
        weight = np.exp(rounds * stays) / (1.0 + self.mean)
        weight[-1] = np.exp(longest * stays)
        return types.Delay(rounds, *alias_table(weight))


@dataclass(frozen=True)
class EquallyLikelyDelays:
    """A delay drawn from a list, every entry as likely as another.

    Parameters
    ----------
    rounds : sequence of int
        Delays in rounds, >= 0; what stands there twice is twice as likely.
    """

    name: ClassVar[str] = "table"

    rounds: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the parameter."""
        rounds = checks.number_array("rounds", self.rounds)
        if rounds.size == 0:
            raise checks.refused("rounds", self.rounds, "a list of delays, at least one")
        bad = (rounds < 0.0) | (rounds > LONGEST) | (rounds != np.floor(rounds))
        remedy = f"use whole numbers of rounds from 0 to {LONGEST}"
        checks.refuse_entries("rounds", rounds, bad, "is not a delay", remedy)
        object.__setattr__(self, "rounds", tuple(int(x) for x in rounds))

    def law(self, horizon: int) -> types.Delay:
        """Return the delay as kernels see it; what is longer than the run is as long as it."""
        values, counts = np.unique(np.minimum(self.rounds, horizon), return_counts=True)
        return types.Delay(values.astype(np.float64), *alias_table(counts.astype(np.float64)))


@dataclass(frozen=True)
class RecordedDelays:
    """The delay of every round, as it was recorded; rounds behind the last one learn nothing.

    Parameters
    ----------
    rounds : sequence of int
        Delay of every round, >= 0; -1 for what was never learnt.
    """

    name: ClassVar[str] = "recorded"

    rounds: tuple[int, ...]

    def __repr__(self) -> str:
        """Write the delays, the first of them where there are many."""
        if len(self.rounds) <= 12:
            return f"RecordedDelays(rounds={self.rounds!r})"
        first = ", ".join(map(str, self.rounds[:8]))
        return f"RecordedDelays(rounds=({first}, ... {len(self.rounds):,} in all))"

    def __post_init__(self) -> None:
        """Check the parameter."""
        rounds = checks.number_array("rounds", self.rounds)
        if rounds.size == 0:
            raise checks.refused("rounds", self.rounds, "a list of delays, at least one")
        bad = (rounds < -1.0) | (rounds > LONGEST) | (rounds != np.floor(rounds))
        remedy = f"use whole numbers of rounds from 0 to {LONGEST}, or -1 for never"
        checks.refuse_entries("rounds", rounds, bad, "is not a delay", remedy)
        object.__setattr__(self, "rounds", tuple(int(x) for x in rounds))

    def law(self, horizon: int) -> types.Delay:
        """Return the delay as kernels see it; what is longer than the run is never learnt."""
        by_round = np.full(horizon, -1.0)
        known = np.array(self.rounds[:horizon], np.float64)
        by_round[: len(known)] = np.where(known < horizon, known, -1.0)
        values = np.unique(np.maximum(by_round, 0.0))
        return types.Delay(values, *alias_table(np.ones(len(values))), by_round)


Delay = int | GeometricDelay | EquallyLikelyDelays | RecordedDelays

_LAWS: Final = {law.name: law for law in (GeometricDelay, EquallyLikelyDelays, RecordedDelays)}
_FORMS: Final = (
    'pass whole rounds, {"name": "geometric", "mean": 50} or {"name": "table", "rounds": [0, 10]}'
)


def delay_of(field: str, value: Any) -> Delay:
    """Return the delay that a number, an object or a table stands for.

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.
    """
    if isinstance(value, GeometricDelay | EquallyLikelyDelays | RecordedDelays):
        return value
    if not isinstance(value, Mapping):
        try:
            return checks.integer(field, value, 0, LONGEST)
        except ValueError as error:
            raise ValueError(f"{error}; {_FORMS}") from None
    options = {key: entry for key, entry in value.items() if key != "name"}
    law = _LAWS[checks.choice(f"{field}: name", value.get("name"), tuple(_LAWS))]
    names = [parameter.name for parameter in fields(law)]
    if list(options) != names:
        raise ValueError(f"{field}={checks.quoted(dict(value))} must have {names[0]}; {_FORMS}")
    try:
        return law(**options)
    except ValueError as error:
        raise ValueError(f"{field}={law.name!r}: {error}") from None


def shortest_delay(delay: Delay) -> int:
    """Return the shortest delay that can be drawn."""
    if isinstance(delay, GeometricDelay):
        return 0
    if isinstance(delay, int):
        return delay
    # What is never learnt is no delay.
    return min((late for late in delay.rounds if late >= 0), default=0)


def delay_table(delay: Delay) -> Any:
    """Return a delay as plain values, from which :func:`delay_of` makes it again."""
    if isinstance(delay, int):
        return delay
    values = {field.name: getattr(delay, field.name) for field in fields(delay)}
    return {
        "name": delay.name,
        **{key: list(x) if isinstance(x, tuple) else x for key, x in values.items()},
    }


class Feedback(NamedTuple):
    """The options of a scenario about when outcomes are learnt, checked."""

    reward_delay: Delay = 0
    cost_delay: Delay = 0
    feedback: float = 1.0

    @classmethod
    def of(cls, reward_delay: Any, cost_delay: Any, feedback: Any) -> "Feedback":
        """Return the checked options.

        Raises
        ------
        ValueError
            Naming the field, the value and the remedy.
        """
        return cls(
            delay_of("reward_delay", reward_delay),
            delay_of("cost_delay", cost_delay),
            checks.fraction("feedback", feedback, zero=True),
        )

    def law(self, horizon: int) -> types.Feedback | None:
        """Return them as kernels see them; None where everything is learnt in its own round."""
        reward, cost = (_law(delay, horizon) for delay in self[:2])
        together = self.reward_delay == self.cost_delay and self.feedback == 1.0
        found = types.Feedback(reward, cost, self.feedback, together)
        recorded = reward.by_round.size or cost.by_round.size
        return None if found.longest == 0 and self.feedback == 1.0 and not recorded else found


def _law(delay: Delay, horizon: int) -> types.Delay:
    return (EquallyLikelyDelays((delay,)) if isinstance(delay, int) else delay).law(horizon)
