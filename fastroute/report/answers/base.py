"""What an answer is made of, and how it is written."""

from typing import TYPE_CHECKING, Final, NamedTuple

from fastroute.report.tables import frame_table, markdown_table
from fastroute.study.markdown import plain

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

#: Of a verdict this many sentences come first; the others are folded up.
SAID_FIRST: Final = 3


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
    verdict: tuple[str, ...]  #: one sentence for each fact, the most important first
    tables: tuple[AnswerTable, ...] = ()
    figures: tuple[AnswerFigure, ...] = ()


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
        What is said first, then the figures, the tables and the other sentences of the verdict.
    """
    parts = [plain(text) for text in answer.verdict[:SAID_FIRST]]
    for figure in answer.figures:
        # A star in the caption would end its emphasis.
        caption = plain(figure.caption).replace("*", "\\*")
        parts.append(f"![{figure.name}]({figures}{figure.name}.svg)\n\n*{caption}*")
    for place, table in enumerate(answer.tables):
        shown = frame_table(f"answer-{place}", table.title, table.frame, table.note)
        parts.append(markdown_table(shown, fold=True))
    if more := answer.verdict[SAID_FIRST:]:
        parts.append(
            f"<details><summary>{len(more)} more sentence{'s' * (len(more) > 1)}</summary>"
        )
        parts += [plain(text) for text in more]
        parts.append("</details>")
    return "\n\n".join(parts)
