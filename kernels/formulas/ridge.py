"""Ridge regression of rewards on the features of queries, one model at a time.

A model keeps ``P``, the inverse of ``A = ridge I + sum x x'``, and ``theta = P sum r x``.  For a
query x, ``z = P x`` and ``q = x'z``, the square of its width ``||x||_P``.
"""

from typing import Any

from fastroute.kernels.formulas.names import maximum, minimum, rounded, sqrt, where


def ridge_upper(mean: Any, square: Any, count: Any, beta: Any, unobserved_below: Any) -> Any:
    """``U = clip(theta'x + beta ||x||_P, 0, 1)``; 1 for a model that counts as unobserved."""
    upper = mean + rounded(beta * sqrt(maximum(square, 0.0)))
    return where(count < unobserved_below, 1.0, minimum(maximum(upper, 0.0), 1.0))


def ridge_inverse(entry: Any, z_row: Any, z_column: Any, share: Any) -> Any:
    """Entry of ``P - z z' / (1 + q)``, with ``share = 1 / (1 + q)`` (Sherman & Morrison 1950)."""
    return entry - rounded(rounded(z_row * z_column) * share)


def ridge_theta(entry: Any, z_entry: Any, error: Any, share: Any) -> Any:
    """Entry of ``theta + z (r - theta'x) / (1 + q)``."""
    return entry + rounded(z_entry * rounded(error * share))
