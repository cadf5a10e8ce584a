"""In which line of a TOML text a key is, for messages about its value."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Final

from fastroute.study.errors import key_path

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY: Final = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_HEAD: Final = re.compile(rf"(\[\[?)[ \t]*({_KEY})[ \t]*\]\]?")
_ASSIGNED: Final = re.compile(rf"({_KEY})[ \t]*=")
# What a value is made of; texts first, whose content is none of the others.
_PIECE: Final = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:'{0,2})'''
    r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[\[\]{}\n]""",
    re.DOTALL,
)
# The path that a problem begins with.
_PATH: Final = re.compile(r"([\w-]+(?:\[\d+\])?(?:\.[\w-]+(?:\[\d+\])?)*)(?: = |:)")
_OPTION: Final = re.compile(r": (\w+)=")
_LAST: Final = re.compile(r"(?:\.[\w-]+|\[\d+\])$")

Path = tuple[str | int, ...]


def find_lines(problems: Sequence[str], text: str) -> list[int | None]:
    """Find the line of each problem.

    Parameters
    ----------
    problems : sequence of str
        Each begins with the path of a key, as in ``policy[2].gamma = "x": must be ...`` or
        ``policy[2]: gamma='x' must be ...``.
    text : str
        The valid TOML that they are about.

    Returns
    -------
    list of int or None
        Where the key begins; where it is not in a line of its own (in an inline table) or is
        missing, the line of the table that it belongs to. None where it is not known.
    """
    lines: dict[str, int | None] = {}
    for path, line in _key_lines(text).items():
        # Quoted keys may look like the path of another key.
        shown = key_path(path)
        lines[shown] = None if shown in lines else line
    return [_line_of(problem, lines) for problem in problems]


def _line_of(problem: str, lines: dict[str, int | None]) -> int | None:
    exact = [path for path in lines if problem.startswith((f"{path} = ", f"{path}:"))]
    if len(exact) > 1:
        return None
    if exact:
        # What builds from a table begins with the option that it objects to.
        option = _OPTION.match(problem, len(exact[0]))
        table = lines[exact[0]]
        return lines.get(f"{exact[0]}.{option[1]}", table) if option else table
    found = _PATH.match(problem)
    if found is None:
        return None
    path = found[1]
    while path not in lines:
        path, cut = _LAST.subn("", path)
        if not cut:
            return None
    return lines[path]


def _key_lines(text: str) -> dict[Path, int]:
    """Return the line of every table and of every key outside of inline tables."""
    lines: dict[Path, int] = {}
    sizes: dict[Path, int] = {}  # of arrays of tables
    table: Path = ()
    for line, brackets, parts in _statements(text):
        path = () if brackets else table
        for place, part in enumerate(parts, start=1):
            path = (*path, part)
            if brackets == "[[" and place == len(parts):
                lines.setdefault(path, line)
                sizes[path] = sizes.get(path, 0) + 1
            if path in sizes:
                path = (*path, sizes[path] - 1)
            lines.setdefault(path, line)
        # A table may have been named before, as the parent of another.
        lines[path] = line
        table = path if brackets else table
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line, brackets (none before a value) and key of every head and assignment."""
    # The mark that some editors put before the text is not a part of it.
    at = len(text) - len(text.removeprefix("\ufeff"))
    line = 1
    while True:
        blank = _BLANK.match(text, at)
        start = blank.end() if blank else at
        line += text.count("\n", at, start)
        head, assigned = _HEAD.match(text, start), _ASSIGNED.match(text, start)
        if head:
            yield line, head[1], _parts(head[2])
            at = head.end()
        elif assigned:
            yield line, "", _parts(assigned[1])
            at = _value_end(text, assigned.end())
        else:
            return
        line += text.count("\n", start, at)


def _parts(key: str) -> list[str]:
    return [
        tomllib.loads(f"key = {part}")["key"] if part[0] in "\"'" else part
        for part in re.findall(_PART, key)
    ]


def _value_end(text: str, start: int) -> int:
    """Return where the line ends in which the value that begins here ends."""
    depth = 0
    for piece in _PIECE.finditer(text, start):
        if piece[0] in ("[", "{"):
            depth += 1
        elif piece[0] in ("]", "}"):
            depth -= 1
        elif piece[0] == "\n" and depth == 0:
            return piece.start()
    return len(text)
