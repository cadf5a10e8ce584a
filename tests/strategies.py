"""Routing and deployment problems for tests: random, degenerate, and drawn by Hypothesis."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastroute.kernels.tolerances import MASS

F8 = NDArray[np.float64]
Rng = np.random.Generator


class Problems(NamedTuple):
    """A batch of routing LPs of one size; with a charge and a cap also of deployment problems."""

    reward: F8  # [B, M]
    cost: F8  # [B, M]
    limit: F8  # [B, M]
    budget: F8  # [B]

    @property
    def size(self) -> int:
        return int(self.reward.shape[1])

    def rows(self, index: NDArray[np.intp] | slice) -> "Problems":
        return Problems(*(np.ascontiguousarray(x[index]) for x in self))

    def models(self, index: NDArray[np.intp]) -> "Problems":
        """The same problems with the models in another order, or with some of them only."""
        u, c, a = (np.ascontiguousarray(x[:, index]) for x in self[:3])
        return Problems(u, c, a, self.budget)


def cheapest_mix(cost: F8, limit: F8, reward: F8 | None = None) -> tuple[F8, F8]:
    """Cheapest distribution (best reward among equals) and its cost, [B, M] and [B].

    Rows whose limits add up to less than 1 are filled as far as they go.
    """
    tie = np.zeros_like(cost) if reward is None else -reward
    order = np.lexsort((tie, cost))
    a = np.take_along_axis(limit, order, 1)
    rest = 1.0 - (np.cumsum(a, 1) - a)
    p = np.empty_like(a)
    # A rest within the tolerance is not placed.
    np.put_along_axis(p, order, np.where(rest > MASS, np.clip(rest, 0.0, a), 0.0), 1)
    return p, (p * cost).sum(1)


# --- Parts: every one takes (rng, batch, size). -------------------------------------------------


def _grid(rng: Rng, batch: int, size: int) -> F8:
    return rng.integers(0, 5, (batch, size)) / 4.0


def _constant(rng: Rng, batch: int, size: int) -> F8:
    return np.repeat(rng.random((batch, 1)), size, 1)


def _duplicates(rng: Rng, batch: int, size: int) -> F8:
    pool = rng.random((batch, max(1, size // 3)))
    return np.take_along_axis(pool, rng.integers(0, pool.shape[1], (batch, size)), 1)


def _zeros(rng: Rng, batch: int, size: int) -> F8:
    return np.zeros((batch, size))


def _half_zeros(rng: Rng, batch: int, size: int) -> F8:
    return rng.random((batch, size)) * (rng.random((batch, size)) < 0.5)


def _magnitudes(rng: Rng, batch: int, size: int) -> F8:
    return np.exp(rng.uniform(-20.0, 14.0, (batch, size)))


def _subnormal(rng: Rng, batch: int, size: int) -> F8:
    return np.asarray(rng.integers(0, 40, (batch, size)) * 5e-324)


def _huge(rng: Rng, batch: int, size: int) -> F8:
    return rng.uniform(1e4, 1e4 + 1e-3, (batch, size))


def _uniform(rng: Rng, batch: int, size: int) -> F8:
    return rng.random((batch, size))


def _lognormal(rng: Rng, batch: int, size: int) -> F8:
    return np.exp(rng.normal(0.0, 2.0, (batch, size)))


def _limits_loose(rng: Rng, batch: int, size: int) -> F8:
    return rng.uniform(0.3, 1.0, (batch, size))


def _limits_equal(rng: Rng, batch: int, size: int) -> F8:
    return np.repeat(np.maximum(rng.uniform(0.05, 1.0, (batch, 1)), 1.0 / size), size, 1)


def _limits_tenths(rng: Rng, batch: int, size: int) -> F8:
    """Just enough: ten times 0.1 and the like, a sum of 1 but for rounding, up or down."""
    return np.full((batch, size), 1.0 / size)


def _limits_random_sum_one(rng: Rng, batch: int, size: int) -> F8:
    a = rng.random((batch, size)) + 1e-3
    return a / a.sum(1, keepdims=True)


def _limits_binary(rng: Rng, batch: int, size: int) -> F8:
    return rng.choice([0.125, 0.25, 0.5, 1.0], (batch, size))


def _limits_one(rng: Rng, batch: int, size: int) -> F8:
    return np.ones((batch, size))


def _limits_tiny(rng: Rng, batch: int, size: int) -> F8:
    """Some limits so small that they hardly matter, next to one that carries everything."""
    a = 10.0 ** rng.uniform(-18.0, 0.0, (batch, size))
    a[np.arange(batch), rng.integers(0, size, batch)] = 1.0
    return a


Part = Callable[[Rng, int, int], F8]
REWARDS: tuple[Part, ...] = (_uniform, _grid, _constant, _duplicates, _zeros, _half_zeros)
COSTS: tuple[Part, ...] = (
    _uniform,
    _lognormal,
    _grid,
    _constant,
    _duplicates,
    _zeros,
    _half_zeros,
    _magnitudes,
    _subnormal,
    _huge,
)
LIMITS: tuple[Part, ...] = (
    _limits_loose,
    _limits_equal,
    _limits_tenths,
    _limits_random_sum_one,
    _limits_binary,
    _limits_one,
    _limits_tiny,
)


def _budgets(rng: Rng, cost: F8, limit: F8, kind: int) -> F8:
    low = cost.min(1)
    high = cost.max(1)
    mix = cheapest_mix(cost, limit)[1]
    if kind == 0:
        return low + rng.random(len(cost)) * (high - low)
    if kind == 1:
        return mix
    if kind == 2:
        return mix + 10.0 ** rng.uniform(-14.0, 0.0, len(cost)) * (high - mix)
    if kind == 3:
        return np.take_along_axis(cost, rng.integers(0, cost.shape[1], (len(cost), 1)), 1)[:, 0]
    if kind == 4:
        return np.where(rng.random(len(cost)) < 0.5, np.inf, high)
    return mix * rng.random(len(cost))


def random_problems(rng: Rng, batch: int, size: int) -> Problems:
    """LPs with nothing special about them, half of the budgets binding."""
    cost = _lognormal(rng, batch, size)
    limit = np.maximum(_limits_loose(rng, batch, size), 1.0 / size)
    budget = _budgets(rng, cost, limit, 2 if rng.random() < 0.5 else 0)
    return Problems(_uniform(rng, batch, size), cost, limit, budget)


def stage_problems(rng: Rng, size: int, *, tight: bool) -> Problems:
    """One deployment problem in which dear models are good, [1, N]; equal or unequal limits."""
    cost = np.exp(rng.normal(0.0, 1.2, (1, size)))
    reward = np.clip(0.3 + 0.15 * np.log(cost) + 0.2 * rng.normal(size=(1, size)), 0.0, 1.0)
    if rng.random() < 0.5:
        limit = np.full((1, size), rng.choice([0.2, 0.25, 0.4, 0.5, 0.6, 1.0]))
    else:
        limit = rng.uniform(0.1 if rng.random() < 0.5 else 0.3, 0.8, (1, size))
    low, high = cost.min(1), cost.max(1)
    span = rng.choice([0.005, 0.05]) if tight else rng.choice([0.3, 0.6])
    return Problems(reward, cost, limit, low + (high - low) * span * rng.random())


def degenerate_problems(rng: Rng, batch: int, size: int) -> Problems:
    """One random combination of ways to be degenerate, the same for the whole batch."""
    reward = REWARDS[rng.integers(len(REWARDS))](rng, batch, size)
    cost = COSTS[rng.integers(len(COSTS))](rng, batch, size)
    limit = LIMITS[rng.integers(len(LIMITS))](rng, batch, size)
    shape = rng.integers(4)
    if shape == 0:  # On one line, but for rounding.
        reward = 0.2 + 0.5 * cost / np.maximum(cost.max(1, keepdims=True), 5e-324)
    elif shape == 1 and size > 1:  # Duplicates of whole models, limits apart.
        source = rng.integers(0, size, (batch, size))
        reward = np.take_along_axis(reward, source, 1)
        cost = np.take_along_axis(cost, source, 1)
    budget = _budgets(rng, cost, limit, int(rng.integers(6)))
    return Problems(reward, cost, limit, budget)


def exact_problems(rng: Rng, batch: int, size: int) -> Problems:
    """LPs with many ties on multiples of 1/16: all slopes that are equal are equal as floats.

    What a tolerance decides in other problems is decided by the tie order here.
    """
    levels = rng.integers(2, 6)
    reward = rng.integers(0, levels, (batch, size)) / 8.0
    cost = rng.integers(0, levels + 1, (batch, size)) / 8.0
    if rng.random() < 0.3:
        reward = 0.5 * cost
    limit = rng.choice([0.0625, 0.125, 0.25, 0.5, 1.0], (batch, size))
    if rng.random() < 0.3:
        limit[:] = 0.5
    kind = rng.integers(3)
    if kind == 0:
        budget = rng.integers(0, 8 * levels, batch) / 64.0
    else:
        budget = _budgets(rng, cost, limit, 1 if kind == 1 else 3)
    return Problems(reward, cost, limit, budget)


def mixed_problems(rng: Rng, batch: int, size: int) -> Problems:
    """Costs over thirteen orders of magnitude, budgets around the least one that can be met."""
    cost = 10.0 ** rng.uniform(-7.0, 6.0, (batch, size))
    limit = LIMITS[rng.integers(len(LIMITS))](rng, batch, size)
    kind = rng.integers(4)
    if kind == 3:
        budget = 10.0 ** rng.uniform(-8.0, 6.0, batch)
    else:
        near = cost.min(1) if kind == 0 else cheapest_mix(cost, limit)[1]
        budget = near * (1.0 if kind == 1 else rng.uniform(0.5, 1.5, batch))
    return Problems(_uniform(rng, batch, size), cost, limit, budget)


SIZES = (1, 2, 3, 4, 5, 6, 8, 11, 16, 24, 32, 64)


def many_problems(seed: int, total: int, batch: int = 250) -> Iterator[Problems]:
    """About ``total`` LPs in batches, one part in six each random and mixed, others degenerate."""
    rng = np.random.default_rng(seed)
    for k in range(-(-total // batch)):
        size = int(rng.choice(SIZES))
        kinds = random_problems, *[degenerate_problems] * 3, exact_problems, mixed_problems
        kind = kinds[k % len(kinds)]
        yield kind(rng, batch, size)


# --- Hypothesis -------------------------------------------------------------------------------


def _numbers(top: float) -> st.SearchStrategy[float]:
    """Numbers in [0, top] among which ties, zeros and subnormals are common."""
    return st.one_of(
        st.integers(0, 8).map(lambda k: top * k / 8.0),
        st.floats(0.0, top, allow_nan=False),
        st.sampled_from([0.0, 5e-324, 2.2e-308, top * 1e-9, top]),
    )


_LIMITS = st.one_of(
    st.sampled_from([0.1, 0.125, 0.2, 0.25, 1.0 / 3.0, 0.4, 0.5, 1.0]),
    st.floats(1e-9, 1.0),
    st.just(0.0),
)


@st.composite
def routing_problems(draw: st.DrawFn, max_size: int = 7) -> Problems:
    """One LP, [1, M]; limits of 0 (absent models) and infeasible problems included."""
    size = draw(st.integers(1, max_size))
    scale = draw(st.sampled_from([1.0, 1e-6, 1e4]))
    reward = draw(st.lists(_numbers(1.0), min_size=size, max_size=size))
    cost = draw(st.lists(_numbers(scale), min_size=size, max_size=size))
    limit = draw(st.lists(_LIMITS, min_size=size, max_size=size))
    tight = cheapest_mix(np.array([cost]), np.array([limit]))[1][0]
    budget = draw(st.one_of(_numbers(scale), st.just(float(tight)), st.just(np.inf)))
    return Problems(np.array([reward]), np.array([cost]), np.array([limit]), np.array([budget]))


class DeploymentCase(NamedTuple):
    """One deployment problem, its charges and its cap."""

    problem: Problems  # [1, N]
    charge: F8  # [1, N]
    max_deployed: int


@st.composite
def deployment_problems(draw: st.DrawFn, max_size: int = 6) -> DeploymentCase:
    """One small deployment problem, with and without charges."""
    problem = draw(routing_problems(max_size))
    size = problem.size
    charges = st.lists(st.sampled_from([0.0, 0.0625, 0.25]), min_size=size, max_size=size)
    charge = draw(st.one_of(st.just([0.0] * size), charges))
    return DeploymentCase(problem, np.array([charge]), draw(st.integers(1, size)))
