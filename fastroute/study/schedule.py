"""Scheduling of shards: put them into tasks, submit these, collect results, retry what failed."""

import logging
import queue
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import Final

from fastroute.study.errors import ExecutorError
from fastroute.study.executors import Pool, Results
from fastroute.study.work import FailedShard, Job, ShardResult

_log: Final = logging.getLogger(__name__)
#: Attempts at a shard before it is set aside.
ATTEMPTS: Final = 3
# A task has as many shards as are worth about half a second: more is lost when a worker dies, less
# goes into sending them. What a shard takes on a worker, beside its rounds, and each of those:
_TASK_SECONDS: Final = 0.5
_SHARD_SECONDS: Final = 4e-3
_ROUND_SECONDS: Final = 25e-9
# Times that all workers may die in a row without a single shard in between.
_MOST_RESTARTS: Final = 8
# How often to look whether a cluster has grown while nothing comes back.
_POLL_SECONDS: Final = 2.0


def run_jobs(
    pool: Pool,
    jobs: Iterable[Job],
    count: int,
    done: Callable[[list[tuple[Job, ShardResult]]], None],
    failed: Callable[[Job, str], None],
) -> None:
    """Compute all jobs.

    Small ones travel together, as many as are worth about half a second, but never so many that a
    worker would have nothing to do at the end. A job that raised an error is tried again, by
    itself, and after :data:`ATTEMPTS` it is set aside. Where a worker died, nobody knows which of
    the jobs in flight killed it: they all are tried again, each by itself, and one that was in
    flight twice has its last attempt while no other is in flight.

    Parameters
    ----------
    pool : Pool
        Where to compute.
    jobs : iterable of Job
        Read as workers come free.
    count : int
        How many there are.
    done : callable
        Told of jobs that were computed, several at a time.
    failed : callable
        Told of a job that is set aside, and why, with the traceback.

    Raises
    ------
    ExecutorError
        When the workers are gone and no others can be started, or die before they do anything.
    """
    waiting = iter(jobs)
    retries: deque[Job] = deque()
    last_attempts: deque[Job] = deque()
    in_flight: dict[Future[Results], list[Job]] = {}
    finished: queue.SimpleQueue[Future[Results]] = queue.SimpleQueue()
    failures: Counter[tuple[str, int]] = Counter()
    broken: BaseException | None = None
    only_one = False
    restarts = 0  # times that all workers died since a shard was last computed

    def launch(task: list[Job], otherwise: deque[Job]) -> None:
        nonlocal broken
        try:
            future = pool.submit(task)
        except BrokenExecutor as error:
            broken = error
            otherwise.extendleft(reversed(task))
            return
        _log.debug("task of %d shards sent, %d in flight", len(task), len(in_flight) + 1)
        in_flight[future] = task
        future.add_done_callback(finished.put)

    def next_task(most: int) -> list[Job]:
        nonlocal count
        if retries:
            return [retries.popleft()]
        # With two tasks in flight per worker, half of what is left is handed out at once.
        fair = max(count // (2 * most), 1)
        task: list[Job] = []
        seconds = 0.0
        while len(task) < fair and seconds < _TASK_SECONDS:
            job = next(waiting, None)
            if job is None:
                break
            task.append(job)
            seconds += _expected_seconds(job)
        count -= len(task)
        return task

    def fill() -> None:
        nonlocal only_one
        if last_attempts and not in_flight:
            only_one = True
            launch([last_attempts.popleft()], last_attempts)
            return
        most = pool.max_in_flight()
        while broken is None and len(in_flight) < most:
            task = next_task(most)
            if not task:
                return
            launch(task, retries)

    def failed_again(job: Job, trace: str, *, worker_died: bool) -> None:
        failures[_name(job)] += 1
        _log.info(
            "shard %s/%d-%d: attempt %d of %d failed: %s",
            job.key,
            job.first,
            job.stop,
            failures[_name(job)],
            ATTEMPTS,
            trace.rstrip().rpartition("\n")[2],
        )
        _log.debug("%s", trace)
        if failures[_name(job)] >= ATTEMPTS:
            failed(job, trace)
        elif worker_died and failures[_name(job)] == ATTEMPTS - 1:
            last_attempts.append(job)
        else:
            retries.append(job)

    while True:
        if not in_flight:
            only_one = False
        if broken is None and not only_one:
            fill()
        if not in_flight:
            if broken is None:
                return
            restarts += 1
            if restarts >= _MOST_RESTARTS or not pool.restart():
                raise ExecutorError(_lost_workers_text(pool, broken)) from broken
            _log.warning("%s: the workers were gone (%s), and were replaced", pool.name, broken)
            broken = None
            continue
        try:
            batch = [finished.get(timeout=_POLL_SECONDS)]
            while not finished.empty():
                batch.append(finished.get_nowait())
        except queue.Empty:
            continue
        good: list[tuple[Job, ShardResult]] = []
        for future in batch:
            task = in_flight.pop(future)
            error = _error(future)
            if error is not None:
                if isinstance(error, BrokenExecutor):
                    broken = error
                trace = "".join(traceback.format_exception(error))
                for job in task:
                    failed_again(job, trace, worker_died=_worker_died(error))
                continue
            for job, result in zip(task, future.result(), strict=True):
                if isinstance(result, FailedShard):
                    failed_again(job, result.trace, worker_died=False)
                else:
                    good.append((job, result))
        if good:
            restarts = 0
            done(good)


def _name(job: Job) -> tuple[str, int]:
    return job.key, job.first


def _expected_seconds(job: Job) -> float:
    """Guess what a shard takes; a task need not be of equal length with another."""
    return _SHARD_SECONDS + _ROUND_SECONDS * (job.stop - job.first) * job.settings.horizon


def _error(future: "Future[Results]") -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _worker_died(error: BaseException) -> bool:
    """Tell whether a worker died, rather than the job raised."""
    # Dask's own exception, which is not imported for its name.
    return isinstance(error, BrokenExecutor | CancelledError) or (
        type(error).__name__ == "KilledWorker"
    )


def _lost_workers_text(pool: Pool, error: BaseException) -> str:
    hint = ""
    if pool.name.startswith("processes"):
        hint = (
            ". If this is a script of your own, start the study under "
            '`if __name__ == "__main__":`, because new processes read the script again'
        )
    return (
        f"{pool.name}: the workers are gone ({type(error).__name__}: {error}){hint}. What was "
        "done is kept; run the study again to continue"
    )
