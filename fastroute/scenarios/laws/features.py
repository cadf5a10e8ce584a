"""Features of queries: what is checked of them, and how kernels get them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks
from fastroute.kernels.types import FEATURE_BLOCK, MOST_FEATURES

__all__ = ["feature_table", "padded"]

Array = NDArray[np.float64]


def feature_table(features: ArrayLike, rows: int | None = None) -> Array:
    """Return checked features of queries, [Q, d].

    Parameters
    ----------
    features : [Q, d]
    rows : int, optional
        Number of queries that there must be.

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.
    """
    found = checks.number_array("features", features, (2,))
    if rows is not None and len(found) != rows:
        raise ValueError(
            f"features has {len(found)} rows, but there are {rows} queries; pass one row per query"
        )
    count = found.shape[1]
    if not 1 <= count <= MOST_FEATURES:
        raise ValueError(
            f"features has {count} columns; pass 1 to {MOST_FEATURES}, such as the first principal "
            "components"
        )
    return found


def padded(features: Array | None) -> Array:
    """Return features with columns of zeros up to a multiple of ``FEATURE_BLOCK``; [0, 0] if none.

    Zeros change no sum, and what is kept of them never changes.
    """
    if features is None:
        return np.zeros((0, 0))
    return np.pad(features, ((0, 0), (0, -features.shape[1] % FEATURE_BLOCK)))
