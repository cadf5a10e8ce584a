"""Continuous laws as equally likely atoms, which kernels draw with one uniform and one look-up.

Each atom is the conditional mean of its quantile stratum, so the mean of the atoms is the mean of
the law.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["STRATA", "conditional_means"]

Array = NDArray[np.float64]

STRATA: Final = 4096
"""Number of equally likely atoms that stand for a continuous law."""


def conditional_means(partial: Array, edge: Array, mean: float) -> Array:
    """Return conditional means of the strata of a law on [0, 1], mean kept exactly.

    ``partial`` [S+1] are the partial means up to the edges ``edge`` [S+1].
    """
    atoms = (partial.size - 1) * np.diff(partial)
    # Differences of nearly equal numbers can leave the stratum by rounding; put them back,
    # then spread the remaining error over all atoms, without leaving [0, 1].
    atoms = np.maximum.accumulate(np.clip(atoms, edge[:-1], edge[1:]))
    total = float(atoms.mean())
    if total == 0.0:
        return np.full_like(atoms, mean)
    if float(atoms[-1]) * mean <= total:
        return atoms * (mean / total)
    return 1.0 - (1.0 - atoms) * ((1.0 - mean) / (1.0 - total))
