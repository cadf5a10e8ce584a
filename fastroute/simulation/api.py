"""``simulate``: one policy in one scenario, for many trials."""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastroute.checks import check_type, integer
from fastroute.kernels.types import pending_bytes
from fastroute.policies import Policy
from fastroute.scenarios import Scenario
from fastroute.scenarios.contextual import contextual_optimum
from fastroute.scenarios.optimum import optimum, refuse_infeasible
from fastroute.simulation.blocks import BLOCK
from fastroute.simulation.engine import (
    Task,
    compose,
    first_contexts,
    make_programs,
    refuse_backend,
    refuse_delay,
    refuse_policy,
    run_chunk,
    run_numbers,
)
from fastroute.simulation.merge import Accounts, collect, concatenate_all, make_run
from fastroute.simulation.plan import checkpoint_rounds, make_plan, resolve_rules
from fastroute.simulation.progress import show_progress
from fastroute.simulation.recording import Recording
from fastroute.simulation.run import Run
from fastroute.simulation.settings import MAX_CURVE_TRIALS, MAX_STAGE_ROWS, Settings
from fastroute.solve.backend import load_kernel, resolve_backend
from fastroute.warning import warn

#: Trials simulated together by one thread, a multiple of ``BLOCK``; results do not depend on it.
CHUNK = 1024
#: Room for the outcomes that such a chunk is yet to learn, in bytes: chunks are smaller where
#: delays are long.
PENDING = 1 << 28
#: Room for what the trials of such a chunk keep of the queries, in bytes: chunks are smaller where
#: it is much.
CONTEXTS = 1 << 26
#: Chunks whose accounts are held at once, before they are put together.
TOGETHER = 64
_log: Final = logging.getLogger(__name__)
# Backends whose kernels this process has compiled or loaded.
_warm: set[str] = set()


