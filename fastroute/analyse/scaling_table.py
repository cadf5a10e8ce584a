"""Scaling fits of several quantities and runs at once, from the frame of a study."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastroute.analyse.frames import groups, key_columns
from fastroute.analyse.scaling import ScalingFit, check_settings, fit_scaling

if TYPE_CHECKING:
    import polars as pl


def scaling_table(
    trials: "pl.DataFrame",
    quantities: Sequence[str] = ("regret", "discovery", "deployment", "routing", "priced_regret"),
    *,
    by: Sequence[str] | None = None,
    level: float = 0.95,
    tolerance: float = 0.05,
    resamples: int = 1999,
    seed: int = 0,
) -> "pl.DataFrame":
    """Fit a power of the horizon to each quantity, for example to each part of the regret.

    Parameters
    ----------
    trials : polars.DataFrame
        One row per run, horizon and trial: columns ``horizon``, ``trial`` and the quantities.
    quantities : sequence of str
        Columns to fit.
    by : sequence of str, optional
        Columns that tell runs apart, by default ``policy`` where there is such a column.
    level, tolerance, resamples, seed
        As for :func:`fit_scaling`.

    Returns
    -------
    polars.DataFrame
        ``[by,] quantity, horizons, trials, exponent, low, high, slope_change, change_low,
        change_high, misfit, preferred, log_power, log_power_low, log_power_high, warning``; one
        row per run and quantity. ``horizons`` is their number, ``trials`` the smallest number at
        any of them, ``log_power`` that of T^x log^y T; the others are as in
        :class:`~fastroute.analyse.ScalingFit`. A quantity that cannot be fitted has null figures,
        and ``warning`` says why and what to do.

    Raises
    ------
    ValueError
        When a column is missing, a run has a trial of a horizon twice, or has one horizon only.
    """
    import polars as pl

    check_settings(level, tolerance, resamples)
    keys = key_columns(trials, by, "trials", ("horizon", "trial", *quantities))
    rows = []
    for key, group in groups(trials, keys):
        rungs = group.sort("horizon", "trial").partition_by("horizon", maintain_order=True)
        for rung in rungs:
            horizon = rung.get_column("horizon")[0]
            if rung.get_column("trial").is_duplicated().any():
                raise ValueError(
                    f"trials: horizon {horizon} has a trial twice; name the columns that tell "
                    "runs apart in by"
                )
        horizons = [rung.get_column("horizon")[0] for rung in rungs]
        if len(horizons) < 2:
            raise ValueError(
                f"trials: only horizon {horizons[0]} for {key or 'the run'}; a slope needs two "
                "horizons or more"
            )
        for quantity in quantities:
            samples = [rung.get_column(quantity).to_numpy() for rung in rungs]
            row = {
                **key,
                "quantity": quantity,
                "horizons": len(rungs),
                "trials": min(sample.size for sample in samples),
            }
            try:
                fit = fit_scaling(
                    horizons,
                    samples,
                    level=level,
                    tolerance=tolerance,
                    resamples=resamples,
                    seed=seed,
                )
            except ValueError as error:
                rows.append({**row, **_figures(None), "warning": str(error)})
            else:
                rows.append({**row, **_figures(fit), "warning": " ".join(fit.warnings)})
    numbers = [name for name in _figures(None) if name != "preferred"]
    return pl.DataFrame(
        rows,
        infer_schema_length=None,
        schema_overrides={**dict.fromkeys(numbers, pl.Float64), "preferred": pl.String},
    )


def _figures(fit: ScalingFit | None) -> dict[str, Any]:
    """Figures of a fit, or nulls."""
    if fit is None:
        return dict.fromkeys(
            (
                *("exponent", "low", "high", "slope_change", "change_low", "change_high"),
                *("misfit", "preferred", "log_power", "log_power_low", "log_power_high"),
            )
        )
    change, models = fit.slope_change, fit.models.rows(named=True)
    return {
        "exponent": fit.exponent.estimate,
        "low": fit.exponent.low,
        "high": fit.exponent.high,
        "slope_change": None if change is None else change.estimate,
        "change_low": None if change is None else change.low,
        "change_high": None if change is None else change.high,
        "misfit": fit.misfit,
        "preferred": fit.preferred,
        **{name: models[-1][name] for name in ("log_power", "log_power_low", "log_power_high")},
    }
