"""Two stored studies side by side: the same cells, paired by trial where their queries agree."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.analyse import independent_difference, independent_ratio, paired_difference
from fastroute.analyse.paired import paired_ratio
from fastroute.report.answers.words import format_estimate
from fastroute.report.style import format_margin, format_number, format_value
from fastroute.report.tables import HeaderCell, Table, TableCell, TableRow
from fastroute.simulation.columns import NEAR_ZERO, TRIAL_COLUMNS, names_of
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

#: What is compared unless the caller says.
QUANTITIES: Final = ("priced_regret", "regret", "cost")
#: Heads of the columns that compare A and B.
DIFFERENCE_HEADS: Final = (
    HeaderCell("A", "Mean of A"),
    HeaderCell("B", "Mean of B"),
    HeaderCell("B - A", "Difference of the means with its interval", rank=1),
    HeaderCell("B / A", "Ratio of the means with its interval"),
    HeaderCell("", number=False, rank=2),
)
# What tells the cells of a study apart. Labels hold the values of the axes of their options.
_KEYS: Final = ("scenario", "policy", "horizon", "budget", "max_deployed", "stages", "seed")
# What decides the queries of a trial.
_QUERIES: Final = ("scenario_name", "scenario_options", "horizon", "seed")
# Of cells that only one study has, this many are named.
_MOST_NAMED: Final = 3
# What is smaller than this share of the means compared is rounding.
_ROUNDING: Final = 1e-12
_THRESHOLD: Final = re.compile(r"\s*(difference\s+)?([a-z_]+)\s*(<=|>=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True)
class Threshold:
    """What must not be so: a quantity of B beyond a bound, by its ratio to A or its difference.

    Attributes
    ----------
    text : str
        As it was given.
    quantity : str
    measure : str
        ``ratio`` (of the mean in B over that in A) or ``difference`` (B minus A).
    above : bool
        Whether values above the bound are too much, and not those below.
    bound : float
    """

    text: str
    quantity: str
    measure: str
    above: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """Read ``priced_regret > 1.05`` (a ratio) or ``difference cost > 0.0001``.

        Raises
        ------
        ValueError
            When the text is neither, or there is no such quantity.
        """
        found = _THRESHOLD.fullmatch(text)
        must = "QUANTITY > RATIO, or difference QUANTITY > NUMBER (or with <)"
        if found is None:
            raise checks.refused("threshold", text, must)
        try:
            bound = float(found[4])
        except ValueError:
            bound = math.nan
        if not math.isfinite(bound):
            raise checks.refused("threshold", text, must)
        _check_quantity(found[2])
        measure = "difference" if found[1] else "ratio"
        return cls(text, found[2], measure, found[3].startswith(">"), bound)

    def broken(self, cells: "pl.DataFrame") -> "pl.DataFrame":
        """Return the rows in which the whole interval is beyond the bound."""
        import polars as pl

        rows = cells.filter(quantity=self.quantity)
        end = pl.col(self._end).fill_nan(None)
        return rows.filter(end > self.bound if self.above else end < self.bound)

    def outcome(self, cells: "pl.DataFrame") -> str:
        """Say in how many cells it is broken, and in how many there is nothing to check."""
        import polars as pl

        rows, broken = cells.filter(quantity=self.quantity), self.broken(cells).height
        said = f"{'broken' if broken else 'held'}: {self.text} in {broken:,} of {rows.height:,} "
        said += "cell" if rows.height == 1 else "cells"
        if unknown := rows.filter(pl.col(self._end).fill_nan(None).is_null()).height:
            said += f" ({unknown:,} could not be checked: no {self.measure} with an interval)"
        return said

    @property
    def _end(self) -> str:
        """The column with the end of the interval that decides."""
        return f"{self.measure}_{'low' if self.above else 'high'}"


@dataclass(frozen=True, repr=False)
class StudyComparison:
    """Two studies cell by cell.

    Attributes
    ----------
    a, b : str
        What the studies are called.
    table : polars.DataFrame
        One row per common cell and quantity: what tells the cells apart, ``cell_a``, ``cell_b``,
        ``quantity``, ``mean_a``, ``mean_b``; ``difference`` (B minus A) with ``difference_low``
        and ``difference_high``; ``ratio`` (B over A) with ``ratio_low`` and ``ratio_high``, null
        where a mean is not above zero; ``paired``, whether the same trials of both met the same
        queries; ``n``, the trials that are compared: of pairs those that both have;
        ``trials_a`` and ``trials_b``, how many each has.
    differs : dict of str to (object, object)
        What tells all cells of A from all cells of B: a budget, a policy, a version.
    only_a, only_b : list of str
        Cells that the other has not, named by what tells them apart.
    level : float
        Nominal coverage of each interval.
    """

    a: str
    b: str
    table: "pl.DataFrame"
    differs: dict[str, tuple[Any, Any]]
    only_a: list[str]
    only_b: list[str]
    level: float

    def __repr__(self) -> str:
        """Say in a few lines what is compared."""
        cells = self.table.select("cell_a", "cell_b").n_unique()
        return "\n".join([f"Comparison of two studies: {cells:,} common cells", *self.lines()])

    def _repr_html_(self) -> str:
        from fastroute.report.notebook import card_html, study_comparison_card

        return card_html(study_comparison_card(self))

    def plot(self, quantity: str = "priced_regret", ax: "Axes | None" = None) -> "Axes":
        """Draw one quantity of B over that of A, cell by cell, with intervals.

        Where a mean is not above zero, the differences B minus A are drawn.

        Parameters
        ----------
        quantity : str
            One of those compared.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from fastroute.report.plots import plot_study_comparison

        return plot_study_comparison(self, quantity, ax)

    def lines(self) -> list[str]:
        """Say what is compared, and in what the studies differ as a whole."""
        said = [f"A: {self.a}", f"B: {self.b}", *self._trial_lines()]
        said += [
            f"{name}: {format_value(one)} in A, {format_value(other)} in B"
            for name, (one, other) in self.differs.items()
        ]
        for side, names in (("A", self.only_a), ("B", self.only_b)):
            if names:
                more = len(names) - _MOST_NAMED
                listed = "; ".join(
                    [*names[:_MOST_NAMED], *([f"{more:,} more"] if more > 0 else [])]
                )
                cells = "1 cell is" if len(names) == 1 else f"{len(names):,} cells are"
                said.append(f"{cells} only in {side}: {listed}")
        return said

    def _trial_lines(self) -> list[str]:
        """Say where the studies do not have the same number of trials."""
        import polars as pl

        cells = self.table.unique("cell_a", maintain_order=True)
        other = cells.filter(pl.col("trials_a") != pl.col("trials_b"))
        if other.is_empty():
            return []
        counts = other.select("trials_a", "trials_b", "n", "paired").unique()
        if counts.height > 1 or other.height < cells.height:
            return [
                f"trials: not as many in A as in B in {other.height:,} of {cells.height:,} cells"
            ]
        a, b, common, paired = counts.row(0)
        used = f"; compared are the {common:,} that both have" if paired else ""
        return [f"trials: {a:,} in A, {b:,} in B{used}"]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as numbers, words and lists, for JSON; what is not known is None."""
        rows = self.table.to_dicts()
        return {
            "a": self.a,
            "b": self.b,
            "differs": {name: list(pair) for name, pair in self.differs.items()},
            "only_a": self.only_a,
            "only_b": self.only_b,
            "level": self.level,
            "cells": [
                {name: None if value != value else value for name, value in row.items()}
                for row in rows
            ],
        }


def compare_studies(
    a: StoredStudy,
    b: StoredStudy,
    *,
    quantities: Sequence[str] = QUANTITIES,
    level: float = 0.95,
) -> StudyComparison:
    """Compare the cells that two studies have in common.

    Cells are the same when labels of scenario and policy, horizon, budget, number of models
    deployed, stages and seed agree. Where one of these has a single value in each study, another
    one, it is what the comparison is about: the cells are matched without it.

    Parameters
    ----------
    a, b : StoredStudy
        Complete or not; differences are B minus A.
    quantities : sequence of str
        Columns of the frame `trials`.
    level : float
        Nominal coverage of each interval.

    Raises
    ------
    ValueError
        When a quantity is unknown, or no cell is common to both.
    """
    import polars as pl

    for name in quantities:
        _check_quantity(name)
    cells = [
        stored.cells.sort("cell").collect().filter(pl.col("trials_done") > 0) for stored in (a, b)
    ]
    keys, differs = _matched_by(*cells)
    versions = [stored.manifest["versions"]["fastroute"] for stored in (a, b)]
    if versions[0] != versions[1]:
        differs["version"] = (versions[0], versions[1])
    facts = list(dict.fromkeys([*keys, "cell", "policy_options", *_QUERIES]))
    pairs = (
        cells[0]
        .select(facts)
        .join(cells[1].select(facts), on=keys, suffix="_b", maintain_order="left", coalesce=False)
    )
    if pairs.is_empty():
        raise ValueError(
            f"{a.path} and {b.path} have no cell in common: the labels of scenarios and policies "
            f"and {', '.join(keys)} must agree"
        )
    told = [name for name in keys if pairs.get_column(name).n_unique() > 1]
    values = [
        _values(stored, pairs.get_column(name), quantities)
        for stored, name in ((a, "cell"), (b, "cell_b"))
    ]
    rows = []
    for pair in pairs.iter_rows(named=True):
        same = all(pair[name] == pair[f"{name}_b"] for name in _QUERIES)
        for quantity in quantities:
            below, above = (
                side[pair[name]][quantity]
                for side, name in zip(values, ("cell", "cell_b"), strict=True)
            )
            row = {name: pair[name] for name in told}
            row |= {"cell_a": pair["cell"], "cell_b": pair["cell_b"], "quantity": quantity}
            counts = {"trials_a": len(below), "trials_b": len(above)}
            rows.append(row | compared(below, above, same, level) | counts)
    return StudyComparison(
        str(a.path),
        str(b.path),
        pl.DataFrame(rows, infer_schema_length=None),
        differs,
        _named_without(cells[0], pairs.get_column("cell")),
        _named_without(cells[1], pairs.get_column("cell_b")),
        level,
    )


def _matched_by(
    a: "pl.DataFrame", b: "pl.DataFrame"
) -> tuple[list[str], dict[str, tuple[Any, Any]]]:
    """Return the columns by which cells are matched, and those that differ as a whole."""
    keys, differs = [], {}
    for name in _KEYS:
        one, other = (frame.get_column(name).unique().to_list() for frame in (a, b))
        if len(one) == len(other) == 1 and one != other:
            differs[name] = (one[0], other[0])
        else:
            keys.append(name)
    return keys, differs


def _named_without(cells: "pl.DataFrame", common: "pl.Series") -> list[str]:
    """Name the cells of a study that are not among the common ones."""
    import polars as pl

    told = [name for name in _KEYS if cells.get_column(name).n_unique() > 1] or ["policy"]
    left = cells.filter(~pl.col("cell").is_in(common.implode()))
    return [
        ", ".join(
            str(row[name])
            if name in ("scenario", "policy")
            else f"{name} = {format_value(row[name])}"
            for name in told
        )
        for row in left.iter_rows(named=True)
    ]


def _values(
    stored: StoredStudy, cells: "pl.Series", quantities: Sequence[str]
) -> dict[int, dict[str, dict[int, float]]]:
    """Return of each cell and quantity the value of every trial."""
    import polars as pl

    frame = (
        stored.trials.filter(pl.col("cell").is_in(cells.unique().implode()))
        .select("cell", "trial", *quantities)
        .collect()
    )
    return {
        int(cell): {
            name: dict(zip(one.get_column("trial"), one.get_column(name), strict=True))
            for name in quantities
        }
        for (cell,), one in frame.group_by("cell")
    }


def compared(
    a: dict[int, float], b: dict[int, float], same_queries: bool, level: float
) -> dict[str, Any]:
    """Compare one quantity of two cells or runs, given the value of each trial.

    Returns
    -------
    dict
        The columns of :attr:`StudyComparison.table` from ``mean_a`` on.
    """
    common = sorted(a.keys() & b.keys()) if same_queries else []
    paired = bool(common)
    below, above = (
        np.array([side[trial] for trial in (common or sorted(side))], dtype=np.float64)
        for side in (a, b)
    )
    if paired:
        found = paired_difference(above, below, level=level)
        difference = found.mean, found.low, found.high
    else:
        apart = independent_difference(above, below, level=level)
        difference = apart.estimate, apart.low, apart.high
    names = ("difference", "difference_low", "difference_high")
    return {
        "mean_a": float(below.mean()),
        "mean_b": float(above.mean()),
        **dict(zip(names, difference, strict=True)),
        **_ratio(above, below, paired, level),
        "n": min(below.size, above.size),
        "paired": paired,
    }


def _ratio(
    above: NDArray[np.float64], below: NDArray[np.float64], paired: bool, level: float
) -> dict[str, float | None]:
    names = ("ratio", "ratio_low", "ratio_high")
    if not min(above.mean(), below.mean()) > 0.0:
        return dict.fromkeys(names)
    found = (paired_ratio if paired else independent_ratio)(above, below, level=level)
    return dict(zip(names, (found.estimate, found.low, found.high), strict=True))


def _check_quantity(name: str) -> None:
    known = names_of(TRIAL_COLUMNS)
    if name not in known:
        raise checks.refused("quantity", name, f"a column of trials{checks.nearest(name, known)}")


def told_apart(rows: "pl.DataFrame") -> list[str]:
    """Return the columns of a comparison that tell its cells apart."""
    return rows.columns[: rows.columns.index("cell_a")]


def comparison_table(comparison: StudyComparison, quantity: str) -> Table:
    """Lay out one quantity of all cells."""
    rows = comparison.table.filter(quantity=quantity)
    told = told_apart(rows)
    trials = [_trials_text(row) for row in rows.iter_rows(named=True)]
    same = len(set(trials)) == 1
    counted = [] if same else [HeaderCell("trials", "Trials compared", number=False, rank=3)]
    heads = [
        *(HeaderCell(name, number=name not in ("scenario", "policy"), key=True) for name in told),
        *counted,
        *DIFFERENCE_HEADS,
    ]
    lines = []
    for row, count in zip(rows.iter_rows(named=True), trials, strict=True):
        texts = [
            *(format_value(row[name]) for name in told),
            *([] if same else [count]),
            *difference_texts(row),
        ]
        lines.append(TableRow([TableCell(text) for text in texts], row["cell_a"]))
    paired = rows.get_column("paired")
    how = (
        "Paired by trial: both met the same queries."
        if paired.all()
        else "Not paired: the studies met different queries."
        if not paired.any()
        else f"{paired.sum():,} of {rows.height:,} cells are paired by trial."
    )
    return Table(
        f"compared-{quantity}",
        quantity.replace("_", " ").capitalize(),
        heads,
        lines,
        f"Means over {trials[0] if same else 'trials'}; {comparison.level:.0%} intervals. {how}",
    )


def _trials_text(row: dict[str, Any]) -> str:
    """Say over which trials the means of a cell are."""
    a, b, common = row["trials_a"], row["trials_b"], row["n"]
    if a == b and (common == a or not row["paired"]):
        return f"{a:,} trials"
    if row["paired"]:
        return f"{common:,} trials that both have, of {a:,} in A and {b:,} in B"
    return f"{a:,} trials in A and {b:,} in B"


def difference_texts(row: dict[str, Any]) -> list[str]:
    """Write what stands under :data:`DIFFERENCE_HEADS`."""
    column = next(one for one in TRIAL_COLUMNS if one.name == row["quantity"])
    means = row["mean_a"], row["mean_b"]
    # A regret is a sum over the rounds, of which rounding leaves more than of a mean per query.
    summed = column.unit == "reward" and column.name != "reward"
    zero = NEAR_ZERO if summed else _ROUNDING * max(map(abs, means))
    ends = (row[f"difference{end}"] for end in ("", "_low", "_high"))
    ratio = "-"
    if row["ratio"] is not None:
        ratio = format_margin(row["ratio"], row["ratio_high"])
    written = [format_number(0.0 if abs(mean) < zero else mean) for mean in means]
    return [*written, format_estimate(*ends, zero=zero), ratio, _sign(row)]


def _sign(row: dict[str, Any]) -> str:
    if row["difference_low"] > 0.0:
        return "B higher"
    return "B lower" if row["difference_high"] < 0.0 else ""
