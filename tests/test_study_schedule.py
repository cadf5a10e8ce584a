"""The scheduler: attempts, deaths, and what is set aside, on a pool that is told what to do."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import Any

import pytest

from fastroute.simulation.settings import Settings
from fastroute.study import ExecutorError
from fastroute.study.executors import Results
from fastroute.study.schedule import ATTEMPTS, run_jobs
from fastroute.study.work import FailedShard, Job, ShardResult, run_shards


class KilledWorker(Exception):
    """Named like the exception of Dask."""


def job(first: int, horizon: int = 1) -> Job:
    return Job(
        key="key",
        first=first,
        stop=first + 1,
        scenario="static",
        scenario_options="{}",
        policy_options={},
        settings=Settings(horizon=horizon, budget=1.0, max_deployed=1),
        moments=False,
        means=False,
    )


class Told:
    """A pool that computes nothing; a table says how each attempt at a job ends.

    Everything in flight lands when nothing more fits; a death takes all with it that flies. An
    error is that of the job alone, or of its whole task where `whole` says so.
    """

    def __init__(
        self, width: int, fates: dict[int, list[Any]], restarts: int = 99, *, whole: bool = False
    ) -> None:
        self.name = "told"
        self.fates = {first: list(ends) for first, ends in fates.items()}
        self.attempts: Counter[int] = Counter()
        self.flights: list[list[list[int]]] = []
        self._width, self._restarts, self._whole = width, restarts, whole
        self._flying: list[tuple[list[int], Future[Results]]] = []
        self._broken = False

    def submit(self, jobs: Sequence[Job]) -> "Future[Results]":
        if self._broken:
            raise BrokenExecutor("told")
        firsts = [job.first for job in jobs]
        self.attempts.update(firsts)
        future: Future[Results] = Future()
        self._flying.append((firsts, future))
        return future

    def max_in_flight(self) -> int:
        return self._width

    def land(self) -> None:
        """Let all that flies end."""
        flying, self._flying = self._flying, []
        self.flights.append([firsts for firsts, _ in flying])
        ends = [
            [self.fates[first].pop(0) if self.fates.get(first) else None for first in firsts]
            for firsts, _ in flying
        ]
        self._broken = any(BrokenExecutor in task for task in ends)
        for (_, future), task in zip(flying, ends, strict=True):
            deadly = [end for end in task if end in (CancelledError, KilledWorker)]
            deadly += [end for end in task if end is not None and self._whole]
            if self._broken:
                future.set_exception(BrokenExecutor("told"))
            elif CancelledError in deadly:
                future.cancel()
                future.set_running_or_notify_cancel()
            elif deadly:
                future.set_exception(deadly[0]("told"))
            else:
                future.set_result(
                    [
                        ShardResult(b"", {}, "")
                        if end is None
                        else FailedShard(f"{end.__name__}: told\n")
                        for end in task
                    ]
                )

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
        jobs,
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


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("error", [ValueError, MemoryError, CancelledError, KilledWorker])
@pytest.mark.parametrize("times", [1, 2])
def test_what_fails_is_tried_again(error: type[BaseException], times: int, whole: bool) -> None:
    pool = Told(3, {4: [error] * times}, whole=whole)
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
    assert [flight for flight in pool.flights if [4] in flight][-1] == [[4]]


def test_a_job_that_kills_all_workers_takes_no_other_with_it() -> None:
    pool = Told(4, {1: [BrokenExecutor] * 9})
    done, failed = outcome(pool, 12)
    assert done == [0, *range(2, 12)]
    assert "BrokenExecutor" in failed[1]
    # The last attempt was alone, so that it was known who did it.
    assert [flight for flight in pool.flights if [1] in flight][-1] == [[1]]
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


def test_small_jobs_travel_together_and_fewer_of_them_at_the_end() -> None:
    pool = Told(2, {})
    assert outcome(pool, 1000) == (list(range(1000)), {})
    sizes = [len(firsts) for flight in pool.flights for firsts in flight]
    # Half a second at 4 ms each, then half of what is left by both workers' tasks together.
    assert max(sizes) == 125
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-4:] == [1] * 4


def test_large_jobs_travel_alone() -> None:
    pool = Told(2, {})
    POOLS.append(pool)
    jobs = [job(first, 40_000_000) for first in range(100)]
    run_jobs(pool, jobs, len(jobs), lambda shards: None, lambda lost, trace: None)
    assert {len(firsts) for flight in pool.flights for firsts in flight} == {1}


@pytest.mark.parametrize("error", [ValueError, BrokenExecutor, KilledWorker])
def test_what_fails_among_others_is_tried_again_alone(error: type[BaseException]) -> None:
    pool = Told(2, {5: [error] * 9})
    done, failed = outcome(pool, 1000)
    assert done == [first for first in range(1000) if first != 5]
    assert list(failed) == [5]
    tasks = [firsts for flight in pool.flights for firsts in flight if 5 in firsts]
    assert len(tasks[0]) == 125
    assert tasks[1:] == [[5], [5]]
    # An error is that of the shard; where a worker died, all that it had are tried again.
    assert pool.attempts[6] == (1 if error is ValueError else 2)


def test_a_shard_that_fails_takes_no_other_of_its_task_with_it() -> None:
    class Untransportable(Exception):
        def __reduce__(self) -> Any:
            raise TypeError

    def compute(one: Job) -> ShardResult:
        if one.first == 1:
            raise Untransportable("no luck")
        return ShardResult(b"%d" % one.first, {}, "")

    first, second, third = run_shards(compute, map(job, range(3)))
    assert (first, third) == (ShardResult(b"0", {}, ""), ShardResult(b"2", {}, ""))
    assert isinstance(second, FailedShard)
    assert "in compute" in second.trace
    assert second.trace.endswith("Untransportable: no luck\n")


def test_a_task_that_is_stopped_ends_at_once() -> None:
    def compute(one: Job) -> ShardResult:
        raise InterruptedError("stopped")

    with pytest.raises(InterruptedError, match="stopped"):
        run_shards(compute, [job(0), job(1)])
