"""Quantiles from counts: their stated error, and that the order of merging does not matter."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import fastroute as fr
from fastroute.simulation.api import simulate_part
from fastroute.simulation.blocks import Moments
from fastroute.simulation.frames import QUANTILES
from fastroute.simulation.merge import concatenate, make_run
from fastroute.simulation.settings import Settings
from fastroute.simulation.sketch import RELATIVE_ERROR, Sketch, merge_sketches, sketch
from fastroute.simulation.sketch import sketch_quantiles as quantiles_of

F8 = NDArray[np.float64]
LEVELS = [0.0, *QUANTILES.values(), 1.0]

numbers = st.one_of(
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-300, -1e-300, 1e300, 5e-324, 1.0078125]),
)


def assert_within_error(curves: F8) -> None:
    """Compare with the order statistics, of which NumPy's quantiles are interpolations."""
    slots = curves.shape[0] * curves.shape[2]
    found = quantiles_of(sketch(curves), slots, LEVELS)
    ordered = np.sort(curves, axis=1)
    for row, level in zip(found, LEVELS, strict=True):
        rank = level * (curves.shape[1] - 1)
        low, high = (ordered[:, int(f(rank)), :].ravel() for f in (np.floor, np.ceil))
        exact = low + (rank - np.floor(rank)) * (high - low)
        allowed = RELATIVE_ERROR * np.maximum(np.abs(low), np.abs(high))
        # The bin of zero holds what is too small to matter to anyone.
        assert (np.abs(row - exact) <= allowed * (1 + 1e-9) + 1e-307).all()


@given(arrays(np.float64, st.tuples(*[st.integers(1, 3)] * 2, st.just(2)), elements=numbers))
def test_quantiles_are_within_the_stated_error(curves: F8) -> None:
    assert_within_error(curves)


def test_quantiles_of_many_trials() -> None:
    draw = np.random.default_rng(3)
    curves = draw.lognormal(2.0, 1.5, (3, 5000, 7)) * draw.choice([-1.0, 1.0], (3, 5000, 7))
    assert_within_error(curves)
    assert_within_error(np.round(curves))
    # The bound is met with little room, so a coarser bin would be seen.
    one = np.full((1, 1, 1), 1.0 + 2.0**-7 - 2.0**-40)
    error = abs(quantiles_of(sketch(one), 1, [0.5]).item() - one.item())
    assert 0.9 * RELATIVE_ERROR < error <= RELATIVE_ERROR


@given(st.data())
def test_the_order_of_merging_does_not_matter(data: st.DataObject) -> None:
    draw = np.random.default_rng(5)
    curves = draw.normal(0.0, 3.0, (2, 40, 3)) ** 3
    cuts = sorted(data.draw(st.sets(st.integers(1, 39), max_size=5)))
    parts = [sketch(part) for part in np.array_split(curves, cuts, axis=1)]
    parts = data.draw(st.permutations(parts))
    while len(parts) > 1:
        parts = [merge_sketches(parts[:2]), *parts[2:]]
    assert_same(parts[0], sketch(curves))


def assert_same(one: Sketch, other: Sketch) -> None:
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("reduce", [False, True])
def test_parts_of_a_run_put_together_are_the_run(reduce: bool) -> None:
    scenario, policy = fr.scenario("sota"), fr.policy("stageroute")
    settings: Any = {
        "horizon": 500,
        "budget": 3.0,
        "max_deployed": 4,
        "trials": 150,
        "checkpoints": 9,
    }
    whole = fr.simulate(scenario, policy, **settings)
    parts = [
        simulate_part(scenario, policy, Settings(**settings), first, stop, keep_stages=True)
        for first, stop in ((0, 64), (64, 128), (128, 150))
    ]
    accounts = [part.accounts.reduced(curves=reduce, stages=reduce) for part in parts]
    run = make_run(scenario, policy, parts[0].settings, whole.plan, concatenate(accounts), 1.0)
    assert run.trials.equals(whole.trials)
    assert run.warnings == whole.warnings
    if not reduce:
        assert run.curves.equals(whole.curves)
        assert run.stages.equals(whole.stages)
        return
    assert isinstance(run.curve_array, Moments)
    assert isinstance(whole.curve_array, np.ndarray)
    assert_same(run.curve_array.sketch, sketch(whole.curve_array))
    np.testing.assert_allclose(run.curves["mean"], whole.curves["mean"], rtol=1e-12, atol=1e-12)
    assert run.stages.height == len(whole.plan.stages)
