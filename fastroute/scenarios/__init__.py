"""Worlds to route in: registered scenarios, custom ones, and recorded outcomes."""

from fastroute.scenarios.base import Scenario, World
from fastroute.scenarios.check import DataSource, Report, check_table, list_data
from fastroute.scenarios.registry import SCENARIOS, scenario
from fastroute.scenarios.routerbench_pickle import load_routerbench
from fastroute.scenarios.saved import save_scenario

__all__ = [
    "SCENARIOS",
    "DataSource",
    "Report",
    "Scenario",
    "World",
    "check_table",
    "list_data",
    "load_routerbench",
    "save_scenario",
    "scenario",
]
