"""What a pass is: a function that does one step of a round of one trial.

A round is a list of passes (:mod:`.rounds` plays it): those of the policy come from
:mod:`.estimators` and :mod:`.routers`, those of the world from :mod:`.outcomes`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastroute.kernels.codes import OPTIMAL
from fastroute.kernels.types import F8

Numbers = tuple[float, ...]


@dataclass
class Trial:
    """What is known of one trial in a stage; lists have one entry per deployed model."""

    number: int = 0
    slots: int = 0  #: models that can be deployed at once
    opened: int = 0  #: first round of the stage

    # The world.
    models: list[int] = field(default_factory=list)  #: in increasing order
    limit: list[float] = field(default_factory=list)  #: 0 for a model that was dropped
    mean_reward: list[float] = field(default_factory=list)
    mean_cost: list[float] = field(default_factory=list)

    # What the policy remembers, and believes.
    seen: list[Numbers] = field(default_factory=list)  #: by the estimator, of each model
    plays: list[float] = field(default_factory=list)
    contexts: F8 = field(default_factory=lambda: np.empty((0, 0, 2)))  #: as in ``Memory``
    state: Numbers = ()  #: what the router keeps
    upper: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)  #: set by the router
    status: int = OPTIMAL  #: of the routing problem
    refused: int = -1  #: last round in which a function of the user gave no distribution

    # The round: uniform numbers, the distribution played, what was pulled, brought and paid.
    u_choice: float = 0.0
    u_reward: float = 0.0
    u_cost: float = 0.0
    u_task: float = 0.0
    row: int = 0  #: of the query, in the table of the law of the rewards
    played: list[float] = field(default_factory=list)
    slot: int = -1  #: of the pulled model, -1 for none
    earned: float = 0.0
    paid: float = 0.0

    # What is learnt in the round: of its own outcome, or in a world with delays of what is due.
    reward: float = 0.0
    cost: float = 0.0
    pending: Any = None  #: outcomes that are yet to be learnt, see :mod:`.feedback`
    known: F8 = field(default_factory=lambda: np.empty((0, 0)))  #: seen of every model, [.., N]


#: ``(trial, now)``: one step of round ``now``; changes the trial.
Pass = Callable[[Trial, int], None]
#: ``(elapsed, slots)``: whether the router sets new shares, ``elapsed`` rounds after the stage
#: opened.
Due = Callable[[int, int], bool]
