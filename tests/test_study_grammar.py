"""Rules for settings: what they mean, and that nothing else gets through."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.rules import FUNCTIONS, FormulaError, formula, rule, stages_of

VALUES = {"T": 10_000.0, "N": 24.0, "slack": 0.25, "M_max": 5.0}


def value(text: str) -> float:
    return formula(text, VALUES)(VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7.0),
        (" 1_000.5e-1 ", 100.05),
        (".5 * slack", 0.125),
        ("T^(1/3)", 10_000.0 ** (1 / 3)),
        ("T^0.4", 10_000.0**0.4),
        ("2 + 3 * 4", 14.0),
        ("2 * 3 + 4", 10.0),
        ("8 / 4 / 2", 1.0),
        ("8 - 4 - 2", 2.0),
        ("-2^2", -4.0),
        ("(-2)^2", 4.0),
        ("2^3^2", 512.0),
        ("2^-1", 0.5),
        ("2^(4/2)", 4.0),
        ("(2^4)/2", 8.0),
        ("2^(4)/2", 8.0),
        ("N^2 / M_max", 115.2),
        ("2 * -3", -6.0),
        ("--+2", 2.0),
        ("log(N * T / 0.05)", math.log(24 * 10_000 / 0.05)),
        ("max(1, floor(2.5), ceil(2.5))", 3.0),
        ("min(sqrt(T), M_max)", 5.0),
        ("N^(2/3) * T^(1/3) / M_max", 24 ** (2 / 3) * 10_000 ** (1 / 3) / 5),
    ],
)
def test_formulas_mean_what_they_mean_on_paper(text: str, expected: float) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "position 1, the end: a number, a name or '(' was expected"),
        ("0.5 *", "position 6, the end: a number"),
        ("0.5 * slak", "position 7, 'slak': is an unknown name; did you mean \"slack\"?"),
        ("0.5 ** slack", "position 6, '*': a number"),
        ("2 T", "position 3, 'T': an operator or the end was expected"),
        ("(1 + 2", "position 7, the end: ')' was expected"),
        ("1 + 2)", "position 6, ')': an operator"),
        ("sqrt 4", "position 6, '4': '(' was expected after sqrt"),
        ("sqrt(1, 2)", "position 1, 'sqrt': takes 1 values, not 2"),
        ("min(1)", "position 1, 'min': takes 2 to 16 values, not 1"),
        ("T % 2", "position 3, '%': is not a number, a name or an operator"),
        ("__import__('os')", "position 1, '_': is not a number"),
        ("T.real", "position 2, '.': is not a number"),
        ("1e", "position 2, 'e': an operator"),
        ("(" * 60 + "1" + ")" * 60, "is nested too deeply"),
        ("-" * 60 + "1", "is nested too deeply"),
        ("1" * 201, "at most 200 characters"),
        ("T^1/3", "position 4, '/': is ambiguous here; write ^(1/3) for a power that is a"),
        ("N * T^ -1 / 3", "position 11, '/': is ambiguous here; write ^(-1/3)"),
        ("2^T^1/2", "position 6, '/': is ambiguous here; write ^(1/2)"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        formula(text, VALUES)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / (N - 24)", "position 3, '/': has no value for 1, 0"),
        ("log(N - 24)", "position 1, 'log': has no value for 0"),
        ("sqrt(-N)", "position 1, 'sqrt': has no value for -24"),
        ("(-8)^(1/3)", "position 5, '^': has no value"),
        ("T^T", "position 2, '^': has no value"),
        ("1e308 * 10", "position 7, '*': has no value"),
    ],
)
def test_what_has_no_value_is_pointed_at(text: str, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        value(text)
    assert words in str(caught.value)


def test_stages_are_between_one_and_one_a_round() -> None:
    names = {"T": 1000, "N": 8, "M_max": 5}
    for text, stages in [("T^(1/3)", 10), ("1 / T", 1), ("2 * T", 1000), ("theory", 8)]:
        assert stages_of(rule("stages", text), names) == stages
    assert stages_of(rule("stages", "T^400"), names) == 1000
    with pytest.raises(FormulaError, match="has no value"):
        stages_of(rule("stages", "1 / T^400"), names)


def test_a_plain_number_in_quotes_is_no_rule() -> None:
    with pytest.raises(FormulaError, match="written without quotes"):
        rule("budget", " 0.5 ")


def test_a_formula_knows_what_it_needs() -> None:
    assert formula("max(T, 2) * slack", VALUES).names == {"T", "slack"}
    assert formula("1 + 1", ()).names == frozenset()


def test_functions_are_no_names_and_names_no_functions() -> None:
    assert not set(FUNCTIONS) & set(VALUES)
    with pytest.raises(FormulaError, match=r"'\(': an operator"):
        formula("T(2)", VALUES)


LEAVES = st.one_of(st.integers(0, 9).map(str), st.sampled_from(sorted(VALUES)))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    ),
    max_leaves=8,
)


@given(st.lists(TREES, min_size=1, max_size=4), st.lists(st.sampled_from("+-*/"), min_size=3))
def test_precedence_is_that_of_python(trees: list[str], signs: list[str]) -> None:
    text = trees[0] + "".join(f" {s} {t}" for s, t in zip(signs, trees[1:], strict=False))
    try:
        expected = float(eval(text, {}, dict(VALUES)))
    except ZeroDivisionError:
        with pytest.raises(FormulaError, match="has no value"):
            value(text)
    else:
        assert value(text) == expected


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_an_error(text: str) -> None:
    try:
        found = value(text)
    except FormulaError as error:
        found = float("position" in str(error))
    assert math.isfinite(found)
