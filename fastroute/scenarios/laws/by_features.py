"""Rewards whose means are linear in the features of the query."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks
from fastroute.kernels.types import Outcome
from fastroute.scenarios.laws.base import RewardLaw, outcome
from fastroute.scenarios.laws.features import feature_table, padded

__all__ = ["ByFeatures"]

Array = NDArray[np.float64]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ByFeatures(RewardLaw):
    """Each query is a row x of a table, drawn uniformly; the reward is Bernoulli with a mean of x.

    The mean reward of model m on a query is clip(theta_m . x, 0, 1), and over all queries the mean
    of that over the rows.

    Parameters
    ----------
    features : [Q, d]
        Features of the queries, d at most 64.
    theta : [N, d]
        Weights of every model.

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.
    """

    name: ClassVar[str] = "by_features"

    features: Array
    theta: Array

    def __init__(self, features: ArrayLike, theta: ArrayLike) -> None:
        table = feature_table(features)
        weights = checks.number_array("theta", theta, (2,))
        if weights.shape[1] != table.shape[1]:
            raise ValueError(
                f"theta has {weights.shape[1]} columns but features has {table.shape[1]}; pass one "
                "weight per model and feature"
            )
        for field, array in {"features": table, "theta": weights}.items():
            checks.freeze(array)
            # The dataclass is frozen; its own construction is the one place that may write.
            object.__setattr__(self, field, array)

    def __eq__(self, other: object) -> bool:
        """Tell whether another has the same numbers."""
        return (
            isinstance(other, ByFeatures)
            and np.array_equal(self.features, other.features)
            and np.array_equal(self.theta, other.theta)
        )

    def __hash__(self) -> int:
        """Return the same for equal ones."""
        return hash((ByFeatures, self.features.shape, self.theta.shape))

    def __repr__(self) -> str:
        """Return one line: the size."""
        queries, size = self.features.shape
        return f"ByFeatures({queries} queries, {size} features, {len(self.theta)} models)"

    @property
    def mean(self) -> Array:
        """Mean reward of every model on every query, [Q, N]."""
        # Summed in the order of the features: a product of matrices may differ from machine to
        # machine.
        total = np.zeros((len(self.features), len(self.theta)))
        for x, weight in zip(self.features.T, self.theta.T, strict=True):
            total += x[:, None] * weight
        return np.clip(total, 0.0, 1.0)

    def implied_mean(self) -> Array:
        """Return the mean reward of each model over the queries."""
        return np.asarray(self.mean.mean(axis=0))

    def outcome(self, mean: Array) -> Outcome:
        """Return the means and the features of the queries."""
        return outcome("by_row", self.mean, features=padded(self.features))
