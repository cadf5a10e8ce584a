"""The documentation as a site: every page can be found, every public name is in the reference."""

import fnmatch
import importlib
import re
from pathlib import Path

import pytest

import fastroute as fr

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
#: Part of findings.md, which holds it.
FRAGMENTS = {"findings-preface"}
ROOMS = (
    "advice",
    "analyse",
    "outcomes",
    "policies",
    "report",
    "scenarios",
    "simulation",
    "solve",
    "study",
)


def navigation(page: str) -> list[str]:
    """Return the entries of the lists of contents of a page, names or patterns."""
    text = (DOCS / page).read_text(encoding="utf-8")
    bodies = re.findall(r"```\{toctree\}\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.strip() for body in bodies for line in body.splitlines()]
    return [line for line in lines if line and not line.startswith(":")]


def reference() -> set[str]:
    """Return the full names that the reference lists."""
    listed = set()
    for page in (DOCS / "reference").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```\{eval-rst\}\n(.*?)```", text, flags=re.DOTALL):
            module = re.findall(r"^\.\. currentmodule:: (.*)$", block, flags=re.MULTILINE)
            names = re.findall(r"^(?:   |\.\. py:data:: )(\w[\w.]*)$", block, flags=re.MULTILINE)
            listed |= {f"{module[0]}.{name}" for name in names}
    return listed


def test_every_page_is_in_the_navigation() -> None:
    entries = navigation("index.md")
    entries += [f"reference/{entry}" for entry in navigation("reference/index.md")]
    assert len(entries) == len(set(entries))
    pages = {
        page.relative_to(DOCS).with_suffix("").as_posix()
        for suffix in ("md", "ipynb")
        for page in DOCS.rglob(f"*.{suffix}")
        if not page.is_relative_to(DOCS / "_build")
        and not page.is_relative_to(DOCS / "reference" / "generated")
    }
    pages -= {"index"} | FRAGMENTS
    missing = {p for p in pages if not any(fnmatch.fnmatch(p, entry) for entry in entries)}
    assert not missing, f"name these pages in docs/index.md: {sorted(missing)}"
    dead = {entry for entry in entries if not fnmatch.filter(pages, entry)}
    assert not dead, f"docs/index.md names pages that are not there: {sorted(dead)}"


def test_every_public_name_is_in_the_reference() -> None:
    listed = reference()
    missing = {f"fastroute.{name}" for name in fr.__all__ if name != "__version__"} - listed
    for room in ROOMS:
        module = importlib.import_module(f"fastroute.{room}")
        for name in module.__all__:
            at_the_top = name in fr.__all__ and getattr(fr, name) is getattr(module, name)
            if not at_the_top and f"fastroute.{room}.{name}" not in listed:
                missing.add(f"fastroute.{room}.{name}")
    assert not missing, f"list these names in docs/reference/: {sorted(missing)}"


def test_every_name_of_the_reference_exists() -> None:
    for full in sorted(reference()):
        parts = full.split(".")
        for known in range(len(parts) - 1, 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:known]))
            except ModuleNotFoundError:
                continue
            for part in parts[known:]:
                found = getattr(found, part)
            break


def test_citation_is_of_this_version() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == fr.__version__
    assert cited["references"][0]["url"] == "https://arxiv.org/abs/2506.17254"
