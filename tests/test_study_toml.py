import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.study.errors import StudyError
from fastroute.study.toml import read_toml, read_toml_file, shown, toml_value, write_toml

# TOML text is UTF-8, which has no form for lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
tables = st.dictionaries(texts, values, max_size=4)


@given(st.dictionaries(texts, scalars | tables | st.lists(tables, min_size=1, max_size=3)))
def test_what_is_written_is_read_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(write_toml(table)) == table


def test_nan_is_written_too() -> None:
    assert math.isnan(tomllib.loads(f"x = {toml_value(float('nan'))}")["x"])


def test_values_come_before_tables_and_large_numbers_are_readable() -> None:
    text = write_toml({"t": {"horizon": 1_000_000}, "name": "x", "a": [{"b": 1}, {"b": 2}]})
    assert text == 'name = "x"\n\n[t]\nhorizon = 1_000_000\n\n[[a]]\nb = 1\n\n[[a]]\nb = 2\n'


def test_none_is_left_out() -> None:
    assert tomllib.loads(write_toml({"a": None, "t": {"b": None, "c": 1}})) == {"t": {"c": 1}}


def test_what_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        toml_value(1j)
    assert shown(1j) == "1j"


def test_long_values_are_cut_in_messages() -> None:
    assert len(shown(list(range(1000)))) == 60
    assert shown("short") == '"short"'


def test_syntax_errors_have_line_and_column() -> None:
    with pytest.raises(StudyError, match=r"some\.toml: not valid TOML: .*line 2, column 5"):
        read_toml('name = "x"\na = = 1\n', "some.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = 1\nb = [1,\n2", "at the end of the document, line 3"),
        ("[policy]\na = 1\n[policy]\na = 2", r"several .* are written \[\[policy\]\] each"),
        ("[store]\na = 1\n[store]\nb = 2", "line 3.*; put both into one table"),
        ("a = 1\nb = " + "9" * 5000, r"too many digits \(at line 2\)"),
        ("a = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("a = " + "{a = " * 3000 + "1" + "}" * 3000, "nested too deeply"),
        ("x = 1\na" + ".b" * 50_000 + " = 1", r"more than 50 parts \(at line 2\)"),
        ("[a" + ".b" * 50_000 + "]", "more than 50 parts"),
    ],
    ids=range(8),
)
def test_what_the_parser_cannot_take_is_explained(text: str, words: str) -> None:
    with pytest.raises(StudyError, match=words) as caught:
        read_toml(text, "x.toml")
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read_toml("\ufeffa = 1", "x.toml") == {"a": 1}


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"none\.toml: cannot be read"):
        read_toml_file(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(StudyError, match="byte 8 is not UTF-8"):
        read_toml_file(tmp_path / "latin.toml")
