"""The tables of the page. The template draws them; all numbers keep their exact value."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from fastroute.report.style import format_number, format_percent, format_reward, format_value
from fastroute.report.tables import (
    HeaderCell,
    IntervalStrip,
    Table,
    TableCell,
    TableRow,
    exact,
    number,
)
from fastroute.report.view import StudyView, WorldView
from fastroute.study.axes import axis_name

if TYPE_CHECKING:
    import polars as pl

#: The table of all cells has at most this many rows.
MOST_ROWS: Final = 1000
# Room at the ends of the strip that shows an interval beside its numbers.
_STRIP_ROOM: Final = 6
#: Models shown, those with the most traffic under any policy first to go in; all are in the frame.
MOST_MODELS: Final = 40
_MODELS_NOTE: Final = (
    "Share of the traffic that each policy sends to each model over the run, as means over trials; "
    "in brackets the share of the stages in which the model is deployed. The optimum deploys, when "
    "a stage opens, the best set of the models that are there under the true means. Arrivals are "
    "rounds."
)
# Varied columns that hold words; others are aligned as numbers.
_WORDS: Final = ("scenario",)

Row = dict[str, Any]


def cells_table(
    view: StudyView, cells: "pl.DataFrame", name: str, *, linked: bool = False
) -> Table:
    """Lay out one row per cell: what varies, regret and its parts, spend, diagnostics.

    Parameters
    ----------
    cells : polars.DataFrame
        Those of `view.cells` that are shown.
    linked : bool
        Whether what varies is shown, with a link to the world.
    """
    varied = view.varied if linked else []
    shown = {world.number for world in view.worlds}
    unfinished = not cells.get_column("complete").all()
    heads = [HeaderCell("policy", number=False, key=True)]
    heads += [
        HeaderCell(axis_name(column), number=column not in _WORDS, key=True) for column in varied
    ]
    heads += [
        HeaderCell(
            "trials", "Trials that are done" + (" and asked for" if unfinished else ""), rank=5
        ),
        HeaderCell(
            "priced regret",
            "Regret plus what was spent beyond the budget, at the budget price; unspent budget is "
            "not credited",
        ),
        HeaderCell("vs first", "Difference in priced regret, paired by trial", rank=1),
        HeaderCell(
            "lower", "Share of the trials with a lower priced regret than the first policy", rank=3
        ),
        HeaderCell("regret", "Pseudo-regret over the run, in units of reward", rank=2),
        HeaderCell(
            "discovery", "Part of the regret: a better model had arrived and waited", rank=6
        ),
        HeaderCell("deployment", "Part of the regret: the wrong set was deployed", rank=6),
        HeaderCell("routing", "Part of the regret: the deployed set was used wrongly", rank=6),
        HeaderCell("cost / budget", "Mean cost per query over the budget", rank=1),
        HeaderCell(
            "last half",
            "The same in the last half of the stages, where no cheap start hides it",
            rank=6,
        ),
        HeaderCell("worst stage", f"Largest overspend of one stage, in {_unit_text(view)}", rank=4),
        HeaderCell(
            "starved", "Share of the trials in which a model of the optimum starved", rank=4
        ),
    ]
    lines = []
    for row in cells.head(MOST_ROWS).iter_rows(named=True):
        link = f"#world-{row['world']}" if linked and row["world"] in shown else ""
        parameters = [
            TableCell(format_value(row[column]), exact(row[column]) if column not in _WORDS else "")
            for column in varied
        ]
        lines.append(
            TableRow(
                [
                    TableCell(row["policy"], head=True, link=link),
                    *parameters,
                    _trials(row, unfinished),
                    *_numbers(row),
                ],
                row["cell"],
                row["policy"],
            )
        )
    note = (
        "Means over trials ± half the 95% Student interval over trials. Regret = discovery + "
        "deployment + routing, in units of reward. Last half: cost / budget over the last half of "
        f"the stages. Worst stage: largest overspend of a stage, in {_unit_text(view)}. Lower: "
        "share of the trials with the lower priced regret. "
        f"“vs first” compares with {_first(view)}, on the same queries, trial by trial."
    )
    left = cells.height - MOST_ROWS
    if left > 0:
        note += f" {left:,} more cells are in the frames only."
    return Table(name, "Results", heads, lines, note)


def _first(view: StudyView) -> str:
    """Name the policy that the others are compared with."""
    firsts = view.cells.unique("world", keep="first", maintain_order=True)
    labels = firsts.get_column("policy").unique().to_list()
    return labels[0] if len(labels) == 1 else "the first policy of the world"


def _unit_text(view: StudyView) -> str:
    return view.cost_unit.replace(" per query", "")


def _trials(row: Row, unfinished: bool) -> TableCell:
    done = row["trials_done"]
    text = f"{done:,} of {row['trials']:,}" if unfinished else f"{done:,}"
    return TableCell(text, exact(done), name="trials")


def _numbers(row: Row) -> list[TableCell]:
    def of(name: str, write: Callable[[float], str] = format_reward) -> TableCell:
        ends = row[f"low_{name}"], row[f"high_{name}"]
        return number(name, row[f"mean_{name}"], write, *ends)

    def mean(name: str, write: Callable[[float], str] = format_reward) -> TableCell:
        return number(name, row[f"mean_{name}"], write)

    cost, late = (
        [_over(row[f"{stat}_{name}"], row["budget"]) for stat in ("mean", "low", "high")]
        for name in ("cost", "late_cost")
    )
    return [
        of("priced_regret"),
        of("difference") if row["mean_difference"] is not None else TableCell(""),
        number("share_lower", row["share_lower"], format_percent)
        if row["share_lower"] is not None
        else TableCell(""),
        of("regret"),
        *(mean(part) for part in ("discovery", "deployment", "routing")),
        number("cost_ratio", cost[0], format_number, *cost[1:]),
        number("late_cost_ratio", late[0], format_number, *late[1:]),
        mean("worst_stage_violation", format_number),
        number("starved", row["starved"], format_percent),
    ]


def _over(value: float | None, budget: float) -> float | None:
    return None if value is None else value / budget


def pairs_table(view: StudyView, world: WorldView) -> Table | None:
    """Lay out the differences between the policies of a world; None when there are none."""
    import polars as pl

    if world.pairs.is_empty():
        return None
    heads = [
        HeaderCell("compared", number=False),
        HeaderCell("regret", "Mean difference in regret"),
        HeaderCell("", "The interval of the difference; the line is zero", number=False, rank=-1),
        HeaderCell("lower", "Share of the trials in which the first named has the lower regret"),
        HeaderCell("priced regret", "Mean difference in priced regret"),
        HeaderCell("", "The interval of the difference; the line is zero", number=False, rank=-1),
        HeaderCell(
            "lower", "Share of the trials in which the first named has the lower priced regret"
        ),
        HeaderCell("pairs", "Trials that both have played"),
    ]
    scales = {}
    for name in ("regret", "priced_regret"):
        one = world.pairs.filter(quantity=name)
        ends = one.select(pl.concat_list("low", "mean", "high").explode()).to_series()
        ends = ends.fill_nan(None).drop_nulls()
        scales[name] = (min(0.0, *ends), max(0.0, *ends))
    lines = []
    keys = world.pairs.select("cell", "other_cell").unique(maintain_order=True)
    for cell, other in keys.iter_rows():
        pair = {
            row["quantity"]: row
            for row in world.pairs.filter(cell=cell, other_cell=other).iter_rows(named=True)
        }
        row = pair["regret"]
        items = [TableCell(f"{row['policy']} − {row['other']}", head=True)]
        for name in ("regret", "priced_regret"):
            row = pair[name]
            items += [
                number(f"{name}_difference", row["mean"], format_reward, row["low"], row["high"]),
                TableCell("", strip=_strip(row, scales[name])),
                number(f"{name}_lower", row["share_lower"], format_percent),
            ]
        items.append(TableCell(f"{row['n']:,}", exact(row["n"]), name="n"))
        lines.append(TableRow(items, cell, row["policy"]))
    return Table(
        f"pairs-{world.number}",
        "Paired differences",
        heads,
        lines,
        "Mean of the first minus the second ± half the 95% Student interval of the paired "
        "difference. All policies of a world draw from the same random numbers, so the luck that "
        "they share cancels. A negative difference of priced regret says that the first named is "
        "better; one of regret may have been bought by overspending.",
    )


def _strip(row: Row, scale: tuple[float, float]) -> IntervalStrip:
    low, high = scale
    span = (high - low) or 1.0
    width = IntervalStrip._field_defaults["width"]

    def at(value: float) -> float:
        return round(_STRIP_ROOM + (width - 2 * _STRIP_ROOM) * (value - low) / span, 1)

    mean = at(row["mean"])
    known = row["low"] == row["low"]
    return IntervalStrip(
        at(row["low"]) if known else mean, mean, at(row["high"]) if known else mean, at(0)
    )


def adherence_table(view: StudyView, world: WorldView) -> Table:
    """Lay out how the stages of each policy keep to the budget."""
    heads = [
        HeaderCell("policy", number=False),
        HeaderCell("stages over", "Stages whose mean spend over trials is above the budget"),
        HeaderCell(
            "share over", "Share of all stages of all trials that spent more than the budget"
        ),
        HeaderCell("worst stage", "The stage with the largest mean spend, counted from 1"),
        HeaderCell("its spend / budget", "Mean spend of that stage over the budget"),
        HeaderCell("last stage", "Mean spend of the last stage over the budget"),
        HeaderCell("violation", f"Spent beyond the budget over the run, in {_unit_text(view)}"),
    ]
    violation = dict(world.cells.select("policy", "mean_violation").iter_rows())
    lines = []
    for row in world.adherence.iter_rows(named=True):
        over, stages = row["stages_over"], row["stages"]
        stage = row["worst_stage"] + 1
        lines.append(
            TableRow(
                [
                    TableCell(row["policy"], head=True),
                    TableCell(f"{over:,} of {stages:,}", exact(over), name="stages_over"),
                    number("over", row["over"], format_percent),
                    TableCell(f"{stage:,}", exact(stage), name="worst_stage"),
                    number("worst", row["worst"], format_percent),
                    number("last", row["last"], format_percent),
                    number("violation", violation[row["policy"]]),
                ],
                policy=row["policy"],
            )
        )
    return Table(f"adherence-{world.number}", "Adherence to the budget by stage", heads, lines)


def solver_table(view: StudyView) -> Table:
    """Lay out how each policy chose the models to deploy, and how long it worked."""
    heads = [
        HeaderCell("policy", number=False),
        HeaderCell("method", number=False),
        HeaderCell("problems", "Deployment problems that were solved this way"),
        HeaderCell("share"),
        HeaderCell("largest gap", "Largest proven distance from the optimum, in units of reward"),
        HeaderCell("infeasible", "Problems without a distribution within budget and limits"),
    ]
    lines = []
    for row in view.methods.iter_rows(named=True):
        lines.append(
            TableRow(
                [
                    TableCell(row["policy"], head=True),
                    TableCell(row["method"]),
                    TableCell(f"{row['problems']:,}", exact(row["problems"]), name="problems"),
                    number("share", row["share"], format_percent),
                    number("largest_gap", row["largest_gap"], format_number),
                    TableCell(
                        f"{row['infeasible']:,}", exact(row["infeasible"]), name="infeasible"
                    ),
                ],
                policy=row["policy"],
            )
        )
    return Table(
        "methods",
        "How the deployment problems were solved",
        heads,
        lines,
        "One problem per stage and trial; where only means over trials are kept, one per stage. "
        "vertex: the optimum of the linear relaxation has few enough models and is optimal. "
        "branch and bound, HiGHS: solved exactly as a mixed integer program. Other names are "
        "rules of the policy that solve no program. The routing problem of every query is solved "
        "exactly inside the loop and is not counted here.",
    )


def time_table(view: StudyView) -> Table:
    """Lay out how long each policy worked."""
    heads = [
        HeaderCell("policy", number=False),
        HeaderCell("trial-rounds"),
        HeaderCell("seconds", "Of work, added up over workers, compilation apart"),
        HeaderCell("ns per trial-round"),
        HeaderCell("compilation (s)", "Waiting for compilation, added up over workers"),
        HeaderCell("backend", number=False),
    ]
    lines = []
    for row in view.times.iter_rows(named=True):
        lines.append(
            TableRow(
                [
                    TableCell(row["policy"], head=True),
                    TableCell(f"{row['rounds']:,}", exact(row["rounds"]), name="rounds"),
                    number("seconds", row["seconds"], _three_digits),
                    number("ns_per_trial_round", row["ns_per_trial_round"], _three_digits),
                    number("compile_seconds", row["compile_seconds"], _three_digits),
                    TableCell(row["backends"] or "-"),
                ],
                policy=row["policy"],
            )
        )
    return Table("times", "Time", heads, lines)


def _three_digits(value: float) -> str:
    return format_number(value, 3)


def shown_models(models: "pl.DataFrame") -> "tuple[pl.DataFrame, int]":
    """Return the rows of the models that are shown, in the order of the scenario, and the rest."""
    import polars as pl

    most = pl.max_horizontal("share", "oracle_share")
    used = models.group_by("model").agg(most.max()).sort("share", "model", descending=[True, False])
    chosen = used.head(MOST_MODELS).get_column("model")
    return models.filter(pl.col("model").is_in(chosen.implode())), used.height - chosen.len()


def models_table(view: StudyView, world: WorldView) -> Table | None:
    """Lay out the models of a world: their true means, and their shares under every policy."""
    import polars as pl

    if world.models.is_empty():
        return None
    models, left = shown_models(world.models)
    policies = world.models.get_column("policy").unique(maintain_order=True).to_list()
    heads = [
        HeaderCell("model", number=False, key=True),
        HeaderCell("arrives", "First round in which the model is there"),
        HeaderCell("reward", "True mean reward"),
        HeaderCell("cost", f"True mean cost, in {view.cost_unit}"),
        HeaderCell("optimum", "Share of the traffic under the optimum of each stage"),
        *(HeaderCell(label, "Share of the traffic (share of the stages)") for label in policies),
    ]
    lines = []
    for one in models.partition_by("model", maintain_order=True):
        first = one.row(0, named=True)
        items = [
            TableCell(first["name"], head=True),
            number("arrival", first["arrival"], lambda value: f"{value:,.0f}"),
            number("reward_mean", first["reward_mean"], lambda value: format_number(value, 3)),
            number("cost_mean", first["cost_mean"], lambda value: format_number(value, 3)),
            number("oracle_share", first["oracle_share"], format_percent),
        ]
        for label in policies:
            row = one.filter(pl.col("policy") == label).row(0, named=True)
            text = f"{format_percent(row['share'])} ({format_percent(row['deployed'])})"
            items.append(TableCell(text, repr(row["share"]), name="share"))
        lines.append(TableRow(items))
    note = _MODELS_NOTE + (f" {left:,} more models are in the frame only." if left else "")
    return Table(f"models-{world.number}", "Models", heads, lines, note)
