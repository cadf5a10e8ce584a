"""What a source is: how it is recognised, and where its columns are."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fastroute.outcomes.files import Content, Source
from fastroute.outcomes.frames import known_columns
from fastroute.outcomes.table import RowCount

__all__ = ["TOKEN_COLUMNS", "Found", "Schema", "Skip", "SourceKind", "drop_rows", "has_columns"]

#: Names of the columns of tokens, for every schema without other ones.
TOKEN_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "tokens_in": ("tokens_in", "input_tokens", "prompt_tokens", "token_usage.input_tokens"),
    "tokens_out": ("tokens_out", "output_tokens", "completion_tokens", "token_usage.output_tokens"),
}


@dataclass(frozen=True)
class Found:
    """The rows of a source and where the columns are.

    Attributes
    ----------
    source : Source
    columns : mapping
        Role -> column of ``source``.
    words : mapping
        Role -> where it is from, where the name of the column does not say it.
    rows_read : int
        Rows of the source before any was dropped.
    account : tuple of RowCount
        What was dropped.
    score_range : (low, high), optional
        Of the scores, where the schema says it.
    cost_per_run : bool
        Whether the cost is that of all n queries together.
    notes : tuple of str
        What is to be known of the source.
    budget, max_deployed : optional
        Of the router whose decisions they are.
    """

    source: Source
    columns: Mapping[str, str]
    rows_read: int
    words: Mapping[str, str] = field(default_factory=dict)
    account: tuple[RowCount, ...] = ()
    score_range: tuple[float, float] | None = None
    cost_per_run: bool = False
    notes: tuple[str, ...] = ()
    budget: float | None = None
    max_deployed: int | None = None


@dataclass(frozen=True)
class SourceKind:
    """One kind of source.

    Attributes
    ----------
    name : str
        As in ``source_kind``.
    words : str
        What it is.
    matches : callable
        Whether what was read has the schema.
    read : callable
        Its rows and columns. A ValueError says what is wrong, without the name of the source.
    by_columns : bool
        Whether it is a table, of which columns may be missing or given.
    run : callable, optional
        What a file of a folder is of, where later files stand in the place of earlier ones.
    """

    name: str
    words: str
    matches: Callable[[Content], bool]
    read: Callable[[Content], Found]
    by_columns: bool = False
    run: Callable[[Content], Hashable] | None = None


class Skip(NamedTuple):
    """Rows that are no outcomes: where a column has one of some words, in lower case."""

    column: str
    values: tuple[str, ...]
    rule: str


class Schema(NamedTuple):
    """A table that is known by its columns.

    Attributes
    ----------
    roles : mapping
        Role -> names of its column, of which the first that is there is taken.
    skips : tuple of Skip
        Rows to drop, with the rule.
    """

    roles: Mapping[str, tuple[str, ...]]
    skips: tuple[Skip, ...] = ()

    def read(self, content: Content) -> Found:
        """Return the rows of a table and where its columns are."""
        assert content.table is not None
        source, account = drop_rows(content.table, self.skips)
        columns = known_columns(source.frame.columns, self.roles)
        return Found(source, columns, content.table.frame.height, account=account)


def has_columns(content: Content, *needs: tuple[str, ...]) -> bool:
    """Return whether a table has one column of each of some groups, in any case."""
    if content.table is None:
        return False
    names = {name.casefold() for name in content.columns}
    return all(any(name.casefold() in names for name in group) for group in needs)


def drop_rows(source: Source, skips: tuple[Skip, ...]) -> tuple[Source, tuple[RowCount, ...]]:
    """Return a table without the rows that are no outcomes, and how many each rule took."""
    import polars as pl

    account = []
    for skip in skips:
        column = known_columns(source.frame.columns, {"skip": (skip.column,)}).get("skip")
        if column is None:
            continue
        words = source.frame[column].cast(pl.String).str.strip_chars().str.to_lowercase()
        bad = words.fill_null("").is_in(skip.values)
        if bad.any():
            first = source.place(int(source.rows[bad.arg_true()[0]]))
            account.append(RowCount(skip.rule, int(bad.sum()), first))
            source = source.kept(~bad)
    return source, tuple(account)
