"""The settings of a study: what kind of value each takes, its range, and its formulas."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from fastroute.rules import RULE_NAMES, FormulaError, rule, stages_of
from fastroute.simulation.plan import MOST_CHECKPOINTS


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


def _integer(value: Any) -> int:
    """Turn 1e5 into 100000 and refuse what only looks like an integer (true, "7")."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a whole number")
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        raise ValueError("must be a whole number")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a word")
    return value


_RANGES: Final[dict[str, tuple[Callable[[Any], Any], dict[str, int]]]] = {
    "horizon": (_integer, {"ge": 1, "le": 2**32 - 1}),
    "max_deployed": (_integer, {"ge": 1, "le": 2**31 - 1}),
    "budget": (_number, {"gt": 0}),
    "stages": (_integer, {"ge": 1, "le": 2**32 - 1}),
    "trials": (_integer, {"ge": 1, "le": 2**32 - 1}),
    "seed": (_integer, {"ge": 0, "le": 2**63 - 1}),
    "checkpoints": (_integer, {"ge": 1, "le": MOST_CHECKPOINTS}),
    "deploy_cost": (_number, {"ge": 0}),
    "backend": (_text, {}),
}
_SIGNS: Final[dict[str, tuple[Callable[[Any, Any], bool], str]]] = {
    "ge": (lambda value, limit: value >= limit, "greater than or equal to"),
    "gt": (lambda value, limit: value > limit, "greater than"),
    "le": (lambda value, limit: value <= limit, "less than or equal to"),
}


def check_value(setting: str, value: Any) -> Any:
    """Check one value of a setting, which is not a formula.

    Raises
    ------
    ValueError
        What it must be; the name of the setting is for the caller to put in front.
    """
    kind, limits = _RANGES[setting]
    value = kind(value)
    for sign, limit in limits.items():
        good, words = _SIGNS[sign]
        if not good(value, limit):
            raise ValueError(f"must be {words} {limit}")
    return value


def check_entry(setting: str, value: Any) -> Any:
    """Check a value of a setting or a formula for it, without working it out.

    Raises
    ------
    ValueError
        As :func:`check_value`, or with the position of a mistake in the formula.
    """
    if isinstance(value, str) and setting in RULE_NAMES:
        kind = "whole number" if _RANGES[setting][0] is _integer else "number"
        try:
            rule(setting, value)
        except FormulaError as error:
            raise ValueError(f"must be a {kind} or a formula; {error}") from None
        return value.strip()
    return check_value(setting, value)


def evaluate_setting(setting: str, value: Any, names: Mapping[str, float]) -> Any:
    """Return the value of a setting for one cell; formulas are worked out.

    Whole numbers are rounded to the nearest, and the number of stages is kept between one and
    one a round.

    Raises
    ------
    ValueError
        When the formula has no value, or one that is not allowed.
    """
    if not (isinstance(value, str) and setting in RULE_NAMES):
        return value
    if setting == "stages":
        return stages_of(rule(setting, value), names)
    found = rule(setting, value)(names)
    try:
        return check_value(setting, round(found) if _RANGES[setting][0] is _integer else found)
    except ValueError as error:
        raise ValueError(f"comes to {found:g}, but {error}") from None
