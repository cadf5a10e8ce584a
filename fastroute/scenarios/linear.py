"""`linear`: queries with features, of which the mean reward of every model is a linear function."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from fastroute import checks
from fastroute.kernels.normal import normal
from fastroute.kernels.types import MOST_FEATURES
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.laws import ByFeatures, CostLaw
from fastroute.scenarios.laws.words import cost_law
from fastroute.scenarios.placement import MEANS, instance_draws

__all__ = ["linear"]

_LOW: Final = 0.45
_HIGH: Final = 0.65
#: What a draw of the instance stream is for, beside those of :mod:`.placement`.
_WEIGHTS: Final = 3


def linear(
    *,
    d: int = 16,
    n_models: int = 10,
    rows: int = 1000,
    seed: int = 0,
    spread: float = 0.2,
    price_ratio: float = 20.0,
    limit: float = 0.4,
    cost: CostLaw | str | Mapping[str, Any] = "uniform",
) -> Scenario:
    """Return models that are good at different queries, and features that tell which.

    A query is one of a table of ``rows`` feature vectors, drawn uniformly: x = (1, g) / sqrt(2),
    with g of length 1 and uniform direction. Model m has the mean reward clip(theta_m . x, 0, 1)
    with theta_m = sqrt(2) (base_m, spread sqrt(d - 1) u_m), u_m of length 1 and uniform direction:
    over the queries the mean reward has about the mean base_m and the standard deviation
    ``spread``. From the first model to the last, base_m rises evenly from 0.45 to 0.65 and the cost
    by equal factors from 1 to ``price_ratio``.

    Parameters
    ----------
    d : int
        Number of features, 2 to 64, the constant one included.
    n_models : int
        Number of models, >= 2, all there from the first round.
    rows : int
        Number of different queries.
    seed : int
        Seed of the table and of the weights.
    spread : float
        How much the mean reward of a model differs from query to query, >= 0.
    price_ratio : float
        Dearest over cheapest price, >= 1.
    limit : float
        Throughput limit of every model; ``n_models * limit`` must reach 1.
    cost : CostLaw, str or mapping
        Law of the costs around their means.

    Returns
    -------
    Scenario
        Its weights are ``scenario.reward.theta``.

    Raises
    ------
    ValueError
        When an option is out of range.
    """
    d = checks.integer("d", d, 2, MOST_FEATURES)
    n_models = checks.integer("n_models", n_models, 2, checks.MOST_MODELS)
    rows = checks.integer("rows", rows, 1)
    spread = checks.not_negative("spread", spread)
    price_ratio = checks.positive("price_ratio", price_ratio)
    limit = checks.fraction("limit", limit, zero=False)
    if price_ratio < 1.0:
        raise ValueError(f"price_ratio={price_ratio:g} must be >= 1, dearest over cheapest")
    if n_models * limit < 1.0 - 1e-9:
        raise ValueError(
            f"limit={limit:g} with n_models={n_models} serves only {n_models * limit:g} of the "
            f"traffic; use limit >= {1.0 / n_models:.4g}"
        )
    step = np.arange(n_models) / (n_models - 1)
    base = _LOW + (_HIGH - _LOW) * step
    directions = spread * math.sqrt(d - 1) * _directions(seed, n_models, d - 1, _WEIGHTS)
    queries = _directions(seed, rows, d - 1, MEANS)
    law = ByFeatures(
        features=np.column_stack([np.ones(rows), queries]) / math.sqrt(2.0),
        theta=np.column_stack([base, directions]) * math.sqrt(2.0),
    )
    return Scenario(
        cost_mean=price_ratio**step,
        limit=limit,
        reward=law,
        cost=cost_law(cost),
        name="linear",
        note="synthetic: mean rewards are linear in the features of the query, clipped to [0, 1]",
    )


def _directions(seed: int, count: int, size: int, purpose: int) -> np.ndarray:
    """Return vectors of length 1 and uniform direction, [count, size]."""
    drawn = normal(instance_draws(seed, count, size, purpose))
    directions: np.ndarray = drawn / np.sqrt((drawn**2).sum(axis=1))[:, None]
    return directions
