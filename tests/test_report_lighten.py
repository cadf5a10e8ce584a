"""Figures as light SVG files: what is drawn stays, what nobody sees goes."""

import re
import xml.etree.ElementTree as ET

import polars as pl
import pytest

from fastroute.report.charts import (
    error_bars,
    heatmap,
    legend_below,
    panels,
    svg_text,
    with_report_style,
)
from fastroute.report.lighten import lighten
from fastroute.report.style import line_style

LINK = "{http://www.w3.org/1999/xlink}href"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@with_report_style
def _drawn() -> str:
    figure, axes = panels(2, columns=2)
    for index, name in enumerate(("one", "two <&> three")):
        mean = pl.Series("mean", [1.0, 2.0, 4.0]) + index
        frame = pl.DataFrame([mean, (mean - 0.3).alias("low"), (mean + 0.3).alias("high")])
        error_bars(axes[0], [1.0, 2.0, 3.0], frame, name, line_style(index))
    axes[0].fill_between([1.0, 3.0], [0.0, 1.0], [1.0, 2.0], alpha=0.2)
    image = heatmap(
        figure, axes[1], frame.to_numpy(), ["a", "b", "c"], ["x", "y", "z"], limits=(0.0, 5.0)
    )
    figure.colorbar(image, ax=axes[1])
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return svg_text(figure)


@pytest.fixture(scope="module")
def both() -> tuple[ET.Element, ET.Element, str]:
    before = _drawn()
    after = lighten(before)
    return ET.fromstring(before), ET.fromstring(after), after


def _texts(root: ET.Element) -> list[str]:
    return [one.text or "" for one in root.iter() if one.tag.endswith("}text")]


def test_words_and_size_stay(both: tuple[ET.Element, ET.Element, str]) -> None:
    before, after, text = both
    assert _texts(after) == _texts(before)
    assert "two <&> three" in _texts(after)
    for name in ("width", "height", "viewBox"):
        assert after.get(name) == before.get(name)
    assert len(text) < 0.5 * len(_drawn())


def test_what_is_referred_to_is_there(both: tuple[ET.Element, ET.Element, str]) -> None:
    _, after, text = both
    ids = [one.get("id") for one in after.iter() if "id" in one.attrib]
    links = [one.get(LINK, "") for one in after.iter() if LINK in one.attrib]
    used = {link[1:] for link in links if link.startswith("#")}
    used |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert len(ids) == len(set(ids))
    assert used == set(ids)
    assert any(link.startswith("data:image/png;base64,") for link in links)
    rules = set(re.findall(r"\.(s[a-z]+)\{", text))
    assert {one.get("class") for one in after.iter() if "class" in one.attrib} == rules


def test_every_stroke_stays_where_it_was(both: tuple[ET.Element, ET.Element, str]) -> None:
    """The starts of all lines, those of ticks and whiskers included, are the same places."""

    def starts(root: ET.Element) -> list[tuple[float, ...]]:
        used = {one.get(LINK) for one in root.iter()}
        marks = {f"#{one.get('id')}": one.get("d", "") for one in root.iter()}
        found = []
        for one in root.iter():
            name = one.tag.rpartition("}")[2]
            if name == "path" and f"#{one.get('id')}" not in used:
                lines = re.findall(r"M [^A-Za-z]+", one.get("d", ""))
                found += [_place(line, 0.0, 0.0) for line in lines]
            elif name == "use":
                at = float(one.get("x", "0")), float(one.get("y", "0"))
                found.append(_place(marks[one.attrib[LINK]], *at))
        return sorted(found)

    before, after, _ = both
    pairs = list(zip(starts(before), starts(after), strict=True))
    assert len(pairs) > 50
    assert max(abs(a - b) for one in pairs for a, b in zip(*one, strict=True)) < 0.11


def _place(path: str, x: float, y: float) -> tuple[float, ...]:
    first = [float(number) for number in NUMBER.findall(path)[:2]]
    return round(first[0] + x, 1), round(first[1] + y, 1)


def test_the_same_figure_gives_the_same_text() -> None:
    assert lighten(_drawn()) == lighten(_drawn())
