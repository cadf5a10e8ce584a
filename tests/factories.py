"""Synthetic frames in the shape of real runs, for tests of what reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastroute.simulation.columns import CURVE_COLUMNS, TRIAL_COLUMNS

PARTS = ("discovery", "deployment", "routing")
# Growth of each part, in reward per round, and its exponent in the round.
SHAPES: dict[str, dict[str, tuple[float, float]]] = {
    "StageRoute": {"discovery": (0.4, 0.66), "deployment": (1.2, 0.6), "routing": (0.9, 0.62)},
    "oracle": {"discovery": (0.4, 0.66), "deployment": (0.0, 1.0), "routing": (0.0, 1.0)},
    "greedy": {"discovery": (0.4, 0.66), "deployment": (0.02, 1.0), "routing": (-0.012, 1.0)},
    "uniform": {"discovery": (0.4, 0.66), "deployment": (0.03, 1.0), "routing": (0.09, 1.0)},
    "static": {"discovery": (0.4, 0.66), "deployment": (0.05, 1.0), "routing": (0.9, 0.62)},
}


@dataclass(frozen=True)
class FakeRun:
    """Stands in for a Run: the same frames, invented numbers."""

    trials: pl.DataFrame
    curves: pl.DataFrame
    stages: pl.DataFrame
    seconds: float = 1.5
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def summary(self) -> pl.DataFrame:
        rows = []
        for name in ("regret", *PARTS, "cost"):
            values = self.trials.get_column(name).to_numpy()
            se = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
            rows.append(
                {
                    "quantity": name,
                    "mean": values.mean(),
                    "se": se,
                    "low": values.mean() - 2 * se,
                    "high": values.mean() + 2 * se,
                    **_quantiles(values),
                }
            )
        return pl.DataFrame(rows)


def fake_run(
    shape: Mapping[str, tuple[float, float]] | None = None,
    *,
    horizon: int = 20_000,
    trials: int = 24,
    stages: int = 12,
    budget: float = 0.001,
    seed: int = 0,
    checkpoints: int = 30,
    stage_means: bool = False,
) -> FakeRun:
    """Make a run whose parts grow as ``a * round ** x`` and differ a little between trials."""
    shape = SHAPES["StageRoute"] if shape is None else shape
    draw = np.random.default_rng(seed)
    over_budget = 0.4 if shape["routing"][0] >= 0 else 1.1
    rounds = np.unique(np.linspace(0, horizon, checkpoints + 1)[1:].astype(np.int64))
    parts = {
        part: a * rounds**x * draw.normal(1.0, 0.15, (trials, 1)) for part, (a, x) in shape.items()
    }
    regret = sum(parts.values(), start=np.zeros((trials, rounds.size)))
    noise = draw.normal(0.0, 0.45, (trials, rounds.size)) * np.sqrt(rounds)
    spend = budget * draw.normal(
        1.0 + over_budget / np.arange(1, stages + 1) ** 0.7, 0.05, (trials, stages)
    )
    n = -(-horizon // stages)
    over = np.maximum(spend - budget, 0.0) * n
    given = {
        "regret": regret,
        **parts,
        "noise": noise,
        "realised_regret": regret + noise,
        "priced_regret": np.abs(regret) * 1.1,
        "cost": np.broadcast_to(spend.mean(axis=1, keepdims=True), regret.shape),
    }
    curves = {c.name: given.get(c.name, np.zeros(regret.shape)) for c in CURVE_COLUMNS}
    # Columns of trials that are nothing of these are zero.
    finals = {
        **{name: values[:, -1] for name, values in curves.items()},
        "violation": np.maximum(spend.mean(axis=1) - budget, 0.0) * horizon,
        "worst_stage_violation": over.max(axis=1),
        "starved": draw.random(trials) < 0.3,
    }
    return FakeRun(
        trials=pl.DataFrame(
            {
                "trial": np.arange(trials),
                **{
                    c.name: np.asarray(finals.get(c.name, np.zeros(trials)), dtype=c.dtype)
                    for c in TRIAL_COLUMNS
                },
            }
        ),
        curves=pl.concat(
            [_curve_rows(rounds, quantity, values) for quantity, values in curves.items()]
        ),
        stages=_stage_rows(spend, over, n, budget, stage_means),
    )


def fake_study_frames(
    policies: Sequence[str] = tuple(SHAPES), **options: Any
) -> dict[str, pl.DataFrame]:
    """Make the joint frames of a study over some of the policies in ``SHAPES``."""
    runs = {policy: fake_run(SHAPES[policy], **options) for policy in policies}
    frames = {
        name: {policy: getattr(run, name) for policy, run in runs.items()}
        for name in ("trials", "curves", "stages")
    }
    frames["summary"] = {policy: run.summary() for policy, run in runs.items()}
    return {
        name: pl.concat(
            frame.select(pl.lit(policy).alias("policy"), pl.all()) for policy, frame in each.items()
        )
        for name, each in frames.items()
    }


def _curve_rows(
    rounds: NDArray[np.int64], quantity: str, values: NDArray[np.float64]
) -> pl.DataFrame:
    n = len(values)
    se = values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(rounds.size, np.nan)
    return pl.DataFrame(
        {
            "round": rounds,
            "quantity": quantity,
            "mean": values.mean(axis=0),
            "se": se,
            **_quantiles(values),
            "trials": n,
        }
    )


def _stage_rows(
    spend: NDArray[np.float64],
    over: NDArray[np.float64],
    length: int,
    budget: float,
    means: bool,
) -> pl.DataFrame:
    trials, stages = spend.shape
    frame = pl.DataFrame(
        {
            "trial": np.repeat(np.arange(trials), stages),
            "stage": np.tile(np.arange(stages), trials),
            "opened": np.tile(np.arange(stages) * length, trials),
            "spend": spend.ravel(),
            "budget": budget,
            "violation": over.ravel(),
        }
    )
    if not means:
        return frame
    mean = frame.group_by("stage", maintain_order=True).agg(pl.all().exclude("trial").mean())
    return mean.select(
        pl.lit(None, dtype=pl.Int64).alias("trial"),
        pl.col("stage", "opened").cast(pl.Int64),
        pl.col("spend", "budget", "violation"),
    )


def _quantiles(values: NDArray[np.float64]) -> dict[str, Any]:
    levels = (5, 25, 50, 75, 95)
    return {f"q{q:02d}": v for q, v in zip(levels, np.percentile(values, levels, 0), strict=True)}
