"""What `fastroute data check` and `fastroute data list` show."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastroute import checks
from fastroute.outcomes.account import is_log, outcomes_of
from fastroute.outcomes.columns import Table
from fastroute.outcomes.frames import Frame
from fastroute.outcomes.reading import read_table
from fastroute.outcomes.routerbench_pickle import KNOWN_SHA256
from fastroute.outcomes.sources import MEANS_KINDS
from fastroute.scenarios.paretobandit import paretobandit
from fastroute.scenarios.problems import TableProblem, find_mean_problems, find_problems
from fastroute.scenarios.routerbench import published_means
from fastroute.scenarios.sota import MODELS
from fastroute.scenarios.tables import (
    ONE_TASK,
    ModelTable,
    Release,
    is_pickle,
    read_releases,
    releases,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DataSource", "Report", "check_table", "list_data"]

#: What cannot be read of these is counted, all of it, among the other problems.
_LISTED: Final = ("score", "cost")
#: What a table of queries cannot be without.
_LACKS: Final[Mapping[str, TableProblem]] = {
    "score": TableProblem(
        "no_score", "no scores", "pass --scores FILE, or map a column, --columns score=NAME"
    ),
    "cost": TableProblem(
        "no_cost", "no costs", "pass --prices FILE, or map a column, --columns cost=NAME"
    ),
}


@dataclass(frozen=True)
class Report:
    """What a table of outcomes holds, and what is wrong with it.

    Attributes
    ----------
    source : str
        The file, or "frame".
    sha256 : str or None
        Of the file, for pickles.
    rows, queries, tasks, models : int
    missing : int
        Cells (query and model) without a score and a cost.
    duplicates : int
        Rows beyond the first of their cell.
    zero_costs : int
        Rows of cost 0.
    score_min, score_max : float or None
        Range of the scores; None when there is none.
    per_model : polars.DataFrame
        model, release_date (null when not given), rows, mean_score, mean_cost, zero_costs.
    problems : tuple of TableProblem
        Empty when the table can be replayed without options.
    notes : tuple of str
        What is not a problem but may surprise.
    recognised : tuple of str
        What was recognised, what became of every row, and which units are suspicious, line by
        line.
    next_step : str
        The command that answers from a log; "" for other tables, and tables in memory.
    empty_duplicates : int
        Of the duplicates, those that are dropped for want of a score and a cost; the others are
        averaged.
    """

    source: str
    sha256: str | None
    rows: int
    queries: int
    tasks: int
    models: int
    missing: int
    duplicates: int
    zero_costs: int
    score_min: float | None
    score_max: float | None
    per_model: "pl.DataFrame"
    problems: tuple[TableProblem, ...]
    notes: tuple[str, ...] = ()
    recognised: tuple[str, ...] = ()
    next_step: str = ""
    empty_duplicates: int = 0

    def _empty_words(self) -> str:
        """Return how many of the duplicates are not averaged, because they say nothing."""
        if not self.empty_duplicates:
            return ""
        averaged = self.duplicates - self.empty_duplicates
        return f" ({averaged} averaged, {self.empty_duplicates} without score and cost)"

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def __str__(self) -> str:
        """Return the report as plain text."""
        lines = [f"source      {self.source}"]
        if self.sha256 is not None:
            known = KNOWN_SHA256.get(self.sha256, "not a known file")
            lines.append(f"sha256      {self.sha256} ({known})")
        lines += [
            f"rows        {self.rows}",
            f"queries     {self.queries}",
            f"tasks       {self.tasks}",
            f"models      {self.models}",
            f"missing     {self.missing} of {self.queries * self.models} cells",
            f"duplicates  {self.duplicates}{self._empty_words()}",
            f"zero costs  {self.zero_costs}",
            f"scores      {_number(self.score_min)} to {_number(self.score_max)}",
            "",
            *self.recognised,
            "",
        ]
        rows = list(self.per_model.iter_rows(named=True))
        width = max(len("model"), *(len(row["model"]) for row in rows), 0)
        lines.append(
            f"{'model':<{width}}  {'released':<10}  {'rows':>7}  {'score':>7}  {'cost':>11}"
        )
        lines += [
            f"{row['model']:<{width}}  {row['release_date'] or '-'!s:<10}  {row['rows']:>7}  "
            f"{_number(row['mean_score']):>7}  {_number(row['mean_cost']):>11}"
            for row in rows
        ]
        lines.append("")
        lines += [f"note: {note}" for note in self.notes]
        if self.ok:
            warned = sum(line.startswith("warning: ") for line in self.recognised)
            lines.append("no problems found" + (f", {warned} warning(s) above" if warned else ""))
        for problem in self.problems:
            lines += [f"problem: {problem.message}", f"  remedy: {problem.remedy}"]
        if self.ok and self.next_step:
            lines += ["", f"next: {self.next_step}"]
            lines.append("or, to simulate: fr.scenario('means', models=fr.read_outcomes(...))")
        return "\n".join(lines)


def _number(value: float | None) -> str:
    """Return a number in four digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def check_table(
    outcomes: Frame,
    models: "ModelTable | None" = None,
    *,
    columns: Mapping[str, str] | None = None,
    trust_sha256: str | None = None,
    score_range: tuple[float, float] | None = None,
    cost_per: str | None = None,
    source_kind: str | None = None,
    prices: "Frame | None" = None,
    scores: "Frame | None" = None,
) -> Report:
    """Return what a table of outcomes holds, and every problem with it.

    Parameters
    ----------
    outcomes : str, Path, frame, array, mapping or sequence
        As for :func:`fastroute.read_outcomes`, or a RouterBench pickle.
    models : str, Path, frame, array, mapping or sequence, optional
        Release dates; without them dates are not checked (a RouterBench pickle has its own).
    columns : mapping, optional
        Names of the columns where they differ.
    trust_sha256 : str, optional
        For pickles whose content is not known.
    score_range, cost_per, source_kind, prices, scores : optional
        As for :func:`fastroute.read_outcomes`.

    Returns
    -------
    Report
        ``str(report)`` is the text to print.

    Raises
    ------
    ValueError
        When the file cannot be read as a table of outcomes at all.
    """
    import polars as pl

    table = read_table(
        "outcomes",
        outcomes,
        columns,
        trust_sha256=trust_sha256,
        score_range=score_range,
        cost_per=cost_per,
        source_kind=source_kind,
        prices=prices,
        scores=scores,
    )
    recognised, unreadable = _recognised(table)
    means = table.source_kind in MEANS_KINDS
    logged = is_log(table)
    table = _complete(table, means)
    if models is not None:
        released = read_releases(models)
    elif is_pickle(outcomes):
        published = published_means()
        released = releases(published.models, published.released)
    elif table.released:
        released = releases(table.released.keys(), table.released.values())
    else:
        released = None
    if means and "release_date" in table.frame.columns:
        released = releases(table.frame["model"], table.frame["release_date"])
    frame = table.named(["query", "task", "model"]).frame
    cells = frame.select("query", "model").n_unique()
    says = frame.filter(pl.any_horizontal(pl.col("score", "cost").is_not_null()))
    averaged = says.height - says.select("query", "model").n_unique()
    full = frame.drop_nulls(["score", "cost"]).select("query", "model").n_unique()
    queries, n_models = frame["query"].n_unique(), frame["model"].n_unique()
    dates = {
        model: release.day.isoformat()
        for model, release in (released or {}).items()
        if release.day is not None
    }
    per_model = (
        frame.group_by("model", maintain_order=True)
        .agg(
            rows=pl.len(),
            mean_score=pl.col("score").mean(),
            mean_cost=pl.col("cost").mean(),
            zero_costs=(pl.col("cost") == 0.0).sum(),
        )
        .with_columns(
            release_date=pl.col("model").replace_strict(dates, default=None, return_dtype=pl.String)
        )
        .select("model", "release_date", "rows", "mean_score", "mean_cost", "zero_costs")
    )
    low, high = frame["score"].min(), frame["score"].max()
    notes = []
    if logged:
        notes.append(
            "each query went to one model, so what each model scores and costs on the mean is "
            "estimated"
        )
    elif means:
        notes.append("a leaderboard, for the scenario 'means'")
    elif "task" not in table.columns:
        notes.append(f"no column 'task', so every query is of the one task {ONE_TASK!r}")
    unused = [model for model in released or {} if model not in set(frame["model"])]
    if unused:
        notes.append(
            f"{checks.first_names(unused)} in the models table but not in the outcomes; not used"
        )
    return Report(
        source=str(outcomes) if isinstance(outcomes, str | Path) else "frame",
        sha256=_sha256(outcomes) if is_pickle(outcomes) else None,
        rows=table.frame.height,
        queries=0 if means else queries,
        tasks=0 if means else frame["task"].n_unique(),
        models=n_models,
        missing=queries * n_models - full,
        duplicates=frame.height - cells,
        zero_costs=frame.filter(pl.col("cost") == 0.0).height,
        score_min=low if isinstance(low, float) else None,
        score_max=high if isinstance(high, float) else None,
        per_model=per_model,
        problems=(*unreadable, *_problems(table, released, means=means, logged=logged)),
        notes=tuple(notes),
        recognised=recognised,
        next_step=_advise(outcomes, columns, score_range, cost_per, prices, scores)
        if logged
        else "",
        empty_duplicates=frame.height - cells - averaged,
    )


