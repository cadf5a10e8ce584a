"""Simulation: the stage loop, its accounts and the frames they become."""

from fastroute.simulation.api import simulate
from fastroute.simulation.run import Run

__all__ = ["Run", "simulate"]
