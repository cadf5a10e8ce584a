"""What went through a decision log: traffic, rewards and costs, by model and by stage."""

import itertools
import json
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from fastroute.online.evaluate import Interval
from fastroute.online.history import History
from fastroute.online.player import or_nan

F8 = NDArray[np.float64]

_CONFIDENCE: Final = 0.95
# Of more stages, neighbours are taken together.
_MOST_GROUPS: Final = 60


@dataclass(frozen=True)
class Stage:
    """A stage, or several neighbours.

    Attributes
    ----------
    first, stop : int
        Between which decisions, in the order of time.
    reward, cost : Interval
        Mean of a query.
    """

    first: int
    stop: int
    reward: Interval
    cost: Interval


@dataclass(frozen=True)
class ModelTraffic:
    """What a model did.

    Attributes
    ----------
    name : str
    served : int
        Queries that it took.
    share : float
        Of all queries that were served.
    reward, cost : Interval
        Mean of a query.
    deployed : bool
        Whether it is deployed now.
    """

    name: str
    served: int
    share: float
    reward: Interval
    cost: Interval
    deployed: bool


@dataclass(frozen=True)
class Traffic:
    """A decision log in numbers; decisions of all replicas are in the order of time.

    Attributes
    ----------
    history : History
    names : list of str
        Models, in the order in which they came.
    model : i8 [T]
        What served, by its place in ``names``; -1 for none.
    reward, cost : f8 [T]
        NaN where it was not observed.
    openings : list of (int, tuple of str)
        First decision and deployed models of every stage of the replica with the most decisions.
    """

    history: History
    names: list[str]
    model: NDArray[np.int64]
    reward: F8
    cost: F8
    openings: list[tuple[int, tuple[str, ...]]]

    @property
    def decisions(self) -> int:
        """Number of decisions."""
        return len(self.model)

    def stages(self) -> list[Stage]:
        """Return mean reward and cost by stage, neighbours together where there are many."""
        starts = sorted({first for first, _ in self.openings if first < self.decisions} | {0})
        step = math.ceil(len(starts) / _MOST_GROUPS)
        ends = [*starts[::step], self.decisions]
        return [
            Stage(first, stop, mean_of(self.reward[first:stop]), mean_of(self.cost[first:stop]))
            for first, stop in itertools.pairwise(ends)
        ]

    def models(self) -> list[ModelTraffic]:
        """Return what every model did, the one with the most traffic first."""
        now = self.openings[-1][1] if self.openings else ()
        served = max(int((self.model >= 0).sum()), 1)
        found = []
        for place, name in enumerate(self.names):
            mine = self.model == place
            count = int(mine.sum())
            means = mean_of(self.reward[mine]), mean_of(self.cost[mine])
            found.append(ModelTraffic(name, count, count / served, *means, name in now))
        return sorted(found, key=lambda one: -one.served)


def mean_of(values: F8) -> Interval:
    """Return a mean with its interval; without an interval where less than two are known."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(known.mean())
    if known.size == 1:
        return Interval(mean, math.nan, math.nan)
    half = float(student.ppf(0.5 + _CONFIDENCE / 2.0, known.size - 1))
    half *= float(known.std(ddof=1)) / math.sqrt(known.size)
    return Interval(mean, mean - half, mean + half)


def traffic_of(history: History) -> Traffic:
    """Return what went through a decision log."""
    rows = [row for replica in history.replicas for row in history.decisions[replica]]
    rows.sort(key=lambda row: (row.time, row.replica, row.number))
    most = max(history.replicas, key=lambda one: len(history.decisions[one]))
    at = {row.number: place for place, row in enumerate(rows) if row.replica == most}
    names = dict.fromkeys(model.name for model in history.models)
    openings = []
    for replica, records in history.records.items():
        for record in records:
            body = json.loads(record.body or "{}")
            if record.kind == "add":
                names[body["name"]] = None
            elif record.kind == "stage" and replica == most:
                openings.append((at.get(record.at, len(rows)), tuple(body["deployed"])))
    places = {name: place for place, name in enumerate(names)}
    known = [history.outcomes.get((row.replica, row.number)) for row in rows]
    return Traffic(
        history,
        list(names),
        np.array([-1 if row.served is None else places[row.served] for row in rows]),
        np.array([or_nan(None if one is None else one.reward) for one in known]),
        np.array([or_nan(None if one is None else one.cost) for one in known]),
        openings,
    )