def _advise(
    outcomes: Frame,
    columns: Mapping[str, str] | None,
    score_range: tuple[float, float] | None,
    cost_per: str | None,
    prices: "Frame | None",
    scores: "Frame | None",
) -> str:
    """Return the command that advises on a file read in the same way; "" for one in memory."""
    files = [file for file in (outcomes, prices, scores) if file is not None]
    if not all(isinstance(file, str | Path) for file in files):
        return ""
    words = ["fastroute", "advise", str(outcomes)]
    for role, name in (columns or {}).items():
        words += ["--columns", f"{role}={name}"]
    if score_range is not None:
        words += ["--score-range", *(f"{end:g}" for end in score_range)]
    for option, value in (("cost-per", cost_per), ("prices", prices), ("scores", scores)):
        if value is not None:
            words += [f"--{option}", str(value)]
    return f"{shlex.join(words)} --budget ... --max-deployed ..."


def _recognised(table: Table) -> tuple[tuple[str, ...], tuple[TableProblem, ...]]:
    """Return what outcomes say of a table, and why it cannot be read, where it cannot."""
    try:
        outcomes = outcomes_of(table)
    except ValueError as error:
        first = f"read as     {table.source_kind}"
        field = str(error).partition(":")[0]
        if field in _LISTED or (field == "outcomes" and table.source_kind in MEANS_KINDS):
            return (first,), ()
        message, _, remedy = str(error).rpartition("; ")
        return (first,), (TableProblem("reading", message, remedy),)
    # The sizes are shown already.
    lines = outcomes.describe().split("\n")
    shown = (line for line in lines if not line.startswith(("source", "models", "quer", "tasks")))
    first = f"read as     {table.source_kind}"
    return (first, *shown), ()


