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
_FRUITLESS: Final = 8
# How often to look whether a cluster has grown while nothing comes back.
_SECONDS: Final = 2.0


def run_jobs(
    pool: Pool,
    jobs: Iterable[Job],
    done: Callable[[list[tuple[Job, ShardResult]]], None],
    failed: Callable[[Job, str], None],
) -> None:
    """Compute all jobs.

    A job that raised is tried again, and after :data:`ATTEMPTS` it is set aside. Where a worker
    died, nobody knows which of the jobs in flight killed it: they all are tried again, and one
    that was there twice has its last attempt alone.

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
    again: deque[Job] = deque()
    alone: deque[Job] = deque()
    flying: dict[Future[ShardResult], Job] = {}
    landed: queue.SimpleQueue[Future[ShardResult]] = queue.SimpleQueue()
    strikes: Counter[tuple[str, int]] = Counter()
    broken: BaseException | None = None
    solo = False
    fruitless = 0  # times that all workers died since a shard was last computed

    def launch(job: Job, otherwise: deque[Job]) -> None:
        nonlocal broken
        try:
            future = pool.submit(job)
        except BrokenExecutor as error:
            broken = error
            otherwise.appendleft(job)
            return
        flying[future] = job
        future.add_done_callback(landed.put)

    def fill() -> None:
        nonlocal solo
        if alone and not flying:
            solo = True
            launch(alone.popleft(), alone)
            return
        most = pool.max_in_flight()
        while broken is None and len(flying) < most:
            job = again.popleft() if again else next(waiting, None)
            if job is None:
                return
            launch(job, again)

    while True:
        if not flying:
            solo = False
        if broken is None and not solo:
            fill()
        if not flying:
            if broken is None:
                return
            fruitless += 1
            if fruitless >= _FRUITLESS or not pool.restart():
                raise ExecutorError(_lost_workers_text(pool, broken)) from broken
            broken = None
            continue
        try:
            batch = [landed.get(timeout=_SECONDS)]
            while not landed.empty():
                batch.append(landed.get_nowait())
        except queue.Empty:
            continue
        good = []
        for future in batch:
            job = flying.pop(future)
            error = _error(future)
            if error is None:
                good.append((job, future.result()))
                continue
            if isinstance(error, BrokenExecutor):
                broken = error
            strikes[_name(job)] += 1
            if strikes[_name(job)] >= ATTEMPTS:
                failed(job, "".join(traceback.format_exception(error)))
            elif _worker_died(error) and strikes[_name(job)] == ATTEMPTS - 1:
                alone.append(job)
            else:
                again.append(job)
        if good:
            fruitless = 0
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
