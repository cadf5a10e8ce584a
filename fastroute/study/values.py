"""The settings of a study: what kind of value each takes, its range, and its formulas."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastroute.checks import integer, positive
from fastroute.rules import RULE_NAMES, FormulaError, rule, stages_of
from fastroute.simulation.settings import check_setting

# Settings that are whole numbers.
_WHOLE: Final = (
    "horizon",
    "max_deployed",
    "stages",
    "trials",
    "seed",
    "checkpoints",
    "load_rounds",
)
# What a study does not take although a run does: frames hold seeds as signed words of 64 bits, and
# pages divide by the budget.
_NARROWER: Final[dict[str, Callable[[Any], Any]]] = {
    "budget": lambda value: positive("", value),
    "seed": lambda value: integer("", value, 0, 2**63 - 1, exact=True),
    "stages": lambda value: integer("", value),
    "checkpoints": lambda value: integer("", value),
}


def check_value(setting: str, value: Any) -> Any:
    """Check one value of a setting, which is not a formula.

    Raises
    ------
    ValueError
        What it must be; the name of the setting is for the caller to put in front.
    """
    if setting in _NARROWER:
        value = _NARROWER[setting](value)
    return check_setting(setting, value, field="")


def check_entry(setting: str, value: Any) -> Any:
    """Check a value of a setting or a formula for it, without working it out.

    Raises
    ------
    ValueError
        As :func:`check_value`, or with the position of a mistake in the formula.
    """
    if isinstance(value, str) and setting in RULE_NAMES:
        kind = "whole number" if setting in _WHOLE else "number"
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
        return check_value(setting, round(found) if setting in _WHOLE else found)
    except ValueError as error:
        raise ValueError(f"comes to {found:g}, but {error}") from None
