"""Statistics over trials: intervals, paired differences, spend by stage.

Everything here reads arrays or frames of finished runs and simulates nothing.
"""

from fastroute.analyse.intervals import (
    Interval,
    bootstrap_interval,
    mean_interval,
    student_halfwidth,
)
from fastroute.analyse.paired import PairedDifference, paired_difference
from fastroute.analyse.stages import stage_spend

__all__ = [
    "Interval",
    "PairedDifference",
    "bootstrap_interval",
    "mean_interval",
    "paired_difference",
    "stage_spend",
    "student_halfwidth",
]
