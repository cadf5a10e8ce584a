"""The answers on scaling, stages, intervals and prices, and the page that gathers answers.

Tiny studies are run once; trials made up on their cells decide what the verdict must say.
"""

import functools
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fastroute.report import answers, write, write_page, write_report
from fastroute.report.answers import ANSWERS, Answer, answer_of
from fastroute.report.findings import main, write_findings
from fastroute.study import RunDirectoryError, StoredStudy, Study, load, preset_names, run_study
from fastroute.study.schema import QUESTIONS
from pages import read as read_page
from studies import mini
from undrawn import without_figures

STAGEROUTE: dict[str, Any] = {"name": "stageroute", "gamma": "scaled:0.1", "label": "StageRoute"}
SETTING: dict[str, Any] = {"trials": 12, "budget": "cheapest", "max_deployed": 3, "checkpoints": 4}
STUDIES: dict[str, dict[str, Any]] = {
    "interval": {
        "scenario": [
            {"name": "static", "n_models": 4},
            {"name": "discovery", "stages": [2, 8, 32]},
        ],
        "setting": {"horizon": 512, "stages": [2, 8, 32]},
        "zip": [["stages", "scenario.stages"]],
    },
    "scaling": {
        "scenario": [{"name": "minimax"}, {"name": "routerbench"}],
        "setting": {"horizon": [100, 200, 400, 800, 1600], "budget": "max(cheapest, 0.5 * slack)"},
    },
    "stage-exponent": {
        "scenario": {"name": "minimax"},
        "setting": {"horizon": [100, 400, 1600], "stages": ["T^0.2", "T^(1/3)", "T^0.6"]},
    },
    "multipliers": {
        "scenario": {"name": "routerbench"},
        "policy": [STAGEROUTE, {"name": "oracle"}],
        "setting": {"horizon": [100, 400], "budget": ["0.3 * slack", "slack"]},
    },
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the study of a question when it is first asked for."""
    folder = tmp_path_factory.mktemp("answers")

    @functools.cache
    def stored(name: str) -> StoredStudy:
        data = {"name": name, "answer": name, "policy": [STAGEROUTE], **STUDIES[name]}
        study = Study.from_dict({**data, "setting": {**SETTING, **data["setting"]}})
        run_study(study, folder / name, progress=False)
        return load(folder / name)

    return stored


class Doctored:
    """A stored study of which some frames are other than those on disk."""

    def __init__(self, stored: StoredStudy, **frames: pl.DataFrame) -> None:
        self._stored = stored
        self._frames = {name: frame.lazy() for name, frame in frames.items()}

    def __getattr__(self, name: str) -> Any:
        return self._frames.get(name, getattr(self._stored, name))


def noisy(trials: pl.DataFrame, mean: pl.Expr, spread: float = 0.05) -> pl.DataFrame:
    """Return trials whose regret has a given mean and a relative spread."""
    noise = np.random.default_rng(7).standard_normal(trials.height)
    regret = mean * (1.0 + spread * pl.Series("noise", noise))
    return trials.with_columns(regret.alias("regret"), regret.alias("priced_regret"))


def asked(name: str, stored: Any) -> Answer:
    return ANSWERS[name](stored)


def read(name: str, stored: Any) -> Answer:
    """Answer with words and tables only."""
    with without_figures():
        return asked(name, stored)


def test_the_study_file_knows_the_questions_that_the_report_answers() -> None:
    assert sorted(QUESTIONS) == sorted(ANSWERS)
    for name in ANSWERS:
        assert callable(ANSWERS[name])
    modules = {found.name for found in pkgutil.iter_modules(answers.__path__)}
    written = {
        name.replace("_", "-")
        for name in modules
        if hasattr(importlib.import_module(f"{answers.__name__}.{name}"), "answer")
    }
    assert written == set(ANSWERS)
    assert {Study.preset(name).answer for name in preset_names()} - {None} <= set(ANSWERS)


@pytest.mark.parametrize("name", STUDIES)
def test_an_answer_has_words_tables_and_figures(name: str, studies: Any) -> None:
    found = asked(name, studies(name))
    assert found.question.endswith("?")
    assert found.verdict
    assert all(sentence.endswith((".", ")")) for sentence in found.verdict)
    assert found.tables
    assert all(table.frame.height for table in found.tables)
    assert len({one.name for one in found.figures}) == len(found.figures) > 0


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_without_a_sweep_says_what_is_missing(
    name: str, studies: Any, tmp_path: Path
) -> None:
    stored = run_study(mini(setting={"horizon": 60, "trials": 8}), tmp_path / "run", progress=False)
    found = asked(name, stored)
    assert found.verdict
    if name != "multipliers":  # one horizon still has prices
        assert not found.tables
        assert "study" in found.verdict[0]


@pytest.mark.parametrize(
    ("power", "words"),
    [
        (2 / 3, "The exponent of T is within 0.02 of 2/3 on 2 of 2 lines"),
        (0.4, "It is clearly below 2/3"),
        (0.9, "It is clearly above 2/3"),
    ],
)
def test_the_exponent_decides_the_verdict(power: float, words: str, studies: Any) -> None:
    stored = studies("scaling")
    trials = noisy(stored.trials.collect(), pl.col("horizon") ** power, 0.005)
    found = read("scaling", Doctored(stored, trials=trials))
    (sentence,) = (text for text in found.verdict if "minimax" in text)
    assert sentence.startswith(words)
    named = {"The": "near", "It": "below" if power < 2 / 3 else "above"}
    assert set(found.tables[0].frame["beside 2/3"]) == {named[words.split()[0]]}
    assert f"{power:.2f}"[:3] in sentence
    assert ("Nowhere" in found.verdict[0]) == (power != 2 / 3)


def test_an_exponent_that_is_not_known_well_is_not_pinned_to_two_thirds(studies: Any) -> None:
    stored = studies("scaling")
    trials = noisy(stored.trials.collect(), pl.col("horizon") ** (2 / 3), 0.5)
    verdict = " ".join(read("scaling", Doctored(stored, trials=trials)).verdict)
    assert "It is neither pinned to 2/3 nor told from it on 2 of 2 lines: minimax (0." in verdict


def test_an_exponent_that_does_not_last_is_called_that(studies: Any) -> None:
    stored = studies("scaling")
    bent = pl.min_horizontal(pl.col("horizon"), 800.0 * (pl.col("horizon") / 800.0) ** 0.1)
    trials = noisy(stored.trials.collect(), bent, 0.002)
    found = read("scaling", Doctored(stored, trials=trials))
    (sentence,) = (text for text in found.verdict if "minimax" in text)
    assert sentence.startswith("No single exponent holds")
    # The local exponents between which it wanders.
    assert "minimax (0.10 to 1.00)" in sentence
    # None of what is not one exponent is called clearly below or above 2/3.
    assert not any("clearly" in text for text in found.verdict)


def test_a_regret_below_zero_is_not_fitted_and_said_so(studies: Any) -> None:
    stored = studies("scaling")
    trials = stored.trials.collect().with_columns(
        pl.lit(-1.0).alias("regret"), pl.lit(-1.0).alias("priced_regret")
    )
    verdict = " ".join(asked("scaling", Doctored(stored, trials=trials)).verdict)
    assert "No power of T can be fitted" in verdict
    assert "minimax" in verdict


def test_overspending_is_judged_by_the_priced_regret(studies: Any) -> None:
    stored = studies("scaling")
    summary = stored.summary.collect()
    over = summary.with_columns(
        pl.when(pl.col("quantity") == "cost", pl.col("scenario") == "routerbench")
        .then(2.0 * pl.col("budget"))
        .otherwise(0.0)
        .alias("low")
    )
    verdict = read("scaling", Doctored(stored, summary=over)).verdict
    (sentence,) = (text for text in verdict if "overspent" in text)
    assert "routerbench" in sentence
    assert "minimax" not in sentence
    none = over.with_columns(pl.lit(0.0).alias("low"))
    assert not any(
        "overspent" in t for t in read("scaling", Doctored(stored, summary=none)).verdict
    )


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (abs(pl.col("stages") - 8) + 10.0, "K = 8, best"),
        (100.0 - pl.col("stages"), "K = 8, 1.3"),
        (pl.lit(10.0), "all others"),
    ],
)
def test_the_best_interval_follows_from_the_trials(mean: pl.Expr, words: str, studies: Any) -> None:
    stored = studies("interval")
    trials = noisy(stored.trials.collect(), mean, 0.02)
    found = read("interval", Doctored(stored, trials=trials))
    table = found.tables[0].frame
    assert table["line"].to_list() == ["static", "discovery"]
    assert "deploy_cost = 0" in found.verdict[-1]
    assert words in " ".join(table.row(0))
    behind = "K = T^(1/3) = 8 is best or within noise of the best on 0 of 2 lines; it has 1.3"
    assert (behind in found.verdict[1]) == (words == "K = 8, 1.3")
    assert ("lowest with the most stages played, K = 32" in found.verdict[0]) == (
        words == "K = 8, 1.3"
    )


def test_no_ratio_to_a_regret_below_zero(studies: Any) -> None:
    stored = studies("interval")
    trials = noisy(stored.trials.collect(), 10.0 - pl.col("stages"), 1e-4)
    found = read("interval", Doctored(stored, trials=trials))
    assert "; it has 24.0" in found.verdict[1]
    assert "units of reward more than the lowest regret on static" in found.verdict[1]


@pytest.mark.parametrize(
    ("mean", "words", "advice"),
    [
        (abs(pl.col("stages") - 12) + 10.0, "lowest with x = 1/3 on", "Use K = T^(1/3) stages "),
        (
            1000.0 - pl.col("stages"),
            "x = 1/3 is best or within noise of the best on 0 of 1 lines",
            "it is the most that was played, so that more may be better still.",
        ),
        # Of equally good ones the fewest.
        (pl.lit(10.0), "(all others within noise)", "Use K = T^"),
    ],
)
def test_the_best_power_follows_from_the_trials(
    mean: pl.Expr, words: str, advice: str, studies: Any
) -> None:
    stored = studies("stage-exponent")
    trials = noisy(stored.trials.collect(), mean, 0.002)
    found = read("stage-exponent", Doctored(stored, trials=trials))
    assert advice in found.verdict[0]
    assert " on 1 of 1 lines" in found.verdict[0]
    assert words in " ".join(found.verdict[1:3])
    assert ("times the lowest regret on minimax" in found.verdict[2]) == ("0 of 1" in words)


@pytest.mark.parametrize(
    ("price", "words"),
    [
        (pl.col("horizon") / 1e3, "No bound is seen where it still grows"),
        (10.0 / pl.col("horizon"), "clearly falls on 2"),
        (1.0 + (pl.col("trial") * 7919 + pl.col("horizon")) % 5, "does not clearly change on 2"),
        (pl.lit(0.0), "never has a price"),
    ],
)
def test_the_growth_of_prices_decides_the_verdict(price: pl.Expr, words: str, studies: Any) -> None:
    stored = studies("multipliers")
    stages = stored.stages.collect().with_columns(price.cast(pl.Float64).alias("budget_price"))
    verdict = " ".join(read("multipliers", Doctored(stored, stages=stages)).verdict)
    assert words in verdict


def test_the_report_begins_with_the_answer(studies: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Files of figures and details of worlds take their time, and are not looked at here.
    monkeypatch.setattr("fastroute.report.write._WORLDS_DRAWN", 0)
    monkeypatch.setattr(write, "save_figure", lambda figure, path: path.write_bytes(b"figure"))
    stored = studies("interval")
    written = write_report(stored.path)
    found = asked("interval", stored)
    readme = (stored.path / "README.md").read_text()
    assert readme.index(found.verdict[0]) < readme.index("| scenario |")
    text = (stored.path / "answer.md").read_text()
    assert all(sentence in text for sentence in (found.question, *found.verdict))
    assert stored.path / "figures/answer-interval.svg" in written
    assert "answer.md" in load(stored.path).manifest["files"]
    page = read_page(write_page(stored.path, details=1))
    section = page.one("main").all("section")[0]
    assert section.one("h2").text == found.question
    # A few sentences, the others folded up, and the figure.
    said = section.all("p", class_="verdict")
    assert [sentence.text for sentence in said] == list(found.verdict[:3])
    more = [line.text for part in section.all("details") for line in part.all("p")]
    assert more == list(found.verdict[3:])
    first, *others = found.figures
    assert section.one("svg", class_="chart").attrs["data-chart"] == f"answer-{first.name}"
    assert first.caption in section.text
    detail = page.one("section", aria_labelledby="more")
    charts = [chart.attrs["data-chart"] for chart in detail.all("svg", class_="chart")]
    assert charts == [f"answer-{one.name}" for one in others]
    assert len(detail.all("table")) == len(found.tables)
    # Captions are for screen readers; whoever looks needs a heading.
    assert [head.text for head in detail.all("h3")] == [table.title for table in found.tables]


@pytest.mark.parametrize("name", STUDIES)
def test_a_single_trial_has_no_intervals_but_an_answer(name: str, tmp_path: Path) -> None:
    data = {"name": name, "answer": name, "policy": [STAGEROUTE], **STUDIES[name]}
    setting = {**SETTING, **data["setting"], "trials": 1}
    stored = run_study(
        Study.from_dict({**data, "setting": setting}), tmp_path / name, progress=False
    )
    verdict = " ".join(asked(name, stored).verdict)
    assert verdict
    assert "overspent" not in verdict
    assert "beyond doubt" not in verdict.replace("within 0.02 of 2/3 beyond doubt", "")


def test_no_question_and_no_answer(tmp_path: Path) -> None:
    stored = run_study(mini(setting={"trials": 8}), tmp_path / "run", progress=False)
    assert answer_of(stored) is None
    with pytest.raises(RunDirectoryError, match="names no question"):
        write_findings([stored.path], tmp_path / "findings.md")
    assert not (tmp_path / "findings.md").exists()


def test_findings_are_a_page_for_each_study_and_an_index(studies: Any, tmp_path: Path) -> None:
    names = ("multipliers", "interval")
    out = tmp_path / "docs" / "findings.md"
    out.parent.mkdir()
    out.write_text("# Findings\n\nTen sentences.\n\n## Studies\n\nstale list\n", encoding="utf-8")
    for name in names:
        index, page, *figures = write_findings([studies(name).path], out)
        assert (index, page) == (out, out.parent / "findings" / f"{name}.md")
        found = asked(name, studies(name))
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {name}\n\n**{found.question}**\n\n{found.verdict[0]}\n")
        assert all(sentence in text for sentence in found.verdict)
        assert [figure.name for figure in figures] == [
            f"{name}-{one.name}.svg" for one in found.figures
        ]
        assert all(f"]({figure.name})" in text and figure.is_file() for figure in figures)
        assert "numpy" in text
        assert "trials 12" in text
        assert "of wall time in 1 session" in text
    text = out.read_text(encoding="utf-8")
    # What is written by hand stays; the list is that of the pages that are there.
    assert text.startswith("# Findings\n\nTen sentences.\n\n## Studies\n")
    assert "stale list" not in text
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert [line.partition("]")[0] for line in lines] == ["- [interval", "- [multipliers"]
    interval = asked("interval", studies("interval"))
    said = f"{interval.question} {interval.verdict[0]}".replace("*", "\\*")
    assert lines[0] == f"- [interval](findings/interval.md): {said}"


def test_a_page_written_again_is_the_same_and_leaves_the_others(
    studies: Any, tmp_path: Path
) -> None:
    out = tmp_path / "findings.md"
    paths = [studies(name).path for name in ("multipliers", "interval")]
    write_findings(paths, out)
    folder = out.with_suffix("")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    stale = folder / "interval-old.svg"
    stale.write_text("")
    page = folder / "interval.md"
    page.write_text(page.read_text(encoding="utf-8") + "![old](interval-old.svg)\n")
    (folder / "multipliers.md").write_text("by hand")
    write_findings(paths[1:], out)
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert after == {**before, "multipliers.md": b"by hand"}


def test_findings_refuse_what_cannot_be_on_the_page(
    studies: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(studies("interval").path)
    out = str(tmp_path / "findings.md")
    assert main([path, path, "--out", out]) == 1
    assert "is there twice" in capsys.readouterr().err
    assert main([str(tmp_path), "--out", out]) == 1
    assert "not a run directory" in capsys.readouterr().err
    with pytest.raises(ValueError, match="none are given"):
        write_findings([], out)
