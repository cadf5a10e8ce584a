"""What the pulled models bring and cost: one pass for elementwise laws, one for each table."""

from typing import Any

import numpy as np

from fastroute.kernels.formulas.outcomes import aliased, always
from fastroute.kernels.numba_.compile import inner
from fastroute.kernels.numba_.formulas import formula, numbers_at
from fastroute.kernels.numba_.layout import HEAD, LANE, LANES, SLOT, STEP
from fastroute.kernels.numba_.passes import COMMON, Pass, built_in, compile_pass, lanes_in_use
from fastroute.kernels.types import Outcome


def passes(reward: Outcome, cost: Outcome) -> tuple[Pass, ...]:
    """Return the passes of the world's laws, in their order."""
    laws = [law.draw if law.draw is not None else always for law in (reward, cost)]
    counts = [len(law.parameters) if law.draw is not None else 0 for law in (reward, cost)]
    drawn = compile_pass(_elementwise, *map(formula, laws), *counts, keep=built_in(*laws))
    parameters = reward.parameters[: counts[0]] + cost.parameters[: counts[1]]
    found = [Pass(drawn, parameters)]
    for law, which in ((reward, 0), (cost, 1)):
        if law.draw is None:
            found.append(Pass(compile_pass(_LOOK_UPS[law.kernel], which)))
    return tuple(found)


@inner
def task_of(u, tasks):
    """Task of a query, drawn from a table of aliases (Walker 1977)."""
    scaled = u * tasks.shape[0]
    k = np.int64(scaled)
    return aliased(scaled - k, k, tasks[k, 0], np.int64(tasks[k, 1]))


def _elementwise(draw_reward: Any, draw_cost: Any, reward_count: int, cost_count: int) -> Any:
    """Look up the pulled models, and draw rewards and costs around their means."""

    def observe(ws, first, stop, now, numbers, at, scratch, tables):
        of_reward = numbers_at(numbers, at, reward_count)
        of_cost = numbers_at(numbers, at + reward_count, cost_count)
        slots = numbers[COMMON.slots]
        for b in range(first, stop):
            w = ws[b]
            for lane in range(LANES):
                o = HEAD + np.uint64(w[LANE.pick + lane]) * STEP + lane
                w[LANE.pulled_seen + lane] = w[o + SLOT.seen]
                w[LANE.pulled_seen_1 + lane] = w[o + SLOT.seen_1]
                w[LANE.pulled_seen_2 + lane] = w[o + SLOT.seen_2]
                w[LANE.pulled_mean_reward + lane] = w[o + SLOT.mean_reward]
                w[LANE.pulled_mean_cost + lane] = w[o + SLOT.mean_cost]
            for lane in range(LANES):
                pulled = w[LANE.pick + lane] < slots
                reward = draw_reward(
                    w[LANE.u_reward + lane], w[LANE.pulled_mean_reward + lane], *of_reward
                )
                cost = draw_cost(w[LANE.u_cost + lane], w[LANE.pulled_mean_cost + lane], *of_cost)
                w[LANE.reward + lane] = reward if pulled else 0.0
                w[LANE.cost + lane] = cost if pulled else 0.0
        return 0

    return observe


def _atoms(which: int) -> Any:
    """Equally likely values."""
    value, uniform = _rows(which)

    def observe(ws, first, stop, now, numbers, at, scratch, tables):
        table = tables[which]
        rows = table.shape[0]
        slots = np.int64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                slot = np.int64(w[LANE.pick + lane])
                if slot < slots:
                    o = HEAD + np.uint64(slot) * STEP + lane
                    m = np.int64(w[o + SLOT.model])
                    w[value + lane] = table[np.int64(w[uniform + lane] * rows), m]
        return 0

    return observe


def _by_task(which: int) -> Any:
    """1 with the mean of the query's task as probability, else 0."""
    value, uniform = _rows(which)

    def observe(ws, first, stop, now, numbers, at, scratch, tables):
        table = tables[which]
        slots = np.int64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                slot = np.int64(w[LANE.pick + lane])
                if slot < slots:
                    o = HEAD + np.uint64(slot) * STEP + lane
                    m = np.int64(w[o + SLOT.model])
                    task = task_of(w[LANE.u_task + lane], tables.tasks)
                    w[value + lane] = 1.0 if w[uniform + lane] < table[task, m] else 0.0
        return 0

    return observe


def _replay(which: int) -> Any:
    """Look up the recorded outcome of a query drawn uniformly."""
    value, _ = _rows(which)

    def observe(ws, first, stop, now, numbers, at, scratch, tables):
        table = tables[which]
        rows = table.shape[0]
        slots = np.int64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                slot = np.int64(w[LANE.pick + lane])
                if slot < slots:
                    o = HEAD + np.uint64(slot) * STEP + lane
                    m = np.int64(w[o + SLOT.model])
                    w[value + lane] = table[np.int64(w[LANE.u_task + lane] * rows), m]
        return 0

    return observe


def _replay_in_order(which: int) -> Any:
    """Look up the recorded outcome of the next query of the table."""
    value, _ = _rows(which)

    def observe(ws, first, stop, now, numbers, at, scratch, tables):
        table = tables[which]
        row = now % table.shape[0]
        slots = np.int64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                slot = np.int64(w[LANE.pick + lane])
                if slot < slots:
                    o = HEAD + np.uint64(slot) * STEP + lane
                    w[value + lane] = table[row, np.int64(w[o + SLOT.model])]
        return 0

    return observe


def _rows(which: int) -> tuple[Any, Any]:
    """Rows of the value and of its uniform number: of the rewards (0) or the costs (1)."""
    return (LANE.cost, LANE.u_cost) if which else (LANE.reward, LANE.u_reward)


_LOOK_UPS = {
    "atoms": _atoms,
    "by_task": _by_task,
    "replay": _replay,
    "replay_in_order": _replay_in_order,
}
