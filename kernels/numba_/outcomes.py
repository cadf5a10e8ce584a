"""What the pulled models bring and cost: one pass for elementwise laws, one for each table."""

from typing import Any

import numpy as np

from fastroute.kernels.formulas.names import where
from fastroute.kernels.formulas.outcomes import aliased, always, bernoulli
from fastroute.kernels.numba_.compile import inner
from fastroute.kernels.numba_.formulas import formula, numbers_at
from fastroute.kernels.numba_.layout import HEAD, LANE, SLOT, STEP, place_of
from fastroute.kernels.numba_.passes import (
    COMMON,
    Pass,
    built_in,
    kernel_of,
    lanes_in_use,
    vectors_in_use,
)
from fastroute.kernels.numba_.vectors import gather, load, store
from fastroute.kernels.types import Outcome


def passes(reward: Outcome, cost: Outcome) -> tuple[Pass, ...]:
    """Return the passes of the world's laws, in their order."""
    laws = [law.draw if law.draw is not None else always for law in (reward, cost)]
    counts = [len(law.parameters) if law.draw is not None else 0 for law in (reward, cost)]
    drawn = kernel_of(_elementwise, *map(formula, laws), *counts, keep=built_in(*laws))
    parameters = reward.parameters[: counts[0]] + cost.parameters[: counts[1]]
    found = [Pass(drawn, parameters)]
    for law, which in ((reward, 0), (cost, 1)):
        if law.draw is None:
            found.append(Pass(kernel_of(_look_up, _FIND[law.kernel], which)))
    return tuple(found)


@inner
def task_of(u, tasks):
    """Task of a query, drawn from a table of aliases (Walker 1977)."""
    scaled = u * tasks.shape[0]
    k = np.int64(scaled)
    return aliased(scaled - k, k, tasks[k, 0], np.int64(tasks[k, 1]))


def read_query(reward: Outcome, cost: Outcome) -> Pass:
    """Return the pass that looks up the row of every query, and the true means of its row."""
    # What was recorded of the query, both of it.
    return Pass(kernel_of(_read_query, _ROW[reward.kernel], cost.kernel == reward.kernel))


def _read_query(find_row: Any, costs_too: bool) -> Any:
    def prepare(ws, first, stop, now, numbers, at, scratch, tables):
        slots = np.uint64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                row = find_row(w[LANE.u_task + lane], now, tables.reward, tables.tasks)
                w[LANE.row + lane] = row
                even_reward = 0.0
                even_cost = 0.0
                for s in range(slots):
                    o = HEAD + s * STEP + lane
                    m = np.int64(w[o + SLOT.model])
                    if m < 0:
                        continue
                    even = w[o + SLOT.even]
                    mean = tables.reward[row, m]
                    w[o + SLOT.mean_reward] = mean
                    even_reward += even * mean
                    if costs_too:
                        cost = tables.cost[row, m]
                        w[o + SLOT.mean_cost] = cost
                        even_cost += even * cost
                w[LANE.even_reward + lane] = even_reward
                if costs_too:
                    w[LANE.even_cost + lane] = even_cost
        return 0

    return prepare


def _elementwise(draw_reward: Any, draw_cost: Any, reward_count: int, cost_count: int) -> Any:
    """Draw rewards and costs around the means of the pulled models."""

    def observe(ws, first, stop, now, numbers, at, scratch, tables):
        of_reward = numbers_at(numbers, at, reward_count)
        of_cost = numbers_at(numbers, at + reward_count, cost_count)
        slots = numbers[COMMON.slots]
        for b in range(first, stop):
            w = ws[b]
            for lane in vectors_in_use(numbers, b):
                pick = load(w, LANE.pick + lane)
                pulled = place_of(pick, lane)
                mean_reward = gather(w, pulled + SLOT.mean_reward)
                mean_cost = gather(w, pulled + SLOT.mean_cost)
                reward = draw_reward(load(w, LANE.u_reward + lane), mean_reward, *of_reward)
                cost = draw_cost(load(w, LANE.u_cost + lane), mean_cost, *of_cost)
                # None, where nothing is deployed.
                store(w, LANE.reward + lane, where(pick < slots, reward, 0.0))
                store(w, LANE.cost + lane, where(pick < slots, cost, 0.0))
        return 0

    return observe


def _look_up(find: Any, which: int) -> Any:
    """Look up what the pulled models brought (``which`` 0) or cost (1)."""
    value, uniform = (LANE.cost, LANE.u_cost) if which else (LANE.reward, LANE.u_reward)

    def observe(ws, first, stop, now, numbers, at, scratch, tables):
        table = tables[which]
        slots = np.int64(numbers[COMMON.slots])
        for b in range(first, stop):
            w = ws[b]
            for k in range(lanes_in_use(numbers, b)):
                lane = np.uint64(k)
                slot = np.int64(w[LANE.pick + lane])
                if slot < slots:
                    m = np.int64(w[HEAD + np.uint64(slot) * STEP + lane + SLOT.model])
                    own, query = w[uniform + lane], w[LANE.u_task + lane]
                    w[value + lane] = find(own, query, m, now, table, tables.tasks)
        return 0

    return observe


# Where a table is looked up: by the uniform number of the law or of the query, or by the round.
@formula
def _atoms(own, query, m, now, table, tasks):
    return table[np.int64(own * table.shape[0]), m]


@formula
def _by_task(own, query, m, now, table, tasks):
    return bernoulli(own, table[task_of(query, tasks), m])


@formula
def _by_row(own, query, m, now, table, tasks):
    return bernoulli(own, table[np.int64(query * table.shape[0]), m])


@formula
def _replay(own, query, m, now, table, tasks):
    return table[np.int64(query * table.shape[0]), m]


@formula
def _replay_in_order(own, query, m, now, table, tasks):
    return table[now % table.shape[0], m]


_FIND = {
    "atoms": _atoms,
    "by_task": _by_task,
    "by_row": _by_row,
    "replay": _replay,
    "replay_in_order": _replay_in_order,
}


# Where the query stands in the table of the rewards.
@formula
def _task_row(query, now, table, tasks):
    return task_of(query, tasks)


@formula
def _drawn_row(query, now, table, tasks):
    return np.int64(query * table.shape[0])


@formula
def _next_row(query, now, table, tasks):
    return now % table.shape[0]


_ROW = {
    "by_task": _task_row,
    "by_row": _drawn_row,
    "replay": _drawn_row,
    "replay_in_order": _next_row,
}
