"""When a router sets new shares: ``elapsed`` counts the rounds since the stage opened."""

from typing import Any

from fastroute.kernels.formulas.names import maximum


def at_intervals(elapsed: Any, every: Any) -> Any:
    """Every so many rounds, and in the first one."""
    return elapsed % every == 0


def once(elapsed: Any, change: Any) -> Any:
    """In one round of the stage."""
    return elapsed == change


def doubling(elapsed: Any, slots: Any) -> Any:
    """After M, 2 M, 4 M, ... rounds, with M slots; whole numbers."""
    size = maximum(slots, 1)
    epochs = elapsed // size
    power_of_2 = (epochs & (epochs - 1)) == 0
    return (epochs > 0) & (epochs * size == elapsed) & power_of_2
