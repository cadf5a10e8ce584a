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
from fastroute.online.budget import Window
from fastroute.online.choice import Choice
from fastroute.online.errors import (
    ObservationError,
    checked_id,
    checked_values,
)
from fastroute.online.log import DecisionRow, Log, Record
from fastroute.online.plan import Plan, make_plan
from fastroute.online.recovery import agreed, go_on, stamp, write_new
from fastroute.online.settings import (
    Catalogue,
    Mode,
    OnlineModel,
    Stage,
)
from fastroute.online.state import NUMBER_BITS, NUMBERS, START_BITS, State
from fastroute.online.status import Status, make_status
from fastroute.policies import Policy

F8 = NDArray[np.float64]

#: Decisions after which a snapshot is kept, so that a start has little to play again.
SNAPSHOT_EVERY: Final = 50_000
# The year 9999: milliseconds are later.
_LATEST: Final = 253_402_300_800.0


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
                "tasks": None if tasks is None else _words("tasks", tasks),
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
        if not callable(clock):
            raise refused("clock", clock, "a function that returns seconds of the epoch")
        if not (isinstance(staleness, int | float) and staleness >= 0.0):
            raise refused("staleness", staleness, "seconds, at least 0")
        if place is not None and "://" not in str(place) and not Path(place).exists():
            # Refused before a file is made.
            agreed(None, given, models)
        self._clock = clock
        self._lock = threading.RLock()
        self._log = None if place is None else Log(place, replica=replica)
        self._replica = replica
        self._staleness = staleness
        self._closed = False
        self._synced = -math.inf
        self._snapped = 0
        try:
            self.settings, catalogue = agreed(self._log, given, models)
            self._state = State(self.settings, catalogue, replica, self._log)
            if self._log is not None:
                write_new(self._log, self.settings, catalogue)
                go_on(self._state, self._log, self._clock())
                self._snapped = self._state.player.now
        except BaseException:
            if self._log is not None:
                self._log.close()
            raise
        self._since = self._next_time = self._next_number = -math.inf
        self._plan_turn()

    def __repr__(self) -> str:
        """Say what is routed by what."""
        place = "" if self._log is None else f"{self._log.address!r}, "
        made = self._state.player.now
        return (
            f"OnlineRouter({place}policy={self.settings.policy.title!r}, "
            f"models={len(self.models)}, deployed={list(self.deployed)}, decisions={made:,})"
        )

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
        state = self._state
        row = 0
        if task is not None or state.task_numbers:
            row = state.read_task(task)
        x = None
        if features is not None or self.settings.features:
            x = state.read_features(features)
        with self._lock:
            log = self._log
            if self._closed or (log is not None and log.broken is not None):
                self._refuse_unready()
            moment = self._clock()
            number = state.player.now
            if not self._since <= moment < self._next_time or number >= self._next_number:
                self._turn(self._checked(moment))
            chosen, propensity, shares, _ = state.decide(row, x)
            served = chosen
            if chosen >= 0:
                state.counts[chosen][0] += 1.0
            if state.is_served_apart:
                served = state.serve(chosen)
            names = state.names
            if log is not None:
                log.add(
                    DecisionRow(
                        self._replica,
                        number,
                        moment,
                        None if chosen < 0 else names[chosen],
                        None if served < 0 else names[served],
                        propensity,
                        task,
                        None if x is None else x.tobytes(),
                    )
                )
            if served < 0:
                raise state.nothing(chosen)
            identifier = state.base | number
            state.keep_open(identifier, served, row, x)
            return Choice(identifier, names[chosen], names[served], propensity, state.asked, shares)

    def observe(
        self,
        id: int,
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
        again : {"refuse", "ignore", "replace"}
            What to do with a reward or cost that is known already: refuse, leave the first one, or
            learn this one in its place. What an estimator has learnt can be replaced where it keeps
            sums of rewards and costs and nothing else of them.

        Raises
        ------
        ObservationError
            When it is not taken; nothing has changed then.
        """
        if id.__class__ is not int:
            id = checked_id(id)
        reward, cost = checked_values(id, reward, cost)
        if again not in ("refuse", "ignore", "replace"):
            raise refused("again", again, '"refuse", "ignore" or "replace"')
        state = self._state
        with self._lock:
            log = self._log
            if self._closed or (log is not None and log.broken is not None):
                self._refuse_unready()
            entry = state.open.get(id)
            if entry is None:
                entry = state.look_up(id)
            newer: tuple[float | None, float | None] = None, None
            if entry.reward is not None or entry.cost is not None:
                if reward is not None and entry.reward is not None:
                    self._refuse_again(id, "reward", entry.reward, again)
                    newer, reward = (reward, newer[1]), None
                if cost is not None and entry.cost is not None:
                    self._refuse_again(id, "cost", entry.cost, again)
                    newer, cost = (newer[0], cost), None
            if again == "replace" and newer != (None, None):
                state.refuse_replace(id)
                self._write_outcome("replace", id, *newer)
                state.replace(id, entry, *newer)
            if reward is not None or cost is not None:
                self._write_outcome("outcome", id, reward, cost)
                state.learn(id, entry, reward, cost)

    def forget(self, id: int) -> None:
        """Tell that nothing will be known of a query, such as one that was cancelled.

        What was set aside for its cost is free again; nothing is learnt of it.

        Raises
        ------
        ObservationError
            When it is not in flight.
        """
        id = checked_id(id)
        with self._lock:
            self._refuse_unready()
            if id not in self._state.open:
                self._state.look_up(id)
                raise ObservationError("unknown", f"id={id}: the query is no longer in flight")
            self._tell("forget", {"id": id})

    def _write_outcome(
        self, kind: str, identifier: int, reward: float | None, cost: float | None
    ) -> None:
        if self._log is None:
            return
        state = self._state
        self._log.add(
            Record(
                self._replica,
                state.place,
                state.player.now,
                self._time(),
                kind,
                identifier >> (NUMBER_BITS + START_BITS),
                identifier & NUMBERS,
                reward,
                cost,
            )
        )
        state.place += 1

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
            if self._log is not None and not self._closed:
                self._keep_snapshot()
                self._log.close()
                self._log = None
            self._closed = True

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
        return self._state.deployed

    @property
    def models(self) -> tuple[str, ...]:
        """All models, in the order in which they came."""
        return tuple(self._state.names)

    @property
    def failed(self) -> tuple[str, ...]:
        """Models that have failed and not recovered."""
        failed = self._state.player.models.failed
        return tuple(name for name, out in zip(self._state.names, failed, strict=True) if out)

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
            self._refuse_unready()
            if made.name in self._state.numbers:
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
            return make_plan(self._state.player, self._state.names)

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
            self._refuse_unready()
            given = None
            if plan is not None:
                given = self._state.set_of(plan.deploy if isinstance(plan, Plan) else plan)
            self._open_stage(self._time(), given)
            return self._state.deployed

    # What happens between two decisions.

    def _turn(self, moment: float) -> None:
        """Do what is due before a decision: other replicas, the period, a stage, a snapshot."""
        state = self._state
        if self._log is not None and moment >= self._synced + self._staleness:
            self._merge(moment)
        account = state.account
        if account is not None and moment >= account.end:
            account.move_to(moment)
            body = {"available": account.available, "start": account.start, "end": account.end}
            self._tell("period", body)
        if state.stage_is_due(moment):
            self._open_stage(moment, None)
        if self._log is not None and state.player.now >= self._snapped + SNAPSHOT_EVERY:
            self._keep_snapshot()
        self._plan_turn()

    def _time(self) -> float:
        """Return the time, which must be one."""
        return self._checked(self._clock())

    def _checked(self, moment: float) -> float:
        if not 0.0 <= moment < _LATEST:
            raise ValueError(f"clock() returned {moment!r}; it must return seconds of the epoch")
        return moment

    def _refuse_unready(self) -> None:
        """Refuse what could not be written: nothing may change then."""
        if self._log is not None:
            self._log.refuse_broken()
        elif self._closed:
            raise ValueError("the router is closed; open its log again with fr.OnlineRouter(place)")

    def _plan_turn(self) -> None:
        """Work out when something is due again."""
        state = self._state
        stage, account = self.settings.stage, state.account
        if state.stage_first < 0 or state.is_stranded:
            self._next_time = self._next_number = -math.inf
            return
        times = [_LATEST]
        # What is no time is not between these, and looked at.
        self._since = 0.0
        if (end := stage.end_of(state.stage_time)) is not None:
            assert stage.seconds is not None
            self._since = max(state.stage_time - stage.seconds, 0.0)
            times.append(end)
        if account is not None:
            times.append(account.end)
        if self._log is not None:
            times.append(self._synced + self._staleness)
        numbers: list[float] = [math.inf]
        if stage.seconds is None:
            assert stage.decisions is not None
            numbers.append(state.stage_first + stage.decisions)
        if self._log is not None:
            numbers.append(self._snapped + SNAPSHOT_EVERY)
        self._next_time, self._next_number = min(times), min(numbers)

    def _open_stage(self, moment: float, given: list[int] | None) -> None:
        state = self._state
        chosen = state.player.open_stage(given)
        names = [state.names[m] for m in chosen]
        self._tell("stage", {"deployed": names, "given": given is not None}, moment)

    def _tell(self, kind: str, body: dict[str, Any], moment: float | None = None) -> None:
        """Make a change, and note it in the log."""
        state = self._state
        moment = self._time() if moment is None else moment
        record = Record(
            self._replica,
            state.place,
            state.player.now,
            moment,
            kind,
            body=json.dumps(body),
        )
        state.make(record, body, played=True)
        if self._log is not None:
            self._log.add(record)
            state.place += 1
        self._plan_turn()

    def _change(self, kind: str, name: str, **body: float) -> None:
        state = self._state
        with self._lock:
            self._refuse_unready()
            state.number_of(name)
            self._tell(kind, {"name": name, **body})

    def _merge(self, moment: float) -> None:
        """Learn what the other replicas have put in the log since the last time."""
        state = self._state
        self._synced = moment
        assert self._log is not None
        for other in self._log.replicas():
            if other == self._replica:
                continue
            first = state.seen_of.get(other, 0)
            stop = self._log.end_of(other)
            if stop > first:
                self._tell("merge", {"replica": other, "first": first, "stop": stop}, moment)
        if state.account is not None:
            state.account.others = self._log.spent_since(state.account.start, by_others=True)

    def _refuse_again(self, identifier: int, what: str, value: float, again: str) -> None:
        if again == "refuse":
            raise ObservationError(
                "known already",
                f"id={identifier}: its {what} is known already, {value:g}; a second one is not "
                'taken; again="ignore" leaves it out, again="replace" takes it instead',
            )

    def _keep_snapshot(self) -> None:
        assert self._log is not None
        self._log.keep_snapshot(self._state.snapshot(), stamp())
        self._snapped = self._state.player.now

    # What is known.

    def known(self, id: int) -> tuple[float | None, float | None]:
        """Return the reward and the cost of a decision, None for what is not known.

        Raises
        ------
        ObservationError
            When there is no such decision, or a crash has lost it.
        """
        with self._lock:
            entry = self._state.open.get(id) or self._state.look_up(id)
            return entry.reward, entry.cost

    def status(self) -> Status:
        """Return what was decided, observed and spent so far, and what is known of every model."""
        with self._lock:
            return make_status(self._state, self._clock())


def _words(field: str, values: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise ValueError(f"{field}={values!r} is one word; pass a list of words")
    return tuple(values)
