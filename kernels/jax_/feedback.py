"""When the outcomes of a round are learnt, in a world that teaches them late or not at all.

Outcomes of the last rounds stand in a ring: round t has row ``t mod size``.  A fixed delay finds
what is due so many rows back.  A delay that is drawn has a list for every round in which something
is due: ``last`` is the row of the last one of them, -1 for none, and ``following`` the row of the
next one, of the first one after the last.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from fastroute.kernels.codes import STREAM_FEEDBACK
from fastroute.kernels.formulas import rounded
from fastroute.kernels.formulas.outcomes import aliased
from fastroute.kernels.jax_.estimators import EstimatorSteps
from fastroute.kernels.jax_.lanes import entries
from fastroute.kernels.jax_.layout import Fixed, Lanes, Numbers, Tables
from fastroute.kernels.jax_.rng import uniforms
from fastroute.kernels.types import EstimatorKernel, Feedback, Program

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float, Int32

#: What is known of all models, and the lanes.
Known = tuple[tuple[Any, ...], Lanes]

# In the place of a reward that is never learnt; rewards are at least 0, up to rounding.
_NEVER = -1.0


class Due(NamedTuple):
    """Lists of what is due, for a delay that is drawn."""

    following: "Int32[Array, 'size lanes']"
    last: "Int32[Array, 'size lanes']"


class Late(NamedTuple):
    """What is known of all models, and the outcomes of the last rounds."""

    seen: "tuple[Float[Array, 'models lanes'], ...]"
    model: "Int32[Array, 'size lanes']"  #: number of models for none
    reward: "Float[Array, 'size lanes']"  #: below 0 where it is never learnt
    cost: "Float[Array, 'size lanes']"
    reward_due: Due | None  #: None for a fixed delay
    cost_due: Due | None  #: None also where reward and cost come together


def drawn(feedback: Feedback) -> tuple[bool, bool]:
    """Whether there is a list for the delay of the rewards, and for that of the costs."""
    return len(feedback.reward.rounds) > 1, (
        len(feedback.cost.rounds) > 1 and not feedback.together
    )


def empty(feedback: Feedback, trials: int, put: Callable[[Any, Any, Any], Any]) -> Late:
    """Nothing to be learnt yet; ``put`` brings arrays ``[size, trials]`` to the devices."""
    # Few sizes are compiled: powers of two.
    size = 1 << feedback.longest.bit_length()
    none = np.full((size, trials), -1)
    zero = np.zeros((size, trials))
    due = [
        Due(put(none, -1, np.int32), put(none, -1, np.int32)) if lists else None
        for lists in drawn(feedback)
    ]
    return Late(
        (), put(none, -1, np.int32), put(zero, 0.0, np.float64), put(zero, 0.0, np.float64), *due
    )


def step(
    form: Program,
    estimator: EstimatorSteps,
    fixed: Fixed,
    state: tuple[Late, Lanes],
    outcome: tuple[Any, Any, Any],
    numbers: Numbers,
    tables: Tables,
    now: Any,
    trial: Any,
) -> tuple[tuple[Late, Lanes], Any, Any]:
    """Put the outcome of a round aside and learn what is due.

    Parameters
    ----------
    form : Program
    estimator : EstimatorSteps
    fixed : Fixed
    state : (Late, Lanes)
    outcome : model, reward, cost
        Of the round; the model is -1 for none.
    numbers, tables, now, trial

    Returns
    -------
    state, reward, cost
        The last two are the sums of what is learnt.
    """
    feedback, part = form.feedback, form.estimator
    assert feedback is not None
    late, lanes = state
    late = _put(feedback, late, outcome, numbers, tables, now, trial)
    reward = cost = jnp.zeros_like(outcome[1])
    learn = _Learning(part, estimator, fixed, numbers)
    both = feedback.together
    state, (reward, cost) = _side(
        learn,
        part.observe if both else part.observe_reward,
        (True, both),
        (late, lanes),
        (reward, cost),
        late.reward_due,
        numbers.reward_delay,
        now,
    )
    if not both:
        late, lanes = state
        state, (reward, cost) = _side(
            learn,
            part.observe_cost,
            (False, True),
            state,
            (reward, cost),
            late.cost_due,
            numbers.cost_delay,
            now,
        )
    return state, reward, cost


def _put(
    feedback: Feedback,
    late: Late,
    outcome: tuple[Any, Any, Any],
    numbers: Numbers,
    tables: Tables,
    now: Any,
    trial: Any,
) -> Late:
    """Put the outcome of the round aside."""
    model, reward, cost = outcome
    size, models = len(late.model), len(late.seen[0])
    row = (now % size).astype(jnp.int32)
    reward_due, cost_due = late.reward_due, late.cost_due
    if feedback.learnt < 1.0 or reward_due is not None or cost_due is not None:
        u = uniforms(numbers.key, now, 0, trial, STREAM_FEEDBACK)
        if feedback.learnt < 1.0:
            reward = jnp.where(u[0] < numbers.learnt, reward, _NEVER)
        if reward_due is not None:
            reward_due = _append(reward_due, row, _delay(u[1], tables.reward_delay))
        if cost_due is not None:
            cost_due = _append(cost_due, row, _delay(u[2], tables.cost_delay))
    return late._replace(
        model=late.model.at[row].set(jnp.where(model >= 0, model, models).astype(jnp.int32)),
        reward=late.reward.at[row].set(reward),
        cost=late.cost.at[row].set(cost),
        reward_due=reward_due,
        cost_due=cost_due,
    )


def _delay(u: Any, table: Any) -> Any:
    """Delay of every lane, drawn from a table of aliases (Walker 1977): [delays, 3]."""
    scaled = rounded(u * len(table))
    row = scaled.astype(jnp.int32)
    probability, alias = table[row, 0], table[row, 1]
    kept = aliased(scaled - row, row.astype(table.dtype), probability, alias)
    return table[kept.astype(jnp.int32), 2].astype(jnp.int32)


def _append(due: Due, row: Any, delay: Any) -> Due:
    """Append this round to the list of those that are due with its outcome."""
    size, lane = len(due.last), jnp.arange(due.last.shape[1])
    there = (row + delay) % size
    last = due.last[there, lane]
    alone = last < 0
    before = jnp.where(alone, row, last)
    first = jnp.where(alone, row, due.following[before, lane])
    following = due.following.at[row].set(first).at[before, lane].set(row)
    return Due(following, due.last.at[there, lane].set(row))


class _Learning(NamedTuple):
    """What is needed to learn of one model in every lane."""

    part: EstimatorKernel
    estimator: EstimatorSteps
    fixed: Fixed
    numbers: Numbers

    def one(self, state: Known, observe: Any, model: Any, values: tuple[Any, ...]) -> Known:
        """Observe values of a model, and renew its bounds where it is deployed."""
        known, lanes = state
        mine = jnp.arange(len(known[0]))[:, None] == model
        seen = tuple(observe(entries(mine, *known), *values, *self.numbers.seen))
        known = tuple(jnp.where(mine, x, y) for x, y in zip(seen, known, strict=True))
        one = self.fixed.model == model
        lanes = lanes._replace(
            seen=tuple(jnp.where(one, x, y) for x, y in zip(seen, lanes.seen, strict=True))
        )
        if self.estimator.renew is not None:
            upper, lower = self.estimator.renew(seen, self.numbers, lanes.upper.dtype)
            lanes = lanes._replace(
                upper=jnp.where(one, upper, lanes.upper), lower=jnp.where(one, lower, lanes.lower)
            )
        return known, lanes


def _side(
    learn: _Learning,
    observe: Any,
    which: tuple[bool, bool],
    state: tuple[Late, Lanes],
    sums: tuple[Any, Any],
    due: Due | None,
    delay: Any,
    now: Any,
) -> tuple[tuple[Late, Lanes], tuple[Any, Any]]:
    """Learn the rewards, the costs or both that are due."""
    rewards, costs = which
    late, lanes = state
    size, models = len(late.model), len(late.seen[0])
    known: Known = late.seen, lanes

    def one(known: Known, sums: Any, there: Any, model: Any, outcome: Any) -> Any:
        reward, cost = outcome
        if rewards:
            there = there & (reward > 0.5 * _NEVER)
        model = jnp.where(there, model, models)
        sum_reward, sum_cost = sums
        if rewards:
            sum_reward = sum_reward + jnp.where(there, reward, 0.0)
        if costs:
            sum_cost = sum_cost + jnp.where(there, cost, 0.0)
        values = ((reward,) if rewards else ()) + ((cost,) if costs else ())
        return learn.one(known, observe, model, values), (sum_reward, sum_cost)

    if due is None:
        row = (now - delay) % size
        there = jnp.broadcast_to(now >= delay, late.model[0].shape)
        outcome = late.reward[row], late.cost[row]
        (seen, lanes), sums = one(known, sums, there, late.model[row], outcome)
        return (late._replace(seen=seen), lanes), sums

    lane = jnp.arange(late.model.shape[1])
    row = now % size
    last = due.last[row]
    first = jnp.where(last >= 0, due.following[jnp.maximum(last, 0), lane], -1)

    def follow(loop: Any) -> Any:
        entry, known, sums = loop
        at = jnp.maximum(entry, 0), lane
        outcome = late.reward[at], late.cost[at]
        known, sums = one(known, sums, entry >= 0, late.model[at], outcome)
        ends = (entry < 0) | (entry == last)
        return jnp.where(ends, -1, due.following[at]), known, sums

    _, (seen, lanes), sums = lax.while_loop(
        lambda loop: jnp.any(loop[0] >= 0), follow, (first, known, sums)
    )
    emptied = due._replace(last=due.last.at[row].set(-1))
    late = late._replace(seen=seen)
    late = late._replace(reward_due=emptied) if rewards else late._replace(cost_due=emptied)
    return (late, lanes), sums
