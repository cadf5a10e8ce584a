"""The run directory: what it says of itself, and what it refuses."""

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from fastroute.study import RunDirectoryError, StoredStudy, Study, load, run_study
from fastroute.study.cells import lay_out
from fastroute.study.files import sync_directory, write_file
from fastroute.study.lock import Lock
from fastroute.study.store import RunDirectory, add_files, differences
from fastroute.study.tables import FRAMES, PARAMETERS, schemas
from studies import mini


def small() -> Study:
    return mini(description="A few rounds.", setting={"trials": 70})


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Return a finished study; not to be changed."""
    return run_study(small(), tmp_path_factory.mktemp("stored") / "run", progress=False)


def open_directory(path: Path, study: Study | None = None) -> RunDirectory:
    resolved = (study or small()).resolved()
    return RunDirectory(path, resolved, lay_out(resolved))


def abandon(directory: RunDirectory) -> None:
    """Leave a directory as a killed process does."""
    assert directory._journal is not None
    directory._journal.close()
    directory._lock.release()


def test_a_finished_directory_explains_itself(stored: StoredStudy) -> None:
    path = stored.path
    assert {entry.name for entry in path.iterdir()} == {
        "README.md",
        "manifest.json",
        "study.toml",
        "shards",
        "shards.parquet",
        "cells.parquet",
        *(f"{frame}.parquet" for frame in FRAMES),
    }
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest == stored.manifest
    assert manifest["status"] == "complete"
    assert manifest["content_hash"] == small().content_hash
    assert (manifest["cells"], manifest["shards"]) == (4, {"total": 8, "done": 8, "failed": []})
    assert {"python", "fastroute", "numpy", "numba", "polars"} <= set(manifest["versions"])
    assert manifest["sessions"][0]["ended"] is not None
    for name, entry in manifest["files"].items():
        content = (path / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    for shard in stored.shards.collect().iter_rows(named=True):
        name = f"shards/{shard['key']}/{shard['first']}-{shard['stop']}.parquet"
        content = (path / name).read_bytes()
        assert shard["sha256"] == hashlib.sha256(content).hexdigest()
    readme = (path / "README.md").read_text()
    for name in {*manifest["files"], "manifest.json"} - {"README.md"}:
        assert f"- `{name}`: " in readme
    assert "A few rounds." in readme
    assert "4 cells (scenario `static`; policies `stageroute`, `uniform`)" in readme
    assert "horizon 60, 90, budget `1.2 * cheapest`" in readme
    assert "Complete." in readme
    assert Study.from_toml(path / "study.toml") == small().resolved()


@pytest.mark.parametrize("name", schemas())
@pytest.mark.parametrize("finished", [True, False])
def test_frames_have_the_columns_that_are_documented(
    stored: StoredStudy, tmp_path: Path, name: str, finished: bool
) -> None:
    path = shutil.copytree(stored.path, tmp_path / "run")
    if not finished:
        manifest = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    lazy = getattr(load(path), name)
    assert isinstance(lazy, pl.LazyFrame)
    frame = lazy.collect()
    # Between both: the axes of the grid that have no column among the parameters.
    assert frame.columns == [*PARAMETERS, *schemas()[name]]
    for column, kind in schemas()[name].items():
        assert frame.schema[column] == kind, column
    assert lazy.collect_schema() == frame.schema
    assert frame.equals(getattr(stored, name).collect())
    assert frame["cell"].is_sorted()
    assert lazy.select("cell", "policy").filter(policy="uniform").head(3).collect().height == 3


def test_axes_have_columns_in_every_frame(tmp_path: Path) -> None:
    study = mini(
        scenario={"name": "static", "n_models": [3, 4]},
        policy=[{"name": "stageroute", "gamma": [0.1, "theory"]}, {"name": "uniform"}],
        setting={"budget": ["cheapest", "1.5 * cheapest"], "trials": 2, "deploy_cost": [0, 0.5]},
    )
    stored = run_study(study, tmp_path / "run", progress=False)
    axes = ["scenario_n_models", "budget_rule", "setting_deploy_cost", "policy_gamma"]
    assert stored.axes == axes
    for name in (*FRAMES, "trial_curves"):
        frame = getattr(stored, name)
        assert frame.collect_schema().names()[: len(PARAMETERS) + 4] == [*PARAMETERS, *axes]
    found = stored.trials.select(axes).unique().collect()
    assert found.height == 2 * 2 * 2 * 3
    assert found.schema == {
        "scenario_n_models": pl.Int64,
        "budget_rule": pl.String,
        "setting_deploy_cost": pl.Float64,
        "policy_gamma": pl.String,
    }
    assert set(found["policy_gamma"]) == {"0.1", "theory", "paper"}


def test_rounds_of_loading_are_an_axis(tmp_path: Path) -> None:
    study = mini(setting={"horizon": 60, "stages": 6, "load_rounds": [0, 4, 10]})
    assert Study.from_toml_text(study.to_toml()) == study
    stored = run_study(study, tmp_path / "run", progress=False)
    assert stored.axes == ["setting_load_rounds"]
    assert stored.study == study.resolved()
    assert stored.cells.collect()["load_rounds"].to_list() == [0, 0, 4, 4, 10, 10]
    # Nothing serves while the first models load.
    unserved = (
        stored.trials.group_by("setting_load_rounds")
        .agg(pl.col("no_capacity_rounds").min())
        .sort("setting_load_rounds")
        .collect()
    )
    assert unserved.rows() == [(0, 0), (4, 4), (10, 10)]


def test_other_directories_are_refused(stored: StoredStudy, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunDirectoryError, match="not empty; choose another"):
        open_directory(tmp_path)
    with pytest.raises(RunDirectoryError, match="cannot be used as a directory"):
        open_directory(tmp_path / "notes.txt")
    path = shutil.copytree(stored.path, tmp_path / "run")
    manifest = json.loads((path / "manifest.json").read_text())
    # Format 2 holds a priced regret that credits unspent budget.
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(RunDirectoryError, match="not of format 3"):
        open_directory(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt", "run"]


@pytest.mark.parametrize("content", [None, "not json", '{"format": 99}', "[]"])
def test_what_is_no_run_directory_cannot_be_loaded(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunDirectoryError, match=r"manifest\.json"):
        load(tmp_path)


def test_two_writers_are_not_mixed(
    stored: StoredStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastroute.study.lock._PATIENCE", 0.05)
    path = shutil.copytree(stored.path, tmp_path / "run")
    with Lock(path):
        for attempt in (
            lambda: run_study(small(), path, progress=False),
            lambda: add_files(path, {}),
        ):
            with pytest.raises(RunDirectoryError, match="is being written to by process"):
                attempt()
        # Reading is not refused.
        assert load(path).holder is not None
        assert load(path).trials.collect().height == 4 * 70
    assert run_study(small(), path, progress=False).shards_run == 0


def test_a_directory_without_shards_is_taken_by_any_study(tmp_path: Path) -> None:
    # Killed before its first shard: nothing would be lost.
    directory = open_directory(tmp_path / "run")
    directory.start()
    (directory.path / ".trials.123.parquet").write_bytes(b"half")
    abandon(directory)
    stored = run_study(small().with_setting(seed=9), tmp_path / "run", progress=False)
    assert stored.complete
    assert set(stored.trials.collect()["seed"]) == {9}
    assert not list((tmp_path / "run").glob(".*"))


def test_a_directory_that_was_killed_before_its_manifest(tmp_path: Path) -> None:
    directory = open_directory(tmp_path / "run")
    directory.start()
    abandon(directory)
    (directory.path / "manifest.json").unlink()
    assert run_study(small(), tmp_path / "run", progress=False).complete
    # A study and a README of someone's own are no such thing.
    own = tmp_path / "own"
    own.mkdir()
    for name in ("study.toml", "README.md"):
        (own / name).write_text("mine")
    with pytest.raises(RunDirectoryError, match="not empty"):
        run_study(small(), own, progress=False)


def test_files_of_others_survive(tmp_path: Path) -> None:
    directory = open_directory(tmp_path / "run")
    directory.start()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    directory.close()
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_other_versions_are_noted(stored: StoredStudy, tmp_path: Path) -> None:
    path = shutil.copytree(stored.path, tmp_path / "run")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["sessions"][0]["versions"]["numba"] = "0.1"
    (path / "manifest.json").write_text(json.dumps(manifest))
    directory = open_directory(path)
    (note,) = directory.notes
    assert "other versions than in the session before" in note
    assert "numba 0.1 -> " in note
    directory.close()


def test_added_files_are_in_the_manifest_and_the_readme(
    stored: StoredStudy, tmp_path: Path
) -> None:
    path = shutil.copytree(stored.path, tmp_path / "run")
    add_files(path, {"figures/regret.svg": lambda place: place.write_text("<svg/>")}, "| a table |")
    readme = (path / "README.md").read_text()
    assert "## Results\n\n| a table |" in readme
    assert "- `figures/regret.svg`: " in readme
    assert load(path).damaged() == []


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


def test_a_file_that_somebody_reads_is_replaced_when_he_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.txt"
    real, refusals = Path.replace, [1, 2]

    def replace(place: Path, target: Path) -> Path:
        if refusals:
            refusals.pop()
            raise PermissionError(errno.EACCES, "in use", str(target))
        return real(place, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(PermissionError, match="in use"):
        write_file(path, lambda place: place.write_text("x"))
    monkeypatch.setattr("fastroute.study.files._READERS_PATIENCE", 60.0)
    write_file(path, lambda place: place.write_text("x"))
    assert (path.read_text(), refusals) == ("x", [])


def test_names_are_not_flushed_where_no_directory_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_DIRECTORY")
    monkeypatch.setattr(os, "open", None)
    sync_directory(tmp_path)


def test_a_full_disk_is_an_error_of_the_system_whoever_writes(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    frame = pl.DataFrame({"x": range(1000)})
    for write in (
        lambda place: frame.write_parquet(full),
        lambda place: frame.lazy().sink_parquet(full),
        lambda place: full.write_bytes(b"x"),
    ):
        with pytest.raises(OSError, match="No space left on device") as caught:
            write_file(tmp_path / "x.parquet", write)
        assert caught.value.errno == errno.ENOSPC
        assert not list(tmp_path.iterdir())


def test_differences_name_the_place_and_both_sides() -> None:
    there = {"a": 1, "b": {"c": [1, 2], "d": "x"}, "p": [{"q": 1}, {"q": 2}], "description": "x"}
    here = {"a": 1, "b": {"c": [1, 3]}, "p": [{"q": 1}], "description": "y", "e": True}
    assert differences(there, here) == [
        "b.c: [1, 2] -> [1, 3]",
        'b.d: "x" -> nothing',
        "p[1]: { q = 2 } -> nothing",
        "e: nothing -> true",
    ]
    assert differences(there, there) == []
