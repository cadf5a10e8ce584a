"""A run directory that was tampered with or damaged: nothing outside is touched, all is mended."""

import contextlib
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fastroute.report.page import write_page
from fastroute.report.write import write_report
from fastroute.study import RunDirectoryError, StoredStudy, Study, load, run_study
from fastroute.study.files import SafeFolder
from fastroute.study.journal import COMPACTED, JOURNAL, Journal
from fastroute.study.manifest import intact_manifest
from fastroute.study.names import final_name, is_failure, is_figure, is_key, is_part, shard_range
from fastroute.study.status import status_of
from fastroute.study.store import RunDirectory, add_files
from studies import assert_same_frames, contents, mini, stop_after
from undrawn import without_drawings

FIGURE = "figures/regret.svg"


def tiny(trials: int = 70) -> Study:
    """Return a study of one cell and two shards."""
    setting = {"horizon": 60, "trials": trials}
    return mini(policy=[{"name": "uniform"}], setting=setting)


def run(path: Path, trials: int = 70) -> StoredStudy:
    return run_study(tiny(trials), path, workers=1, progress=False)


@pytest.fixture(scope="module", autouse=True)
def _figures_are_not_drawn() -> Iterator[None]:
    with without_drawings():
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Return a complete study with a figure and a page; not to be changed."""
    stored = run(tmp_path_factory.mktemp("whole") / "run")
    add_files(stored.path, {FIGURE: lambda place: place.write_text("<svg/>")})
    write_page(stored.path)
    return load(stored.path)


@pytest.fixture
def path(whole: StoredStudy, tmp_path: Path) -> Path:
    """Return a copy of the complete study."""
    return shutil.copytree(whole.path, tmp_path / "run")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Return a folder beside the run directory, in which nothing may change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    # Names and content that the store would remove, cut off or write to in its own folders.
    for name in (
        "0-64.parquet",
        "regret.svg",
        "trials-0.parquet",
        f"{16 * '0'}-0-64.txt",
        "thesis",
    ):
        (folder / name).write_text("precious, without a last line break")
    before = {entry: entry.read_bytes() for entry in folder.iterdir()}
    yield folder
    assert {entry: entry.read_bytes() for entry in folder.iterdir()} == before


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    place = random.Random(file.name).randrange(len(content))
    content[place] ^= 4
    file.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "truncated": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3]),
    "deleted": Path.unlink,
}
FILES = (
    "manifest.json",
    "study.toml",
    "cells.parquet",
    "shards.parquet",
    "trials.parquet",
    "curves.parquet",
    "README.md",
    "report.html",
    FIGURE,
    "shards/KEY/0-64.parquet",
    "shards/KEY/64-70.parquet",
)


def at(path: Path, name: str) -> Path:
    return path / name.replace("KEY", next((path / "shards").iterdir()).name)


def refusal_of(read: Callable[[], object]) -> str:
    """Return why something is refused; empty when it is not."""
    try:
        read()
    except RunDirectoryError as error:
        return str(error)
    return ""


def read_all(path: Path, whole: StoredStudy) -> None:
    """Read a damaged directory in every way: a right result, or one line that says what to do."""
    for read in (lambda: status_of(load(path)), lambda: write_page(path)):
        refusal = refusal_of(read)
        assert refusal == "" or "run the study again" in refusal
        assert "\n" not in refusal
    stored = load(path)
    assert stored.manifest["study"] == whole.manifest["study"]
    assert stored.manifest["scenarios"] == whole.manifest["scenarios"]
    assert stored.complete
    with contextlib.suppress(RunDirectoryError):
        stored.check_frames()
        assert stored.trials.collect().equals(whole.trials.collect())


#: Files that are damaged in every way by default: what tells of the others, a table and a shard.
EVERY_WAY = ("manifest.json", "trials.parquet", "shards/KEY/0-64.parquet")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (name, damage)
        if name in EVERY_WAY or damage == "flipped"
        else pytest.param(name, damage, marks=pytest.mark.slow)
        for name in FILES
        for damage in DAMAGE
    ],
)
def test_whatever_is_damaged_is_mended(
    whole: StoredStudy, path: Path, name: str, damage: str
) -> None:
    DAMAGE[damage](at(path, name))
    read_all(path, whole)
    stored = run(path)
    assert stored.shards_run == ("KEY" in name)
    assert_same_frames(stored, whole)
    assert contents(path) == contents(whole.path)
    # The page is a view, and a README or a figure may be edited.
    left = {"README.md", FIGURE} & {name}
    assert set(stored.damaged()) <= left
    assert run(path).shards_run == 0


@pytest.mark.parametrize(
    "name", [*FILES, "answer.md", JOURNAL, ".lock", ".trials.12.parquet", "figures/parts.svg"]
)
def test_a_link_in_the_place_of_a_file_is_refused(
    whole: StoredStudy, path: Path, outside: Path, name: str
) -> None:
    file = at(path, name)
    file.unlink(missing_ok=True)
    file.symlink_to(outside / "thesis")
    for trials in (70, 80):
        with pytest.raises(RunDirectoryError, match="is a symbolic link") as caught:
            run(path, trials)
        assert str(caught.value).startswith(f"{file}: ")
        assert "\n" not in str(caught.value)
    if name in ("README.md", "manifest.json", FIGURE, ".lock"):
        with pytest.raises(RunDirectoryError, match="is a symbolic link"):
            add_files(path, {FIGURE: lambda place: place.write_text("new")})
    if name == "report.html":
        with pytest.raises(RunDirectoryError, match="is a symbolic link"):
            write_page(path)
    else:
        read_all(path, whole)
    # A link that leads nowhere would make a file.
    file.unlink()
    file.symlink_to(outside / "new")
    with pytest.raises(RunDirectoryError, match="is a symbolic link"):
        run(path, 80)
    file.unlink()
    assert_same_frames(run(path), whole)


@pytest.mark.parametrize("name", ["shards", "shards/KEY", "failed", "figures", ".parts"])
def test_a_link_in_the_place_of_a_folder_is_refused(path: Path, outside: Path, name: str) -> None:
    folder = at(path, name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.symlink_to(outside)
    for trials in (70, 80):
        with pytest.raises(RunDirectoryError, match="is a symbolic link"):
            run(path, trials)
    if name == "figures":
        with pytest.raises(RunDirectoryError, match="is a symbolic link"):
            add_files(path, {FIGURE: lambda place: place.write_text("new")})


def test_the_directory_itself_may_be_reached_through_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    assert run(tmp_path / "link", 80).shards_run == 1
    assert load(path).complete


@pytest.mark.parametrize(
    "name",
    [
        *("../victim", "figures/../../victim", "/victim", "a//b", ".", ""),
        # Where these are separators and drives.
        *("..\\victim", "figures/..\\..\\victim", "C:victim", "shards:victim"),
    ],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    inside = SafeFolder(tmp_path / "run")
    for attempt in (
        lambda: inside.write(name, lambda place: place.write_text("x")),
        lambda: inside.remove(name),
        lambda: inside.open(name),
        lambda: inside.make_folder(name),
    ):
        with pytest.raises(RunDirectoryError, match="leads out of the run directory"):
            attempt()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_names_that_lead_out_are_refused_in_a_manifest(path: Path, outside: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    name = "figures/../../outside/regret.svg"
    manifest["files"][name] = {"sha256": "", "bytes": 0}
    (path / "manifest.json").write_text(json.dumps(manifest))
    for attempt in (lambda: run(path, 80), lambda: load(path), lambda: add_files(path, {})):
        with pytest.raises(RunDirectoryError, match="leads out of the run directory") as caught:
            attempt()
        assert f'manifest.json: names the file "{name}"' in str(caught.value)
    # The remedy that is named.
    (path / "manifest.json").unlink()
    assert run(path, 80).complete


@pytest.mark.parametrize("where", [JOURNAL, COMPACTED])
def test_names_that_lead_out_are_refused_in_records(path: Path, outside: Path, where: str) -> None:
    record = load(path).shards.collect().with_columns(key=pl.lit("../../outside"))
    if where == COMPACTED:
        record.write_parquet(path / COMPACTED)
    else:
        line = json.dumps(record.row(0, named=True))
        (path / JOURNAL).write_text(f"{line}\n")
    for attempt in (lambda: run(path), lambda: load(path).cells.collect()):
        with pytest.raises(RunDirectoryError, match=r'"shards/\.\./\.\./outside", which leads out'):
            attempt()


def test_files_of_others_stay_and_stop_nothing(
    whole: StoredStudy, path: Path, outside: Path
) -> None:
    key = next((path / "shards").iterdir())
    (path / "failed").mkdir()
    files = [
        path / ".DS_Store",
        path / "notes.txt",
        path / "._manifest.json",
        path / "shards" / ".DS_Store",
        path / "shards" / "notes" / "0-64.parquet",
        key / "notes.txt",
        key / "._0-64.parquet",
        key / "@eaDir" / "0-64.parquet",
        path / "figures" / "mine.png",
        path / "failed" / ".directory",
        path / ".parts" / "mine.parquet",
    ]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
    (path / "shards" / "elsewhere").symlink_to(outside)
    (key / "link").symlink_to(outside)
    for trials in (70, 80, 80):
        assert status_of(load(path)).state == "complete"
        write_page(path)
        assert run(path, trials).complete
    assert [file for file in files if file.read_text() != "mine"] == []
    assert (path / "shards" / "elsewhere").is_symlink()
    # Also when the manifest is lost, and when the run is stopped before its first shard.
    (path / "manifest.json").unlink()
    assert run(path, 80).complete
    new = path.with_name("new")
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 0, KeyboardInterrupt())
        real = RunDirectory.start

        def start(directory: RunDirectory) -> None:
            real(directory)
            (new / "shards" / "mine").mkdir(parents=True)

        patch.setattr(RunDirectory, "start", start)
        with pytest.raises(KeyboardInterrupt):
            run(new)
    assert [entry.relative_to(new).as_posix() for entry in new.rglob("*")] == [
        "shards",
        "shards/mine",
    ]


def test_only_names_that_the_store_gives_are_removed(tmp_path: Path) -> None:
    assert shard_range("64-128.parquet") == (64, 128)
    for name in ("064-128.parquet", "64-64.parquet", "64-128.parquet.bak", "._64-128.parquet"):
        assert shard_range(name) is None
    assert final_name(".64-128.4711.parquet") == "64-128.parquet"
    assert final_name(".notes.txt") == final_name("64-128.4711.parquet") == ""
    assert is_key("0fc9028f490ef40b")
    assert not is_key("@eaDir")
    assert is_failure("0fc9028f490ef40b-0-64.txt")
    assert not is_failure("notes.txt")
    assert is_part("trials-0.parquet")
    assert not is_part("mine.parquet")


def test_every_figure_of_a_report_has_a_name_that_the_store_knows(tmp_path: Path) -> None:
    data = tiny(2).to_dict()
    data["setting"]["horizon"] = [40, 60]
    data["answer"] = "interval"
    run_study(Study.from_dict(data), tmp_path / "run", progress=False)
    drawn = [file for file in write_report(tmp_path / "run") if file.parent.name == "figures"]
    assert len(drawn) >= 16
    assert [file.name for file in drawn if not is_figure(file.name)] == []


def test_figures_that_were_removed_do_not_stop_a_longer_run(path: Path) -> None:
    shutil.rmtree(path / "figures")
    assert run(path, 80).complete


@pytest.mark.parametrize(
    "lost",
    [
        ("manifest.json", "shards.parquet"),
        ("manifest.json", "shards.parquet", "cells.parquet", "study.toml", "trials.parquet"),
    ],
)
def test_the_shards_are_enough(
    whole: StoredStudy,
    path: Path,
    lost: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in lost:
        (path / name).unlink()
    if "cells.parquet" in lost:
        with pytest.raises(RunDirectoryError, match="run the study again into"):
            load(path)
    else:
        assert status_of(load(path)).state == "complete"
        assert_same_frames(load(path), whole)
    # Nothing of it is lost to another study either.
    with pytest.raises(RunDirectoryError, match="holds results of another study"):
        run_study(tiny().with_setting(seed=9), path, progress=False)
    stored = run_study(tiny(), path)
    err = capfd.readouterr().err
    assert "manifest.json: missing or damaged, and rebuilt" in err
    assert "shards.parquet: missing or damaged, and rebuilt from the shards" in err
    assert stored.shards_run == 0
    assert_same_frames(stored, whole)
    assert contents(path) == contents(whole.path)
    assert stored.damaged() == []


def test_a_manifest_that_is_built_anew_keeps_what_is_known(whole: StoredStudy, path: Path) -> None:
    (path / "manifest.json").unlink()
    found = load(path).manifest
    left = {name for name, value in whole.manifest.items() if found[name] != value}
    assert left == {"files"}
    # Of the sessions only shards.parquet tells.
    (path / "shards.parquet").unlink()
    found = load(path).manifest
    assert found["versions"] == {"fastroute": "unknown"}
    assert found["study"] == whole.manifest["study"]


def test_every_damaged_bit_of_a_manifest_is_found_where_it_matters(
    whole: StoredStudy, path: Path
) -> None:
    content = (path / "manifest.json").read_bytes()
    draw = random.Random(3)
    rebuilt = 0
    for place in draw.sample(range(len(content)), 60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << draw.randrange(8)
        (path / "manifest.json").write_bytes(damaged)
        rebuilt += intact_manifest(path) is None
        stored = load(path)
        assert status_of(stored).state == "complete"
        for name in ("study", "axes", "scenarios", "cells", "name"):
            assert stored.manifest[name] == whole.manifest[name]
    assert rebuilt > 20


def test_directories_of_older_versions_are_read_and_continued(
    whole: StoredStudy, path: Path
) -> None:
    """Files had no seal, lines of the journal no checksum, and the manifest no digest."""
    for file in path.rglob("*.parquet"):
        pl.read_parquet(file).write_parquet(file, statistics=False)
    records = whole.shards.collect()
    for row in records.iter_rows(named=True):
        file = path / "shards" / row["key"] / f"{row['first']}-{row['stop']}.parquet"
        entry = SafeFolder(path).write(file.relative_to(path).as_posix(), _copy(file))
        records = records.with_columns(
            pl.when(first=row["first"]).then(pl.lit(entry[name])).otherwise(name).alias(name)
            for name in ("sha256", "bytes")
        )
    lines = "".join(json.dumps(row) + "\n" for row in records.iter_rows(named=True))
    records.write_parquet(path / COMPACTED)
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["digest"]
    for file in path.glob("*.parquet"):
        manifest["files"][file.name] = SafeFolder(path).write(file.name, _copy(file))
    (path / "manifest.json").write_text(json.dumps(manifest))
    stored = load(path)
    assert stored.damaged() == []
    assert status_of(stored).state == "complete"
    assert_same_frames(stored, whole)
    assert run(path).shards_run == 0
    (path / COMPACTED).unlink()
    (path / JOURNAL).write_text(lines)
    assert load(path).cells.collect()["shards_done"].sum() == 2
    assert run(path, 80).shards_run == 1


def _copy(file: Path) -> Callable[[Path], Any]:
    content = file.read_bytes()
    return lambda place: place.write_bytes(content)


def test_a_reader_never_sees_a_study_killed_that_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone reads before and after everything that the last write does to the disk."""
    path = tmp_path / "run"
    seen: list[str] = []
    before: list[StoredStudy] = []
    ending = False

    def read() -> None:
        stored = load(path)
        before.append(stored)
        assert stored.trials.collect().height == 70
        # Whoever loaded it earlier, and asks only now, is not misled either.
        seen.extend(status_of(one).state for one in before)

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if ending:
                read()
            result = real(*args, **kwargs)
            if ending:
                read()
            return result

        return call

    finish = RunDirectory.finish

    def ends(*args: Any) -> None:
        nonlocal ending
        ending = True
        finish(*args)

    monkeypatch.setattr(RunDirectory, "finish", ends)
    for owner, name in (
        (os, "fsync"),
        (Path, "replace"),
        (Path, "unlink"),
        (Journal, "close"),
    ):
        monkeypatch.setattr(owner, name, watched(getattr(owner, name)))
    run(path)
    ending = False
    monkeypatch.undo()
    assert len(before) > 20
    seen += [stored.state for stored in before]
    assert set(seen) == {"running", "complete"}
    assert status_of(load(path)).state == "complete"


