"""Routers of your own that do not rank: one function, called for many trials at once.

A router that ranks the models is a class with a score, see :class:`fastroute.Router`.  Any other is
a function that Numba can compile, with this signature::

    def route(now, upper, lower, limit, count, budget, reward, cost, state, share): ...

It is called before every round (every ``resolve_every`` rounds) with one column for each of many
trials, and writes the routing distributions of the round.

=========  ====================  ==============================================================
argument   type                  what it is
=========  ====================  ==============================================================
now        int                   round, 0-based
upper      float [models, n]     U of the estimator, of each deployed model (row) and trial
lower      float [models, n]     L of the estimator, in the cost unit of the scenario
limit      float [models, n]     throughput limit; 0 where a trial has no such model
count      float [models, n]     observations of the model
budget     float                 b, with the margin taken off
reward     float [n]             reward of the last round (0 before the first)
cost       float [n]             cost of the last round
state      float [8, n]          yours to keep numbers in; 0 before the first round
share      float [models, n]     to be written: the distribution, 0 at first
=========  ====================  ==============================================================

Only ``state`` and ``share`` can be written to.  The shares of a trial must be at least 0, at most
its limits, and add up to 1; a run ends with an error where they do not.  Where limits add up to
less than 1, and where a trial has no model at all, shares follow the limits and what was written is
ignored.  Loops with the trials (columns) inside become vector instructions.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Final

from pydantic import Field, field_validator

from fastroute.kernels.types import RouterKernel
from fastroute.policies.part import Rounds, Router, RunNumbers

ARGUMENTS: Final = 10


class Custom(Router):
    """A function of the user's as a router.

    Attributes
    ----------
    function : callable
        See the module.
    resolve_every : int
        Rounds between two calls.
    """

    name: ClassVar[str] = "custom"
    passes: ClassVar[str] = "custom_shares"
    backends: ClassVar[tuple[str, ...]] = ("numba", "ref")

    function: Callable[..., Any] = Field(exclude=True)
    resolve_every: Rounds = 1

    @field_validator("function", mode="before")
    @classmethod
    def _validate_function(cls, value: Any) -> Any:
        check_router(value)
        return value

    @property
    def label(self) -> str:
        """Name of the function."""
        return router_name(self.function)

    @property
    def is_own(self) -> bool:
        """A function is of the user's own making."""
        return True

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the budget."""
        return (run.budget,)

    def kernel(self, run: RunNumbers) -> RouterKernel:
        """Return the router as the kernels see it."""
        return super().kernel(run)._replace(function=python_function(self.function))

    def refusal(self, backend: str) -> str:
        """Say that a backend cannot call a function, and what to do."""
        return (
            f'backend="{backend}" cannot call the router {self.label}, a function. Use '
            'backend="numba".'
        )

    def _word(self) -> str:
        return self._reference(python_function(self.function))


def check_router(function: Any) -> None:
    """Refuse what cannot be a router.

    Raises
    ------
    ValueError
        When it is not callable, or takes another number of arguments.
    """
    if not callable(function):
        raise ValueError(f"must be a function, got {function!r}")
    try:
        count = len(inspect.signature(python_function(function)).parameters)
    except (TypeError, ValueError):
        count = -1
    if count != ARGUMENTS:
        raise ValueError(
            f"router {router_name(function)} takes {count} arguments, not {ARGUMENTS}: now, upper, "
            "lower, limit, count, budget, reward, cost, state, share"
        )


def python_function(function: Any) -> Any:
    """Return the Python function behind a compiled one, or the function itself."""
    return getattr(function, "py_func", function)


def router_name(function: Any) -> str:
    """Name of a router in messages and settings."""
    return str(getattr(function, "__name__", repr(function)))
