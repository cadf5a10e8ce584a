"""The few names that formulas use besides arithmetic.

Each takes floats, or arrays of a library that follows the array API (NumPy, JAX); the library is
asked of the array itself, so that nothing is imported here.  Numba compiles stand-ins for them, see
:mod:`..numba_.formulas`.

Both sides of a ``where`` are worked out, so the side that is not taken must not raise: floats give
what arrays give.  Python refuses a float division by 0 all the same: where a divisor can be 0,
formulas write ``quotient``.
"""

import math
from typing import Any


def sqrt(x: Any) -> Any:
    """Square root; no number for one below 0."""
    library = _library(x)
    if library is None:
        return math.nan if x < 0.0 else math.sqrt(x)
    return library.sqrt(x)


def exp(x: Any) -> Any:
    """Exponential of a number; its last bit depends on the library."""
    library = _library(x)
    return math.exp(x) if library is None else library.exp(x)


def log(x: Any) -> Any:
    """Natural logarithm of a number above 0; its last bit depends on the library."""
    library = _library(x)
    return math.log(x) if library is None else library.log(x)


def frexp(x: Any) -> Any:
    """Return m in [0.5, 1) and a whole number e with ``x = m 2^e``, for a number above 0."""
    library = _library(x)
    return math.frexp(x) if library is None else library.frexp(x)


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of two numbers, elementwise."""
    library = _library(x, y)
    return min(x, y) if library is None else library.minimum(x, y)


def maximum(x: Any, y: Any) -> Any:
    """Return the larger of two numbers, elementwise."""
    library = _library(x, y)
    return max(x, y) if library is None else library.maximum(x, y)


def where(condition: Any, x: Any, y: Any) -> Any:
    """Return ``x`` where the condition holds, else ``y``; both are worked out."""
    library = _library(condition, x, y)
    if library is None:
        return x if condition else y
    return library.where(condition, x, y)


def rounded(x: Any) -> Any:
    """Return ``x``, a product or a difference, with its own rounding.

    XLA contracts a product and a following sum into one operation with one rounding, where it
    likes to; Python, NumPy and Numba do not.  A selection between the two keeps them apart.
    Formulas write ``rounded`` around every product that a sum follows.  There, nan becomes 1.
    """
    library = _library(x)
    return x if _exact(library) else library.where(x == x, x, 1.0)


def quotient(x: Any, y: Any) -> Any:
    """Return ``x / y``, divided and not multiplied by the inverse of ``y``.

    XLA does the latter, with another rounding, where ``y`` is the same for all lanes or a square
    root.
    """
    library = _library(x, y)
    if library is None:
        return x / y if y else _over_zero(x, y)
    return x / y if _exact(library) else x / library.where(x == x, y, 1.0)


def _over_zero(x: Any, y: Any) -> Any:
    """``x / y`` where y is 0, of either sign."""
    if x == 0.0 or x != x:
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


def _library(*values: Any) -> Any:
    """Find the array library of the first array; None for floats alone."""
    for value in values:
        find = getattr(value, "__array_namespace__", None)
        if find is not None:
            return find()
    return None


def _exact(library: Any) -> bool:
    """Whether every operation is rounded on its own as it stands."""
    return library is None or library.__name__ == "numpy"
