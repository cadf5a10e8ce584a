"""What is known of one trial while a stage is open."""

from dataclasses import dataclass, field

import numpy as np

from fastroute.kernels.codes import OPTIMAL
from fastroute.kernels.types import F8, STATES


@dataclass
class Trial:
    """One trial; every list has one entry for each deployed model."""

    number: int = 0
    slots: int = 0  #: most models deployed
    models: list[int] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    mean_reward: list[float] = field(default_factory=list)
    mean_cost: list[float] = field(default_factory=list)
    #: What the estimator has seen: observations, sums of rewards and costs, numbers of its own.
    seen: list[tuple[float, ...]] = field(default_factory=list)
    plays: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    status: int = OPTIMAL
    state: list[float] = field(default_factory=lambda: [0.0] * STATES)
    #: Reward and cost of the last round.
    last: tuple[float, float] = (0.0, 0.0)
    #: Observations by task, [J, N, 2], and the task of the round's query.
    contexts: F8 = field(default_factory=lambda: np.empty((0, 0, 2)))
    task: int = -1
