"""A decision log as a recording, which :func:`fastroute.simulate` replays to the bit."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from fastroute.online.log import Log, Record
from fastroute.online.recovery import begun_settings
from fastroute.online.settings import OnlineModel, OnlineSettings
from fastroute.online.state import player_setting
from fastroute.scenarios import Change, Scenario
from fastroute.scenarios.feedback import Delay, RecordedDelays
from fastroute.scenarios.laws import Recorded
from fastroute.simulation.recording import Recording

# What a simulation has no word for.
_UNKNOWN: Final = {
    "reprice": "a known new price",
    "replace": "outcomes that were replaced",
    "merge": "what other replicas have observed",
}


def read_log(place: str | Path, replica: int = 0) -> Recording:
    """Read the decision log of an online router, for ``fastroute.simulate(replay=...)``.

    Parameters
    ----------
    place : str or Path
        A file of SQLite, or the address of a database.
    replica : int
        Whose decisions.

    Returns
    -------
    Recording

    Raises
    ------
    ValueError
        When there is no log, or something happened in it that a simulation has no word for:
        a model that served in the place of the chosen one, a set that somebody else chose, known
        new prices, several replicas, or tasks.
    """
    log = Log(place, replica=replica, read_only=True)
    try:
        return _Reader(log, *begun_settings(log)).recording()
    finally:
        log.close()


class _Reader:
    """Makes a recording of a log, decision by decision."""

    def __init__(self, log: Log, settings: OnlineSettings, models: list[OnlineModel]) -> None:
        self.log, self.settings = log, settings
        self.names = [model.name for model in models]
        self.limits = [model.limit for model in models]
        self.now_limit = dict(zip(self.names, self.limits, strict=True))
        self.failed: set[str] = set()
        self.arrival = [0] * len(models)
        self.retirement: dict[str, int] = {}
        self.changes: list[Change] = []
        self.openings: list[int] = []
        self.outcomes: dict[int, list[float]] = {}

    def recording(self) -> Recording:
        rows = list(self.log.decisions())
        if not rows:
            raise ValueError(f"{self.log.address}: no decision was made yet")
        if self.settings.tasks:
            raise self._refused("tasks", "leave the comparison to `fastroute replay`")
        for record in self.log.records():
            self._read(record, len(rows))
        setting = player_setting(self.settings, self.log.replica)
        if self.settings.deploy_cost and len({*np.diff([*self.openings, len(rows)])}) > 1:
            raise self._refused("deploy_cost with stages of different lengths")
        picks = []
        for row in rows:
            # Where there was no money, what was chosen served nobody.
            if row.served not in (None, row.model):
                raise self._refused(f"decision {row.number} was served by another model")
            picks.append(-1 if row.model is None else self.names.index(row.model))
        return Recording(
            scenario=self._scenario(rows, picks),
            policy=self.settings.policy,
            budget=self.settings.budget,
            max_deployed=self.settings.max_deployed,
            seed=self.settings.seed,
            replica=self.log.replica,
            horizon=len(rows),
            openings=tuple(self.openings),
            deploy_cost=self.settings.deploy_cost,
            run=setting.run,
            picks=tuple(picks),
        )

    def _read(self, record: Record, horizon: int) -> None:
        """Take an observation or a change over."""
        kind, at = record.kind, record.at
        body: dict[str, Any] = json.loads(record.body or "{}")
        if kind == "outcome":
            assert record.number is not None
            known = self.outcomes.setdefault(record.number, [np.nan, np.nan, -1.0, -1.0])
            late = float(at - 1 - record.number)
            if record.reward is not None:
                known[0], known[2] = record.reward, late
            if record.cost is not None:
                known[1], known[3] = record.cost, late
        elif kind in _UNKNOWN:
            raise self._refused(_UNKNOWN[kind])
        elif at >= horizon:
            return
        elif kind == "stage":
            if body["given"]:
                raise self._refused(f"the set of the stage of decision {at} was given")
            # What was opened twice is as it was opened last.
            if not self.openings or self.openings[-1] != at:
                self.openings.append(at)
        elif kind == "add":
            model = OnlineModel(**body)
            self.names.append(model.name)
            self.limits.append(model.limit)
            self.now_limit[model.name] = model.limit
            self.arrival.append(at)
        elif kind == "retire":
            self.retirement[body["name"]] = max(at, 1)
        elif kind in ("fail", "recover", "limit"):
            self._change_limit(kind, body, at)

    def _change_limit(self, kind: str, body: dict[str, Any], at: int) -> None:
        name = body["name"]
        if kind == "fail":
            self.failed.add(name)
        elif kind == "recover":
            self.failed.discard(name)
        else:
            self.now_limit[name] = body["limit"]
        if at == 0:
            raise self._refused("a limit that changed before the first decision")
        limit = 0.0 if name in self.failed else self.now_limit[name]
        # What changes twice before a decision is as it is at last.
        self.changes = [c for c in self.changes if (c.model, c.at) != (name, at)]
        self.changes.append(Change(name, at=at, limit=limit))

    def _scenario(self, rows: list[Any], picks: list[int]) -> Scenario:
        """World that replays what was observed, when it was observed."""
        horizon, size = len(rows), len(self.names)
        table = np.full((2, horizon, size), np.nan)
        late = np.full((2, horizon), -1.0)
        for number, (reward, cost, reward_late, cost_late) in self.outcomes.items():
            if number < horizon and picks[number] >= 0:
                table[:, number, picks[number]] = reward, cost
                late[:, number] = reward_late, cost_late
        with np.errstate(all="ignore"):
            for values in table:
                # What did not serve is never looked up; the mean of what was observed stands there.
                count = np.maximum((~np.isnan(values)).sum(axis=0), 1)
                mean = np.nansum(values, axis=0) / count
                values[:] = np.where(np.isnan(values), mean, values)
        features = None
        if self.settings.features:
            features = np.array([np.frombuffer(row.features) for row in rows])
        delays = self._delays(late)
        return Scenario(
            limit=self.limits,
            arrival=self.arrival,
            retirement=[self.retirement.get(name, horizon) for name in self.names],
            changes=self.changes,
            outcomes=Recorded(table[0], table[1], "table", features),
            models=self.names,
            name="log",
            reward_delay=delays[0],
            cost_delay=delays[1],
        )

    def _delays(self, late: Any) -> tuple[Delay, Delay]:
        """Return when rewards and costs were learnt, 0 where that was at once."""
        if not self.settings.apart:
            # Learnt when both are known.
            late[:] = np.where((late < 0.0).any(axis=0), -1.0, late.max(axis=0))
        if not late.any():
            return 0, 0
        rewards, costs = (RecordedDelays(tuple(int(x) for x in values)) for values in late)
        return rewards, costs

    def _refused(
        self, what: str, remedy: str = "use `fastroute replay`, which plays the log"
    ) -> ValueError:
        return ValueError(f"{self.log.address}: a simulation cannot replay {what}; {remedy}")
