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
from fastroute.kernels.formulas import outcomes
from fastroute.kernels.numba_ import basis, lanes, layout, rounds, routing
from fastroute.kernels.numba_.passes import COMMON, NO_TABLE, Tables, common_numbers, lay_out
from fastroute.kernels.types import STATES, Memory, Outcome, Program
from fastroute.policies import RunNumbers
from fastroute.policies.estimators import UCB
from fastroute.policies.routers import LP

#: Calls of a pass in one reading of the clock, and readings, of which the least counts.
_CALLS: Final = 2000
_READINGS: Final = 30
#: Budget and largest cost of the world of the rounds.
_BUDGET: Final = 0.45
_COST_MAX: Final = 1.5


def round_passes(slots: int) -> dict[str, float]:
    """Time the passes of a round over ``slots`` deployed models, in ns per trial.

    Solving lost bases anew is not among them: how often that happens depends on the world.
    """
    draw = np.random.default_rng(0)
    trials = layout.WIDTH
    deployed = np.tile(np.arange(slots), (trials, 1))
    reward, cost = draw.uniform(0.2, 0.9, (1, slots)), draw.uniform(0.1, 1.0, (1, slots))
    pulls = np.full((slots, trials), 400.0)
    hits = draw.binomial(400, reward.T, pulls.shape).astype(np.float64)
    memory = Memory(
        seen=np.stack([pulls, hits, pulls * cost.T]),
        plays=pulls.copy(),
        state=np.zeros((STATES, trials)),
        contexts=np.zeros((0, 0, 0, 0)),
    )
    round_ = rounds.compose(_program(slots))
    ws = rounds.workspace(trials, slots)
    limit = np.full((1, slots), LIMIT)
    rounds.open_stage(ws, round_, deployed, memory, reward, cost, limit, 0, 0)
    w, size = ws.blocks[0], np.uint64(slots)
    numbers, places = lay_out(round_.playing, len(COMMON))
    array = np.array([*common_numbers(0, 0, trials, slots, 0), *numbers])
    tables = Tables(*[NO_TABLE] * len(Tables._fields))
    times = {"check": _time(trials, basis.check, w, size, np.uint64(trials), _BUDGET, _COST_MAX)}
    for one, at in zip(round_.playing, places, strict=True):
        arguments = (ws.blocks, 0, 1, 0, array, at, ws.scratch, tables)
        function = one.kernel.function
        times[function.__name__] = _time(trials, function, *arguments)
    return times


def _program(models: int) -> Program:
    """StageRoute on Bernoulli rewards and uniform costs."""
    run = RunNumbers(
        horizon=10**6,
        stage_length=10**4,
        n_models=models,
        budget=_BUDGET,
        cost_min=0.0,
        cost_max=_COST_MAX,
    )
    none, no_tasks = NO_TABLE, (np.zeros(0), np.zeros(0, np.int64), NO_TABLE)
    return Program(
        seed=0,
        estimator=UCB().kernel(run),
        router=LP().kernel(run),
        reward=Outcome("elementwise", outcomes.bernoulli, (), none, *no_tasks),
        cost=Outcome("elementwise", outcomes.uniform_cost, (), none, *no_tasks),
    )


def routing_passes(models: int) -> dict[str, float]:
    """Time the passes of a batch of routing LPs, in ns per LP."""
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
        "solve": _time(count, lanes.solve_lanes, w, size, width),
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
