"""Statistics over trials: intervals, paired differences, spend by stage, diagnostics.

Everything here reads arrays or frames of finished runs and simulates nothing.
"""

from fastroute.analyse.curves import curve_intervals
from fastroute.analyse.diagnostics import solver_methods, trial_diagnostics, work_times
from fastroute.analyse.intervals import (
    Interval,
    bootstrap_interval,
    mean_interval,
    student_halfwidth,
)
from fastroute.analyse.paired import PairedDifference, paired_difference, paired_differences
from fastroute.analyse.stages import budget_adherence, stage_spend

__all__ = [
    "Interval",
    "PairedDifference",
    "bootstrap_interval",
    "budget_adherence",
    "curve_intervals",
    "mean_interval",
    "paired_difference",
    "paired_differences",
    "solver_methods",
    "stage_spend",
    "student_halfwidth",
    "trial_diagnostics",
    "work_times",
]
