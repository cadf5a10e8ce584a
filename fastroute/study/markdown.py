"""Markdown with words in it that somebody else wrote: shown as they are, never run as HTML."""

from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Write text so that nothing in it is HTML."""
    return text.replace("<", "&lt;")


def code(text: str) -> str:
    """Write a name in a fixed-width font, where that is possible."""
    return plain(text) if "<" in text or "`" in text else f"`{text}`"


def markdown_rows(heads: Sequence[str], rules: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; `rules` are the alignments, ``---:`` for numbers."""
    cells = ([*map(_cell, line)] for line in (heads, rules, *rows))
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def _cell(text: str) -> str:
    return plain(" ".join(text.splitlines()).replace("|", "\\|"))
