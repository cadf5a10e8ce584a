"""What the pulled models bring and cost: a function for each kind of law.

A function here turns a law into ``value(trial, u, mean, now)`` of the pulled model, from a uniform
number and its mean; ``Outcome.kernel`` is its name.
"""

from collections.abc import Callable
from typing import Final

from fastroute.kernels.formulas.outcomes import aliased
from fastroute.kernels.ref.formulas import formula
from fastroute.kernels.ref.passes import Pass, Trial
from fastroute.kernels.types import Outcome

Value = Callable[[Trial, float, float, int], float]


def observe(reward: Outcome, cost: Outcome) -> Pass:
    """Pass that draws the reward and the cost of the pulled model."""
    of_reward, of_cost = _law(reward), _law(cost)

    def draw(trial: Trial, now: int) -> None:
        slot = trial.slot
        trial.earned = of_reward(trial, trial.u_reward, trial.mean_reward[slot], now)
        trial.paid = of_cost(trial, trial.u_cost, trial.mean_cost[slot], now)

    return draw


def elementwise(law: Outcome) -> Value:
    """Apply a formula to the uniform number and the mean."""
    assert law.draw is not None
    draw = formula(law.draw)
    return lambda trial, u, mean, now: draw(u, mean, *law.parameters)


def atoms(law: Outcome) -> Value:
    """Equally likely values."""
    return lambda trial, u, mean, now: _entry(trial, law, int(u * len(law.table)))


def by_task(law: Outcome) -> Value:
    """1 with the mean of the query's task as probability, else 0."""

    def value(trial: Trial, u: float, mean: float, now: int) -> float:
        return 1.0 if u < _entry(trial, law, row_of(trial, law, now)) else 0.0

    return value


def by_row(law: Outcome) -> Value:
    """1 with the mean of the query's row as probability, else 0."""
    return lambda trial, u, mean, now: (
        1.0 if u < _entry(trial, law, row_of(trial, law, now)) else 0.0
    )


def replay(law: Outcome) -> Value:
    """Look up the recorded outcome of a query drawn uniformly."""
    return lambda trial, u, mean, now: _entry(trial, law, row_of(trial, law, now))


def replay_in_order(law: Outcome) -> Value:
    """Look up the recorded outcome of the next query of the table."""
    return lambda trial, u, mean, now: _entry(trial, law, row_of(trial, law, now))


def read_query(reward: Outcome, cost: Outcome) -> Pass:
    """Pass that looks up the row of the query, and its true means for every deployed model."""

    def read(trial: Trial, now: int) -> None:
        trial.row = row_of(trial, reward, now)
        trial.mean_reward = reward.table[trial.row, trial.models].tolist()
        # What was recorded of the query, both of it.
        if cost.kernel == reward.kernel:
            trial.mean_cost = cost.table[trial.row, trial.models].tolist()

    return read


def row_of(trial: Trial, law: Outcome, now: int) -> int:
    """Row of the query in a law's table."""
    if law.kernel == "by_task":
        return task_of(trial.u_task, law)
    if law.kernel == "replay_in_order":
        return now % len(law.table)
    return int(trial.u_task * len(law.table))


def task_of(u: float, law: Outcome) -> int:
    """Task of a query, drawn from a table of aliases (Walker 1977)."""
    scaled = u * len(law.task_prob)
    task = int(scaled)
    probability, alias = float(law.task_prob[task]), int(law.task_alias[task])
    return int(aliased(scaled - task, task, probability, alias))


def _entry(trial: Trial, law: Outcome, row: int) -> float:
    """Entry of the pulled model in a row of the law's table."""
    return float(law.table[row, trial.models[trial.slot]])


_LAWS: Final = {
    law.__name__: law for law in (elementwise, atoms, by_task, by_row, replay, replay_in_order)
}


def _law(law: Outcome) -> Value:
    return _LAWS[law.kernel](law)
