"""The stage loop for one chunk of trials: deploy, play the rounds, keep the accounts."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.kernels.normal import normal
from fastroute.kernels.types import STATES, Draws, Memory, ModelNumbers, Routing, Rules, new_sums
from fastroute.policies import DEPLOYERS, ESTIMATORS, ROUTERS, Policy, StageProblem
from fastroute.policies.custom import compile_router, plain_function, router_name
from fastroute.policies.estimators import INIT_RULES, NO_RADIUS
from fastroute.policies.routers import first_state, resolve_explore, resolve_gain
from fastroute.scenarios import World
from fastroute.scenarios.optimum import Optimum
from fastroute.simulation.blocks import Moments, block_curves, block_models, block_stages
from fastroute.simulation.ledger import Ledger
from fastroute.simulation.plan import Plan, Stage
from fastroute.solve.backend import load_kernel
from fastroute.solve.routing import route
from fastroute.solve.validate import Batch

F8 = NDArray[np.float64]


class Task(NamedTuple):
    """A run as every chunk sees it."""

    world: World  #: its rows of means, and those of the optimum, are the trials of this task
    policy: Policy
    plan: Plan
    first_trial: int  #: trial of the first row, where every trial has an instance of its own
    names: tuple[str, ...]  #: of the models
    optimum: Optimum
    rules: Rules
    draws: Draws
    custom: Any  #: function of a custom router, as the backend calls it; None for JAX
    budget: float
    max_deployed: int
    deploy_cost: float
    backend: str
    dtype: str  #: precision of bounds and shares, for backends that have a choice
    keep_curves: bool  #: else moments over trials
    keep_stages: bool  #: with the deployed sets; else sums over trials
    trace: bool

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


def make_rules(
    world: World, policy: Policy, budget: float, gamma: float, seed: int, plan: Plan
) -> Rules:
    """Numbers of a policy for the kernels."""
    kept = (1.0 - policy.margin) * budget
    router = policy.router if isinstance(policy.router, str) else "custom"
    pace = min(kept, world.cost_max) / world.cost_max if world.cost_max > 0.0 else 1.0
    return Rules(
        np.uint64(seed),  # type: ignore[arg-type]  # kernels need the full unsigned range
        kept,
        0.0 if policy.estimator in NO_RADIUS else gamma,
        world.cost_min,
        world.cost_max,
        ESTIMATORS[policy.estimator],
        ROUTERS.get(router, codes.ROUTER_CUSTOM),
        INIT_RULES[policy.init],
        float(policy.init_pulls),
        policy.resolve_every,
        1.0 if policy.estimator == "pessimistic" else -1.0,
        policy.discount if policy.estimator == "discounted" else 1.0,
        resolve_explore(router, policy.explore, plan.horizon, plan.stage_length),
        resolve_gain(router, policy.gain, plan.horizon, pace),
        policy.smoothing,
        policy.ceiling,
    )


def refuse_policy(policy: Policy, world: World, backend: str) -> None:
    """Refuse a policy that the scenario or the backend has not what it takes for.

    Raises
    ------
    ValueError
    """
    if backend == "jax" and not isinstance(policy.router, str):
        raise ValueError(
            f'backend="jax" cannot call the router {router_name(policy.router)}, a function. Use '
            'backend="numba".'
        )
    if policy.estimator == "contextual":
        if backend == "jax":
            raise ValueError('backend="jax" has no estimator "contextual". Use backend="numba".')
        if world.reward_kind != codes.REWARD_TASK:
            raise ValueError(
                f'policy {policy.name!r}: estimator="contextual" needs a scenario whose queries '
                'have tasks, reward_law="task", such as fr.scenario("routerbench").'
            )


def make_custom(policy: Policy, backend: str) -> Any:
    """Return the policy's own router as the backend calls it, or what stands in for one.

    Raises
    ------
    ValueError
        When it cannot be compiled.
    """
    if not isinstance(policy.router, str):
        return plain_function(policy.router) if backend == "ref" else compile_router(policy.router)
    return load_kernel("routers", backend).no_custom if backend == "numba" else None


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
        choice = DEPLOYERS[task.policy.deployer](problem)
        filled = slot_table(choice.deployed, slots)
        inside = _best_within(filled, reward_mean, cost_mean, world.limit, task)
        pool_value = task.optimum.value[stage.pool, mine]
        ledger.open_stage(k, stage.rounds, choice, filled, previous, pool_value, inside.value)
        kernel.open_stage(
            workspace, filled, memory, reward_mean, cost_mean, world.limit, task.rules
        )
        for piece in stage.pieces:
            refused = kernel.run_rounds(
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
                task.custom,
                memory.contexts,
            )
            if refused >= 0:
                raise ValueError(
                    f"router {router_name(task.policy.router)}: what it wrote to share in round "
                    f"{refused} is no distribution within the limits: shares must be at least 0, "
                    "at most their limits, and add up to 1 in every trial"
                )
            rounds = piece.stop - piece.start
            ledger.add(
                rounds,
                task.optimum.value[piece.pool, mine],
                task.optimum.budget_price[piece.pool, mine],
                sums,
            )
            if piece.checkpoint >= 0:
                ledger.mark(piece.checkpoint)
            report(rounds * trials)
        kernel.close_stage(workspace, filled, memory, task.rules)
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
    """Empty memory, or the pseudo-observations of ``init="prior"``."""
    shape = (len(task.world.limit), trials)
    policy, rules = task.policy, task.rules
    state = np.zeros((STATES, trials))
    if isinstance(policy.router, str):
        known = first_state(policy.router, min(rules.budget, rules.cost_max))
        state[: len(known)] = np.array(known)[:, None]
    reading = rules.estimator == codes.ESTIMATOR_CONTEXTUAL
    count = float(policy.init_pulls) if policy.init == "prior" else 0.0
    cost = task.world.cost_min if policy.prior_cost is None else policy.prior_cost
    contexts = np.zeros((trials, len(task.draws.task_prob), shape[0], 2) if reading else (0,) * 4)
    if reading:
        contexts[:] = count, count * policy.prior_reward
    return Memory(
        np.full(shape, count),
        np.full(shape, count * policy.prior_reward),
        np.full(shape, count * cost),
        np.zeros(shape),
        state,
        contexts,
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
            *memory[:3],
            rules.gamma,
            rules.cost_min,
            rules.cost_max,
            rules.init,
            rules.init_pulls,
            upper,
            lower,
            rules.cost_side,
        )

    def draw(stream: int = codes.STREAM_DEPLOY) -> F8:
        rng = load_kernel("rng", task.backend)
        table: F8 = rng.uniform_table(
            rules.seed, stage.opened, first_trial, stream, trials, len(upper)
        )
        return table

    if rules.estimator == codes.ESTIMATOR_THOMPSON:
        load_kernel("bounds", task.backend).posterior_batch(
            memory.pulls,
            memory.sum_reward,
            normal(draw(codes.STREAM_BELIEF)).T,
            rules.init,
            rules.init_pulls,
            upper,
        )

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
