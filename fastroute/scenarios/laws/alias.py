"""A discrete law as a table that is drawn from with one uniform and one look-up.

References
----------
A. J. Walker, "An efficient method for generating discrete random variables with general
distributions", ACM Trans. Math. Software 3 (1977); M. D. Vose, "A linear algorithm for
generating random numbers with a given distribution", IEEE Trans. Software Eng. 17 (1991).
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["alias_table"]

Array = NDArray[np.float64]


def alias_table(weight: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return Vose's alias table of a discrete law.

    With u uniform on [0, 1), ``k = floor(u * J)`` and ``frac = u * J - k``, the draw is
    ``k`` when ``frac < prob[k]``, else ``alias[k]``.

    Parameters
    ----------
    weight : f8 [J]
        Weights >= 0 with a positive sum; they need not add up to 1.

    Returns
    -------
    prob : f8 [J]
        Probability of keeping column ``k``.
    alias : i8 [J]
        The other outcome of column ``k``.
    """
    scaled = (weight * (weight.size / weight.sum())).tolist()
    prob = np.ones(weight.size)
    alias = np.arange(weight.size, dtype=np.int64)
    small = [index for index, value in enumerate(scaled) if value < 1.0]
    large = [index for index, value in enumerate(scaled) if value >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        prob[low] = scaled[low]
        alias[low] = high
        scaled[high] = (scaled[high] + scaled[low]) - 1.0
        if scaled[high] < 1.0:
            small.append(large.pop())
    # What is left over is 1 up to rounding, and prob already says so.
    return prob, alias
