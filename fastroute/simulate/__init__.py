"""Simulation: the stage loop, its accounts and the frames they become."""

from fastroute.simulate.api import simulate
from fastroute.simulate.run import Run

__all__ = ["Run", "simulate"]