@pytest.mark.parametrize("status", ["running", "complete"])
def test_the_state_of_a_study(path: Path, status: str) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "status": status}))
    stored = load(path)
    assert stored.state == {"running": "killed", "complete": "complete"}[status]
    # Someone ran it on and came to an end since it was loaded.
    run(path, 80)
    assert stored.state == status


def test_a_damaged_journal_of_a_killed_run_costs_nothing(
    whole: StoredStudy, tmp_path: Path
) -> None:
    """A line that is damaged is not believed, and its shard says what it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDirectory, "finish", lambda *_: None)
        patch.setattr("fastroute.study.run.write_frames", lambda _: [])
        run(tmp_path / "killed")
    content = (tmp_path / "killed" / JOURNAL).read_bytes()
    draw = random.Random(7)
    for place in draw.sample(range(len(content)), 5):
        path = shutil.copytree(tmp_path / "killed", tmp_path / f"run-{place}")
        damaged = bytearray(content)
        damaged[place] ^= 1 << draw.randrange(8)
        (path / JOURNAL).write_bytes(damaged)
        assert status_of(load(path)).state == "killed"
        stored = run(path)
        assert stored.shards_run == 0
        assert_same_frames(stored, whole)
        found, wanted = (
            one.shards.select("sha256", "regret", "cost").collect() for one in (stored, whole)
        )
        assert found.equals(wanted)


def test_several_files_are_written_at_once(tmp_path: Path) -> None:
    inside = SafeFolder(tmp_path)
    contents = {f"shards/{key}/{place}.parquet": b"%d" % place for key in "ab" for place in (0, 1)}
    for _ in range(2):
        entries = inside.write_all({**contents, "one": b""})
        assert [entry["bytes"] for entry in entries] == [1, 1, 1, 1, 0]
        written = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert written == {tmp_path / name for name in (*contents, "one")}
        for entry, (name, content) in zip(entries, contents.items(), strict=False):
            assert (tmp_path / name).read_bytes() == content
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    (tmp_path / "away").symlink_to(tmp_path / "shards")
    for name in ("away/x", "../x"):
        with pytest.raises(RunDirectoryError):
            inside.write_all({"shards/c/0.parquet": b"", name: b""})
        assert not (tmp_path / "shards/c").exists()
