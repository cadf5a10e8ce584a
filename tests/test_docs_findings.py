"""The page of findings: the README quotes it, and every packaged question is answered on it."""

import re
from pathlib import Path

from fastroute.study import Study, preset_names

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")


def test_readme_quotes_the_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    quoted = [line.removeprefix("> ") for line in readme.splitlines() if line.startswith("> ")]
    assert len(quoted) == 2
    assert all(f"\n{line}\n" in PAGE for line in quoted)


def test_every_question_is_answered_by_its_full_form() -> None:
    for name in preset_names():
        if Study.preset(name).answer is not None:
            assert f"\n## {name}\n" in PAGE, name
            assert f"Study: `fastroute run {name}`, " in PAGE, f"{name} has changed since its run"


def test_figures_are_there() -> None:
    shown = re.findall(r"\]\((findings/.*?\.svg)\)", PAGE)
    assert len(shown) > 20
    stored = {f"findings/{file.name}" for file in (ROOT / "docs" / "findings").iterdir()}
    assert set(shown) == stored
