"""The guide from tables to decisions shows what the commands print."""

import re

import pytest

from guide_advise import EXAMPLES, FIGURE, GUIDE, Example, part, section, whole

_FAST = ("routerarena", "opentelemetry", "board")


def sections() -> list[str]:
    """Return the generated parts of the guide about the schemas."""
    found = part(GUIDE.read_text(encoding="utf-8"), "schemas")
    return [f"### {one}".rstrip() + "\n" for one in re.split(r"^### ", found, flags=re.M)[1:]]


def test_each_schema_has_its_section() -> None:
    titles = [one.splitlines()[0].removeprefix("### ") for one in sections()]
    assert titles == [example.title for example in EXAMPLES]
    assert FIGURE.is_file()


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(
            example,
            id=example.write.__name__,
            marks=() if example.write.__name__ in _FAST else pytest.mark.slow,
        )
        for example in EXAMPLES
    ],
)
def test_a_schema_goes_from_file_to_advice_as_the_guide_says(example: Example) -> None:
    assert section(example) in sections()


@pytest.mark.slow
def test_the_answer_is_the_one_at_the_head_of_the_guide() -> None:
    assert whole(EXAMPLES[0]) == part(GUIDE.read_text(encoding="utf-8"), "whole")


def test_the_guide_speaks_of_no_machine() -> None:
    assert re.search(r"/tmp|/home|/work|Traceback", GUIDE.read_text(encoding="utf-8")) is None
