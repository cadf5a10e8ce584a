"""`static`: no arrivals, one best model: the classical bandit, whose answer is known."""

import numpy as np

from fastroute import checks
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.laws import FixedCost

__all__ = ["static"]


def static(
    *,
    n_models: int = 10,
    best: float = 0.6,
    gap: float = 0.1,
    cost: float = 1.0,
    limit: float = 1.0,
) -> Scenario:
    """Return a fixed set of equally dear models, one of which is better by ``gap``.

    Any budget >= ``cost`` is slack, so the problem is the classical stochastic bandit. Its
    optimum is ``limit * best + (1 - limit) * (best - gap)``. The best model comes last, so that
    breaking ties by index never finds it by luck.

    Parameters
    ----------
    n_models : int
        Number of models, >= 2.
    best : float
        Mean reward of the best model, in [0, 1].
    gap : float
        How much worse all the others are, in [0, best].
    cost : float
        Cost of every query with every model, > 0; it does not vary.
    limit : float
        Throughput limit of every model; ``n_models * limit`` must reach 1.

    Returns
    -------
    Scenario

    Raises
    ------
    ValueError
        When an option is out of range.
    """
    n_models = checks.integer("n_models", n_models, 2, checks.MOST_MODELS)
    best = checks.fraction("best", best, zero=True)
    gap = checks.fraction("gap", gap, zero=True)
    limit = checks.fraction("limit", limit, zero=False)
    if gap > best:
        raise ValueError(f"gap={gap:g} is above best={best:g}; use a gap of at most best")
    cost = checks.positive("cost", cost)
    if n_models * limit < 1.0 - 1e-9:
        raise ValueError(
            f"limit={limit:g} with n_models={n_models} serves only {n_models * limit:g} of the "
            f"traffic; use limit >= {1.0 / n_models:.4g}"
        )
    reward = np.full(n_models, best - gap)
    reward[-1] = best
    return Scenario(
        reward_mean=reward,
        cost_mean=np.full(n_models, cost),
        limit=limit,
        cost=FixedCost(),
        name="static",
        note="synthetic: fixed models of equal cost, one better than the rest",
    )
