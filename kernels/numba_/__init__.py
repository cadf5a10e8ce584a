"""Numba kernels: the same modules and names as the reference, compiled for lanes of trials."""

import warnings

from numba import config

from fastroute.kernels.numba_ import formulas as formulas

if config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
    # Compiled code divides by zero in silence and looks later; so does the same code interpreted.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=__name__.replace(".", r"\."))
