"""Names in which elementwise formulas are written, beside + - * /."""

import math
from typing import Any

__all__ = ["maximum", "minimum", "sqrt", "where"]


def sqrt(x: Any) -> Any:
    """Return the square root."""
    return math.sqrt(x)


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of two numbers."""
    return x if x < y else y


def maximum(x: Any, y: Any) -> Any:
    """Return the larger of two numbers."""
    return x if x > y else y


def where(condition: Any, yes: Any, no: Any) -> Any:
    """Return ``yes`` where the condition holds, else ``no``; both are worked out."""
    return yes if condition else no
