"""Estimates of mean scores and costs, with their joint uncertainty."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["METHODS", "Estimates", "Method"]

Array: TypeAlias = NDArray[np.float64]
Method: TypeAlias = Literal["means", "by task", "by features", "weighted", "doubly robust"]
METHODS: Final = ("means", "by task", "by features", "weighted", "doubly robust")


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """The mean score and cost of each model, and how sure they are.

    Attributes
    ----------
    models : tuple of str [N]
    score, cost : f8 [N]
        NaN for a model of which nothing is known.
    score_draws, cost_draws : f8 [B, N]
        The same over bootstrap draws of the queries. A row is one draw for all models: what is
        computed from each row has the distribution that the uncertainty of all means gives it.
    ess : f8 [N]
        Effective sample size: the number of rows of equal weight that would say as much.
    notes : tuple of str
        What cannot be said from these outcomes, in words.
    method : {"means", "by task", "by features", "weighted", "doubly robust"}
        "means": of the rows of each model. "by task": the mean of each model and task, weighted by
        how frequent the task is over all queries. "by features": what a regression on features and
        tasks predicts, on the mean over all queries. "weighted": each row counts for one over the
        probability with which its model was chosen (self-normalised inverse propensity
        weighting). "doubly robust": by features, or else by task, corrected by the weighted rest.
    tasks : tuple of str [T]
        Empty where they are not known.
    score_by_task, cost_by_task : f8 [T, N]
        Mean of each task and model; NaN where a model has no row of a task.
    """

    models: tuple[str, ...]
    score: Array
    cost: Array
    score_draws: Array
    cost_draws: Array
    ess: Array
    notes: tuple[str, ...] = ()
    method: Method = "means"
    tasks: tuple[str, ...] = ()
    score_by_task: Array | None = None
    cost_by_task: Array | None = None

    def __repr__(self) -> str:
        """Return one line: method, sizes and how many notes."""
        notes = f", {len(self.notes)} note{'s' * (len(self.notes) > 1)}" if self.notes else ""
        return (
            f"<Estimates: {self.method}, {len(self.models)} models, {len(self.score_draws):,} "
            f"draws{notes}>"
        )

    @property
    def score_interval(self) -> Array:
        """Ends of the 95 % intervals of the mean scores [N, 2]."""
        return _interval(self.score_draws)

    @property
    def cost_interval(self) -> Array:
        """Ends of the 95 % intervals of the mean costs [N, 2]."""
        return _interval(self.cost_draws)

    def table(self) -> "pl.DataFrame":
        """Return one row per model: means, 95 % intervals and effective sample size."""
        import polars as pl

        columns: dict[str, object] = {"model": self.models}
        for name, mean, ends in (
            ("score", self.score, self.score_interval),
            ("cost", self.cost, self.cost_interval),
        ):
            columns |= {name: mean, f"{name}_low": ends[:, 0], f"{name}_high": ends[:, 1]}
        return pl.DataFrame(columns | {"ess": self.ess})


def _interval(draws: Array) -> Array:
    """Return the 2.5 % and 97.5 % quantiles of each column."""
    return np.quantile(draws, (0.025, 0.975), axis=0).T
