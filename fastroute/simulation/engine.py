"""The stage loop for one chunk of trials: deploy, play the rounds, keep the accounts."""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.kernels.types import (
    STATES,
    Memory,
    ModelNumbers,
    Program,
    Routing,
    new_sums,
    pending_bytes,
)
from fastroute.policies import Choice, Policy, RunNumbers, StageProblem
from fastroute.policies.stage import check_choice
from fastroute.scenarios import Scenario, World
from fastroute.scenarios.contextual import Contextual
from fastroute.scenarios.optimum import Optimum
from fastroute.simulation.blocks import BLOCK, Moments, block_curves, block_models, block_stages
from fastroute.simulation.ledger import Ledger
from fastroute.simulation.plan import Plan, Stage
from fastroute.solve.backend import load_kernel
from fastroute.solve.routing import route
from fastroute.solve.validate import Batch

F8 = NDArray[np.float64]

#: The most that the outcomes which a block of trials is yet to learn may take, in bytes.
MOST_PENDING: Final = 1 << 31
#: Doubles in a cache line.
_LINE: Final = 8


class Task(NamedTuple):
    """A run as every chunk sees it."""

    world: World  #: its rows of means, and those of the optimum, are the trials of this task
    policy: Policy
    plan: Plan
    first_trial: int  #: trial of the first row, where every trial has an instance of its own
    run: RunNumbers  #: of which the parts of the policy ask
    names: tuple[str, ...]  #: of the models
    optimum: Optimum
    contextual: Contextual | None  #: None where queries have neither tasks nor features
    programs: tuple[Program, ...]  #: of every regime of the world
    passes: tuple[Any, ...]  #: the programs, compiled by the backend
    budget: float
    max_deployed: int
    deploy_cost: float
    backend: str
    dtype: str  #: precision of bounds and shares, for backends that have a choice
    keep_curves: bool  #: else moments over trials
    keep_stages: bool  #: with the deployed sets; else sums over trials
    trace: bool

    @property
    def program(self) -> Program:
        """The program of the first round; only tables of the laws are others later."""
        return self.programs[0]

    @property
    def knows_means(self) -> bool:
        """Whether the policy looks at the true means while it routes."""
        program = self.program
        return program.estimator.kernel == "known_means" or program.router.kernel == "known_lp"

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


def run_numbers(
    world: World, policy: Policy, budget: float, horizon: int, stage_length: int
) -> RunNumbers:
    """Return the numbers of a run that the parts of a policy ask for."""
    return RunNumbers(
        horizon,
        stage_length,
        len(world.limit),
        budget_of(policy, budget),
        world.cost_min,
        world.cost_max,
    )


def make_programs(world: World, policy: Policy, seed: int, run: RunNumbers) -> tuple[Program, ...]:
    """Say what stays the same in every regime of a run, as the kernels see it."""
    feedback = world.feedback
    first = Program(
        seed=np.uint64(seed),  # type: ignore[arg-type]  # kernels need the full unsigned range
        estimator=policy.estimator.kernel(run, apart=_learns_apart(world)),
        router=policy.router.kernel(run),
        reward=world.reward,
        cost=world.cost,
        feedback=feedback,
        models=0 if feedback is None else len(world.limit),
    )
    return tuple(first._replace(reward=one.reward, cost=one.cost) for one in world.regimes)


def _learns_apart(world: World) -> bool:
    """Tell whether rewards and costs are learnt apart."""
    return world.feedback is not None and not world.feedback.together


def refuse_backend(policy: Policy, backend: str) -> None:
    """Refuse a policy that the backend cannot run.

    Raises
    ------
    ValueError
    """
    for part in policy.parts:
        if backend not in part.backends:
            raise ValueError(part.refusal(backend))


def refuse_policy(
    policy: Policy, scenario: Scenario, world: World, run: RunNumbers, max_deployed: int
) -> None:
    """Refuse a policy that cannot be run in a scenario, on whatever backend.

    Parameters
    ----------
    policy, scenario : Policy, Scenario
    world : World
        The scenario, resolved.
    run : RunNumbers
    max_deployed : int

    Raises
    ------
    ValueError
        Naming the part of the policy and the option of the scenario that do not go together.
    """
    policy.deployer.check_run(max_deployed)
    if policy.estimator.needs_tasks and not len(world.reward.task_prob):
        raise ValueError(
            f'policy {policy.title!r}: estimator="{policy.estimator.label}" needs a scenario whose '
            'queries have tasks, reward=fr.ByTask(...), such as fr.scenario("routerbench").'
        )
    if policy.estimator.needs_features and not world.reward.features.size:
        raise ValueError(
            f'policy {policy.title!r}: estimator="{policy.estimator.label}" needs a scenario whose '
            'queries have features, such as fr.scenario("linear"), or "replay" with features=[...].'
        )
    if world.feedback is not None and not policy.estimator.learns_late:
        late = " and ".join(f"{name}={value!r}" for name, value in scenario.late_feedback.items())
        raise ValueError(
            f'policy {policy.title!r}: estimator="{policy.estimator.label}" learns every outcome '
            f"in its own round; leave out {late} of the scenario, or take another estimator."
        )
    # What these refuse by themselves.
    policy.estimator.kernel(run, apart=_learns_apart(world))
    policy.estimator.first_contexts(run, world.reward)
    policy.router.kernel(run)


