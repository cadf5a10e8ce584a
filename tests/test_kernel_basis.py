"""Bases of the routing LPs in the round loop: solved anew together as one by one."""

from collections.abc import Callable

import numpy as np
import pytest

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL, OVER_BUDGET
from fastroute.kernels.numba_ import basis, lanes, layout
from fastroute.kernels.numba_.vectors import VECTOR
from strategies import F8, Problems, degenerate_problems, exact_problems, random_problems


def block_of(problems: Problems) -> F8:
    """A block whose lanes hold the problems as bounds, with every basis marked as lost."""
    count, size = problems.reward.shape
    ws: F8 = layout.workspace(layout.WIDTH, size)
    w = ws[0]
    rng = np.random.default_rng(5)
    for m in range(size):
        o = int(layout.HEAD) + m * int(layout.STEP)
        rows = (
            (layout.SLOT.upper, problems.reward[:, m]),
            (layout.SLOT.lower, problems.cost[:, m]),
            (layout.SLOT.limit, problems.limit[:, m]),
            (layout.SLOT.mean_reward, rng.random(count)),
            (layout.SLOT.mean_cost, rng.random(count)),
            (layout.SLOT.side, rng.choice([-1.0, 0.0, 1.0], count)),
            (layout.SLOT.share, rng.random(count)),
        )
        for row, values in rows:
            w[o + int(row) : o + int(row) + count] = values
    return ws


@pytest.mark.parametrize("kind", [random_problems, exact_problems, degenerate_problems])
@pytest.mark.parametrize("size", [1, 3, 5, 16])
@pytest.mark.parametrize("lost", [1, 3, VECTOR, 35, 64])
def test_bases_repaired_together_are_those_repaired_one_by_one(
    kind: Callable[[np.random.Generator, int, int], Problems], size: int, lost: int
) -> None:
    rng = np.random.default_rng(17)
    problems = kind(rng, layout.WIDTH, size)
    problems.limit[rng.random(problems.limit.shape) < 0.1] = 0.0
    budget = float(np.median(problems.budget))
    bad = rng.choice(layout.WIDTH, lost, replace=False)
    one, together = block_of(problems), block_of(problems)
    together[0, int(layout.LANE.lost) + bad] = one[0, int(layout.LANE.lost) + bad] = 1.0
    buffers = [np.empty(size) for _ in range(5)]
    for lane in np.sort(bad):
        basis.repair_one(one[0], np.uint64(size), np.uint64(lane), budget, *buffers)
    who = np.empty(layout.WIDTH)
    count = basis.collect(together[0], np.uint64(0), np.uint64(layout.WIDTH), who, 0)
    assert count == lost
    basis.repair(together, lanes.workspace(size), np.uint64(size), budget, who, count, *buffers)
    np.testing.assert_array_equal(together, one)
    status = one[0, int(layout.LANE.status) + bad]
    assert set(status) <= {OPTIMAL, NO_CAPACITY, OVER_BUDGET}


def test_a_block_starts_on_a_cache_line() -> None:
    for trials in (1, 64, 200):
        for block in layout.workspace(trials, 5):
            assert block.ctypes.data % (8 * lanes.LINE) == 0
