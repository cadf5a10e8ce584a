import hashlib
import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import factories
from fastroute.study import RunDirectoryError, Study, load
from fastroute.study.store import FRAMES, RunDirectory, add_files, complete_at, write_file

ABOUT = {"cost_unit": "USD per query", "note": "a surrogate", "models": ["a", "b"]}
POLICIES = ("StageRoute", "uniform")


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.from_dict(
        {
            "name": "mini",
            "description": "A few rounds.",
            "scenario": {"name": "static"},
            "policy": [{"name": "stageroute", "label": "StageRoute"}, {"name": "uniform"}],
            "setting": {"horizon": 20_000, "budget": 0.001, "max_deployed": 2, "trials": 4},
        }
    ).resolved()


def tagged(policy: str) -> dict[str, pl.DataFrame]:
    return factories.fake_study_frames((policy,), trials=4, stages=3)


def fill(directory: RunDirectory, policies: tuple[str, ...] = POLICIES) -> None:
    for policy in policies:
        directory.add_policy(policy, tagged(policy), {"seconds": 1.0, "ns_per_trial_round": 12.5})


def finish(directory: RunDirectory) -> None:
    fill(directory)
    directory.finish(factories.fake_study_frames(POLICIES, trials=4, stages=3))


def test_a_finished_directory_explains_itself(study: Study, tmp_path: Path) -> None:
    directory = RunDirectory.create(study, ABOUT, tmp_path / "run")
    finish(directory)
    path = directory.path
    assert {entry.name for entry in path.iterdir()} == {
        "README.md",
        "manifest.json",
        "study.toml",
        *(f"{frame}.parquet" for frame in FRAMES),
    }
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["content_hash"] == study.content_hash
    assert manifest["seed"] == 0
    assert {"python", "fastroute", "numpy", "numba", "polars"} <= set(manifest["versions"])
    assert [entry["label"] for entry in manifest["policies"]] == list(POLICIES)
    for name, entry in manifest["files"].items():
        content = (path / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    readme = (path / "README.md").read_text()
    for name in {*manifest["files"], "manifest.json"} - {"README.md"}:
        assert f"- `{name}`: " in readme
    assert "a surrogate" in readme
    assert "All policies finished." in readme
    assert Study.from_toml(path / "study.toml") == study


def test_reading_back_is_lazy_and_exact(study: Study, tmp_path: Path) -> None:
    finish(RunDirectory.create(study, ABOUT, tmp_path / "run"))
    stored = load(tmp_path / "run")
    assert stored.complete
    assert stored.study == study
    assert stored.damaged() == []
    frames = factories.fake_study_frames(POLICIES, trials=4, stages=3)
    for name in FRAMES:
        lazy = getattr(stored, name)
        assert isinstance(lazy, pl.LazyFrame)
        assert_frame_equal(lazy.collect(), frames[name])


def test_policies_that_finished_can_be_read_before_the_end(study: Study, tmp_path: Path) -> None:
    directory = RunDirectory.create(study, ABOUT, tmp_path / "run")
    with pytest.raises(RunDirectoryError, match="no policy has finished"):
        load(directory.path)
    fill(directory, POLICIES[:1])
    kept = directory.stop()
    assert kept == f"1 of 2 policies had finished and are kept in {directory.path}"
    stored = load(directory.path)
    assert not stored.complete
    assert stored.manifest["status"] == "interrupted"
    assert stored.damaged() == []
    assert_frame_equal(stored.trials.collect(), tagged("StageRoute")["trials"])
    assert "Interrupted: 1 of 2" in (directory.path / "README.md").read_text()


def test_nothing_is_left_when_nothing_finished(study: Study, tmp_path: Path) -> None:
    directory = RunDirectory.create(study, ABOUT, tmp_path / "run")
    assert "nothing was kept" in directory.stop()
    assert not (tmp_path / "run").exists()


def test_files_of_others_survive_a_stop(study: Study, tmp_path: Path) -> None:
    directory = RunDirectory.create(study, ABOUT, tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    directory.stop()
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_the_default_directory_gets_a_number_when_taken(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [RunDirectory.create(study, ABOUT, None).path for _ in range(3)]
    assert paths == [Path("runs/mini"), Path("runs/mini-2"), Path("runs/mini-3")]


def test_a_directory_that_holds_something_is_refused(study: Study, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunDirectoryError, match="not empty; choose another"):
        RunDirectory.create(study, ABOUT, tmp_path)
    with pytest.raises(RunDirectoryError, match="cannot be used as a directory"):
        RunDirectory.create(study, ABOUT, tmp_path / "notes.txt")
    RunDirectory.create(study, ABOUT, tmp_path / "run")
    with pytest.raises(RunDirectoryError, match="unfinished run of this study"):
        RunDirectory.create(study, ABOUT, tmp_path / "run")
    with pytest.raises(RunDirectoryError, match='another study, "mini"'):
        RunDirectory.create(study.with_setting(seed=9), ABOUT, tmp_path / "run")


def test_only_the_same_study_complete_and_undamaged_counts_as_done(
    study: Study, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert complete_at(study, run) is None
    finish(RunDirectory.create(study, ABOUT, run))
    assert complete_at(study.with_setting(seed=9), run) is None
    (run / "README.md").write_text("edited by hand")
    stored = complete_at(study, run)
    assert stored is not None
    assert stored.damaged() == ["README.md"]
    (run / "trials.parquet").write_bytes(b"")
    assert complete_at(study, run) is None
    with pytest.raises(RunDirectoryError, match=r"changed: trials\.parquet; remove"):
        RunDirectory.create(study, ABOUT, run)


@pytest.mark.parametrize("content", [None, "not json", '{"format": 99}', "[]"])
def test_other_directories_are_not_run_directories(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunDirectoryError, match=r"manifest\.json"):
        load(tmp_path)


def test_added_files_are_in_the_manifest_and_the_readme(study: Study, tmp_path: Path) -> None:
    finish(RunDirectory.create(study, ABOUT, tmp_path))
    add_files(
        tmp_path, {"figures/regret.svg": lambda path: path.write_text("<svg/>")}, "| a table |"
    )
    readme = (tmp_path / "README.md").read_text()
    assert "## Results\n\n| a table |" in readme
    assert "- `figures/regret.svg`: " in readme
    assert load(tmp_path).damaged() == []


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_file(path, lambda place: place.write_text("old"))

    def fail(place: Path) -> None:
        place.write_text("half")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="fire"):
        write_file(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