def refuse_delay(scenario: Scenario, world: World, backend: str) -> None:
    """Refuse delays for which there is no room, or which a backend cannot replay.

    Raises
    ------
    ValueError
    """
    late = world.feedback
    if backend == "jax" and late is not None:
        if late.reward.by_round.size or late.cost.by_round.size:
            raise ValueError('backend="jax" does not replay recorded delays. Use backend="numba".')
    needed = 0 if late is None else pending_bytes(late, BLOCK)
    if needed > MOST_PENDING:
        assert world.feedback is not None
        raise ValueError(
            f"reward_delay={scenario.reward_delay!r} and cost_delay={scenario.cost_delay!r} reach "
            f"{world.feedback.longest:,} rounds, for which {BLOCK} trials need "
            f"{needed / 2**30:.1f} GiB, more than {MOST_PENDING / 2**30:.0f} GiB; use shorter "
            "delays, fixed ones, or fewer rounds"
        )


def compose(policy: Policy, programs: tuple[Program, ...], backend: str) -> tuple[Any, ...]:
    """Compile the passes of every program of a run.

    Raises
    ------
    ValueError
        When a formula or a function of the user cannot be compiled.
    """
    kernel = load_kernel("rounds", backend)

    def compose_all() -> tuple[Any, ...]:
        # Programs with the same laws are one.
        made: dict[tuple[int, int], Any] = {}
        for program in programs:
            key = id(program.reward), id(program.cost)
            if key not in made:
                made[key] = kernel.compose(program)
        return tuple(made[id(one.reward), id(one.cost)] for one in programs)

    if backend != "numba":
        return compose_all()
    from numba.core.errors import NumbaError

    try:
        return compose_all()
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
    size = len(world.limit)
    slots = min(task.max_deployed, size)
    mine = task.instances(first_trial, trials)
    regimes = [_Means.of(one, mine) for one in world.regimes]
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
    kernel = load_kernel("rounds", task.backend)
    workspace = kernel.workspace(trials, slots, *precision)
    sums = new_sums(trials)
    trace = np.full((plan.horizon if task.trace else 0, trials if task.trace else 0), -1, np.int32)
    previous = np.zeros((trials, size), np.bool_)
    for k, stage in enumerate(plan.stages):
        regime = int(plan.regimes[stage.pool])
        means = regimes[regime]
        problem = _problem(task, k, stage, memory, previous, means, first_trial)
        deployer = task.policy.deployer
        choice = deployer.choose(problem)
        if deployer.is_own or not isinstance(choice, Choice):
            choice = check_choice(choice, problem, deployer.label)
        filled = slot_table(choice.deployed, slots)
        inside = _best_routing(filled, means, task)
        over_budget = inside.status == codes.OVER_BUDGET
        pool_value = task.optimum.value[stage.pool, mine]
        ledger.open_stage(k, stage.rounds, choice, filled, previous, pool_value, inside.value)
        opened = stage.opened
        loading = choice.deployed & ~previous if stage.loaded > opened else None
        where = filled, memory, *means.while_loading(loading)
        kernel.open_stage(workspace, task.passes[regime], *where, opened, first_trial)
        for piece in stage.pieces:
            # In every trial, also where nothing was loading: a chunk has one schedule.
            anew = loading is not None and piece.start == stage.loaded
            if anew:
                loading = None
            if plan.regimes[piece.pool] != regime:
                before, regime = means, int(plan.regimes[piece.pool])
                means = regimes[regime]
                inside = _best_routing(filled, means, task)
                over_budget |= inside.status == codes.OVER_BUDGET
                anew |= task.knows_means or not np.array_equal(before.limit, means.limit)
                if not anew:
                    kernel.load_means(workspace, filled, means.reward, means.cost)
            if anew:
                # What the router knows is another: it begins as when a stage opens, and what was
                # learned stays.
                opened = piece.start
                kernel.close_stage(workspace, task.passes[regime], filled, memory)
                where = filled, memory, *means.while_loading(loading)
                kernel.open_stage(workspace, task.passes[regime], *where, opened, first_trial)
            refused = kernel.run_rounds(
                workspace,
                task.passes[regime],
                filled,
                opened,
                piece.start,
                piece.stop,
                first_trial,
                sums,
                trace[piece.start : piece.stop],
                memory,
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
                task.optimum.value[piece.opening, mine],
                inside.value,
                sums,
                task.contextual_of(piece.pool),
            )
            if piece.checkpoint >= 0:
                ledger.record_checkpoint(piece.checkpoint)
            report(rounds * trials)
        kernel.close_stage(workspace, task.passes[regime], filled, memory)
        ledger.over_budget_stages += over_budget
        ledger.close_stage(k)
        previous = choice.deployed
    oracle, reward_mean, cost_mean = _over_the_run(task, mine, regimes)
    ledger.close(memory.plays, oracle, reward_mean, cost_mean)
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


