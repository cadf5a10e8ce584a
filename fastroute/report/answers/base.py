"""What an answer is made of, and how it is written."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.report.style import format_number, format_value
from fastroute.study.markdown import markdown_rows, plain

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

#: Tables of more rows than this are folded up in Markdown.
_FOLDED: Final = 12


class AnswerTable(NamedTuple):
    """A table that is ready to show."""

    title: str
    frame: "pl.DataFrame"  #: strings or numbers, few rows; its columns are the heads
    note: str = ""


class AnswerFigure(NamedTuple):
    """A figure and what is to be seen in it."""

    name: str  #: part of a file name
    figure: "Figure"
    caption: str


class Answer(NamedTuple):
    """The answer to a question, in words, tables and figures."""

    question: str
    verdict: tuple[str, ...]  #: sentences, the most important first
    tables: tuple[AnswerTable, ...] = ()
    figures: tuple[AnswerFigure, ...] = ()


def format_cell(value: Any) -> str:
    """Write a value of a table: numbers with four digits, anything else as it is."""
    return format_number(value) if isinstance(value, float) else format_value(value)


def markdown_answer(answer: Answer, figures: str = "figures/answer-") -> str:
    """Write an answer as Markdown, without its question.

    Parameters
    ----------
    answer : Answer
        The answer.
    figures : str
        What comes before the name of a figure in the link to its SVG.

    Returns
    -------
    str
        The verdict, then the figures, then the tables.
    """
    parts = [plain(text) for text in answer.verdict]
    for figure in answer.figures:
        # A star in the caption would end its emphasis.
        caption = plain(figure.caption).replace("*", "\\*")
        parts.append(f"![{figure.name}]({figures}{figure.name}.svg)\n\n*{caption}*")
    for table in answer.tables:
        shown = [_markdown_table(table.frame), *([plain(table.note)] if table.note else [])]
        if table.frame.height > _FOLDED:
            # Viewers that know HTML fold it up; the others show it all.
            head = f"<details><summary>{table.title}: {table.frame.height} rows</summary>"
            parts += [head, *shown, "</details>"]
        else:
            parts += [f"**{table.title}**", *shown]
    return "\n\n".join(parts)


def _markdown_table(frame: "pl.DataFrame") -> str:
    rules = ["---:" if dtype.is_numeric() else "---" for dtype in frame.dtypes]
    return markdown_rows(frame.columns, rules, ([*map(format_cell, row)] for row in frame.rows()))
