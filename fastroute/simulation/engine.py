"""The stage loop for one chunk of trials: deploy, play the rounds, keep the accounts."""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.kernels.types import STATES, Memory, ModelNumbers, Program, Routing, new_sums
from fastroute.policies import Choice, Policy, RunNumbers, StageProblem
from fastroute.policies.stage import check_choice
from fastroute.scenarios import World
from fastroute.scenarios.contextual import Contextual
from fastroute.scenarios.optimum import Optimum
from fastroute.simulation.blocks import Moments, block_curves, block_models, block_stages
from fastroute.simulation.ledger import Ledger
from fastroute.simulation.plan import Plan, Stage
from fastroute.solve.backend import load_kernel
from fastroute.solve.routing import route
from fastroute.solve.validate import Batch

F8 = NDArray[np.float64]

#: Doubles in a cache line.
_LINE: Final = 8


class Task(NamedTuple):
    """A run as every chunk sees it."""

    world: World  #: its rows of means, and those of the optimum, are the trials of this task
    policy: Policy
    plan: Plan
    first_trial: int  #: trial of the first row, where every trial has an instance of its own
    names: tuple[str, ...]  #: of the models
    optimum: Optimum
    contextual: Contextual | None  #: None where queries have neither tasks nor features
    program: Program
    passes: Any  #: the program, compiled by the backend
    budget: float
    max_deployed: int
    deploy_cost: float
    backend: str
    dtype: str  #: precision of bounds and shares, for backends that have a choice
    keep_curves: bool  #: else moments over trials
    keep_stages: bool  #: with the deployed sets; else sums over trials
    trace: bool

    def contextual_of(self, pool: int) -> tuple[float, float]:
        """Return the value of the contextual optimum of a pool, and whether it is exact."""
        if self.contextual is None:
            return math.nan, math.nan
        return float(self.contextual.value[pool]), float(self.contextual.exact[pool])

    def instances(self, first_trial: int, trials: int) -> slice:
        """Return the rows of means of some trials; the only row where all trials share it."""
        first = first_trial - self.first_trial
        return slice(first, first + trials) if len(self.world.reward_mean) > 1 else slice(0, 1)


class ChunkResult(NamedTuple):
    """Accounts of a chunk; see :class:`~fastroute.simulation.ledger.Ledger`."""

    trials: int
    finals: dict[str, NDArray[Any]]  #: columns of ``Run.trials``
    curves: F8 | Moments  #: [quantity, trials, checkpoint], or moments of blocks of trials
    stages: F8  #: [column, stage, trials], or sums over blocks of trials
    sets: ModelNumbers | None  #: [stage, trials, slots]; None when ``stages`` holds sums
    pulls: F8  #: real observations of every model, [N, trials]
    models: F8  #: as in :class:`~fastroute.simulation.blocks.Models`
    trace: ModelNumbers  #: [rounds, trials], empty unless traced


def budget_of(policy: Policy, budget: float) -> float:
    """Return the budget that a policy keeps to: that of the run with its margin taken off."""
    return (1.0 - policy.margin) * budget


def run_numbers(world: World, policy: Policy, budget: float, plan: Plan) -> RunNumbers:
    """Return the numbers of a run that the parts of a policy ask for."""
    return RunNumbers(
        plan.horizon,
        plan.stage_length,
        len(world.limit),
        budget_of(policy, budget),
        world.cost_min,
        world.cost_max,
    )


def make_program(world: World, policy: Policy, budget: float, seed: int, plan: Plan) -> Program:
    """Say what stays the same in a run, as the kernels see it."""
    run = run_numbers(world, policy, budget, plan)
    return Program(
        seed=np.uint64(seed),  # type: ignore[arg-type]  # kernels need the full unsigned range
        estimator=policy.estimator.kernel(run),
        router=policy.router.kernel(run),
        reward=world.reward,
        cost=world.cost,
    )


def refuse_policy(policy: Policy, world: World, backend: str) -> None:
    """Refuse a policy that the scenario or the backend cannot run.

    Raises
    ------
    ValueError
    """
    for part in policy.parts:
        if backend not in part.backends:
            raise ValueError(part.refusal(backend))
    if policy.estimator.needs_tasks and not len(world.reward.task_prob):
        raise ValueError(
            f'policy {policy.name!r}: estimator="{policy.estimator.label}" needs a scenario whose '
            'queries have tasks, reward=fr.ByTask(...), such as fr.scenario("routerbench").'
        )
    if policy.estimator.needs_features and not world.reward.features.size:
        raise ValueError(
            f'policy {policy.name!r}: estimator="{policy.estimator.label}" needs a scenario whose '
            'queries have features, such as fr.scenario("linear"), or "replay" with features=[...].'
        )


