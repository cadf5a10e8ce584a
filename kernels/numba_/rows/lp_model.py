"""Rows of a model: one number for each LP that is solved in lockstep, and model."""

from fastroute.kernels.numba_.rows.place import LP_STRIDE, offsets

COUNT = 4
(
    upper,
    lower,
    limit,
    # +1 at the limit, -1 at zero, 0 in the basis or absent.
    side,
) = offsets(COUNT, LP_STRIDE)
