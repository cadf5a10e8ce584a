"""Where the numbers of a block of trials lie.

``WIDTH`` trials form a block, one trial a lane.  All numbers of a block live in one flat array of
rows of ``WIDTH`` doubles, so that each loop over the lanes reads and writes rows at constant
distances and becomes vector instructions.  First come the rows of the lane (``LANE``: one number
per trial), then those of each slot (``SLOT``: one number per trial and deployed model); one more
slot takes the draws of trials that have nothing deployed.

What :mod:`..lanes` says of keeping such loops fast holds here too.
"""

from typing import Final

import numpy as np

from fastroute.kernels.numba_.lanes import aligned_zeros
from fastroute.kernels.numba_.rows import slot as SLOT
from fastroute.kernels.numba_.rows import trial as LANE
from fastroute.kernels.numba_.rows.place import STRIDE, WIDTH

__all__ = ["HEAD", "LANE", "LANES", "NEXT", "SLOT", "STEP", "STRIDE", "WIDTH", "workspace"]

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
