"""What is wrong with cells of a study, in words: once for all cells, with the line in its file."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from fastroute.study.errors import StudyError
from fastroute.study.grid import Point
from fastroute.study.schema import Study
from fastroute.study.specs import Setting
from fastroute.study.toml import show_toml

# The key that a message begins with.
_KEY: Final = re.compile(r"(\w+)(?:\[\d+\])?(?: = |=|: )")


def cells_error(
    study: Study, wrong: Mapping[tuple[str, str], Sequence[tuple[int, Point]]]
) -> StudyError:
    """Return the error of cells that do not work: what is wrong, once, with its line in the file.

    Parameters
    ----------
    study : Study
    wrong : mapping of (str, str) to sequence of (int, Point)
        Cells by the table that is wrong, ``"scenario"`` or ``"policy"``, and the message.
    """
    most = 5
    problems, keys = [], []
    for (table, message), cells in list(wrong.items())[:most]:
        problems.append(f"{_describe_cells(cells)}: {message}")
        keys.append(_key_of(study, table, message, cells[0][1]))
    lines = study.lines_of(keys)
    if (more := len(wrong) - most) > 0:
        problems.append(f"and {more:,} more problems like these")
        lines.append(None)
    return StudyError(study.source, problems, lines)


def _key_of(study: Study, table: str, message: str, point: Point) -> str:
    """Return the path of the key that a message begins with, or of the table that it is about."""
    word = _KEY.match(message)
    key = word[1] if word is not None else ""
    if key in Setting.model_fields:
        return f"setting.{key}"
    one = table == "scenario" and len(study.scenario) == 1
    place = table if one else f"{table}[{point.places[table]}]"
    return f"{place}.{key}" if key in getattr(point, table).options else place


def _describe_cells(cells: Sequence[tuple[int, Point]]) -> str:
    """Name cells: the first one in full, and the numbers of a few others."""
    number, point = cells[0]
    if len(cells) == 1:
        return f"cell {number} ({_describe_point(point)})"
    few = ", ".join(str(number) for number, _ in cells[:5])
    rest = ", ..." if len(cells) > 5 else ""
    return f"{len(cells):,} cells ({few}{rest}; the first is {_describe_point(point)})"


def _describe_point(point: Point) -> str:
    settings = ", ".join(
        f"{name}={show_toml(point.setting[name])}" for name in ("horizon", "budget", "max_deployed")
    )
    return f"{point.policy.label} in {point.scenario.label}, {settings}"
