"""What other policies would have done with the queries of a decision log.

Another policy goes through the log and decides every query anew, with draws of its own. Where its
draw is the model that served, it learns what was observed, and goes on to its next decision; where
not, nothing has happened for it, and it decides the next query of the log in its place. So it knows
what it would know after as many decisions of its own (rejection: Li, Chu, Langford and Wang, WSDM
2011, arXiv 1003.5956, which Mandel, Liu, Brunskill and Popovic, AAAI 2016, extend to logs that are
not uniform). A model that the log could not have served is passed over, since the log never answers
for it; the policy then knows less than it would.

Its shares at every decision of the log are then known before the log shows who served. Reward and
cost are means weighted by its share of the model that served, divided by the probability with which
that model was served: the self-normalised importance weights of Swaminathan and Joachims (NeurIPS
2015). They are right however the log was decided, for the traffic on models that the log could have
served, and intervals are those of sums over blocks of consecutive decisions.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from fastroute.checks import refused
from fastroute.online.history import (
    Catalogue,
    History,
    Verification,
    play_again,
    read_history,
)
from fastroute.online.log import DecisionRow, Record
from fastroute.online.player import Decision, Observation, Player, or_nan, or_none
from fastroute.online.settings import OnlineSettings, counts_apart
from fastroute.online.state import player_setting
from fastroute.policies import Policy
from fastroute.policies import policy as named_policy

F8 = NDArray[np.float64]

#: Effective decisions below which nothing is said.
LEAST_EFFECTIVE: Final = 30.0
#: Share of the traffic that must be on models the log could have served.
LEAST_OVERLAP: Final = 0.5
# Draws of trials from here on are those of no replica, so that a policy and its log draw apart.
_OWN_TRIALS: Final = 1 << 7
_MOST_BLOCKS: Final = 50
_LEAST_BLOCKS: Final = 10
_PER_BLOCK: Final = 20
_CONFIDENCE: Final = 0.95


class Interval(NamedTuple):
    """A mean with its 95 % interval; NaN where nothing can be said."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write it in brackets."""
        if math.isnan(self.mean):
            return "-"
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


_UNKNOWN: Final = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class PolicyValue:
    """What a policy would have brought and cost.

    Attributes
    ----------
    policy : str
    reward, cost : Interval
        Mean of a query.
    learnt : int
        Decisions that it has made and learnt from: where its draw was the model that served.
    effective : float
        Decisions of its own that say as much as its weighted ones.
    overlap : float
        Share of its traffic on models that the log could have served.
    words : str
        What a reader must know.
    """

    policy: str
    reward: Interval
    cost: Interval
    learnt: int
    effective: float
    overlap: float
    words: str


@dataclass(frozen=True)
class Evaluation:
    """What a log is, and what other policies would have done with its queries.

    Attributes
    ----------
    source : str
    replica : int
        Whose decisions the policies were given.
    decisions : int
        Of that replica.
    verified : tuple of Verification
        Of every replica.
    logged : PolicyValue
        What the log itself brought.
    values : tuple of PolicyValue
        Of the other policies.
    left_out : int
        Decisions that say nothing of other policies: those that no model served, and those in which
        another model served than was chosen because the money of the window was spent.
    """

    source: str
    replica: int
    decisions: int
    verified: tuple[Verification, ...]
    logged: PolicyValue
    values: tuple[PolicyValue, ...] = ()
    left_out: int = 0

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(_plain(asdict(self)), indent=2)

    def __str__(self) -> str:
        """Return it as text."""
        lines = [self.source, *(f"  {one}" for one in self.verified)]
        if not self.values:
            return "\n".join(lines)
        rows = [("", "reward", "cost", "learnt from", "effective", "overlap")]
        for value in (self.logged, *self.values):
            numbers = f"{value.learnt:,}", f"{value.effective:,.0f}", f"{100 * value.overlap:.1f} %"
            rows.append((value.policy, str(value.reward), str(value.cost), *numbers))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines.append("")
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            lines.append(f"  {'  '.join(cells)}".rstrip())
        lines += ["", *(f"  {value.policy}: {value.words}" for value in self.values)]
        if self.left_out:
            lines.append(
                f"  {self.left_out:,} decisions say nothing of other policies: no model served, or "
                "another one than was chosen, because the money of the window was spent"
            )
        return "\n".join(lines)


