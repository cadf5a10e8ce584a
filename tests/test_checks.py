"""Checks of arguments: one form of message, and what each takes."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fastroute import checks


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (lambda v: checks.integer("n", v), 0, "n=0 must be a whole number >= 1"),
        (lambda v: checks.integer("n", v, 2, 9), 10, "n=10 must be at most 9"),
        (lambda v: checks.integer("n", v, exact=True), 3.0, "n=3.0 must be a whole number >= 1"),
        (lambda v: checks.integer("", v), 2.5, "must be a whole number >= 1"),
        (lambda v: checks.integer("n", v, remedy="try 1"), 0, "n=0 must be .*; try 1"),
        (lambda v: checks.seed("seed", v), -1, "seed=-1 must be a whole number >= 0"),
        (lambda v: checks.seed("seed", v), 2**64, r"seed=\d+ must be below 2\*\*64"),
        (lambda v: checks.fraction("x", v, zero=False), 0.0, r"x=0.0 must be a number in \(0, 1\]"),
        (lambda v: checks.fraction("x", v, zero=True), True, r"x=True must be .* in \[0, 1\]"),
        (lambda v: checks.positive("x", v), np.inf, "x=inf must be a finite number > 0"),
        (lambda v: checks.not_negative("x", v), "3", "x='3' must be a finite number >= 0"),
        (lambda v: checks.not_negative("x", v), [1.0], r"x=\[1.0\] must be a finite number >= 0"),
        (lambda v: checks.positive("x", v), 10**400, "x=10{40,}.* must be a finite number > 0"),
        (
            lambda v: checks.choice("x", v, ("up", "down")),
            "don",
            "x='don' is unknown; did you mean",
        ),
        (lambda v: checks.choice("", v, ("up",)), None, "is unknown; valid: 'up'"),
        (lambda v: checks.name_list("x", v), 3, "x=3 must be a name or a list of names"),
        (
            lambda v: checks.check_type("x", v, int, "int()"),
            "a",
            "x='a' must be a int, not a str; make",
        ),
        (lambda v: checks.number_array("x", v, (1,)), [1, None], r"x holds nan at index \(1,\)"),
        (lambda v: checks.number_array("x", v), "a", "x='a' cannot be read as an array of numbers"),
    ],
)
def test_messages_name_field_value_and_remedy(check: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        check(value)
    assert "\n" not in str(caught.value)


def test_numbers_of_any_type() -> None:
    for value in (1, 1.0, np.float32(1.0), np.array(1), Fraction(1), Decimal(1)):
        assert checks.positive("x", value) == 1.0
        assert type(checks.positive("x", value)) is float


def test_an_array_that_is_owned_is_a_copy() -> None:
    given = np.asfortranarray(np.ones((2, 3)))
    owned = checks.number_array("x", given, (2,))
    assert owned.flags.c_contiguous
    assert not np.shares_memory(owned, given)


def test_the_first_bad_entry_is_named() -> None:
    array = np.array([[1.0, -2.0], [-3.0, 4.0]])
    with pytest.raises(ValueError, match=r"^x\[\(0, 1\)\] = -2 is negative; use 1$"):
        checks.refuse_entries("x", array, array < 0.0, "is negative", "use 1")
    with pytest.raises(ValueError, match=r"^x = -2 is negative$"):
        checks.refuse_entries("x", array[0, 1, ...], array[0, 1, ...] < 0.0, "is negative")
    checks.refuse_entries("x", array, array > 9.0, "is large")
