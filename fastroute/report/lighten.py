"""SVG files as light as they can be without looking different.

Matplotlib writes the style of every mark in full, each on lines of its own. Here equal styles are
one class, lines that look alike one path, and what nobody sees is left out.
"""

import itertools
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from typing import Final

_SVG: Final = "http://www.w3.org/2000/svg"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_GROUP, _PATH, _TEXT, _USE = (f"{{{_SVG}}}{name}" for name in ("g", "path", "text", "use"))
_STYLE, _DEFS = f"{{{_SVG}}}style", f"{{{_SVG}}}defs"
_NUMBER: Final = re.compile(r"-?\d+\.\d+")
_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
# A tick, or the end of a whisker: one straight line.
_STROKE: Final = re.compile(r"M (\S+) (\S+) (\S+) (\S+)")
# A path of so few commands and numbers has nothing to gain.
_LONG: Final = 8
_COORDINATES: Final = ("d", "x", "y", "width", "height")


def lighten(svg: str) -> str:
    """Return an SVG that looks the same and is a third as long.

    Parameters
    ----------
    svg : str
        As Matplotlib writes it.

    Returns
    -------
    str
        Without comments, metadata, names that nothing refers to, and spaces between elements;
        coordinates have one digit behind the point, which is less than can be seen.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _LINK[1:].partition("}")[0])
    root = ET.fromstring(svg)
    for gone in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(gone)
    for parent in list(root.iter()):
        _round(parent)
        if parent.text is not None and not parent.text.strip():
            parent.text = None
        parent.tail = None
    _rename(root)
    _flatten(root)
    _join(root, _marks(root))
    _rename(root)
    _gather(root)
    _style_marks(root)
    for one in root.iter(_PATH):
        one.set("d", _in_steps(one.get("d", "")))
    _classify(root)
    text = ET.tostring(root, encoding="unicode").replace(" />", "/>")
    # One element a line: differences between two versions can be read.
    return '<?xml version="1.0" encoding="utf-8"?>\n' + text.replace("><", ">\n<") + "\n"


def _marks(root: ET.Element) -> dict[str, tuple[float, float, float, float]]:
    """Return the marks that are one straight line, by the name that refers to them."""
    found = {}
    for one in root.iter(_PATH):
        stroke = _STROKE.fullmatch(one.get("d", ""))
        if stroke and "id" in one.attrib:
            ends = [float(value) for value in stroke.groups()]
            found["#" + one.attrib["id"]] = ends[0], ends[1], ends[2], ends[3]
    return found


def _shorter(number: str) -> str:
    text = f"{float(number):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _round(one: ET.Element) -> None:
    if one.get("transform", "").startswith("rotate(-0 "):
        del one.attrib["transform"]
    # The shape of a mark is small, and stands for many.
    if "id" in one.attrib and one.tag == _PATH:
        one.set("d", _path(one.get("d", "")))
        return
    for name in _COORDINATES:
        if name in one.attrib:
            shorter = _NUMBER.sub(lambda number: _shorter(number[0]), one.attrib[name])
            one.set(name, _path(shorter) if name == "d" else shorter)


def _path(text: str) -> str:
    """Leave out spaces, and the command of a line that goes on from another."""
    kept: list[str] = []
    command = ""
    for token in text.split():
        if token == "L" and command in ("M", "L"):
            continue
        command = token if token.isalpha() else command
        kept.append(token)
    return " ".join(kept)


def _in_steps(path: str) -> str:
    """Write a path of lines by the steps from point to point, which are shorter numbers."""
    tokens = path.split()
    if not set(filter(str.isalpha, tokens)) <= {"M", "z"} or len(tokens) < _LONG:
        return path
    kept: list[str] = []
    numbers: list[float] = []
    for token in tokens:
        if token.isalpha():
            kept.append(token)
            numbers = []
            continue
        numbers.append(float(token))
        if len(numbers) <= 2:
            kept.append(token)
            continue
        if len(numbers) == 3:
            kept.append("l")
        step = _shorter(str(numbers[-1] - numbers[-3]))
        kept.append(step.replace("0.", ".", 1) if step.startswith(("0.", "-0.")) else step)
    return " ".join(kept)


def _flatten(parent: ET.Element) -> None:
    """Put what is in groups without attributes in their place."""
    flat: list[ET.Element] = []
    for child in list(parent):
        _flatten(child)
        flat += list(child) if child.tag == _GROUP and not child.attrib else [child]
        parent.remove(child)
    # What is only referred to can be anywhere; between lines it would keep them apart.
    parent.extend(sorted(flat, key=lambda one: one.tag != _DEFS))


def _join(root: ET.Element, marks: dict[str, tuple[float, float, float, float]]) -> None:
    """Make one path of lines that look alike, where only lines and words are between them."""
    for parent in root.iter():
        if parent.tag == _DEFS:
            continue
        lines = [_as_line(child, marks) for child in parent]
        for child in list(parent):
            parent.remove(child)
        first: dict[tuple[tuple[str, str], ...], ET.Element] = {}
        for line in lines:
            look = _look(line)
            if look is None:
                # What has an area may cover the lines before it.
                if line.tag != _TEXT:
                    first.clear()
                parent.append(line)
            elif look in first:
                first[look].set("d", f"{first[look].attrib['d']} {line.attrib['d']}")
            else:
                first[look] = line
                parent.append(line)


def _as_line(one: ET.Element, marks: dict[str, tuple[float, float, float, float]]) -> ET.Element:
    mark = marks.get(one.get(_LINK, ""))
    if one.tag != _USE or mark is None or "transform" in one.attrib:
        return one
    x, y = float(one.get("x", "0")), float(one.get("y", "0"))
    ends = [_shorter(str(value)) for value in (x + mark[0], y + mark[1], x + mark[2], y + mark[3])]
    kept = {name: value for name, value in one.attrib.items() if name in ("style", "clip-path")}
    return ET.Element(_PATH, {"d": f"M {' '.join(ends)}", **kept})


def _look(one: ET.Element) -> tuple[tuple[str, str], ...] | None:
    """Return what lines must have in common to be joined; None for what cannot be."""
    style = one.get("style", "")
    line = "fill: none" in style or _STROKE.fullmatch(one.get("d", "")) is not None
    named = "id" in one.attrib
    if one.tag != _PATH or not line or named or "d" not in one.attrib or "opacity" in style:
        return None
    return tuple(sorted((name, value) for name, value in one.attrib.items() if name != "d"))


def _rename(root: ET.Element) -> None:
    """Give short names to what is referred to, and drop the others."""
    used: dict[str, str] = {}
    letters = _names("")
    for one in root.iter():
        for key, value in one.attrib.items():
            names = [value[1:]] if key == _LINK and value[:1] == "#" else _REFERENCE.findall(value)
            for name in names:
                if name not in used:
                    used[name] = next(letters)
    for one in root.iter():
        name = one.attrib.pop("id", None)
        if name in used:
            one.set("id", used[name])
        for key, value in one.attrib.items():
            if key == _LINK and value[:1] == "#":
                one.set(key, f"#{used[value[1:]]}")
            elif "url(#" in value:
                one.set(key, _REFERENCE.sub(lambda found: f"url(#{used[found[1]]})", value))


def _gather(root: ET.Element) -> None:
    """Put what is referred to in one place, and drop what no longer is."""
    every = ET.Element(_DEFS)
    for parent in list(root.iter()):
        for defs in parent.findall(_DEFS):
            every.extend([one for one in defs if "id" in one.attrib or one.tag == _STYLE])
            parent.remove(defs)
    root.insert(0, every)


def _style_marks(root: ET.Element) -> None:
    """Give a mark the style that it has wherever it is used."""
    uses: dict[str, list[ET.Element]] = {}
    for one in root.iter(_USE):
        uses.setdefault(one.get(_LINK, "")[1:], []).append(one)
    for mark in root.iter(_PATH):
        mine = uses.get(mark.get("id", ""), [])
        styles = {one.get("style", "") for one in mine}
        if len(styles) == 1 and styles != {""}:
            # Its own style has the last word.
            mark.set("style", "; ".join(filter(None, [*styles, mark.get("style", "")])))
            for one in mine:
                one.attrib.pop("style", None)


def _classify(root: ET.Element) -> None:
    """Write styles that several elements have once, as classes."""
    counts = Counter(one.attrib["style"] for one in root.iter() if "style" in one.attrib)
    names = _names("s")
    classes = {style: next(names) for style, count in counts.items() if count > 1}
    for one in root.iter():
        style = one.attrib.get("style", "")
        if style in classes:
            del one.attrib["style"]
            one.set("class", classes[style])
    sheet = next(root.iter(_STYLE))
    rules = [f".{name}{{{style}}}" for style, name in classes.items()]
    sheet.text = "\n".join([sheet.text or "", *rules])


def _names(first: str) -> Iterator[str]:
    """Yield ``a``, ``b``, ... after some letter."""
    for length in itertools.count(1):
        for letters in itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=length):
            yield first + "".join(letters)