def evaluate_log(
    place: str | Path, policies: Iterable[str | Policy] = (), *, replica: int | None = None
) -> Evaluation:
    """Verify a decision log, and say what other policies would have done with its queries.

    Every decision is first played again from nothing and compared by name. Then each policy goes
    through the log as if the queries were its own, and learns where its draw is the model that
    served.

    Parameters
    ----------
    place : str or Path
        A file of SQLite, or the address of a database. Nothing is written.
    policies : iterable of str or Policy
        Other policies; none to verify the log only.
    replica : int, optional
        Whose decisions the policies are given; default those of the replica with the most.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        When there is no log, or a policy cannot run online or needs what the log has not.

    Notes
    -----
    Stages of a policy that open after a number of decisions open after as many of its own. What was
    observed is learnt at once, in whatever decision it came. What was never observed is taken to be
    like the rest.
    """
    history = read_history(place)
    if replica is None:
        replica = max(history.replicas, key=lambda one: len(history.decisions[one]))
    if replica not in history.replicas:
        raise refused("replica", replica, f"one of {', '.join(map(str, history.replicas))}")
    others = [_settings_of(history.settings, policy) for policy in policies]
    logged = Logged(history, replica)
    verified = tuple(
        logged.verified if one == replica else play_again(history, one) for one in history.replicas
    )
    return Evaluation(
        source=history.source,
        replica=replica,
        decisions=len(logged.reward),
        verified=verified,
        logged=_value_of_log(history.settings, logged),
        values=tuple(_value(other, logged, follow_policy(logged, other)) for other in others),
        left_out=int((logged.propensity == 0.0).sum()),
    )


class Logged:
    """The decisions of a replica, as other policies are compared with them.

    Parameters
    ----------
    history : History
    replica : int

    Attributes
    ----------
    verified : Verification
    reward, cost : f8 [T]
        Of every decision; NaN where it was not observed.
    propensity : f8 [T]
        Probability of the model that served; 0 where the decision says nothing of others.
    could : list of frozenset of str
        Models that could have served, of every decision.
    """

    def __init__(self, history: History, replica: int) -> None:
        self.history, self.replica = history, replica
        self.could: list[frozenset[str]] = []
        propensity: list[float] = []
        applied = history.settings.mode == "apply"

        def hear(row: DecisionRow, decision: Decision, names: list[str]) -> None:
            if not applied:
                propensity.append(1.0 if row.served is not None else 0.0)
                self.could.append(frozenset((row.served,) if row.served is not None else ()))
                return
            told = row.served is not None and row.served == row.model
            propensity.append(row.propensity if told else 0.0)
            shares = zip(names, decision.shares, strict=True)
            self.could.append(frozenset(name for name, share in shares if share > 0.0))

        self.verified = play_again(history, replica, hear)
        self.propensity = np.array(propensity)
        rows = history.decisions[replica]
        known = [history.outcomes.get((replica, row.number)) for row in rows]
        self.reward = np.array([or_nan(one and one.reward) for one in known])
        self.cost = np.array([or_nan(one and one.cost) for one in known])


@dataclass
class Followed:
    """What a policy did with the decisions of a log.

    Attributes
    ----------
    names : list of str
        Models, in the order of ``shares``.
    weight : f8 [T]
        Its share of the model that served, over the probability of that model in the log.
    overlap : f8 [T]
        Its traffic on models that could have served.
    shares : f8 [T, N]
        What it would have played.
    learnt : int
        Decisions in which its draw was the model that served.
    """

    names: list[str]
    weight: F8
    overlap: F8
    shares: F8
    learnt: int = 0


