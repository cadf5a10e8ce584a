from pathlib import Path

import pytest

from fastroute.report import write_report
from fastroute.study import RunDirectoryError, Study, load, run_study
from studies import mini

NAMES = ("regret", "priced_regret", "parts", "spend")


def test_a_report_is_drawn_into_the_run_directory(tmp_path: Path) -> None:
    study = Study.preset("quickstart").with_setting(horizon=300, trials=3)
    run_study(study, tmp_path / "run", progress=False)
    figures = write_report(tmp_path / "run")
    assert {path.relative_to(tmp_path / "run").as_posix() for path in figures} == {
        f"figures/{name}.{suffix}" for name in NAMES for suffix in ("svg", "png")
    }
    stored = load(tmp_path / "run")
    assert stored.damaged() == []
    readme = (tmp_path / "run" / "README.md").read_text()
    assert "| StageRoute |" in readme
    assert "in USD." in readme
    for name in NAMES:
        assert f"- `figures/{name}.svg`: " in readme


def test_worlds_of_too_many_policies_to_tell_apart_are_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastroute.report.write._POLICIES_DRAWN", 1)
    run_study(mini(setting={"trials": 4}), tmp_path / "run", progress=False)
    assert write_report(tmp_path / "run") == []
    assert "2 of 2 worlds have no figures here." in (tmp_path / "run" / "README.md").read_text()


def test_other_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        write_report(tmp_path)
