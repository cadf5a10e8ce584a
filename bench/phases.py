"""Where the time goes: the passes of a round and of a routing LP, timed one by one.

Run as ``python -m fastroute.bench.phases``.  A pass is repeated on one block, which then lies in
the fastest memory, so the passes add up to a little less than the whole.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba import njit

from fastroute.bench.workloads import LIMIT, routing_problems
from fastroute.kernels.numba_ import basis, lanes, layout, rounds, routing
from fastroute.kernels.types import STATES, Draws, Memory, Rules

#: Calls of a pass in one reading of the clock, and readings, of which the least counts.
_CALLS: Final = 2000
_READINGS: Final = 30


def round_passes(slots: int) -> dict[str, float]:
    """Time the passes of a round over ``slots`` deployed models, in ns per trial.

    Solving lost bases anew is not among them: how often that happens depends on the world.
    """
    draw = np.random.default_rng(0)
    trials = layout.WIDTH
    ws = layout.workspace(trials, slots)
    deployed = np.tile(np.arange(slots), (trials, 1))
    reward, cost = draw.uniform(0.2, 0.9, (1, slots)), draw.uniform(0.1, 1.0, (1, slots))
    pulls = np.full((slots, trials), 400.0)
    hits = draw.binomial(400, reward.T, pulls.shape).astype(np.float64)
    empty = np.zeros((0, 0, 0, 0))
    memory = Memory(pulls, hits, pulls * cost.T, pulls.copy(), np.zeros((STATES, trials)), empty)
    seed: Any = np.uint64(0)
    rules = Rules(seed, 0.45, 0.1, 0.0, 1.5, 0, 0, 0, 1.0, 1, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    none = np.zeros((1, 1))
    draws = Draws(0, 0, none, none, none[0], np.zeros(1, np.int64), False)
    rounds.open_stage(ws, deployed, memory, reward, cost, np.full(slots, LIMIT), rules)
    w, size, zero = ws[0], np.uint64(slots), np.uint64(0)
    return {
        "draw": _time(trials, rounds._draw, w, zero, zero, zero),
        "check the basis": _time(trials, basis.check, w, size, rules.cost_max),
        "shares": _time(trials, basis.share, w, rules.budget),
        "choose": _time(trials, rounds._choose, w, size),
        "observe": _time(trials, rounds._observe, w, 0, trials, deployed, draws, 0),
        "update": _time(trials, rounds._update, w, rules),
    }


def routing_passes(models: int) -> dict[str, float]:
    """Time the passes of a batch of routing LPs, in ns per LP; fill and pivot are repeated."""
    count = lanes.WIDTH
    problems = routing_problems(models, count)[:4]
    w, size, width, zero = (
        lanes.workspace(models),
        np.uint64(models),
        np.uint64(count),
        np.uint64(0),
    )
    routing._load(w, *problems, zero, width, size)
    lanes.solve_lanes(w, size, width)
    share, numbers = np.empty((count, models)), [np.empty(count) for _ in range(3)]
    answer = (share, *numbers, np.empty(count, np.int64))
    return {
        "load": _time(count, routing._load, w, *problems, zero, width, size),
        "prepare": _time(count, lanes._prepare, w, size, width),
        "fill, each": _time(count, lanes._fill, w, size, width),
        "find a crossing, each": _time(count, lanes._find, w, size, width),
        "pivot, each": _time(count, lanes._pivot, w, width),
        "unload": _time(count, routing._unload, w, *answer, zero, width, size),
    }


def _time(units: int, kernel: Callable[..., Any], *args: Any) -> float:
    """Time one call of a compiled function, in ns per unit of its block."""

    @njit
    def repeat(args: Any) -> None:
        for _ in range(_CALLS):
            kernel(*args)

    repeat(args)
    least = np.inf
    for _ in range(_READINGS):
        started = time.thread_time_ns()
        repeat(args)
        least = min(least, time.thread_time_ns() - started)
    return float(least) / _CALLS / units


def main() -> None:
    """Print both tables as Markdown."""
    for title, passes, sizes in (
        ("pass of a round, ns per trial", round_passes, (5, 8, 16)),
        ("pass of a routing LP, ns per LP", routing_passes, (5, 8, 16, 32)),
    ):
        columns = [passes(size) for size in sizes]
        print(f"| {title} | {' | '.join(f'{size} models' for size in sizes)} |")
        print("| --- |" + " ---: |" * len(sizes))
        for name in columns[0]:
            print(f"| {name} | {' | '.join(f'{column[name]:.1f}' for column in columns)} |")
        print()


if __name__ == "__main__":
    main()
