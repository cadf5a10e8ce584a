"""Worlds to route in: registered scenarios, custom ones, and recorded outcomes."""

from fastroute.scenario.base import Scenario, World
from fastroute.scenario.check import DataSource, Report, check_table, list_data
from fastroute.scenario.registry import SCENARIOS, scenario
from fastroute.scenario.routerbench_pickle import load_routerbench
from fastroute.scenario.saved import save_scenario

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
