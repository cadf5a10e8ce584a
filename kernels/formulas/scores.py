"""Scores by which routers rank the models, and how their prices follow the spending.

A router that ranks is made of up to two formulas::

    score(upper, lower, state, *parameters) -> score
    learn(state, reward, cost, *parameters) -> state

``upper`` and ``lower`` are the bounds of a model, ``state`` is what the router keeps of a trial
(at most ``STATES`` numbers).  Parameters are the numbers of the router, in the order in which it
gives them.  ``pace`` is the cost of a round that prices aim at; costs times ``scale`` are on the
scale of the rewards.
"""

from typing import Any

from fastroute.kernels.formulas.names import maximum, minimum, quotient, rounded
from fastroute.kernels.tolerances import POSITIVE, PRICE_RATIO


def ratio_score(upper: Any, lower: Any, state: Any, scale: Any) -> Any:
    """Reward per cost, ``U / c``."""
    return upper / maximum(rounded(lower * scale), POSITIVE)


def drift_score(upper: Any, lower: Any, state: Any, weight: Any, pace: Any, scale: Any) -> Any:
    """Drift plus penalty, ``V U - Q c``."""
    (queue,) = state
    return rounded(weight * upper) - rounded(queue * rounded(lower * scale))


def drift_learn(state: Any, reward: Any, cost: Any, weight: Any, pace: Any, scale: Any) -> Any:
    """Virtual queue of overspending, ``Q <- max(Q + c_t - b', 0)``."""
    (queue,) = state
    return (maximum(queue + rounded((cost - pace) * scale), 0.0),)


def pacer_score(
    upper: Any,
    lower: Any,
    state: Any,
    step: Any,
    pace: Any,
    scale: Any,
    smoothing: Any,
    ceiling: Any,
) -> Any:
    """Reward less its price, ``U - lam c``."""
    price, _ = state
    return upper - rounded(price * rounded(lower * scale))


def pacer_learn(
    state: Any,
    reward: Any,
    cost: Any,
    step: Any,
    pace: Any,
    scale: Any,
    smoothing: Any,
    ceiling: Any,
) -> Any:
    """``lam <- clip(lam + eta (ema / b - 1), 0, lam_max)``, ``ema <- (1 - s) ema + s c_t``."""
    price, mean = state
    mean = rounded((1.0 - smoothing) * mean) + rounded(smoothing * cost)
    ahead = quotient(mean - pace, maximum(pace, POSITIVE))
    return minimum(maximum(price + rounded(step * ahead), 0.0), ceiling), mean


def primal_dual_score(upper: Any, lower: Any, state: Any, step: Any, pace: Any, scale: Any) -> Any:
    """Reward per unit of the two resources, ``U / (v c + b')``."""
    (price,) = state
    used = rounded(price * rounded(lower * scale)) + rounded(pace * scale)
    return upper / maximum(used, POSITIVE)


def primal_dual_learn(state: Any, reward: Any, cost: Any, step: Any, pace: Any, scale: Any) -> Any:
    """Price of money in rounds, ``v <- v (1 + eps c_t) / (1 + eps b')``."""
    (price,) = state
    grown = 1.0 + rounded(step * rounded(cost * scale))
    shrink = 1.0 + rounded(step * rounded(pace * scale))
    price = quotient(price * grown, shrink)
    return (minimum(maximum(price, 1.0 / PRICE_RATIO), PRICE_RATIO),)
