"""Worlds to route in: registered scenarios, custom ones, and recorded outcomes."""

from fastroute.outcomes.routerbench_pickle import load_routerbench
from fastroute.scenarios.base import Scenario, World
from fastroute.scenarios.changes import Calendar, Change, Outage
from fastroute.scenarios.check import DataSource, Report, check_table, list_data
from fastroute.scenarios.feedback import EquallyLikelyDelays, GeometricDelay, RecordedDelays
from fastroute.scenarios.laws import (
    Bernoulli,
    Beta,
    ByFeatures,
    ByTask,
    CostLaw,
    FixedCost,
    Lognormal,
    Recorded,
    RewardLaw,
    UniformCost,
)
from fastroute.scenarios.prices import read_prices
from fastroute.scenarios.registry import SCENARIOS, scenario
from fastroute.scenarios.saved import save_scenario

__all__ = [
    "SCENARIOS",
    "Bernoulli",
    "Beta",
    "ByFeatures",
    "ByTask",
    "Calendar",
    "Change",
    "CostLaw",
    "DataSource",
    "EquallyLikelyDelays",
    "FixedCost",
    "GeometricDelay",
    "Lognormal",
    "Outage",
    "Recorded",
    "RecordedDelays",
    "Report",
    "RewardLaw",
    "Scenario",
    "UniformCost",
    "World",
    "check_table",
    "list_data",
    "load_routerbench",
    "read_prices",
    "save_scenario",
    "scenario",
]
