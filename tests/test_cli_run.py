import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import fastroute
from fastroute.cli import app
from fastroute.scenarios import SCENARIOS
from fastroute.study import Study, load, preset_names, run_study
from fastroute.study.estimate import _compiling
from fastroute.study.lock import Lock
from fastroute.study.work import Job, ShardResult, run_shard
from studies import mini, stop_after
from undrawn import without_drawings

runner = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _figures_are_not_drawn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Draw only for the tests that look at figures, which ask for the fixtures below."""
    asked = request.fixturenames
    with without_drawings(files="drawn_files" in asked, pages="drawn_pages" in asked):
        yield


@pytest.fixture
def drawn_files() -> None:
    """Draw the figures of files after all."""


@pytest.fixture
def drawn_pages() -> None:
    """Draw the figures of pages after all."""


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"fastroute {fastroute.__version__}\n")


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from fastroute.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'polars', 'numba', 'jax', 'scipy', 'matplotlib', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for command in ("run", "status", "report", "presets", "solve", "data"):
        assert f"\n  {command} " in done.stdout


# What computes and draws, and takes long to import.
COMPUTING = (
    "distributed",
    "highspy",
    "jax",
    "jinja2",
    "llvmlite",
    "matplotlib",
    "numba",
    "fastroute.analyse",
    "fastroute.report.figures",
    "fastroute.simulation.engine",
)


def imported(*arguments: str, among: tuple[str, ...] = COMPUTING) -> str:
    """Run a command in a process of its own and return which of the modules it imported."""
    code = (
        "import sys; from fastroute.cli import app\n"
        f"try: app({list(arguments)!r})\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {among!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1]


def test_presets_import_nothing_that_computes() -> None:
    assert imported("presets", among=(*COMPUTING, "polars", "scipy")) == "[]"


def test_presets_are_listed() -> None:
    result = runner.invoke(app, ["presets"])
    assert result.exit_code == 0
    for name in preset_names():
        assert name in result.stdout
    assert "100,000 x 256" in result.stdout


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_every_width_keeps_what_tells_the_rows_apart(width: int) -> None:
    narrow = {"COLUMNS": str(width)}
    text = runner.invoke(app, ["presets"], env=narrow).stdout
    assert max(map(len, text.splitlines())) <= width
    words = set(text.split())
    for name in preset_names():
        assert name in words
        assert set(Study.preset(name).description.split()) <= words
    sources = runner.invoke(app, ["data", "list"], env=narrow).stdout
    assert max(map(len, sources.splitlines())) <= width
    assert {"routerbench", "paretobandit", "synthetic"} <= set(sources.split())


@pytest.mark.parametrize("command", [[], ["data"], ["run"], ["solve", "routing"]])
def test_help_fits_a_terminal(command: list[str]) -> None:
    text = runner.invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).stdout
    assert max(map(len, text.splitlines())) <= 80
    # Every command is described in full on its line.
    assert "..." not in text.replace("[ARGS]...", "")


def test_the_package_is_a_command_too() -> None:
    command = [sys.executable, "-m", "fastroute", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"fastroute {fastroute.__version__}\n"


@pytest.mark.usefixtures("drawn_files")
def test_run_a_preset_with_changes() -> None:
    arguments = ["run", "quickstart", "--trials", "3", "--horizon", "300", "--seed", "9"]
    result = runner.invoke(app, [*arguments, "--workers", "1", "--out", "here"])
    assert result.exit_code == 0, result.output
    manifest = json.loads(Path("here/manifest.json").read_text())
    assert (manifest["status"], manifest["study"]["setting"]["seed"]) == ("complete", 9)
    lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    assert lines[0] == "Which policy has the lowest priced regret?"
    assert " has the lowest priced regret, " in lines[1]
    assert {"1", "2", "3", "4"} <= {line.split()[0] for line in lines}
    assert sum(" within noise of the best" in line for line in lines) <= 3
    assert "StageRoute" in result.stdout
    assert "Not ranked: oracle, which knows the true means." in " ".join(lines)
    assert lines[-1] == "Everything is in here"
    assert "[5/5] static" in result.stderr
    assert Path("here/figures/regret.png").stat().st_size > 1000
    # The study that was written runs again, and finds that it is done.
    again = runner.invoke(app, ["run", "here/study.toml", "--out", "here"])
    assert again.exit_code == 0
    assert "already complete" in again.stderr
    assert again.stdout == result.stdout
    other = runner.invoke(app, ["run", "here/study.toml", "--seed", "1", "--out", "here"])
    assert other.exit_code == 2
    assert other.stderr.startswith("error: here: holds results of another study")
    assert "setting.seed: 9 -> 1" in other.stderr


def test_a_study_that_is_done_is_shown_and_nothing_is_computed_or_drawn_again() -> None:
    study = Study.preset("quickstart").with_setting(trials=2, horizon=100)
    Path("one.toml").write_text(f'answer = "interval"\n{study.to_toml()}')
    arguments = ["run", "one.toml", "--out", "here"]
    first = runner.invoke(app, arguments)
    assert first.exit_code == 0, first.output
    before = {path: path.stat().st_mtime_ns for path in Path("here").rglob("*")}
    shown = ("numba", "jax", "matplotlib", "jinja2", "highspy", "fastroute.report.page")
    assert imported(*arguments, among=shown) == "[]"
    again = runner.invoke(app, arguments)
    assert again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in Path("here").rglob("*")} == before


def test_a_page_that_does_not_show_the_study_is_written_again() -> None:
    study = Study.preset("quickstart").with_setting(trials=2, horizon=100)
    Path("one.toml").write_text(study.to_toml())
    arguments = ["run", "one.toml", "--out", "here", "-q"]
    assert runner.invoke(app, arguments).exit_code == 0
    page = Path("here/report.html")
    right = page.read_text()
    assert runner.invoke(app, ["report", "here", "--details", "1"]).exit_code == 0
    assert page.read_text() != right
    for spoil in (lambda: None, page.unlink, lambda: page.write_bytes(b"\xff")):
        spoil()
        assert runner.invoke(app, arguments).exit_code == 0
        assert page.read_text() == right
    # A study that is not complete has a page of its moment only.
    manifest = json.loads(Path("here/manifest.json").read_text())
    Path("here/manifest.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    assert runner.invoke(app, ["report", "here"]).exit_code == 0
    assert "fastroute-page" not in page.read_text()
    assert runner.invoke(app, arguments).exit_code == 0
    assert "fastroute-page" in page.read_text()


def test_run_the_short_form() -> None:
    study = Study.preset("quickstart").with_setting(trials=2, horizon=100)
    Path("small.toml").write_text(study.to_toml() + "\n[quick]\nhorizon = 50\n")
    result = runner.invoke(app, ["run", "small.toml", "--quick", "--trials", "3", "-q"])
    assert (result.exit_code, result.stdout) == (0, "runs/quickstart-quick\n")
    setting = load("runs/quickstart-quick").study.setting
    assert (setting.horizon, setting.trials) == (50, 3)
    Path("long.toml").write_text(study.to_toml())
    result = runner.invoke(app, ["run", "long.toml", "--quick"])
    assert result.exit_code == 2
    assert "there is no short form" in result.stderr


def test_a_question_that_is_asked_later_is_answered() -> None:
    study = Study.preset("quickstart").with_setting(trials=2, horizon=100).to_toml()
    Path("one.toml").write_text(study)
    assert runner.invoke(app, ["run", "one.toml", "--out", "here", "-q"]).exit_code == 0
    assert not Path("here/answer.md").exists()
    Path("one.toml").write_text('answer = "interval"\n' + study)
    result = runner.invoke(app, ["run", "one.toml", "--out", "here", "-q"])
    assert result.exit_code == 0, result.output
    assert "sweep stages" in Path("here/answer.md").read_text()
    answer = Path("here/answer.md").read_text()
    shown = runner.invoke(app, ["run", "one.toml", "--out", "here"]).stdout
    said = " ".join(answer.removeprefix("# ").split())
    assert " ".join(shown.split()).startswith(said[:150])


def test_quiet_prints_only_the_directory() -> None:
    study = Study.preset("quickstart").with_setting(trials=2, horizon=100)
    Path("small.toml").write_text(study.to_toml())
    result = runner.invoke(app, ["run", "small.toml", "-q"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "runs/quickstart\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quikstart"], 'did you mean "quickstart"'),
        (["run", "none.toml"], "none.toml: cannot be read: No such file"),
        (["run", "quickstart", "--trials", "0"], "setting.trials = 0: must be"),
        (["run", "bad.toml"], "line 2, column 5"),
        (["run", "poor.toml"], "budget=1e-06"),
        (["run", "quickstart", "--out", "bad.toml"], "cannot be used as a directory"),
    ],
)
def test_errors_are_one_message_and_exit_code_2(arguments: list[str], words: str) -> None:
    Path("bad.toml").write_text('name = "x"\na = = 1\n')
    poor = Study.preset("quickstart").with_setting(budget=1e-6)
    Path("poor.toml").write_text(poor.to_toml())
    result = runner.invoke(app, [*arguments, "--quiet"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    # Nothing is left behind.
    assert not list(Path().glob("runs/*"))


def test_an_interruption_says_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["run", "quickstart", "--trials", "2", "--horizon", "100"]
    with monkeypatch.context() as patch:
        stop_after(patch, 3, KeyboardInterrupt())
        result = runner.invoke(app, arguments)
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == (
        "interrupted: 3 of 5 shards are done and kept in runs/quickstart; run the study again to "
        "continue"
    )
    # The same command continues it.
    again = runner.invoke(app, arguments)
    assert again.exit_code == 0, again.output
    assert "60% was done before" in again.stderr
    assert "Everything is in runs/quickstart\n" in again.stdout


def write_grid(**changes: Any) -> None:
    Path("grid.toml").write_text(mini(**changes).to_toml())


@pytest.mark.usefixtures("drawn_files")
def test_a_grid_is_run_reported_and_shown() -> None:
    write_grid()
    result = runner.invoke(app, ["run", "grid.toml", "--out", "here"])
    assert result.exit_code == 0, result.output
    assert re.search(r"\[4/4\] (uniform|stageroute), horizon=(60|90): regret", result.stderr)
    # The run ends with question, verdict, ranking and path.
    lines = [line.strip() for line in result.stdout.splitlines()]
    question, first, *others, last = filter(None, lines)
    assert question == "Which policy has the lowest priced regret?"
    assert re.search(r" (is|are each) best or within noise of the best in ", first)
    assert last == "Everything is in here"
    heads = next(place for place, line in enumerate(others) if "mean rank" in line)
    ranked = [line.split()[0] for line in others[heads + 2 : heads + 4]]
    assert sorted(ranked) == ["stageroute", "uniform"]
    assert others[heads].split()[:5] == ["policy", "best", "or", "within", "noise"]
    # The state has a row for every cell.
    text = runner.invoke(app, ["status", "here"]).stdout
    columns = next(line for line in text.splitlines() if "priced regret" in line)
    assert columns.split()[:2] == ["policy", "horizon"]
    assert sum("stageroute" in line for line in text.splitlines()) == 2
    assert Path("here/figures/world-1-regret.png").stat().st_size > 1000
    assert "| 60 |" in Path("here/README.md").read_text()


def test_status_of_a_study_in_every_state() -> None:
    write_grid()
    assert runner.invoke(app, ["run", "grid.toml", "-q", "--out", "here"]).exit_code == 0
    shown = runner.invoke(app, ["status", "here"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("mini in here: complete\n4 of 4 cells, 12 shards, 100.0% of ")
    assert "rounds/s" in shown.stdout
    manifest = json.loads(Path("here/manifest.json").read_text())
    for state, words in (
        ("running", "not running, it was killed; run it again to continue"),
        ("interrupted", "interrupted; run it again to continue"),
        ("incomplete", "incomplete, some shards failed"),
    ):
        Path("here/manifest.json").write_text(json.dumps({**manifest, "status": state}))
        assert words in runner.invoke(app, ["status", "here"]).stdout
    with Lock(Path("here")):
        assert "running, process " in runner.invoke(app, ["status", "here"]).stdout
    nothing = runner.invoke(app, ["status", "nowhere"])
    assert (nothing.exit_code, nothing.stdout) == (2, "")
    assert "nowhere: not a run directory" in nothing.stderr


def test_shards_that_fail_end_in_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(job: Job, progress: Any = None) -> ShardResult:
        if job.first == 64:
            raise ArithmeticError("no luck")
        return run_shard(job, progress)

    write_grid()
    with monkeypatch.context() as patch:
        patch.setattr("fastroute.study.executors.run_shard", failing)
        result = runner.invoke(app, ["run", "grid.toml", "--out", "here"])
    assert (result.exit_code, result.stdout) == (1, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: 4 of 12 shards failed 3 times and were set aside; here/failed ")
    shown = runner.invoke(app, ["status", "here"]).stdout
    assert "incomplete, some shards failed" in shown
    assert "4 shards failed; the first is explained in failed/" in shown
    assert runner.invoke(app, ["run", "grid.toml", "-q", "--out", "here"]).exit_code == 0
    assert load("here").complete


def test_a_full_disk_is_one_message_and_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    write_grid()
    with monkeypatch.context() as patch:
        stop_after(patch, 3, OSError(28, "No space left on device"))
        result = runner.invoke(app, ["run", "grid.toml", "-q", "--out", "here"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "error: No space left on device",
        "3 of 12 shards are done and kept in here; run the study again to continue",
    ]


def test_a_dry_run_writes_nothing_and_says_what_would_run() -> None:
    write_grid(setting={"trials": 1000}, store={"shard_trials": 256})
    result = runner.invoke(app, ["run", "grid.toml", "--dry-run", "--workers", "3"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "mini: 4 cells, 16 shards"
    assert lines[1] == "horizon 60 to 90, trials 1,000, 3e+05 trial-rounds"
    assert "on 3 threads" in lines[2]
    assert "on disk" in lines[3]
    assert [path.name for path in Path().iterdir()] == ["grid.toml"]


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (True, "and about 31 s of compiling the first time, done now and kept for the run"),
        (False, "and about 31 s of compiling the first time, in every process"),
    ],
)
def test_a_dry_run_says_what_compiling_takes(
    kept: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastroute.kernels.numba_.compile.keeps", lambda: kept)
    assert _compiling([30.0, 1.4], 2) == [said]
    assert _compiling([30.0, 1.4], 5)[0].endswith(
        "; 3 more kinds of cells were not tried and may take some more"
    )
    # Loading what is kept takes a moment.
    assert _compiling([0.0, 0.3], 2) == []


def test_figures_that_take_long_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastroute.cli_study._MOMENT", 0.0)
    write_grid()
    said = "drawing figures and page ...\n"
    assert runner.invoke(app, ["run", "grid.toml", "--out", "a", "-q"]).stderr == ""
    assert said in runner.invoke(app, ["run", "grid.toml", "--out", "b"]).stderr
    # What is there is not drawn again.
    assert said not in runner.invoke(app, ["run", "grid.toml", "--out", "b"]).stderr


def test_a_pipe_has_no_blanks_at_the_ends_of_lines() -> None:
    write_grid()
    result = runner.invoke(app, ["run", "grid.toml", "--out", "here"])
    lines = result.stdout.splitlines()
    assert len(lines) > 8
    assert [line for line in lines if line != line.rstrip()] == []
    # A note is one line, however long.
    (note,) = [line for line in lines if line.startswith("A world is a scenario")]
    assert note.endswith("may be zero.")


def test_a_page_in_a_folder_that_is_not_there_is_refused() -> None:
    write_grid()
    runner.invoke(app, ["run", "grid.toml", "--out", "here", "-q"])
    result = runner.invoke(app, ["report", "here", "--out", "nodir/x.html"])
    assert result.exit_code == 2
    assert result.stderr == (
        "error: nodir/x.html: the folder nodir does not exist; make it first\n"
    )


def test_too_many_cells_are_refused() -> None:
    write_grid(setting={"seed": list(range(200))}, max_cells=100)
    result = runner.invoke(app, ["run", "grid.toml", "--dry-run"])
    assert result.exit_code == 2
    assert "the grid has 800 cells, more than max_cells = 100" in result.stderr


def test_a_report_is_written_by_a_run_and_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    write_grid()
    with monkeypatch.context() as patch:
        stop_after(patch, 5, KeyboardInterrupt())
        assert runner.invoke(app, ["run", "grid.toml", "-q", "--out", "here"]).exit_code == 130
    page = Path("here/report.html")
    result = runner.invoke(app, ["report", "here"])
    assert (result.exit_code, result.stdout) == (0, f"{page}\n")
    assert re.search(r"Unfinished: [34] of 4 cells", page.read_text())
    # A page of what was there before never outlives the run that completes the study.
    assert runner.invoke(app, ["run", "grid.toml", "-q", "--out", "here"]).exit_code == 0
    assert "Complete:\n4 of 4 cells" in page.read_text()
    assert "`report.html`" in Path("here/README.md").read_text()
    result = runner.invoke(app, ["report", "here", "--out", "else.html", "--details", "2"])
    assert (result.exit_code, result.stdout) == (0, "else.html\n")
    assert "The first 1 of 2 worlds" in Path("else.html").read_text()
    for directory, out in (("nowhere", "x.html"), ("here", "nowhere/x.html")):
        result = runner.invoke(app, ["report", directory, "--out", out])
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: ")
        assert "nowhere" in result.stderr


def test_names_are_no_patterns_and_no_emoji() -> None:
    Path("small.toml").write_text(mini(name="x").to_toml())
    result = runner.invoke(app, ["run", "small.toml", "--out", "runs[1]:one:/a*"])
    assert result.exit_code == 0, result.output
    assert "Everything is in runs[1]:one:/a*" in result.stdout
    assert "runs[1]:one:/a*: complete" in runner.invoke(app, ["status", "runs[1]:one:/a*"]).stdout
    assert runner.invoke(app, ["report", "runs[1]:one:/a*", "--out", "new"]).exit_code == 0
    # A name without a suffix is that of a folder.
    assert Path("new/report.html").is_file()
    Path("t[1].csv").write_text("query,task,model,score,cost\nq,t,a,1,1\nq,t,b,0,1\n")
    assert runner.invoke(app, ["data", "check", "t[1].csv"]).exit_code == 0


def test_a_report_goes_into_a_directory_with_its_figures() -> None:
    run_study(mini(setting={"horizon": 60}), "here")
    before = {path: path.stat().st_mtime_ns for path in Path("here").rglob("*")}
    Path("else").mkdir()
    result = runner.invoke(app, ["report", "here", "--out", "else"])
    assert (result.exit_code, result.stdout) == (0, "else/report.html\n")
    assert "Complete:" in Path("else/report.html").read_text()
    drawn = {path.name for path in Path("else/figures").iterdir()}
    assert {"regret.svg", "regret.png", "priced_regret.svg", "parts.svg", "spend.svg"} <= drawn
    assert {path: path.stat().st_mtime_ns for path in Path("here").rglob("*")} == before


def test_a_report_needs_no_builder_of_a_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(SCENARIOS, "mine", SCENARIOS["static"])
        study = mini(scenario={"name": "mine"})
        run_study(study, "here")
    result = runner.invoke(app, ["report", "here"])
    assert (result.exit_code, result.stdout) == (0, "here/report.html\n")


@pytest.mark.usefixtures("drawn_pages")
def test_what_others_wrote_into_a_study_is_no_html() -> None:
    evil = "<img src=x onerror=alert(1)>"
    study = mini(
        description=f"{evil} of",
        scenario={"name": "static", "label": f"world {evil}"},
        policy=[{"name": "uniform", "label": f"{evil}|`b"}, {"name": "stageroute"}],
        setting={"horizon": 60},
    )
    Path("evil.toml").write_text(study.to_toml())
    assert runner.invoke(app, ["run", "evil.toml", "-q", "--out", "here"]).exit_code == 0
    for file in ("README.md", "report.html"):
        text = Path("here", file).read_text()
        assert "<img" not in text
        assert text.count("&lt;img src=x onerror=alert(1)") >= 3
