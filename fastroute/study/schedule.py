"""Scheduling of shards: submit them, collect results, and retry what failed."""

import queue
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import Final

from fastroute.study.errors import ExecutorError
from fastroute.study.executors import Pool
from fastroute.study.work import Job, ShardResult

#: Attempts at a shard before it is set aside.
ATTEMPTS: Final = 3
# Times that all workers may die in a row without a single shard in between.
_MOST_RESTARTS: Final = 8
# How often to look whether a cluster has grown while nothing comes back.
_POLL_SECONDS: Final = 2.0


def run_jobs(
    pool: Pool,
    jobs: Iterable[Job],
    done: Callable[[list[tuple[Job, ShardResult]]], None],
    failed: Callable[[Job, str], None],
) -> None:
    """Compute all jobs.

    A job that raised an error is tried again, and after :data:`ATTEMPTS` it is set aside. Where a
    worker died, nobody knows which of the jobs in flight killed it: they all are tried again, and
    one that was in flight twice has its last attempt alone.

    Parameters
    ----------
    pool : Pool
        Where to compute.
    jobs : iterable of Job
        Read as workers come free.
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
    in_flight: dict[Future[ShardResult], Job] = {}
    finished: queue.SimpleQueue[Future[ShardResult]] = queue.SimpleQueue()
    failures: Counter[tuple[str, int]] = Counter()
    broken: BaseException | None = None
    only_one = False
    restarts = 0  # times that all workers died since a shard was last computed

    def launch(job: Job, otherwise: deque[Job]) -> None:
        nonlocal broken
        try:
            future = pool.submit(job)
        except BrokenExecutor as error:
            broken = error
            otherwise.appendleft(job)
            return
        in_flight[future] = job
        future.add_done_callback(finished.put)

    def fill() -> None:
        nonlocal only_one
        if last_attempts and not in_flight:
            only_one = True
            launch(last_attempts.popleft(), last_attempts)
            return
        most = pool.max_in_flight()
        while broken is None and len(in_flight) < most:
            job = retries.popleft() if retries else next(waiting, None)
            if job is None:
                return
            launch(job, retries)

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
            broken = None
            continue
        try:
            batch = [finished.get(timeout=_POLL_SECONDS)]
            while not finished.empty():
                batch.append(finished.get_nowait())
        except queue.Empty:
            continue
        good = []
        for future in batch:
            job = in_flight.pop(future)
            error = _error(future)
            if error is None:
                good.append((job, future.result()))
                continue
            if isinstance(error, BrokenExecutor):
                broken = error
            failures[_name(job)] += 1
            if failures[_name(job)] >= ATTEMPTS:
                failed(job, "".join(traceback.format_exception(error)))
            elif _worker_died(error) and failures[_name(job)] == ATTEMPTS - 1:
                last_attempts.append(job)
            else:
                retries.append(job)
        if good:
            restarts = 0
            done(good)


def _name(job: Job) -> tuple[str, int]:
    return job.key, job.first


def _error(future: "Future[ShardResult]") -> BaseException | None:
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
