"""What the answers read of a study: final values of trials, world by world, and their titles."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fastroute.analyse import mean_interval
from fastroute.report.answers.lines import base_label
from fastroute.report.style import format_value
from fastroute.study import StoredStudy
from fastroute.study.build import flat_options

if TYPE_CHECKING:
    import polars as pl


# What tells worlds apart beside the axes of their scenarios, in the order in which it is named.
_PLACE: Final = ("scenario", "otherwise", "horizon", "budget", "max_deployed", "stages", "seed")

#: What is said where there is no reference to compare with.
NO_REFERENCE: Final = "The study has no stageroute and another policy: nothing to compare."

_SYMBOLS: Final = {
    "horizon": "T",
    "budget": "b",
    "max_deployed": "M_max",
    "stages": "K",
    "gamma": "γ",
    "policy_gamma": "γ",
    "scenario_limit": "α",
    "scenario_n_models": "N",
    "scenario_d": "d",
    "n_models": "N",
}


def finals(stored: StoredStudy, *facts: str) -> "pl.DataFrame":
    """Return the trials of a study with some columns of its cells beside them.

    Scenarios are called by the labels of the study file, without the values of their axes, which
    are columns of their own.

    Parameters
    ----------
    stored : StoredStudy
    *facts : str
        Columns of ``stored.cells`` that trials lack, such as ``gamma``.
    """
    import polars as pl

    trials = stored.trials.collect()
    missing = [name for name in facts if name not in trials.columns]
    cells = stored.cells.select("cell", *missing).collect()
    labels = {label: base_label(stored, label) for label in trials.get_column("scenario").unique()}
    return trials.join(cells, on="cell", how="left", maintain_order="left").with_columns(
        pl.col("scenario").replace(labels)
    )


def reference_of(trials: "pl.DataFrame") -> str | None:
    """Return the label of the first StageRoute; None where it, or another policy, is missing.

    `trials` has the column ``policy_name``.
    """
    mine = trials.filter(policy_name="stageroute").get_column("policy")
    if mine.is_empty() or trials.get_column("policy").n_unique() < 2:
        return None
    return str(mine[0])


def varied(stored: StoredStudy, trials: "pl.DataFrame", *without: str) -> list[str]:
    """Return the columns that tell the worlds of these trials apart.

    Parameters
    ----------
    stored : StoredStudy
    trials : polars.DataFrame
        With the parameters that every frame begins with.
    *without : str
        Columns that the caller deals with itself.

    Returns
    -------
    list of str
        None of them follows from those before it.
    """
    axes = [name for name in stored.axes if not name.startswith("policy_")]
    found: list[str] = []
    for name in (*_PLACE, *axes):
        if (
            name in trials.columns
            and name not in without
            and trials.n_unique([*found, name]) > (trials.n_unique(found) if found else 1)
        ):
            found.append(name)
    return found


def groups(
    frame: "pl.DataFrame", names: Sequence[str]
) -> "Iterator[tuple[str, dict[str, Any], pl.DataFrame]]":
    """Yield the rows of each combination of values: its title, its values, its rows."""
    if not names:
        yield "", {}, frame
        return
    for key, group in frame.group_by(names, maintain_order=True):
        values = dict(zip(names, key, strict=True))
        yield _title(values), values, group


def _title(values: dict[str, Any]) -> str:
    """Write values as a title: a scenario by its label alone, numbers with their symbols."""
    return ", ".join(
        str(value)
        if name in ("scenario", "otherwise")
        else f"{_SYMBOLS.get(name, name)} = {_short(value)}"
        for name, value in values.items()
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else format_value(value)


def budget_names(trials: "pl.DataFrame") -> dict[float, str]:
    """Return how each budget is written: ``0.2 * slack`` where the study gives it so."""
    ruled = "budget_rule" in trials.columns
    rows = trials.select("budget", *(["budget_rule"] if ruled else [])).unique(maintain_order=True)
    rules: dict[float, set[str]] = {}
    for budget, *rule in rows.iter_rows():
        rules.setdefault(budget, set()).update(rule)
    # One number can come from several rules, in several scenarios.
    return {
        budget: min(names) if len(names) == 1 else f"{budget:.4g}"
        for budget, names in rules.items()
    }


def otherwise(stored: StoredStudy, trials: "pl.DataFrame", *options: str) -> "pl.DataFrame":
    """Add a column that tells apart the policies that differ in more than some options.

    Parameters
    ----------
    stored : StoredStudy
    trials : polars.DataFrame
        With the columns ``policy`` and ``policy_options``.
    *options : str
        Options that are compared.

    Returns
    -------
    polars.DataFrame
        With ``otherwise``: the label of the first policy of those that differ in these options
        only, and the values of its other axes.
    """
    import polars as pl

    axes = [
        name
        for name in stored.axes
        if name.startswith("policy_") and name.removeprefix("policy_") not in options
    ]
    names: dict[str, str] = {}
    others: dict[str, str] = {}
    for row in trials.unique("policy_options", maintain_order=True).iter_rows(named=True):
        given = flat_options(json.loads(row["policy_options"]))
        rest = {name: value for name, value in given.items() if name not in options}
        told = [
            f"{_SYMBOLS.get(axis, axis.removeprefix('policy_'))} = {_short(row[axis])}"
            for axis in axes
        ]
        label = ", ".join([base_label(stored, row["policy"], policies=True), *told])
        others[row["policy_options"]] = names.setdefault(json.dumps(rest), label)
    column = pl.col("policy_options").replace_strict(others, return_dtype=pl.String)
    return trials.with_columns(column.alias("otherwise"))


def with_option(trials: "pl.DataFrame", option: str) -> "pl.DataFrame":
    """Add a column with an option of the policies, null where a policy has no such option.

    Needs the column ``policy_options``.
    """
    import polars as pl

    texts = trials.get_column("policy_options").unique().to_list()
    values = [flat_options(json.loads(text)).get(option) for text in texts]
    return trials.with_columns(pl.col("policy_options").replace_strict(texts, values).alias(option))


def models_of(stored: StoredStudy, cell: int) -> tuple[str, ...]:
    """Return the names of the models of a cell."""
    import polars as pl

    found = stored.models.filter(pl.col("cell") == cell).select("name").collect()
    return tuple(found.get_column("name"))


def arrivals(stored: StoredStudy, cell: int) -> NDArray[np.int64]:
    """Return the first round of every model of a cell, [N]."""
    import polars as pl

    found = stored.models.filter(pl.col("cell") == cell).select("arrival").collect()
    return found.get_column("arrival").to_numpy()


def means(frame: "pl.DataFrame", by: str, quantity: str) -> "pl.DataFrame":
    """Return mean and 95 % interval of a quantity by the values of a column, in their order.

    Columns: `by`, ``n``, ``mean``, ``low``, ``high``.
    """
    import polars as pl

    rows = []
    for (value,), one in frame.group_by(by, maintain_order=True):
        found = mean_interval(one.get_column(quantity).to_numpy())
        rows.append(
            {
                by: value,
                "n": found.n,
                "mean": found.estimate,
                "low": found.low,
                "high": found.high,
            }
        )
    return pl.DataFrame(rows, schema_overrides={by: frame.schema[by]})