def compose(policy: Policy, program: Program, backend: str) -> Any:
    """Compile the passes of a program.

    Raises
    ------
    ValueError
        When a formula or a function of the user cannot be compiled.
    """
    kernel = load_kernel("rounds", backend)
    if backend != "numba":
        return kernel.compose(program)
    from numba.core.errors import NumbaError

    try:
        return kernel.compose(program)
    except NumbaError as error:
        own = [f"{part.kind} {part.label}" for part in policy.parts if part.is_own]
        what = " or ".join(own) or "a law of the scenario"
        raise ValueError(f"{what}: cannot be compiled: {error}") from error


def run_chunk(
    task: Task, first_trial: int, trials: int, report: Callable[[int], None]
) -> ChunkResult:
    """Simulate ``trials`` trials from ``first_trial`` on.

    Parameters
    ----------
    task : Task
    first_trial, trials : int
        A trial's result depends on its number alone, not on the chunk it is in.
    report : callable
        Called with the number of rounds played (rounds x trials) after every piece; may raise to
        stop the run.

    Returns
    -------
    ChunkResult
    """
    world, plan = task.world, task.plan
    kernel = load_kernel("rounds", task.backend)
    size = len(world.limit)
    slots = min(task.max_deployed, size)
    mine = task.instances(first_trial, trials)
    reward_mean = np.ascontiguousarray(world.reward_mean[mine])
    cost_mean = np.ascontiguousarray(world.cost_mean[mine])
    memory = _fresh_memory(task, trials)
    ledger = Ledger(
        trials=trials,
        models=size,
        slots=slots,
        stages=len(plan.stages),
        checkpoints=len(plan.checkpoints),
        budget=task.budget,
        deploy_cost=task.deploy_cost,
        keep_sets=task.keep_stages,
    )
    precision = (task.dtype,) if task.backend == "jax" else ()
    workspace = kernel.workspace(trials, slots, *precision)
    sums = new_sums(trials)
    trace = np.full((plan.horizon if task.trace else 0, trials if task.trace else 0), -1, np.int32)
    previous = np.zeros((trials, size), np.bool_)
    for k, stage in enumerate(plan.stages):
        problem = _problem(task, k, stage, memory, previous, reward_mean, cost_mean, first_trial)
        deployer = task.policy.deployer
        choice = deployer.choose(problem)
        if deployer.is_own or not isinstance(choice, Choice):
            choice = check_choice(choice, problem, deployer.label)
        filled = slot_table(choice.deployed, slots)
        inside = _best_routing(filled, reward_mean, cost_mean, world.limit, task)
        pool_value = task.optimum.value[stage.pool, mine]
        ledger.open_stage(k, stage.rounds, choice, filled, previous, pool_value, inside.value)
        kernel.open_stage(
            workspace,
            task.passes,
            filled,
            memory,
            reward_mean,
            cost_mean,
            world.limit,
            stage.opened,
            first_trial,
        )
        for piece in stage.pieces:
            refused = kernel.run_rounds(
                workspace,
                task.passes,
                filled,
                stage.opened,
                piece.start,
                piece.stop,
                first_trial,
                sums,
                trace[piece.start : piece.stop],
                memory.contexts,
            )
            if refused >= 0:
                raise ValueError(
                    f"router {task.policy.router.label}: its shares in round {refused} are "
                    "not a distribution within the limits: they must be at least 0, "
                    "at most their limits, and add up to 1 in every trial"
                )
            rounds = piece.stop - piece.start
            ledger.add(
                rounds,
                task.optimum.value[piece.pool, mine],
                task.optimum.budget_price[piece.pool, mine],
                sums,
                task.contextual_of(piece.pool),
            )
            if piece.checkpoint >= 0:
                ledger.record_checkpoint(piece.checkpoint)
            report(rounds * trials)
        kernel.close_stage(workspace, task.passes, filled, memory)
        ledger.over_budget_stages += inside.status == codes.OVER_BUDGET
        ledger.close_stage(k)
        previous = choice.deployed
    ledger.close(memory.plays, _oracle_pulls(task, mine), reward_mean, cost_mean)
    curves, table, models = ledger.curves, ledger.stage_table, ledger.model_columns()
    # The tables are large: what is not kept is reduced here.
    return ChunkResult(
        trials=trials,
        finals=ledger.trial_columns(),
        curves=curves if task.keep_curves else block_curves(curves),
        stages=table if task.keep_stages else block_stages(table),
        sets=ledger.stage_sets if task.keep_stages else None,
        pulls=memory.plays,
        models=models if task.keep_stages else block_models(models),
        trace=trace,
    )


