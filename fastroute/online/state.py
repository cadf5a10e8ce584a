"""What an online router knows: models, stages, money and what is in flight.

All that happens goes through here, live and when a log is played again.
"""

import json
import math
from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.online.budget import Account
from fastroute.online.errors import (
    BudgetSpentError,
    NothingDeployedError,
    ObservationError,
    checked_id,
)
from fastroute.online.log import DecisionRow, Log, Record, Snapshot
from fastroute.online.player import (
    Decision,
    Observation,
    Player,
    PlayerSetting,
    or_nan,
    or_none,
)
from fastroute.online.settings import OnlineModel, OnlineSettings
from fastroute.words import closest

F8 = NDArray[np.float64]

# An identifier is made of the replica, the start of the router and the number of the decision.
NUMBER_BITS: Final = 40
START_BITS: Final = 16
NUMBERS: Final = (1 << NUMBER_BITS) - 1
STARTS: Final = (1 << START_BITS) - 1

#: Decisions in flight that are kept in memory; older ones are looked up in the log.
IN_FLIGHT: Final = 200_000


class Open:
    """A decision of which something is yet to be observed."""

    __slots__ = ("cost", "features", "model", "reserved", "reward", "row")

    def __init__(self, model: int, row: int, features: F8 | None, reserved: float) -> None:
        self.model = model
        self.row = row
        self.features = features
        self.reserved = reserved
        self.reward: float | None = None
        self.cost: float | None = None

    def note(self, known: Record) -> None:
        """Note what was observed before."""
        self.reward = known.reward if known.reward is not None else self.reward
        self.cost = known.cost if known.cost is not None else self.cost


