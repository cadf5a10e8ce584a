"""Rows of a slot: one number for each trial of a block and deployed model."""

from fastroute.kernels.numba_.rows.place import STRIDE, offsets

COUNT = 19
(
    upper,
    lower,
    limit,
    # In the basis or outside of it, as in :mod:`.lanes`.
    side,
    # Outside the basis.
    share,
    mean_reward,
    mean_cost,
    # -1 for an empty slot.
    model,
    plays,
    # Uniform share within the limits.
    even,
    score,
    # What the estimator has seen: observations, sums of rewards and of costs, numbers of its own.
    seen,
    seen_1,
    seen_2,
    seen_3,
    seen_4,
    seen_5,
    seen_6,
    seen_7,
) = offsets(COUNT, STRIDE)
