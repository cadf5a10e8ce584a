"""Where the numbers of a block of trials lie.

``WIDTH`` trials form a block, one trial a lane.  All numbers of a block live in one flat array of
rows of ``WIDTH`` doubles, which passes read and write a vector of lanes at a time.  First come the
rows of the lane (``LANE``: one number per trial), then those of each slot (``SLOT``: one number per
trial and deployed model); one more slot takes the draws of trials that have nothing deployed.
"""

from typing import Any, Final

import numpy as np
from numba.extending import register_jitable

from fastroute.kernels.numba_.lanes import aligned_zeros
from fastroute.kernels.numba_.rows import slot as SLOT
from fastroute.kernels.numba_.rows import trial as LANE
from fastroute.kernels.numba_.rows.place import STRIDE, WIDTH
from fastroute.kernels.numba_.vectors import index, lane_numbers

__all__ = [
    "HEAD",
    "LANE",
    "LANES",
    "NEXT",
    "SLOT",
    "STEP",
    "STRIDE",
    "WIDTH",
    "place_of",
    "workspace",
]

LANES: Final = np.uint64(WIDTH)
#: Distance from one row to the next, as an offset.
NEXT: Final = np.uint64(STRIDE)
#: Where the first slot begins, and the distance to the next one.
HEAD: Final = np.uint64(LANE.COUNT * STRIDE)
STEP: Final = np.uint64(SLOT.COUNT * STRIDE)


def workspace(trials: int, slots: int) -> np.ndarray:
    """Memory for ``trials`` trials with ``slots`` models deployed: [blocks, rows * STRIDE]."""
    blocks = -(-trials // WIDTH)
    return aligned_zeros(blocks, int(HEAD) + int(STEP) * (slots + 1))


@register_jitable
def place_of(slot: Any, lane: Any) -> Any:
    """Where the rows of a slot begin, for each lane of the vector at ``lane``."""
    return HEAD + index(slot) * STEP + lane + lane_numbers()
