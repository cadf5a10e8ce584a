"""Numbers in consecutive rows as a tuple, whose length is a constant of the compiled pass."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from fastroute.kernels.numba_.layout import NEXT
from fastroute.kernels.numba_.vectors import gather, load, scatter, store


def read_rows(w: Any, o: Any, count: int) -> tuple[float, ...]:
    """Return the numbers of one lane at ``o`` and in the rows that follow, ``count`` in all."""
    return tuple(w[o + np.uint64(k) * NEXT] for k in range(count))


def load_rows(w: Any, o: Any, count: int) -> tuple[Any, ...]:
    """Return the vectors at ``o`` and in the rows that follow, ``count`` in all."""
    return tuple(load(w, o + np.uint64(k) * NEXT) for k in range(count))


def gather_rows(w: Any, at: Any, count: int) -> tuple[Any, ...]:
    """Return what stands at the offsets of the lanes and in the rows that follow."""
    return tuple(gather(w, at + np.uint64(k) * NEXT) for k in range(count))


def write_rows(w: Any, o: Any, values: Any, count: int) -> None:
    """Write the first ``count`` numbers of one lane to ``o`` and to the rows that follow."""
    for k in range(count):
        w[o + np.uint64(k) * NEXT] = values[k]


def store_rows(w: Any, o: Any, values: Any, count: int) -> None:
    """Write the first ``count`` values to ``o`` and to the rows that follow."""
    for k in range(count):
        store(w, o + np.uint64(k) * NEXT, values[k])


def scatter_rows(w: Any, at: Any, values: Any, count: int) -> None:
    """Write the first ``count`` values to the offsets of the lanes and to the rows that follow."""
    for k in range(count):
        scatter(w, at + np.uint64(k) * NEXT, values[k])


def _overload_reading(whole: Callable[..., Any], read: Callable[..., Any]) -> None:
    @overload(whole, prefer_literal=True)
    def _read(w, o, count):
        before = count.literal_value - 1
        if before < 0:
            return lambda w, o, count: ()
        distance = np.uint64(before) * NEXT
        return lambda w, o, count: (*whole(w, o, before), read(w, o + distance))


def _overload_writing(whole: Callable[..., Any], write: Callable[..., Any]) -> None:
    @overload(whole, prefer_literal=True)
    def _write(w, o, values, count):
        before = count.literal_value - 1
        if before < 0:
            return lambda w, o, values, count: None
        distance = np.uint64(before) * NEXT

        def each(w, o, values, count):
            whole(w, o, values, before)
            write(w, o + distance, values[before])

        return each


_overload_reading(read_rows, operator.getitem)
_overload_reading(load_rows, load)
_overload_reading(gather_rows, gather)
_overload_writing(write_rows, operator.setitem)
_overload_writing(store_rows, store)
_overload_writing(scatter_rows, scatter)
