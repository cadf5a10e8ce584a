from pathlib import Path

import pytest

from fastroute.report import Content, write_figures, write_report
from fastroute.study import RunDirectoryError, StoredStudy, Study, load, run_study
from studies import contents, mini

WORLD = ("regret", "priced_regret", "parts", "spend")


def files_of(names: list[str]) -> set[str]:
    return {f"figures/{name}.{suffix}" for name in names for suffix in ("svg", "png")}


def test_a_report_is_drawn_into_the_run_directory(tmp_path: Path) -> None:
    study = Study.preset("quickstart").with_setting(horizon=300, trials=3)
    run_study(study, tmp_path / "run", progress=False)
    figures = write_report(tmp_path / "run")
    written = {path.relative_to(tmp_path / "run").as_posix() for path in figures}
    assert written == files_of(list(WORLD))
    stored = load(tmp_path / "run")
    assert stored.damaged() == []
    readme = (tmp_path / "run" / "README.md").read_text()
    assert "| StageRoute |" in readme
    assert "largest overspend of a stage, in USD." in readme
    for name in WORLD:
        assert f"- `figures/{name}.svg`: " in readme
        assert f"![{name}](figures/{name}.svg)" in readme
    # The answer comes first, then the table of results.
    order = ["**Which policy has the lowest priced regret?**", "| rank | policy |", "vs first"]
    places = [readme.index(words) for words in order]
    assert places == sorted(places)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Return a study of two worlds."""
    study = mini(setting={"trials": 4})
    return run_study(study, tmp_path_factory.mktemp("write") / "run", progress=False)


def test_of_many_worlds_the_first_are_drawn_and_every_sweep(
    swept: StoredStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastroute.report.write._WORLDS_DRAWN", 1)
    # Which files there are does not depend on what is in them.
    monkeypatch.setattr(
        "fastroute.report.write.save_figure", lambda figure, path: path.write_bytes(b"figure")
    )
    written = write_report(swept.path)
    sweep = ["sweep-horizon-regret", "sweep-horizon-priced_regret"]
    names = [f"world-0-{name}" for name in WORLD]
    assert {path.relative_to(swept.path).as_posix() for path in written} == files_of(names + sweep)
    readme = (swept.path / "README.md").read_text()
    assert "1 of 2 worlds have no figures here." in readme
    assert " best or within noise of the best in " in readme


def test_figures_go_elsewhere_and_nothing_is_drawn_twice(
    swept: StoredStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Content(swept)
    world = content.view.worlds[0]
    assert content.figures(world) is content.figures(world)
    assert content.sweeps is content.sweeps
    assert content.summary is content.summary
    monkeypatch.setattr("fastroute.report.write._WORLDS_DRAWN", 1)
    monkeypatch.setattr("fastroute.report.write._SUFFIXES", (".svg",))
    before = contents(swept.path)
    drawn = write_figures(swept.path, tmp_path)
    assert {path.suffix for path in drawn} == {".svg"}
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(
        path.name for path in drawn
    )
    assert contents(swept.path) == before


def test_other_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        write_report(tmp_path)
