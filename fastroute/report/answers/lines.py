"""The cells of a study as lines: what differs along each, and what tells the lines apart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.report.style import format_value
from fastroute.simulation.columns import NEAR_ZERO

if TYPE_CHECKING:
    import polars as pl

    from fastroute.study import StoredStudy

#: The parts of the regret, whose sum it is.
PARTS = ("discovery", "deployment", "routing")
_SETTINGS = ("horizon", "budget", "max_deployed", "stages", "seed")
_PARAMETERS = ("scenario", "policy", *_SETTINGS)


class CellLine(NamedTuple):
    """Cells that differ along one parameter.

    Attributes
    ----------
    scenario, policy : str
        Labels.
    title : str
        What tells the line apart from the others of the study.
    rest : str
        That of it which is neither scenario nor policy; may be empty.
    cells : polars.DataFrame
        Its cells, in the order of the parameter.
    measure : {"regret", "priced_regret"}
        What to judge it by: priced regret where some cell has overspent, see
        :func:`overspending`.
    """

    scenario: str
    policy: str
    title: str
    rest: str
    cells: "pl.DataFrame"
    measure: str

    @property
    def words(self) -> str:
        """The measure in words."""
        return self.measure.replace("_", " ")


def lines_of(stored: "StoredStudy", along: str, follows: Sequence[str] = ()) -> list[CellLine]:
    """Sort the cells of a study into lines.

    Parameters
    ----------
    stored : StoredStudy
        A complete study.
    along : str
        Column that varies along a line.
    follows : sequence of str
        Columns that vary with it, such as a rule that it comes from.
    """
    import polars as pl

    cells = stored.cells.collect()
    skipped = {along, *follows}
    cells = cells.with_columns(
        pl.col("scenario").map_elements(lambda name: base_label(stored, name), pl.String)
    )
    labels = cells.group_by("policy").n_unique()
    varied = [
        name
        for name in (*_PARAMETERS, *stored.axes)
        if name not in skipped
        and cells.get_column(name).n_unique() > 1
        and not (name.startswith("policy_") and (labels.get_column(name) == 1).all())
        # What follows from a formula is told by the formula, and by nothing where it is one only.
        and (name not in _SETTINGS or isinstance(getattr(stored.study.setting, name), tuple))
        and f"{name}_rule" not in stored.axes
    ]
    over = overspending(stored)
    lines = []
    keys = varied or ["scenario"]
    for group in cells.partition_by(keys, maintain_order=True):
        first = group.row(0, named=True)
        who = " with ".join(first[name] for name in ("scenario", "policy") if name in keys)
        rest = [
            _format_parameter(name, first[name])
            for name in keys
            if name not in ("scenario", "policy")
        ]
        title = ", ".join([who, *rest] if who else rest)
        spent = group.filter(pl.col("cell").is_in(over)).height > 0
        lines.append(
            CellLine(
                first["scenario"],
                first["policy"],
                title,
                ", ".join(rest),
                group.sort(along),
                "priced_regret" if spent else "regret",
            )
        )
    return lines


def _format_parameter(name: str, value: object) -> str:
    return f"{name.removesuffix('_rule').replace('_', ' ')} {format_value(value)}"


def base_label(stored: "StoredStudy", label: str, *, policies: bool = False) -> str:
    """Return a label as the study has it, without the values of options.

    Parameters
    ----------
    stored : StoredStudy
        The study.
    label : str
        Label of a scenario in its frames, or of a policy.
    policies : bool
        Whether it is that of a policy.
    """
    given = stored.study.policy if policies else stored.study.scenario
    return max((s.label for s in given if f"{label} (".startswith(f"{s.label} (")), key=len)


def overspending(stored: "StoredStudy") -> list[int]:
    """Cells whose regret alone may flatter them, more than chance explains.

    Their mean cost is above the budget, or their regret is below zero while some of their trials
    overspent.  Where no trial overspends, the priced regret is the regret.
    """
    import polars as pl

    # A single trial has no interval, and NaN would count as large.
    above = (pl.col("quantity") == "cost") & (pl.col("low").fill_nan(None) > pl.col("budget"))
    below = (pl.col("quantity") == "regret") & (pl.col("high").fill_nan(None) < 0.0)
    mean = {
        name: pl.col("mean").filter(pl.col("quantity") == name).first()
        for name in ("regret", "priced_regret")
    }
    charged = mean["priced_regret"] > mean["regret"] + NEAR_ZERO
    return (
        stored.summary.group_by("cell", maintain_order=True)
        .agg((above.any() | (below.any() & charged)).alias("over"))
        .filter("over")
        .collect()
        .get_column("cell")
        .to_list()
    )


def deployments_are_free(cells: "pl.DataFrame") -> list[str]:
    """Say that a deployment costs nothing in these cells; nothing where it takes money or time."""
    if any((cells.get_column(name) > 0.0).any() for name in ("deploy_cost", "load_rounds")):
        return []
    return [
        "A deployment costs nothing in this study (deploy_cost = 0), which favours many stages."
    ]


def samples_of(
    stored: "StoredStudy", cells: "pl.DataFrame", name: str
) -> list[NDArray[np.float64]]:
    """Return one column of the trials for every cell, in the order of the trials."""
    import polars as pl

    numbers = cells.get_column("cell").to_list()
    trials = (
        stored.trials.filter(pl.col("cell").is_in(numbers))
        .select("cell", "trial", name)
        .sort("cell", "trial")
        .collect()
    )
    return [trials.filter(cell=cell).get_column(name).to_numpy() for cell in numbers]


def pairable_samples(samples: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Cut samples to the trials that all of them have, so that they can be paired."""
    count = min(sample.size for sample in samples)
    return [sample[:count] for sample in samples]


def summary_of(stored: "StoredStudy", cells: "pl.DataFrame", name: str) -> "pl.DataFrame":
    """Return ``mean``, ``low`` and ``high`` of a quantity for every cell, in their order."""
    found = stored.summary.filter(quantity=name).select("cell", "mean", "low", "high").collect()
    return cells.select("cell").join(found, on="cell", how="left", maintain_order="left")
