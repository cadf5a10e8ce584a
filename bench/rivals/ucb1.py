"""UCB1 (Auer, Cesa-Bianchi & Fischer 2002) on ten Bernoulli arms, in the styles that people write.

Less work than StageRoute: no costs, no budget, no deployment, no linear program.
Every trial pulls each arm once, then the arm of largest ``mean + sqrt(2 log t / pulls)``.
"""

import math
import random
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fastroute.bench.rivals.base import Player

#: Success probabilities of the arms.
ARMS: Final = tuple(np.linspace(0.1, 0.9, 10).tolist())

Run = Callable[[], float]


def numba_loop(trials: int, rounds: int) -> Run:
    """Compile the plain loop; one square root and two divisions for each arm and round."""
    from numba import njit

    @njit
    def play(arms: Any, trials: int, rounds: int) -> float:
        size = len(arms)
        pulls = np.empty(size)
        sums = np.empty(size)
        total = 0.0
        for _ in range(trials):
            pulls[:] = 0.0
            sums[:] = 0.0
            for t in range(rounds):
                pick = t
                if t >= size:
                    best = -1.0
                    log_t = 2.0 * math.log(t)
                    for m in range(size):
                        index = sums[m] / pulls[m] + math.sqrt(log_t / pulls[m])
                        if index > best:
                            best = index
                            pick = m
                reward = 1.0 if np.random.random() < arms[pick] else 0.0  # noqa: NPY002
                pulls[pick] += 1.0
                sums[pick] += reward
                total += reward
        return total

    arms = np.array(ARMS)
    return lambda: float(play(arms, trials, rounds)) / (trials * rounds)


def numpy_trials(trials: int, rounds: int) -> Run:
    """Vectorise over trials; one round of all trials is a handful of NumPy calls."""
    arms = np.array(ARMS)
    row = np.arange(trials)

    def run() -> float:
        draw = np.random.default_rng(0)
        pulls = np.zeros((trials, len(arms)))
        sums = np.zeros((trials, len(arms)))
        for t in range(rounds):
            if t < len(arms):
                pick = np.full(trials, t)
            else:
                pick = (sums / pulls + np.sqrt(2.0 * math.log(t) / pulls)).argmax(axis=1)
            reward = draw.random(trials) < arms[pick]
            pulls[row, pick] += 1.0
            sums[row, pick] += reward
        return float(sums.sum()) / (trials * rounds)

    return run


def jax_scan(trials: int, rounds: int) -> Run:
    """Write one step of one trial, ``vmap`` it over trials and ``scan`` it over rounds."""
    import jax
    import jax.numpy as jnp

    arms = jnp.array(ARMS, jnp.float32)

    def step(state: Any, key: Any, t: Any) -> Any:
        pulls, sums = state
        bonus = jnp.sqrt(2.0 * jnp.log(jnp.maximum(t, 2.0)) / jnp.maximum(pulls, 1.0))
        index = jnp.where(pulls > 0.0, sums / jnp.maximum(pulls, 1.0) + bonus, jnp.inf)
        pick = jnp.argmax(index)
        reward = (jax.random.uniform(key) < arms[pick]).astype(jnp.float32)
        hit = jnp.arange(len(ARMS)) == pick
        return pulls + hit, sums + hit * reward

    @jax.jit
    def play(key: Any) -> Any:
        def one_round(state: Any, t: Any) -> Any:
            keys = jax.random.split(jax.random.fold_in(key, t), trials)
            return jax.vmap(step, (0, 0, None))(state, keys, t.astype(jnp.float32)), None

        zero = jnp.zeros((trials, len(ARMS)), jnp.float32)
        (_, sums), _ = jax.lax.scan(one_round, (zero, zero), jnp.arange(rounds))
        return sums.sum()

    key = jax.random.key(0)
    return lambda: float(play(key).block_until_ready()) / (trials * rounds)


class _Arm:
    """A Bernoulli arm, drawn one reward at a time."""

    def __init__(self, mean: float) -> None:
        self.mean = mean

    def draw(self) -> float:
        return float(random.random() < self.mean)


class _Ucb1:
    """A policy object with one index per arm, as simulators in plain Python have it."""

    def __init__(self, size: int) -> None:
        self.size, self.t = size, 0
        self.pulls = np.zeros(size, dtype=int)
        self.rewards = np.zeros(size)

    def index(self, arm: int) -> float:
        if self.pulls[arm] < 1:
            return math.inf
        mean: float = self.rewards[arm] / self.pulls[arm]
        return mean + math.sqrt(2.0 * math.log(self.t) / self.pulls[arm])

    def choose(self) -> int:
        return max(range(self.size), key=self.index)

    def learn(self, arm: int, reward: float) -> None:
        self.t += 1
        self.pulls[arm] += 1
        self.rewards[arm] += reward


def python_objects(trials: int, rounds: int) -> Run:
    """Policy and arms as objects, one Python call for each index, choice and reward."""
    arms = [_Arm(mean) for mean in ARMS]

    def run() -> float:
        random.seed(0)
        total = 0.0
        for _ in range(trials):
            policy = _Ucb1(len(arms))
            for _ in range(rounds):
                pick = policy.choose()
                reward = arms[pick].draw()
                policy.learn(pick, reward)
                total += reward
        return total / (trials * rounds)

    return run


PLAYERS: Final = (
    Player(
        "UCB1, Numba loop",
        numba_loop,
        "plain compiled loop, np.random, double precision",
        "Numba manual, @njit",
        1024,
        10_000,
        ("numba",),
        full=False,
    ),
    Player(
        "UCB1, JAX",
        jax_scan,
        "step of one trial under vmap, scan over rounds, single precision (the style of gymnax)",
        "JAX manual, jax.vmap and jax.lax.scan",
        1024,
        10_000,
        ("jax",),
    ),
    Player(
        "UCB1, NumPy over trials",
        numpy_trials,
        "vectorised over trials, a loop over rounds",
        "NumPy manual, vectorisation",
        1024,
        2000,
        ("numpy",),
    ),
    Player(
        "UCB1, Python objects",
        python_objects,
        "objects for policy and arms (the style of SMPyBandits)",
        "SMPyBandits documentation, Policies",
        1,
        5000,
    ),
)
