"""The input of the solvers: checked, broadcast and flattened."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks

F8 = NDArray[np.float64]


LARGEST_REWARD: Final = 1e300


class Batch(NamedTuple):
    """Input of a solver, broadcast and flattened to two axes."""

    shape: tuple[int, ...]  # leading axes
    reward: F8  # [B, M]
    cost: F8  # [B, M]
    limit: F8  # [B, M]
    budget: F8  # [B]


def prepare(reward: ArrayLike, cost: ArrayLike, limit: ArrayLike, budget: ArrayLike) -> Batch:
    """Validate and broadcast the arrays of a routing or deployment problem.

    Parameters
    ----------
    reward, cost, limit : array_like, [..., M]
        Broadcast against each other; ``limit`` may be a scalar.
    budget : array_like, [...]
        Broadcast against the leading axes.

    Returns
    -------
    Batch

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.
    """
    u, c, a, b = (
        checks.number_array(name, value, infinity=True, remedy="drop or fill NaN before solving")
        for name, value in (
            ("reward", reward),
            ("cost", cost),
            ("limit", limit),
            ("budget", budget),
        )
    )
    full = common_shape(u, c, a, b)
    if not _within(u, c, a, b):
        _refuse(u, c, a, b)
    flat = int(np.prod(full[:-1], dtype=np.int64))
    models = [
        np.ascontiguousarray(np.broadcast_to(x, full)).reshape(flat, full[-1]) for x in (u, c, a)
    ]
    budgets = np.ascontiguousarray(np.broadcast_to(b, full[:-1])).reshape(flat)
    return Batch(full[:-1], models[0], models[1], models[2], budgets)


def _within(reward: F8, cost: F8, limit: F8, budget: F8) -> bool:
    """Tell whether all numbers are allowed, from the ends of their ranges alone."""
    if 0 in (reward.size, cost.size, limit.size, budget.size):
        return False
    return bool(
        -LARGEST_REWARD <= reward.min()
        and reward.max() <= LARGEST_REWARD
        and cost.min() >= 0.0
        and cost.max() < np.inf
        and limit.min() > 0.0
        and limit.max() <= 1.0
        and budget.min() >= 0.0
    )


def _refuse(u: F8, c: F8, a: F8, b: F8) -> None:
    """Raise ValueError with the first number that is not allowed."""
    for name, array in (("reward", u), ("cost", c)):
        checks.refuse_entries(
            name, array, ~np.isfinite(array), "is not finite", f"use a finite {name}"
        )
    # Beyond, differences of rewards are no longer finite.
    checks.refuse_entries(
        "reward",
        u,
        np.abs(u) > LARGEST_REWARD,
        f"is more than {LARGEST_REWARD:g} in size",
        "scale the rewards down",
    )
    checks.refuse_entries("cost", c, c < 0.0, "is negative", "use costs >= 0, spending per query")
    checks.refuse_entries(
        "limit",
        a,
        (a <= 0.0) | (a > 1.0),
        "is outside (0, 1]",
        "it is the largest share of the traffic a model may get; leave absent models out",
    )
    checks.refuse_entries(
        "budget", b, b < 0.0, "is negative", "use a budget >= 0, or np.inf for none"
    )


def common_shape(reward: Any, cost: Any, limit: Any, budget: Any) -> tuple[int, ...]:
    """Shape ``[..., M]`` to which the arrays of a problem broadcast.

    Raises
    ------
    ValueError
        For a missing axis of models, shapes that do not broadcast, or no model at all.
    """
    for name, array in (("reward", reward), ("cost", cost)):
        if array.ndim == 0:
            raise ValueError(f"{name} must have a last axis of models, got the scalar {array}.")
    limits = limit.shape or (1,)
    try:
        full = np.broadcast_shapes(reward.shape, cost.shape, limits, (*budget.shape, 1))
    except ValueError as error:
        raise ValueError(
            f"shapes do not broadcast: reward {reward.shape}, cost {cost.shape}, limit "
            f"{limits} over [..., M] and budget {budget.shape} over the leading axes [...]."
        ) from error
    if full[-1] == 0:
        shapes = (("reward", reward.shape), ("cost", cost.shape), ("limit", limits))
        name, shape = next((n, x) for n, x in shapes if not x[-1])
        raise ValueError(
            f"{name} has an empty set of models (shape {shape}). Pass at least one model."
        )
    return full
