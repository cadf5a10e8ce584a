"""``OnlineRouter``: a policy where the queries are, one decision at a time."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.checks import refused
from fastroute.online.budget import Account, Window
from fastroute.online.errors import BudgetSpentError, NothingDeployedError, ObservationError
from fastroute.online.log import DecisionRow, Log, Record, Snapshot
from fastroute.online.plan import Plan, make_plan
from fastroute.online.player import Decision, Observation, Player, PlayerSetting
from fastroute.online.settings import (
    Catalogue,
    Mode,
    OnlineModel,
    OnlineSettings,
    Stage,
    read_catalogue,
)
from fastroute.policies import Policy
from fastroute.policies import policy as named_policy
from fastroute.solve.backend import load_kernel
from fastroute.warning import warn
from fastroute.words import closest

F8 = NDArray[np.float64]

# An identifier is made of the replica, the start of the router and the number of the decision.
_NUMBER_BITS: Final = 40
_START_BITS: Final = 16
_NUMBERS: Final = (1 << _NUMBER_BITS) - 1
_STARTS: Final = (1 << _START_BITS) - 1

#: Decisions in flight that are kept in memory; older ones are looked up in the log.
IN_FLIGHT: Final = 200_000
#: Decisions after which a snapshot is kept, so that a start has little to play again.
SNAPSHOT_EVERY: Final = 50_000


class Choice:
    """Which model takes a query.

    Attributes
    ----------
    id : int
        Of the decision; observations name it.
    model : str
        What the policy chose.
    serve : str
        What is to take the query: ``model``, unless the router only looks on, or the money of the
        window is spent.
    propensity : float
        Probability with which ``model`` was chosen, given the shares.
    """

    __slots__ = ("_deployed", "_shares", "id", "model", "propensity", "serve")

    def __init__(
        self,
        number: int,
        model: str,
        serve: str,
        propensity: float,
        deployed: tuple[str, ...],
        shares: tuple[float, ...],
    ) -> None:
        self.id = number
        self.model = model
        self.serve = serve
        self.propensity = propensity
        self._deployed = deployed
        self._shares = shares

    @property
    def shares(self) -> dict[str, float]:
        """Share of the traffic of every deployed model, by which the model was drawn."""
        return dict(zip(self._deployed, self._shares, strict=True))

    def __repr__(self) -> str:
        """Say what was chosen."""
        served = "" if self.serve == self.model else f", serve={self.serve!r}"
        return (
            f"Choice(id={self.id}, model={self.model!r}{served}, "
            f"propensity={self.propensity:.4g})"
        )


class _Open:
    """A decision of which something is yet to be observed."""

    __slots__ = ("cost", "features", "model", "reserved", "reward", "row", "task")

    def __init__(
        self, model: int, row: int, task: str | None, features: F8 | None, reserved: float
    ) -> None:
        self.model = model
        self.row = row
        self.task = task
        self.features = features
        self.reserved = reserved
        self.reward: float | None = None
        self.cost: float | None = None

    def note(self, known: Record) -> None:
        """Note what was observed before."""
        self.reward = known.reward if known.reward is not None else self.reward
        self.cost = known.cost if known.cost is not None else self.cost


class OnlineRouter:
    """Deploy models and route queries as a policy says, one decision at a time.

    The policy is the one that :func:`fastroute.simulate` runs, on the same kernels: what was
    decided and observed, played again with the same seed, gives the same choices to the bit.

    Parameters
    ----------
    place : str or Path, optional
        The decision log: a file of SQLite, or the address of a database as SQLAlchemy has them.
        A router goes on where its log ends. None: nothing is kept.
    models : sequence or mapping
        Names of the models; tables or :class:`OnlineModel` with ``limit`` and expected ``cost``; or
        a mapping from name to expected cost. A log has its own: leave it out there.
    policy : str or Policy
        From :func:`fastroute.policy`, or its name.
    budget : float
        Largest mean cost of a query.
    max_deployed : int
        Models deployed at once, at most 64.
    stage : Stage
        From :func:`fastroute.every`.
    seed : int
        In [0, 2**64); draws depend on it and on the number of the decision alone.
    horizon : int
        Decisions that are expected, of which rules for gamma ask.
    cost_range : (float, float), optional
        Smallest and largest cost of a query; default from 0 to ten times the largest expected cost
        of a model, or to 100 times the budget where no cost is expected.
    deploy_cost : float
        One-time charge per newly deployed model, in units of reward.
    tasks : sequence of str
        Tasks that queries may have; default any, which no estimator then reads.
    features : int
        Features that every query has.
    intercept : bool
        Put a feature that is always 1 in front of them.
    apart : bool, optional
        Learn rewards and costs apart, each as soon as it is known; default where the estimator
        can. Else a decision is learnt when both are known.
    mode : {"apply", "shadow", "fixed"}
        Serve what the policy chooses; let it choose and log, but serve another model; or serve
        that model without a choice.
    serve : str, optional
        The model that is served in the modes ``shadow`` and ``fixed``.
    window : Window, optional
        Money that may be spent in a day or a month.
    replica : int
        Number of this router among those that share the log, from 0 on.
    staleness : float
        Seconds after which what other replicas have observed is known here.
    clock : callable
        Returns the time in seconds of the epoch.

    Raises
    ------
    ValueError
        For bad settings, naming the field, the value and the remedy; and for settings other than
        those of the log.
    OSError
        When the log cannot be read or written.

    Examples
    --------
    >>> import fastroute as fr
    >>> router = fr.OnlineRouter(
    ...     models=["small", "large"], budget=0.002, max_deployed=2, stage=fr.every(decisions=100)
    ... )
    >>> choice = router.choose()
    >>> router.observe(choice.id, reward=0.9, cost=0.0013)
    """

    def __init__(
        self,
        place: str | Path | None = None,
        *,
        models: Catalogue | None = None,
        policy: str | Policy | None = None,
        budget: float | None = None,
        max_deployed: int | None = None,
        stage: Stage | None = None,
        seed: int | None = None,
        horizon: int | None = None,
        cost_range: tuple[float, float] | None = None,
        deploy_cost: float | None = None,
        tasks: Sequence[str] | None = None,
        features: int | None = None,
        intercept: bool | None = None,
        apart: bool | None = None,
        mode: Mode | None = None,
        serve: str | None = None,
        window: Window | None = None,
        replica: int = 0,
        staleness: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        given = {
            name: value
            for name, value in {
                "policy": policy,
                "budget": budget,
                "max_deployed": max_deployed,
                "stage": stage,
                "seed": seed,
                "horizon": horizon,
                "cost_range": cost_range,
                "deploy_cost": deploy_cost,
                "tasks": None if tasks is None else tuple(tasks),
                "features": features,
                "intercept": intercept,
                "apart": apart,
                "mode": mode,
                "serve": serve,
                "window": window,
            }.items()
            if value is not None
        }
        if not 0 <= replica < 1 << 7:
            raise refused("replica", replica, "from 0 to 127")
        self._clock = clock
        self._lock = threading.RLock()
        self._log = None if place is None else Log(place, replica=replica)
        self._replica = replica
        self._staleness = staleness
        kept = self._log.settings() if self._log is not None else None
        catalogue = None if models is None else read_catalogue(models)
        if kept is None:
            self.settings = _new_settings(given, catalogue)
            if self._log is not None:
                assert catalogue is not None
                plain = [model.model_dump(mode="json") for model in catalogue]
                self._log.write_settings({**self.settings.plain(), "models": plain})
        else:
            stored = kept.pop("models")
            self.settings = OnlineSettings(**kept)
            _refuse_others(self.settings, given)
            if catalogue is not None and [m.model_dump(mode="json") for m in catalogue] != stored:
                raise ValueError(
                    "models: the log has other models; leave models out, and change them with "
                    "add, retire and set_limit"
                )
            catalogue = [OnlineModel(**model) for model in stored]
        assert catalogue is not None
        self._player = Player(player_setting(self.settings, replica))
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._expected: list[float | None] = []
        self._counts: list[list[float]] = []  #: chosen, rewards, their sum, costs, their sum
        self._deployed: tuple[str, ...] = ()
        self._task_numbers = {task: k for k, task in enumerate(self.settings.tasks)}
        self._open: dict[int, _Open] = {}
        self._stage_time = -math.inf
        self._stage_first = -1
        self._next_time = self._next_number = -math.inf
        self._place = 0
        self._seen_of: dict[int, int] = {}
        self._synced = -math.inf
        self._snapped = 0
        window_ = self.settings.window
        self._account = None if window_ is None else Account(window_)
        for model in catalogue:
            self._add(model)
        self._fixed: int | None = None
        self._shadow: int | None = None
        if self.settings.serve is not None:
            self._shadow = self._number_of(self.settings.serve)
            self._fixed = self._shadow if self.settings.mode == "fixed" else None
        self._base = replica << (_NUMBER_BITS + _START_BITS)
        if self._log is not None:
            self._go_on()
        self._plan_turn()

    # Decisions.

    def choose(self, task: str | None = None, features: ArrayLike | None = None) -> Choice:
        """Choose the model of a query.

        Parameters
        ----------
        task : str, optional
            Of the query; needed where the router has tasks.
        features : array_like, [d], optional
            Of the query; needed where the router has features.

        Returns
        -------
        Choice

        Raises
        ------
        ValueError
            For a task or features that the router does not have.
        NothingDeployedError
            When no deployed model can take the query.
        BudgetSpentError
            When the window has no money left for it.
        """
        row = 0
        if self._task_numbers:
            row = self._read_task(task)
        x = self._read_features(features) if self.settings.features or features is not None else None
        with self._lock:
            moment = self._clock()
            player = self._player
            if moment >= self._next_time or player.now >= self._next_number:
                self._turn(moment)
            number = player.now
            if self._fixed is None:
                decision = player.decide(row, x)
            else:
                player.pass_over()
                decision = Decision(self._fixed, 1.0, (1.0,), 0)
            chosen = decision.model
            served = self._serve(chosen)
            if self._log is not None:
                self._log.add(
                    DecisionRow(
                        self._replica,
                        number,
                        moment,
                        None if chosen < 0 else self._names[chosen],
                        None if served < 0 else self._names[served],
                        decision.propensity,
                        task,
                        None if x is None else x.tobytes(),
                    )
                )
            if served < 0:
                raise self._nothing(chosen)
            identifier = self._base | number
            self._keep_open(identifier, served, row, task, x)
            names = self._names
            return Choice(
                identifier,
                names[chosen],
                names[served],
                decision.propensity,
                self._deployed,
                decision.shares,
            )

    def observe(
        self,
        id: int,  # noqa: A002 - the field of a choice
        *,
        reward: float | None = None,
        cost: float | None = None,
        again: str = "refuse",
    ) -> None:
        """Tell what a query brought or cost; each once, in any order, at any time.

        Parameters
        ----------
        id : int
            Of the choice.
        reward : float, optional
            In [0, 1].
        cost : float, optional
            At least 0, in the unit of the budget.
        again : {"refuse", "ignore"}
            What to do with a reward or cost that is known already: refuse, or leave the first one.

        Raises
        ------
        ObservationError
            When it is not taken; nothing has changed then.
        """
        _refuse_values(id, reward, cost)
        if again not in ("refuse", "ignore"):
            raise refused("again", again, '"refuse" or "ignore"')
        with self._lock:
            entry = self._open.get(id)
            if entry is None:
                entry = self._look_up(id)
            if reward is not None and entry.reward is not None:
                reward = self._known_already(id, "reward", entry.reward, again)
            if cost is not None and entry.cost is not None:
                cost = self._known_already(id, "cost", entry.cost, again)
            if reward is None and cost is None:
                return
            if self._log is not None:
                self._log.add(
                    Record(
                        self._replica,
                        self._place,
                        self._player.now,
                        self._clock(),
                        "outcome",
                        id >> (_NUMBER_BITS + _START_BITS),
                        id & _NUMBERS,
                        reward,
                        cost,
                    )
                )
                self._place += 1
            self._learn(id, entry, reward, cost)

    def _learn(
        self, identifier: int, entry: _Open, reward: float | None, cost: float | None
    ) -> None:
        """Let the policy and the accounts know an outcome."""
        count = self._counts[entry.model]
        if reward is not None:
            entry.reward = reward
            count[1] += 1.0
            count[2] += reward
        if cost is not None:
            entry.cost = cost
            count[3] += 1.0
            count[4] += cost
            if self._account is not None:
                self._account.pay(entry.reserved, cost)
        number = identifier & _NUMBERS
        done = entry.reward is not None and entry.cost is not None
        if done:
            self._open.pop(identifier, None)
        if self.settings.apart:
            self._player.observe(Observation(number, entry.model, reward, cost, entry.row, None))
        elif done:
            self._player.observe(
                Observation(
                    number, entry.model, entry.reward, entry.cost, entry.row, entry.features
                )
            )

    def flush(self) -> None:
        """Return when everything that was told so far is in the log.

        Raises
        ------
        OSError
            When the log cannot be written.
        """
        if self._log is not None:
            self._log.flush()

    def close(self) -> None:
        """Keep a snapshot, write what is left and let go of the log."""
        with self._lock:
            if self._log is not None:
                self._keep_snapshot()
                self._log.close()
                self._log = None

    def __enter__(self) -> Self:
        """Return the router itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the router."""
        self.close()

    # Models and stages.

    @property
    def deployed(self) -> tuple[str, ...]:
        """Models that take queries now."""
        return self._deployed

    @property
    def models(self) -> tuple[str, ...]:
        """All models, in the order in which they came."""
        return tuple(self._names)

    def add(self, model: str | OnlineModel, **fields: Any) -> None:
        """Add a model, which can be deployed from the next stage on.

        Parameters
        ----------
        model : str or OnlineModel
        **fields
            ``limit`` and ``cost`` of a model that is given by its name.
        """
        made = model if isinstance(model, OnlineModel) else OnlineModel(name=model, **fields)
        with self._lock:
            if made.name in self._numbers:
                raise ValueError(f"models: {made.name!r} is there already; take another name")
            self._tell("add", made.model_dump(mode="json"))

    def retire(self, name: str) -> None:
        """Deploy a model no more from the next stage on."""
        self._change("retire", name)

    def fail(self, name: str) -> None:
        """Give a model no traffic from the next query on: its share goes to the others."""
        self._change("fail", name)

    def recover(self, name: str) -> None:
        """Give a model that had failed traffic again."""
        self._change("recover", name)

    def set_limit(self, name: str, limit: float) -> None:
        """Give a model another throughput limit, in (0, 1]."""
        checked = OnlineModel(name=name, limit=limit).limit
        self._change("limit", name, limit=checked)

    def reprice(self, name: str, factor: float) -> None:
        """Tell that queries to a model cost ``factor`` times as much from now on.

        What is known of its costs is brought to the new price, so that nothing is learnt anew.
        """
        if not (math.isfinite(factor) and factor > 0.0):
            raise refused("factor", factor, "a number above 0")
        self._change("reprice", name, factor=float(factor))

    def plan(self) -> Plan:
        """Return what the next stage would deploy if it opened now, and why; nothing changes."""
        with self._lock:
            return make_plan(self._player, self._names)

    def apply(self, plan: Plan | Iterable[str] | None = None) -> tuple[str, ...]:
        """Open a stage now.

        Parameters
        ----------
        plan : Plan or iterable of str, optional
            What to deploy; default what the policy chooses now.

        Returns
        -------
        tuple of str
            What is deployed.
        """
        with self._lock:
            given = None
            if plan is not None:
                names = plan.deploy if isinstance(plan, Plan) else tuple(plan)
                given = [self._number_of(name) for name in names]
                if len(given) > self.settings.max_deployed:
                    raise ValueError(
                        f"apply: {len(given)} models are more than "
                        f"max_deployed={self.settings.max_deployed}"
                    )
            self._open_stage(self._clock(), given)
            return self._deployed

    # What happens between two decisions.

    def _turn(self, moment: float) -> None:
        """Do what is due before a decision: other replicas, the period, a stage, a snapshot."""
        if self._log is not None and moment >= self._synced + self._staleness:
            self._merge(moment)
        account = self._account
        if account is not None and moment >= account.end:
            account.move_to(moment)
            body = {"available": account.available, "start": account.start, "end": account.end}
            self._tell("period", body)
        if self._stage_is_due(moment):
            self._open_stage(moment, None)
        if self._log is not None and self._player.now >= self._snapped + SNAPSHOT_EVERY:
            self._keep_snapshot()
        self._plan_turn()

    def _plan_turn(self) -> None:
        """Work out when something is due again."""
        stage, account = self.settings.stage, self._account
        if self._stage_first < 0:
            self._next_time = self._next_number = -math.inf
            return
        times = [math.inf]
        if stage.seconds is not None:
            times.append((math.floor(self._stage_time / stage.seconds) + 1) * stage.seconds)
        if account is not None:
            times.append(account.end)
        if self._log is not None:
            times.append(self._synced + self._staleness)
        numbers: list[float] = [math.inf]
        if stage.seconds is None:
            assert stage.decisions is not None
            numbers.append(self._stage_first + stage.decisions)
        if self._log is not None:
            numbers.append(self._snapped + SNAPSHOT_EVERY)
        self._next_time, self._next_number = min(times), min(numbers)

    def _stage_is_due(self, moment: float) -> bool:
        stage = self.settings.stage
        if self._stage_first < 0:
            return True
        if stage.seconds is None:
            assert stage.decisions is not None
            return self._player.now >= self._stage_first + stage.decisions
        # A clock that goes back opens no stage, and none twice.
        return math.floor(moment / stage.seconds) > math.floor(self._stage_time / stage.seconds)

    def _open_stage(self, moment: float, given: list[int] | None) -> None:
        chosen = self._player.open_stage(given)
        names = [self._names[m] for m in chosen]
        self._tell("stage", {"deployed": names, "given": given is not None}, moment)

    def _tell(self, kind: str, body: dict[str, Any], moment: float | None = None) -> None:
        """Make a change, and note it in the log."""
        moment = self._clock() if moment is None else moment
        record = Record(
            self._replica,
            self._place,
            self._player.now,
            moment,
            kind,
            body=json.dumps(body),
        )
        self._make(record, body, played=True)
        if self._log is not None:
            self._log.add(record)
            self._place += 1

    def _make(self, record: Record, body: dict[str, Any], *, played: bool) -> None:
        """Make a change; a stage that the player has ``played`` is not opened again."""
        kind, player = record.kind, self._player
        if kind == "stage":
            if not played:
                player.open_stage([self._numbers[name] for name in body["deployed"]])
            self._deployed = tuple(body["deployed"])
            self._stage_time, self._stage_first = record.time, record.at
        elif kind == "add":
            self._add(OnlineModel(**body))
        elif kind == "merge":
            self._learn_of_others(body["replica"], body["first"], body["stop"])
        elif kind == "period":
            if self._account is not None:
                self._account.set_period(body["start"], body["end"], body["available"])
        else:
            number = self._numbers[body["name"]]
            if kind == "retire":
                player.retire(number)
            elif kind == "fail":
                player.fail(number)
            elif kind == "recover":
                player.recover(number)
            elif kind == "limit":
                player.set_limit(number, body["limit"])
            elif kind == "reprice":
                player.scale_costs(number, body["factor"])
                self._expected[number] = body["factor"] * self._expected_cost(number)
        self._plan_turn()

    def _change(self, kind: str, name: str, **body: float) -> None:
        with self._lock:
            self._number_of(name)
            self._tell(kind, {"name": name, **body})

    def _add(self, model: OnlineModel) -> None:
        number = self._player.add(model.limit)
        self._names.append(model.name)
        self._numbers[model.name] = number
        self._expected.append(model.cost)
        self._counts.append([0.0] * 5)

    def _number_of(self, name: str) -> int:
        if name not in self._numbers:
            near = closest(name, self._names)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"model {name!r} is not one of {', '.join(self._names)}{hint}")
        return self._numbers[name]

    # Queries.

    def _read_task(self, task: str | None) -> int:
        if task is None or task not in self._task_numbers:
            near = closest(str(task), self._task_numbers)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(
                f"task={task!r} is not one of {', '.join(self._task_numbers)}{hint}"
            )
        return self._task_numbers[task]

    def _read_features(self, features: ArrayLike | None) -> F8:
        size = self.settings.features
        if features is None:
            raise ValueError(f"features=None; the router needs {size} numbers of every query")
        x = np.asarray(features, dtype=np.float64)
        if x.shape != (size,):
            raise ValueError(f"features of shape {x.shape}; the router needs {size} numbers")
        if not np.isfinite(x).all():
            raise ValueError("features: not all are finite numbers")
        return np.append(1.0, x) if self.settings.intercept else x

    # Money.

    def _serve(self, chosen: int) -> int:
        """Return what takes the query: what was chosen, or another model; -1 for none."""
        if chosen >= 0:
            self._counts[chosen][0] += 1.0
        served = chosen if self._shadow is None else self._shadow
        if self._account is None or served < 0:
            return served
        if self._account.room >= self._expected_cost(served):
            return served
        if self.settings.window is None or self.settings.window.when_spent == "refuse":
            return -1
        usable = self._player.models.usable
        there = [m for m in self._player.deployed if usable[m] > 0.0]
        cheapest = min(there, key=self._expected_cost, default=-1)
        if cheapest >= 0 and self._account.room >= self._expected_cost(cheapest):
            return cheapest
        return -1

    def _expected_cost(self, model: int) -> float:
        """Cost that is expected of a query: what was observed, else what was said, else the budget."""
        _, _, _, count, total = self._counts[model]
        said = self._expected[model]
        if count:
            return total / count
        return self.settings.budget if said is None else said

    def _nothing(self, chosen: int) -> Exception:
        if chosen >= 0:
            assert self._account is not None
            return BudgetSpentError(
                f"the window has {max(self._account.room, 0.0):.4g} left of "
                f"{self._account.available:.4g}, less than the query is expected to cost; raise "
                "window.total, or wait for the next period"
            )
        return NothingDeployedError(
            "no deployed model can take the query: none is there, or all have failed; add or "
            "recover a model"
        )

    # Observations.

    def _keep_open(
        self, identifier: int, served: int, row: int, task: str | None, x: F8 | None
    ) -> None:
        reserved = 0.0
        if self._account is not None:
            reserved = self._expected_cost(served)
            self._account.reserve(reserved)
        self._open[identifier] = _Open(served, row, task, x, reserved)
        if len(self._open) > IN_FLIGHT:
            oldest = self._open.pop(next(iter(self._open)))
            if self._account is not None and oldest.cost is None:
                self._account.pay(oldest.reserved, 0.0)

    def _look_up(self, identifier: int) -> _Open:
        """Return a decision that is not in memory, from the log."""
        replica = identifier >> (_NUMBER_BITS + _START_BITS)
        start = identifier >> _NUMBER_BITS & _STARTS
        number = identifier & _NUMBERS
        own = replica == self._replica
        if self._log is None:
            if own and 0 <= identifier - self._base < self._player.now:
                raise ObservationError(
                    "known already",
                    f"id={identifier}: its reward and cost are known already, or it is older than "
                    f"the {IN_FLIGHT:,} decisions that are kept",
                )
            raise self._unknown(identifier)
        self._log.flush()
        starts = dict(self._log.starts(replica))
        row = self._log.decision(number, replica)
        if start not in starts or number < starts[start]:
            raise self._unknown(identifier)
        later = [first for other, first in starts.items() if other > start]
        if later and number >= min(later):
            raise ObservationError(
                "lost",
                f"id={identifier}: the router stopped before this decision reached its log; "
                "nothing is learnt of it",
            )
        if row is None or row.served is None:
            raise self._unknown(identifier)
        entry = self._entry_in(row)
        for known in self._log.outcomes_of(number, replica):
            entry.note(known)
        return entry

    def _unknown(self, identifier: int) -> ObservationError:
        return ObservationError(
            "unknown",
            f"id={identifier}: no such decision was made; pass the id of a choice of this router",
        )

    def _known_already(self, identifier: int, what: str, value: float, again: str) -> None:
        if again == "refuse":
            raise ObservationError(
                "known already",
                f"id={identifier}: its {what} is known already, {value:g}; a second one is not "
                'taken (again="ignore" leaves it out)',
            )

    # Replicas.

    def _merge(self, moment: float) -> None:
        """Learn what the other replicas have put in the log since the last time."""
        self._synced = moment
        assert self._log is not None
        for other in self._log.replicas():
            if other == self._replica:
                continue
            first = self._seen_of.get(other, 0)
            stop = self._log.end_of(other)
            if stop > first:
                self._tell("merge", {"replica": other, "first": first, "stop": stop}, moment)
        if self._account is not None:
            self._account.others = self._log.spent_since(self._account.start, by_others=True)

    def _learn_of_others(self, replica: int, first: int, stop: int) -> None:
        assert self._log is not None
        for record in self._log.records(replica, first, stop):
            if record.kind != "outcome":
                self._follow(record)
                continue
            assert record.number is not None
            assert record.decided_by is not None
            identifier = record.decided_by << (_NUMBER_BITS + _START_BITS) | record.number
            entry = self._open.get(identifier)
            if entry is None:
                entry = self._entry_of(record)
                self._open[identifier] = entry
            self._learn(identifier, entry, record.reward, record.cost)
        self._seen_of[replica] = stop

    def _entry_of(self, record: Record) -> _Open:
        """Return the decision that a record is about, with what was known before the record."""
        assert self._log is not None
        assert record.number is not None
        row = self._log.decision(record.number, record.decided_by)
        assert row is not None
        entry = self._entry_in(row)
        for known in self._log.outcomes_of(row.number, row.replica):
            if known.replica == record.replica and known.place < record.place:
                entry.note(known)
        return entry

    def _entry_in(self, row: DecisionRow) -> _Open:
        assert row.served is not None
        features = None if row.features is None else np.frombuffer(row.features)
        task = self._task_numbers.get(row.task or "", 0)
        return _Open(self._numbers[row.served], task, row.task, features, 0.0)

    def _follow(self, record: Record) -> None:
        """Make a change of the catalogue that another replica has made."""
        if record.kind in ("stage", "merge", "period"):
            return
        body = json.loads(record.body or "{}")
        if record.kind == "add" and body["name"] in self._numbers:
            return
        self._make(record, body, played=False)

    # Starts.

    def _go_on(self) -> None:
        """Know and believe what the log says, and begin a new start behind it."""
        log = self._log
        assert log is not None
        first = 0
        snapshot = log.snapshot(stamp())
        if snapshot is not None:
            self._restore(snapshot)
            first = snapshot.at
        starts = log.starts()
        bases = {number: start << _NUMBER_BITS for start, number in starts}
        differ = 0
        records = log.records(first=self._place)
        record = next(records, None)
        base = max((start for start, number in starts if number <= first), default=0)
        own = self._base
        self._base = own | base << _NUMBER_BITS
        for row in log.decisions(first=first):
            while record is not None and record.at <= row.number:
                self._play_record(record)
                record = next(records, None)
            if row.number in bases:
                self._base = own | bases[row.number]
            differ += self._play_decision(row)
        while record is not None:
            self._play_record(record)
            record = next(records, None)
        moment = self._clock()
        self._base = own | log.begin(self._player.now, moment) << _NUMBER_BITS
        self._snapped = self._player.now
        if self._account is not None:
            self._account.spent = log.spent_since(self._account.start, by_others=False)
        if differ:
            warn(
                f"{log.address}: {differ:,} of {self._player.now:,} decisions would now be others: "
                "the log was written by another version; what was observed is learnt as it was"
            )

    def _play_decision(self, row: DecisionRow) -> bool:
        """Make a decision of the log again; returns whether it is another one now."""
        features = None if row.features is None else np.frombuffer(row.features)
        task = self._task_numbers.get(row.task or "", 0)
        differs = False
        if self._fixed is None:
            decision = self._player.decide(task, features)
            chosen = self._names[decision.model] if decision.model >= 0 else None
            differs = chosen != row.model
        else:
            self._player.pass_over()
        if row.model is not None:
            self._counts[self._numbers[row.model]][0] += 1.0
        if row.served is not None:
            served = self._numbers[row.served]
            self._keep_open(self._base | row.number, served, task, row.task, features)
        return differs

    def _play_record(self, record: Record) -> None:
        """Make an observation or a change of the log again."""
        self._place = record.place + 1
        if record.kind != "outcome":
            self._make(record, json.loads(record.body or "{}"), played=False)
            return
        assert record.number is not None
        assert record.decided_by is not None
        identifier = record.decided_by << (_NUMBER_BITS + _START_BITS) | record.number
        if record.decided_by == self._replica:
            identifier = self._base | record.number
        entry = self._open.get(identifier)
        if entry is None:
            entry = self._entry_of(record)
        self._learn(identifier, entry, record.reward, record.cost)

    def _keep_snapshot(self) -> None:
        """Keep what is known, so that the next start need not play the whole log again."""
        log, account = self._log, self._account
        assert log is not None
        more = {
            "names": self._names,
            "expected": self._expected,
            "counts": self._counts,
            "deployed": self._deployed,
            "stage": [self._stage_time, self._stage_first],
            "seen_of": list(self._seen_of.items()),
            "period": None
            if account is None
            else [account.start, account.end, account.available],
        }
        arrays = self._player.snapshot()
        arrays["router"] = np.frombuffer(json.dumps(more).encode(), np.uint8)
        log.keep_snapshot(Snapshot(self._player.now, self._place, arrays), stamp())
        self._snapped = self._player.now

    def _restore(self, snapshot: Snapshot) -> None:
        more = json.loads(snapshot.arrays["router"].tobytes())
        self._player.restore(snapshot.arrays)
        self._names = more["names"]
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._expected, self._counts = more["expected"], more["counts"]
        self._deployed = tuple(more["deployed"])
        self._stage_time, self._stage_first = more["stage"]
        self._seen_of = dict(more["seen_of"])
        self._place = snapshot.place
        if self._account is not None and more["period"] is not None:
            self._account.set_period(*more["period"])


def stamp() -> str:
    """Return what the numbers of a snapshot depend on: the sources of the kernels, and vectors."""
    from fastroute.kernels.numba_ import compile as compiling
    from fastroute.kernels.numba_.layout import STRIDE

    return f"{compiling._stamp()}-{STRIDE}"


def _new_settings(given: dict[str, Any], catalogue: list[OnlineModel] | None) -> OnlineSettings:
    """Return the settings of a new router."""
    missing = [name for name in ("budget", "max_deployed", "stage") if name not in given]
    if catalogue is None:
        missing.insert(0, "models")
    if missing or catalogue is None:
        raise ValueError(f"{', '.join(missing)}: is missing; a new router needs it")
    given = {"policy": "stageroute", "n_models": len(catalogue), **given}
    if isinstance(given["policy"], str):
        given["policy"] = named_policy(given["policy"])
    if "cost_range" not in given:
        expected = [model.cost for model in catalogue if model.cost]
        largest = 10.0 * max(expected) if expected else 100.0 * given["budget"]
        given["cost_range"] = 0.0, largest or 1.0
    given.setdefault("apart", given["policy"].estimator.learns_late)
    return OnlineSettings(**given)


def _refuse_others(settings: OnlineSettings, given: dict[str, Any]) -> None:
    """Refuse settings that are not those of the log."""
    for name, value in given.items():
        if name == "policy" and isinstance(value, str):
            value = named_policy(value)
        kept = getattr(settings, name)
        if value != kept:
            raise ValueError(
                f"{name}={value!r}, but the log has {name}={kept!r}; leave {name} out, or begin "
                "another log"
            )


def player_setting(settings: OnlineSettings, replica: int) -> PlayerSetting:
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


def _refuse_values(identifier: int, reward: float | None, cost: float | None) -> None:
    if reward is None and cost is None:
        raise ObservationError(
            "out of range", f"id={identifier}: neither reward nor cost; tell at least one of them"
        )
    if reward is not None and not 0.0 <= reward <= 1.0:
        raise ObservationError(
            "out of range",
            f"id={identifier}: reward={reward!r} is not in [0, 1]; bring scores to that range",
        )
    if cost is not None and not 0.0 <= cost < math.inf:
        raise ObservationError(
            "out of range", f"id={identifier}: cost={cost!r} is not a number from 0 on"
        )
