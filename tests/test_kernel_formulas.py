"""Every formula gives the same number, to the bit, wherever it is called.

As plain Python calls it with floats, as the reference calls it, compiled by Numba, on whole tables
of NumPy and traced by JAX: over random values and over extreme ones.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numba import njit

from fastroute.kernels.formulas import (
    constraints,
    divergence,
    estimates,
    names,
    outcomes,
    ridge,
    schedules,
    scores,
    shares,
    spread,
    windows,
)
from fastroute.kernels.numba_.formulas import MODULES, formula
from fastroute.kernels.ref import formulas as plain

#: Rows of a table.
SIZE = 400

Draw = Callable[[np.random.Generator], tuple[Any, ...]]


def counts(rng: np.random.Generator) -> Any:
    return rng.choice([0.0, 1.0, 2.0, 7.0, 1e3, 1e9], SIZE)


def unit(rng: np.random.Generator) -> Any:
    """Numbers in [0, 1), many of them at the ends."""
    return rng.random(SIZE) * rng.choice([0.0, 1.0, 1e-60, 1.0 - 2.0**-53], SIZE)


def costs(rng: np.random.Generator) -> Any:
    return rng.random(SIZE) * rng.choice([0.0, 1e-60, 1e-9, 1.0, 1e9, 1e60], SIZE)


def signed(rng: np.random.Generator) -> Any:
    return rng.normal(size=SIZE) * rng.choice([0.0, 1e-60, 1.0, 1e12], SIZE)


def seen(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    count = counts(rng)
    return count, count * rng.choice([0.0, 0.3, 1.0], SIZE), count * unit(rng) * 3.0


def seen_apart(rng: np.random.Generator) -> tuple[Any, Any, Any, Any]:
    """As :func:`seen`, with a count of the costs."""
    count, rewards, _ = seen(rng)
    cost_count, _, costs = seen(rng)
    return count, rewards, costs, cost_count


def of_radius(rng: np.random.Generator) -> tuple[float, ...]:
    """Parameters of an estimator with a confidence radius."""
    dearest = float(rng.choice([1e-9, 0.7, 3.0, 1e60]))
    return (
        float(rng.choice([0.0, 1e-3, 0.1, 20.0])),
        dearest * float(rng.choice([0.0, 0.05, 1.0])),
        dearest,
        float(rng.choice([-1.0, 1.0])),
        float(rng.choice([0.0, 1.0, 5.0])),
        float(rng.choice([1.0, 0.997, 0.5])),
    )


def positive(rng: np.random.Generator) -> Any:
    """Numbers above 0, as logarithms are taken of."""
    return rng.random(SIZE) * rng.choice([1e-12, 1e-6, 1.0, 1.0 + 2.0**-52], SIZE) + 1e-12


def of_level(rng: np.random.Generator) -> tuple[float, ...]:
    """Parameters of an estimator with a level: this, the range of costs, observations."""
    _, low, top, _, below, _ = of_radius(rng)
    return float(rng.choice([0.0, 0.3, 14.0])), low, top, below


def with_squares(rng: np.random.Generator) -> tuple[Any, ...]:
    count, reward, cost = seen(rng)
    return count, reward, cost, reward * unit(rng), cost * costs(rng)


def with_block(rng: np.random.Generator) -> tuple[Any, ...]:
    """What is seen of all observations, and of the newest block."""
    count, reward, cost = seen(rng)
    share = unit(rng)
    newest = np.minimum(np.floor(count * share), rng.choice([0.0, 1.0, 7.0], SIZE))
    return count, reward, cost, newest, reward * share, cost * share


def with_squares_apart(rng: np.random.Generator) -> tuple[Any, ...]:
    return (*with_squares(rng), counts(rng))


def with_blocks_apart(rng: np.random.Generator) -> tuple[Any, ...]:
    count, reward, _, newest, new_reward, _ = with_block(rng)
    cost_count, _, cost, new_costs, _, new_cost = with_block(rng)
    return count, reward, cost, newest, new_reward, new_cost, cost_count, new_costs


def of_test(rng: np.random.Generator) -> tuple[float, ...]:
    """Parameters of a block, a level and what a model begins with."""
    block, level = float(rng.choice([1.0, 2.0, 8.0])), float(rng.choice([1e-4, 1.0, 30.0]))
    first = float(rng.choice([0.0, 3.0]))
    return (*of_radius(rng)[:5], block, level, first, 0.7 * first, 0.3 * first)


def of_price(rng: np.random.Generator) -> tuple[float, float, float]:
    """Step or weight, pace and scale of a router with a price."""
    dearest = float(rng.choice([1e-9, 0.7, 3.0, 1e9]))
    step, pace = float(rng.choice([1e-9, 0.05, 30.0])), float(rng.choice([0.0, 0.3, 1.0]))
    return step, pace * dearest, 1.0 / dearest


def of_pacer(rng: np.random.Generator) -> tuple[float, ...]:
    return (*of_price(rng), float(rng.choice([0.05, 1.0])), float(rng.choice([0.3, 5.0])))


def rounds(rng: np.random.Generator) -> Any:
    return rng.integers(0, 200, SIZE)


#: Arguments of every formula: columns of a table, and numbers that are the same in all rows.
ARGUMENTS: dict[Callable[..., Any], Draw] = {
    constraints.enough: lambda rng: (1.0 + unit(rng) * 1e-11 - 5e-12,),
    constraints.proportional: lambda rng: (unit(rng), unit(rng)),
    constraints.counted_cost: lambda rng: (costs(rng), costs(rng)),
    constraints.budget_tolerance: lambda rng: (costs(rng), costs(rng)),
    divergence.reduced: lambda rng: (positive(rng), positive(rng)),
    divergence.log_quotient: lambda rng: (
        0.34 * (unit(rng) - 0.5),
        rng.integers(-40, 40, SIZE).astype(float),
    ),
    divergence.divergence: lambda rng: (unit(rng), *(positive(rng) for _ in range(3))),
    divergence.divergence_bound: lambda rng: (unit(rng), costs(rng)),
    divergence.first_bound: lambda rng: (unit(rng), positive(rng), unit(rng), costs(rng)),
    divergence.divergence_bounds: lambda rng: (seen(rng), *of_level(rng)),
    divergence.divergence_interval: lambda rng: (seen(rng), *of_level(rng)),
    divergence.divergence_bounds_apart: lambda rng: (seen_apart(rng), *of_level(rng)),
    divergence.divergence_interval_apart: lambda rng: (seen_apart(rng), *of_level(rng)),
    divergence.wider_side: lambda rng: (unit(rng), unit(rng)),
    divergence.means: lambda rng: (signed(rng), signed(rng)),
    estimates.radius: lambda rng: (unit(rng), 1.0 / (counts(rng) + 1.0), of_radius(rng)[0]),
    estimates.count_observation: lambda rng: (seen(rng), unit(rng), costs(rng), *of_radius(rng)),
    estimates.bounds: lambda rng: (seen(rng), *of_radius(rng)),
    estimates.bounds_apart: lambda rng: (seen_apart(rng), *of_radius(rng)),
    estimates.interval_apart: lambda rng: (seen_apart(rng), *of_radius(rng)),
    estimates.count_reward: lambda rng: (seen_apart(rng), unit(rng), *of_radius(rng)),
    estimates.count_cost: lambda rng: (seen_apart(rng), costs(rng), *of_radius(rng)),
    estimates.discounted_reward: lambda rng: (seen_apart(rng), unit(rng), *of_radius(rng)),
    estimates.discounted_cost: lambda rng: (seen_apart(rng), costs(rng), *of_radius(rng)),
    estimates.exact_interval: lambda rng: ((unit(rng), costs(rng)),),
    estimates.interval: lambda rng: (seen(rng), *of_radius(rng)),
    estimates.discounted_observation: lambda rng: (
        seen(rng),
        unit(rng),
        costs(rng),
        *of_radius(rng),
    ),
    estimates.posterior: lambda rng: (
        *seen(rng)[:2],
        rng.normal(size=SIZE),
        float(rng.choice([0.0, 1.0, 5.0])),
    ),
    estimates.worth: lambda rng: (
        unit(rng),
        costs(rng),
        np.where(rng.random(SIZE) < 0.1, np.inf, unit(rng)),
        costs(rng),
        costs(rng),
    ),
    estimates.surely_better: lambda rng: (unit(rng), unit(rng) + rng.choice([0.0, 1e-9], SIZE)),
    outcomes.bernoulli: lambda rng: (unit(rng), unit(rng)),
    outcomes.uniform_cost: lambda rng: (unit(rng), costs(rng)),
    outcomes.always: lambda rng: (unit(rng), costs(rng)),
    outcomes.aliased: lambda rng: (unit(rng), rounds(rng), unit(rng), rounds(rng)),
    ridge.ridge_upper: lambda rng: (
        signed(rng),
        signed(rng),
        counts(rng),
        float(rng.choice([-0.4, 0.0, 0.5, 30.0])),
        float(rng.choice([0.0, 1.0, 5.0])),
    ),
    ridge.ridge_inverse: lambda rng: (signed(rng), signed(rng), signed(rng), unit(rng)),
    ridge.ridge_theta: lambda rng: (signed(rng), signed(rng), signed(rng), unit(rng)),
    schedules.at_intervals: lambda rng: (rounds(rng), int(rng.choice([1, 2, 7]))),
    schedules.once: lambda rng: (rounds(rng), float(rng.choice([0.0, 5.0]))),
    schedules.doubling: lambda rng: (rounds(rng), int(rng.choice([0, 1, 3, 5]))),
    scores.ratio_score: lambda rng: (unit(rng), costs(rng), (), of_price(rng)[2]),
    scores.drift_score: lambda rng: (unit(rng), costs(rng), (costs(rng),), *of_price(rng)),
    scores.drift_learn: lambda rng: ((costs(rng),), unit(rng), costs(rng), *of_price(rng)),
    scores.pacer_score: lambda rng: (
        unit(rng),
        costs(rng),
        (unit(rng), costs(rng)),
        *of_pacer(rng),
    ),
    scores.pacer_learn: lambda rng: (
        (unit(rng), costs(rng)),
        unit(rng),
        costs(rng),
        *of_pacer(rng),
    ),
    scores.primal_dual_score: lambda rng: (unit(rng), costs(rng), (costs(rng),), *of_price(rng)),
    scores.primal_dual_learn: lambda rng: (
        (1e-3 + costs(rng),),
        unit(rng),
        costs(rng),
        *of_price(rng),
    ),
    shares.left_over: lambda rng: (unit(rng), 1.5 * unit(rng)),
    shares.mixed: lambda rng: (float(rng.choice([0.0, 0.3, 1.0])), unit(rng), unit(rng)),
    shares.again_uniform: lambda rng: (unit(rng), float(rng.choice([0.0, 0.3, 1.0]))),
    shares.explored: lambda rng: (rounds(rng),),
    shares.within: lambda rng: (signed(rng), unit(rng)),
    shares.whole: lambda rng: (1.0 + signed(rng) * 1e-9,),
    spread.squared_observation: lambda rng: (with_squares(rng), unit(rng), costs(rng)),
    spread.spread_bounds: lambda rng: (with_squares(rng), *of_level(rng)),
    spread.spread_interval: lambda rng: (with_squares(rng), *of_level(rng)),
    spread.squared_reward: lambda rng: (with_squares_apart(rng), unit(rng)),
    spread.squared_cost: lambda rng: (with_squares_apart(rng), costs(rng)),
    spread.spread_bounds_apart: lambda rng: (with_squares_apart(rng), *of_level(rng)),
    spread.spread_interval_apart: lambda rng: (with_squares_apart(rng), *of_level(rng)),
    spread.half_width: lambda rng: (
        unit(rng),
        counts(rng),
        1.0,
        1.0 / (counts(rng) + 1.0),
        of_level(rng)[0],
    ),
    windows.windowed_observation: lambda rng: (
        with_block(rng),
        unit(rng),
        costs(rng),
        *of_test(rng)[:6],
    ),
    windows.tested_observation: lambda rng: (with_block(rng), unit(rng), costs(rng), *of_test(rng)),
    windows.windowed_reward: lambda rng: (with_blocks_apart(rng), unit(rng), *of_test(rng)[:6]),
    windows.windowed_cost: lambda rng: (with_blocks_apart(rng), costs(rng), *of_test(rng)[:6]),
    windows.tested_reward: lambda rng: (with_blocks_apart(rng), unit(rng), *of_test(rng)),
    windows.tested_cost: lambda rng: (with_blocks_apart(rng), costs(rng), *of_test(rng)),
    windows.of_rewards: lambda rng: (with_blocks_apart(rng), costs(rng)),
    windows.of_costs: lambda rng: (with_blocks_apart(rng), unit(rng)),
    windows.joined: lambda rng: (with_block(rng), with_block(rng)),
    windows.window_bounds_apart: lambda rng: (with_blocks_apart(rng), *of_radius(rng)),
    windows.window_interval_apart: lambda rng: (with_blocks_apart(rng), *of_radius(rng)),
    windows.added: lambda rng: (with_block(rng), unit(rng), costs(rng)),
    windows.distance: lambda rng: (signed(rng), unit(rng), signed(rng), unit(rng)),
}


WHOLE = (schedules.at_intervals, schedules.once, schedules.doubling)


def rows(arguments: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Arguments of one row after the other, as plain numbers."""

    def at(value: Any, row: int) -> Any:
        if isinstance(value, tuple):
            return tuple(at(part, row) for part in value)
        return value[row].item() if isinstance(value, np.ndarray) else value

    for row in range(SIZE):
        yield tuple(at(value, row) for value in arguments)


