"""Laws of rewards and costs, turned into plain tables that kernels can index.

A kernel draws from a law with one uniform and one look-up. Two devices make that exact in
the mean: *quantile strata* (a continuous law becomes equally likely atoms, each the
conditional mean of its quantile stratum, so the mean of the atoms is the mean of the law),
and Walker's *alias table* for weighted tasks.

References
----------
A. J. Walker, "An efficient method for generating discrete random variables with general
distributions", ACM Trans. Math. Software 3 (1977); M. D. Vose, "A linear algorithm for
generating random numbers with a given distribution", IEEE Trans. Software Eng. 17 (1991).
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOGNORMAL_HEADROOM", "STRATA", "alias_table", "beta_strata", "lognormal_strata"]

Array = NDArray[np.float64]

STRATA: Final = 4096
"""Number of equally likely atoms that stand for a continuous law."""

LOGNORMAL_HEADROOM: Final = 0.9
"""Largest mean of a cut lognormal law, as a share of the cut.

Nearer to the cut the law is squeezed against it and no longer looks lognormal.
"""


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
    return _atoms(partial, edge, mean)


def lognormal_strata(mean: Array, sigma: float, cost_max: float, strata: int = STRATA) -> Array:
    """Return equally likely atoms of lognormal laws cut at ``cost_max``, means kept.

    The law is that of ``exp(location + sigma * Z)``, Z standard normal, given that it does
    not exceed ``cost_max``. The location is solved for, model by model, so that the mean
    *after* the cut is the one asked for.

    Parameters
    ----------
    mean : f8 [N]
        Means, > 0 and at most ``LOGNORMAL_HEADROOM * cost_max``.
    sigma : float
        Standard deviation of the logarithm before the cut, > 0.
    cost_max : float
        The cut.
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
        # In units of the cut, so that every quantity is near 1 whatever the cost unit.
        atoms = _lognormal_atoms(value / cost_max, sigma, strata)
        table[:, model] = np.minimum(atoms * cost_max, cost_max)
    return table


def _lognormal_atoms(mean: float, sigma: float, strata: int) -> Array:
    """Return the atoms [S] of one lognormal law cut at 1."""
    from scipy.special import log_ndtr, ndtri_exp

    location = _cut_location(mean, sigma)
    cut = -location / sigma
    log_share = np.log(np.arange(1, strata) / strata) + log_ndtr(cut)
    normal_edge = np.concatenate(([-np.inf], ndtri_exp(log_share), [cut]))
    # E[X; Z <= z] = exp(location + sigma^2 / 2) * Phi(z - sigma): as a share of the mean.
    partial = mean * np.exp(log_ndtr(normal_edge - sigma) - log_ndtr(cut - sigma))
    partial[-1] = mean
    return _atoms(partial, np.exp(location + sigma * normal_edge), mean)


def _cut_location(mean: float, sigma: float) -> float:
    """Return the location at which a lognormal law cut at 1 has the given mean."""
    from scipy.optimize import brentq
    from scipy.special import log_ndtr

    target = math.log(mean)

    def excess(location: float) -> float:
        cut = -location / sigma
        tail = float(log_ndtr(cut - sigma)) - float(log_ndtr(cut))
        return location + 0.5 * sigma * sigma + tail - target

    # Without the cut this location would be right; the cut only lowers the mean.
    low = target - 0.5 * sigma * sigma
    if excess(low) >= 0.0:
        return low
    step = max(sigma, 1.0)
    while excess(low + step) < 0.0:
        step *= 2.0
    return float(brentq(excess, low, low + step, xtol=1e-14))


def _atoms(partial: Array, edge: Array, mean: float) -> Array:
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
