"""The formulas of :mod:`fastroute.kernels.formulas`, as the reference calls them.

Python refuses to divide by 0; compiled code and arrays give inf or nan, and look later whether that
side of a ``where`` is taken.  NumPy's numbers do so too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def formula(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a formula be called with floats and tuples of floats, and give such."""

    def call(*values: Any) -> Any:
        with np.errstate(all="ignore"):
            return _each(float, function(*(_each(np.float64, value) for value in values)))

    return call


def _each(convert: Callable[[Any], Any], value: Any) -> Any:
    return tuple(map(convert, value)) if isinstance(value, tuple) else convert(value)