class _Means(NamedTuple):
    """What holds in a regime, for the trials of a chunk."""

    reward: F8  #: true means, [trials or 1, N]
    cost: F8
    limit: F8  #: [N]

    @classmethod
    def of(cls, world: World, mine: slice) -> "_Means":
        """Return the rows of some trials."""
        return cls(
            np.ascontiguousarray(world.reward_mean[mine]),
            np.ascontiguousarray(world.cost_mean[mine]),
            # A copy: what is read-only would be another type for kernels.
            np.array(world.limit),
        )

    def while_loading(self, loading: NDArray[np.bool_] | None) -> tuple[F8, F8, F8]:
        """Return what kernels take: the limit is 0 where a model is loading, [trials, N]."""
        limit = self.limit[None] if loading is None else np.where(loading, 0.0, self.limit)
        return self.reward, self.cost, limit


def _over_the_run(task: Task, mine: slice, regimes: list[_Means]) -> tuple[F8, F8, F8]:
    """Return the pulls of the oracle and the true means over the rounds, [trials or 1, N].

    The oracle deploys the true optimum of the models that are there when a stage opens.
    """
    # Of these trials alone: a run over an instance per trial has as many rows as trials.
    weight = task.optimum.weight[:, mine]
    oracle = np.zeros(weight.shape[1:])
    held = np.zeros(len(regimes))
    for stage in task.plan.stages:
        rounds: dict[int, int] = {}
        for piece in stage.pieces:
            rounds[piece.opening] = rounds.get(piece.opening, 0) + piece.stop - piece.start
        for pool, count in rounds.items():
            oracle += count * weight[pool]
            held[task.plan.regimes[pool]] += count
    if len(regimes) == 1:
        return oracle, regimes[0].reward, regimes[0].cost
    share = held / held.sum()
    reward = sum(x * means.reward for x, means in zip(share, regimes, strict=True))
    cost = sum(x * means.cost for x, means in zip(share, regimes, strict=True))
    return oracle, np.asarray(reward), np.asarray(cost)


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
    first = first_contexts(task)
    # Nothing for any trial where nothing is kept.
    contexts = on_lines((trials if first.size else 0, *first.shape))
    contexts[:] = first
    feedback, pending = task.program.feedback, None
    if feedback is not None:
        pending = load_kernel("rounds", task.backend).pending(feedback, size, trials)
    return Memory(seen, np.zeros((size, trials)), state, contexts, pending)


def first_contexts(task: Task) -> F8:
    """Return what a trial keeps of the queries before the first round; empty for nothing."""
    return task.policy.estimator.first_contexts(task.run, task.program.reward)


def on_lines(shape: tuple[int, ...]) -> F8:
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
    means: _Means,
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
            (means.reward.T, means.cost.T),
            lambda: draw(codes.STREAM_BELIEF).T,
        )
    shape = (size, trials)

    return StageProblem(
        np.broadcast_to(upper, shape).T,
        np.broadcast_to(lower, shape).T,
        means.reward,
        means.cost,
        np.where(task.plan.pools[stage.pool], means.limit, 0.0),
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


def _best_routing(filled: NDArray[np.int64], means: _Means, task: Task) -> Routing:
    """Best routing within the deployed sets under the true means; its value is V(A_k)."""
    row = np.arange(len(filled))[:, None] if len(means.reward) > 1 else 0
    return route(
        Batch(
            filled.shape[:1],
            means.reward[row, filled],
            means.cost[row, filled],
            np.where(filled >= 0, means.limit[filled], 0.0),
            np.full(len(filled), task.budget),
        ),
        task.backend,
    )
