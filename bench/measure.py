"""Time a case, check its answers, and keep its facts."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from fastroute.bench.instruction_sets import compiled_for
from fastroute.bench.workloads import Problems

F8 = NDArray[np.float64]

#: Units of work of a case of the smoke run, at most.
_SMOKE_UNITS: Final = 100


class Measure:
    """Times a function: warm-up apart, then the best of several rounds.

    Facts about the case are kept in ``extra_info``. A function that raises is no error of the
    run: the case stays in the data with ``failure`` in its facts and no time.

    Parameters
    ----------
    benchmark : object
        The fixture of pytest-benchmark.
    seconds : float
        Time per case, where that is more than the least rounds take.
    least : int
        Rounds at least.
    smoke : bool
        Only show that the case runs, with little work.
    """

    def __init__(
        self, benchmark: Any, seconds: float, least: int = 5, *, smoke: bool = False
    ) -> None:
        self.benchmark = benchmark
        self.seconds = seconds
        self.least = least
        self.smoke = smoke

    def size(self, full: int) -> int:
        """Return how much work a case gets: all of it, but little in the smoke run."""
        return min(full, _SMOKE_UNITS) if self.smoke else full

    def keep(self, facts: Mapping[str, Any]) -> None:
        """Add facts about the case."""
        self.benchmark.extra_info.update(facts)

    def __call__(
        self,
        prepare: Callable[[], Callable[[], Any]],
        *,
        group: str,
        case: str,
        solver: str,
        unit: str,
        units: int,
        compiler: str = "numba",
        warm_up: Callable[[], Any] | None = None,
        rounds: int | None = None,
        **facts: Any,
    ) -> Any:
        """Time what ``prepare`` returns.

        Parameters
        ----------
        prepare : callable
            Sets up, untimed, and returns what does ``units`` units of work.
        group, case, solver, unit : str
            Where the row belongs, and what one unit is called.
        units : int
        compiler : str
            What compiles the work: ``"numba"``, ``"jax"``, or empty for neither.
        warm_up : callable, optional
            Called once beforehand instead of the work itself, where that takes long; give
            ``rounds`` with it.
        rounds : int, optional
            Default: as many as fit into the time per case, up to 50.
        **facts
            Kept as they are.

        Returns
        -------
        object
            What the work returned; None when it raised.
        """
        self._open(group, case, solver, unit, units, compiler, facts)
        try:
            target = prepare()
            result, first = _timed(warm_up or target)
            if rounds is None:
                # The first call may have compiled; a slow one needs no second look.
                result, again = _timed(target) if first < self.seconds else (result, first)
                most = self.least if self.smoke else 50
                rounds = int(min(max(self.seconds / max(again, 1e-9), self.least), most))
        except Exception as error:  # whatever a rival raises is a result
            self._failed(error)
            return None
        with self._core_share():
            result = self.benchmark.pedantic(target, rounds=rounds)
        best = self.benchmark.stats.stats.min
        self.keep({"ns_per_unit": 1e9 * best / units, "first_call_seconds": first})
        return result

    def each(
        self,
        prepare: Callable[[], list[Callable[[], Any]]],
        *,
        passes: int,
        group: str,
        case: str,
        solver: str,
        unit: str,
        units: int,
        compiler: str = "numba",
        **facts: Any,
    ) -> list[Any] | None:
        """Time several pieces of work one by one; the result is the median of their best times.

        Parameters
        ----------
        prepare : callable
            Sets up, untimed, and returns the ``units`` pieces of work.
        passes : int
            How often each piece is timed.
        group, case, solver, unit : str
        units : int
        compiler : str
        **facts
            As in a call.

        Returns
        -------
        list or None
            What each piece returned; None when one raised.
        """
        self._open(group, case, solver, unit, units, compiler, facts)
        try:
            targets = prepare()
            first = _timed(targets[0])[1]
            results = [target() for target in targets]
        except Exception as error:  # whatever a rival raises is a result
            self._failed(error)
            return None
        following = itertools.cycle(targets)
        with self._core_share():
            self.benchmark.pedantic(
                lambda target: target(),
                setup=lambda: ((next(following),), {}),
                rounds=passes * units,
            )
        times = np.array(self.benchmark.stats.stats.data).reshape(passes, units).min(axis=0)
        self.keep(
            {
                "ns_per_unit": 1e9 * float(np.median(times)),
                "ns_90_percent": 1e9 * float(np.quantile(times, 0.9)),
                "ns_largest": 1e9 * float(times.max()),
                "first_call_seconds": first,
            }
        )
        return results

    def _open(
        self,
        group: str,
        case: str,
        solver: str,
        unit: str,
        units: int,
        compiler: str,
        facts: Mapping[str, Any],
    ) -> None:
        self.benchmark.group = group
        self.keep({"case": case, "solver": solver, "unit": unit, "units": units, "threads": 1})
        self.keep({"instruction_set": compiled_for(compiler)})
        self.keep(facts)

    @contextmanager
    def _core_share(self) -> Iterator[None]:
        """Keep the processor time spent inside per second of wall time.

        Well below 1 for a case on one core, other processes were in the way.
        """
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        spent = time.process_time() - cpu
        self.keep({"core_share": spent / (time.perf_counter() - wall)})

    def _failed(self, error: Exception) -> None:
        self.keep({"failure": f"{type(error).__name__}: {error}"[:200]})
        self.benchmark.pedantic(lambda: None)


def _timed(target: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return target(), time.perf_counter() - started


def answer_errors(share: F8, problems: Problems, exact: F8) -> dict[str, float]:
    """Compare answers with exact objectives, and with the constraints of their problems.

    Parameters
    ----------
    share : ndarray, [B, M]
        Answers; NaN in the rows of problems that were not solved.
    problems : Problems
    exact : ndarray, [<= B]
        Exact objectives of the first problems.

    Returns
    -------
    dict
        Number of failures, largest error of an objective, largest violation of a constraint.
    """
    solved = np.asarray(np.isfinite(share).all(axis=1))
    p = np.where(solved[:, None], share, 0.0)
    count = min(len(exact), len(p))
    value = np.einsum("bm,bm->b", p[:count], problems.reward[:count])
    error = np.abs(value - exact[:count])[solved[:count]]
    over = np.einsum("bm,bm->b", p, problems.cost) - problems.budget
    mass = np.abs(p.sum(axis=1) - 1.0)
    limit = (p - problems.limit).max(axis=1)
    broken = np.maximum.reduce([over, mass, limit, -p.min(axis=1)])[solved]
    return {
        "sample": count,
        "failures": int((~solved).sum()),
        "worst_error": float(error.max(initial=0.0)),
        "worst_violation": float(broken.max(initial=0.0)),
    }


def skip_if_refused(call: Callable[[], Any]) -> None:
    """Skip the case, with the reason, when the call refuses a backend or a policy."""
    try:
        call()
    except ValueError as error:
        pytest.skip(str(error))
