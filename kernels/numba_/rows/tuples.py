"""Numbers in consecutive rows as a tuple, whose length is a constant of the compiled pass."""

from typing import Any

import numpy as np
from numba.extending import overload

from fastroute.kernels.numba_.layout import NEXT


def read_rows(w: Any, o: Any, count: int) -> tuple[float, ...]:
    """Return the numbers at ``o`` and in the rows that follow, ``count`` in all."""
    return tuple(w[o + np.uint64(k) * NEXT] for k in range(count))


def write_rows(w: Any, o: Any, values: Any, count: int) -> None:
    """Write the first ``count`` values to ``o`` and to the rows that follow."""
    for k in range(count):
        w[o + np.uint64(k) * NEXT] = values[k]


@overload(read_rows, prefer_literal=True)
def _read_rows(w, o, count):
    before = count.literal_value - 1
    if before < 0:
        return lambda w, o, count: ()
    distance = np.uint64(before) * NEXT
    return lambda w, o, count: (*read_rows(w, o, before), w[o + distance])


@overload(write_rows, prefer_literal=True)
def _write_rows(w, o, values, count):
    before = count.literal_value - 1
    if before < 0:
        return lambda w, o, values, count: None
    distance = np.uint64(before) * NEXT

    def write(w, o, values, count):
        write_rows(w, o, values, before)
        w[o + distance] = values[before]

    return write
