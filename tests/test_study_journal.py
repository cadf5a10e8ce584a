"""The journal of shards: torn lines, broken lines, compaction, and the lock."""

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fastroute.study import RunDirectoryError
from fastroute.study.journal import COMPACTED, JOURNAL, Journal, Record, read_records
from fastroute.study.lock import LOCK, Lock, lock_holder
from fastroute.study.planning import CellPlan, StorageMode, plan_cell


def record(key: str = "a", first: int = 0, stop: int = 64, **changes: object) -> Record:
    values: dict[str, object] = {
        "sha256": "0" * 64,
        "bytes": 10,
        "moments": False,
        "means": False,
        "seconds": 0.5,
        "compile_seconds": 0.0,
        "backend": "numba",
        "regret": 1.0 / 3.0,
        "regret_square": 1e-300,
        "priced_regret": 2.0,
        "cost": 0.1,
        "session": 0,
        "at": 1.5,
        **changes,
    }
    return Record(key, first, stop, **values)  # type: ignore[arg-type]


def of(directory: Path, key: str = "a") -> list[Record]:
    return read_records(directory).of(key)


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([record(first=64, stop=128), record(key="b")])
    journal.append([record(), record(first=64, stop=128, seconds=9.0)])
    assert of(tmp_path) == [record(), record(first=64, stop=128, seconds=9.0)]
    assert of(tmp_path, "b") == [record(key="b")]
    assert read_records(tmp_path).keys() == ["a", "b"]
    assert len(read_records(tmp_path)) == 3
    journal.close()


@pytest.mark.parametrize("lost", [1, 20, 300])
def test_a_line_that_was_cut_off_is_forgotten(tmp_path: Path, lost: int) -> None:
    journal = Journal(tmp_path)
    journal.append([record(), record(first=64, stop=128)])
    journal.close()
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole[:-lost])
    records = read_records(tmp_path)
    assert records.of("a") == [record()]
    assert records.broken == 0
    # The next line starts a line of its own.
    journal = Journal(tmp_path)
    journal.append([record(first=128, stop=192)])
    journal.close()
    assert of(tmp_path) == [record(), record(first=128, stop=192)]
    assert read_records(tmp_path).broken == 0


def test_broken_lines_are_counted_and_cost_their_shards_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([record(first=64 * k, stop=64 * k + 64) for k in range(4)])
    journal.close()
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][:30] + b"\x00\n"
    lines[2] = b'{"key": "a"}\n'
    (tmp_path / JOURNAL).write_bytes(b"".join(lines))
    records = read_records(tmp_path)
    assert [found.first for found in records.of("a")] == [0, 192]
    assert records.broken == 2


def test_compaction_keeps_all_and_a_crash_in_it_does_no_harm(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([record(), record(key="b")])
    before = read_records(tmp_path)
    lines = (tmp_path / JOURNAL).read_bytes()
    entry = journal.compact(before)
    assert not (tmp_path / JOURNAL).exists()
    assert entry["bytes"] == (tmp_path / COMPACTED).stat().st_size
    assert_frame_equal(read_records(tmp_path).frame(), before.frame())
    # Killed between writing the one file and removing the other.
    (tmp_path / JOURNAL).write_bytes(lines)
    assert_frame_equal(read_records(tmp_path).frame(), before.frame())
    # What is in the journal is newer.
    journal = Journal(tmp_path)
    journal.append([record(seconds=7.0)])
    journal.close()
    assert of(tmp_path) == [record(seconds=7.0)]


def test_a_full_disk_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.append([record()])

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fastroute.study.journal.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            journal.append([record(first=64, stop=128)])
    journal.append([record(first=128, stop=192)])
    journal.close()
    assert [found.first for found in of(tmp_path)] == [0, 128]


def test_an_empty_directory_has_no_records(tmp_path: Path) -> None:
    assert len(read_records(tmp_path)) == 0
    assert read_records(tmp_path).frame().is_empty()
    assert read_records(tmp_path).frame().schema["first"] == pl.Int64


def test_the_second_writer_is_refused_and_told_who_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastroute.study.lock._PATIENCE", 0.05)
    assert lock_holder(tmp_path) is None
    with Lock(tmp_path):
        holder = lock_holder(tmp_path)
        assert holder is not None
        with pytest.raises(RunDirectoryError, match=f"by process {holder['pid']} on ") as caught:
            Lock(tmp_path)
        assert holder["since"] in str(caught.value)
        # Having asked does not free it.
        with pytest.raises(RunDirectoryError):
            Lock(tmp_path)
    assert lock_holder(tmp_path) is None
    assert not (tmp_path / LOCK).exists()
    Lock(tmp_path).release()


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys; from fastroute.study.lock import Lock;"
        "Lock(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert json.loads((tmp_path / LOCK).read_text())["pid"]
    assert lock_holder(tmp_path) is None
    Lock(tmp_path).release()


def test_many_who_ask_at_once_do_not_take_each_other_for_the_writer(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(' {"pid": 1}')
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lock_holder, [tmp_path] * 200)) == {None}


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EROFS], ids=["not mine", "a read-only file system"]
)
def test_who_may_only_read_is_told_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.open

    def read_only(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, flags, *mode)

    with Lock(tmp_path), monkeypatch.context() as patch:
        patch.setattr("fastroute.study.files.os.open", read_only)
        assert (lock_holder(tmp_path) or {})["pid"] == os.getpid()
    (tmp_path / LOCK).write_text(' {"pid": 1}')
    with monkeypatch.context() as patch:
        patch.setattr("fastroute.study.files.os.open", read_only)
        assert lock_holder(tmp_path) is None