def _complete(table: Table, means: bool) -> Table:
    """Return a table with all columns of outcomes; a leaderboard as the one query of one task."""
    import polars as pl

    frame = table.frame
    added = [
        pl.lit(None, dtype=pl.Float64 if name in ("score", "cost") else pl.String).alias(name)
        for name in ("score", "cost", "score_wrong", "cost_wrong")
        if name not in frame.columns
    ]
    if means:
        added += [pl.lit("").alias(name) for name in ("query", "task") if name not in frame.columns]
    return replace(table, frame=frame.with_columns(added))


def _problems(
    table: Table, released: "Mapping[str, Release] | None", *, means: bool, logged: bool
) -> list[TableProblem]:
    """Return what is wrong with a table, of what it was recognised as."""
    if means:
        dated = released if any(r.day or r.wrong for r in (released or {}).values()) else None
        return find_mean_problems(table, dated)
    found = find_problems(table, released)
    height = table.frame.height
    lacks = [
        lack
        for role, lack in _LACKS.items()
        if all(table.frame[name].null_count() == height for name in (role, f"{role}_wrong"))
    ]
    # A log has no two models on one query, so nobody can fill its other cells.
    filled = [problem for problem in found if not ((logged or lacks) and problem.kind == "missing")]
    return [*filled, *lacks]


