"""``Run``: what a simulation returns, as arrays and as Polars frames."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastroute.policy import Policy
from fastroute.scenario import Scenario
from fastroute.simulate.blocks import Moments
from fastroute.simulate.ledger import QUANTITIES, STAGE_COLUMNS
from fastroute.simulate.plan import Plan
from fastroute.simulate.sketch import sketch_quantiles
from fastroute.solve.status import Method, Status

if TYPE_CHECKING:
    import polars as pl

F8 = NDArray[np.float64]

#: Quantiles over trials in the curves.
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


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
    seconds : float
        Wall time of the simulation; ``settings["compile_seconds"]`` was spent besides on
        compiling kernels or loading them from their cache.
    warnings : list of str
        What a reader of the numbers must know.
    """

    scenario: Scenario
    policy: Policy
    settings: dict[str, Any]
    plan: Plan
    finals: dict[str, NDArray[Any]]
    curve_array: F8 | Moments
    stage_array: F8
    stage_sets: NDArray[np.int16]
    picks: NDArray[np.int16]
    seconds: float
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def trials(self) -> "pl.DataFrame":
        """One row per trial: regret and its parts, reward, cost, violations, diagnostics."""
        import polars as pl

        return pl.DataFrame(self.finals)

    @cached_property
    def curves(self) -> "pl.DataFrame":
        """One row per checkpoint and quantity: mean, standard error and quantiles over trials.

        When only moments were kept, quantiles are within
        :data:`~fastroute.simulate.sketch.RELATIVE_ERROR` (0.4 %) of the order statistics.
        """
        import polars as pl

        count = len(self.finals["trial"])
        points = len(self.plan.checkpoints)
        if isinstance(self.curve_array, Moments):
            mean, square, counts = self.curve_array
            levels = sketch_quantiles(counts, mean.size, list(QUANTILES.values()))
        else:
            mean = self.curve_array.mean(axis=1)
            square = ((self.curve_array - mean[:, None, :]) ** 2).sum(axis=1)
            levels = np.quantile(self.curve_array, list(QUANTILES.values()), axis=1)
        quantiles = {name: levels[i].ravel() for i, name in enumerate(QUANTILES)}
        se = np.sqrt(square / max(count - 1, 1) / count) if count > 1 else np.full_like(mean, None)
        frame = pl.DataFrame(
            {
                "round": np.tile(self.plan.checkpoints, len(QUANTITIES)),
                "quantity": np.repeat(np.array(QUANTITIES), points).tolist(),
                "mean": mean.ravel(),
                "se": se.ravel(),
                **quantiles,
            }
        )
        return frame.with_columns(
            pl.lit(count, dtype=pl.Int64).alias("trials"), pl.col("se").fill_nan(None)
        )

    @cached_property
    def stages(self) -> "pl.DataFrame":
        """One row per trial and stage, or per stage with means over trials (``trial`` is null)."""
        import polars as pl

        column = dict(zip(STAGE_COLUMNS, self.stage_array, strict=True))
        stages, rows = self.stage_array.shape[1:]
        kept = len(self.stage_sets) > 0
        opened = np.array([s.opened for s in self.plan.stages])
        rounds = np.array([s.rounds for s in self.plan.stages])
        budget = float(self.settings["budget"])
        frame = pl.DataFrame(
            {
                "trial": np.tile(self.finals["trial"] if kept else np.arange(rows), stages),
                "stage": np.repeat(np.arange(stages), rows),
                "opened": np.repeat(opened, rows),
                "rounds": np.repeat(rounds, rows),
            }
        )
        if kept:
            slots = self.stage_sets.reshape(stages * rows, -1)
            kind = pl.Array(pl.Int64, slots.shape[1])
            sets = pl.Series("deployed", slots.astype(np.int64), dtype=kind)
            deployed = sets.arr.to_list().list.eval(pl.element().filter(pl.element() >= 0))
        else:
            frame = frame.with_columns(pl.lit(None, dtype=pl.Int64).alias("trial"))
            deployed = pl.Series("deployed", [None] * len(frame), dtype=pl.List(pl.Int64))
        numbers = {name: column[name].ravel() for name in STAGE_COLUMNS}
        frame = frame.with_columns(deployed.alias("deployed"))
        frame = frame.with_columns(
            [pl.Series(n, numbers[n]) for n in ("pool_value", "deployed_value", "budget_price")]
        )
        methods = ["mixed" if np.isnan(x) else str(Method(int(x))) for x in numbers["method"]]
        statuses = ["MIXED" if np.isnan(x) else Status(int(x)).name for x in numbers["status"]]
        if self.policy.deployer not in ("mip", "truth"):
            rule = str(Method.RULE)
            methods = [self.policy.deployer if x == rule else x for x in methods]
        return frame.with_columns(
            pl.Series("method", methods, dtype=pl.String),
            pl.Series("gap", numbers["gap"]),
            pl.Series("status", statuses, dtype=pl.String),
            pl.Series("spend", numbers["spend"]),
            pl.lit(budget).alias("budget"),
            pl.Series("violation", numbers["violation"]),
            pl.Series("over_budget_rounds", numbers["over_budget_rounds"]),
            pl.Series("no_capacity_rounds", numbers["no_capacity_rounds"]),
        )

    def summary(self) -> "pl.DataFrame":
        """Mean, standard error, 95 % Student interval and quantiles of every column of `trials`.

        Returns
        -------
        polars.DataFrame
            Columns quantity, mean, se, low, high, q05, q50, q95; the interval is null for a
            single trial.
        """
        import polars as pl
        from scipy.stats import t as student

        rows = []
        for name, values in self.finals.items():
            if name == "trial":
                continue
            x = np.asarray(values, dtype=np.float64)
            mean = float(x.mean())
            se = float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else None
            half = None if se is None else float(student.ppf(0.975, len(x) - 1)) * se
            low, middle, high = (float(q) for q in np.quantile(x, [0.05, 0.5, 0.95]))
            rows.append(
                {
                    "quantity": name,
                    "mean": mean,
                    "se": se,
                    "low": None if half is None else mean - half,
                    "high": None if half is None else mean + half,
                    "q05": low,
                    "q50": middle,
                    "q95": high,
                }
            )
        numbers = ("mean", "se", "low", "high", "q05", "q50", "q95")
        return pl.DataFrame(rows, schema_overrides=dict.fromkeys(numbers, pl.Float64))

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
            **dict(zip(QUANTITIES, self.curve_array, strict=True)),
        }

    @property
    def nanoseconds_per_round(self) -> float:
        """Wall time per trial-round in nanoseconds, compilation apart."""
        return 1e9 * self.seconds / (self.settings["trials"] * self.settings["horizon"])
