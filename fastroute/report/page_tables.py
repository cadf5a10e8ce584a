"""The tables of the page. The template draws them; all numbers keep their exact value."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastroute.report.material import Material, World
from fastroute.report.style import compact, percent, reward, with_margin, word

if TYPE_CHECKING:
    import polars as pl

#: The table of all cells has at most this many rows.
MOST_ROWS: Final = 1000
# Width of the strip that shows an interval beside its numbers, and the room at its ends.
_STRIP: Final = 150
_STRIP_ROOM: Final = 6
# Varied columns that hold words; others are aligned as numbers.
_WORDS: Final = ("scenario",)

Row = dict[str, Any]


class Head(NamedTuple):
    """Head of a column; `help` explains it to whoever points at it."""

    text: str
    help: str = ""
    number: bool = True


class Item(NamedTuple):
    """What stands in one place of a table.

    `value`, `low` and `high` are exact numbers (as Python writes them) for tests, sorting and
    whoever reads the source; empty for words.
    """

    text: str
    value: str = ""
    low: str = ""
    high: str = ""
    name: str = ""  #: which number of the row it is
    link: str = ""
    head: bool = False
    policy: int | None = None
    strip: "Strip | None" = None


class Strip(NamedTuple):
    """An interval as a drawing: positions on a strip that all rows share."""

    low: float
    mean: float
    high: float
    zero: float
    width: int = _STRIP


class Line(NamedTuple):
    """A row of a table."""

    items: list[Item]
    cell: int | None = None
    policy: int | None = None


class Table(NamedTuple):
    """A table with what explains it below."""

    name: str
    caption: str
    heads: list[Head]
    lines: list[Line]
    note: str = ""


def exact(value: Any) -> str:
    """Write a number so that reading it gives the same number; empty when it is not known."""
    if value is None or value != value:
        return ""
    return repr(value)


def number(
    name: str,
    value: Any,
    write: Callable[[float], str] = compact,
    low: Any = None,
    high: Any = None,
) -> Item:
    """Return a number of a table, with the ends of its interval when they are known."""
    if value is None or value != value:
        return Item("-", name=name)
    text = write(value)
    if high is not None and high == high:
        text = with_margin(value, high)
    return Item(text, exact(value), exact(low), exact(high), name)


def cells_table(
    material: Material, cells: "pl.DataFrame", name: str, *, linked: bool = False
) -> Table:
    """Lay out one row per cell: what varies, regret and its parts, spend, diagnostics.

    Parameters
    ----------
    cells : polars.DataFrame
        Those of `material.cells` that are shown.
    linked : bool
        Whether what varies is shown, with a link to the world.
    """
    varied = material.varied if linked else []
    shown = {world.number for world in material.worlds}
    unfinished = not cells.get_column("complete").all()
    heads = [Head("policy", number=False)]
    heads += [Head(column, number=column not in _WORDS) for column in varied]
    heads += [
        Head("trials", "Trials that are done" + (" and asked for" if unfinished else "")),
        Head(
            "priced regret",
            "Regret plus what was spent beyond the budget, at the budget price; unspent budget is "
            "not credited",
        ),
        Head("vs first", "Difference in priced regret, paired by trial"),
        Head("lower", "Share of the trials with a lower priced regret than the first policy"),
        Head("regret", "Pseudo-regret over the run, in units of reward"),
        Head("discovery", "Part of the regret: a better model had arrived and waited"),
        Head("deployment", "Part of the regret: the wrong set was deployed"),
        Head("routing", "Part of the regret: the deployed set was used wrongly"),
        Head("cost / budget", "Mean cost per query over the budget"),
        Head("last half", "The same in the last half of the stages, where no cheap start hides it"),
        Head("worst stage", f"Largest overspend of one stage, in {_plain(material)}"),
        Head("starved", "Share of the trials in which a model of the optimum starved"),
    ]
    lines = []
    for row in cells.head(MOST_ROWS).iter_rows(named=True):
        index = material.policies.index(row["policy"])
        link = f"#world-{row['world']}" if linked and row["world"] in shown else ""
        parameters = [
            Item(word(row[column]), exact(row[column]) if column not in _WORDS else "")
            for column in varied
        ]
        lines.append(
            Line(
                [
                    Item(row["policy"], head=True, policy=index, link=link),
                    *parameters,
                    _trials(row, unfinished),
                    *_numbers(row),
                ],
                row["cell"],
                index,
            )
        )
    note = (
        "Means over trials ± half the 95% Student interval over trials. Regret = discovery + "
        "deployment + routing, in units of reward. Last half: cost / budget over the last half of "
        "the stages. Worst stage: largest overspend of a stage. Lower: share of the trials with "
        "the lower priced regret. "
        f"“vs first” compares with {_first(material)}, on the same queries, trial by trial."
    )
    left = cells.height - MOST_ROWS
    if left > 0:
        note += f" {left:,} more cells are in the frames only."
    return Table(name, "Results", heads, lines, note)


def _first(material: Material) -> str:
    """Name the policy that the others are compared with."""
    firsts = material.cells.unique("world", keep="first", maintain_order=True)
    labels = firsts.get_column("policy").unique().to_list()
    return labels[0] if len(labels) == 1 else "the first policy of the world"


def _plain(material: Material) -> str:
    return material.cost_unit.replace(" per query", "")


def _trials(row: Row, unfinished: bool) -> Item:
    done = row["trials_done"]
    text = f"{done:,} of {row['trials']:,}" if unfinished else f"{done:,}"
    return Item(text, exact(done), name="trials")


def _numbers(row: Row) -> list[Item]:
    def of(name: str, write: Callable[[float], str] = reward) -> Item:
        ends = row[f"low_{name}"], row[f"high_{name}"]
        return number(name, row[f"mean_{name}"], write, *ends)

    def mean(name: str, write: Callable[[float], str] = reward) -> Item:
        return number(name, row[f"mean_{name}"], write)

    cost, late = (
        [_over(row[f"{stat}_{name}"], row["budget"]) for stat in ("mean", "low", "high")]
        for name in ("cost", "late_cost")
    )
    return [
        of("priced_regret"),
        of("difference") if row["mean_difference"] is not None else Item(""),
        number("share_lower", row["share_lower"], percent)
        if row["share_lower"] is not None
        else Item(""),
        of("regret"),
        *(mean(part) for part in ("discovery", "deployment", "routing")),
        number("cost_ratio", cost[0], compact, *cost[1:]),
        number("late_cost_ratio", late[0], compact, *late[1:]),
        mean("worst_stage_violation", compact),
        number("starved", row["starved"], percent),
    ]


def _over(value: float | None, budget: float) -> float | None:
    return None if value is None else value / budget


def pairs_table(material: Material, world: World) -> Table | None:
    """Lay out the differences between the policies of a world; None when there are none."""
    import polars as pl

    if world.pairs.is_empty():
        return None
    heads = [
        Head("compared", number=False),
        Head("regret", "Mean difference in regret"),
        Head("", "The interval of the difference; the line is zero", number=False),
        Head("lower", "Share of the trials in which the first named has the lower regret"),
        Head("priced regret", "Mean difference in priced regret"),
        Head("", "The interval of the difference; the line is zero", number=False),
        Head("lower", "Share of the trials in which the first named has the lower priced regret"),
        Head("pairs", "Trials that both have played"),
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
        index = material.policies.index(row["policy"])
        items = [Item(f"{row['policy']} − {row['other']}", head=True, policy=index)]
        for name in ("regret", "priced_regret"):
            row = pair[name]
            items += [
                number(f"{name}_difference", row["mean"], reward, row["low"], row["high"]),
                Item("", strip=_strip(row, scales[name])),
                number(f"{name}_lower", row["share_lower"], percent),
            ]
        items.append(Item(f"{row['n']:,}", exact(row["n"]), name="n"))
        lines.append(Line(items, cell, index))
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


def _strip(row: Row, scale: tuple[float, float]) -> Strip:
    low, high = scale
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return round(_STRIP_ROOM + (_STRIP - 2 * _STRIP_ROOM) * (value - low) / span, 1)

    mean = at(row["mean"])
    known = row["low"] == row["low"]
    return Strip(at(row["low"]) if known else mean, mean, at(row["high"]) if known else mean, at(0))


def adherence_table(material: Material, world: World) -> Table:
    """Lay out how the stages of each policy keep to the budget."""
    heads = [
        Head("policy", number=False),
        Head("stages over", "Stages whose mean spend over trials is above the budget"),
        Head("share over", "Share of all stages of all trials that spent more than the budget"),
        Head("worst stage", "The stage with the largest mean spend, counted from 1"),
        Head("its spend / budget", "Mean spend of that stage over the budget"),
        Head("last stage", "Mean spend of the last stage over the budget"),
        Head("violation", f"Spent beyond the budget over the run, in {_plain(material)}"),
    ]
    violation = dict(world.cells.select("policy", "mean_violation").iter_rows())
    lines = []
    for row in world.adherence.iter_rows(named=True):
        index = material.policies.index(row["policy"])
        over, stages = row["stages_over"], row["stages"]
        stage = row["worst_stage"] + 1
        lines.append(
            Line(
                [
                    Item(row["policy"], head=True, policy=index),
                    Item(f"{over:,} of {stages:,}", exact(over), name="stages_over"),
                    number("over", row["over"], percent),
                    Item(f"{stage:,}", exact(stage), name="worst_stage"),
                    number("worst", row["worst"], percent),
                    number("last", row["last"], percent),
                    number("violation", violation[row["policy"]]),
                ],
                policy=index,
            )
        )
    return Table(f"adherence-{world.number}", "Adherence to the budget by stage", heads, lines)


def solver_table(material: Material) -> Table:
    """Lay out how each policy chose the models to deploy, and how long it worked."""
    heads = [
        Head("policy", number=False),
        Head("method", number=False),
        Head("problems", "Deployment problems that were solved this way"),
        Head("share"),
        Head("largest gap", "Largest proven distance from the optimum, in units of reward"),
        Head("infeasible", "Problems without a distribution within budget and limits"),
    ]
    lines = []
    for row in material.methods.iter_rows(named=True):
        index = material.policies.index(row["policy"])
        lines.append(
            Line(
                [
                    Item(row["policy"], head=True, policy=index),
                    Item(row["method"]),
                    Item(f"{row['problems']:,}", exact(row["problems"]), name="problems"),
                    number("share", row["share"], percent),
                    number("largest_gap", row["largest_gap"], compact),
                    Item(f"{row['infeasible']:,}", exact(row["infeasible"]), name="infeasible"),
                ],
                policy=index,
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


def time_table(material: Material) -> Table:
    """Lay out how long each policy worked."""
    heads = [
        Head("policy", number=False),
        Head("trial-rounds"),
        Head("seconds", "Of work, added up over workers, compilation apart"),
        Head("ns per trial-round"),
        Head("compilation (s)", "Waiting for compilation, added up over workers"),
        Head("backend", number=False),
    ]
    lines = []
    for row in material.times.iter_rows(named=True):
        index = material.policies.index(row["policy"])
        lines.append(
            Line(
                [
                    Item(row["policy"], head=True, policy=index),
                    Item(f"{row['rounds']:,}", exact(row["rounds"]), name="rounds"),
                    number("seconds", row["seconds"], _three),
                    number("ns_per_trial_round", row["ns_per_trial_round"], _three),
                    number("compile_seconds", row["compile_seconds"], _three),
                    Item(row["backends"] or "-"),
                ],
                policy=index,
            )
        )
    return Table("times", "Time", heads, lines)


def _three(value: float) -> str:
    return compact(value, 3)
