"""What a deployer sees when a stage opens, and what it answers."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes

F8 = NDArray[np.float64]
Mask = NDArray[np.bool_]


class StageProblem(NamedTuple):
    """What a deployer may look at when a stage opens, for a batch of B trials."""

    upper: F8  #: bounds on the reward (the true means for the estimator that knows them), [B, N]
    lower: F8  #: bounds on the cost, [B, N]
    reward_mean: F8  #: true means, [R, N] with R = 1 or B
    cost_mean: F8  #: [R, N]
    limit: F8  #: throughput limits, 0 for models not available, [N]
    arrival: NDArray[np.int64]  #: [N]
    pulls: F8  #: observations so far, [B, N]
    previous: Mask  #: set of the last stage, [B, N]
    first: bool  #: whether this is the first stage
    uniforms: Callable[[], F8]  #: draws of this stage, [B, N]
    budget: float  #: margin already taken off
    charge: float  #: per-round charge for a newly deployed model
    max_deployed: int
    backend: str


class Choice(NamedTuple):
    """Deployed sets of a batch of B trials and how they were found."""

    deployed: Mask  #: [B, N]
    budget_price: F8  #: of the LP relaxation on the policy's bounds, [B]
    gap: F8  #: [B]
    method: NDArray[np.int64]  #: [B]
    status: NDArray[np.int64]  #: [B]


def rule_choice(deployed: Mask, budget_price: F8 | None = None) -> Choice:
    """Return sets that were found by a rule, without a program."""
    count = len(deployed)
    return Choice(
        deployed,
        np.zeros(count) if budget_price is None else budget_price,
        np.zeros(count),
        np.full(count, codes.RULE, np.int64),
        np.zeros(count, np.int64),
    )


def check_choice(answer: Choice | Mask, problem: StageProblem, name: str) -> Choice:
    """Return the answer of a deployer as a choice.

    Raises
    ------
    ValueError
        When it is not a mask of available models, at most ``max_deployed`` in each trial.
    """
    choice = answer if isinstance(answer, Choice) else rule_choice(np.asarray(answer))
    deployed = choice.deployed
    if deployed.shape != problem.upper.shape or deployed.dtype != np.bool_:
        raise ValueError(
            f"deployer {name}: choose must return a boolean mask of trials x models, "
            f"{problem.upper.shape}, not {deployed.dtype} of shape {deployed.shape}"
        )
    most = int(deployed.sum(axis=1).max(initial=0))
    if most > problem.max_deployed:
        raise ValueError(
            f"deployer {name}: choose returned {most} models in a trial, more than "
            f"max_deployed={problem.max_deployed}"
        )
    absent = deployed.any(axis=0) & (problem.limit <= 0.0)
    if absent.any():
        raise ValueError(
            f"deployer {name}: choose returned model {int(absent.argmax())}, which is not "
            "available in this stage; those of problem.limit > 0 are"
        )
    return choice
