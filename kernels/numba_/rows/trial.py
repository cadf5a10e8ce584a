"""Rows of a lane: one number for each trial of a block."""

from fastroute.kernels.numba_.rows.place import STRIDE, offsets

COUNT = 47
(
    # Uniform numbers of the round.
    u_choice,
    u_reward,
    u_cost,
    u_task,
    # Whether the basis is lost, what the shares outside of it leave, whether it has two models.
    lost,
    rest,
    pair,
    status,
    # The basis: slots i and j with their bounds, limits, shares and true means.
    i_slot,
    i_upper,
    i_lower,
    i_limit,
    i_share,
    i_mean_reward,
    i_mean_cost,
    j_slot,
    j_upper,
    j_lower,
    j_limit,
    j_share,
    j_mean_reward,
    j_mean_cost,
    # True reward and cost of the shares outside the basis.
    outside_reward,
    outside_cost,
    # Slot of the pulled model (one beyond the last for none), and what it brought and cost.
    pick,
    reward,
    cost,
    # True means of the round's distribution, and the sums of the segment in the order of ``Sums``.
    expected_reward,
    expected_cost,
    sum_expected_reward,
    sum_expected_cost,
    sum_reward,
    sum_cost,
    sum_over_budget,
    sum_no_capacity,
    # Whether the lane explores, and the true means of uniform shares.
    exploring,
    even_reward,
    even_cost,
    # Row of the query in the table of the rewards: its task, where there are tasks.
    row,
    # What the router keeps from round to round: ``STATES`` rows.
    state,
    state_1,
    state_2,
    state_3,
    state_4,
    state_5,
    state_6,
    state_7,
) = offsets(COUNT, STRIDE)
