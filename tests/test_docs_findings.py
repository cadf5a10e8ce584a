"""The pages of findings: every packaged question has one, and what is quoted of them is on them."""

import re
from pathlib import Path

import pytest

from fastroute.study import Study, preset_names

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "findings"
INDEX = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted(FOLDER.glob("*.md"))}
TEN = re.findall(r"^\d+\. (.+?)(?=^\d+\. |\n\n)", INDEX, re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
INTERVAL = re.compile(rf"{NUMBER.pattern} \[{NUMBER.pattern}, {NUMBER.pattern}\]")
# All figures together, in bytes.
LIGHT = 1_500_000


def test_readme_quotes_the_pages() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    quoted = [line.removeprefix("> ") for line in readme.splitlines() if line.startswith("> ")]
    assert len(quoted) == 2
    every = "\n".join(PAGES.values())
    assert all(f"\n{line}\n" in every for line in quoted)


def test_every_question_is_answered_by_its_full_form() -> None:
    for name in preset_names():
        if Study.preset(name).answer is not None:
            assert PAGES[name].startswith(f"# {name}\n"), name
            run = f"Study: `fastroute run {name}`, "
            assert run in PAGES[name], f"{name} has changed since its run"
            assert f"- [{name}](findings/{name}.md): " in INDEX


def test_figures_are_there_and_light() -> None:
    shown = [link for page in PAGES.values() for link in re.findall(r"\]\(([^()]+\.svg)\)", page)]
    stored = {file.name: file.stat().st_size for file in FOLDER.glob("*.svg")}
    assert len(shown) > 20
    assert sorted(shown) == sorted(stored)
    assert sum(stored.values()) < LIGHT


def test_the_index_begins_with_ten_findings() -> None:
    assert len(TEN) == 10
    # One screen.
    assert INDEX.index("## Studies") < 4000


@pytest.mark.parametrize("place", range(10))
def test_every_number_of_the_ten_stands_on_the_page_it_links_to(place: int) -> None:
    words = " ".join(TEN[place].split())
    (name,) = re.findall(r"\]\(findings/([a-z-]+)\.md\)", words)
    page = PAGES[name]
    said = words.rpartition(" [")[0]
    intervals = INTERVAL.findall(said)
    assert intervals
    for interval in intervals:
        assert interval in page
    for number in NUMBER.findall(said):
        assert re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d]|[.,]\d)", page), number


def test_no_page_has_two_ways_to_write_an_interval() -> None:
    for name, page in PAGES.items():
        # What is not in a table, as there ± is a rule of some columns.
        words = [line for line in page.splitlines() if not line.startswith("|")]
        verdict = "\n".join(words).partition("![")[0]
        if "Study: " in page:
            assert "±" not in verdict, name
        assert not re.search(r"± 0\.?0*(?![\d.])", page), name
        assert not re.search(rf"{NUMBER.pattern} \({NUMBER.pattern} to {NUMBER.pattern}\)", page), (
            name
        )