def follow_policy(logged: Logged, settings: OnlineSettings) -> Followed:
    """Let a policy decide the queries of a log, and learn where it agrees with it.

    Parameters
    ----------
    logged : Logged
    settings : OnlineSettings
        Those of the log, with another policy.
    """
    return _Follower(logged, settings).follow()


class _Guest(Player):
    """A player that can take a decision back."""

    def settle(self) -> None:
        """End the last round with what was observed, as the next decision would."""
        if self._desk is None:
            self._begin()
        observed = self._learn_most() if self._waiting else 0
        self._desk.call(-1, observed, int(self._played), 0)
        self._played = False

    def try_one(self, task: int, features: F8 | None) -> tuple[Decision, F8]:
        """Decide, and return what :meth:`take_back` needs."""
        self.settle()
        before = self._desk.ws.blocks.copy()
        return self.decide(task, features), before

    def take_back(self, before: F8) -> None:
        """Be as before the last decision, which is still to be made."""
        self._desk.ws.blocks[:] = before
        self._played = False
        self.now -= 1


@dataclass
class _Follower:
    """Takes a policy through a log."""

    logged: Logged
    settings: OnlineSettings
    stage_time: float = -math.inf
    player: _Guest = field(init=False)
    catalogue: Catalogue = field(init=False)
    found: Followed = field(init=False)

    def __post_init__(self) -> None:
        setting = player_setting(self.settings, self.logged.replica)
        self.player = _Guest(setting._replace(trial=_OWN_TRIALS + self.logged.replica))
        history = self.logged.history
        self.catalogue = Catalogue(self.player, history.models)
        known = dict.fromkeys(model.name for model in history.models)
        for record in (one for rows in history.records.values() for one in rows):
            if record.kind == "add":
                known[json.loads(record.body or "{}")["name"]] = None
        count = len(self.logged.reward)
        names = list(known)
        self.found = Followed(
            names, np.zeros(count), np.zeros(count), np.zeros((count, len(names)))
        )
        self._columns = {name: place for place, name in enumerate(names)}

    def follow(self) -> Followed:
        """Go through the log."""
        place = 0
        for event in self.logged.history.events(self.logged.replica):
            if isinstance(event, Record):
                self._record(event)
                continue
            if self._stage_is_due(event.time):
                self.player.open_stage()
                self.stage_time = event.time
            self._decide(place, event)
            place += 1
        return self.found

    def _record(self, record: Record) -> None:
        if record.kind != "merge":
            self.catalogue.follow(record)
            return
        body = json.loads(record.body or "{}")
        for other in self.logged.history.records[body["replica"]]:
            if body["first"] <= other.place < body["stop"]:
                self.catalogue.follow(other)

    def _stage_is_due(self, moment: float) -> bool:
        stage, player = self.settings.stage, self.player
        if player.opened < 0:
            return True
        return stage.is_over(player.now - player.opened, moment, self.stage_time)

    def _decide(self, place: int, row: DecisionRow) -> None:
        logged, player, found = self.logged, self.player, self.found
        task = logged.history.task_number(row)
        features = None if row.features is None else np.frombuffer(row.features)
        decision, before = player.try_one(task, features)
        could = logged.could[place]
        for model, share in zip(player.deployed, decision.shares, strict=True):
            name = self.catalogue.names[model]
            found.shares[place, self._columns[name]] = share
            if name in could:
                found.overlap[place] += share
            if name == row.served and logged.propensity[place] > 0.0:
                found.weight[place] = share / logged.propensity[place]
        drawn = self.catalogue.names[decision.model] if decision.model >= 0 else None
        if drawn is not None and drawn == row.served and logged.propensity[place] > 0.0:
            found.learnt += 1
            self._learn(place, decision.model, task, features)
            return
        player.take_back(before)
        if drawn not in could:
            player.pass_over()

    def _learn(self, place: int, model: int, task: int, features: F8 | None) -> None:
        logged, number = self.logged, self.player.now - 1
        reward, cost = or_none(logged.reward[place]), or_none(logged.cost[place])
        if self.settings.apart:
            if reward is not None or cost is not None:
                self.player.observe(Observation(number, model, reward, cost, task, None))
        elif reward is not None and cost is not None:
            self.player.observe(Observation(number, model, reward, cost, task, features))


