"""The answers on worlds that change, and on rewards that come late or never.

Tiny studies are run once each; trials and curves made up on their cells decide what the verdict
must say.
"""

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fastroute.report.answers import ANSWERS, Answer
from fastroute.report.answers.prices import _money
from fastroute.study import StoredStudy, Study, load, run_study
from fastroute.study.build import build_scenario
from fastroute.study.cells import lay_out
from undrawn import without_figures

UCB: dict[str, Any] = {"name": "stageroute", "gamma": "scaled:0.1", "label": "ucb"}
WINDOW: dict[str, Any] = {
    "name": "stageroute",
    "estimator": {"name": "sliding_window", "gamma": "scaled:0.1", "window": 20},
    "label": "window",
}
GPT4 = "gpt-4-1106-preview"
STUDIES: dict[str, dict[str, Any]] = {
    "drift": {
        "scenario": {
            "name": "routerbench",
            "initial": 11,
            "severity": [0.0, 1.0],
            "changes": [{"model": GPT4, "at": 0.5, "reward": 0.2}],
        },
        "policy": [UCB, WINDOW, {"name": "thompson"}],
    },
    "prices": {
        "scenario": {
            "name": "routerbench",
            "label": "cut",
            "initial": 11,
            "severity": [0.0, 1.0],
            "changes": [{"model": GPT4, "at": 0.5, "cost_factor": 0.5}],
        },
        "policy": [UCB, WINDOW, {"name": "oracle"}],
        "setting": {"checkpoints": 200, "stages": 20},
    },
    "delay": {
        "scenario": [
            {"name": "routerbench", "label": "late", "reward_delay": [0, 10, 100, 1000]},
            {"name": "routerbench", "label": "missing", "feedback": [1.0, 0.5, 0.1]},
        ],
        "policy": [UCB],
    },
}
SETTING: dict[str, Any] = {
    "horizon": 400,
    "budget": "0.5 * cheapest + 0.5 * slack",
    "max_deployed": 5,
    "trials": 12,
    "checkpoints": 8,
}