class State:
    """What a router knows.

    Parameters
    ----------
    settings : OnlineSettings
    catalogue : list of OnlineModel
    replica : int
    log : Log or None
    """

    def __init__(
        self,
        settings: OnlineSettings,
        catalogue: list[OnlineModel],
        replica: int,
        log: Log | None,
    ) -> None:
        self.settings, self.replica, self.log = settings, replica, log
        self.player = Player(player_setting(settings, replica))
        self.names: list[str] = []
        self.numbers: dict[str, int] = {}
        self.expected: list[float | None] = []
        self.counts: list[list[float]] = []  #: chosen, rewards, their sum, costs, their sum
        self.deployed: tuple[str, ...] = ()
        self.task_numbers = {task: k for k, task in enumerate(settings.tasks)}
        self.open: dict[int, Open] = {}
        self.stage_time = -math.inf
        self.stage_first = -1
        self.place = 0  #: of the next record
        self.seen_of: dict[int, int] = {}
        self.starts: list[tuple[int, int]] = []  #: first decision and base of its identifiers
        self.begin(0, 0)
        self.account = None if settings.window is None else Account(settings.window)
        for model in catalogue:
            self.add(model)
        self.fixed: int | None = None
        self.shadow: int | None = None
        if settings.serve is not None:
            self.shadow = self.number_of(settings.serve)
            self.fixed = self.shadow if settings.mode == "fixed" else None
        #: Whether something else than what was chosen may serve.
        self.is_served_apart = self.account is not None or self.shadow is not None

    # Identifiers.

    def begin(self, first: int, mark: int) -> None:
        """Note that a start of this replica begins with a decision."""
        self.base = self.replica << (NUMBER_BITS + START_BITS) | mark << NUMBER_BITS
        self.starts.append((first, self.base))

    def identifier_of(self, replica: int, number: int) -> int:
        """Return under which identifier a decision is in flight.

        An own one has that of the start which made it; those of others go by replica and number.
        """
        if replica != self.replica:
            return replica << (NUMBER_BITS + START_BITS) | number
        place = bisect_right(self.starts, number, key=itemgetter(0)) - 1
        return self.starts[place][1] | number

    # Models and stages.

    def add(self, model: OnlineModel) -> None:
        """Add a model."""
        number = self.player.add(model.limit)
        self.names.append(model.name)
        self.numbers[model.name] = number
        self.expected.append(model.cost)
        self.counts.append([0.0] * 5)

    def number_of(self, name: str) -> int:
        """Return the number of a model."""
        if not isinstance(name, str) or name not in self.numbers:
            near = closest(str(name), self.names)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"model {name!r} is not one of {', '.join(self.names)}{hint}")
        return self.numbers[name]

    def set_of(self, names: Iterable[str]) -> list[int]:
        """Return the numbers of models that are to be deployed together.

        Raises
        ------
        ValueError
            When they cannot be.
        """
        if isinstance(names, str):
            raise ValueError(f"apply: {names!r} is one name; pass a list of names")
        given = [self.number_of(name) for name in names]
        most = self.settings.max_deployed
        if not given or len(given) > most or len(set(given)) < len(given):
            raise ValueError(
                f"apply: {', '.join(self.names[m] for m in given) or 'no model'}: pass from 1 to "
                f"max_deployed={most} different models"
            )
        gone = [self.names[m] for m in given if self.player.models.retired[m]]
        if gone:
            raise ValueError(f"apply: {gone[0]!r} is retired; pass models that are there")
        return given

    @property
    def asked(self) -> tuple[str, ...]:
        """Models that a choice has shares of: the deployed ones, or the fixed one."""
        return self.deployed if self.fixed is None else (self.names[self.fixed],)

    def make(self, record: Record, body: dict[str, Any], *, played: bool) -> None:
        """Make a change; a stage that the player has ``played`` is not opened again."""
        kind, player = record.kind, self.player
        if kind == "stage":
            if not played:
                player.open_stage([self.numbers[name] for name in body["deployed"]])
            self.deployed = tuple(body["deployed"])
            self.stage_time, self.stage_first = record.time, record.at
        elif kind == "add":
            self.add(OnlineModel(**body))
        elif kind == "forget":
            entry = self.open.pop(body["id"], None)
            if entry is not None and self.account is not None and entry.cost is None:
                self.account.pay(entry.reserved, 0.0)
        elif kind == "merge":
            self.learn_of_others(body["replica"], body["first"], body["stop"])
        elif kind == "period":
            if self.account is not None:
                self.account.set_period(body["start"], body["end"], body["available"])
                # What is in flight is paid when it is known; what never is known blocks nothing.
                for entry in self.open.values():
                    entry.reserved = 0.0
        else:
            number = self.numbers[body["name"]]
            player.change(kind, number, body)
            if kind == "reprice":
                self.expected[number] = body["factor"] * self.expected_cost(number)

    @property
    def is_stranded(self) -> bool:
        """Whether nothing that is deployed can take queries, and something else could."""
        models = self.player.models
        usable = (models.usable > 0.0) & ~models.retired
        here = self.player.deployed
        if self.fixed is not None or not usable.any():
            return False
        return not (models.usable[here] > 0.0).any() if here else True

    def stage_is_due(self, moment: float) -> bool:
        """Tell whether a stage opens with the next decision."""
        if self.stage_first < 0 or self.is_stranded:
            return True
        made = self.player.now - self.stage_first
        return self.settings.stage.is_over(made, moment, self.stage_time)

    # Queries.

    def decide(self, row: int, features: F8 | None) -> Decision:
        """Choose the model of the next query; the fixed one where there is one."""
        if self.fixed is None:
            return self.player.decide(row, features)
        self.player.pass_over()
        return Decision(self.fixed, 1.0, (1.0,), 0)

    def read_task(self, task: str | None) -> int:
        """Return the number of a task."""
        if task is not None and not isinstance(task, str):
            raise ValueError(f"task={task!r} must be a word")
        if not self.task_numbers:
            return 0
        if task is None or task not in self.task_numbers:
            near = closest(str(task), self.task_numbers)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"task={task!r} is not one of {', '.join(self.task_numbers)}{hint}")
        return self.task_numbers[task]

    def read_features(self, features: ArrayLike | None) -> F8:
        """Return the features of a query as estimators see them."""
        size = self.settings.features
        if features is None:
            raise ValueError(f"features=None; the router needs {size} numbers of every query")
        x = np.asarray(features, dtype=np.float64)
        if x.shape != (size,):
            raise ValueError(f"features of shape {x.shape}; the router needs {size} numbers")
        if not np.isfinite(x).all():
            raise ValueError("features: not all are finite numbers")
        return np.append(1.0, x) if self.settings.intercept else x

    def serve(self, chosen: int) -> int:
        """Return what takes the query: what was chosen, or another model; -1 for none."""
        served = chosen if self.shadow is None else self.shadow
        if self.account is None or served < 0:
            return served
        if self.account.room >= self.expected_cost(served):
            return served
        if self.settings.window is None or self.settings.window.when_spent == "refuse":
            return -1
        usable = self.player.models.usable
        there = [m for m in self.player.deployed if usable[m] > 0.0]
        cheapest = min(there, key=self.expected_cost, default=-1)
        if cheapest >= 0 and self.account.room >= self.expected_cost(cheapest):
            return cheapest
        return -1

    def expected_cost(self, model: int) -> float:
        """Return what a query should cost: as observed, else as said, else the budget."""
        _, _, _, count, total = self.counts[model]
        said = self.expected[model]
        if count:
            return total / count
        return self.settings.budget if said is None else said

    def keep_open(self, identifier: int, served: int, row: int, x: F8 | None) -> None:
        """Keep a decision until its reward and cost are known."""
        reserved = 0.0
        if self.account is not None:
            reserved = self.expected_cost(served)
            self.account.reserve(reserved)
        self.open[identifier] = Open(served, row, x, reserved)
        if len(self.open) > IN_FLIGHT:
            oldest = self.open.pop(next(iter(self.open)))
            if self.account is not None and oldest.cost is None:
                self.account.pay(oldest.reserved, 0.0)

    def nothing(self, chosen: int) -> Exception:
        """Return why a query is taken by nobody."""
        if chosen >= 0:
            assert self.account is not None
            return BudgetSpentError(
                f"the window has {max(self.account.room, 0.0):.4g} left of "
                f"{self.account.available:.4g}, less than the query is expected to cost; raise "
                "window.total, or wait for the next period"
            )
        return NothingDeployedError(
            "no deployed model can take the query: none is there, or all have failed; recover or "
            "add a model, and apply() opens a stage at once"
        )

    # Observations.

    def learn(
        self,
        identifier: int,
        entry: Open,
        reward: float | None,
        cost: float | None,
        *,
        here: bool = True,
    ) -> None:
        """Let the policy and the accounts know an outcome, that was told ``here`` or elsewhere."""
        count = self.counts[entry.model]
        if reward is not None:
            entry.reward = reward
            count[1] += 1.0
            count[2] += reward
        if cost is not None:
            entry.cost = cost
            count[3] += 1.0
            count[4] += cost
            if self.account is not None:
                # What was told elsewhere is in the account of the others.
                self.account.pay(entry.reserved, cost if here else 0.0)
        number = identifier & NUMBERS
        done = entry.reward is not None and entry.cost is not None
        if done:
            self.open.pop(identifier, None)
        if self.settings.apart:
            self.player.observe(Observation(number, entry.model, reward, cost, entry.row, None))
        elif done:
            self.player.observe(
                Observation(
                    number, entry.model, entry.reward, entry.cost, entry.row, entry.features
                )
            )

    def refuse_replace(self, identifier: int) -> None:
        """Refuse to replace an outcome that the estimator cannot unlearn.

        Raises
        ------
        ObservationError
        """
        estimator = self.settings.policy.estimator
        if not self.player.can_replace(identifier & NUMBERS):
            raise ObservationError(
                "known already",
                f'id={identifier}: estimator="{estimator.label}" keeps more than sums of what it '
                "has learnt, so nothing of it can be replaced",
            )

    def replace(
        self,
        identifier: int,
        entry: Open,
        reward: float | None,
        cost: float | None,
        *,
        here: bool = True,
    ) -> None:
        """Let the policy and the accounts know other values of what they know already."""
        count = self.counts[entry.model]
        more = [0.0, 0.0]
        if reward is not None:
            assert entry.reward is not None
            more[0] = reward - entry.reward
            count[2] += more[0]
            entry.reward = reward
        if cost is not None:
            assert entry.cost is not None
            more[1] = cost - entry.cost
            count[4] += more[1]
            entry.cost = cost
            if here and self.account is not None:
                self.account.spent += more[1]
        if self.settings.apart or (entry.reward is not None and entry.cost is not None):
            self.player.replace(identifier & NUMBERS, entry.model, entry.row, reward, cost, more)

    def learn_of_others(self, replica: int, first: int, stop: int) -> None:
        """Learn what another replica has put in the log between two places."""
        assert self.log is not None
        for record in self.log.records(replica, first, stop):
            if record.kind in ("outcome", "replace"):
                self.take(record, here=False)
            else:
                self.follow(record)
        self.seen_of[replica] = stop

    def take(self, record: Record, *, here: bool) -> None:
        """Take an outcome of the log over, that was told ``here`` or elsewhere."""
        assert record.number is not None
        assert record.decided_by is not None
        identifier = self.identifier_of(record.decided_by, record.number)
        entry = self.open.get(identifier)
        if entry is None:
            entry = self.entry_of(record)
            if not here:
                self.open[identifier] = entry
        tell = self.learn if record.kind == "outcome" else self.replace
        tell(identifier, entry, record.reward, record.cost, here=here)

    def look_up(self, identifier: int) -> Open:
        """Return a decision that is not in memory, from the log."""
        identifier = checked_id(identifier)
        replica = identifier >> (NUMBER_BITS + START_BITS)
        start = identifier >> NUMBER_BITS & STARTS
        number = identifier & NUMBERS
        own = replica == self.replica
        if self.log is None:
            if own and 0 <= identifier - self.base < self.player.now:
                raise ObservationError(
                    "known already",
                    f"id={identifier}: its reward and cost are known already, or it is older than "
                    f"the {IN_FLIGHT:,} decisions that are kept",
                )
            raise _unknown(identifier)
        self.log.flush()
        starts = self.log.starts(replica)
        marks = [mark for mark, _ in starts]
        row = self.log.decision(number, replica)
        begun = marks.index(start) if start in marks else -1
        if begun < 0 or number < starts[begun][1]:
            raise _unknown(identifier)
        if any(number >= first for _, first in starts[begun + 1 :]):
            raise ObservationError(
                "lost",
                f"id={identifier}: the router stopped before this decision reached its log; "
                "nothing is learnt of it",
            )
        if row is None or row.served is None:
            raise _unknown(identifier)
        entry = self.entry_in(row)
        for known in self.log.outcomes_of(number, replica):
            entry.note(known)
        return entry

    def entry_of(self, record: Record) -> Open:
        """Return the decision that a record is about, with what was known before the record."""
        assert self.log is not None
        assert record.number is not None
        row = self.log.decision(record.number, record.decided_by)
        assert row is not None
        entry = self.entry_in(row)
        for known in self.log.outcomes_of(row.number, row.replica):
            if known.replica == record.replica and known.place < record.place:
                entry.note(known)
        return entry

    def entry_in(self, row: DecisionRow) -> Open:
        """Return a decision of the log as one in flight."""
        assert row.served is not None
        return Open(self.numbers[row.served], *self.query_of(row), 0.0)

    def query_of(self, row: DecisionRow) -> tuple[int, F8 | None]:
        """Return task and features of a decision of the log, as the player reads them."""
        features = None if row.features is None else np.frombuffer(row.features)
        return self.task_numbers.get(row.task or "", 0), features

    def decide_again(self, row: DecisionRow) -> Decision:
        """Make a decision of the log again, and keep what served as the log has it."""
        task, features = self.query_of(row)
        decision = self.decide(task, features)
        if row.model is not None:
            self.counts[self.numbers[row.model]][0] += 1.0
        if row.served is not None:
            identifier = self.identifier_of(self.replica, row.number)
            self.keep_open(identifier, self.numbers[row.served], task, features)
        return decision

    def name_of(self, decision: Decision) -> str | None:
        """Return what a decision chose; None for nothing."""
        return self.names[decision.model] if decision.model >= 0 else None

    def follow(self, record: Record) -> None:
        """Make a change of the catalogue that another replica has made."""
        if record.kind in ("stage", "merge", "period", "forget"):
            return
        body = json.loads(record.body or "{}")
        if record.kind == "add" and body["name"] in self.numbers:
            return
        self.make(record, body, played=False)

    # What is kept.

    def snapshot(self) -> Snapshot:
        """Return what is known, so that a start need not play the whole log again."""
        account = self.account
        more = {
            "names": self.names,
            "expected": self.expected,
            "counts": self.counts,
            "deployed": self.deployed,
            "stage": [self.stage_time, self.stage_first],
            "seen_of": list(self.seen_of.items()),
            "reserved": None if account is None else account.reserved,
            "period": account and [account.start, account.end, account.available],
        }
        arrays = self.player.snapshot()
        arrays["router"] = np.frombuffer(json.dumps(more).encode(), np.uint8)
        arrays["open"] = np.array(list(self.open), np.int64)
        arrays["open_values"] = np.array(
            [
                [e.model, e.row, e.reserved, or_nan(e.reward), or_nan(e.cost)]
                for e in self.open.values()
            ]
        ).reshape(-1, 5)
        features = [e.features for e in self.open.values() if e.features is not None]
        arrays["open_features"] = np.array(features, np.float64)
        return Snapshot(self.player.now, self.place, arrays)

    def restore(self, snapshot: Snapshot) -> None:
        """Know what a snapshot says."""
        more = json.loads(snapshot.arrays["router"].tobytes())
        self.player.restore(snapshot.arrays)
        self.names = more["names"]
        self.numbers = {name: number for number, name in enumerate(self.names)}
        self.expected, self.counts = more["expected"], more["counts"]
        self.deployed = tuple(more["deployed"])
        self.stage_time, self.stage_first = more["stage"]
        self.seen_of = dict(more["seen_of"])
        self.place = snapshot.place
        features = iter(snapshot.arrays["open_features"])
        values = snapshot.arrays["open_values"].tolist()
        for identifier, (model, row, reserved, reward, cost) in zip(
            snapshot.arrays["open"].tolist(), values, strict=True
        ):
            x = next(features) if self.settings.features else None
            entry = self.open[identifier] = Open(int(model), int(row), x, reserved)
            entry.reward, entry.cost = or_none(reward), or_none(cost)
        if self.account is not None and more["period"] is not None:
            self.account.set_period(*more["period"])
            self.account.reserved = more["reserved"]


def _unknown(identifier: int) -> ObservationError:
    return ObservationError(
        "unknown",
        f"id={identifier}: no such decision was made; pass the id of a choice of this router",
    )


def player_setting(settings: OnlineSettings, replica: int) -> PlayerSetting:
    """Return what the player of a replica needs to know."""
    return PlayerSetting(
        policy=settings.policy,
        seed=settings.seed,
        trial=replica,
        budget=settings.budget,
        max_deployed=settings.max_deployed,
        horizon=settings.horizon,
        stage_length=settings.stage_length,
        n_models=settings.n_models,
        cost_range=settings.cost_range,
        deploy_cost=settings.deploy_cost,
        tasks=len(settings.tasks),
        features=settings.features + settings.intercept if settings.features else 0,
        apart=settings.apart,
    )
