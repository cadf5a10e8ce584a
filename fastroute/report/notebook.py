"""How things of the package show themselves in a notebook: a card of at most a screen as HTML."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fastroute.report.compare import comparison_table
from fastroute.report.content import Content
from fastroute.report.markup import template
from fastroute.report.style import format_number, format_value
from fastroute.report.tables import HeaderCell, Table, TableCell, TableRow
from fastroute.simulation.run import estimate_text
from fastroute.study.grid import count_cells

if TYPE_CHECKING:
    from fastroute.policies import Policy
    from fastroute.report.compare import StudyComparison
    from fastroute.report.run_comparison import RunComparison
    from fastroute.scenarios import Scenario
    from fastroute.simulation import Run
    from fastroute.study import StoredStudy, Study

# Rounds that no run reaches.
_NEVER: Final = np.iinfo(np.int64).max
# Of a longer list this many entries are shown.
_MOST_ROWS: Final = 12
_MOST_NAMED: Final = 8
# Of larger studies nothing is ranked, which would read all trials.
_MOST_RANKED_TRIALS: Final = 2_000_000
_SETTINGS: Final = ("max_deployed", "stages", "trials", "seed", "backend")
#: What a card of a run shows: the column, its name and its unit.
_RUN_ROWS: Final = (
    ("regret", "regret", "units of reward"),
    ("discovery", "… while new models wait", "units of reward"),
    ("deployment", "… by the set deployed", "units of reward"),
    ("routing", "… by routing", "units of reward"),
    ("priced_regret", "priced regret", "units of reward"),
    ("reward", "reward per query", "units of reward"),
    ("cost", "cost per query", ""),
)


class Card(NamedTuple):
    """What a notebook shows of a thing.

    Attributes
    ----------
    title : str
    facts : list of (str, str)
        What it is: names and values.
    tables : list of Table
        Its main numbers.
    notes : list of str
        What a reader must know.
    calls : list of (str, str)
        What to do next: Python, and what that gives.
    text : str
        Sentences before all this.
    """

    title: str
    facts: list[tuple[str, str]]
    tables: list[Table]
    notes: list[str]
    calls: list[tuple[str, str]]
    text: Sequence[str] = ()


def card_html(card: Card) -> str:
    """Write a card as HTML that takes its colours from the notebook, light or dark."""
    return template("card.html").render(card=card)


def scenario_card(scenario: "Scenario") -> Card:
    """Return the card of a scenario: its models, and the laws around their means."""
    later = int((scenario.arrival > 0).sum())
    when = f"of which {later:,} arrive later" if later else "all from the start"
    facts = [("models", f"{scenario.n_models:,}, {when}")]
    if scenario.outcomes is not None:
        facts.append(("outcomes", format_value(scenario.outcomes)))
    else:
        facts += [("rewards", f"{scenario.reward!r}"), ("costs", f"{scenario.cost!r}")]
    low, high = scenario.cost_range
    facts.append(("cost range", f"{low:.4g} to {high:.4g} {scenario.cost_unit}"))
    if scenario.changes:
        facts.append(("changes", f"{len(scenario.changes)}, severity {scenario.severity:g}"))
    facts += [
        (name.replace("_", " "), format_value(value))
        for name, value in scenario.late_feedback.items()
    ]
    if scenario.horizon is not None:
        facts.append(("horizon", f"{scenario.horizon:,} rounds, and no other"))
    return Card(
        f"Scenario {scenario.name}",
        facts,
        [_models_table(scenario)],
        [],
        [
            (
                'fr.simulate(scenario, fr.policy("stageroute"), horizon=…, budget=…, '
                "max_deployed=…)",
                "plays a policy in it",
            )
        ],
        [scenario.note] if scenario.note else [],
    )


def _models_table(scenario: "Scenario") -> Table:
    instances = scenario.instances
    rewards, costs = (
        np.atleast_2d(array).mean(axis=0) for array in (scenario.reward_mean, scenario.cost_mean)
    )
    by_fraction = scenario.arrival_unit == "horizon"
    unit = "fraction of the horizon" if by_fraction else "round"
    times = [("arrives", scenario.arrival)]
    if scenario.retirement is not None:
        times.append(("retires", scenario.retirement))
    heads = [
        HeaderCell("model", number=False, key=True),
        *(HeaderCell(f"{name} ({unit})") for name, _ in times),
        HeaderCell("mean reward"),
        HeaderCell(f"mean cost ({scenario.cost_unit})"),
        HeaderCell("most traffic"),
    ]
    columns = [
        scenario.models,
        *([_time_text(value, by_fraction) for value in values] for _, values in times),
        *([format_number(value) for value in values] for values in (rewards, costs)),
        [f"{limit:.0%}" for limit in scenario.limit],
    ]
    rows = list(zip(*columns, strict=True))
    notes = [f"{len(rows) - _MOST_ROWS} more models."] if len(rows) > _MOST_ROWS else []
    if instances > 1:
        notes.append(f"Means over {instances:,} instances, one per trial.")
    return Table("", "Models", heads, _text_rows(rows[:_MOST_ROWS]), " ".join(notes))


def _time_text(value: float, by_fraction: bool) -> str:
    """Write when a model arrives or retires."""
    if value >= (1.0 if by_fraction else _NEVER):
        return "never"
    return f"{value:.3g}" if by_fraction else f"{value:,.0f}"


def _text_rows(rows: Sequence[Sequence[str]]) -> list[TableRow]:
    return [
        TableRow([TableCell(first, head=True), *map(TableCell, others)]) for first, *others in rows
    ]


def policy_card(policy: "Policy") -> Card:
    """Return the card of a policy: its three parts, in words."""
    heads = [HeaderCell(name, number=False) for name in ("part", "which", "what it does")]
    rows = [(part.kind, f"{part!r}", _first_sentence(part)) for part in policy.parts]
    facts = [("margin", f"solves for {1.0 - policy.margin:.0%} of the budget")]
    return Card(
        f"Policy {policy.name}",
        facts if policy.margin else [],
        [Table("", "Parts", heads, _text_rows(rows))],
        [],
        [
            (
                "fr.simulate(scenario, policy, horizon=…, budget=…, max_deployed=…)",
                "plays it in a scenario",
            )
        ],
    )


def _first_sentence(thing: object) -> str:
    text = " ".join((type(thing).__doc__ or "").split("\n\n")[0].split())
    return text.partition(". ")[0].removesuffix(".").replace("``", "")


def run_card(run: "Run") -> Card:
    """Return the card of a run: its main numbers with intervals, and its warnings."""
    settings, unit = run.settings, run.scenario.cost_unit
    budget = float(settings["budget"])
    facts = [
        ("rounds", f"{settings['horizon']:,}"),
        ("budget", f"{budget:,.4g} {unit}" if np.isfinite(budget) else "none"),
        *((name.replace("_", " "), format_value(settings[name])) for name in _SETTINGS),
    ]
    if settings["load_rounds"]:
        facts.append(("load rounds", format_value(settings["load_rounds"])))
    if run.scenario.extras:
        facts.append(("world", run.scenario.extras))
    heads = [
        HeaderCell("", number=False, key=True),
        HeaderCell("mean over trials"),
        HeaderCell("unit", number=False),
    ]
    lines = []
    for column, name, what in _RUN_ROWS:
        cell = TableCell(estimate_text(run.finals[column]))
        lines.append(TableRow([TableCell(name, head=True), cell, TableCell(what or unit)]))
    return Card(
        f"Run of {run.policy.name} in {run.scenario.name}",
        facts,
        [Table("", "Results", heads, lines, "± half the 95% interval of the mean.")],
        run.warnings,
        [
            ("run.plot()", 'regret over rounds; also "priced_regret", "parts", "spend"'),
            ("run.summary()", "all quantities, as a table"),
            ("fr.compare(run, another)", "the difference from another run"),
        ],
    )


def study_card(study: "Study") -> Card:
    """Return the card of a study that was not run: what it plays."""
    setting = study.setting.model_dump(exclude_none=True)
    facts = [
        ("cells", f"{count_cells(study):,}"),
        ("scenarios", named([spec.label for spec in study.scenario])),
        ("policies", named([spec.label for spec in study.policy])),
        *((name.replace("_", " "), values_text(value)) for name, value in setting.items()),
    ]
    if study.answer:
        facts.append(("question", study.answer))
    return Card(
        f"Study {study.name}",
        facts,
        [],
        [],
        [(f'fr.run_study(study, "runs/{study.name}")', "runs it and keeps the results there")],
        [study.description] if study.description else [],
    )


def stored_card(stored: "StoredStudy") -> Card:
    """Return the card of a stored study: question, verdict and ranking."""
    cells = stored.cells.collect()
    trials, done = int(cells["trials"].sum()), int(cells["trials_done"].sum())
    facts = [
        ("folder", str(stored.path)),
        ("state", stored.state),
        ("cells", f"{stored.manifest['cells']:,}"),
        ("trials", f"{done:,}" if done == trials else f"{done:,} of {trials:,}"),
    ]
    calls = [
        ("study.plot()", "priced regret against what is swept; x=, y=, by="),
        ("study.summary.collect()", "all quantities of all cells; also .trials, .curves, .stages"),
        (f"fastroute report {stored.path}", "in a shell: writes the page with all of it"),
    ]
    text, tables = [], []
    if 0 < done <= _MOST_RANKED_TRIALS:
        summary = Content(stored, details=1).summary
        asked = [summary.question] if summary.question and summary.verdict else []
        text = [*asked, *summary.verdict]
        if (ranking := summary.ranking) is not None:
            left = len(ranking.lines) - _MOST_ROWS
            note = ranking.note + (f" {left} more policies are not shown." if left > 0 else "")
            tables = [ranking._replace(name="", lines=ranking.lines[:_MOST_ROWS], note=note)]
    return Card(f"Stored study {stored.study.name}", facts, tables, [], calls, text)


def run_comparison_card(comparison: "RunComparison") -> Card:
    """Return the card of two runs compared."""
    a, b = comparison.labels
    differs = [
        (name.replace("_", " "), f"{one} in A, {other} in B")
        for name, (one, other) in comparison.differs().items()
        if f"{name} = {one}" not in a
    ]
    return Card(
        "Comparison of two runs",
        [("A", a), ("B", b), *differs],
        [comparison.summary()],
        [],
        [
            ("comparison.plot()", "both over rounds"),
            ("comparison.table", "all quantities, with intervals of differences and ratios"),
        ],
    )


def study_comparison_card(comparison: "StudyComparison") -> Card:
    """Return the card of two stored studies compared."""
    quantity = str(comparison.table.get_column("quantity")[0])
    table = comparison_table(comparison, quantity)
    left = len(table.lines) - _MOST_ROWS
    note = table.note + (f" {left:,} more cells are not shown." if left > 0 else "")
    facts = [tuple(line.split(": ", 1)) for line in comparison.lines() if ": " in line]
    return Card(
        f"Comparison of two studies: {quantity.replace('_', ' ')}",
        [(name, value) for name, value in facts],
        [table._replace(name="", lines=table.lines[:_MOST_ROWS], note=note)],
        [line for line in comparison.lines() if ": " not in line],
        [
            ("comparison.plot()", "the ratio in every cell"),
            ("comparison.table", "all quantities compared"),
        ],
    )


def named(labels: list[str]) -> str:
    """Write some names, and how many more there are."""
    left = len(labels) - _MOST_NAMED
    return ", ".join(labels[:_MOST_NAMED]) + (f" and {left} more" if left > 0 else "")


def values_text(value: Any) -> str:
    """Write a setting: one value, or those of an axis."""
    if isinstance(value, tuple):
        return named([format_value(entry) for entry in value])
    return format_value(value)