def one_by_one(call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return np.array([call(*row) for row in rows(arguments)], np.float64)


def whole_table(found: Any) -> Any:
    parts = found if isinstance(found, tuple) else (found,)
    table = np.stack([np.broadcast_to(np.asarray(x, np.float64), SIZE) for x in parts], axis=1)
    return table if isinstance(found, tuple) else table[:, 0]


def test_every_formula_is_tried_here() -> None:
    known = {
        function
        for module in MODULES
        for function in vars(module).values()
        if inspect.isfunction(function) and function.__module__ == module.__name__
    }
    assert known == set(ARGUMENTS)


#: Draws of arguments that every formula is tried with.
SEEDS = range(4)


@functools.cache
def by_floats(function: Callable[..., Any], seed: int) -> tuple[Any, Any]:
    """Arguments that a seed draws, and what plain Python makes of them with floats."""
    arguments = ARGUMENTS[function](np.random.default_rng(seed))
    return arguments, one_by_one(function, arguments)


@pytest.mark.parametrize("function", ARGUMENTS, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_are_the_same_to_the_bit(function: Callable[..., Any]) -> None:
    in_numba = njit(error_model="numpy")(formula(function))
    # Schedules count in whole numbers.
    in_ref = function if function in WHOLE else plain.formula(function)
    for seed in SEEDS:
        arguments, floats = by_floats(function, seed)
        for way, found in {
            "ref": one_by_one(in_ref, arguments),
            "numba": one_by_one(in_numba, arguments),
            "numpy": whole_table(function(*arguments)),
        }.items():
            np.testing.assert_array_equal(found, floats, f"{way}, seed {seed}")


@pytest.fixture(scope="module")
def in_jax() -> dict[Callable[..., Any], list[Any]]:
    """Results of every formula for every seed, by one program: many small ones take longer."""
    jax = pytest.importorskip("jax")
    program = jax.jit(
        lambda arguments: [f(*given) for f, given in zip(ARGUMENTS, arguments, strict=True)]
    )
    found: dict[Callable[..., Any], list[Any]] = {function: [] for function in ARGUMENTS}
    for seed in SEEDS:
        with jax.enable_x64(True):
            tables = program([by_floats(function, seed)[0] for function in ARGUMENTS])
        for function, table in zip(ARGUMENTS, tables, strict=True):
            found[function].append(whole_table(table))
    return found


@pytest.mark.parametrize("function", ARGUMENTS, ids=lambda f: f.__name__)
def test_jax_gives_the_same_to_the_bit(
    function: Callable[..., Any], in_jax: dict[Callable[..., Any], list[Any]]
) -> None:
    for seed in SEEDS:
        _, floats = by_floats(function, seed)
        np.testing.assert_array_equal(in_jax[function][seed], floats, f"seed {seed}")


UNUSUAL = (0.0, -0.0, 1.0, -2.5, 1e-300, 1e300, math.inf, -math.inf, math.nan)
PAIRS = [(x, y) for x in UNUSUAL for y in UNUSUAL]
#: Of nan and a number Python takes the first, arrays take nan.
ORDERED = [(x, y) for x, y in PAIRS if y == y]
UNUSUAL_ARGUMENTS: dict[Callable[..., Any], list[Any]] = {
    names.sqrt: [(x,) for x in UNUSUAL],
    names.rounded: [(x,) for x in UNUSUAL],
    names.minimum: ORDERED,
    names.maximum: ORDERED,
    names.quotient: PAIRS,
    names.where: [(x < y, x, y) for x, y in PAIRS],
}
NAMES = pytest.mark.parametrize("name", UNUSUAL_ARGUMENTS, ids=lambda f: f.__name__)


def columns_of(arguments: list[Any]) -> list[Any]:
    return [np.array(column) for column in zip(*arguments, strict=True)]


@NAMES
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_floats_give_what_arrays_and_numba_give(name: Callable[..., Any]) -> None:
    """A side of ``where`` that is not taken must not raise."""
    arguments = UNUSUAL_ARGUMENTS[name]
    columns = columns_of(arguments)
    floats = np.array([name(*row) for row in arguments])
    np.testing.assert_array_equal(name(*columns), floats)
    alike: Any = {
        1: lambda x: name(x),
        2: lambda x, y: name(x, y),
        3: lambda c, x, y: name(c, x, y),
    }
    in_numba = njit(error_model="numpy")(alike[len(columns)])
    np.testing.assert_array_equal([in_numba(*row) for row in arguments], floats)


@NAMES
def test_jax_gives_what_floats_give(name: Callable[..., Any]) -> None:
    jax = pytest.importorskip("jax")
    arguments = UNUSUAL_ARGUMENTS[name]
    floats = np.array([name(*row) for row in arguments])
    with jax.enable_x64(True):
        found = np.asarray(jax.jit(name)(*columns_of(arguments)))
    expected = np.where(np.isnan(floats), 1.0, floats) if name is names.rounded else floats
    np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings("error")
def test_the_reference_calls_a_formula_that_divides_by_zero() -> None:
    def divided(seen: Any, extra: Any) -> Any:
        count, total = seen
        return names.where(count > 0.0, total / count, 1.0), names.sqrt(extra - count)

    call = plain.formula(divided)
    assert call((0.0, 3.0), 4.0) == (1.0, 2.0)
    found = call((2.0, 3.0), 1.0)
    assert found[0] == 1.5
    assert math.isnan(found[1])
    assert [type(x) for x in found] == [float, float]
    assert plain.formula(lambda x: x / 0.0)(1.0) == math.inf
