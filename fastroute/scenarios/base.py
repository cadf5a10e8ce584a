"""A world to route in: the models, their true means, and the laws around them.

:class:`Scenario` is what users build and read; :class:`World` is the same thing for one run,
as plain arrays that kernels can index.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks
from fastroute.kernels import types
from fastroute.kernels.types import Outcome
from fastroute.scenarios.changes import Calendar, Event, read_calendar, read_events
from fastroute.scenarios.feedback import Delay, Feedback, shortest_delay
from fastroute.scenarios.fields import (
    check_cost_range,
    check_limits,
    check_means,
    check_times,
    computed_mean,
    read_laws,
    refuse_tables,
)
from fastroute.scenarios.laws.base import TOLERANCE, CostLaw, RewardLaw
from fastroute.scenarios.laws.recorded import Recorded
from fastroute.scenarios.regimes import (
    Values,
    by_event,
    changed_costs,
    changed_rewards,
    check_laws,
    refuse_severity,
    regimes,
    widened,
)

__all__ = ["Scenario", "World"]

Array = NDArray[np.float64]


class World(NamedTuple):
    """A scenario resolved for one run: C-contiguous arrays only.

    Attributes
    ----------
    reward_mean, cost_mean : f8 [R, N]
        True means; R = 1 (shared by all trials) or the number of trials.
    limit : f8 [N]
        Throughput limits.
    arrival, retirement : i8 [N]
        Model ``m`` is available in rounds ``arrival <= t < retirement``; a model that never
        retires has ``retirement = horizon``.
    cost_min, cost_max : float
        Range of the costs that can be drawn.
    reward, cost : Outcome
        Laws of the rewards and of the costs around these means.
    later : tuple of Regime
        What holds after changes: worlds with other means, limits and tables of the laws, in the
        order of their first rounds. Everything else is the same in all of them.
    feedback : Feedback or None
        When outcomes are learnt; None: each in its own round.
    """

    reward_mean: Array
    cost_mean: Array
    limit: Array
    arrival: NDArray[np.int64]
    retirement: NDArray[np.int64]
    cost_min: float
    cost_max: float
    reward: Outcome
    cost: Outcome
    feedback: types.Feedback | None = None
    later: "tuple[Regime, ...]" = ()

    @property
    def regimes(self) -> "tuple[World, ...]":
        """The world itself, and what it is after each change."""
        return (self, *(regime.world for regime in self.later))


class Regime(NamedTuple):
    """What a world is from some round on."""

    start: int  #: first round
    world: World


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Scenario:
    """Models that arrive and leave, with the laws of their rewards and costs.

    N is the number of all models that ever appear. Everything is checked here, so that a
    scenario that exists can be run.

    Parameters
    ----------
    reward_mean : [N] or [trials, N]
        True mean rewards in [0, 1]; with two dimensions each trial has its own instance.
        Computed when omitted, for rewards by task and recorded outcomes.
    cost_mean : [N] or [trials, N]
        True mean costs >= 0, in ``cost_unit``. Computed when omitted, for recorded outcomes.
    limit : float or [N]
        Largest share of the traffic that each model may get, in (0, 1].
    arrival : [N], default 0
        First round in which a model is available (whole numbers from 0), or a fraction of the
        horizon when ``arrival_unit="horizon"``. At least one model must be there at 0.
    retirement : [N], optional
        First round (or fraction) in which a model is gone; None, for all models or for one,
        means never.
    cost_range : (c_min, c_max), optional
        Range of the costs; policies clip their bounds to it. Default: the support of the law of
        the costs. A law without an upper end is truncated at ``c_max``.
    reward : RewardLaw, str or mapping, optional
        Law of a reward around its mean: :class:`Bernoulli` (the default), :class:`Beta`,
        :class:`ByTask`, :class:`ByFeatures` or one of your own; or its name, with parameters
        ``{"name": "beta", "concentration": 5}``.
    cost : CostLaw, str or mapping, optional
        Law of a cost around its mean: :class:`UniformCost` (the default), :class:`FixedCost`,
        :class:`Lognormal` or one of your own; or its name.
    outcomes : Recorded, optional
        Recorded rewards and costs, in the place of both laws.
    arrival_unit : {"round", "horizon"}
        Unit of ``arrival`` and ``retirement``.
    horizon : int, optional
        The only horizon the scenario is made for; None means any.
    models : sequence of str, optional
        Unique names; default "model-0", "model-1", ...
    name, note, cost_unit : str
        What the scenario is called, what a reader must know about it, and the unit of costs.
    changes : sequence of Change, Outage or mapping
        Events that change means and limits while the world runs: :class:`Change`,
        :class:`Outage`, or tables of their fields. They widen ``cost_range`` to the costs of all
        means that occur.
    severity : float
        Factor of all changes: every value is as far from that of round 0 as this says. 0 is a
        world without changes, 1 the events as they are written.
    calendar : (first, last, spread), optional
        Which date is which fraction of the horizon, for events at dates: ``first`` is round 0, and
        ``last`` is at ``spread`` of the horizon.
    reward_delay, cost_delay : int, GeometricDelay, EquallyLikelyDelays, RecordedDelays or mapping
        Rounds after which a policy learns the reward and the cost of a query: as many, or drawn
        for each query, as ``{"name": "geometric", "mean": 50}`` or
        ``{"name": "table", "rounds": [0, 10]}``. Where both are equal, one delay is drawn for the
        two.
    feedback : float
        Probability that the reward of a query is learnt at all, in [0, 1].

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.

    Examples
    --------
    >>> scenario = Scenario([0.9, 0.6], [2.0, 0.5], limit=[0.5, 1.0])
    >>> scenario.cost_range
    (0.25, 3.0)
    """

    reward_mean: Array
    cost_mean: Array
    limit: Array
    arrival: NDArray[np.int64] | Array
    retirement: NDArray[np.int64] | Array | None
    cost_range: tuple[float, float]
    reward: RewardLaw | None
    cost: CostLaw | None
    outcomes: Recorded | None
    arrival_unit: Literal["round", "horizon"]
    horizon: int | None
    models: tuple[str, ...]
    name: str
    note: str
    cost_unit: str
    changes: tuple[Event, ...]
    severity: float
    calendar: Calendar | None
    reward_delay: Delay
    cost_delay: Delay
    feedback: float
    first_cost_range: tuple[float, float] = dataclasses.field(
        init=False
    )  #: before changes widen it

    def __init__(
        self,
        reward_mean: ArrayLike | None = None,
        cost_mean: ArrayLike | None = None,
        limit: ArrayLike = 1.0,
        arrival: ArrayLike | None = None,
        retirement: ArrayLike | Sequence[float | None] | None = None,
        cost_range: tuple[float, float] | None = None,
        reward: RewardLaw | str | Mapping[str, Any] | None = None,
        cost: CostLaw | str | Mapping[str, Any] | None = None,
        outcomes: Recorded | None = None,
        arrival_unit: Literal["round", "horizon"] = "round",
        horizon: int | None = None,
        models: Sequence[str] | None = None,
        name: str = "custom",
        note: str = "",
        cost_unit: str = "cost",
        changes: Sequence[Event | Mapping[str, Any]] = (),
        severity: float = 1.0,
        calendar: Calendar | None = None,
        reward_delay: Delay | Mapping[str, Any] = 0,
        cost_delay: Delay | Mapping[str, Any] = 0,
        feedback: float = 1.0,
    ) -> None:
        checks.choice("arrival_unit", arrival_unit, ("round", "horizon"))
        rewards_by, costs_by = read_laws(reward, cost, outcomes)
        rewards, prices = check_means(
            computed_mean("reward_mean", reward_mean, rewards_by),
            computed_mean("cost_mean", cost_mean, costs_by),
        )
        if rewards.ndim == 2 or prices.ndim == 2:
            refuse_tables(rewards_by, costs_by)
        size = rewards.shape[-1]
        limits = check_limits(limit, size)
        arrivals, retirements = check_times(arrival, retirement, arrival_unit, size)
        names = checks.unique_names("models", models, size)
        events = read_events(changes, names)
        severity = checks.not_negative("severity", severity)
        refuse_severity(events, severity)
        base = _values(rewards, prices, limits)
        first_range = check_cost_range(cost_range, *costs_by.support(prices))
        rewards_by.check(rewards)
        costs_by.check(prices, first_range)
        span = widened(first_range, costs_by, base, by_event(events, severity, base, names))
        check_laws(by_event(events, severity, base, names), base, rewards_by, costs_by, span)

        for array in (rewards, prices, limits, arrivals, retirements):
            if array is not None:
                checks.freeze(array)
        fields = {
            "reward_mean": rewards,
            "cost_mean": prices,
            "limit": limits,
            "arrival": arrivals,
            "retirement": retirements,
            "cost_range": span,
            "first_cost_range": first_range,
            "reward": rewards_by if outcomes is None else None,
            "cost": costs_by if outcomes is None else None,
            "outcomes": outcomes,
            "arrival_unit": arrival_unit,
            "horizon": None if horizon is None else checks.integer("horizon", horizon, 1),
            "models": names,
            "name": name,
            "note": note,
            "cost_unit": cost_unit,
            "changes": events,
            "severity": severity,
            "calendar": read_calendar(calendar),
            **Feedback.of(reward_delay, cost_delay, feedback)._asdict(),
        }
        for field, value in fields.items():
            # The dataclass is frozen; its own construction is the one place that may write.
            object.__setattr__(self, field, value)

    @property
    def n_models(self) -> int:
        """Number of all models that ever appear, N."""
        return len(self.models)

    @property
    def instances(self) -> int:
        """Number of rows of the means: 1 (shared by all trials) or one per trial."""
        return max(
            array.shape[0] if array.ndim == 2 else 1 for array in (self.reward_mean, self.cost_mean)
        )

    @property
    def late_feedback(self) -> dict[str, Any]:
        """Those of ``reward_delay``, ``cost_delay`` and ``feedback`` that are not the defaults."""
        return {
            name: getattr(self, name)
            for name, default in Feedback()._asdict().items()
            if getattr(self, name) != default
        }

    @property
    def extras(self) -> str:
        """Changes and late feedback in words; empty where there is neither."""
        words = [f"{name}={value!r}" for name, value in self.late_feedback.items()]
        if self.changes:
            count = len(self.changes)
            what = "1 change" if count == 1 else f"{count:,} changes"
            words.insert(0, f"{what} with severity={self.severity:g}")
        return ", ".join(words)

    def __repr__(self) -> str:
        """Return one line: the name, the size, the laws, changes and late feedback."""
        laws = f"reward={self.reward!r}, cost={self.cost!r}"
        if self.outcomes is not None:
            laws = f"outcomes={self.outcomes!r}"
        extras = f", {self.extras}" if self.extras else ""
        # Means times a factor end in digits of rounding.
        low, high = (float(f"{end:.12g}") for end in self.cost_range)
        return (
            f"Scenario({self.name!r}, n_models={self.n_models}, {laws}{extras}, "
            f"cost_range=({low}, {high}), cost_unit={self.cost_unit!r})"
        )

    def _repr_html_(self) -> str:
        from fastroute.report.notebook import card_html, scenario_card

        return card_html(scenario_card(self))

    def with_changes(
        self,
        changes: Sequence[Event | Mapping[str, Any]] | None = None,
        severity: float | None = None,
    ) -> "Scenario":
        """Return the same scenario with other changes.

        Parameters
        ----------
        changes : sequence of Change, Outage or mapping, optional
            The events; default those that it has.
        severity : float, optional
            Factor of all changes; default the one that it has.

        Returns
        -------
        Scenario

        Raises
        ------
        ValueError
            When an event or the severity does not fit the scenario.
        """
        given: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        given["cost_range"] = given.pop("first_cost_range")
        given["changes"] = self.changes if changes is None else changes
        given["severity"] = self.severity if severity is None else severity
        return Scenario(**given)

    def with_feedback(self, **options: Any) -> "Scenario":
        """Return the same scenario with other options about when outcomes are learnt.

        Parameters
        ----------
        **options
            ``reward_delay``, ``cost_delay`` and ``feedback``, as a scenario takes them.

        Examples
        --------
        >>> Scenario([0.9, 0.6], [2.0, 0.5]).with_feedback(reward_delay=100).reward_delay
        100
        """
        mine = Feedback(self.reward_delay, self.cost_delay, self.feedback)._asdict()
        checked = Feedback.of(**{**mine, **options})._asdict()
        found = object.__new__(type(self))
        # The dataclass is frozen; this is the construction of a copy.
        for field, value in {**vars(self), **checked}.items():
            object.__setattr__(found, field, value)
        return found

    def never_learnt(self, horizon: int) -> dict[str, str]:
        """Return what no policy learns within a horizon, "reward" or "cost", and why."""
        found = {}
        for what, delay in (("reward", self.reward_delay), ("cost", self.cost_delay)):
            if shortest_delay(delay) >= horizon:
                found[what] = f"{what}_delay={delay!r} is not below horizon={horizon}"
        if self.feedback == 0.0:
            found["reward"] = "feedback=0"
        return found

    def resolve(self, horizon: int, trials: int, part: slice = slice(None)) -> World:
        """Return the arrays of one run.

        Fractions of the horizon become rounds (rounded down), and continuous laws become
        tables of equally likely atoms. Models that arrive at the horizon or later are kept and
        never available.

        Parameters
        ----------
        horizon : int
            Number of rounds T >= 1.
        trials : int
            Number of trials >= 1; must equal the rows of means that have one row per trial.
        part : slice
            The trials of which rows of means are returned, where every trial has its own.

        Returns
        -------
        World

        Raises
        ------
        ValueError
            When ``horizon`` or ``trials`` does not fit the scenario.
        """
        horizon = checks.integer("horizon", horizon, 1)
        if self.horizon not in (None, horizon):
            raise ValueError(
                f"horizon={horizon} but scenario {self.name!r} is made for horizon={self.horizon}; "
                f"build it with horizon={horizon}"
            )
        trials = checks.integer("trials", trials, 1)
        if self.instances not in (1, trials):
            raise ValueError(
                f"trials={trials} but the scenario has {self.instances} instances (rows of "
                f"means), one per trial; run it with trials={self.instances}"
            )
        arrival, retirement = self._rounds(horizon)
        shape = (self.instances, self.n_models)
        reward, cost = read_laws(self.reward, self.cost, self.outcomes)
        mine = part if self.instances > 1 else slice(None)

        def means(array: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.array(np.broadcast_to(array, shape)[mine], order="C")

        world = World(
            reward_mean=means(self.reward_mean),
            cost_mean=means(self.cost_mean),
            limit=self.limit,
            arrival=arrival,
            retirement=retirement,
            cost_min=self.cost_range[0],
            cost_max=self.cost_range[1],
            reward=reward.outcome(self.reward_mean),
            cost=cost.outcome(self.cost_mean, self.cost_range),
            feedback=Feedback(self.reward_delay, self.cost_delay, self.feedback).law(horizon),
        )
        return world._replace(later=self._later(world, horizon)) if self.changes else world

    def _later(self, world: World, horizon: int) -> tuple[Regime, ...]:
        """Return what a world of this horizon is after each change."""
        reward, cost = read_laws(self.reward, self.cost, self.outcomes)
        base = Values(world.reward_mean, world.cost_mean, world.limit)
        found: list[Regime] = []
        for start, now in regimes(
            self.changes, self.severity, base, self.models, horizon, self.calendar
        ):
            before = found[-1].world if found else world
            # A law that stays is worked out once.
            same_rewards = np.array_equal(now.reward, before.reward_mean)
            same_costs = np.array_equal(now.cost, before.cost_mean)
            # Frozen as the first: kernels are compiled for one kind of array.
            checks.freeze(now.limit)
            after = before._replace(
                reward_mean=now.reward,
                cost_mean=now.cost,
                limit=now.limit,
                reward=before.reward
                if same_rewards
                else changed_rewards(reward, world.reward, base.reward, now.reward),
                cost=before.cost
                if same_costs
                else changed_costs(cost, world.cost, base.cost, now.cost, self.cost_range),
            )
            found.append(Regime(start, after))
        return tuple(found)

    def _rounds(self, horizon: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return arrival and retirement [N] in rounds of this horizon."""
        scale, slack = (horizon, TOLERANCE) if self.arrival_unit == "horizon" else (1, 0)
        # The slack keeps 0.29 * 100 = 28.999... in round 29.
        arrival = np.minimum(np.floor(self.arrival * scale + slack), horizon).astype(np.int64)
        if self.retirement is None:
            return arrival, np.full(self.n_models, horizon, dtype=np.int64)
        if self.arrival_unit == "round":
            return arrival, np.minimum(self.retirement, horizon).astype(np.int64)
        retirement = np.floor(self.retirement * horizon + slack).astype(np.int64)
        gone = np.flatnonzero(retirement <= arrival)
        if gone.size:
            model = int(gone[0])
            raise ValueError(
                f"horizon={horizon} is too short: model {self.models[model]!r} would arrive and "
                f"retire in round {int(arrival[model])}; use a longer horizon"
            )
        return arrival, retirement


def _values(reward: Array, cost: Array, limit: Array) -> Values:
    """Return means and limits of round 0, with a row for every instance of any of the means."""
    rows = max(array.shape[0] if array.ndim == 2 else 1 for array in (reward, cost))
    shape = (rows, limit.size)
    return Values(np.broadcast_to(reward, shape), np.broadcast_to(cost, shape), limit)
