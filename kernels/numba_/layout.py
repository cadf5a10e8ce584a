"""Where the numbers of a block of trials lie.

``WIDTH`` trials form a block, one trial a lane.  All numbers of a block live in one flat array of
rows of ``WIDTH`` doubles, so that each loop over the lanes reads and writes rows at constant
distances and becomes vector instructions.  First come the rows of the lane (one number per trial),
then ``SLOT_ROWS`` rows for each slot (``S_*``: one number per trial and deployed model); one more
slot takes the draws of trials that have nothing deployed.

What :mod:`..lanes` says of keeping such loops fast holds here too.
"""

import numpy as np

from fastroute.kernels.numba_.lanes import LINE, aligned_zeros
from fastroute.kernels.types import STATES

WIDTH = 64
LANES = np.uint64(WIDTH)
#: Doubles from one row to the next: one cache line more than a row, so that the rows of one lane
#: spread over all sets of the cache.
STRIDE = WIDTH + LINE


def _row(k: int) -> np.uint64:
    return np.uint64(k * STRIDE)


# Rows of the lane, as offsets into the flat array.
LANE_ROWS = 48 + 6 + STATES
U_CHOICE, U_REWARD, U_COST, U_TASK = _row(0), _row(1), _row(2), _row(3)
# SPENT: what the shares outside the basis cost more than model j would.
PRICE, MARGINAL, GUARD, SPENT, BAD = _row(4), _row(5), _row(6), _row(7), _row(8)
INVERSE, REST, PAIR, STATUS = _row(9), _row(10), _row(11), _row(12)
# The basis: slots i and j with their bounds, limits, shares and true means.
I_SLOT, I_UPPER, I_LOWER, I_LIMIT, I_SHARE, I_REWARD, I_COST = (_row(k) for k in range(13, 20))
J_SLOT, J_UPPER, J_LOWER, J_LIMIT, J_SHARE, J_REWARD, J_COST = (_row(k) for k in range(20, 27))
# True reward and cost of the shares outside the basis.
FIXED_REWARD, FIXED_COST = _row(27), _row(28)
CUMULATED, PICK, REWARD, COST = _row(29), _row(30), _row(31), _row(32)
# The pulled model.
P_COUNT, P_REWARD, P_COST, P_MEAN, P_PRICE = (_row(k) for k in range(33, 38))
# True means of the round's distribution, and the sums of the segment in the order of ``Sums``.
E_REWARD, E_COST = _row(38), _row(39)
SUM_E_REWARD, SUM_E_COST, SUM_REWARD, SUM_COST = (_row(k) for k in range(40, 44))
SUM_OVER, SUM_CAPACITY = _row(44), _row(45)
# 1, or 0 where the budget cannot be met and rewards do not count.
WEIGHT = _row(46)
WORST = _row(47)
# What epsilon-greedy needs: whether the lane explores, and the true means of uniform shares.
EXPLORING, EVEN_REWARD, EVEN_COST = _row(48), _row(49), _row(50)
# Sum of all limits, and of those of the models with a better score.
CAPACITY, BEFORE = _row(51), _row(52)
# Task of the query, for the contextual estimator.
TASK = _row(53)
# What the router keeps from round to round: ``STATES`` rows.
STATE = _row(54)
HEAD = _row(LANE_ROWS)

# Rows of a slot.
SLOT_ROWS = 13
S_UPPER, S_LOWER, S_LIMIT, S_SIDE, S_FIXED = (_row(k) for k in range(5))
S_COUNT, S_REWARD, S_COST, S_MEAN, S_PRICE = (_row(k) for k in range(5, 10))
S_PLAYS, S_EVEN, S_SCORE = (_row(k) for k in range(10, 13))
STEP = _row(SLOT_ROWS)


def workspace(trials: int, slots: int) -> np.ndarray:
    """Memory for ``trials`` trials with ``slots`` models deployed: [blocks, rows * STRIDE]."""
    blocks = -(-trials // WIDTH)
    return aligned_zeros(blocks, (LANE_ROWS + SLOT_ROWS * (slots + 1)) * STRIDE)
