"""The scheduler: attempts, deaths, and what is set aside, on a pool that is told what to do."""

from collections import Counter
from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import Any

import pytest

from fastroute.simulation.settings import Settings
from fastroute.study import ExecutorError
from fastroute.study.schedule import ATTEMPTS, run_jobs
from fastroute.study.work import Job, ShardResult


class KilledWorker(Exception):
    """Named like the exception of Dask."""


def job(first: int) -> Job:
    return Job(
        key="key",
        first=first,
        stop=first + 1,
        scenario="static",
        scenario_options="{}",
        policy_options={},
        settings=Settings(horizon=1, budget=1.0, max_deployed=1),
        moments=False,
        means=False,
    )


class Told:
    """A pool that computes nothing; a table says how each attempt at a job ends.

    Everything in flight lands when nothing more fits; a death takes all with it that flies.
    """

    def __init__(self, width: int, fates: dict[int, list[Any]], restarts: int = 99) -> None:
        self.name = "told"
        self.fates = {first: list(ends) for first, ends in fates.items()}
        self.attempts: Counter[int] = Counter()
        self.flights: list[list[int]] = []
        self._width, self._restarts = width, restarts
        self._flying: list[tuple[int, Future[ShardResult]]] = []
        self._broken = False

    def submit(self, job: Job) -> "Future[ShardResult]":
        if self._broken:
            raise BrokenExecutor("told")
        self.attempts[job.first] += 1
        future: Future[ShardResult] = Future()
        self._flying.append((job.first, future))
        return future

    def max_in_flight(self) -> int:
        return self._width

    def land(self) -> None:
        """Let all that flies end."""
        flying, self._flying = self._flying, []
        self.flights.append([first for first, _ in flying])
        ends = [self.fates[first].pop(0) if self.fates.get(first) else None for first, _ in flying]
        self._broken = any(end is BrokenExecutor for end in ends)
        for (_, future), end in zip(flying, ends, strict=True):
            if self._broken:
                future.set_exception(BrokenExecutor("told"))
            elif end is CancelledError:
                future.cancel()
                future.set_running_or_notify_cancel()
            elif end is not None:
                future.set_exception(end("told"))
            else:
                future.set_result(ShardResult(b"", {}, ""))

    def restart(self) -> bool:
        self._restarts -= 1
        self._broken = False
        return self._restarts >= 0

    def stop(self, *, at_once: bool) -> None:
        pass


@pytest.fixture(autouse=True)
def _land_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pool's jobs land when the scheduler waits for them."""
    import queue

    real = queue.SimpleQueue

    class Queue:
        def __init__(self) -> None:
            self.inner: Any = real()
            self.put, self.empty = self.inner.put, self.inner.empty
            self.get_nowait = self.inner.get_nowait

        def get(self, timeout: float) -> Any:
            if self.inner.empty():
                POOLS[-1].land()
            return self.inner.get(timeout=timeout)

    monkeypatch.setattr("fastroute.study.schedule.queue.SimpleQueue", Queue)


POOLS: list[Told] = []


def outcome(pool: Told, jobs: int) -> tuple[list[int], dict[int, str]]:
    POOLS.append(pool)
    done: list[int] = []
    failed: dict[int, str] = {}
    run_jobs(
        pool,
        map(job, range(jobs)),
        lambda shards: done.extend(shard.first for shard, _ in shards),
        lambda lost, trace: failed.__setitem__(lost.first, trace),
    )
    assert sorted([*done, *failed]) == list(range(jobs))
    return sorted(done), failed


def test_all_are_done_and_never_more_than_the_width_are_in_flight() -> None:
    pool = Told(3, {})
    assert outcome(pool, 10) == (list(range(10)), {})
    assert max(map(len, pool.flights)) == 3
    assert set(pool.attempts.values()) == {1}


@pytest.mark.parametrize("error", [ValueError, MemoryError, CancelledError, KilledWorker])
@pytest.mark.parametrize("times", [1, 2])
def test_what_fails_is_tried_again(error: type[BaseException], times: int) -> None:
    pool = Told(3, {4: [error] * times})
    assert outcome(pool, 10) == (list(range(10)), {})
    assert pool.attempts[4] == 1 + times
    assert sum(pool.attempts.values()) == 10 + times


def test_what_fails_three_times_is_set_aside_with_its_traceback() -> None:
    pool = Told(3, {4: [ValueError] * 9})
    done, failed = outcome(pool, 10)
    assert done == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert failed[4].endswith("ValueError: told\n")
    assert pool.attempts[4] == ATTEMPTS == 3


@pytest.mark.parametrize("error", [CancelledError, KilledWorker])
def test_after_two_deaths_of_its_worker_a_job_flies_alone(error: type[BaseException]) -> None:
    pool = Told(3, {4: [error] * 9})
    _, failed = outcome(pool, 10)
    assert list(failed) == [4]
    assert [flight for flight in pool.flights if 4 in flight][-1] == [4]


def test_a_job_that_kills_all_workers_takes_no_other_with_it() -> None:
    pool = Told(4, {1: [BrokenExecutor] * 9})
    done, failed = outcome(pool, 12)
    assert done == [0, *range(2, 12)]
    assert "BrokenExecutor" in failed[1]
    # The last attempt was alone, so that it was known who did it.
    assert [flight for flight in pool.flights if 1 in flight][-1] == [1]
    assert pool.attempts[1] == 3


def test_several_of_them_are_all_found() -> None:
    pool = Told(4, {k: [BrokenExecutor] * 9 for k in (1, 2, 7)})
    done, failed = outcome(pool, 12)
    assert sorted(failed) == [1, 2, 7]
    assert len(done) == 9


def test_workers_that_do_nothing_but_die_end_the_study() -> None:
    pool = Told(2, {k: [BrokenExecutor] * 99 for k in range(99)})
    pool.name = "processes x 2"
    with pytest.raises(ExecutorError, match=r'under `if __name__ == "__main__":`'):
        outcome(pool, 99)


def test_an_executor_that_cannot_be_restarted_ends_the_study() -> None:
    pool = Told(2, {3: [BrokenExecutor]}, restarts=0)
    with pytest.raises(ExecutorError, match="run the study again to continue"):
        outcome(pool, 9)
