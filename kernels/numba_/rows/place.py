"""How far rows are apart."""

from typing import Any, Final

import numpy as np

#: Doubles in a cache line, and in the widest vector.
LINE: Final = 8
#: Trials of a block, and the distance of its rows: one cache line more than a row, so that the rows
#: of one lane spread over all sets of the cache.
WIDTH: Final = 64
STRIDE: Final = WIDTH + LINE
#: The same for the LPs that are solved in lockstep.
LP_WIDTH: Final = 32
LP_STRIDE: Final = LP_WIDTH + LINE


def offsets(count: int, stride: int) -> list[Any]:
    """Offsets of rows that follow one another, as unsigned constants for kernels."""
    return [np.uint64(k * stride) for k in range(count)]
