"""What is said first of a study, wherever it is shown: question, verdict, ranking."""

from typing import TYPE_CHECKING, Final, NamedTuple

from fastroute.report.answers.base import SAID_FIRST, Answer
from fastroute.report.ranking import (
    QUESTION,
    numbers,
    numbers_table,
    ranking_table,
    standings_table,
    verdict,
)
from fastroute.report.tables import Table, markdown_table, rich_table
from fastroute.report.view import StudyView
from fastroute.study.markdown import plain

if TYPE_CHECKING:
    from rich.console import Group

# Of a long ranking this many rows are shown on a terminal.
_MOST_ROWS: Final = 12


class Summary(NamedTuple):
    """The answer in short.

    Attributes
    ----------
    question : str
        Empty where there is nothing to compare.
    verdict : list of str
        Sentences, the most important first.
    more : list of str
        Further sentences, for whoever reads on.
    ranking : Table or None
        Of the policies: over all worlds, or in the only one. Where there is nothing to compare,
        the results of every cell.
    """

    question: str
    verdict: list[str]
    more: list[str]
    ranking: Table | None


def summary_of(view: StudyView, answer: Answer | None) -> Summary:
    """Return what is said first of a study, by its own question or the general one."""
    ranking = standings_table(view)
    if ranking is None and view.worlds:
        ranking = ranking_table(view, view.worlds[0])
    question = QUESTION if answer is None else answer.question
    said = verdict(view) if answer is None else list(answer.verdict)
    if answer is None and ranking is None:
        question, said, ranking = "", numbers(view), numbers_table(view)
    return Summary(question, said[:SAID_FIRST], said[SAID_FIRST:], ranking)


def rich_summary(found: Summary) -> "Group":
    """Lay the summary out for a terminal."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    lines = [*found.verdict]
    if found.more:
        count = len(found.more)
        lines.append(f"{count} more sentence{'s are' if count > 1 else ' is'} in answer.md.")
    asked = [Text(found.question, style="bold")] if found.question else []
    words = Text("\n").join([*asked, *map(Text, lines)])
    table = [] if found.ranking is None else [rich_table(found.ranking, rows=_MOST_ROWS)]
    return Group(Padding(words, (1, 0, 1, 0)), *table)


def markdown_summary(found: Summary) -> str:
    """Write the summary as Markdown."""
    asked = [f"**{found.question}**"] if found.question and found.verdict else []
    parts = [*asked, *map(plain, found.verdict)]
    if found.ranking is not None:
        parts.append(markdown_table(found.ranking))
    return "\n\n".join(parts)
