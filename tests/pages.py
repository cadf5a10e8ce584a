"""Reading the page of a study, and opening it in a browser."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

VOID = {"meta", "link", "br", "input", "hr", "img"}


@dataclass
class Node:
    """An element of a page."""

    tag: str
    attrs: dict[str, str]
    parts: list["Node | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, with single spaces."""
        inside = (part if isinstance(part, str) else part.text for part in self.parts)
        return " ".join(" ".join(inside).split())

    def walk(self) -> Iterator["Node"]:
        for part in self.parts:
            if isinstance(part, Node):
                yield part
                yield from part.walk()

    def all(self, tag: str = "", **attrs: str) -> list["Node"]:
        """Return the elements inside with a tag and attributes (``data_cell`` is ``data-cell``)."""
        wanted = {name.strip("_").replace("_", "-"): value for name, value in attrs.items()}
        return [
            node
            for node in self.walk()
            if (not tag or node.tag == tag)
            and all(node.attrs.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str = "", **attrs: str) -> "Node":
        found = self.all(tag, **attrs)
        assert len(found) == 1, (tag, attrs, len(found))
        return found[0]

    def numbers(self, name: str) -> list[float | None]:
        """Return the numbers in an attribute."""
        found: list[float | None] = json.loads(self.attrs[f"data-{name}"])
        return found

    def lines(self, panel: int = 0) -> dict[str, dict[str, Any]]:
        """Return what a chart says of the lines of one of its panels, by name."""
        found = json.loads(self.attrs["data-panels"])[panel]
        return {one["name"]: one for one in found["series"]}


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].parts.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def parse(html: str) -> Node:
    """Return the tree of a page, all of whose elements are closed in order."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert parser.open == [parser.root]
    return parser.root


def read(path: Path) -> Node:
    return parse(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Opened:
    """A page as a browser has it."""

    dom: Node
    console: list[str]


# What a script of a test finds is written where the test sees it: the window may be a frame.
_NOTE = """
const note = (name, value) => parent.postMessage([`data-${name}`, String(value)], "*");
addEventListener("message", ({ data }) => document.documentElement.setAttribute(...data));
"""
# Chromium has no windows narrower than this.
_NARROWEST = 500


def open_in_chromium(
    page: Path, tmp_path: Path, *, address: str = "", script: str = "", width: int = 1200
) -> Opened:
    """Open a page without a window; `script` runs at its end, as a user's clicks would.

    What it passes to ``note(name, value)`` is an attribute ``data-NAME`` of the document. A page
    that is narrower than any window is shown in a frame; then `dom` is that of the page around it.

    Skips the test where there is no Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    copy = tmp_path / "page.html"
    content = page.read_text(encoding="utf-8")
    script = f"<script>{_NOTE}{script}</script></body>"
    copy.write_text(content.replace("</body>", script), "utf-8")
    opened = f"{copy.as_uri()}{address}"
    if width < _NARROWEST:
        outer = tmp_path / "frame.html"
        frame = f'<iframe src="{copy.name}{address}" width="{width}" height="900"></iframe>'
        outer.write_text(f"<!DOCTYPE html><html>{frame}<script>{_NOTE}</script></html>", "utf-8")
        opened = outer.as_uri()
    arguments: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            "--v=0",
            f"--window-size={max(width, _NARROWEST)},900",
            "--virtual-time-budget=2000",
            # Without frames nothing is told of sizes that change.
            "--run-all-compositor-stages-before-draw",
            f"--user-data-dir={tmp_path / 'chromium'}",
            "--dump-dom",
            opened,
        ],
        check=False,
        **arguments,
    )
    if done.returncode != 0 and not done.stdout:
        pytest.skip(f"Chromium does not start here: {done.stderr.strip().splitlines()[-1:]}")
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Opened(parse(done.stdout), console)
