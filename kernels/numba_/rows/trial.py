"""Rows of a lane: one number for each trial of a block."""

from fastroute.kernels.numba_.rows.place import STRIDE, offsets

COUNT = 67
(
    # Uniform numbers of the round.
    u_choice,
    u_reward,
    u_cost,
    u_task,
    # The check of the basis: price of the budget, value of the marginal model, smallest advantage
    # that is trusted, what the shares outside the basis cost more than model j would, whether the
    # basis is lost.
    budget_price,
    marginal,
    guard,
    spent,
    lost,
    inverse,
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
    cumulated,
    # Slot of the pulled model (one beyond the last for none), and what it brought and cost.
    pick,
    reward,
    cost,
    # The pulled model: its means and bounds, then what the estimator has seen of it.
    pulled_mean_reward,
    pulled_mean_cost,
    pulled_upper,
    pulled_lower,
    pulled_seen,
    pulled_seen_1,
    pulled_seen_2,
    pulled_seen_3,
    pulled_seen_4,
    pulled_seen_5,
    # True means of the round's distribution, and the sums of the segment in the order of ``Sums``.
    expected_reward,
    expected_cost,
    sum_expected_reward,
    sum_expected_cost,
    sum_reward,
    sum_cost,
    sum_over_budget,
    sum_no_capacity,
    # 1, or 0 where the budget cannot be met and rewards do not count.
    weight,
    worst,
    # Whether the lane explores, and the true means of uniform shares.
    exploring,
    even_reward,
    even_cost,
    # Sum of all limits, and of those of the models with a better score.
    capacity,
    before,
    # Task of the query.
    task,
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
