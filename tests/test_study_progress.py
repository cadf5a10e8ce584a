"""What a running study says: bars on a terminal, lines elsewhere."""

from pathlib import Path

import pytest

from fastroute.simulation.progress import show_progress
from fastroute.study import run_study
from fastroute.study.progress import CellState, Lines, make_reporter, rate_text
from studies import mini


def state(number: int, done: int, trials: int = 100) -> CellState:
    return CellState(number, [f"policy [{number}]"], trials, done, 1234.567, 8.9)


def test_a_line_for_every_cell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    study = mini(setting={"horizon": 60})
    run_study(study, tmp_path / "run", workers=1)
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[1/2] stageroute: regret ")
    assert lines[1].startswith("[2/2] uniform: regret ")
    assert " ± " in lines[0]
    assert ", 150 trials; " in lines[0]
    assert "rounds/s" in lines[1]
    run_study(study, tmp_path / "run")
    assert capfd.readouterr().err.endswith("this study is already complete; nothing to run\n")
    # Continued: what was there is not counted as work.
    run_study(mini(setting={"horizon": 60, "trials": 200}), tmp_path / "run", workers=1)
    assert capfd.readouterr().err.splitlines()[0] == "75% was done before"


def test_the_line_of_a_cell_says_what_tells_it_apart(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    study = mini(
        scenario={
            "name": "sota",
            "severity": [0, 1],
            "changes": [{"model": "beta-small-2023", "at": 0.5, "reward": 0.2}],
        },
        policy=[{"name": "uniform"}],
        setting={"horizon": 60, "budget": [1.5, 3.0]},
    )
    run_study(study, tmp_path / "run", workers=1)
    names = [line.split("] ")[1].split(": ")[0] for line in capfd.readouterr().err.splitlines()]
    assert sorted(names) == [
        "uniform in sota (severity=0), budget=1.5",
        "uniform in sota (severity=0), budget=3",
        "uniform in sota (severity=1), budget=1.5",
        "uniform in sota (severity=1), budget=3",
    ]


def test_a_long_name_of_a_cell_is_cut_between_its_words() -> None:
    cell = CellState(0, ["uniform in sota", "horizon=90", "budget=3"], 1, 1, 0.5, 0.1)
    assert cell.label(72) == "uniform in sota, horizon=90, budget=3"
    assert cell.label(30) == "uniform in sota, horizon=90, ..."


def test_few_lines_for_many_cells(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("fastroute.study.progress.time.monotonic", lambda: now)
    with make_reporter(True) as report:
        assert isinstance(report, Lines)
        report.begin(200, 0, 20_000, 0)
        for number in range(200):
            now += 1.0
            report.advance(100)
            report.update(state(number, 50))
            report.update(state(number, 100))
        now += 100.0
        report.advance(0)
    lines = capfd.readouterr().err.splitlines()
    # One in five seconds, the last one, and one for the silence.
    assert 40 <= len(lines) <= 42
    assert lines[0] == (
        "[5/200] policy [4]: regret 1,234.6 ± 8.9, 100 trials; 100 rounds/s, 195 s left"
    )
    assert lines[-1].startswith("[200/200] 100%; ")


def test_progress_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with make_reporter(True) as report:
        report.begin(12, 2, 1200, 200)
        for number in range(8):
            report.advance(100)
            report.update(state(number, 50))
        report.note("a note")
        for number in range(4, 8):
            report.update(state(number, 100))
    out, err = capfd.readouterr()
    assert out == ""
    for words in ("12 cells", "83%", "policy [3]", "policy [7]", "regret 1,234.6 ± 8.9", "a note"):
        assert words in err
    # Only the newest few cells are shown.
    assert err.rindex("policy [0]") < err.index("policy [6]")


def test_a_plan_that_takes_long_is_reported(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_reporter(True) as report:
        report.plan(1, 1000)
        monkeypatch.setattr("fastroute.study.progress._SECONDS_OF_PLAN", 0.0)
        report.plan(700, 1000)
        report.plan(701, 1000)
    assert capfd.readouterr().err.splitlines() == ["planning: 700 of 1,000 cells"]


def test_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with make_reporter(False) as report:
        report.plan(1, 1)
        report.begin(1, 0, 1, 0)
        report.advance(1)
        report.update(state(0, 100))
        report.note("nothing")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "- rounds/s"),
        (0.0, "- rounds/s"),
        (12.0, "12 rounds/s"),
        (31_240_000.0, "31.2 M rounds/s"),
        (2.5e9, "2.5 G rounds/s"),
        (4_321.0, "4.32 k rounds/s"),
    ],
)
def test_rates_in_words(rate: float | None, text: str) -> None:
    assert rate_text(rate) == text


def test_a_single_trial_has_no_margin() -> None:
    assert CellState(0, ["x"], 1, 1, 0.5, float("nan")).estimate == "regret 0.5"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the lines that a notebook shows, each with all that it said."""
    lines: list[list[str]] = []

    class Line:
        def __init__(self) -> None:
            self.said: list[str] = []

        def write(self, text: str) -> None:
            if not self.said:
                lines.append(self.said)
            self.said.append(text)

    for module in ("study", "simulation"):
        monkeypatch.setattr(f"fastroute.{module}.progress.in_notebook", lambda: True)
        monkeypatch.setattr(f"fastroute.{module}.progress.NotebookLine", Line)
    return lines


def test_a_study_is_one_line_in_a_notebook(
    shown: list[list[str]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("fastroute.study.progress.time.monotonic", lambda: now)
    with make_reporter(True) as report:
        report.note("a note")
        report.begin(200, 0, 20_000, 0)
        for number in range(200):
            now += 0.1
            report.advance(100)
            report.update(state(number, 100))
    note, line = shown
    assert note == ["a note"]
    # A few in a second, and the last one.
    assert 40 <= len(line) <= 100
    assert line[-1].startswith(f"{'█' * 30} 100%  [200/200] policy [199]: regret 1,234.6 ± 8.9")
    assert capfd.readouterr() == ("", "")


def test_a_run_is_one_line_in_a_notebook(
    shown: list[list[str]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("fastroute.simulation.progress.time.monotonic", lambda: now)
    with show_progress(True) as tell:
        assert tell is not None
        for done in range(1, 11):
            now += 0.2
            tell(done, 10)
    (line,) = shown
    assert line[0] == f"simulating {'█' * 6}{'░' * 24}  20%, 2 s left"
    assert line[-1] == f"simulating {'█' * 30} 100%, 2.0 s"
    # What is over at once says nothing.
    with show_progress(True) as tell:
        assert tell is not None
        tell(10, 10)
    assert len(shown) == 1
    assert capfd.readouterr() == ("", "")