def _study(name: str, **setting: Any) -> Study:
    data = {"name": name, "answer": name, **STUDIES[name]}
    return Study.from_dict({**data, "setting": SETTING | data.get("setting", {}) | setting})


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the study of a question when it is first asked for."""
    folder = tmp_path_factory.mktemp("changes")

    @functools.cache
    def stored(name: str) -> StoredStudy:
        run_study(_study(name), folder / name, progress=False)
        return load(folder / name)

    return stored


class Doctored:
    """A stored study with other trials or curves than it has played."""

    def __init__(self, stored: StoredStudy, frame: str, **columns: pl.Expr) -> None:
        self._stored = stored
        found = getattr(stored, frame).collect()
        noise = np.random.default_rng(3).standard_normal(found.height)
        found = found.with_columns(pl.Series("noise", noise)).with_columns(**columns)
        setattr(self, frame, found.drop("noise").lazy())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stored, name)


NOISE = pl.col("noise")
SEVERITY = pl.col("scenario_severity")


def _answer(name: str, stored: Any) -> Answer:
    return ANSWERS[name](stored)


def _read(name: str, stored: StoredStudy, frame: str = "trials", **columns: pl.Expr) -> Answer:
    """Answer from a made-up frame, with words and tables only."""
    with without_figures():
        return _answer(name, Doctored(stored, frame, **columns))


def _verdict(name: str, stored: StoredStudy, frame: str = "trials", **columns: pl.Expr) -> str:
    return "\n".join(_read(name, stored, frame, **columns).verdict)


def _rows(answer: Answer, title: str) -> str:
    """Return the rows of a table as text, a line each."""
    (frame,) = (table.frame for table in answer.tables if table.title.startswith(title))
    return "\n".join("; ".join(map(str, row)) for row in frame.iter_rows())


@pytest.mark.parametrize("name", STUDIES)
def test_the_short_form_of_the_packaged_study_can_be_laid_out(name: str) -> None:
    study = Study.preset(name)
    quick = study.quick()
    assert study.answer == quick.answer == name
    assert sum(cell.rounds for cell in lay_out(quick.resolved())) < 2e8


@pytest.mark.parametrize("name", STUDIES)
def test_every_question_is_answered_from_a_tiny_study(name: str, studies: Any) -> None:
    answer = _answer(name, studies(name))
    assert answer.question.endswith("?")
    assert min(len(answer.verdict), len(answer.tables), len(answer.figures)) > 0
    assert all(sentence.endswith(".") for sentence in answer.verdict)
    for table in answer.tables:
        assert table.frame.height
    for figure in answer.figures:
        for axes in figure.figure.axes:
            assert (axes.get_xlabel() and axes.get_title() is not None) or not axes.get_visible()


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_without_its_axis_is_no_answer_and_says_so(name: str, tmp_path: Path) -> None:
    study = Study.from_dict(
        {
            "name": "one",
            "answer": name,
            "scenario": {"name": "static"},
            "policy": [UCB, WINDOW],
            "setting": {"horizon": 60, "budget": "cheapest", "max_deployed": 3, "trials": 2},
        }
    )
    run_study(study, tmp_path / "one", progress=False)
    assert "nothing" in " ".join(_answer(name, load(tmp_path / "one")).verdict)


@pytest.mark.parametrize("name", STUDIES)
def test_a_single_trial_has_no_intervals_and_tells_nothing(name: str, tmp_path: Path) -> None:
    stored = run_study(_study(name, trials=1), tmp_path / name, progress=False)
    verdict = " ".join(_answer(name, stored).verdict)
    assert verdict
    assert "nan" not in verdict.lower()
    assert "clearly less:" not in verdict
    assert "grows by" not in verdict


def test_forgetting_that_costs_and_pays_is_told_apart(studies: Any) -> None:
    stored = studies("drift")
    window = pl.col("policy") == "window"
    # The window costs 5 when nothing changes, and saves 20 when something does.
    gain = pl.when(window).then(5.0 - 25.0 * SEVERITY).otherwise(0.0)
    regret = 50.0 + 10.0 * SEVERITY + gain + 0.1 * NOISE
    pays = _verdict("drift", stored, priced_regret=regret)
    assert "clearly better with the largest changes, on the same workload: window." in pays
    less = "With changes of severity 1, clearly less priced regret than ucb: window (1 of 1 work"
    assert less in pays
    assert "When nothing changes, clearly more priced regret than ucb: window (1 of 1" in pays
    answer = _read("drift", stored, priced_regret=regret)
    assert "window; 0 / 1; 1 / 0" in _rows(answer, "Policies against ucb")
    assert "; window, -15" in _rows(answer, "Best by workload")
    equal = _read("drift", stored, priced_regret=50.0 + NOISE)
    assert "on the same workload: none." in "\n".join(equal.verdict)
    assert "window; 0 / 0; 0 / 0" in _rows(equal, "Policies against ucb")
    alike = 50.0 + pl.col("trial").cast(float)
    same = _read("drift", stored, priced_regret=alike)
    every = "the same in every trial"
    assert f"window; {every}; {every}" in _rows(same, "Policies against ucb")


def test_workloads_that_are_one_world_when_nothing_changes_count_once(tmp_path: Path) -> None:
    world = {"name": "routerbench", "initial": 11, "severity": [0.0, 1.0]}
    study = _study("drift", trials=8)
    data = {
        **study.to_dict(),
        "scenario": [
            {**world, "label": "sudden", "changes": [{"model": GPT4, "at": 0.5, "reward": 0.2}]},
            {**world, "label": "late", "changes": [{"model": GPT4, "at": 0.8, "reward": 0.2}]},
            {
                **world,
                "label": "other",
                "limit": 0.5,
                "changes": [{"model": GPT4, "at": 0.5, "reward": 0.2}],
            },
        ],
    }
    stored = run_study(Study.from_dict(data), tmp_path / "run", progress=False)
    window = pl.when(pl.col("policy") == "window").then(5.0).otherwise(0.0)
    answer = _answer("drift", Doctored(stored, "trials", priced_regret=50.0 + window + 0.1 * NOISE))
    said = "\n".join(answer.verdict)
    assert "When nothing changes, clearly more priced regret than ucb: window (2 of 2 work" in said
    assert "clearly more priced regret than ucb: window (3 of 3 workloads)" in said
    assert "window; 0 / 2; 0 / 3" in _rows(answer, "Policies against ucb")


def test_a_price_event_leaves_what_policies_know_of_costs_as_it_was() -> None:
    # Otherwise worlds with and without the event would differ before it.
    for spec in Study.preset("prices").scenario:
        ranges = {
            build_scenario(spec.name, {**spec.options, "severity": severity}).cost_range
            for severity in (0.0, 1.0)
        }
        assert len(ranges) == 1


def test_money_is_worth_what_the_oracle_finds(studies: Any) -> None:
    stored = studies("prices")
    stages = stored.stages.filter(pl.col("policy") == "oracle", SEVERITY == 1.0).collect()
    money = _money(stored, stages.get_column("cell")[0])
    assert money.event == 200
    opened = stages.get_column("opened").to_numpy().astype(float)
    found = money.between(opened, opened + 1.0)
    np.testing.assert_allclose(found, stages.get_column("budget_price"), rtol=1e-9)
    assert found.max() > 1.5 * found.min() > 0.0


def _curves(stored: StoredStudy, rate: float, gone: int, spend: float = 0.0) -> Answer:
    """Answer curves whose regret per round rises from 0.01 for some rounds after the event."""
    since = (pl.col("round") - 200).clip(0)
    moved = SEVERITY * since.clip(0, gone) * (rate - 0.01)
    regret = 0.01 * pl.col("round") * (1.0 + 0.01 * NOISE / pl.col("round")) + moved
    money = pl.col("budget") * (1.0 + SEVERITY * spend * since / pl.col("round"))
    return _read("prices", stored, "trial_curves", regret=regret, cost=money)


def test_rounds_to_recover_are_those_of_the_curves(studies: Any) -> None:
    stored = studies("prices")
    answer = _curves(stored, rate=0.05, gone=100)
    verdict = "\n".join(answer.verdict)
    # Windows of one stage, 20 rounds, begin every five; points of the curves are 8 rounds apart.
    (rounds,) = re.findall(r"cut; (\d+) \[.*?\]: later", _rows(answer, "Rounds until recovery"))
    assert 95 <= int(rounds) <= 110
    assert f"after {rounds} [" in verdict or "window after" in verdict
    assert "The event adds least priced regret to " in verdict
    assert re.search(r"ucb; .*; 4\.0\d* \[[^;]*\]$", _rows(answer, "Recovery"), re.MULTILINE)
    never = _curves(stored, rate=0.05, gone=400)
    assert "cut; ∞ [∞, ∞]: not before the end" in _rows(never, "Rounds until recovery")
    assert "Not before the end: ucb (cut)" in "\n".join(never.verdict)
    calm = _curves(stored, rate=0.01, gone=0)
    assert "cut; 0 [0, 0]: at once" in _rows(calm, "Rounds until recovery")
    assert "before the event: ucb at once (cut)." in "\n".join(calm.verdict)


def test_money_that_is_spent_beyond_the_budget_is_lost_and_priced(studies: Any) -> None:
    answer = _curves(studies("prices"), rate=0.01, gone=0, spend=0.2)
    verdict = "\n".join(answer.verdict)
    assert "cut; ucb; " in _rows(answer, "Recovery, and")
    assert "; 20.00 [20.00, 20.00]; 20.00 [20.00, 20.00]; " in _rows(answer, "Recovery, and")
    assert "more than the budget is spent by 2 of 2 policies, at most by 20.00" in verdict
    # It buys no reward here, so the spend alone keeps the priced regret up.
    assert "Not before the end: ucb (cut)" in verdict


def test_the_slope_in_the_delay_is_that_of_the_trials(studies: Any) -> None:
    stored = studies("delay")
    delay = pl.col("scenario_reward_delay").cast(pl.Float64, strict=False).fill_null(0.0)

    def found(regret: pl.Expr) -> tuple[str, str]:
        answer = _read("delay", stored, priced_regret=regret)
        return "\n".join(answer.verdict), _rows(answer, "What a round of delay costs")

    words, row = found(10.0 + 0.5 * delay + 0.01 * NOISE)
    assert re.match(
        r"late, ucb; 0 to 1,000; 0\.[45]\d* \[.*; none can be told; 10 rounds, [45]", row
    )
    assert "on 1 of 1 lines (workload and policy), by 0.50 units of reward per round" in words
    assert "clearly more priced regret than the shortest played is 10 rounds, by line." in words
    assert re.search(r"; 0\.10*\d* \[.*\] up to 10 rounds, 1\.", found(10.0 + 0.01 * delay**2)[1])
    words, row = found(10.0 + NOISE)
    assert "on 0 of 1 lines (workload and policy)." in words
    assert row.endswith("; none")


def test_a_delay_as_long_as_the_run_is_not_fitted(studies: Any) -> None:
    table = _answer("delay", studies("delay")).tables[1].frame
    assert table.filter(pl.col("delay, rounds") == "1,000")["per round"].item() == (
        "nothing is learnt"
    )


def test_the_power_of_the_feedback_is_that_of_the_trials(studies: Any) -> None:
    stored = studies("delay")
    share = pl.col("scenario_feedback").cast(pl.Float64, strict=False).fill_null(1.0)

    def found(regret: pl.Expr) -> tuple[str, str]:
        answer = _read("delay", stored, priced_regret=regret)
        return "\n".join(answer.verdict), _rows(answer, "What a missing reward costs")

    words, row = found(20.0 * share**-0.5 * (1.0 + 1e-3 * NOISE))
    assert row.startswith("missing, ucb; 1 to 0.1; -0.5")
    assert re.search(r"; 8\.2\d* \[.*\] \(50 % missing\)", row)
    assert "on 1 of 1 lines, as share^x with x = -0.50." in words
    words, row = found(NOISE - NOISE.mean())
    assert "; none: not clearly above zero, or one trial only; " in row
    assert "share^x" not in words
