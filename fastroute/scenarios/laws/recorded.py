"""Recorded rewards and costs of the same queries."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks
from fastroute.kernels.types import Outcome
from fastroute.scenarios.laws.base import CostLaw, RewardLaw, outcome, unit_interval
from fastroute.scenarios.laws.features import feature_table, padded

__all__ = ["Recorded"]

Array = NDArray[np.float64]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Recorded:
    """Outcomes that were recorded: each round replays the score and the costs of one query.

    Reward and cost belong to the same query, so this stands for both laws of a scenario.

    Parameters
    ----------
    score : [Q, N]
        Recorded reward of each query with each model, in [0, 1].
    cost : [Q, N]
        Recorded cost, >= 0.
    order : {"iid", "table"}
        Replay queries drawn uniformly with replacement, or in the order of the table (and again
        from its start).
    features : [Q, d], optional
        What is known of each query before it is routed, d at most 64.

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.
    """

    ORDERS: ClassVar = ("iid", "table")

    score: Array
    cost: Array
    order: Literal["iid", "table"]
    features: Array | None

    def __init__(
        self,
        score: ArrayLike,
        cost: ArrayLike,
        order: Literal["iid", "table"] = "iid",
        features: ArrayLike | None = None,
    ) -> None:
        checks.choice("order", order, self.ORDERS)
        scores = checks.number_array("score", score, (2,))
        costs = checks.number_array("cost", cost, (2,))
        if scores.shape != costs.shape:
            raise ValueError(
                f"cost has shape {costs.shape} but score has {scores.shape}; pass one cost per "
                "score, [queries, models]"
            )
        unit_interval("score", scores)
        checks.refuse_entries("cost", costs, costs < 0.0, "is negative", "use costs >= 0")
        known = None if features is None else feature_table(features, len(scores))
        values = {"score": scores, "cost": costs, "order": order, "features": known}
        for field, value in values.items():
            if isinstance(value, np.ndarray):
                checks.freeze(value)
            # The dataclass is frozen; its own construction is the one place that may write.
            object.__setattr__(self, field, value)

    def __eq__(self, other: object) -> bool:
        """Tell whether another has the same numbers."""
        return (
            isinstance(other, Recorded)
            and self.order == other.order
            and np.array_equal(self.score, other.score)
            and np.array_equal(self.cost, other.cost)
            and np.array_equal(padded(self.features), padded(other.features))
        )

    def __hash__(self) -> int:
        """Return the same for equal ones."""
        return hash((Recorded, self.cost.shape))

    def __repr__(self) -> str:
        """Return one line: the size and the order."""
        queries, models = self.score.shape
        known = "" if self.features is None else f"{self.features.shape[1]} features, "
        return f"Recorded({queries} queries, {known}{models} models, order={self.order!r})"

    @property
    def laws(self) -> tuple[RewardLaw, CostLaw]:
        """What was recorded, as a law of the rewards and a law of the costs."""
        return RecordedReward(self), RecordedCost(self)

    def outcome(self, table: Array) -> Outcome:
        """Return one of the tables as kernels see it."""
        kernel = "replay_in_order" if self.order == "table" else "replay"
        return outcome(kernel, table, features=padded(self.features))


@dataclass(frozen=True, eq=False, repr=False)
class RecordedReward(RewardLaw):
    """The rewards of recorded outcomes."""

    recorded: Recorded

    def __repr__(self) -> str:
        """Return what was recorded."""
        return repr(self.recorded)

    def implied_mean(self) -> Array:
        """Return the mean score of each model."""
        return np.asarray(self.recorded.score.mean(axis=0))

    def outcome(self, mean: Array) -> Outcome:
        """Return the recorded scores."""
        return self.recorded.outcome(self.recorded.score)


@dataclass(frozen=True, eq=False, repr=False)
class RecordedCost(CostLaw):
    """The costs of recorded outcomes."""

    recorded: Recorded

    def __repr__(self) -> str:
        """Return what was recorded."""
        return repr(self.recorded)

    def implied_mean(self) -> Array:
        """Return the mean cost of each model."""
        return np.asarray(self.recorded.cost.mean(axis=0))

    def support(self, mean: Array) -> tuple[Array, Array]:
        """Return the smallest and the largest recorded cost of each model."""
        return self.recorded.cost.min(axis=0), self.recorded.cost.max(axis=0)

    def outcome(self, mean: Array, cost_range: tuple[float, float]) -> Outcome:
        """Return the recorded costs."""
        return self.recorded.outcome(self.recorded.cost)
