"""Tables of the report: made once, shown on the page, on a terminal and as Markdown.

The page is drawn by a template; all numbers keep their exact value in it.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.report.style import format_margin, format_number, format_value
from fastroute.study.markdown import markdown_rows, plain

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Group

# Width of the strip that shows an interval beside its numbers.
_STRIP: Final = 150
# Width of a table as text.
_TEXT_WIDTH: Final = 100
#: Tables of more rows than this are folded up in Markdown.
_FOLDED: Final = 12


class HeaderCell(NamedTuple):
    """Head of a column.

    Attributes
    ----------
    text : str
    help : str
        Its tooltip on the page.
    number : bool
        Whether it holds numbers, which stand to the right.
    key : bool
        Whether it tells the rows apart, and so is never left out.
    rank : int
        Where a terminal is too narrow, columns of the highest rank are left out first; those below
        0 are for the page alone.
    """

    text: str
    help: str = ""
    number: bool = True
    key: bool = False
    rank: int = 0


class TableCell(NamedTuple):
    """What stands in one place of a table.

    `value`, `low` and `high` are exact numbers (as Python writes them) for tests, sorting and
    whoever reads the source; empty for words.
    """

    text: str
    value: str = ""
    low: str = ""
    high: str = ""
    name: str = ""  #: which number of the row it is
    link: str = ""
    head: bool = False
    strip: "IntervalStrip | None" = None


class IntervalStrip(NamedTuple):
    """An interval as a drawing: positions on a strip that all rows share."""

    low: float
    mean: float
    high: float
    zero: float
    width: int = _STRIP


class TableRow(NamedTuple):
    """A row of a table; `policy` is the label of the policy that it is about."""

    items: list[TableCell]
    cell: int | None = None
    policy: str | None = None


class Table(NamedTuple):
    """A table with what explains it below."""

    name: str  #: that of the element on the page
    caption: str
    heads: list[HeaderCell]
    lines: list[TableRow]
    note: str = ""

    def texts(self) -> tuple[list[HeaderCell], list[list[str]]]:
        """Return heads and cells as text, without the columns that only the page can show."""
        places = [place for place, head in enumerate(self.heads) if head.rank >= 0]
        cells = [[line.items[place].text for place in places] for line in self.lines]
        return [self.heads[place] for place in places], cells


def exact(value: Any) -> str:
    """Write a number so that reading it gives the same number; empty when it is not known."""
    if value is None or value != value:
        return ""
    return repr(value)


def number(
    name: str,
    value: Any,
    write: Callable[[float], str] = format_number,
    low: Any = None,
    high: Any = None,
) -> TableCell:
    """Return a number of a table, with the ends of its interval when they are known."""
    if value is None or value != value:
        return TableCell("-", name=name)
    text = write(value)
    if high is not None and high == high:
        text = format_margin(value, high)
    return TableCell(text, exact(value), exact(low), exact(high), name)


def frame_table(name: str, caption: str, frame: "pl.DataFrame", note: str = "") -> Table:
    """Return a frame as a table: its columns are the heads, numbers have four digits."""
    heads = [
        HeaderCell(column, number=dtype.is_numeric(), key=not dtype.is_numeric())
        for column, dtype in frame.schema.items()
    ]
    lines = [TableRow([TableCell(_cell_text(value)) for value in row]) for row in frame.iter_rows()]
    return Table(name, caption, heads, lines, note)


def _cell_text(value: Any) -> str:
    return format_number(value) if isinstance(value, float) else format_value(value)


def markdown_table(table: Table, *, fold: bool = False) -> str:
    """Write a table as Markdown, its note below.

    Parameters
    ----------
    table : Table
    fold : bool
        Whether its caption is written too, and a long table is folded up where HTML is known.
    """
    heads, rows = table.texts()
    rules = ["---:" if head.number else "---" for head in heads]
    parts = [markdown_rows([head.text for head in heads], rules, rows)]
    if table.note:
        parts.append(plain(table.note))
    if fold and len(rows) > _FOLDED:
        parts.insert(0, f"<details><summary>{table.caption}: {len(rows)} rows</summary>")
        parts.append("</details>")
    elif fold:
        parts.insert(0, f"**{table.caption}**")
    return "\n\n".join(parts)


def rich_table(table: Table, *, rows: int | None = None) -> "Group":
    """Lay a table out for a terminal, its note below.

    Parameters
    ----------
    table : Table
    rows : int, optional
        Of a longer table this many rows are shown.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from fastroute.report.terminal import FittedTable, TableColumn

    heads, cells = table.texts()
    columns = [
        TableColumn(head.text, right=head.number, key=head.key, rank=head.rank) for head in heads
    ]
    left = len(cells) - (rows or len(cells))
    note = table.note + (f" {left:,} more rows are on the page." if left > 0 else "")
    shown = [FittedTable(columns, cells[:rows])]
    return Group(*shown, *([Padding(Text(note, style="dim"), (0, 0, 1, 0))] if note else []))


def plain_table(table: Table) -> str:
    """Write a table as text of fixed width, its note below."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=_TEXT_WIDTH, color_system=None, force_jupyter=False)
    with console.capture() as captured:
        console.print(rich_table(table))
    return "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())
