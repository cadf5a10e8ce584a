"""Tables for a terminal whose rows can be told apart at any width."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

# Names and text longer than this are broken over lines before a column is left out.
_TEXT_WIDTH: Final = 24
# Blank characters that a table adds to each column.
_GAP: Final = 2


class TableColumn(NamedTuple):
    """One column of a :class:`FittedTable`.

    Attributes
    ----------
    head : str
    right : bool
        Numbers, to the right.
    key : bool
        Tells the rows apart, and so is never left out.
    wraps : bool
        Text that may be broken between words.
    rank : int
        Where the table is too wide, columns of the highest rank are left out first, and of these
        the last one.
    """

    head: str
    right: bool = False
    key: bool = False
    wraps: bool = False
    rank: int = 0


class FittedTable:
    """A table that fits its console: text is broken first, then columns are left out, and named.

    Parameters
    ----------
    columns : sequence of TableColumn
    rows : sequence of sequences of str
        Plain text, as many cells as columns.
    """

    def __init__(self, columns: Sequence[TableColumn], rows: Sequence[Sequence[str]]) -> None:
        self._columns = columns
        self._rows = rows
        texts = [[row[number] for row in rows] for number in range(len(columns))]
        self._most = [
            max(map(_width, [column.head, *cells]))
            for column, cells in zip(columns, texts, strict=True)
        ]
        self._least = [
            max(_word_width([column.head]), _min_width(column, cells))
            for column, cells in zip(columns, texts, strict=True)
        ]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Lay the table out for the width that there is."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        shown = list(range(len(self._columns)))
        left: list[int] = []
        while sum(self._least[i] + _GAP for i in shown) > options.max_width:
            spare = [i for i in shown if not self._columns[i].key]
            if len(spare) <= 1:
                break
            left.append(max(spare, key=lambda i: (self._columns[i].rank, i)))
            shown.remove(left[-1])
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for i, width in zip(shown, self._widths(shown, options.max_width), strict=True):
            column = self._columns[i]
            table.add_column(
                Text(column.head),
                justify="right" if column.right else "left",
                width=width,
                overflow="fold",
            )
        for row in self._rows:
            # Text, not markup: a label may hold square brackets.
            table.add_row(*(Text(row[i]) for i in shown))
        yield table
        if left:
            names = ", ".join(self._columns[i].head for i in sorted(left))
            yield Text(f"Too narrow to show: {names}.", style="dim")

    def _widths(self, shown: list[int], room: int) -> list[int]:
        """Share the room out: to every column what it needs, then what more it can use."""
        least, most = ([widths[i] for i in shown] for widths in (self._least, self._most))
        spare = room - sum(least) - _GAP * len(shown)
        wish = [high - low for high, low in zip(most, least, strict=True)]
        if spare < 0:
            # Less room than the names and one result need: broken anywhere, all of it shown.
            each = max(room // len(shown) - _GAP, 1)
            return [min(width, each) for width in least]
        share = min(1.0, spare / max(sum(wish), 1))
        return [low + int(share * more) for low, more in zip(least, wish, strict=True)]


def _min_width(column: TableColumn, cells: list[str]) -> int:
    """Return the width below which the cells of a column lose their meaning."""
    full = max(map(_width, cells), default=0)
    breaks = column.key or column.wraps
    return min(full, max(_TEXT_WIDTH, _word_width(cells))) if breaks else full


def _word_width(texts: list[str]) -> int:
    return max((_width(word) for text in texts for word in text.split()), default=1)


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
