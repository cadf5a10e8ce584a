"""What the round loop keeps for every lane, and the numbers of a run.

Arrays are ``[slots, lanes]``: one row per deployed model, one lane per trial.
"""

from typing import Any, NamedTuple

import numpy as np

from fastroute.kernels.codes import ESTIMATOR_THOMPSON, ESTIMATOR_TRUTH, ROUTER_GREEDY, ROUTER_TRUTH
from fastroute.kernels.jax_.rng import key_words
from fastroute.kernels.types import Rules


class Fixed(NamedTuple):
    """What the open stage leaves as it is, [slots, lanes]."""

    model: Any  #: int32, -1 for an empty slot
    mean_reward: Any  #: float64, like the cost
    mean_cost: Any
    even: Any  #: uniform shares within the limits


class Lanes(NamedTuple):
    """What changes from round to round."""

    count: Any  #: observations and their sums, float64 [slots, lanes]
    sum_reward: Any
    sum_cost: Any
    plays: Any  #: rounds in which the model was pulled, float64 [slots, lanes]
    upper: Any  #: bounds, [slots, lanes]
    lower: Any
    limit: Any  #: throughput limits, 0 for an empty slot and what was eliminated, [slots, lanes]
    side: Any  #: the basis, as in ``routing.Answer``, [slots, lanes]
    share: Any  #: of the last routing decision, [slots, lanes]
    i: Any  #: [lanes]
    j: Any  #: [lanes]
    status: Any  #: of the last routing decision, int32 [lanes]
    price: Any  #: of the cost, or the queue: ``Memory.state[0]``, float64 [lanes]
    pace: Any  #: running mean of the costs: ``Memory.state[1]``, float64 [lanes]


class Numbers(NamedTuple):
    """Numbers of the policy and the run, as scalars; those of the bounds in their precision."""

    key: Any  #: uint32 [2]
    router: Any
    budget: Any  #: infinite for the greedy router
    gamma: Any
    cost_min: Any
    cost_max: Any
    cost_side: Any
    init: Any
    init_pulls: Any
    resolve_every: Any
    truth: Any  #: whether the true means are routed on
    known: Any  #: whether they are what the estimator gives
    thompson: Any  #: whether rewards are sampled
    discount: Any
    explore: Any
    gain: Any
    smoothing: Any
    ceiling: Any
    scale: Any  #: costs times this are on the scale of the rewards
    target: Any  #: cost of a round that prices aim at


def numbers_of(rules: Rules, dtype: np.dtype[Any]) -> Numbers:
    """Numbers of a run for the compiled functions."""
    real = dtype.type
    known = rules.estimator == ESTIMATOR_TRUTH
    return Numbers(
        key_words(rules.seed),
        np.int32(rules.router),
        real(np.inf if rules.router == ROUTER_GREEDY else rules.budget),
        real(rules.gamma),
        real(rules.cost_min),
        real(rules.cost_max),
        real(rules.cost_side),
        np.int32(rules.init),
        np.float64(rules.init_pulls),
        np.int64(rules.resolve_every),
        np.bool_(known or rules.router == ROUTER_TRUTH),
        np.bool_(known),
        np.bool_(rules.estimator == ESTIMATOR_THOMPSON),
        np.float64(rules.discount),
        np.float64(rules.explore),
        np.float64(rules.gain),
        np.float64(rules.smoothing),
        np.float64(rules.ceiling),
        np.float64(1.0 / rules.cost_max),
        np.float64(min(rules.budget, rules.cost_max)),
    )
