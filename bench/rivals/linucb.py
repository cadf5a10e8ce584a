"""LinUCB (Li, Chu, Langford & Schapire 2010), one ridge regression for each of ten models.

Less work than fastroute's ``linear``: no costs, no budget, no deployment, no linear program.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

import fastroute as fr
from fastroute.bench.rivals.base import Player

#: Width of the bounds.
BETA: Final = 0.5


def numpy_trials(trials: int, rounds: int) -> Callable[[], float]:
    """Vectorise over trials, in the world of the rows on features; rank-one updates."""
    law: Any = fr.scenario("linear", d=16, n_models=10).reward
    features, mean = law.features, law.mean
    size = features.shape[1]
    row = np.arange(trials)

    def run() -> float:
        draw = np.random.default_rng(0)
        inverse = np.tile(np.eye(size), (trials, mean.shape[1], 1, 1))
        theta = np.zeros(inverse.shape[:3])
        total = 0
        for _ in range(rounds):
            query = draw.integers(len(features), size=trials)
            x = features[query]
            z = (inverse @ x[:, None, :, None])[..., 0]
            square = (z @ x[:, :, None])[..., 0]
            predicted = (theta @ x[:, :, None])[..., 0]
            pick = (predicted + BETA * np.sqrt(square)).argmax(axis=1)
            reward = draw.random(trials) < mean[query, pick]
            share = 1.0 / (1.0 + square[row, pick])
            step, error = z[row, pick], reward - predicted[row, pick]
            inverse[row, pick] -= step[:, :, None] * step[:, None] * share[:, None, None]
            theta[row, pick] += step * (error * share)[:, None]
            total += int(reward.sum())
        return total / (trials * rounds)

    return run


PLAYERS: Final = (
    Player(
        "LinUCB, NumPy over trials",
        numpy_trials,
        "ten models, 16 features; vectorised over trials, a loop over rounds",
        "NumPy manual, vectorisation",
        64,
        1000,
        ("numpy",),
    ),
)
