"""A study as a reader sees it: what varies in it, its cells with their statistics, its rankings."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastroute.analyse import (
    budget_adherence,
    curve_intervals,
    paired_differences,
    ranking,
    stage_spend,
    standings,
    trial_diagnostics,
    work_times,
)
from fastroute.report.reading import StudyTables, read_tables
from fastroute.report.style import format_value
from fastroute.simulation.columns import TRIAL_COLUMNS, names_of
from fastroute.study import StoredStudy
from fastroute.study.axes import axis_name
from fastroute.study.status import StudyStatus, status_of

if TYPE_CHECKING:
    import polars as pl

#: The estimator that knows the true means.
TRUTH: Final = "truth"
# In a world of more policies than this, each is compared with the first only.
_MOST_PAIRED: Final = 8
_SETTINGS: Final = ("horizon", "budget", "max_deployed", "stages", "trials", "seed")


@dataclass(frozen=True)
class WorldView:
    """A scenario and a setting, and the policies that met it.

    Attributes
    ----------
    number : int
        The column `world` of the frames.
    title : str
        What tells it apart from the others.
    cells : polars.DataFrame
        As in :class:`StudyView`, those of this world.
    curves, spend, adherence, pairs : polars.DataFrame
        From the functions of `fastroute.analyse` on the frames of this world. `pairs` has a
        column `quantity`.
    models : polars.DataFrame
        The rows of the frame `models`.
    ranking : polars.DataFrame or None
        From :func:`fastroute.analyse.ranking`; None where fewer than two policies have trials.
    """

    number: int
    title: str
    cells: "pl.DataFrame"
    curves: "pl.DataFrame"
    spend: "pl.DataFrame"
    adherence: "pl.DataFrame"
    pairs: "pl.DataFrame"
    models: "pl.DataFrame"
    ranking: "pl.DataFrame | None"


@dataclass(frozen=True)
class StudyView:
    """Frames and statistics of a study, as far as it is.

    Attributes
    ----------
    stored : StoredStudy
    status : StudyStatus
    cells : polars.DataFrame
        One row per cell: parameters and progress as in the frame `cells`; for every column of
        trials ``mean_``, ``low_`` and ``high_``, as in the frame `summary`; the columns of
        :func:`~fastroute.analyse.trial_diagnostics`; and the difference in priced regret from the
        first policy of the world, ``mean_difference``, ``low_difference``, ``high_difference`` and
        ``share_lower``. Null where nothing is known yet.
    policies : list of str
        Labels, in the order of the study.
    varied : list of str
        Columns of `cells` that differ, beside what the labels of policies say.
    axes : list of str
        Those of them that the study varies on purpose; the others follow.
    worlds : list of World
        Those shown in detail.
    begun : int
        Worlds that have trials.
    rankings : dict of int to polars.DataFrame
        From :func:`fastroute.analyse.ranking`, of every world in which there is something to rank.
    standings : polars.DataFrame or None
        From :func:`fastroute.analyse.standings`, the policy that is best or within noise of the
        best in the most worlds first; None where fewer than two worlds can be ranked.
    methods, times : polars.DataFrame
        From :func:`~fastroute.analyse.solver_methods` and :func:`~fastroute.analyse.work_times`.
    """

    stored: StoredStudy
    status: StudyStatus
    cells: "pl.DataFrame"
    policies: list[str]
    varied: list[str]
    axes: list[str]
    worlds: list[WorldView]
    begun: int
    rankings: "dict[int, pl.DataFrame]"
    standings: "pl.DataFrame | None"
    methods: "pl.DataFrame"
    times: "pl.DataFrame"

    @property
    def knowing(self) -> list[str]:
        """Policies that know the true means, and so are no rivals."""
        known = self.cells.filter(estimator=TRUTH).get_column("policy")
        return known.unique(maintain_order=True).to_list()

    @property
    def cost_unit(self) -> str:
        """Unit of costs; of several scenarios, all of them."""
        return " or ".join(self.cells.get_column("cost_unit").unique(maintain_order=True))


def collect_view(stored: StoredStudy, details: int) -> StudyView:
    """Read the frames of a study and compute what the page shows.

    Parameters
    ----------
    stored : StoredStudy
        Complete or not.
    details : int
        Largest number of cells of which curves and stages are read; whole worlds, the first ones
        of those that have trials, and at least one.
    """
    import polars as pl

    status = status_of(stored)
    known = stored.cells.sort("cell").collect()
    sizes = known.group_by("world", maintain_order=True).agg(
        pl.len().alias("cells"), pl.col("trials_done").sum().alias("trials")
    )
    begun = sizes.filter(pl.col("trials") > 0)
    fits = begun.get_column("cells").cum_sum() <= details
    chosen = begun.filter(fits | (pl.int_range(pl.len()) == 0)).get_column("world").to_list()
    tables = read_tables(stored, chosen)
    cells = _with_statistics(tables, known)
    varied = varied_columns(stored, cells)
    axes = _axes(stored, varied)
    rankings = _rankings(tables.trials, cells)
    return StudyView(
        stored=stored,
        status=status,
        cells=cells,
        policies=cells.get_column("policy").unique(maintain_order=True).to_list(),
        varied=varied,
        axes=axes,
        worlds=_worlds(stored, tables, cells, chosen, axes, rankings),
        begun=begun.height,
        rankings=rankings,
        standings=_standings(rankings),
        methods=tables.methods,
        times=work_times(cells, stored.shards.collect()),
    )


def _with_statistics(tables: StudyTables, cells: "pl.DataFrame") -> "pl.DataFrame":
    """Put the statistics of every cell beside its parameters."""
    import polars as pl

    for name in names_of(TRIAL_COLUMNS):
        one = tables.summary.filter(quantity=name).select(
            "cell", *(pl.col(stat).alias(f"{stat}_{name}") for stat in ("mean", "low", "high"))
        )
        cells = cells.join(one, on="cell", how="left", maintain_order="left")
    # A first policy without trials is no other policy's to stand in for.
    firsts = cells.group_by("world").agg(pl.col("cell").min().alias("other_cell"))
    paired = (
        paired_differences(tables.trials, "priced_regret")
        .join(firsts, on=["world", "other_cell"])
        .select(
            "cell",
            *(pl.col(stat).alias(f"{stat}_difference") for stat in ("mean", "low", "high")),
            "share_lower",
        )
    )
    for more in (trial_diagnostics(tables.trials), paired):
        cells = cells.join(more, on="cell", how="left", maintain_order="left")
    return cells


def _rankings(trials: "pl.LazyFrame", cells: "pl.DataFrame") -> "dict[int, pl.DataFrame]":
    """Return the ranking of every world in which there is something to rank.

    A policy that knows the true means is no rival.
    """
    import polars as pl

    rivals = cells.filter(pl.col("estimator") != TRUTH).get_column("cell")
    frame = (
        trials.filter(pl.col("cell").is_in(rivals.implode()))
        .select("world", "policy", "trial", "priced_regret")
        .collect()
    )
    found = {}
    for (world,), one in frame.group_by("world", maintain_order=True):
        policies = one.get_column("policy").n_unique()
        shared = one.group_by("trial").len().get_column("len").max()
        if policies > 1 and shared == policies:
            found[int(world)] = ranking(one, "policy")
    return found


def _standings(rankings: "dict[int, pl.DataFrame]") -> "pl.DataFrame | None":
    """Sum the rankings up: whoever is most often best, or within noise of the best, comes first."""
    if len(rankings) < 2:
        return None
    found = standings(rankings.values(), "policy")
    return found.sort("tied", descending=True, maintain_order=True)


def varied_columns(stored: StoredStudy, cells: "pl.DataFrame") -> list[str]:
    """Return the columns that differ between cells, but for what labels say already."""
    found = [
        name
        for name in ("scenario", *_SETTINGS, *stored.axes)
        if cells.get_column(name).n_unique() > 1
    ]
    labels = cells.group_by("policy").n_unique()
    return [
        name
        for name in found
        if not (name.startswith("scenario_") and _label_says(cells, name))
        and (not name.startswith("policy_") or (labels.get_column(name) > 1).any())
    ]


def _label_says(cells: "pl.DataFrame", column: str) -> bool:
    """Tell whether the labels of scenarios have an option: ``sota (severity=1)``."""
    import polars as pl

    option = re.escape(column.removeprefix("scenario_"))
    labels = cells.filter(pl.col(column).is_not_null()).get_column("scenario")
    return bool(labels.str.contains(rf"[( ]{option}=").all())


def _axes(stored: StoredStudy, varied: list[str]) -> list[str]:
    """Return the columns that are varied on purpose, and not because another one is."""
    setting = stored.study.setting
    return [
        name
        for name in varied
        if name not in _SETTINGS or isinstance(getattr(setting, name), tuple)
    ]


def _worlds(
    stored: StoredStudy,
    tables: StudyTables,
    cells: "pl.DataFrame",
    chosen: list[int],
    axes: list[str],
    rankings: "dict[int, pl.DataFrame]",
) -> list[WorldView]:
    import polars as pl

    curves = curve_intervals(tables.curves)
    detailed = (
        tables.trials.filter(pl.col("world").is_in(chosen))
        .select("world", "cell", "policy", "trial", "regret", "priced_regret")
        .collect()
    )
    worlds = []
    for number in chosen:
        here = cells.filter(world=number)
        spend = stage_spend(tables.stages.filter(world=number))
        against: Any = "all" if here.height <= _MOST_PAIRED else "first"
        pairs = [
            paired_differences(detailed.filter(world=number), name, against=against).with_columns(
                pl.lit(name).alias("quantity")
            )
            for name in ("regret", "priced_regret")
        ]
        worlds.append(
            WorldView(
                number=number,
                title=title_of(here.row(0, named=True), axes) or stored.study.name,
                cells=here,
                curves=curves.filter(world=number),
                spend=spend,
                adherence=budget_adherence(spend),
                pairs=pl.concat(pairs),
                models=tables.models.filter(world=number),
                ranking=rankings.get(number),
            )
        )
    return worlds


def title_of(row: dict[str, Any], names: list[str]) -> str:
    """Write the parameters of a cell: ``sota (severity=1), horizon = 2,000, budget = 0.0005``.

    Each is said once, under the name that it has in the study file; a rule comes with its number.
    """
    said = []
    for name in names:
        if name == "scenario":
            said.append(str(row[name]))
        elif name.endswith("_rule"):
            setting = name.removesuffix("_rule")
            said.append(f"{setting} = {row[name]} ({format_value(row[setting])})")
        elif f"{name}_rule" not in names:
            said.append(f"{axis_name(name)} = {format_value(row[name])}")
    return ", ".join(said)
