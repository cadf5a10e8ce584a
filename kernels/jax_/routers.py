"""Routers: how the shares of all lanes are set.

A function here makes the steps of a router; ``RouterKernel.kernel`` is its name.  Scores, prices
and queues are in double precision, whatever that of bounds and shares.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from fastroute.kernels.codes import NO_CAPACITY, OPTIMAL
from fastroute.kernels.formulas.estimates import exact_interval, worth
from fastroute.kernels.formulas.shares import again_uniform, left_over, mixed
from fastroute.kernels.jax_ import basis
from fastroute.kernels.jax_.estimators import EstimatorSteps
from fastroute.kernels.jax_.lanes import only_if, over_models, tolerances, total
from fastroute.kernels.jax_.layout import Fixed, Lanes, Numbers
from fastroute.kernels.jax_.routing import solve_lanes
from fastroute.kernels.types import EstimatorKernel, RouterKernel


class RouterSteps(NamedTuple):
    """Steps of a router."""

    open: Callable[[Fixed, Lanes, Numbers], Lanes]  #: shares with which a stage begins
    #: Whether shares are set, from rounds elapsed, slots and numbers; None for never.
    due: Callable[[Any, int, Numbers], Any] | None
    #: Set the shares where they are due: whether, lanes, rounds elapsed.
    route: Callable[[Any, Fixed, Lanes, Numbers, Any], Lanes]
    #: The uniform that chooses the model, the shares it chooses from, those of the round.
    choice: Callable[[Fixed, Lanes, Any, Numbers], tuple[Any, Any, Any]]
    learn: Callable[[Any, Any, Any, Numbers], Any] | None = None  #: state, reward, cost -> state
    #: Whether shares are held for many rounds, so that they cannot depend on the query.
    held: bool = False


def lp(part: RouterKernel, estimator: EstimatorSteps, _: EstimatorKernel) -> RouterSteps:
    """Solve the routing LP for every query."""
    del part
    # What never changes has been solved when the stage opened; where every query has bounds of its
    # own, no basis is worth checking.
    due = None if estimator.renew is None else _every
    solve = _solve if estimator.queries is None else _solve_anew
    return RouterSteps(_open_solved, due, solve, _by_shares)


def known_lp(part: RouterKernel, _: EstimatorSteps, __: EstimatorKernel) -> RouterSteps:
    """Solve the routing LP on the true means, which never change in a stage."""
    del part

    def open_(fixed: Fixed, lanes: Lanes, numbers: Numbers) -> Lanes:
        dtype = lanes.limit.dtype
        means = fixed.mean_reward.astype(dtype), fixed.mean_cost.astype(dtype)
        return _with_answer(lanes, _answer(*means, lanes.limit, numbers))

    return RouterSteps(open_, None, _solve, _by_shares, held=True)


def epsilon_greedy(
    part: RouterKernel, estimator: EstimatorSteps, kernel: EstimatorKernel
) -> RouterSteps:
    """Mix the LP's distribution with the uniform one, whose share is the last number."""

    def choice(fixed: Fixed, lanes: Lanes, u: Any, numbers: Numbers) -> tuple[Any, Any, Any]:
        # One uniform decides whether the round explores, and then which model it pulls.
        explore = numbers.router[-1]
        share = mixed(explore.astype(lanes.share.dtype), fixed.even, lanes.share)
        part = jnp.where(u < explore, fixed.even, lanes.share)
        return again_uniform(u, explore), part, share

    return lp(part, estimator, kernel)._replace(choice=choice)


def uniform(part: RouterKernel, _: EstimatorSteps, __: EstimatorKernel) -> RouterSteps:
    """Equal shares within the limits."""
    del part
    return RouterSteps(_open_uniform, None, _solve, _by_shares, held=True)


