"""Running a study, or what is left of it."""

import contextlib
import functools
import logging
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fastroute
from fastroute.analyse import student_halfwidth
from fastroute.study.cells import Cell, cell_words, lay_out
from fastroute.study.errors import RunDirectoryError
from fastroute.study.executors import Pool, Threads, check_executor, open_pool
from fastroute.study.finish import write_frames
from fastroute.study.journal import Record
from fastroute.study.planning import CellPlan, plan_cell
from fastroute.study.progress import CellState, Reporter, make_reporter
from fastroute.study.schedule import run_jobs
from fastroute.study.schema import Study
from fastroute.study.store import (
    RESULTS,
    RunDirectory,
    choose_directory,
    damaged_files,
)
from fastroute.study.stored import StoredStudy, load
from fastroute.study.verify import damaged_shards
from fastroute.study.work import Job, ShardResult

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy import Cluster

_log: Final = logging.getLogger(__name__)
# Share of a sum of squares that rounding may leave of a difference of two.
_ROUNDING: Final = 1e-12
# Rounds of computing damaged shards again before the disk is not trusted any more.
_REPAIRS: Final = 3


def run_study(
    study: Study,
    out: str | os.PathLike[str] | None = None,
    *,
    executor: "str | Executor | Client | Cluster" = "threads",
    workers: int | None = None,
    progress: bool = True,
) -> StoredStudy:
    """Run every cell of a study, or what is left of it, and write the run directory.

    The cells are divided into shards, one per block of trials. A shard is on disk, checksum and
    all, as soon as it is computed; a run that is killed loses the shards in flight and nothing
    else. Run again, the study continues, and ends in the same frames, bit for bit, whatever
    happened, wherever it was computed, and in any order.

    Parameters
    ----------
    study : Study
        What to run.
    out : path-like, optional
        The run directory: new, empty, or one that holds shards of this study, or of the same
        study with fewer trials, cells or shorter axes. Default ``runs/NAME`` in the working
        directory, with a number behind it when that holds something else.
    executor : str, concurrent.futures.Executor, or Dask client or cluster
        ``"threads"``, ``"processes"``, ``"dask"`` (a local cluster), ``"dask://HOST:PORT"``; or an
        executor, for example that of ``mpi4py.futures``, or a client or cluster of Dask, which
        stay open.
    workers : int, optional
        Threads, processes or local Dask workers; default all cores.
    progress : bool
        Whether to report progress: on standard error, or as a line in a notebook.

    Returns
    -------
    StoredStudy
        As :func:`load` returns it; ``complete`` is False when shards failed, and
        ``shards_run`` counts those that were computed now.

    Raises
    ------
    StudyError
        When a name, an option, a formula or a cell does not work; nothing has run then.
    RunDirectoryError
        When `out` holds something else, cannot be written to, or is being written to.
    ExecutorError
        When the workers are gone, or no process can be started, as from a script without
        ``if __name__ == "__main__":``.
    OSError
        When the disk is full; what was done is kept.
    """
    check_executor(executor)
    study.check()
    # Saved scenarios are kept in the run directory; what is in them is in the cells.
    study = study.resolved()
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(make_reporter(progress))
        started = time.perf_counter()
        cells = lay_out(study, report.plan)
        _log.info("%s: %d cells laid out in %.2f s", study.name, len(cells), _since(started))
        study = study.to_stored()
        path = choose_directory(study, out)
        directory = stack.enter_context(RunDirectory(path, study, cells))
        session = _Session(study, directory, report)
        for note in directory.notes:
            report.note(note)
        session.forget_damaged(directory.resized)
        if session.check_complete():
            report.note(f"{directory.path}: this study is already complete; nothing to run")
            return load(directory.path)
        directory.start()
        session.keep_scenarios()
        try:
            session.run(executor, workers)
        except BaseException as error:
            # Also on Ctrl-C: say on disk that the study did not finish, then let it go on up.
            with contextlib.suppress(OSError):
                session.end("interrupted")
            error.add_note(session.describe_kept())
            raise
        session.end("incomplete" if session.failures else "complete")
        return replace(load(directory.path), shards_run=session.shards_run)


