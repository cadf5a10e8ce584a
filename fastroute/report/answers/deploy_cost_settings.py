"""The settings of `deploy-cost`: one policy in one world, its loss by the number of stages."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import (
    BestOf,
    Interval,
    best_of,
    mean_interval,
    paired_difference,
    paired_ratio,
)
from fastroute.report.answers.frames import finals, groups, varied
from fastroute.report.answers.lines import pairable_samples
from fastroute.report.style import format_value
from fastroute.scenarios.placement import stage_count
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl

F8 = NDArray[np.float64]

#: How much more loss than with the best number of stages still counts as close to it.
_CLOSE: Final = 0.05


def theory_stages(horizon: int) -> int:
    """Return how many stages are played with K = T^(1/3), whose length is rounded up."""
    length = -(-horizon // stage_count("T^(1/3)", horizon))
    return -(-horizon // length)


class Setting:
    """One policy in one world with one cost of a deployment and one time of loading.

    Attributes
    ----------
    place, policy : str
        What tells its world apart from others, beside what follows; label of the policy.
    horizon : int
    cost : float
        Of a deployment, in units of reward.
    load : int
        Rounds that a newly deployed model loads.
    stages : tuple of int
        Numbers of stages K, rising.
    loss : list of ndarray, [trials]
        For each of them the priced regret plus what the deployments cost.
    deployments : tuple of float
        For each of them the mean number of newly deployed models.
    """

    def __init__(self, place: str, policy: str, rows: "pl.DataFrame") -> None:
        import polars as pl

        first = rows.row(0, named=True)
        parts = rows.sort("stages", "trial").partition_by("stages", maintain_order=True)
        loss = pl.col("priced_regret") + pl.col("deploy_cost")
        self.place, self.policy = place, policy
        self.horizon = int(first["horizon"])
        self.cost, self.load = float(first["cost_of_one"]), int(first["load_rounds"])
        self.stages = tuple(int(part.get_column("stages")[0]) for part in parts)
        self.loss = pairable_samples([part.select(loss).to_series().to_numpy() for part in parts])
        self.deployments = tuple(float(part["deployments"].to_numpy().mean()) for part in parts)

    @property
    def where(self) -> str:
        """Scenario and policy, as a title."""
        return f"{self.place}, {self.policy}" if self.place else self.policy

    @cached_property
    def found(self) -> BestOf:
        """The place of the lowest mean loss, and what cannot be told from it."""
        return best_of(self.loss)

    @property
    def best(self) -> int:
        """The number of stages of the lowest mean loss."""
        return self.stages[self.found.best]

    @property
    def untold(self) -> tuple[int, ...]:
        """The numbers of stages that cannot be told from the best one, which is among them."""
        return tuple(self.stages[place] for place in self.found.ties)

    @property
    def theory(self) -> int | None:
        """Place of K = T^(1/3); None where it is not played."""
        rule = theory_stages(self.horizon)
        return self.stages.index(rule) if rule in self.stages else None

    @cached_property
    def share(self) -> Interval | None:
        """How many times the lowest loss the theory's number of stages has, at least 1.

        None where a share means nothing, because the loss is not clearly above zero with every K.
        The theory's K does not depend on the trials: it is compared with every other K, all at
        once at 95 %, and the largest of these ratios is that to the lowest loss.
        """
        means = [mean_interval(sample) for sample in self.loss]
        if self.theory is None or not all(mean.low > 0.0 for mean in means):
            return None
        return self._largest(paired_ratio, 1.0)

    @cached_property
    def excess(self) -> Interval | None:
        """As :attr:`share`, but how much more loss it has than the lowest, in units of reward."""
        return None if self.theory is None else self._largest(_difference, 0.0)

    def _largest(self, compare: Any, same: float) -> Interval:
        assert self.theory is not None
        mine, level = self.loss[self.theory], 1.0 - 0.05 / (len(self.stages) - 1)
        others = [loss for place, loss in enumerate(self.loss) if place != self.theory]
        every = [compare(mine, other, level=level) for other in others]
        estimate, low, high = (
            float(np.max([same, *(getattr(one, end) for one in every)]))
            for end in ("estimate", "low", "high")
        )
        return Interval(estimate, math.nan, low, high, every[0].n, 0.95)

    @property
    def verdict(self) -> str | None:
        """Whether the theory's K has at most 5 % more loss than the best; one of the classes."""
        if self.theory is None:
            return None
        if self.share is None:
            return "no share"
        if self.share.high <= 1.0 + _CLOSE:
            return "within 5 %"
        return "more than 5 %" if self.share.low > 1.0 + _CLOSE else "not told"


def _difference(a: F8, b: F8, *, level: float) -> Interval:
    found = paired_difference(a, b, level=level)
    return Interval(found.mean, found.se, found.low, found.high, found.n, level)


def settings_of(stored: StoredStudy) -> list[Setting]:
    """Return what is compared over numbers of stages, those of more than one."""
    import polars as pl

    prices = stored.cells.select("cell", pl.col("deploy_cost").alias("cost_of_one")).collect()
    trials = finals(stored, "load_rounds").join(prices, on="cell", maintain_order="left")
    own = ("stages", "stages_rule", "scenario_stages", "setting_deploy_cost", "setting_load_rounds")
    # A budget that follows from a formula is told by the formula.
    ruled = ("budget",) if "budget_rule" in stored.axes else ()
    place = [name for name in varied(stored, trials, *own, *ruled) if name != "horizon"]
    names = [*place, "policy", "horizon", "cost_of_one", "load_rounds"]
    found = []
    for _, values, rows in groups(trials, names):
        if rows.get_column("stages").n_unique() > 1:
            titles = [
                str(values[name])
                if name == "scenario"
                else f"{name} = {format_value(values[name])}"
                for name in place
            ]
            found.append(Setting(", ".join(titles), values["policy"], rows))
    return found


def lines_of(settings: Sequence[Setting]) -> list[list[Setting]]:
    """Sort settings by world and policy."""
    found: dict[str, list[Setting]] = {}
    for setting in settings:
        found.setdefault(setting.where, []).append(setting)
    return list(found.values())
