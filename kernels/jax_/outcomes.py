"""What the pulled models bring and cost: one function for each kind of law.

A function here makes the draw of a law; ``Outcome.kernel`` is its name.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
#: Row of a law's table, from the uniform numbers of the queries, the round, and the tables.
Row = Callable[[Any, Any, Tables, Any], Any]


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
    return _bernoulli(law)


def by_row(law: Outcome) -> Draw:
    """1 with the mean of the query's row as probability, else 0."""
    return _bernoulli(law)


def replay(law: Outcome) -> Draw:
    """Look up the recorded outcome of a query drawn uniformly."""
    return _recorded(law)


def replay_in_order(law: Outcome) -> Draw:
    """Look up the recorded outcome of the next query of the table."""
    return _recorded(law)


def _bernoulli(law: Outcome) -> Draw:
    entry = _recorded(law)

    def value(query: Query, parameters: tuple[Any, ...]) -> Any:
        return bernoulli(query.own, entry(query, parameters))

    return value


def _recorded(law: Outcome) -> Draw:
    find = row_of(law)

    def value(query: Query, parameters: tuple[Any, ...]) -> Any:
        row = find(query.task, query.now, query.tables, query.table)
        return query.table[row, query.model]

    return value


def row_of(law: Outcome) -> Row:
    """Return what finds the row of every lane's query in the table of a law."""
    return _ROW[law.kernel]


def _task(u: Any, now: Any, tables: Tables, table: Any) -> Any:
    """Task of a query, drawn from a table of aliases (Walker 1977)."""
    prob, alias = tables.task_prob, tables.task_alias
    scaled = rounded(u * len(prob))
    k = scaled.astype(jnp.int64)
    return jnp.where(scaled - k < prob[k], k, alias[k])


def _drawn_row(u: Any, now: Any, tables: Tables, table: Any) -> Any:
    return (u * len(table)).astype(jnp.int64)


def _next_row(u: Any, now: Any, tables: Tables, table: Any) -> Any:
    return jnp.full(u.shape, now % len(table))


_ROW: Final[dict[str, Row]] = {
    "by_task": _task,
    "by_row": _drawn_row,
    "replay": _drawn_row,
    "replay_in_order": _next_row,
}
