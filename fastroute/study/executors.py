"""Where shards are computed: threads, processes, a Dask cluster, or any executor.

Everything is behind the interface of :class:`concurrent.futures.Executor`; this module adds what
that interface leaves open: how many tasks to keep in flight, what to do when workers died, and
how to stop. A task is one shard or several small ones.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastroute.study.errors import ExecutorError
from fastroute.study.work import FailedShard, Job, ShardResult, run_shard, run_shards, start_worker
from fastroute.words import unknown_name

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from distributed import Client

_log: Final = logging.getLogger(__name__)
#: Of a task, what each of its shards came to.
Results = list[ShardResult | FailedShard]

#: Tasks in flight per worker: one that runs, one that waits, so that no worker is idle.
_AHEAD: Final = 2
# New processes read the script again, and find nothing to read or come here once more.
_CANNOT_START: Final = (
    "new processes read the script again). Put the script into a file, and start the study in it "
    'under `if __name__ == "__main__":`; or use executor="threads"'
)
#: Names of executors.
EXECUTORS: Final = ("threads", "processes", "dask", "dask://HOST:PORT")
_DASK_SECONDS: Final = 20
# Windows waits for no more at once.
_MOST_PROCESSES: Final = 61 if os.name == "nt" else sys.maxsize


class Pool(Protocol):
    """What the scheduler needs of an executor."""

    name: str

    def submit(self, jobs: Sequence[Job]) -> "Future[Results]":
        """Compute the shards of a task.

        Raises
        ------
        concurrent.futures.BrokenExecutor
            When the workers are gone.
        """
        ...

    def max_in_flight(self) -> int:
        """Return how many tasks to keep in flight."""
        ...

    def restart(self) -> bool:
        """Start new workers in the place of dead ones; False when that is for the user to do."""
        ...

    def stop(self, *, at_once: bool) -> None:
        """End the workers; at once, or when they have nothing left to do."""
        ...


class Threads:
    """Threads of this process; the kernels release the interpreter lock."""

    def __init__(self, workers: int, advance: Callable[[int], None]) -> None:
        self.name = f"threads x {workers}"
        self._workers = workers
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="shard")
        self._advance = advance
        self._stop = threading.Event()

    def submit(self, jobs: Sequence[Job]) -> "Future[Results]":
        """Compute the shards of a task on a thread."""
        return self._executor.submit(run_shards, self._compute, jobs)

    def _compute(self, job: Job) -> ShardResult:
        reported = 0

        def progress(done: int, total: int) -> None:
            nonlocal reported
            if self._stop.is_set():
                raise InterruptedError("the study was stopped")
            self._advance(done - reported)
            reported = done

        return run_shard(job, progress)

    def max_in_flight(self) -> int:
        """Return how many tasks to keep in flight."""
        return _AHEAD * self._workers

    def restart(self) -> bool:
        """Threads do not die alone."""
        return False

    def stop(self, *, at_once: bool) -> None:
        """End the threads; at once means at the next piece of a stage."""
        if at_once:
            self._stop.set()
        self._executor.shutdown(cancel_futures=at_once)


class Processes:
    """Processes of this machine, started afresh (not forked)."""

    def __init__(self, workers: int) -> None:
        workers = min(workers, _MOST_PROCESSES)
        self.name = f"processes x {workers}"
        self._workers = workers
        self._start()
        try:
            self._executor.submit(os.getpid).result()
        except (BrokenExecutor, RuntimeError) as error:
            self.stop(at_once=True)
            raise ExecutorError(
                f"{self.name}: no process can be started ({_CANNOT_START}"
            ) from error

    def _start(self) -> None:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        # The workers hold the other end, and end when this one closes: also when this process is
        # killed and cannot say goodbye.
        there, self._alive = context.Pipe(duplex=False)
        self._there: Connection = there
        self._executor = ProcessPoolExecutor(
            self._workers, mp_context=context, initializer=start_worker, initargs=(there,)
        )

    def submit(self, jobs: Sequence[Job]) -> "Future[Results]":
        """Compute the shards of a task in a process."""
        return self._executor.submit(run_shards, run_shard, jobs)

    def max_in_flight(self) -> int:
        """Return how many tasks to keep in flight."""
        return _AHEAD * self._workers

    def restart(self) -> bool:
        """Start a new pool of processes."""
        self.stop(at_once=True)
        self._start()
        return True

    def stop(self, *, at_once: bool) -> None:
        """End the processes."""
        if at_once:
            self._alive.close()
        self._executor.shutdown(cancel_futures=at_once)
        self._alive.close()
        self._there.close()


class Dask:
    """Workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    close : callable
        Lets go of the client, and of the cluster where it is ours.
    """

    def __init__(self, client: "Client", name: str, close: Callable[[], None]) -> None:
        self.name = name
        self._client = client
        self._close = close
        # Not pure: a task that is computed again is a new one, not the old one's error.
        self._executor = client.get_executor(pure=False)

    def submit(self, jobs: Sequence[Job]) -> "Future[Results]":
        """Compute the shards of a task on a worker of the cluster."""
        future: Future[Results] = self._executor.submit(run_shards, run_shard, jobs)
        return future

    def max_in_flight(self) -> int:
        """Return how many tasks to keep in flight; a cluster may grow and shrink."""
        threads = sum(self._client.nthreads().values())
        return _AHEAD * max(int(threads), 1)

    def restart(self) -> bool:
        """Dask starts new workers itself."""
        return bool(self._client.status == "running")

    def stop(self, *, at_once: bool) -> None:
        """Let go of the cluster."""
        self._executor.shutdown(wait=not at_once)
        self._close()


class UserExecutor:
    """An executor of the caller, who also closes it."""

    def __init__(self, executor: Executor, workers: int | None) -> None:
        self.name = type(executor).__name__
        self._executor = executor
        known = getattr(executor, "_max_workers", None)
        self._workers = workers or (known if isinstance(known, int) else cores())
        self._futures: set[Future[Results]] = set()

    def submit(self, jobs: Sequence[Job]) -> "Future[Results]":
        """Compute the shards of a task wherever the executor does."""
        future = self._executor.submit(run_shards, run_shard, jobs)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def max_in_flight(self) -> int:
        """Return how many tasks to keep in flight."""
        return _AHEAD * self._workers

    def restart(self) -> bool:
        """Another executor is for the caller to make."""
        return False

    def stop(self, *, at_once: bool) -> None:
        """Cancel what has not begun; the executor stays open."""
        for future in list(self._futures) if at_once else ():
            future.cancel()


def open_pool(executor: Any, workers: int | None, advance: Callable[[int], None]) -> Pool:
    """Make what shards are computed on.

    Parameters
    ----------
    executor : str, concurrent.futures.Executor, or Dask client or cluster
        ``"threads"``, ``"processes"``, ``"dask"`` (a local cluster), ``"dask://HOST:PORT"`` (the
        address of a scheduler), or what the caller made, and keeps.
    workers : int or None
        How many; default all cores. A cluster at an address knows its own number.
    advance : callable
        Told of trial-rounds while they are played, where that is possible (threads).

    Raises
    ------
    ValueError
        When there is no such executor, Dask is not installed, or no scheduler answers.
    ExecutorError
        When no process can be started.
    """
    pool = _open(executor, workers, advance)
    _log.info("executor %s: up to %d tasks in flight", pool.name, pool.max_in_flight())
    return pool


def check_executor(executor: Any) -> None:
    """Raise ValueError for the name of an executor that there is not."""
    if isinstance(executor, str) and executor not in EXECUTORS and not _is_address(executor):
        raise ValueError(f"executor {executor!r}: {unknown_name(executor, EXECUTORS, 'executor')}")


def _is_address(executor: str) -> bool:
    return executor.startswith("dask://")


def _open(executor: Any, workers: int | None, advance: Callable[[int], None]) -> Pool:
    if isinstance(executor, Executor):
        return UserExecutor(executor, workers)
    if not isinstance(executor, str):
        return _user_dask(executor)
    check_executor(executor)
    count = workers or cores()
    if executor == "threads":
        return Threads(count, advance)
    if executor == "processes":
        return Processes(count)
    return _dask(executor, count)


def _user_dask(executor: Any) -> Dask:
    """Use a client or a cluster that the caller made, and keeps."""
    # Who has one has imported Dask.
    distributed = sys.modules.get("distributed")
    if distributed is not None and isinstance(executor, distributed.Client):
        return Dask(executor, f"dask {executor.scheduler.address}", lambda: None)
    if distributed is not None and isinstance(executor, distributed.deploy.Cluster):
        client = distributed.Client(executor)
        return Dask(client, f"dask {executor.scheduler_address}", client.close)
    raise ValueError(
        f"executor must be one of {', '.join(EXECUTORS)}, a concurrent.futures.Executor, or a "
        f"client or cluster of Dask, not {type(executor).__name__} {executor!r}"
    )


def _dask(executor: str, workers: int) -> Dask:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ValueError(
            f"executor {executor!r} needs Dask; install it with: pip install fastroute[cluster]"
        ) from None
    if executor == "dask":
        cluster: Any = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            env={"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        )
        client = Client(cluster)

        def close() -> None:
            client.close()
            cluster.close()

        return Dask(client, f"dask x {workers}", close)
    address = executor.removeprefix("dask://")
    # Dask tells of a failed connection at length; the error below says it.
    loggers = [logging.getLogger(name) for name in ("distributed", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        client = Client(address if "://" in address else f"tcp://{address}", timeout=_DASK_SECONDS)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"executor {executor!r}: no Dask scheduler answers there ({error}); start one with "
            "`dask scheduler`, and workers with `dask worker`"
        ) from None
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    return Dask(client, executor, client.close)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
