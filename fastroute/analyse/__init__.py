"""Statistics over trials: intervals, differences, growth with the horizon, diagnostics.

Everything here reads arrays or frames of finished runs and simulates nothing.
"""

from fastroute.analyse.adoption import adoption_delay, adoption_summary
from fastroute.analyse.best import BestOf, best_of
from fastroute.analyse.curves import curve_intervals
from fastroute.analyse.diagnostics import (
    budget_prices,
    deployment_shares,
    price_supremum,
    starvation_rate,
)
from fastroute.analyse.held_out import Comparisons, HeldOut, choose_and_judge, compare_jointly
from fastroute.analyse.independent import independent_difference, independent_ratio
from fastroute.analyse.intervals import (
    Interval,
    bootstrap_interval,
    mean_interval,
    student_halfwidth,
)
from fastroute.analyse.paired import (
    PairedDifference,
    paired_difference,
    paired_differences,
    paired_ratio,
)
from fastroute.analyse.quantiles import QuantileInterval, quantile_interval, share_interval
from fastroute.analyse.ranking import BestPower, best_power, ranking, standings
from fastroute.analyse.scaling import ScalingFit, fit_scaling
from fastroute.analyse.scaling_table import scaling_table
from fastroute.analyse.stages import budget_adherence, stage_spend
from fastroute.analyse.studies import (
    method_counts,
    method_shares,
    solver_methods,
    trial_diagnostics,
    work_times,
)
from fastroute.analyse.violation import ViolationDecay, violation_decay, worst_violation

__all__ = [
    "BestOf",
    "BestPower",
    "Comparisons",
    "HeldOut",
    "Interval",
    "PairedDifference",
    "QuantileInterval",
    "ScalingFit",
    "ViolationDecay",
    "adoption_delay",
    "adoption_summary",
    "best_of",
    "best_power",
    "bootstrap_interval",
    "budget_adherence",
    "budget_prices",
    "choose_and_judge",
    "compare_jointly",
    "curve_intervals",
    "deployment_shares",
    "fit_scaling",
    "independent_difference",
    "independent_ratio",
    "mean_interval",
    "method_counts",
    "method_shares",
    "paired_difference",
    "paired_differences",
    "paired_ratio",
    "price_supremum",
    "quantile_interval",
    "ranking",
    "scaling_table",
    "share_interval",
    "solver_methods",
    "stage_spend",
    "standings",
    "starvation_rate",
    "student_halfwidth",
    "trial_diagnostics",
    "violation_decay",
    "work_times",
    "worst_violation",
]
