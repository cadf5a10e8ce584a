"""Rewards with a beta law."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.scenarios.laws.base import RewardLaw
from fastroute.scenarios.laws.strata import STRATA, conditional_means

__all__ = ["Beta", "beta_strata"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Beta(RewardLaw):
    """The reward has the law Beta(mean × concentration, (1 − mean) × concentration).

    Its variance is mean × (1 − mean) / (concentration + 1).

    Parameters
    ----------
    concentration : float
        Sum of the two shape parameters, > 0.
    """

    name: ClassVar[str] = "beta"

    concentration: float

    def __post_init__(self) -> None:
        """Check the parameter."""
        value = checks.positive("concentration", self.concentration)
        object.__setattr__(self, "concentration", value)

    def atoms(self, mean: Array) -> Array:
        """Return the conditional means of 4,096 quantile strata."""
        return beta_strata(mean, self.concentration)


def beta_strata(mean: Array, concentration: float, strata: int = STRATA) -> Array:
    """Return equally likely atoms of beta laws with the given means.

    Model ``m`` has the law Beta(mean * concentration, (1 - mean) * concentration), whose
    variance is ``mean * (1 - mean) / (concentration + 1)``. Means of 0 and 1 are constants.

    Parameters
    ----------
    mean : f8 [N]
        Means in [0, 1].
    concentration : float
        Sum of the two shape parameters, > 0.
    strata : int
        Number of atoms S.

    Returns
    -------
    f8 [S, N]
        Atoms in [0, 1], increasing along the first axis; each column has exactly the mean
        asked for (to rounding).
    """
    table = np.empty((strata, mean.size))
    for model, value in enumerate(mean.tolist()):
        # The upper half is the mirror image of the lower half; computing it there keeps
        # the digits of 1 - x that a law close to 1 lives on.
        mirrored = value > 0.5
        atoms = _beta_atoms(1.0 - value if mirrored else value, concentration, strata)
        table[:, model] = 1.0 - atoms[::-1] if mirrored else atoms
    return table


def _beta_atoms(mean: float, concentration: float, strata: int) -> Array:
    """Return the atoms [S] of one beta law with mean <= 1/2."""
    if mean == 0.0:
        return np.zeros(strata)
    from scipy.special import betainc, betaincinv

    a, b = mean * concentration, (1.0 - mean) * concentration
    edge = np.asarray(betaincinv(a, b, np.arange(strata + 1) / strata), dtype=np.float64)
    # E[X; X <= q] = mean * I_q(a + 1, b).
    partial = mean * np.asarray(betainc(a + 1.0, b, edge), dtype=np.float64)
    partial[-1] = mean
    return conditional_means(partial, edge, mean)
