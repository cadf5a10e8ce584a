"""``compare``: two runs, or two stored studies, by the differences between them."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np

from fastroute.checks import refused
from fastroute.report.compare import (
    DIFFERENCE_HEADS,
    StudyComparison,
    compare_studies,
    compared,
    difference_texts,
)
from fastroute.report.style import format_value
from fastroute.report.tables import HeaderCell, Table, TableCell, TableRow, plain_table
from fastroute.scenarios import Scenario
from fastroute.simulation import Run
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

# Settings on which results depend.
_SETTINGS: Final = (
    *("horizon", "budget", "max_deployed", "stages", "seed", "deploy_cost", "load_rounds"),
    *("dtype", "trials"),
)
# What a scenario is called is compared by itself, and these follow from others.
_NO_DIFFERENCE: Final = ("name", "first_cost_range")
# Of a difference at most this many entries or letters are shown.
_MOST_SHOWN: Final = 3
_LONGEST: Final = 60
_SHORT: Final = 40
# What the text and the card of a comparison show; the table has everything.
_SHOWN: Final = (
    "regret",
    "discovery",
    "deployment",
    "routing",
    "priced_regret",
    "reward",
    "cost",
    "violation",
)


@dataclass(frozen=True, repr=False)
class RunComparison:
    """Two runs, and the differences B minus A of everything that is known of a trial.

    Attributes
    ----------
    a, b : Run
    table : polars.DataFrame
        One row per column of ``run.trials``: ``quantity``, ``mean_a``, ``mean_b``; ``difference``
        (B minus A) with ``difference_low`` and ``difference_high``; ``ratio`` (B over A) with
        ``ratio_low`` and ``ratio_high``, null where a mean is not above zero; ``n``, the trials;
        ``paired``, whether they are paired.
    paired : bool
        Whether trials of equal numbers are compared with each other, which they are when both runs
        have the same seed and horizon; else the runs are independent samples (Welch).
    level : float
        Nominal coverage of each interval.
    """

    a: Run
    b: Run
    table: "pl.DataFrame"
    paired: bool
    level: float

    def __repr__(self) -> str:
        """Say in what the runs differ, and write the main differences as a table."""
        differs = [f"  {name}: {a} in A, {b} in B" for name, (a, b) in self.differs().items()]
        lines = [textwrap.shorten(line.strip(), 98, placeholder=" ...") for line in differs]
        return "\n".join([self.title, *(f"  {x}" for x in lines), plain_table(self.summary())])

    def _repr_html_(self) -> str:
        from fastroute.report.notebook import card_html, run_comparison_card

        return card_html(run_comparison_card(self))

    @property
    def title(self) -> str:
        """What is compared."""
        (a, b), scenarios = self.labels, [self.a.scenario.name, self.b.scenario.name]
        where = " and ".join(dict.fromkeys(scenarios))
        return f"Comparison of A, {a}, and B, {b}, in {where}"

    @property
    def labels(self) -> tuple[str, str]:
        """What tells the runs apart: the policies, else a setting, else their place."""
        names = self.a.policy.title, self.b.policy.title
        if names[0] != names[1]:
            return names
        for name, (one, other) in self.differs().items():
            # The text and the card say what takes many words.
            if max(len(one), len(other)) > _SHORT:
                continue
            return f"{names[0]}, {name} = {one}", f"{names[0]}, {name} = {other}"
        return f"{names[0]} (A)", f"{names[1]} (B)"

    def differs(self) -> dict[str, tuple[str, str]]:
        """Return in which scenario, parts of the policy and settings the runs differ, in words."""
        pairs: dict[str, tuple[Any, Any]] = {
            "scenario": (self.a.scenario.name, self.b.scenario.name),
            **{
                kind: (repr(getattr(self.a.policy, kind)), repr(getattr(self.b.policy, kind)))
                for kind in ("estimator", "deployer", "router", "margin")
            },
            **{name: (self.a.settings[name], self.b.settings[name]) for name in _SETTINGS},
        }
        found = {
            name: (format_value(one), format_value(other))
            for name, (one, other) in pairs.items()
            if one != other
        }
        # The scenario by its name, then by what is in it, then the rest.
        first = {name: found.pop(name) for name in ("scenario",) if name in found}
        return {**first, **_scenario_differences(self.a.scenario, self.b.scenario), **found}

    def summary(self) -> Table:
        """Lay out the main differences."""
        heads = [HeaderCell("", number=False, key=True), *DIFFERENCE_HEADS]
        rows = {row["quantity"]: row for row in self.table.iter_rows(named=True)}
        lines = [
            TableRow(
                [
                    TableCell(name.replace("_", " "), head=True),
                    *map(TableCell, difference_texts(rows[name])),
                ]
            )
            for name in _SHOWN
            if name in rows
        ]
        trials = self.table.get_column("n")[0]
        how = "paired by trial" if self.paired else "not paired: seeds or horizons differ"
        unit = self.a.scenario.cost_unit
        return Table(
            "",
            "Differences",
            heads,
            lines,
            f"Means over {trials:,} trials, {how}; {self.level:.0%} intervals. Regret and reward "
            f"in units of reward, cost per query and violation in the unit of costs ({unit}).",
        )

    def plot(self, kind: str = "regret", ax: "Axes | None" = None) -> "Axes":
        """Draw both runs on the same axes.

        Parameters
        ----------
        kind : {"regret", "priced_regret"}
            What is drawn over rounds.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from fastroute.report.plots import plot_run_comparison

        return plot_run_comparison(self, kind, ax)


