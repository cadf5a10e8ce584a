"""Features of queries in a table of outcomes: which columns they are, and their values."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from fastroute import checks
from fastroute.outcomes.files import Source
from fastroute.outcomes.frames import numbers

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FEATURE", "feature_columns", "feature_values"]

#: Before the name of a feature in the frame of outcomes, whose own columns have other names.
FEATURE: Final = "feature."


def feature_columns(
    field: str, names: Sequence[str], patterns: str | Sequence[str], outcomes: set[str]
) -> list[str]:
    """Return the columns that patterns find, in the order of the patterns and of the table.

    Parameters
    ----------
    field : str
        What the table is called in messages.
    names : sequence of str
        Columns of the table.
    patterns : str or sequence of str
        Names of columns, or patterns such as ``"emb_*"``.
    outcomes : set of str
        Columns that are no features.

    Raises
    ------
    ValueError
        When a pattern finds no column, or one that is no feature.
    """
    chosen: dict[str, None] = {}
    for pattern in checks.name_list("features", patterns):
        if not isinstance(pattern, str):
            raise checks.refused(
                "features", patterns, "names of columns, or patterns", 'as ["emb_*"]'
            )
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            raise ValueError(
                f"features: {pattern!r} finds no column of the table of {field}"
                f"{checks.nearest(pattern, names)}"
            )
        for name in found:
            if name in outcomes:
                raise ValueError(
                    f"features: {pattern!r} finds column {name!r}, which is no feature of a query; "
                    "use a pattern that leaves it out"
                )
        chosen |= dict.fromkeys(found)
    if not chosen:
        raise ValueError("features=[] names no column; name at least one, or omit it")
    return list(chosen)


def feature_values(read: Source, name: str) -> "pl.Series":
    """Return a column of numbers; every entry must be one.

    Raises
    ------
    ValueError
        For the first entry that is no finite number, with its place and the remedy.
    """
    import polars as pl

    values, wrong = numbers(read, f"features: {name}", name)
    words = wrong.is_not_null().arg_true()
    if words.len():
        row = int(words[0])
        raise ValueError(
            f"features: column {name!r} holds {checks.quoted(wrong[row])} in "
            f"{read.place(int(read.rows[row]))}, which is not a number; use numeric columns"
        )
    bad = (values.is_null() | ~values.is_finite().fill_null(False)).arg_true()
    if bad.len():
        row = int(bad[0])
        raise ValueError(
            f"features: column {name!r} has no finite number in {read.place(int(read.rows[row]))}; "
            "fill it, or use other columns"
        )
    return values.cast(pl.Float64).alias(name)