class _Session:
    """One session of work on a run directory."""

    def __init__(self, study: Study, directory: RunDirectory, report: Reporter) -> None:
        self._study = study
        self.directory = directory
        self.report = report
        self.failures: list[str] = []
        self.shards_run = 0
        self._live = False  # whether workers tell of rounds while they play them
        # Two cells may be the same but for their labels; they share their shards.
        self._cells: dict[str, Cell] = {}
        for cell in directory.cells:
            self._cells.setdefault(cell.key, cell)
        self._states: dict[str, tuple[int, float, float]] = {}
        # What is in the files of saved scenarios, which the run directory keeps.
        self._kept: dict[str, bytes] = {
            cell.scenario_options["file"]: cell.content for cell in directory.cells if cell.content
        }

    def keep_scenarios(self) -> None:
        """Write the files of saved scenarios, which the study file of the directory names."""
        for name, content in self._kept.items():
            self.directory.put(name, functools.partial(_write, content=content))

    def check_complete(self) -> bool:
        """Tell whether there is nothing to do; shards that turn out to be damaged are dropped."""
        before, now = self.directory.before, self.directory.manifest
        if before is None or before["status"] != "complete" or self._has_missing():
            return False
        self.forget_damaged(damaged_shards(self.directory.path, self.directory.records))
        if self._has_missing() or before["content_hash"] != now["content_hash"]:
            return False
        if before["study"].get("answer") != now["study"].get("answer"):
            return False
        damaged = damaged_files(self.directory.path, before, (*RESULTS, *self._kept))
        if damaged:
            self.report.note(f"{', '.join(damaged)}: missing or changed, and written again")
        return not damaged

    def forget_damaged(self, damaged: list[Record]) -> None:
        """Forget damaged shards, so that they are computed again."""
        for record in damaged[:5]:
            self.report.note(f"{record.name}: missing or damaged, and computed again")
        if len(damaged) > 5:
            self.report.note(f"and {len(damaged) - 5:,} more shards like this")
        for record in damaged:
            self.directory.records.drop(record)

    def run(self, executor: Any, workers: int | None) -> None:
        """Compute what is missing and write the frames."""
        pool: Pool | None = None
        at_once = True
        try:
            for _ in range(_REPAIRS):
                plans = self._plans()
                if missing := sum(len(plan.missing) for plan in plans.values()):
                    kept = sum(len(plan.usable) for plan in plans.values())
                    _log.info("%d shards to compute, %d are there", missing, kept)
                    if pool is None:
                        pool = open_pool(executor, workers, self.report.advance)
                        self.directory.session["executor"] = pool.name
                    self._begin(plans)
                    self._live = isinstance(pool, Threads)
                    run_jobs(pool, self._jobs(plans), missing, self._done, self._failed)
                if self.failures:
                    break
                started = time.perf_counter()
                damaged = write_frames(self.directory)
                _log.info("frames written in %.2f s", _since(started))
                if not damaged:
                    break
                self.forget_damaged(damaged)
            else:
                raise RunDirectoryError(
                    f"{self.directory.path}: shards are damaged again after they were written "
                    f"{_REPAIRS} times; check the disk"
                )
            at_once = False
        finally:
            if pool is not None:
                pool.stop(at_once=at_once)

    def end(self, status: str) -> None:
        """Write down how the session ended."""
        self.directory.finish(status, self._counts())

    def describe_kept(self) -> str:
        """Say what is left of a session that was stopped."""
        counts = self._counts()
        if not counts["done"]:
            return "nothing was finished, so nothing was kept"
        return (
            f"{counts['done']:,} of {counts['total']:,} shards are done and kept in "
            f"{self.directory.path}; run the study again to continue"
        )

    def _counts(self) -> dict[str, Any]:
        plans = self._plans().values()
        done = sum(len(plan.usable) for plan in plans)
        missing = sum(len(plan.missing) for plan in plans)
        return {"total": done + missing, "done": done, "failed": self.failures}

    def _plans(self) -> dict[str, CellPlan]:
        """Shards on disk and shards to compute, of every cell in the order of the grid."""
        return {
            key: plan_cell(cell.storage, self.directory.records.of(key))
            for key, cell in self._cells.items()
        }

    def _has_missing(self) -> bool:
        """Tell whether a shard is missing."""
        return any(plan.missing for plan in self._plans().values())

    def _jobs(self, plans: Mapping[str, CellPlan]) -> Iterator[Job]:
        study = self.directory.manifest["content_hash"]
        for key, plan in plans.items():
            for first, stop in plan.missing:
                yield self._cells[key].job(first, stop)._replace(study=study)

    def _begin(self, plans: Mapping[str, CellPlan]) -> None:
        """Tell the reporter what there is to do, and what was done before."""
        finished = done = 0
        for key, plan in plans.items():
            cell = self._cells[key]
            trials = sum(record.stop - record.first for record in plan.usable)
            self._states[key] = (
                trials,
                sum(record.regret for record in plan.usable),
                sum(record.regret_square for record in plan.usable),
            )
            finished += trials == cell.trials
            done += trials * cell.settings.horizon
        rounds = sum(cell.rounds for cell in self._cells.values())
        self.report.begin(len(self._cells), finished, rounds, done)

    def _done(self, shards: list[tuple[Job, ShardResult]]) -> None:
        """Write shards that were computed, and report them."""
        now = time.time()
        records = []
        for job, shard in shards:
            if shard.version != fastroute.__version__:
                raise RunDirectoryError(
                    f"a worker runs fastroute {shard.version}, and this is "
                    f"{fastroute.__version__}; install the same version everywhere"
                )
            records.append(
                Record(
                    key=job.key,
                    first=job.first,
                    stop=job.stop,
                    sha256="",
                    bytes=0,
                    moments=job.moments,
                    means=job.means,
                    session=self.directory.session_number,
                    at=now,
                    **shard.facts,
                )
            )
        contents = [shard.content for _, shard in shards]
        self.directory.add(zip(records, contents, strict=True))
        self.shards_run += len(shards)
        for record in records:
            self._report_record(record)

    def _report_record(self, record: Record) -> None:
        cell = self._cells[record.key]
        done, total, square = self._states[record.key]
        trials = record.stop - record.first
        done, total, square = done + trials, total + record.regret, square + record.regret_square
        self._states[record.key] = done, total, square
        if not self._live:
            self.report.advance(trials * cell.settings.horizon)
        mean = total / done
        left = square - done * mean**2
        # Of equal numbers only rounding is left.
        left = left if left > _ROUNDING * square else 0.0
        se = (left / max(done - 1, 1) / done) ** 0.5
        half = float(student_halfwidth(se, done))
        words = cell_words(cell, self._study)
        self.report.update(CellState(cell.number, words, cell.trials, done, mean, half))

    def _failed(self, job: Job, trace: str) -> None:
        """Set a shard aside."""
        name = self.directory.add_failure(job.key, job.first, job.stop, trace)
        self.failures.append(name)
        cell = self._cells[job.key]
        self.report.note(f"{cell}: trials {job.first} to {job.stop - 1} failed; see {name}")


def _since(started: float) -> float:
    return time.perf_counter() - started


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
