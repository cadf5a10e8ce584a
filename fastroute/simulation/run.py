"""``Run``: what a simulation returns, as arrays and as Polars frames."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels.types import ModelNumbers
from fastroute.policies import Policy
from fastroute.scenarios import Scenario
from fastroute.simulation.blocks import Models, Moments
from fastroute.simulation.columns import CURVE_COLUMNS, names_of
from fastroute.simulation.frames import (
    curves_frame,
    mean_with_margin,
    models_frame,
    stages_frame,
    summary_frame,
    trials_frame,
)
from fastroute.simulation.plan import Plan

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

F8 = NDArray[np.float64]

# What rounding may leave of a margin that is zero, as a share of the mean.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class Run:
    """Result of :func:`fastroute.simulate`.

    Attributes
    ----------
    scenario, policy : Scenario, Policy
        What was run.
    settings : dict
        Horizon, budget, number of stages, trials, seed, backend and the like, all resolved.
    plan : Plan
        Stages, pools and checkpoints.
    finals : dict of ndarray, [trials]
        Columns of :attr:`trials`.
    curve_array : ndarray or Moments
        [quantity, trials, checkpoint], or moments over trials when there are very many.
    stage_array : ndarray, [column, stage, trials or 1]
        Columns of :attr:`stages`; means over trials when there are very many rows.
    stage_sets : ndarray, [stage, trials, slots]
        Deployed models, then -1; empty when ``stage_array`` holds means.
    picks : ndarray, [trials, rounds]
        Model pulled in every round; empty unless traced.
    model_account : Models
        What :attr:`models` is made of.
    seconds : float
        Wall time of the simulation; ``settings["compile_seconds"]`` was spent besides on
        compiling kernels or loading them from their cache.
    warnings : list of str
        What a reader of the numbers must know; :func:`fastroute.simulate` warns of it too.
    """

    scenario: Scenario
    policy: Policy
    settings: dict[str, Any]
    plan: Plan
    finals: dict[str, NDArray[Any]]
    curve_array: F8 | Moments
    stage_array: F8
    stage_sets: ModelNumbers
    picks: ModelNumbers
    model_account: Models
    seconds: float
    warnings: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """Say what was run and what came out: means, half their 95 % intervals, and warnings."""
        trials, budget = self.settings["trials"], float(self.settings["budget"])
        count = "1 trial" if trials == 1 else f"{trials:,} trials"
        lines = [
            f"Run of {self.policy.title} in {self.scenario.name}: "
            f"T = {self.settings['horizon']:,}, {count}",
            *([f"  with {self._extras}"] if self._extras else []),
            f"  regret         {estimate_text(self.finals['regret'])}",
            f"  priced regret  {estimate_text(self.finals['priced_regret'])}",
        ]
        if 0.0 < budget < np.inf:
            lines.append(f"  cost / budget  {estimate_text(self.finals['cost'] / budget)}")
        else:
            lines.append(f"  cost           {estimate_text(self.finals['cost'])}")
        return "\n".join([*lines, *(f"  warning: {text}" for text in self.warnings)])

    @property
    def _extras(self) -> str:
        """Say what else there is in the world: changes, late feedback, models that load."""
        load = self.settings.get("load_rounds", 0)
        words = [self.scenario.extras, f"load_rounds={load}" if load else ""]
        return ", ".join(word for word in words if word)

    def _repr_html_(self) -> str:
        from fastroute.report.notebook import card_html, run_card

        return card_html(run_card(self))

    def plot(self, kind: str = "regret", ax: "Axes | None" = None) -> "Axes":
        """Draw the run; a notebook shows the figure, a script with ``matplotlib.pyplot.show()``.

        Parameters
        ----------
        kind : {"regret", "priced_regret", "parts", "spend"}
            Regret or priced regret over rounds, the parts of the regret, or the mean cost per
            query of every stage against the budget; with 95 % intervals of the mean.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            ``.figure.savefig(path)`` writes it. Settings of Matplotlib are left as they are.
        """
        from fastroute.report.plots import plot_run

        return plot_run(self, kind, ax)

    @cached_property
    def trials(self) -> "pl.DataFrame":
        """One row per trial: regret and its parts, reward, cost, violations, diagnostics."""
        return trials_frame(self.finals)

    @cached_property
    def curves(self) -> "pl.DataFrame":
        """One row per checkpoint and quantity: mean, standard error and quantiles over trials.

        When only moments were kept, quantiles are within 0.4 % of the order statistics.
        """
        return curves_frame(self.curve_array, self.plan.checkpoints, len(self.finals["trial"]))

    @cached_property
    def models(self) -> "pl.DataFrame":
        """One row per model: when it is there, its true means, and what became of it.

        ``model`` (its number), ``name``, ``arrival`` and ``retirement`` (rounds),
        ``reward_mean`` and ``cost_mean``, ``oracle_share`` (of the traffic that the optimum of
        each stage sends to it), ``share`` (of the traffic that the policy sent to it) and
        ``deployed`` (share of the stages in which it was), both with their standard errors
        ``share_se`` and ``deployed_se``.  All are means over trials.
        """
        return models_frame(self.model_account, len(self.finals["trial"]))

    @cached_property
    def stages(self) -> "pl.DataFrame":
        """One row per trial and stage, or per stage with means over trials (``trial`` is null)."""
        return stages_frame(
            self.stage_array,
            self.stage_sets,
            self.finals["trial"],
            self.model_account.names,
            np.array([stage.opened for stage in self.plan.stages]),
            np.array([stage.rounds for stage in self.plan.stages]),
            budget=float(self.settings["budget"]),
            deployer=self.policy.deployer.name,
        )

    def summary(self) -> "pl.DataFrame":
        """Mean, standard error, 95 % Student interval and quantiles of every column of `trials`.

        Returns
        -------
        polars.DataFrame
            Columns quantity, mean, se, low, high, q05, q50, q95; the interval is null for a
            single trial.  It prints all its rows.
        """
        from fastroute.simulation.summary import Summary

        return Summary(summary_frame(self.finals))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Curves as NumPy arrays [trial, checkpoint], and "round" [checkpoint].

        Raises
        ------
        ValueError
            When there were so many trials that only moments were kept.
        """
        if isinstance(self.curve_array, Moments):
            raise ValueError(
                f"trials={self.settings['trials']}: curves of single trials were not kept. Use "
                "run.curves, or run.trials for final values."
            )
        return {
            "round": self.plan.checkpoints,
            **dict(zip(names_of(CURVE_COLUMNS), self.curve_array, strict=True)),
        }


def estimate_text(values: NDArray[Any]) -> str:
    """Write a mean over trials with half its 95 % interval, where that is more than rounding."""
    mean, _, half = mean_with_margin(np.asarray(values, dtype=np.float64))
    if half is None or half <= _ROUNDING * abs(mean):
        return _number(mean, 4)
    return f"{_number(mean, 4)} ± {_number(half, 2)}"


def _number(value: float, digits: int) -> str:
    """Write a number with so many significant digits, all of those before the point."""
    if not 1e-4 <= abs(value) < np.inf:
        return f"{value:.{digits}g}"
    return f"{value:,.{max(digits - 1 - math.floor(math.log10(abs(value))), 0)}f}"
