"""Costs with a lognormal law, truncated at the largest cost."""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.scenarios.laws.base import TOLERANCE, CostLaw
from fastroute.scenarios.laws.strata import STRATA, conditional_means

__all__ = ["LOGNORMAL_HEADROOM", "Lognormal", "lognormal_strata"]

Array = NDArray[np.float64]

LOGNORMAL_HEADROOM: Final = 0.9
"""Largest mean of a truncated lognormal law, as a share of the largest cost.

A law with a mean nearer to the largest cost no longer looks lognormal.
"""

# Default largest cost: this many standard deviations above the median of the dearest model (0.999
# quantile).
_TAIL_DEVIATIONS: Final = 3.090232306167813


@dataclass(frozen=True)
class Lognormal(CostLaw):
    """The cost is exp(location + sigma × Z), Z standard normal, given that it is at most c_max.

    The location is such that the mean of the truncated law is the one asked for. ``c_max`` is the
    upper end of the scenario's range of costs; by default it is the 0.999 quantile of the dearest
    model.

    Parameters
    ----------
    sigma : float
        Standard deviation of the logarithm before truncation, > 0.
    """

    name: ClassVar[str] = "lognormal"

    sigma: float

    def __post_init__(self) -> None:
        """Check the parameter."""
        object.__setattr__(self, "sigma", checks.positive("sigma", self.sigma))

    def support(self, mean: Array) -> tuple[Array, Array]:
        """Return 0 and the default largest cost of each mean."""
        checks.refuse_entries(
            "cost_mean",
            mean,
            mean == 0.0,
            "has no lognormal law",
            "use cost='fixed' or 'uniform' for free models",
        )
        largest = float(np.exp(_TAIL_DEVIATIONS * self.sigma - 0.5 * self.sigma * self.sigma))
        return np.zeros_like(mean), mean * max(largest, 1.0 / LOGNORMAL_HEADROOM)

    def check(self, mean: Array, cost_range: tuple[float, float]) -> None:
        """Raise ValueError when the range truncates the law too close to a mean."""
        dearest, c_max = float(mean.max()), cost_range[1]
        if dearest > LOGNORMAL_HEADROOM * c_max * (1.0 + TOLERANCE):
            raise ValueError(
                f"cost_range={cost_range!r} truncates the lognormal law of mean {dearest:g} too "
                f"close to its mean; use c_max >= {dearest / LOGNORMAL_HEADROOM:g}"
            )

    def atoms(self, mean: Array, cost_range: tuple[float, float]) -> Array:
        """Return the conditional means of 4,096 quantile strata of the law truncated at c_max."""
        return lognormal_strata(mean, self.sigma, cost_range[1])


def lognormal_strata(mean: Array, sigma: float, cost_max: float, strata: int = STRATA) -> Array:
    """Return equally likely atoms of lognormal laws truncated at ``cost_max``, means kept.

    The law is that of ``exp(location + sigma * Z)``, Z standard normal, given that it does
    not exceed ``cost_max``. The location is solved for, model by model, so that the mean
    *after* truncation is the one asked for.

    Parameters
    ----------
    mean : f8 [N]
        Means, > 0 and at most ``LOGNORMAL_HEADROOM * cost_max``.
    sigma : float
        Standard deviation of the logarithm before truncation, > 0.
    cost_max : float
        Where the laws are truncated.
    strata : int
        Number of atoms S.

    Returns
    -------
    f8 [S, N]
        Atoms in (0, cost_max], increasing along the first axis; each column has exactly the
        mean asked for (to rounding).
    """
    table = np.empty((strata, mean.size))
    for model, value in enumerate(mean.tolist()):
        # In units of the largest cost, so that every quantity is near 1 whatever the cost unit.
        atoms = _lognormal_atoms(value / cost_max, sigma, strata)
        table[:, model] = np.minimum(atoms * cost_max, cost_max)
    return table


def _lognormal_atoms(mean: float, sigma: float, strata: int) -> Array:
    """Return the atoms [S] of one lognormal law truncated at 1."""
    from scipy.special import log_ndtr, ndtri_exp

    location = _truncated_location(mean, sigma)
    end = -location / sigma
    log_share = np.log(np.arange(1, strata) / strata) + log_ndtr(end)
    normal_edge = np.concatenate(([-np.inf], ndtri_exp(log_share), [end]))
    # E[X; Z <= z] = exp(location + sigma^2 / 2) * Phi(z - sigma): as a share of the mean.
    partial = mean * np.exp(log_ndtr(normal_edge - sigma) - log_ndtr(end - sigma))
    partial[-1] = mean
    return conditional_means(partial, np.exp(location + sigma * normal_edge), mean)


def _truncated_location(mean: float, sigma: float) -> float:
    """Return the location at which a lognormal law truncated at 1 has the given mean."""
    from scipy.optimize import brentq
    from scipy.special import log_ndtr

    target = math.log(mean)

    def excess(location: float) -> float:
        end = -location / sigma
        tail = float(log_ndtr(end - sigma)) - float(log_ndtr(end))
        return location + 0.5 * sigma * sigma + tail - target

    # Without truncation this location would be right; truncation only lowers the mean.
    low = target - 0.5 * sigma * sigma
    if excess(low) >= 0.0:
        return low
    step = max(sigma, 1.0)
    while excess(low + step) < 0.0:
        step *= 2.0
    return float(brentq(excess, low, low + step, xtol=1e-14))
