"""Rows of a lane: one number for each LP that is solved in lockstep."""

from fastroute.kernels.numba_.rows.place import LP_STRIDE, offsets

COUNT = 26
(
    budget,
    hard,
    price,
    # The basis: the marginal model i with its share, and j (i itself, or the other of a pair).
    i_slot,
    i_share,
    i_upper,
    i_lower,
    i_limit,
    j_slot,
    j_share,
    # The model that enters or leaves, and where its crossing with the marginal one lies.
    k_slot,
    k_upper,
    k_lower,
    k_limit,
    k_side,
    crossing,
    rest,
    excess,
    tolerance,
    active,
    capacity,
    cheapest,
    dearest,
    moved,
    # Room for what callers add up.
    value,
    part,
) = offsets(COUNT, LP_STRIDE)
