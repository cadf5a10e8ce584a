"""What the pulled models bring and cost: one function for each kind of law.

A function here makes the draw of a law; ``Outcome.kernel`` is its name.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp

from fastroute.kernels.formulas import rounded
from fastroute.kernels.formulas.outcomes import bernoulli
from fastroute.kernels.jax_.layout import Tables
from fastroute.kernels.types import Outcome

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float, Int


class Query(NamedTuple):
    """A round of every lane, as the law of the rewards or of the costs sees it."""

    own: "Float[Array, ' lanes']"  #: uniform number of the law
    task: "Float[Array, ' lanes']"  #: uniform number of the query
    mean: "Float[Array, ' lanes']"  #: of the pulled model, 0 for none
    model: "Int[Array, ' lanes']"
    now: Any
    tables: Tables
    table: "Float[Array, 'rows models']"  #: of this law


Draw = Callable[[Query, tuple[Any, ...]], Any]


def elementwise(law: Outcome) -> Draw:
    """Drawn around the mean by a formula."""
    draw = law.draw
    assert draw is not None

    def value(query: Query, parameters: tuple[Any, ...]) -> Any:
        return draw(query.own, query.mean, *parameters)

    return value


def atoms(law: Outcome) -> Draw:
    """Equally likely values."""
    del law

    def value(query: Query, parameters: tuple[Any, ...]) -> Any:
        row = (query.own * len(query.table)).astype(jnp.int64)
        return query.table[row, query.model]

    return value


def by_task(law: Outcome) -> Draw:
    """1 with the mean of the query's task as probability, else 0."""
    del law

    def value(query: Query, parameters: tuple[Any, ...]) -> Any:
        prob, alias = query.tables.task_prob, query.tables.task_alias
        scaled = rounded(query.task * len(prob))
        k = scaled.astype(jnp.int64)
        task = jnp.where(scaled - k < prob[k], k, alias[k])
        return bernoulli(query.own, query.table[task, query.model])

    return value


def replay(law: Outcome) -> Draw:
    """Look up the recorded outcome of a query drawn uniformly."""
    del law

    def value(query: Query, parameters: tuple[Any, ...]) -> Any:
        row = (query.task * len(query.table)).astype(jnp.int64)
        return query.table[row, query.model]

    return value


def replay_in_order(law: Outcome) -> Draw:
    """Look up the recorded outcome of the next query of the table."""
    del law

    def value(query: Query, parameters: tuple[Any, ...]) -> Any:
        return query.table[query.now % len(query.table), query.model]

    return value