def weighted_mean(values: F8, weight: F8) -> Interval:
    """Return a self-normalised weighted mean with its interval.

    Parameters
    ----------
    values : f8 [T]
        NaN where nothing was observed.
    weight : f8 [T]
        In the order of the decisions.
    """
    used = ~np.isnan(values) & (weight > 0.0)
    total = float(weight[used].sum())
    if total <= 0.0:
        return _UNKNOWN
    mean = float((weight[used] * values[used]).sum() / total)
    # What a decision without weight does not bring counts among the blocks too.
    error = np.where(used, weight * (np.nan_to_num(values) - mean), 0.0)
    count = int(np.clip(values.size // _PER_BLOCK, _LEAST_BLOCKS, _MOST_BLOCKS))
    sums = np.array([block.sum() for block in np.array_split(error, count)])
    spread = math.sqrt(float((sums**2).sum()) * count / (count - 1)) / total
    half = float(student.ppf(0.5 + _CONFIDENCE / 2.0, count - 1)) * spread
    return Interval(mean, mean - half, mean + half)


def _value(settings: OnlineSettings, logged: Logged, found: Followed) -> PolicyValue:
    """Return what a policy would have brought, or why nothing can be said."""
    told = (logged.propensity > 0.0) & ~(np.isnan(logged.reward) & np.isnan(logged.cost))
    weight = np.where(told, found.weight, 0.0)
    square = float((weight**2).sum())
    effective = float(weight.sum()) ** 2 / square if square else 0.0
    counted = logged.propensity > 0.0
    overlap = float(found.overlap[counted].mean()) if counted.any() else 0.0
    label = settings.policy.title
    reward, cost = weighted_mean(logged.reward, weight), weighted_mean(logged.cost, weight)
    whole = f"{100.0 * overlap:.1f} % of its traffic is on models that the log could have served"
    if effective < LEAST_EFFECTIVE or overlap < LEAST_OVERLAP:
        why = f"{whole}, and what it shares with the log says as much as {effective:.0f} decisions"
        return PolicyValue(
            label,
            _UNKNOWN,
            _UNKNOWN,
            found.learnt,
            effective,
            overlap,
            f"nothing can be said: {why}",
        )
    rest = "" if overlap > 1.0 - 1e-9 else "; the value is that of this part"
    words = (
        f"{whole}{rest}. It has learnt from {found.learnt:,} decisions: the value is that of its "
        "beginning, as far as these lead"
    )
    return PolicyValue(label, reward, cost, found.learnt, effective, overlap, words)


def _value_of_log(settings: OnlineSettings, logged: Logged) -> PolicyValue:
    every = np.ones(len(logged.reward))
    told = int((~(np.isnan(logged.reward) & np.isnan(logged.cost))).sum())
    return PolicyValue(
        f"{settings.policy.title} (the log)",
        weighted_mean(logged.reward, every),
        weighted_mean(logged.cost, every),
        told,
        float(told),
        1.0,
        "what was observed",
    )


def _settings_of(settings: OnlineSettings, policy: str | Policy) -> OnlineSettings:
    """Return the settings of a log with another policy."""
    made = named_policy(policy) if isinstance(policy, str) else policy
    plain = settings.plain()
    more = {"policy": made, "apart": counts_apart(made), "mode": "apply", "serve": None}
    return OnlineSettings(**{**plain, **more})


def _plain(value: Any) -> Any:
    """Return a value for JSON: what is not finite becomes None."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        if isinstance(value, Interval):
            return _plain(value._asdict())
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
