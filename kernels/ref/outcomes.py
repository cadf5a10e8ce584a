"""What the pulled model brings or costs in a round, one function for each kind of law.

A function here makes the draw of a law; ``Outcome.kernel`` is its name.  The draw is
``(own, task, mean, model, now) -> value`` with two uniform numbers of the round: the law's own, and
the one that belongs to the query.
"""

from collections.abc import Callable

from fastroute.kernels.formulas.outcomes import bernoulli
from fastroute.kernels.types import Outcome

Draw = Callable[[float, float, float, int, int], float]


def elementwise(law: Outcome) -> Draw:
    """Drawn around the mean by a formula."""
    draw = law.draw
    assert draw is not None
    return lambda own, task, mean, model, now: float(draw(own, mean, *law.parameters))


def atoms(law: Outcome) -> Draw:
    """Equally likely values."""
    rows = len(law.table)
    return lambda own, task, mean, model, now: float(law.table[int(own * rows), model])


def by_task(law: Outcome) -> Draw:
    """1 with the mean of the query's task as probability, else 0."""
    return lambda own, task, mean, model, now: bernoulli(
        own, float(law.table[task_of(task, law), model])
    )


def replay(law: Outcome) -> Draw:
    """Recorded outcome of a query drawn uniformly."""
    rows = len(law.table)
    return lambda own, task, mean, model, now: float(law.table[int(task * rows), model])


def replay_in_order(law: Outcome) -> Draw:
    """Recorded outcome of the next query of the table."""
    rows = len(law.table)
    return lambda own, task, mean, model, now: float(law.table[now % rows, model])


def task_of(u: float, law: Outcome) -> int:
    """Task of a query, drawn from a table of aliases (Walker 1977)."""
    scaled = u * len(law.task_prob)
    k = int(scaled)
    return k if scaled - k < law.task_prob[k] else int(law.task_alias[k])
