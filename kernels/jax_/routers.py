"""How each router sets the shares of all lanes; the same rules as :mod:`..numba_.routers`.

Scores, prices and queues are in double precision, whatever that of bounds and shares.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from fastroute.kernels.codes import (
    NO_CAPACITY,
    OPTIMAL,
    ROUTER_DRIFT_PLUS_PENALTY,
    ROUTER_ELIMINATION,
    ROUTER_EPSILON_GREEDY,
    ROUTER_EXPLORE_THEN_COMMIT,
    ROUTER_PACER,
    ROUTER_PRIMAL_DUAL,
    ROUTER_RATIO,
    ROUTER_TRUTH,
    STREAM_POSTERIOR,
)
from fastroute.kernels.jax_ import basis
from fastroute.kernels.jax_.bounds import posterior, radius, unobserved_below
from fastroute.kernels.jax_.lanes import only_if, over_models, rounded, tolerances, total
from fastroute.kernels.jax_.layout import Fixed, Lanes, Numbers
from fastroute.kernels.jax_.rng import uniforms
from fastroute.kernels.jax_.routing import solve_lanes
from fastroute.kernels.normal import BITS, NORMAL
from fastroute.kernels.tolerances import POSITIVE, PRICE_RATIO


def route(fixed: Fixed, lanes: Lanes, numbers: Numbers, now: Any, opened: Any, trial: Any) -> Lanes:
    """Set the shares of round ``now`` where the router is due."""
    router, elapsed = numbers.router, now - opened
    when = _due(elapsed, len(lanes.limit), numbers)

    def sample(_: Any) -> Any:
        return _sample(lanes, numbers, now, trial)

    lanes = lanes._replace(upper=only_if(when & numbers.thompson, sample, lanes.upper))
    solves = (router <= ROUTER_EPSILON_GREEDY) | (router == ROUTER_EXPLORE_THEN_COMMIT)
    lanes = lax.cond(when & solves, lambda: basis.route(lanes, numbers), lambda: lanes)

    def rule(state: Any) -> Any:
        limit, *_ = state
        return lax.cond(
            router == ROUTER_ELIMINATION,
            lambda: _eliminate(fixed, lanes, limit, elapsed // len(limit), numbers),
            lambda: (limit, *_fill_by_score(lanes, limit, numbers)),
        )

    state = lanes.limit, lanes.share, lanes.status
    limit, share, status = only_if(when & ~solves, rule, state)
    return lanes._replace(limit=limit, share=share, status=status)


def _due(elapsed: Any, slots: int, numbers: Numbers) -> Any:
    """Whether the router sets new shares, ``elapsed`` rounds after the stage opened."""
    router = numbers.router
    epochs = elapsed // slots
    doubled = (epochs > 0) & (elapsed % slots == 0) & (epochs & (epochs - 1) == 0)
    often = elapsed % numbers.resolve_every == 0
    # What never changes has been solved when the stage opened.
    solves = (router <= ROUTER_EPSILON_GREEDY) & (router != ROUTER_TRUTH) & ~numbers.known
    at_last = (router == ROUTER_EXPLORE_THEN_COMMIT) & (elapsed == numbers.explore)
    eliminates = (router == ROUTER_ELIMINATION) & doubled
    return at_last | eliminates | ((solves | (router >= ROUTER_RATIO)) & often)


def learn(kept: tuple[Any, Any], cost: Any, numbers: Numbers) -> tuple[Any, Any]:
    """Let prices follow the spending of the round: ``Lanes.price`` and ``Lanes.pace``."""
    target, scale, gain, smoothing = numbers.target, numbers.scale, numbers.gain, numbers.smoothing
    price, pace = kept

    def divisor(x: Any) -> Any:
        # A divisor that is the same for all lanes would become a factor, rounded otherwise.
        return jnp.where(cost >= 0.0, x, 1.0)

    def queue() -> Any:
        return jnp.maximum(price + rounded((cost - target) * scale), 0.0), pace

    def paced() -> Any:
        mean = rounded((1.0 - smoothing) * pace) + rounded(smoothing * cost)
        ahead = (mean - target) / divisor(jnp.maximum(target, POSITIVE))
        return jnp.clip(price + rounded(gain * ahead), 0.0, numbers.ceiling), mean

    def weights() -> Any:
        grown = 1.0 + rounded(gain * rounded(cost * scale))
        shrink = 1.0 + rounded(gain * rounded(target * scale))
        ratio = price * grown / divisor(shrink)
        return jnp.clip(ratio, 1.0 / PRICE_RATIO, PRICE_RATIO), pace

    steps = {
        ROUTER_RATIO: lambda: (price, pace),
        ROUTER_DRIFT_PLUS_PENALTY: queue,
        ROUTER_PACER: paced,
        ROUTER_PRIMAL_DUAL: weights,
    }
    learned: tuple[Any, Any] = lax.switch(
        numbers.router - ROUTER_RATIO, [steps[k] for k in sorted(steps)]
    )
    return learned


def spread(limit: Any) -> tuple[Any, Any]:
    """Uniform shares within the limits: what a full model leaves, the others share."""
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


def explore_evenly(fixed: Fixed, lanes: Lanes, u: Any, explore: Any) -> tuple[Any, Any, Any]:
    """Epsilon-greedy: the uniform first decides whether the round explores.

    Returns
    -------
    tuple
        The uniform that chooses the model, the shares it chooses from, and the shares of the round.
    """
    exploring = u < explore

    def divisor(x: Any) -> Any:
        return jnp.where(u >= 0.0, x, 1.0)

    left = jnp.where(exploring, u / divisor(explore), (u - explore) / divisor(1.0 - explore))
    part = explore.astype(lanes.share.dtype)
    mixed = rounded(part * fixed.even) + rounded((1.0 - part) * lanes.share)
    return left, jnp.where(exploring, fixed.even, lanes.share), mixed


def _within(limit: Any, capacity: Any, share: Any) -> tuple[Any, Any]:
    """Shares and status, where limits that do not add up to 1 are the shares."""
    short = capacity < 1.0 - tolerances(limit.dtype).mass
    # A divisor that is the same for all models would become a factor, rounded otherwise.
    share = jnp.where(short, limit / jnp.where(limit > 0.0, capacity, 1.0), share)
    return share, jnp.where(short, NO_CAPACITY, OPTIMAL).astype(jnp.int32)


def _sample(lanes: Lanes, numbers: Numbers, now: Any, trial: Any) -> Any:
    """Posterior samples of all rewards."""
    slots, dtype = len(lanes.upper), lanes.upper.dtype
    index = jnp.arange(-(-slots // 4))[:, None]
    four = uniforms(numbers.key, now, index, trial, STREAM_POSTERIOR)
    table = jnp.stack(four, axis=1).reshape(-1, len(trial))[:slots]
    normal = jnp.asarray(NORMAL)[(table * (1 << BITS)).astype(jnp.int32)]
    count, sum_reward, normal = (x.astype(dtype) for x in (lanes.count, lanes.sum_reward, normal))
    return posterior(count, sum_reward, normal, numbers.init, numbers.init_pulls)


def _fill_by_score(lanes: Lanes, limit: Any, numbers: Numbers) -> tuple[Any, Any]:
    """As much as allowed to the model of highest score, then to the next: shares and status."""
    upper, lower = lanes.upper, lanes.lower
    reward = upper.astype(jnp.float64)
    cost = rounded(lower.astype(jnp.float64) * numbers.scale)
    price, gain = lanes.price, numbers.gain
    target = rounded(numbers.target * numbers.scale)
    scores = {
        ROUTER_RATIO: lambda: reward / jnp.maximum(cost, POSITIVE),
        ROUTER_DRIFT_PLUS_PENALTY: lambda: rounded(gain * reward) - rounded(price * cost),
        ROUTER_PACER: lambda: reward - rounded(price * cost),
        ROUTER_PRIMAL_DUAL: (
            lambda: reward / jnp.maximum(rounded(price * cost) + target, POSITIVE)
        ),
    }
    score = lax.switch(numbers.router - ROUTER_RATIO, [scores[k] for k in sorted(scores)])
    index = jnp.arange(len(limit)).reshape(-1, *[1] * (limit.ndim - 1))

    def add(before: Any, rank: Any, value: Any, up: Any, low: Any, part: Any) -> Any:
        cheaper = (low < lower) | ((low == lower) & (rank < index))
        better = (value > score) | ((value == score) & ((up > upper) | ((up == upper) & cheaper)))
        return before + jnp.where(better, part, 0.0)

    before = over_models(add, jnp.zeros_like(limit), index, score, upper, lower, limit)
    share = jnp.minimum(limit, jnp.maximum(1.0 - before, 0.0))
    return _within(limit, total(limit), share)


def _eliminate(
    fixed: Fixed, lanes: Lanes, limit: Any, epochs: Any, numbers: Numbers
) -> tuple[Any, Any, Any]:
    """Drop the models that are surely not needed, and mix the LP with uniform routing.

    Returns
    -------
    tuple
        Limits of what is left, shares, status.
    """
    budget = jnp.full_like(limit[0], numbers.budget)

    def solve(limit: Any, first: Any) -> Any:
        answer = solve_lanes(lanes.upper, lanes.lower, limit, budget)
        left = _undominated(fixed, lanes, limit, answer.budget_price, numbers)
        return jnp.where(first, left, limit), (answer.share, answer.status)

    # One program, twice: for all models that were left, and for those that are left now.
    limit, (shares, statuses) = lax.scan(solve, limit, jnp.array([True, False]))
    even, _ = spread(limit)
    explore = (1.0 / jnp.sqrt(2.0 * epochs)).astype(limit.dtype)
    share = rounded(explore * even) + rounded((1.0 - explore) * shares[1])
    return limit, share, statuses[1]


def _undominated(fixed: Fixed, lanes: Lanes, limit: Any, price: Any, numbers: Numbers) -> Any:
    """Limits of the models that may still be needed at the price of the budget."""
    dtype = limit.dtype
    count, sum_reward, sum_cost = (
        x.astype(dtype) for x in (lanes.count, lanes.sum_reward, lanes.sum_cost)
    )
    inverse = 1.0 / (count + 1.0)
    reward, cost = rounded(sum_reward * inverse), rounded(sum_cost * inverse)
    scaled = rounded(cost * (1.0 / numbers.cost_max))
    wide = 2.0 * radius(reward, inverse, numbers.gamma)
    wide_cost = 2.0 * radius(scaled, inverse, numbers.gamma) * numbers.cost_max
    reward = jnp.where(numbers.known, fixed.mean_reward.astype(dtype), reward)
    cost = jnp.where(numbers.known, fixed.mean_cost.astype(dtype), cost)
    wide = jnp.where(numbers.known, 0.0, wide)
    wide_cost = jnp.where(numbers.known, 0.0, wide_cost)
    unobserved = ~numbers.known & (count < unobserved_below(numbers.init, numbers.init_pulls))
    middle = reward - rounded(price * cost)
    width = wide + rounded(price * wide_cost)
    low = jnp.where(unobserved, -jnp.inf, middle - width)
    high = jnp.where(unobserved, jnp.inf, middle + width) + tolerances(dtype).dominated

    def add(better: Any, sure: Any, part: Any) -> Any:
        return better + jnp.where(sure > high, part, 0.0)

    better = over_models(add, jnp.zeros_like(limit), low, limit)
    return jnp.where(better >= 1.0 - tolerances(dtype).mass, 0.0, limit)