def simulate(
    scenario: Scenario | None = None,
    policy: Policy | None = None,
    *,
    horizon: int | None = None,
    budget: float | str | None = None,
    max_deployed: int | None = None,
    stages: int | str = "T^(1/3)",
    trials: int = 64,
    seed: int = 0,
    backend: str = "auto",
    dtype: str = "float64",
    checkpoints: int | ArrayLike = 64,
    threads: int | None = None,
    deploy_cost: float = 0.0,
    load_rounds: int = 0,
    trace: bool = False,
    progress: bool | Callable[[int, int], None] | None = None,
    replay: Recording | None = None,
) -> Run:
    """Simulate a policy in a scenario.

    Parameters
    ----------
    scenario : Scenario
        From :func:`fastroute.scenario`, or custom.
    policy : Policy
        From :func:`fastroute.policy`, or custom.
    horizon : int
        Rounds T, one query each.
    budget : float or str
        Largest mean cost per query, in the scenario's cost unit; or a rule as in a study:
        ``"cheapest"``, ``"slack"``, ``"0.5 * slack"``, ...: see the formulas in the documentation
        of studies.
    max_deployed : int
        M_max: models deployed at once.
    stages : int or str
        K, or a rule such as ``"T^(1/3)"``, or ``"theory"`` (``N^(2/3) T^(1/3) / M_max``).  Stages
        have ``ceil(T / K)`` rounds; the last one may be shorter.
    trials : int
        Independent repetitions.
    seed : int
        In [0, 2**64).  Policies run with one seed meet the same queries.
    backend : {"auto", "numba", "jax", "ref"}
        Compiled kernels, or the plain reference.  ``auto`` is ``jax`` where JAX has an
        accelerator, else ``numba``; ``run.settings`` says which.  All follow the same
        trajectories.
    dtype : {"float64", "float32"}
        Precision of bounds and shares with ``backend="jax"``; means, observations and accounts
        are double in any case.
    checkpoints : int or array_like of int
        Number of log-spaced points of the curves, or the numbers of rounds themselves; at most
        2**20.
    threads : int, optional
        Default: the cores this process may use.  Results do not depend on it.
    deploy_cost : float
        One-time charge per newly deployed model, in units of reward; charged in the ``mip``
        deployer and reported beside the regret.
    load_rounds : int
        Rounds of its stage after which a newly deployed model takes traffic; at most a stage.  In
        the first stage all models are new.
    trace : bool
        Keep the model pulled in every round (``run.picks``).
    progress : bool or callable, optional
        True for a bar on standard error where that is a terminal, or for a line in a notebook; or
        a function, called as ``progress(done, total)`` with trial-rounds.
    replay : Recording, optional
        What an online router did and was told, from :func:`fastroute.read_log`; in the place of
        everything else but ``backend`` and ``checkpoints``. The run has its decisions as rounds and
        keeps the model of every round in ``run.picks``: those that the router chose. What a model
        would have brought that did not serve is not known, so means, optimum and regret are
        estimates from what was observed.

    Returns
    -------
    Run

    Warns
    -----
    FastrouteWarning
        Once for everything in ``run.warnings``, such as starvation or overspending.  Studies do not
        warn: their pages and frames say it.

    Raises
    ------
    ValueError
        For bad settings, and for a scenario that no distribution can serve within the budget and
        the limits in round 0.
    """
    if replay is not None:
        check_type("replay", replay, Recording, 'fastroute.read_log("state.db")')
        _refuse_beside_replay(
            scenario=scenario,
            policy=policy,
            horizon=horizon,
            budget=budget,
            max_deployed=max_deployed,
            stages=None if stages == "T^(1/3)" else stages,
            trials=None if trials == 64 else trials,
            seed=None if seed == 0 else seed,
            deploy_cost=None if deploy_cost == 0.0 else deploy_cost,
            load_rounds=None if load_rounds == 0 else load_rounds,
        )
        return _simulate_again(replay, backend, checkpoints)
    started = time.perf_counter()
    threads = integer("threads", threads) if threads is not None else _cores()
    # What is missing is refused with what is wrong.
    given = Settings(
        horizon=horizon,  # type: ignore[arg-type]
        budget=budget,  # type: ignore[arg-type]
        max_deployed=max_deployed,  # type: ignore[arg-type]
        stages=stages,
        trials=trials,
        seed=seed,
        backend=backend,
        dtype=dtype,
        checkpoints=checkpoints,
        deploy_cost=deploy_cost,
        load_rounds=load_rounds,
        trace=trace,
    )
    check_type("scenario", scenario, Scenario, "fastroute.scenario(name)")
    check_type("policy", policy, Policy, "fastroute.policy(name)")
    assert scenario is not None
    assert policy is not None
    task, settings, compile_seconds = _prepare(scenario, policy, given)
    chunks = _chunks(0, settings["trials"], threads, task)
    with show_progress(progress) as tell:
        compile_seconds += _warm_up(task, chunks)
        accounts = _run_all(task, chunks, threads, tell)
    seconds = time.perf_counter() - started - compile_seconds
    settings |= {"threads": threads, "compile_seconds": compile_seconds}
    run = make_run(scenario, policy, settings, task.plan, accounts, seconds)
    _log.info(
        "%s in %s: %d trials of %d rounds on %s in %.3f s, compilation apart%s",
        policy.title,
        scenario.name,
        settings["trials"],
        settings["horizon"],
        task.backend,
        seconds,
        _kernels(task.backend),
    )
    if run.warnings:
        warn(f"{policy.title} in {scenario.name}: {' '.join(run.warnings)}")
    return run


def _refuse_beside_replay(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} beside replay; the recording has its own, leave {name} out")


def _simulate_again(recording: Recording, backend: str, checkpoints: Any) -> Run:
    """Simulate what was recorded."""
    started = time.perf_counter()
    given = Settings(
        horizon=recording.horizon,
        budget=recording.budget,
        max_deployed=recording.max_deployed,
        stages=len(recording.openings),
        trials=1,
        seed=recording.seed,
        backend=backend,
        checkpoints=checkpoints,
        deploy_cost=recording.deploy_cost,
        trace=True,
    )
    scenario, policy = recording.scenario, recording.policy
    task, settings, compile_seconds = _prepare(scenario, policy, given, recording=recording)
    chunk = run_chunk(task, recording.replica, 1, lambda rounds: None)
    seconds = time.perf_counter() - started - compile_seconds
    settings |= {"threads": 1, "compile_seconds": compile_seconds}
    accounts = collect(task, [chunk], recording.replica)
    return make_run(scenario, policy, settings, task.plan, accounts, seconds)


class PartialRun(NamedTuple):
    """Some of the trials of a run."""

    accounts: Accounts
    settings: dict[str, Any]  #: of the whole run, all resolved
    seconds: float  #: wall time; ``settings["compile_seconds"]`` was spent besides


