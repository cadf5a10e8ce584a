"""One core for everyone: threads and affinity, set before anything heavy is imported."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Read by the libraries below when they are loaded, so this module imports none of them.
ONE_THREAD: Final = {
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
}
_XLA_ONE_THREAD: Final = "--xla_cpu_multi_thread_eigen=false"


def allowed_cores() -> list[int]:
    """Return the cores that this thread may use; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


# What the process was started with.
_ALL: Final = allowed_cores()


def use_one_core() -> None:
    """Hold this process, and all threads it will start, to one thread and one core.

    The last core is taken: the first one usually serves the system's interrupts.
    """
    os.environ.update(ONE_THREAD)
    flags = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join(dict.fromkeys([*flags, _XLA_ONE_THREAD]))
    if _ALL:
        os.sched_setaffinity(0, {_ALL[-1]})


@contextmanager
def all_cores() -> Iterator[int]:
    """Let threads and processes started inside use every core; yields their number."""
    if not _ALL:
        yield os.cpu_count() or 1
        return
    before = set(allowed_cores())
    os.sched_setaffinity(0, set(_ALL))
    try:
        yield len(_ALL)
    finally:
        os.sched_setaffinity(0, before)
