"""Rewards whose means depend on the task of the query."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks
from fastroute.kernels.types import Outcome
from fastroute.scenarios.laws.alias import alias_table
from fastroute.scenarios.laws.base import RewardLaw, outcome, unit_interval

__all__ = ["ByTask"]

Array = NDArray[np.float64]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ByTask(RewardLaw):
    """Each query draws a task j; the reward is Bernoulli with that task's mean of the model.

    Models are correlated through the tasks. The mean reward of model m is
    sum over j of share_j × mean[j, m].

    Parameters
    ----------
    weight : [J]
        How often each task occurs, >= 0; the weights need not add up to 1.
    mean : [J, N]
        Mean reward of each model on each task, in [0, 1].

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.
    """

    name: ClassVar[str] = "by_task"

    weight: Array
    mean: Array

    def __init__(self, weight: ArrayLike, mean: ArrayLike) -> None:
        weights = checks.number_array("weight", weight, (1,))
        means = checks.number_array("mean", mean, (2,))
        if means.shape[0] != weights.size:
            raise ValueError(
                f"mean has {means.shape[0]} rows but weight has {weights.size} entries; pass one "
                "row of means per task"
            )
        checks.refuse_entries("weight", weights, weights < 0.0, "is negative", "use weights >= 0")
        if weights.sum() <= 0.0:
            raise ValueError("weight adds up to 0; give at least one task a positive weight")
        unit_interval("mean", means)
        for field, array in {"weight": weights, "mean": means}.items():
            checks.freeze(array)
            # The dataclass is frozen; its own construction is the one place that may write.
            object.__setattr__(self, field, array)

    def __eq__(self, other: object) -> bool:
        """Tell whether another has the same numbers."""
        return (
            isinstance(other, ByTask)
            and np.array_equal(self.weight, other.weight)
            and np.array_equal(self.mean, other.mean)
        )

    def __hash__(self) -> int:
        """Return the same for equal ones."""
        return hash((ByTask, self.mean.shape))

    def __repr__(self) -> str:
        """Return one line: the size."""
        tasks, models = self.mean.shape
        return f"ByTask({tasks} tasks, {models} models)"

    @property
    def share(self) -> Array:
        """How often each task occurs: the weights, adding up to 1."""
        return self.weight / self.weight.sum()

    def implied_mean(self) -> Array:
        """Return the mean reward of each model over the tasks."""
        return self.share @ self.mean

    def outcome(self, mean: Array) -> Outcome:
        """Return the means of the tasks, and an alias table that draws tasks."""
        prob, alias = alias_table(self.share)
        return outcome("by_task", self.mean, task_prob=prob, task_alias=alias)