def _oracle_pulls(task: Task, mine: slice) -> F8:
    """Return the pulls that the oracle gives every model, [trials or 1, N].

    It deploys the true optimum of the models that are there when a stage opens.
    """
    # Of these trials alone: a run over an instance per trial has as many rows as trials.
    weight = task.optimum.weight[:, mine]
    oracle = np.zeros(weight.shape[1:])
    for stage in task.plan.stages:
        oracle += stage.rounds * weight[stage.pool]
    return oracle


def slot_table(deployed: NDArray[np.bool_], slots: int) -> NDArray[np.int64]:
    """Deployed models of each trial in increasing order, then -1: [trials, slots]."""
    order = np.argsort(~deployed, axis=1, kind="stable")[:, :slots]
    return np.where(np.take_along_axis(deployed, order, axis=1), order, -1).astype(np.int64)


def _fresh_memory(task: Task, trials: int) -> Memory:
    """Memory before the first round."""
    size = len(task.world.limit)
    estimator, router = task.program.estimator, task.program.router
    seen = np.empty((len(estimator.first), size, trials))
    seen[:] = np.array(estimator.first)[:, None, None]
    state = np.zeros((STATES, trials))
    state[: len(router.first)] = np.array(router.first)[:, None]
    run = run_numbers(task.world, task.policy, task.budget, task.plan)
    first = task.policy.estimator.first_contexts(run, task.program.reward)
    # Nothing for any trial where nothing is kept.
    contexts = _on_lines((trials if first.size else 0, *first.shape))
    contexts[:] = first
    return Memory(seen, np.zeros((size, trials)), state, contexts)


def _on_lines(shape: tuple[int, ...]) -> F8:
    """Return an array that begins with a cache line, so that vectors lie in one each."""
    size = math.prod(shape)
    raw = np.zeros(size + _LINE)
    start = -(raw.ctypes.data // raw.itemsize) % _LINE
    return raw[start : start + size].reshape(shape)


def _problem(
    task: Task,
    k: int,
    stage: Stage,
    memory: Memory,
    previous: NDArray[np.bool_],
    reward_mean: F8,
    cost_mean: F8,
    first_trial: int,
) -> StageProblem:
    """Gather what the deployer sees when stage ``k`` opens."""
    trials = len(previous)
    program, estimator = task.program, task.program.estimator
    size = len(task.world.limit)

    def draw(stream: int = codes.STREAM_DEPLOY) -> F8:
        rng = load_kernel("rng", task.backend)
        table: F8 = rng.uniform_table(program.seed, stage.opened, first_trial, stream, trials, size)
        return table

    with np.errstate(all="ignore"):
        upper, lower = task.policy.estimator.bounds_of_all(
            estimator,
            tuple(memory.seen),
            (reward_mean.T, cost_mean.T),
            lambda: draw(codes.STREAM_BELIEF).T,
        )
    shape = (size, trials)

    return StageProblem(
        np.broadcast_to(upper, shape).T,
        np.broadcast_to(lower, shape).T,
        reward_mean,
        cost_mean,
        np.where(task.plan.pools[stage.pool], task.world.limit, 0.0),
        task.world.arrival,
        memory.seen[0].T,
        previous,
        k == 0,
        draw,
        budget_of(task.policy, task.budget),
        task.deploy_cost / stage.rounds,
        task.max_deployed,
        task.backend,
    )


def _best_routing(
    filled: NDArray[np.int64], reward_mean: F8, cost_mean: F8, limit: F8, task: Task
) -> Routing:
    """Best routing within the deployed sets under the true means; its value is V(A_k)."""
    row = np.arange(len(filled))[:, None] if len(reward_mean) > 1 else 0
    return route(
        Batch(
            filled.shape[:1],
            reward_mean[row, filled],
            cost_mean[row, filled],
            np.where(filled >= 0, limit[filled], 0.0),
            np.full(len(filled), task.budget),
        ),
        task.backend,
    )