def _sha256(path: object) -> str:
    """Return the sha256 of a file."""
    with Path(str(path)).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class DataSource:
    """Where the data of a registered scenario come from.

    Attributes
    ----------
    scenario : str
        The registered name.
    kind : {"synthetic", "surrogate", "recorded"}
    source, licence : str
    queries, models : int or None
        None when it depends on the options, or for laws that have no recorded queries.
    available : bool
        Whether the scenario can be built now.
    remedy : str
        What to do when it cannot, or what the user must bring.
    """

    scenario: str
    kind: str
    source: str
    licence: str
    queries: int | None
    models: int | None
    available: bool
    remedy: str


def list_data() -> list[DataSource]:
    """Return where the data of each registered scenario come from.

    Returns
    -------
    list of DataSource
        In the order of ``SCENARIOS``.
    """
    means = published_means()
    queries, models, available, remedy = _paretobandit()
    return [
        DataSource(
            scenario="sota",
            kind="synthetic",
            source="invented figures, part of fastroute",
            licence="that of fastroute",
            queries=None,
            models=len(MODELS),
            available=True,
            remedy="",
        ),
        DataSource(
            scenario="routerbench",
            kind="surrogate",
            source=(
                f"published 0-shot means of RouterBench (arXiv 2403.12031), {len(means.tasks)} "
                f"tasks of {int(means.prompts.sum())} prompts; part of fastroute"
            ),
            licence="code MIT; the data set declares none, aggregate figures only",
            queries=None,
            models=len(means.models),
            available=True,
            remedy="",
        ),
        DataSource(
            scenario="replay",
            kind="recorded",
            source="your own table, or a RouterBench pickle (Hugging Face withmartian/routerbench)",
            licence="that of the table",
            queries=None,
            models=None,
            available=True,
            remedy="pass outcomes=FILE and models=FILE",
        ),
        DataSource(
            scenario="means",
            kind="surrogate",
            source="your own leaderboard: one row per model with its mean score and cost",
            licence="that of the table",
            queries=None,
            models=None,
            available=True,
            remedy="pass models=FILE",
        ),
        DataSource(
            scenario="paretobandit",
            kind="recorded",
            source="examples inside the package paretobandit (ParetoBandit/ParetoBandit)",
            licence="Apache-2.0",
            queries=queries,
            models=models,
            available=available,
            remedy=remedy,
        ),
        *(
            DataSource(
                scenario=name,
                kind="synthetic",
                source="options only",
                licence="that of fastroute",
                queries=None,
                models=None,
                available=True,
                remedy="",
            )
            for name in ("static", "minimax", "discovery", "random", "linear")
        ),
        DataSource(
            scenario="saved",
            kind="recorded",
            source="a scenario of your own, from fastroute.scenarios.save_scenario",
            licence="your own",
            queries=None,
            models=None,
            available=True,
            remedy="pass file=FILE",
        ),
    ]


def _paretobandit() -> tuple[int | None, int | None, bool, str]:
    """Return queries, models, availability and remedy of the paretobandit examples."""
    try:
        built = paretobandit()
    except ValueError as error:
        return None, None, False, str(error)
    assert built.outcomes is not None
    queries, models = built.outcomes.score.shape
    return queries, models, True, ""
