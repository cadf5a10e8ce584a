"""What is said first of a study: one policy, ties over worlds, and names that are said once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fastroute.analyse import ranking
from fastroute.cli_output import console
from fastroute.report import Content, StudyView, collect_view, write_page, write_report
from fastroute.report.answers.words import format_estimate
from fastroute.report.ranking import verdict
from fastroute.report.summary import rich_summary, summary_of
from fastroute.report.view import _standings
from fastroute.study import StoredStudy, run_study
from studies import mini
from undrawn import without_drawings

CHANGES = [{"model": "beta-small-2023", "at": 0.5, "reward": 0.2}]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Return a study of two budgets and two severities."""
    study = mini(
        scenario={"name": "sota", "severity": [0, 1], "changes": CHANGES},
        policy=[{"name": "uniform"}, {"name": "greedy"}, {"name": "thompson"}],
        setting={"budget": [1.5, 3.0], "horizon": 60, "trials": 20},
    )
    return run_study(study, tmp_path_factory.mktemp("summary") / "run", progress=False)


def led_by(view: StudyView, leaders: dict[tuple[int, float], str]) -> StudyView:
    """Return the same study with other rankings: by severity and budget, who is best there."""
    noise = np.random.default_rng(1).normal(size=40)
    rankings = {}
    for row in view.cells.unique("world", keep="first", maintain_order=True).iter_rows(named=True):
        best = leaders[row["scenario_severity"], row["budget"]]
        trials = pl.concat(
            pl.DataFrame(
                {
                    "trial": range(40),
                    "policy": policy,
                    "priced_regret": (10.0 if policy == best else 50.0) + noise * (place + 1),
                }
            )
            for place, policy in enumerate(view.policies)
        )
        rankings[row["world"]] = ranking(trials, "policy")
    return replace(view, rankings=rankings, standings=_standings(rankings))


@pytest.mark.parametrize(
    ("leaders", "said"),
    [
        (
            ["uniform", "greedy", "uniform", "greedy"],
            [
                "uniform and greedy are each best or within noise of the best in 2 of 4 worlds "
                "(scenario and setting).",
                "budget decides: uniform where budget is 1.5 and greedy where budget is 3.",
                "Of the others, thompson in 0.",
            ],
        ),
        (
            ["greedy", "greedy", "thompson", "thompson"],
            [
                "greedy and thompson are each best or within noise of the best in 2 of 4 worlds "
                "(scenario and setting).",
                "scenario.severity decides: greedy where scenario.severity is 0 and thompson where "
                "scenario.severity is 1.",
                "Of the others, uniform in 0.",
            ],
        ),
        (
            ["greedy", "uniform", "uniform", "greedy"],
            [
                "greedy and uniform are each best or within noise of the best in 2 of 4 worlds "
                "(scenario and setting).",
                "Of the others, thompson in 0.",
            ],
        ),
        (
            ["greedy", "greedy", "uniform", "greedy"],
            [
                "greedy is best or within noise of the best in 3 of 4 worlds (scenario and "
                "setting).",
                "Of the others, uniform in 1 and thompson in 0.",
            ],
        ),
    ],
)
def test_a_tie_over_worlds_is_said(swept: StoredStudy, leaders: list[str], said: list[str]) -> None:
    places = [(0, 1.5), (0, 3.0), (1, 1.5), (1, 3.0)]
    view = led_by(collect_view(swept, 100), dict(zip(places, leaders, strict=True)))
    assert verdict(view) == said


def test_a_world_says_each_parameter_once(swept: StoredStudy) -> None:
    view = collect_view(swept, 100)
    assert [world.title for world in view.worlds] == [
        "sota (severity=0), budget = 1.5",
        "sota (severity=0), budget = 3",
        "sota (severity=1), budget = 1.5",
        "sota (severity=1), budget = 3",
    ]
    # What is drawn of one world and of all worlds; the files of figures are not looked at.
    page = write_page(swept.path, details=3).read_text(encoding="utf-8")
    assert "Final regret against scenario.severity" in page
    # The stored study file apart.
    assert "scenario_severity" not in page
    with without_drawings():
        write_report(swept.path)
    assert "scenario_severity" not in (swept.path / "README.md").read_text(encoding="utf-8")


def test_a_rule_comes_with_its_number(tmp_path: Path) -> None:
    study = mini(setting={"budget": ["1.2 * cheapest", "2 * cheapest"], "horizon": 60})
    view = collect_view(run_study(study, tmp_path / "run", progress=False), 100)
    budget = view.worlds[0].cells.get_column("budget")[0]
    assert view.worlds[0].title == f"budget = 1.2 * cheapest ({budget:,.6g})"


def test_one_policy_has_numbers_and_no_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = mini(policy=[{"name": "uniform"}], setting={"horizon": 60})
    stored = run_study(study, tmp_path / "run", progress=False)
    row = collect_view(stored, 100).cells.row(0, named=True)
    regret, spend = (
        [row[f"{end}_{name}"] for end in ("mean", "low", "high")]
        for name in ("priced_regret", "cost")
    )
    ratio = format_estimate(*(end / row["budget"] for end in spend))
    sentence = (
        f"uniform has a priced regret of {format_estimate(*regret)} over 60 rounds, and spends "
        f"{ratio} times the budget."
    )
    content = Content(stored)
    assert content.summary.question == ""
    assert content.summary.verdict == [sentence]
    console().print(rich_summary(content.summary))
    said = capsys.readouterr().out
    assert sentence in said
    assert format_estimate(*regret) in said.split("\n", 3)[3]
    page = write_page(stored.path, content=content).read_text(encoding="utf-8")
    assert '<h2 id="answer">Result</h2>' in page
    assert f'<p class="verdict">{sentence}</p>' in page
    write_report(stored.path, content=content)
    readme = (stored.path / "README.md").read_text(encoding="utf-8")
    assert "Which policy" not in page + readme + said
    assert format_estimate(*regret).replace("[", "\\[") in readme or sentence in readme


def test_one_policy_in_several_worlds_has_a_range(tmp_path: Path) -> None:
    study = mini(policy=[{"name": "uniform"}, {"name": "oracle"}])
    found = summary_of(collect_view(run_study(study, tmp_path / "run", progress=False), 100), None)
    assert found.question == ""
    assert found.verdict[0].startswith("uniform has a priced regret from ")
    assert found.verdict[0].endswith(" in 2 worlds (scenario and setting).")
    assert found.ranking is not None
    assert [len(line.items) for line in found.ranking.lines] == [4] * 4
