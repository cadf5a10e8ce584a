"""Rows of a lane: one number for each LP that is solved in lockstep."""

from fastroute.kernels.numba_.rows.place import LP_STRIDE, offsets

COUNT = 12
(
    budget,
    # Whether the problem is left to be solved alone.
    hard,
    price,
    # The basis: the marginal model i with its share, and j (i itself, or the other of a pair).
    i_slot,
    i_share,
    i_upper,
    i_lower,
    j_slot,
    j_share,
    # Where the trial is whose problem it is.
    trial,
    # What is answered for callers: value, and reduced value of the marginal model.
    value,
    marginal,
) = offsets(COUNT, LP_STRIDE)
