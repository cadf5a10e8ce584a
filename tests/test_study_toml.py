import math
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.study.errors import StudyError, key_path
from fastroute.study.toml import read_text, read_toml, show_toml, toml_value, write_toml
from fastroute.study.toml_lines import find_lines

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
    assert show_toml(1j) == "1j"


def test_long_values_are_cut_in_messages() -> None:
    assert len(show_toml(list(range(1000)))) == 60
    assert show_toml("short") == '"short"'


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
        read_text(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(StudyError, match="byte 8 is not UTF-8"):
        read_text(tmp_path / "latin.toml")


TRICKY = """\
# setting.horizon = 1
name = "a"  # budget = 2
description = \"\"\"
[setting]
budget = 3
\\\"\"\" trials = 4
\"\"\"\"\"
other = '''
[[policy]]
gamma = 1 # \\''''
list = [ # budget = 1
  "]", # ]
  { budget = 3, name = "[x]" },
]
flat = { budget = 1 }

  [ "setting" ] # [store]
  "budget" = "# no comment"
'trials'=7
"a.b" = 1
deep . "er" = 2
budgets = 1

[[policy]]
name = "x"
[policy.more]
gamma = 1
[[policy]]
# [[policy]]
[[policy.more]]
[[ policy . more ]]
gamma = 1
[scenario.inner]
limit = 1
[scenario]
limit = [
  1,

  2]
limit2 = 5
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("name", 2),
        ("description", 3),
        ("other", 8),
        ("list", 11),
        ("list[1].budget", 11),
        ("flat.budget", 15),
        ("setting", 17),
        ("setting.budget", 18),
        ("setting.trials", 19),
        ("setting.a.b", 20),
        ("setting.deep", 21),
        ("setting.deep.er", 21),
        ("setting.budgets", 22),
        # Missing in a table, whose line is given.
        ("setting.horizon", 17),
        ("policy[0]", 24),
        ("policy[0].name", 25),
        ("policy[0].more.gamma", 27),
        ("policy[0].gamma", 24),
        ("policy[1]", 28),
        ("policy[1].more[0].gamma", 30),
        ("policy[1].more[1].gamma", 32),
        ("scenario", 35),
        ("scenario.inner", 33),
        ("scenario.inner.limit", 34),
        ("scenario.limit", 36),
        ("scenario.limit2", 40),
        ("trials", None),
        ("store.curves", None),
        ("budget", None),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_line_of_a_key(path: str, line: int | None, ends: str, mark: str) -> None:
    text = mark + TRICKY.replace("\n", ends)
    read_toml(text, "x.toml")
    assert find_lines([f"{path} = 1: is wrong", f"{path}: missing"], text) == [line, line]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('["a.b"]\nc = 1\n[a.b]\nc = 2', "a.b.c = 2: wrong"),
        ('a.b = 1\n"a.b" = 2', "a.b = 2: wrong"),
        ('"x = 1: y" = 1\nx = 1', "x = 1: y = 1: unknown"),
        ("a = 1\ncell = 2", "cell 0 (a = 1): wrong"),
        ('"" = 1', "wrong"),
    ],
)
def test_no_line_is_better_than_a_wrong_one(text: str, problem: str) -> None:
    read_toml(text, "x.toml")
    assert find_lines([problem], text) == [None]


def test_the_line_of_an_option_that_a_builder_objects_to() -> None:
    problems = ["policy[0]: gamma='x' is wrong", "policy[0]: fill='x' is wrong", "a: b=1 is wrong"]
    text = "[[policy]]\nname = 1\ngamma = 'x'\n[a]\nb = 1\n[[policy]]\nfill = 1"
    assert find_lines(problems, text) == [3, 1, 5]


@given(st.dictionaries(texts, scalars | tables | st.lists(tables, min_size=1, max_size=3)))
def test_every_key_is_found_in_the_line_that_begins_with_it(table: dict[str, Any]) -> None:
    text = write_toml(table)
    paths = _paths(table)
    plain = all(re.fullmatch(r"[\w-]+", str(part)) for path in paths for part in path)
    seen: set[int] = set()
    for path in paths:
        (line,) = find_lines([f"{key_path(path)} = 1: wrong"], text)
        if line is None:
            # Only what is written like another key, or like a whole problem.
            assert not plain
            continue
        found = tomllib.loads(text.split("\n")[line - 1])
        key = path[0] if isinstance(path[-1], int) else path[-1]
        assert key in found
        # A list of tables begins where its first table does.
        assert line not in seen or path[-1] == 0
        seen.add(line)


def _paths(table: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """Return the paths of all keys that have a line of their own."""
    found: list[tuple[str | int, ...]] = []
    for key, value in table.items():
        found.append((key,))
        if isinstance(value, dict):
            found += [(key, inner) for inner in value]
        elif isinstance(value, list):
            for place, entry in enumerate(value):
                found += [(key, place), *((key, place, inner) for inner in entry)]
    return found
