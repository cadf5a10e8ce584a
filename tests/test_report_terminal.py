"""Tables on terminals of any width."""

import io

import pytest
from rich.console import Console

from fastroute.report.terminal import FittedTable, TableColumn

NAMES = ["stageroute", "stageroute (gamma=scaled:0.1, resolve_every=10)", "a[b]c"]
COLUMNS = [
    TableColumn("policy", key=True),
    TableColumn("what it is", key=True, wraps=True),
    TableColumn("regret", right=True),
    TableColumn("a long head", right=True, rank=1),
    TableColumn("rest"),
]
ROWS = [
    [name, "words that may be broken between them, however many", "1,234 ± 12", "5", "6"]
    for name in NAMES
]


def rendered(width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(FittedTable(COLUMNS, ROWS))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [30, 40, 50, 60, 70, 80, 90, 100, 120, 200])
def test_rows_can_be_told_apart_at_any_width(width: int) -> None:
    lines = rendered(width)
    assert max(map(len, lines)) <= width
    text = "".join("".join(lines).split())
    assert "…" not in text
    # The first name is in one piece where there is room for it.
    assert any("stageroute" in line for line in lines) or width < 50
    if width >= 60:
        assert all(any(word in line for line in lines) for word in ("1,234 ± 12", "a[b]c"))


def test_what_is_left_out_is_named_the_least_important_first() -> None:
    assert rendered(200)[-1].strip() == ""
    noted = [rendered(width)[-1].strip() for width in range(200, 60, -1)]
    told = list(dict.fromkeys(note for note in noted if note))
    assert told == ["Too narrow to show: a long head.", "Too narrow to show: a long head, rest."]


def test_a_table_without_rows_has_its_heads() -> None:
    file = io.StringIO()
    Console(file=file, width=80).print(FittedTable(COLUMNS, []))
    assert "what it is" in file.getvalue()
