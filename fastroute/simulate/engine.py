"""The stage loop for one chunk of trials: deploy, play the rounds, keep the accounts."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.kernels.types import Draws, Memory, Routing, Rules, new_sums
from fastroute.policy import DEPLOYERS, ESTIMATORS, ROUTERS, Policy, StageProblem
from fastroute.policy.estimators import INIT_RULES
from fastroute.scenario import World
from fastroute.scenario.optimum import Optimum
from fastroute.simulate.blocks import Moments, block_curves, block_stages
from fastroute.simulate.ledger import QUANTITIES, STAGE_COLUMNS, Ledger
from fastroute.simulate.plan import Plan, Stage
from fastroute.solve.backend import load_kernel
from fastroute.solve.routing import route
from fastroute.solve.validate import Batch

F8 = NDArray[np.float64]


class Task(NamedTuple):
    """A run as every chunk sees it."""

    world: World
    policy: Policy
    plan: Plan
    optimum: Optimum
    rules: Rules
    draws: Draws
    budget: float
    max_deployed: int
    deploy_cost: float
    backend: str
    dtype: str  #: precision of bounds and shares, for backends that have a choice
    keep_curves: bool  #: else moments over trials
    keep_stages: bool  #: with the deployed sets; else sums over trials
    trace: bool


class ChunkResult(NamedTuple):
    """Accounts of a chunk; see :class:`~fastroute.simulate.ledger.Ledger`."""

    ledger: Ledger
    curves: F8 | Moments  #: [quantity, trials, checkpoint], or moments of blocks of trials
    stages: F8  #: [column, stage, trials], or sums over blocks of trials
    pulls: F8  #: real observations of every model, [N, trials]
    trace: NDArray[np.int16]  #: [rounds, trials], empty unless traced


def make_rules(world: World, policy: Policy, budget: float, gamma: float, seed: int) -> Rules:
    """Numbers of a policy for the kernels."""
    return Rules(
        np.uint64(seed),  # type: ignore[arg-type]  # kernels need the full unsigned range
        (1.0 - policy.margin) * budget,
        0.0 if policy.estimator == "mean" else gamma,
        world.cost_min,
        world.cost_max,
        ESTIMATORS[policy.estimator],
        ROUTERS[policy.router],
        INIT_RULES[policy.init],
        float(policy.init_pulls),
        policy.resolve_every,
    )


def make_draws(world: World) -> Draws:
    """Law of rewards and costs for the kernels."""
    return Draws(
        world.reward_kind,
        world.cost_kind,
        world.reward_table,
        world.cost_table,
        world.task_prob,
        world.task_alias,
        world.in_order,
    )


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
    mine = slice(first_trial, first_trial + trials) if len(world.reward_mean) > 1 else slice(0, 1)
    reward_mean = np.ascontiguousarray(world.reward_mean[mine])
    cost_mean = np.ascontiguousarray(world.cost_mean[mine])
    memory = _fresh_memory(task, trials)
    pseudo = memory.pulls[:, :1].copy()
    ledger = Ledger(
        trials,
        task.budget,
        np.zeros((len(QUANTITIES), trials, len(plan.checkpoints))),
        np.zeros((len(STAGE_COLUMNS), len(plan.stages), trials)),
        np.full((len(plan.stages) if task.keep_stages else 0, trials, slots), -1, np.int16),
    )
    precision = (task.dtype,) if task.backend == "jax" else ()
    workspace = kernel.workspace(trials, slots, *precision)
    sums = new_sums(trials)
    trace = np.full((plan.horizon if task.trace else 0, trials if task.trace else 0), -1, np.int16)
    previous = np.zeros((trials, size), np.bool_)
    for k, stage in enumerate(plan.stages):
        problem = _problem(task, k, stage, memory, previous, reward_mean, cost_mean, first_trial)
        choice = DEPLOYERS[task.policy.deployer](problem)
        filled = slot_table(choice.deployed, slots)
        ledger.open_stage(choice.deployed, previous)
        ledger.keep_sets(k, filled)
        pool_value = task.optimum.value[stage.pool, mine]
        inside = _best_within(filled, reward_mean, cost_mean, world.limit, task)
        deployed_value = inside.value
        kernel.open_stage(
            workspace, filled, memory, reward_mean, cost_mean, world.limit, task.rules
        )
        for piece in stage.pieces:
            kernel.run_rounds(
                workspace,
                filled,
                stage.opened,
                piece.start,
                piece.stop,
                first_trial,
                task.rules,
                task.draws,
                sums,
                trace[piece.start : piece.stop],
            )
            rounds = piece.stop - piece.start
            ledger.add(
                rounds,
                task.optimum.value[piece.pool, mine],
                pool_value,
                deployed_value,
                task.optimum.budget_price[piece.pool, mine],
                sums,
            )
            if piece.checkpoint >= 0:
                ledger.mark(piece.checkpoint, piece.stop)
            report(rounds * trials)
        kernel.close_stage(workspace, filled, memory)
        ledger.over_budget_stages += inside.status == codes.OVER_BUDGET
        ledger.close_stage(k, stage.rounds, choice, pool_value, deployed_value)
        previous = choice.deployed
    curves: F8 | Moments = ledger.curves if task.keep_curves else block_curves(ledger.curves)
    table = ledger.stage_table if task.keep_stages else block_stages(ledger.stage_table)
    # The tables are large; only what is kept leaves this function.
    ledger.curves = ledger.stage_table = np.empty((0, 0, 0))
    return ChunkResult(ledger, curves, table, memory.pulls - pseudo, trace)


def slot_table(deployed: NDArray[np.bool_], slots: int) -> NDArray[np.int64]:
    """Deployed models of each trial in increasing order, then -1: [trials, slots]."""
    order = np.argsort(~deployed, axis=1, kind="stable")[:, :slots]
    return np.where(np.take_along_axis(deployed, order, axis=1), order, -1).astype(np.int64)


def _fresh_memory(task: Task, trials: int) -> Memory:
    """Empty memory, or the pseudo-observations of ``init="prior"``."""
    shape = (len(task.world.limit), trials)
    policy = task.policy
    if policy.init != "prior":
        return Memory(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    cost = task.world.cost_min if policy.prior_cost is None else policy.prior_cost
    return Memory(
        np.full(shape, float(policy.init_pulls)),
        np.full(shape, policy.init_pulls * policy.prior_reward),
        np.full(shape, policy.init_pulls * cost),
    )


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
    rules = task.rules
    upper, lower = np.empty(memory.pulls.shape), np.empty(memory.pulls.shape)
    if rules.estimator == codes.ESTIMATOR_TRUTH:
        upper[:], lower[:] = reward_mean.T, cost_mean.T
    else:
        bounds = load_kernel("bounds", task.backend)
        bounds.bounds_batch(
            *memory,
            rules.gamma,
            rules.cost_min,
            rules.cost_max,
            rules.init,
            rules.init_pulls,
            upper,
            lower,
        )

    def draw() -> F8:
        rng = load_kernel("rng", task.backend)
        table: F8 = rng.uniform_table(
            rules.seed, stage.opened, first_trial, codes.STREAM_DEPLOY, trials, len(upper)
        )
        return table

    return StageProblem(
        upper.T,
        lower.T,
        reward_mean,
        cost_mean,
        np.where(task.plan.pools[stage.pool], task.world.limit, 0.0),
        task.world.arrival,
        memory.pulls.T,
        previous,
        k == 0,
        draw,
        rules.budget,
        task.deploy_cost / stage.rounds,
        task.max_deployed,
        task.policy.fill,
        task.backend,
    )


def _best_within(
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