def simulate_part(
    scenario: Scenario,
    policy: Policy,
    settings: Settings,
    first: int,
    stop: int,
    *,
    keep_stages: bool,
    progress: Callable[[int, int], None] | None = None,
) -> PartialRun:
    """Simulate trials ``first <= trial < stop`` of a run, on one thread.

    Parameters
    ----------
    scenario, policy : Scenario, Policy
        As in :func:`simulate`.
    settings : Settings
        Of the whole run.
    first, stop : int
        Where the part is to be reduced to moments or sums, ``first`` must be a multiple of
        ``BLOCK``, and so must ``stop`` unless it is the last trial of the run.
    keep_stages : bool
        Keep the stages of every trial; else their sums over blocks of trials.
    progress : callable, optional
        As in :func:`simulate`; may raise to stop.

    Returns
    -------
    PartialRun
        Put together, the parts of a run are the run, bit for bit; curves are kept for every
        trial.
    """
    started = time.perf_counter()
    task, resolved, compile_seconds = _prepare(scenario, policy, settings, (first, stop))
    task = task._replace(keep_curves=True, keep_stages=keep_stages)
    chunks = _chunks(first, stop - first, 1, task)
    resolved |= {"threads": 1, "compile_seconds": compile_seconds + _warm_up(task, chunks)}
    accounts = _run_all(task, chunks, 1, progress)
    seconds = time.perf_counter() - started - resolved["compile_seconds"]
    return PartialRun(accounts, resolved, seconds)


def _prepare(
    scenario: Scenario,
    policy: Policy,
    settings: Settings,
    part: tuple[int, int] | None = None,
    recording: Recording | None = None,
) -> tuple[Task, dict[str, Any], float]:
    """Make of settings what every chunk needs.

    Parameters
    ----------
    scenario, policy, settings : Scenario, Policy, Settings
    part : (int, int), optional
        First trial and end of what is simulated of the run; default all of it. Of a scenario
        with an instance of its own for every trial, the other instances are left out.
    recording : Recording, optional
        Says when stages open, and which numbers the parts of the policy ask for.

    Returns
    -------
    task, settings, compile_seconds : Task, dict, float
        Settings resolved to plain values; the last is the time of the first optimum of a process,
        nearly all of it compilation.
    """
    # What `auto` comes to must have the precision that is asked for.
    backend = resolve_backend(settings.backend)
    settings = replace(settings, backend=backend)
    horizon, trials, max_deployed = settings.horizon, settings.trials, settings.max_deployed
    first, stop = (0, trials) if part is None else part
    world = scenario.resolve(horizon, trials, slice(first, stop))
    # A rule is about the whole run, whatever part of it is simulated.
    rules = isinstance(settings.budget, str) or isinstance(settings.stages, str)
    world_of_run = scenario.resolve(horizon, trials) if rules and part is not None else world
    budget, count = resolve_rules(settings, world_of_run)
    # What depends on the number of stages is checked again where that was a rule.
    settings = replace(settings, budget=budget, stages=count)
    points = checkpoint_rounds(settings.checkpoints, horizon)
    openings = None if recording is None else recording.openings
    plan = make_plan(world, horizon, count, points, settings.load_rounds, openings)
    # Solved once on the host, whatever the device: not worth a compilation.
    if backend not in _warm:
        _log.info("kernels for %s: being compiled, or loaded from where they are kept", backend)
    asked = time.perf_counter()
    solver = "ref" if backend == "ref" else "numba"
    best = optimum(world, plan.pools, budget, max_deployed, solver, plan.regimes)
    solved = time.perf_counter()
    refuse_infeasible(world, best, budget, max_deployed)
    refuse_backend(policy, backend)
    run = run_numbers(world, policy, budget, horizon, plan.stage_length)
    if recording is not None:
        run = recording.run
    refuse_policy(policy, scenario, world, run, max_deployed)
    refuse_delay(scenario, world, backend)
    gamma = policy.estimator.radius(run.horizon, run.n_models)
    programs = make_programs(world, policy, settings.seed, run)
    task = Task(
        world=world,
        policy=policy,
        plan=plan,
        first_trial=first,
        run=run,
        names=scenario.models,
        optimum=best,
        contextual=contextual_optimum(world, plan.pools, budget, max_deployed, best, plan.regimes),
        programs=programs,
        passes=compose(policy, programs, backend),
        budget=budget,
        max_deployed=max_deployed,
        deploy_cost=settings.deploy_cost,
        backend=backend,
        dtype=settings.dtype,
        keep_curves=trials <= MAX_CURVE_TRIALS,
        keep_stages=trials * len(plan.stages) <= MAX_STAGE_ROWS,
        trace=settings.trace,
    )
    resolved = {
        "horizon": horizon,
        "budget": budget,
        "max_deployed": max_deployed,
        "stages": len(plan.stages),
        "stage_length": plan.stage_length,
        "gamma": gamma,
        "trials": trials,
        "seed": settings.seed,
        "backend": backend,
        "dtype": settings.dtype,
        "deploy_cost": settings.deploy_cost,
        "load_rounds": settings.load_rounds,
    }
    return task, resolved, 0.0 if backend in _warm else solved - asked


