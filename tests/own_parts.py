"""Parts of a policy as a user has them in a module."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

import fastroute as fr


class Cheapest(fr.Deployer):
    """The models of lowest U / L weighted costs that are there; `keep` is how many."""

    name: ClassVar[str] = "cheapest"

    keep: int = Field(default=2, ge=1)

    def choose(self, problem: fr.StageProblem) -> Any:
        """Return the available models of lowest bound on the cost."""
        cost = np.where(problem.limit > 0.0, problem.lower, np.inf)
        rank = cost.argsort(axis=1, kind="stable").argsort(axis=1)
        return (rank < min(self.keep, problem.max_deployed)) & (problem.limit > 0.0)


class Unfinished(fr.Deployer):
    """A deployer that cannot choose."""


class Halves(fr.Deployer):
    """Returns what it is told to, whatever the problem."""

    what: str = "shape"

    def choose(self, problem: fr.StageProblem) -> Any:
        """Return something wrong."""
        every = np.ones(problem.upper.shape, np.bool_)
        if self.what == "shape":
            return every[:, :1]
        if self.what == "numbers":
            return every.astype(int)
        if self.what == "many":
            return every
        absent = np.zeros_like(every)
        absent[:, problem.limit <= 0.0] = True
        return absent


three = Cheapest(keep=3)
NUMBER = 3


def first(now, upper, lower, limit, count, budget, reward, cost, state, share):
    """Fill models up in the order of their numbers."""
    for lane in range(upper.shape[1]):
        rest = 1.0
        for m in range(upper.shape[0]):
            share[m, lane] = min(limit[m, lane], rest)
            rest -= share[m, lane]
