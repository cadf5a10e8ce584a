"""Small studies for the tests of what runs and stores them."""

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from fastroute.study import StoredStudy, Study
from fastroute.study.journal import Record
from fastroute.study.store import RunDirectory
from fastroute.study.work import Job, ShardResult, run_shard

FRAMES = ("trials", "curves", "stages", "summary", "trial_curves")
#: Columns of the cells that say how long something took.
TIMES = ("seconds", "ns_per_trial_round")


def mini(**changes: Any) -> Study:
    """Return a study of four cells that runs in a fraction of a second.

    Keys of `setting` and `store` are added to those here; anything else takes their place.
    """
    data: dict[str, Any] = {
        "name": "mini",
        "scenario": {"name": "static", "n_models": 4},
        "policy": [{"name": "stageroute"}, {"name": "uniform"}],
        "setting": {
            "horizon": [60, 90],
            "budget": "1.2 * cheapest",
            "max_deployed": 3,
            "trials": 150,
            "checkpoints": 5,
            "seed": 5,
        },
        "store": {"shard_trials": 64},
    }
    for name, value in changes.items():
        data[name] = {**data[name], **value} if name in ("setting", "store") else value
    return Study.from_dict(data)


def assert_same_frames(one: StoredStudy, other: StoredStudy) -> None:
    """Compare all frames of two stored studies, to the last bit and in the same order."""
    for name in FRAMES:
        assert_frame_equal(
            getattr(one, name).collect(), getattr(other, name).collect(), check_exact=True
        )
    cells = [stored.cells.collect().drop(*TIMES) for stored in (one, other)]
    # Sums over trials in the order in which shards happened to come.
    estimates = ("regret", "regret_se", "priced_regret", "cost", "shards_done", "shard_trials")
    assert_frame_equal(*(frame.drop(*estimates) for frame in cells))


def contents(path: Path) -> dict[str, bytes]:
    """Return the files that hold frames and shards, by name."""
    files = [*path.glob("*.parquet"), *path.glob("shards/*/*.parquet")]
    # When and how fast shards were computed is in here, and differs between runs.
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in files
        if file.name != "shards.parquet"
    }


def stop_after(monkeypatch: pytest.MonkeyPatch, shards: int, error: BaseException) -> None:
    """Let some shards through to the disk, and then raise in the coordinator."""
    left = shards
    real = RunDirectory.add

    def add(directory: RunDirectory, computed: Iterable[tuple[Record, bytes]]) -> None:
        nonlocal left
        for shard in list(computed):
            if left == 0:
                raise error
            left -= 1
            real(directory, [shard])

    monkeypatch.setattr(RunDirectory, "add", add)


class Shuffled(Executor):
    """Computes on one thread; a seed decides which of the waiting tasks is next.

    Stands for any number of workers: tasks complete in any order.
    """

    def __init__(self, seed: int = 0, workers: int = 1) -> None:
        self._draw = np.random.default_rng(seed)
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        self._ready = threading.Condition()
        self._closed = False
        self._max_workers = workers
        self.calls: list[Any] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._ready:
            self.calls.extend(args[1])
            self._waiting.append((future, functools.partial(fn, *args, **kwargs)))
            self._ready.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                place = int(self._draw.integers(len(self._waiting)))
                future, call = self._waiting.pop(place)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)


def deadly_shard(job: Job, progress: Any = None) -> ShardResult:
    """Compute a shard, or kill the worker first, as often as the folder in the environment says.

    The folder of ``DEADLY`` holds a file for every death that is left; the name of a file begins
    with the first trial of the shard that it is for.
    """
    for token in sorted(Path(os.environ["DEADLY"]).glob(f"{job.first}-*")):
        token.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return run_shard(job, progress)
