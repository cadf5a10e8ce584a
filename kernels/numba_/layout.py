"""Where the numbers of a block of trials lie.

``WIDTH`` trials form a block, one trial a lane.  All numbers of a block live in one flat array of
rows of ``WIDTH`` doubles, so that each loop over the lanes reads and writes rows at constant
distances and becomes vector instructions.  First come the rows of the lane (``LANE``: one number
per trial), then those of each slot (``SLOT``: one number per trial and deployed model); one more
slot takes the draws of trials that have nothing deployed.

What :mod:`..lanes` says of keeping such loops fast holds here too.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from fastroute.kernels.numba_.lanes import LINE, aligned_zeros, row_offsets
from fastroute.kernels.types import STATES, STATISTICS

WIDTH: Final = 64
LANES: Final = np.uint64(WIDTH)
#: Doubles from one row to the next: one cache line more than a row, so that the rows of one lane
#: spread over all sets of the cache.
STRIDE: Final = WIDTH + LINE
#: The same as an offset.
NEXT: Final = np.uint64(STRIDE)

Row = Any  #: offset of a row in the flat array, an unsigned constant


class LaneRows(NamedTuple):
    """Rows of the lane, in their order."""

    # Uniform numbers of the round.
    u_choice: Row
    u_reward: Row
    u_cost: Row
    u_task: Row
    # The check of the basis: price of the budget, value of the marginal model, smallest advantage
    # that is trusted, what the shares outside the basis cost more than model j would, whether the
    # basis is lost.
    budget_price: Row
    marginal: Row
    guard: Row
    spent: Row
    lost: Row
    inverse: Row
    rest: Row
    pair: Row
    status: Row
    # The basis: slots i and j with their bounds, limits, shares and true means.
    i_slot: Row
    i_upper: Row
    i_lower: Row
    i_limit: Row
    i_share: Row
    i_mean_reward: Row
    i_mean_cost: Row
    j_slot: Row
    j_upper: Row
    j_lower: Row
    j_limit: Row
    j_share: Row
    j_mean_reward: Row
    j_mean_cost: Row
    # True reward and cost of the shares outside the basis.
    outside_reward: Row
    outside_cost: Row
    cumulated: Row
    # Slot of the pulled model (one beyond the last for none), and what it brought and cost.
    pick: Row
    reward: Row
    cost: Row
    # The pulled model: its means and bounds, then what the estimator has seen of it.
    pulled_mean_reward: Row
    pulled_mean_cost: Row
    pulled_upper: Row
    pulled_lower: Row
    pulled_seen: Row
    pulled_seen_1: Row
    pulled_seen_2: Row
    pulled_seen_3: Row
    pulled_seen_4: Row
    pulled_seen_5: Row
    # True means of the round's distribution, and the sums of the segment in the order of ``Sums``.
    expected_reward: Row
    expected_cost: Row
    sum_expected_reward: Row
    sum_expected_cost: Row
    sum_reward: Row
    sum_cost: Row
    sum_over_budget: Row
    sum_no_capacity: Row
    # 1, or 0 where the budget cannot be met and rewards do not count.
    weight: Row
    worst: Row
    # Whether the lane explores, and the true means of uniform shares.
    exploring: Row
    even_reward: Row
    even_cost: Row
    # Sum of all limits, and of those of the models with a better score.
    capacity: Row
    before: Row
    # Task of the query.
    task: Row
    # What the router keeps from round to round: ``STATES`` rows.
    state: Row
    state_1: Row
    state_2: Row
    state_3: Row
    state_4: Row
    state_5: Row
    state_6: Row
    state_7: Row


class SlotRows(NamedTuple):
    """Rows of a slot, in their order."""

    upper: Row
    lower: Row
    limit: Row
    side: Row  #: in the basis or outside of it, as in :mod:`.lanes`
    share: Row  #: outside the basis
    mean_reward: Row
    mean_cost: Row
    model: Row  #: -1 for an empty slot
    plays: Row
    even: Row  #: uniform share within the limits
    score: Row
    # What the estimator has seen: observations, sums of rewards and of costs, numbers of its own.
    seen: Row
    seen_1: Row
    seen_2: Row
    seen_3: Row
    seen_4: Row
    seen_5: Row


LANE: Final = LaneRows(*row_offsets(len(LaneRows._fields), STRIDE))
SLOT: Final = SlotRows(*row_offsets(len(SlotRows._fields), STRIDE))
#: Where the first slot begins, and the distance to the next one.
HEAD: Final = np.uint64(len(LaneRows._fields) * STRIDE)
STEP: Final = np.uint64(len(SlotRows._fields) * STRIDE)

assert LaneRows._fields[-STATES] == "state"
assert SlotRows._fields[-STATISTICS] == "seen"


def workspace(trials: int, slots: int) -> np.ndarray:
    """Memory for ``trials`` trials with ``slots`` models deployed: [blocks, rows * STRIDE]."""
    blocks = -(-trials // WIDTH)
    return aligned_zeros(blocks, int(HEAD) + int(STEP) * (slots + 1))
