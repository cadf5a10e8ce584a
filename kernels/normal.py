"""Quantiles of the standard normal law, from which all backends draw.

A table instead of a formula: a logarithm would differ in the last digit from library to library,
and trajectories with it.
"""

from statistics import NormalDist
from typing import Final

import numpy as np

#: Binary digits of a uniform that choose a quantile.
BITS: Final = 12
#: The middles of ``2**BITS`` equally likely parts of the law, [2**BITS]; the last one is 3.67.
NORMAL: Final = np.array([NormalDist().inv_cdf((k + 0.5) / (1 << BITS)) for k in range(1 << BITS)])


def normal(uniform: np.ndarray) -> np.ndarray:
    """Turn uniforms in [0, 1) into standard normal draws."""
    drawn: np.ndarray = NORMAL[(uniform * (1 << BITS)).astype(np.int64)]
    return drawn