def _chunks(first: int, trials: int, threads: int, task: Task) -> list[tuple[int, int]]:
    """First trial and number of trials of every chunk."""
    most = load_kernel("rounds", "jax").chunk_trials() if task.backend == "jax" else CHUNK
    if task.program.feedback is not None:
        # A device that is given more trials has more room.
        room = PENDING * most // CHUNK
        most = min(most, BLOCK * (room // pending_bytes(task.program.feedback, BLOCK)))
    if kept := first_contexts(task).nbytes:
        most = min(most, CONTEXTS * most // CHUNK // kept)
    # Small runs are cut finer, so that every thread has work; into whole blocks all the same.
    blocks = -(-trials // (threads * BLOCK))
    size = BLOCK * min(max(most // BLOCK, 1), blocks)
    stop = first + trials
    return [(start, min(size, stop - start)) for start in range(first, stop, size)]


def _warm_up(task: Task, chunks: list[tuple[int, int]]) -> float:
    """Compile the kernels, or load them from their cache, by a run of one round.

    Returns
    -------
    float
        Seconds it took; next to 0 when this process has done it before.
    """
    # JAX compiles for every size; it knows itself what it has compiled before.
    if task.backend in _warm and task.backend != "jax":
        return 0.0
    started = time.perf_counter()
    world = task.world
    plan = make_plan(world, 1, 1, np.array([1]))
    # Two trials: with one, rows and columns look alike and other types would be compiled.
    sizes = {count for _, count in chunks} if task.backend == "jax" else {2}
    for count in sizes:
        run_chunk(task._replace(plan=plan), task.first_trial, count, lambda rounds: None)
    _warm.add(task.backend)
    _log.info("kernels for %s: ready%s", task.backend, _kernels(task.backend))
    return time.perf_counter() - started


def _kernels(backend: str) -> str:
    """Say how many kernels were compiled and loaded so far; nothing where nobody counts them."""
    if backend != "numba":
        return ""
    made = load_kernel("compile", backend).made
    return f", {made['compiled']} compiled and {made['loaded']} loaded so far"


class _StoppedError(Exception):
    """Ends a chunk after another one failed; never leaves this module."""


def _run_all(
    task: Task,
    chunks: list[tuple[int, int]],
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> Accounts:
    """Run every chunk on a pool of threads; the kernels release the interpreter lock."""
    total = sum(count for _, count in chunks) * task.plan.horizon
    lock = threading.Lock()
    stop = threading.Event()
    done = 0

    def report(rounds: int) -> None:
        nonlocal done
        if stop.is_set():
            raise _StoppedError
        if progress is not None:
            with lock:
                done += rounds
                progress(done, total)

    def run_chunks(some: list[tuple[int, int]]) -> Accounts:
        futures = [pool.submit(run_chunk, task, *chunk, report) for chunk in some]
        try:
            done_first, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done_first:
                future.result()
            return collect(task, [future.result() for future in futures], some[0][0])
        except BaseException:
            # Ctrl-C, or a chunk that failed: the others stop at their next piece.
            stop.set()
            for future in futures:
                future.cancel()
            raise

    if len(chunks) == 1:
        # To start a thread takes as long as a small chunk.
        return collect(task, [run_chunk(task, *chunks[0], report)], chunks[0][0])
    # Curves of a chunk are counted in many bins, which chunks share: some are put together first.
    groups = (chunks[k : k + TOGETHER] for k in range(0, len(chunks), TOGETHER))
    with ThreadPoolExecutor(threads) as pool:
        accounts = concatenate_all(run_chunks(group) for group in groups)
    assert accounts is not None  # there is a trial
    return accounts


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
