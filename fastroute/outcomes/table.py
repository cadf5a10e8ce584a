"""Outcomes that were read: one long table, what became of every row, and what is suspicious."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from fastroute import checks

if TYPE_CHECKING:
    import polars as pl

    from fastroute.outcomes.estimates import Estimates, Method

__all__ = ["COLUMNS", "Kind", "Outcomes", "RowCount"]

Kind: TypeAlias = Literal["full", "partial", "logged", "means"]

#: The columns of outcomes, in order; a table has those that its source has.
COLUMNS: Final = (
    *("query", "model", "score", "cost", "task", "propensity", "time", "tokens_in", "tokens_out"),
    *("n", "release_date"),
)
_KIND_WORDS: Final[Mapping[str, str]] = {
    "full": "every model answered every query",
    "partial": "some models answered some queries only",
    "logged": "each query went to one model",
    "means": "a leaderboard: the means of each model, no queries",
}


class RowCount(NamedTuple):
    """How many rows of a source one rule took away.

    Attributes
    ----------
    rule : str
        What is common to these rows, in words.
    rows : int
    first : str
        Where the first of them is; "" where that is not known.
    """

    rule: str
    rows: int
    first: str = ""


@dataclass(frozen=True, repr=False, eq=False)
class Outcomes:
    """What models scored and cost, query by query or on the mean.

    Attributes
    ----------
    frame : polars.DataFrame
        One row per query and model, with those of the columns query, model, task (text), score,
        cost, propensity, tokens_in, tokens_out (f64, null where missing) and time (datetime) that
        the source has; of a leaderboard, one row per model with model, score, cost, n (the number
        of queries behind its means) and release_date.
    kind : {"full", "partial", "logged", "means"}
        Every model answered every query; some are missing; each query went to one model; or a
        leaderboard without queries.
    models : tuple of str [N]
        In the order of their first rows.
    tasks : tuple of str [T]
        In the order of their first rows; empty where the source has no tasks.
    n_queries : int
        Number of different queries; 0 for a leaderboard.
    cost_unit : str
        Such as "USD per query".
    source : str
        The name of the file, or "frame".
    source_kind : str
        By which schema it was read, such as "plain" or "litellm".
    columns : mapping
        Which column of the source each column was read from, in words.
    rows_read : int
        Rows of the source, before any was dropped.
    account : tuple of RowCount
        What was dropped or put together, by rule; ``rows_read`` less their sum is the height of
        ``frame``.
    warnings : tuple of str
        What is suspicious, above all units.
    features : tuple of str [d]
        Columns of the source that describe the queries; ``frame`` has them as ``feature.NAME``.
    released, retired : mapping of str to date
        Of the models whose dates the source or the price list has.
    budget : float or None
    max_deployed : int or None
        Of the router whose decisions they are.
    """

    frame: "pl.DataFrame"
    kind: Kind
    models: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    n_queries: int = 0
    cost_unit: str = "USD per query"
    source: str = "frame"
    source_kind: str = "plain"
    columns: Mapping[str, str] = field(default_factory=dict)
    rows_read: int = 0
    account: tuple[RowCount, ...] = ()
    warnings: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    released: Mapping[str, date] = field(default_factory=dict)
    retired: Mapping[str, date] = field(default_factory=dict)
    budget: float | None = None
    max_deployed: int | None = None

    def __repr__(self) -> str:
        """Return one line: kind, sizes and how many warnings."""
        parts = [self.kind, f"{len(self.models)} models"]
        if self.kind != "means":
            parts.append(f"{self.n_queries:,} queries")
        if self.tasks:
            parts.append(f"{len(self.tasks)} tasks")
        parts.append(f"{self.frame.height:,} rows from {self.source}")
        if self.warnings:
            parts.append(f"{len(self.warnings)} warning{'s' * (len(self.warnings) > 1)}")
        return f"<Outcomes: {', '.join(parts)}>"

    def describe(self) -> str:
        """Return what was recognised, what became of every row, and the warnings, as text."""
        width = max(map(len, self.columns), default=0)
        lines = [
            f"source      {self.source}, read as {self.source_kind}",
            f"kind        {self.kind}: {_KIND_WORDS[self.kind]}",
            f"models      {len(self.models):,}",
        ]
        if self.kind != "means":
            lines.append(f"queries     {self.n_queries:,}")
        if self.tasks:
            lines.append(f"tasks       {len(self.tasks):,}: {checks.first_names(self.tasks)}")
        lines += [f"cost        {self.cost_unit}", "", "columns"]
        lines += [f"  {role:<{width}}  {column}" for role, column in self.columns.items()]
        lines += ["", f"rows read   {self.rows_read:,}"]
        for count in self.account:
            where = f", the first is {count.first}" if count.first else ""
            lines.append(f"  {-count.rows:,}  {count.rule}{where}")
        lines.append(f"rows kept   {self.frame.height:,}")
        if self.warnings:
            lines.append("")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def estimate(
        self, draws: int = 1000, seed: int = 0, method: "Method | None" = None
    ) -> "Estimates":
        """Return the mean score and cost of each model, and how sure they are.

        Parameters
        ----------
        draws : int
            Number of bootstrap draws, over the queries, of all models together.
        seed : int
            The draws are the same for the same seed.
        method : {"means", "by task", "by features", "weighted", "doubly robust"}, optional
            How the means are estimated: see :class:`~fastroute.Estimates`. Default the
            best that the outcomes allow.

        Returns
        -------
        Estimates

        Raises
        ------
        ValueError
            When the outcomes lack what a method needs.
        """
        from fastroute.outcomes.bootstrap import estimate

        return estimate(self, draws, seed, method)
