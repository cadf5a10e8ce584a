"""Simulation: the stage loop, its accounts and the frames they become; loaded on first use."""

from typing import TYPE_CHECKING

from fastroute.lazy import lazy_names

if TYPE_CHECKING:
    from fastroute.simulation.api import simulate
    from fastroute.simulation.run import Run

__all__ = [
    "Run",
    "simulate",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Run": "run",
            "simulate": "api",
        },
    )
