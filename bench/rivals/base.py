"""What the tables of solvers and players hold."""

import importlib.util
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.bench.workloads import Problems

F8 = NDArray[np.float64]


class Solver(NamedTuple):
    """Something that solves routing LPs or deployment problems.

    ``prepare`` does what is done once for many problems (building a model, converting to lists);
    what it returns solves them all, and only that is timed. Its result is the shares [B, M], with
    NaN in the rows of problems that it failed to solve.
    """

    name: str
    prepare: Callable[[Problems], Callable[[], F8]]
    what: str  #: how it is used
    source: str  #: where that way is documented
    most: int  #: problems of one timed round, at most
    packages: tuple[str, ...] = ()  #: distributions whose versions matter
    imports: tuple[str, ...] = ()  #: modules that must be there
    ours: bool = False
    backend: str = ""  #: backend of fastroute that must exist
    full: bool = True  #: runs only in the full run

    @property
    def compiler(self) -> str:
        """What compiles it here; empty for what came compiled."""
        return _compiler(self.packages)


class Player(NamedTuple):
    """Something that plays a bandit or StageRoute.

    ``prepare(trials, rounds)`` returns what plays them and returns the mean reward of a round.
    """

    name: str
    prepare: Callable[[int, int], Callable[[], float]]
    what: str
    source: str
    trials: int
    rounds: int
    packages: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    full: bool = True

    @property
    def compiler(self) -> str:
        """What compiles it here; empty for what came compiled."""
        return _compiler(self.packages)


def _compiler(packages: tuple[str, ...]) -> str:
    return next((name for name in ("numba", "jax") if name in packages), "")


def missing(imports: tuple[str, ...]) -> str:
    """Say which module is not installed and how to get it; empty when all are there."""
    for name in imports:
        if importlib.util.find_spec(name) is None:
            return f'{name} is not installed: pip install "fastroute[bench]"'
    return ""


def versions(packages: tuple[str, ...]) -> str:
    """Return the versions of distributions, as in ``cvxpy 1.9.3, highspy 1.16.0``."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in packages)
