"""What a worker does: one shard, from plain values to bytes.

The modules that this one imports at its top must not bring NumPy or Polars: a fresh worker
process sets the number of their threads first.
"""

import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import fastroute

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from fastroute.scenarios import Scenario
    from fastroute.simulation.settings import Settings

_log: Final = logging.getLogger(__name__)
#: Libraries start as many threads as there are cores, unless these say otherwise; and so does every
#: worker process.
THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


class Job(NamedTuple):
    """A shard to compute: plain values that travel to any worker."""

    key: str  #: of the cell
    first: int  #: its trials are first <= trial < stop
    stop: int
    scenario: str
    scenario_options: str  #: as JSON, which has one form and can be remembered
    policy_options: dict[str, Any]
    settings: "Settings"
    moments: bool  #: reduce curves to moments
    means: bool  #: reduce stages to sums
    study: str = ""  #: hash of the study, which the shard names
    content: bytes = b""  #: of the file of a saved scenario, which the worker need not have


class ShardResult(NamedTuple):
    """A shard that was computed."""

    content: bytes  #: Parquet
    facts: dict[str, Any]  #: what the journal notes of it
    version: str  #: of the worker's fastroute


class FailedShard(NamedTuple):
    """A shard that could not be computed."""

    trace: str  #: the traceback


def run_shards(
    compute: Callable[[Job], ShardResult], jobs: Iterable[Job]
) -> list[ShardResult | FailedShard]:
    """Compute the shards of a task, one after the other.

    Parameters
    ----------
    compute : callable
        As :func:`run_shard`.
    jobs : iterable of Job
        The shards.

    Returns
    -------
    list of ShardResult or FailedShard
        In the order of the jobs. A shard that fails takes no other with it.

    Raises
    ------
    InterruptedError
        When `compute` raised it because the study was stopped.
    """
    results: list[ShardResult | FailedShard] = []
    for job in jobs:
        try:
            results.append(compute(job))
        except InterruptedError:
            raise
        except Exception as error:
            # As text: not every exception can travel, and none takes its traceback along.
            results.append(FailedShard("".join(traceback.format_exception(error))))
    return results


def run_shard(job: Job, progress: Callable[[int, int], None] | None = None) -> ShardResult:
    """Compute a shard on one thread.

    Parameters
    ----------
    job : Job
        The shard.
    progress : callable, optional
        Called as ``progress(done, total)`` with trial-rounds; may raise to stop.

    Returns
    -------
    ShardResult
        The same content whoever computes it, and the facts: seconds of work (``seconds``) and of
        compiling kernels before it (``compile_seconds``), backend, and sums over trials for
        running estimates.
    """
    from fastroute.policies import Policy
    from fastroute.simulation.api import simulate_part
    from fastroute.study.shard import sums_of, to_parquet

    part = simulate_part(
        _scenario(job.scenario, job.scenario_options, job.content),
        Policy(**job.policy_options),
        job.settings,
        job.first,
        job.stop,
        keep_stages=not job.means,
        progress=progress,
    )
    started = time.perf_counter()
    accounts = part.accounts.reduced(curves=job.moments, stages=job.means)
    backend = part.settings["backend"]
    content = to_parquet(
        accounts,
        {
            "study": job.study,
            "key": job.key,
            "first": job.first,
            "stop": job.stop,
            "backend": backend,
        },
    )
    _log.debug(
        "shard %s/%d-%d: %.3f s on %s, and %.3f s of compilation",
        job.key,
        job.first,
        job.stop,
        part.seconds,
        backend,
        part.settings["compile_seconds"],
    )
    return ShardResult(
        content,
        {
            "seconds": part.seconds + time.perf_counter() - started,
            "compile_seconds": part.settings["compile_seconds"],
            "backend": backend,
            **sums_of(accounts.finals),
        },
        fastroute.__version__,
    )


@lru_cache(maxsize=64)
def _scenario(name: str, options: str, content: bytes) -> "Scenario":
    import json

    from fastroute.scenarios.saved import read_scenario
    from fastroute.study.build import build_scenario

    if content:
        return read_scenario(content, name)
    return build_scenario(name, json.loads(options))


def start_worker(alive: "Connection") -> None:
    """Prepare a fresh worker process.

    Parameters
    ----------
    alive : multiprocessing.connection.Connection
        Nothing is ever sent on it. When its other end closes, because the coordinator stopped or
        was killed, the worker ends at once.
    """
    for name in THREADS:
        os.environ[name] = "1"
    # Ctrl-C is for the coordinator, which then closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        try:
            alive.poll(None)
        finally:
            os._exit(1)

    threading.Thread(target=watch, name="watch", daemon=True).start()
