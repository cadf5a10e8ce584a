"""What a study costs beside the computing: resuming very many shards, and work per shard."""

import os
import shutil
import time
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from fastroute.study import Study, load, run_study
from fastroute.study.cells import Cell, lay_out
from fastroute.study.journal import JOURNAL, Journal, Record
from fastroute.study.status import status_of
from studies import mini


class Refusing(Executor):
    """Interrupts the study when it is about to compute something, and notes when and what."""

    def __init__(self) -> None:
        self.asked = 0.0
        self.jobs: list[Any] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.asked = time.perf_counter()
        self.jobs = args[1]
        raise KeyboardInterrupt


def wide(cells: int, shards: int) -> Study:
    """Return a study of so many cells, each of so many shards."""
    return mini(
        max_cells=cells,
        setting={"horizon": 60, "seed": list(range(cells // 2)), "trials": 64 * shards},
        store={"shard_trials": 64, "curves": "moments", "stages": "means"},
    )


def pretend(path: Path, cells: list[Cell], shards: int) -> int:
    """Write a journal, and empty files, of all shards but the last of the last cell."""
    journal = Journal(path)
    written = 0
    for cell in cells:
        (path / "shards" / cell.key).mkdir(parents=True)
        records = [
            Record(
                key=cell.key,
                first=64 * k,
                stop=64 * k + 64,
                sha256=os.urandom(32).hex(),
                bytes=0,
                moments=True,
                means=True,
                seconds=0.987654321,
                compile_seconds=0.0,
                backend="numba",
                regret=123.456789,
                regret_square=9876.54321,
                priced_regret=111.111111,
                cost=0.00123456789,
                session=0,
                at=1764000000.123456,
            )
            for k in range(shards - (cell is cells[-1]))
        ]
        journal.append(records)
        for record in records:
            (path / record.name).touch()
        written += len(records)
    journal.close()
    return written


def resume(tmp_path: Path, cells: int, shards: int) -> dict[str, float]:
    """Measure how long it takes to resume a killed study, to end it, and to show it."""
    study = wide(cells, shards)
    laid = lay_out(study.resolved())
    path = tmp_path / "run"
    first = Refusing()
    with pytest.raises(KeyboardInterrupt):
        run_study(study, path, executor=first, progress=False)
    assert not path.exists()
    path.mkdir()
    # A run that was killed leaves what it wrote at the start, and the journal.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastroute.study.store.RunDirectory.close", _abandon)
        with pytest.raises(KeyboardInterrupt):
            run_study(study, path, executor=Refusing(), progress=False)
    found: dict[str, float] = {"shards": pretend(path, laid, shards)}
    found["journal MB"] = (path / JOURNAL).stat().st_size / 1e6
    for name in ("resumed from the journal", "resumed when compacted"):
        executor = Refusing()
        started = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            run_study(study, path, executor=executor, progress=False)
        found[f"{name}, s"] = executor.asked - started
        found[f"{name}: ended, s"] = time.perf_counter() - executor.asked
        (job,) = executor.jobs
        assert (job.first, job.stop) == (64 * shards - 64, 64 * shards)
        assert job.key == laid[-1].key
        assert not (path / JOURNAL).exists()
    started = time.perf_counter()
    status = status_of(load(path))
    found["status, s"] = time.perf_counter() - started
    assert status.cells_done == cells - 1
    shutil.rmtree(path)
    return found


def _abandon(directory: Any) -> None:
    directory._lock.release()


def test_resuming_finds_the_one_shard_that_is_missing(tmp_path: Path) -> None:
    assert resume(tmp_path, 20, 5)["shards"] == 99


@pytest.mark.slow
def test_a_million_shards_are_resumed_within_a_minute(tmp_path: Path) -> None:
    found = resume(tmp_path, 10_000, 100)
    print({name: round(value, 1) for name, value in found.items()})
    assert found["shards"] == 999_999