@overload
def compare(a: Run, b: Run, *, level: float = ...) -> RunComparison: ...


@overload
def compare(a: StoredStudy, b: StoredStudy, *, level: float = ...) -> StudyComparison: ...


def compare(
    a: Run | StoredStudy, b: Run | StoredStudy, *, level: float = 0.95
) -> RunComparison | StudyComparison:
    """Compare two runs, or two stored studies: differences of B minus A with intervals.

    Parameters
    ----------
    a, b : Run or StoredStudy
        Two of one kind. Runs with the same seed and horizon are compared trial by trial, on the
        trials that both have: what is chance in both cancels, and intervals are narrow. The same
        holds for the common cells of two studies.
    level : float
        Nominal coverage of each interval.

    Returns
    -------
    fastroute.report.RunComparison or fastroute.report.StudyComparison
        With the numbers in ``.table``, and ``.plot()``.

    Raises
    ------
    ValueError
        When the two are not of one kind, or two studies have no cell in common.
    """
    if isinstance(a, StoredStudy) and isinstance(b, StoredStudy):
        return compare_studies(a, b, level=level)
    for name, given in (("a", a), ("b", b)):
        if not isinstance(given, Run | StoredStudy):
            raise refused(name, given, "a run or a stored study", "see fr.simulate and fr.load")
    if not (isinstance(a, Run) and isinstance(b, Run)):
        raise ValueError("a, b: one is a run and the other a stored study; give two of one kind")
    return _compare_runs(a, b, level)


def _scenario_differences(a: Scenario, b: Scenario) -> dict[str, tuple[str, str]]:
    """Return in which fields two scenarios differ, in words."""
    found = {}
    # The range of the costs often follows from another difference.
    for name in sorted((x.name for x in fields(Scenario)), key=lambda name: name == "cost_range"):
        if name in _NO_DIFFERENCE or _is_same(one := getattr(a, name), other := getattr(b, name)):
            continue
        if name == "changes":
            # Those that both have tell nothing apart.
            one, other = [x for x in one if x not in other], [x for x in other if x not in one]
        if name == "cost_range":
            one, other = (" to ".join(map(format_value, ends)) for ends in (one, other))
        key = name if name not in _SETTINGS else f"scenario {name}"
        found[key] = _field_texts(one, other, (a.models, b.models))
    return found


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        # Laws are equal where their parameters are, of which some are arrays.
        return all(_is_same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return bool(one == other)


def _field_texts(one: Any, other: Any, models: tuple[Sequence[str], ...]) -> tuple[str, str]:
    """Write two values of a field of a scenario: of numbers for every model those that differ."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        ends = [(x.min(), x.max()) for x in (one, other)]
        if all(low == high for low, high in ends):
            return f"{ends[0][0]:g}", f"{ends[1][0]:g}"
    arrays = [x for x in (one, other) if isinstance(x, np.ndarray)]
    if len(arrays) < 2 or one.shape != other.shape or one.ndim != 1 or models[0] != models[1]:
        return _value_text(one), _value_text(other)
    places = np.flatnonzero(one != other)
    more = f" and {len(places) - _MOST_SHOWN} more" if len(places) > _MOST_SHOWN else ""
    texts = [
        ", ".join(f"{values[k]:g} ({models[0][k]})" for k in places[:_MOST_SHOWN]) + more
        for values in (one, other)
    ]
    return texts[0], texts[1]


def _value_text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{' x '.join(map(str, value.shape))} numbers"
    if isinstance(value, list | tuple):
        shown = ", ".join(_plain_text(x) for x in value[:_MOST_SHOWN])
        more = len(value) - _MOST_SHOWN
        return (f"{shown} and {more} more" if more > 0 else shown) or "none"
    return _plain_text(value) or "none"


def _plain_text(value: Any) -> str:
    text = format_value(value) if isinstance(value, str | int | float) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _compare_runs(a: Run, b: Run, level: float) -> RunComparison:
    import polars as pl

    paired = all(a.settings[name] == b.settings[name] for name in ("seed", "horizon"))
    rows = []
    for quantity in a.finals:
        if quantity == "trial" or quantity not in b.finals:
            continue
        one, other = (_by_trial(run, quantity) for run in (a, b))
        # What is not known of some trial has no mean.
        if all(value == value for side in (one, other) for value in side.values()):
            rows.append({"quantity": quantity, **compared(one, other, paired, level)})
    return RunComparison(a, b, pl.DataFrame(rows, infer_schema_length=None), paired, level)


def _by_trial(run: Run, quantity: str) -> dict[int, float]:
    return dict(zip(run.finals["trial"].tolist(), run.finals[quantity].tolist(), strict=True))