def test_where_only_who_may_write_may_lock_the_file_says_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, *, blocking: bool) -> bool:
        raise OSError(errno.EBADF, "Bad file descriptor")

    with Lock(tmp_path):
        monkeypatch.setattr("filelock.lock_descriptor", refuse)
        assert (lock_holder(tmp_path) or {})["pid"] == os.getpid()


def test_the_lock_is_released_where_no_open_file_can_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lock(tmp_path)
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if not lock._file.closed:
            raise PermissionError(errno.EACCES, "in use", str(path))
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    lock.release()
    assert not (tmp_path / LOCK).exists()


RANGES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 200)).map(lambda r: (r[0], r[0] + r[1])),
    max_size=6,
)
ALIGNED = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 3)).map(lambda r: (64 * r[0], 64 * (r[0] + r[1]))),
    max_size=6,
)


@given(
    st.integers(1, 400),
    st.sampled_from([64, 128, 256]),
    st.booleans(),
    st.one_of(RANGES, ALIGNED),
    st.sets(st.integers(0, 5)),
)
def test_a_plan_covers_every_trial_once(
    trials: int,
    shard_trials: int,
    moments: bool,
    ranges: list[tuple[int, int]],
    reduced: set[int],
) -> None:
    cell = StorageMode(trials, shard_trials, moments, means=False)
    records = [record(first=a, stop=b, moments=k in reduced) for k, (a, b) in enumerate(ranges)]
    usable, missing = plan_cell(cell, records)
    pieces = sorted([(found.first, found.stop) for found in usable] + missing)
    assert [first for first, _ in pieces] == [0, *[stop for _, stop in pieces[:-1]]]
    assert pieces[-1][1] == trials
    for found in usable:
        assert found in records
        assert moments or not found.moments
        assert not moments or (found.first % 64 == 0 and (found.stop % 64 == 0 or
                                                          found.stop == trials))  # fmt: skip
    for first, stop in missing:
        # Never across the border of a shard, so that shards do not depend on history for long.
        assert first // shard_trials == (stop - 1) // shard_trials


def test_more_trials_leave_what_is_there_alone() -> None:
    kept = record(first=0, stop=100)
    cell = StorageMode(300, 128, moments=False, means=False)
    assert plan_cell(cell, [kept]) == CellPlan([kept], [(100, 128), (128, 256), (256, 300)])
    # Sums over blocks cannot be continued in the middle of a block.
    summed = StorageMode(300, 128, moments=True, means=False)
    assert plan_cell(summed, [kept]).usable == []
    assert plan_cell(summed, [kept]).missing == [(0, 128), (128, 256), (256, 300)]
    # The last one may be smaller, when it is the last.
    assert plan_cell(StorageMode(100, 128, moments=True, means=False), [kept]).missing == []