def explore_then_commit(part: RouterKernel, _: EstimatorSteps, __: EstimatorKernel) -> RouterSteps:
    """Uniform at first, then the LP's solution; its last number is the round of the change."""
    del part

    def due(elapsed: Any, slots: int, numbers: Numbers) -> Any:
        return elapsed == numbers.router[-1]

    def open_(fixed: Fixed, lanes: Lanes, numbers: Numbers) -> Lanes:
        # The basis is checked later, so there must be one.
        return _open_uniform(fixed, _open_solved(fixed, lanes, numbers), numbers)

    return RouterSteps(open_, due, _solve, _by_shares, held=True)


def elimination(
    part: RouterKernel, steps: EstimatorSteps, estimator: EstimatorKernel
) -> RouterSteps:
    """Drop what is surely not needed, and mix the LP with uniform routing."""
    del part

    def due(elapsed: Any, slots: int, numbers: Numbers) -> Any:
        epochs = elapsed // slots
        return (epochs > 0) & (elapsed % slots == 0) & (epochs & (epochs - 1) == 0)

    def ends(fixed: Fixed, lanes: Lanes, price: Any, numbers: Numbers) -> tuple[Any, Any]:
        dtype = lanes.limit.dtype
        known = steps.renew is None
        interval = exact_interval if known else estimator.interval
        assert interval is not None
        seen = (fixed.mean_reward, fixed.mean_cost) if known else lanes.seen
        reward, cost, width, cost_width = interval(
            tuple(x.astype(dtype) for x in seen), *numbers.bounds
        )
        return worth(reward, cost, width, cost_width, price)

    def route(when: Any, fixed: Fixed, lanes: Lanes, numbers: Numbers, elapsed: Any) -> Lanes:
        tol = tolerances(lanes.limit.dtype)
        budget = jnp.full_like(lanes.limit[0], numbers.lp[0])

        def left(limit: Any, price: Any) -> Any:
            low, high = ends(fixed, lanes, price, numbers)

            def add(better: Any, sure: Any, part: Any) -> Any:
                return better + jnp.where(sure > high + tol.dominated, part, 0.0)

            better = over_models(add, jnp.zeros_like(limit), low, limit)
            return jnp.where(better >= 1.0 - tol.mass, 0.0, limit)

        def solve(limit: Any, first: Any) -> Any:
            answer = solve_lanes(lanes.upper, lanes.lower, limit, budget)
            kept = jnp.where(first, left(limit, answer.budget_price), limit)
            return kept, (answer.share, answer.status)

        def rule(state: Any) -> Any:
            limit, _, _ = state
            # One program, twice: for all models that were left, and for those that are left now.
            limit, (shares, statuses) = lax.scan(solve, limit, jnp.array([True, False]))
            even, _ = uniform_shares(limit)
            explore = (1.0 / jnp.sqrt(2.0 * (elapsed // len(limit)))).astype(limit.dtype)
            return limit, mixed(explore, even, shares[1]), statuses[1]

        limit, share, status = only_if(when, rule, (lanes.limit, lanes.share, lanes.status))
        return lanes._replace(limit=limit, share=share, status=status)

    return RouterSteps(_open_uniform, due, route, _by_shares, held=True)


def by_score(part: RouterKernel, _: EstimatorSteps, __: EstimatorKernel) -> RouterSteps:
    """As much as allowed to the model of highest score, then to the next."""
    score, follow = part.score, part.learn
    assert score is not None

    def route(when: Any, fixed: Fixed, lanes: Lanes, numbers: Numbers, elapsed: Any) -> Lanes:
        def rule(_: Any) -> Any:
            upper, lower = lanes.upper.astype(jnp.float64), lanes.lower.astype(jnp.float64)
            scores = score(upper, lower, lanes.state, *numbers.router)
            return fill_by_score(scores, lanes.upper, lanes.lower, lanes.limit)

        share, status = only_if(when, rule, (lanes.share, lanes.status))
        return lanes._replace(share=share, status=status)

    def learn(state: Any, reward: Any, cost: Any, numbers: Numbers) -> Any:
        assert follow is not None
        return tuple(follow(state, reward, cost, *numbers.router))

    return RouterSteps(_open_uniform, _every, route, _by_shares, learn if follow else None)


def fill_by_score(score: Any, upper: Any, lower: Any, limit: Any) -> tuple[Any, Any]:
    """As much as allowed to the model of highest score, then to the next: shares and status.

    Ties by higher U, lower L, lower index.
    """
    index = jnp.arange(len(limit)).reshape(-1, *[1] * (limit.ndim - 1))

    def add(before: Any, rank: Any, value: Any, up: Any, low: Any, part: Any) -> Any:
        cheaper = (low < lower) | ((low == lower) & (rank < index))
        better = (value > score) | ((value == score) & ((up > upper) | ((up == upper) & cheaper)))
        return before + jnp.where(better, part, 0.0)

    before = over_models(add, jnp.zeros_like(limit), index, score, upper, lower, limit)
    return _within(limit, total(limit), left_over(limit, before))


def uniform_shares(limit: Any) -> tuple[Any, Any]:
    """Equal shares within the limits, and status: what a full model leaves, the others share."""
    here = limit > 0.0
    capacity = total(limit)

    def fill(_: int, state: Any) -> Any:
        fixed, rest, open_, _ = state
        level = rest / jnp.maximum(open_, 1.0)
        more = here & (fixed == 0.0) & (limit <= level)
        fixed = jnp.where(more, limit, fixed)
        # Once all are full there is no level to renew.
        level = jnp.where(open_ > 0.0, level, 0.0)
        return fixed, total(jnp.where(more, -limit, 0.0), rest), open_ - total(1.0 * more), level

    one = jnp.ones_like(capacity)
    start = (jnp.zeros_like(limit), one, total(1.0 * here).astype(limit.dtype), 0.0 * one)
    fixed, _, _, level = lax.fori_loop(0, len(limit) + 1, fill, start)
    share = jnp.where(fixed == 0.0, level, fixed)
    return _within(limit, capacity, jnp.where(here, share, 0.0))


def _within(limit: Any, capacity: Any, share: Any) -> tuple[Any, Any]:
    """Shares and status, where limits that do not add up to 1 are the shares."""
    short = capacity < 1.0 - tolerances(limit.dtype).mass
    # A divisor that is the same for all models would become a factor, rounded otherwise.
    share = jnp.where(short, limit / jnp.where(limit > 0.0, capacity, 1.0), share)
    return share, jnp.where(short, NO_CAPACITY, OPTIMAL).astype(jnp.int32)


def _every(elapsed: Any, slots: int, numbers: Numbers) -> Any:
    return elapsed % numbers.resolve_every == 0


def _by_shares(fixed: Fixed, lanes: Lanes, u: Any, numbers: Numbers) -> tuple[Any, Any, Any]:
    return u, lanes.share, lanes.share


def _solve(when: Any, fixed: Fixed, lanes: Lanes, numbers: Numbers, elapsed: Any) -> Lanes:
    found: Lanes = lax.cond(when, lambda: basis.route(lanes, *numbers.lp[:2]), lambda: lanes)
    return found


def _solve_anew(when: Any, fixed: Fixed, lanes: Lanes, numbers: Numbers, elapsed: Any) -> Lanes:
    # Shares are due in every round.
    return _open_solved(fixed, lanes, numbers)


def _open_solved(fixed: Fixed, lanes: Lanes, numbers: Numbers) -> Lanes:
    return _with_answer(lanes, _answer(lanes.upper, lanes.lower, lanes.limit, numbers))


def _answer(upper: Any, lower: Any, limit: Any, numbers: Numbers) -> Any:
    return solve_lanes(upper, lower, limit, jnp.full_like(upper[0], numbers.lp[0]))


def _with_answer(lanes: Lanes, answer: Any) -> Lanes:
    return lanes._replace(
        side=answer.side, share=answer.share, i=answer.i, j=answer.j, status=answer.status
    )


def _open_uniform(fixed: Fixed, lanes: Lanes, numbers: Numbers) -> Lanes:
    share, status = uniform_shares(lanes.limit)
    return lanes._replace(share=share, status=status)
