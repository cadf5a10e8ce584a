"""The policy itself, asked one decision after the other: stages, passes and memory of one trial.

It knows decisions, observations and changes by their numbers alone; clocks, names, money and logs
are those of :mod:`.router`.  What it does is a function of its setting and of what it is told, in
that order, so that a log makes it again.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.kernels.formulas.estimates import count_observation
from fastroute.kernels.types import STATES, Memory, Program
from fastroute.policies import Choice, Policy, RunNumbers, StageProblem
from fastroute.policies.stage import check_choice
from fastroute.scenarios.laws.base import outcome
from fastroute.scenarios.laws.features import padded
from fastroute.simulation.engine import budget_of, on_lines
from fastroute.solve.backend import load_kernel

F8 = NDArray[np.float64]

#: The room of kernels that plays.
_BACKEND: Final = "numba"


class PlayerSetting(NamedTuple):
    """What stays the same for the whole life of a policy."""

    policy: Policy
    seed: int
    trial: int  #: whose draws it takes
    budget: float  #: mean cost of a query
    max_deployed: int
    horizon: int  #: decisions that are expected
    stage_length: int  #: decisions of a stage that are expected
    n_models: int  #: models that are expected, of which rules for gamma ask
    cost_range: tuple[float, float]
    deploy_cost: float
    tasks: int  #: tasks that a query may have; 0 for none
    features: int  #: features of a query; 0 for none
    apart: bool  #: whether rewards and costs are learnt apart

    @property
    def run(self) -> RunNumbers:
        """The numbers of a run that the parts of the policy ask for."""
        return RunNumbers(
            self.horizon,
            self.stage_length,
            self.n_models,
            budget_of(self.policy, self.budget),
            *self.cost_range,
        )


class Decision(NamedTuple):
    """What was decided."""

    model: int  #: -1 for none: nothing can take the query
    propensity: float  #: probability with which it was drawn
    shares: tuple[float, ...]  #: of the deployed models, in their order
    status: int  #: of the routing problem


class Observation(NamedTuple):
    """What is learnt of a decision."""

    number: int  #: of the decision
    model: int
    reward: float | None
    cost: float | None
    row: int  #: task of the query
    features: F8 | None


@dataclass
class ModelState:
    """What is there of each model, [N]."""

    limit: F8
    arrival: NDArray[np.int64]
    retired: NDArray[np.bool_]
    failed: NDArray[np.bool_]

    @property
    def usable(self) -> F8:
        """Limits as the router sees them: 0 for what has failed."""
        return np.where(self.failed, 0.0, self.limit)


class Player:
    """One policy over its decisions.

    Parameters
    ----------
    setting : PlayerSetting
    """

    def __init__(self, setting: PlayerSetting) -> None:
        self.setting = setting
        self.models = ModelState(
            np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.bool_)
        )
        self.now = 0  #: number of the next decision
        self.opened = -1  #: first decision of the stage
        self.deployed: list[int] = []  #: in increasing order
        self._played = False  #: whether a round is yet to be ended
        self._waiting: list[Observation] = []
        self._slots = setting.max_deployed
        self._kernels = load_kernel("decisions", _BACKEND)
        policy = setting.policy
        self._reads_features = policy.estimator.needs_features
        self._apart = setting.apart
        self._estimator = policy.estimator.kernel(setting.run, apart=setting.apart)
        self._router = policy.router.kernel(setting.run)
        self._memory = self._first_memory(0)
        self._desk: Any = None

    # Models.

    def add(self, limit: float) -> int:
        """Add a model, which can be deployed from the next stage on; returns its number."""
        models = self.models
        models.limit = np.append(models.limit, limit)
        models.arrival = np.append(models.arrival, self.now)
        models.retired = np.append(models.retired, False)
        models.failed = np.append(models.failed, False)
        return len(models.limit) - 1

    def retire(self, model: int) -> None:
        """Deploy a model no more from the next stage on."""
        self.models.retired[model] = True

    def fail(self, model: int) -> None:
        """Give a model no traffic from the next decision on."""
        self._rest()
        self.models.failed[model] = True

    def recover(self, model: int) -> None:
        """Give a model traffic again from the next decision on."""
        self._rest()
        self.models.failed[model] = False

    def set_limit(self, model: int, limit: float) -> None:
        """Give a model another throughput limit from the next decision on."""
        self._rest()
        self.models.limit[model] = limit

    def scale_costs(self, model: int, factor: float) -> None:
        """Bring what is known of the costs of a model to a new price."""
        self._rest()
        memory = self._grow()
        # The sum of the costs; an estimator that keeps more of them learns the rest anew.
        memory.seen[2, model, 0] *= factor

    def change(self, kind: str, model: int, body: Mapping[str, Any]) -> None:
        """Change a model as a record of that kind says."""
        if kind == "limit":
            self.set_limit(model, body["limit"])
        elif kind == "reprice":
            self.scale_costs(model, body["factor"])
        else:
            {"retire": self.retire, "fail": self.fail, "recover": self.recover}[kind](model)

    # Stages.

    def preview(self) -> tuple[Choice, StageProblem]:
        """Return what would be deployed if a stage opened now; nothing changes."""
        other = Player(self.setting)
        other.restore(self.snapshot())
        other._rest()
        return other._choose_set()

    def open_stage(self, deployed: Iterable[int] | None = None) -> list[int]:
        """Open a stage with what the policy deploys, or with a given set; returns the set."""
        self._rest()
        if deployed is None:
            choice, _ = self._choose_set()
            self.deployed = np.flatnonzero(choice.deployed[0]).tolist()
        else:
            self.deployed = sorted(deployed)
        self.opened = self.now
        return self.deployed

    def _choose_set(self) -> tuple[Choice, StageProblem]:
        problem = self._problem()
        deployer = self.setting.policy.deployer
        choice = deployer.choose(problem)
        if deployer.is_own or not isinstance(choice, Choice):
            choice = check_choice(choice, problem, deployer.label)
        return choice, problem

    def _problem(self) -> StageProblem:
        """Gather what the deployer sees if a stage opens now."""
        setting, models, memory = self.setting, self.models, self._grow()
        size = len(models.limit)

        def draw(stream: int = codes.STREAM_DEPLOY) -> F8:
            rng = load_kernel("rng", _BACKEND)
            table: F8 = rng.uniform_table(
                np.uint64(setting.seed), self.now, setting.trial, stream, 1, size
            )
            return table

        nothing = np.zeros((1, size))
        with np.errstate(all="ignore"):
            upper, lower = setting.policy.estimator.bounds_of_all(
                self._estimator,
                tuple(memory.seen),
                (nothing.T, nothing.T),
                lambda: draw(codes.STREAM_BELIEF).T,
            )
        shape = (size, 1)
        previous = np.zeros((1, size), np.bool_)
        previous[0, self.deployed] = True
        return StageProblem(
            np.broadcast_to(upper, shape).T,
            np.broadcast_to(lower, shape).T,
            nothing,
            nothing,
            np.where(models.retired, 0.0, models.usable),
            models.arrival,
            memory.seen[0].T,
            previous,
            self.opened < 0,
            draw,
            budget_of(setting.policy, setting.budget),
            setting.deploy_cost / setting.stage_length,
            setting.max_deployed,
            _BACKEND,
        )

    # Decisions.

    def observe(self, observation: Observation) -> None:
        """Note an observation, which the next decision learns."""
        self._waiting.append(observation)

    def can_replace(self, number: int) -> bool:
        """Tell whether another outcome of a decision can be learnt in the place of the first."""
        waits = any(one.number == number for one in self._waiting)
        return waits or self._estimator.observe is count_observation

    def replace(
        self,
        number: int,
        model: int,
        row: int,
        reward: float | None,
        cost: float | None,
        more: Sequence[float],
    ) -> None:
        """Learn another reward or cost of a decision, ``more`` than those that it had."""
        more_reward, more_cost = more
        for place, one in enumerate(self._waiting):
            if one.number == number and one.model == model:
                if reward is not None and one.reward is not None:
                    one, more_reward = one._replace(reward=reward), 0.0
                if cost is not None and one.cost is not None:
                    one, more_cost = one._replace(cost=cost), 0.0
                self._waiting[place] = one
        if more_reward or more_cost:
            self._rest()
            memory = self._grow()
            memory.seen[1, model, 0] += more_reward
            memory.seen[2, model, 0] += more_cost
            if memory.contexts.size:
                memory.contexts[0, row, model, 1] += more_reward

    def decide(self, task: int = 0, features: F8 | None = None) -> Decision:
        """Draw the model of the next decision.

        Parameters
        ----------
        task : int
            Of the query, for an estimator that reads tasks.
        features : ndarray, [d], optional
            Of the query, for an estimator that reads features.
        """
        desk = self._desk
        if desk is None:
            desk = self._begin()
        if self._reads_features:
            assert features is not None
            desk.tables.features[0, : len(features)] = features
        observed = 0
        if waiting := self._waiting:
            _, model, reward, cost, row, _ = waiting[0]
            if self._apart and len(waiting) == 1 and reward is not None and cost is not None:
                # Most often: one outcome, known as a whole.
                waiting.clear()
                desk.put_first(model, reward, cost, row, self._kernels.BOTH)
                observed = 1
            else:
                observed = self._learn_most()
        slot = desk.call(self.now, observed, int(self._played), task)
        self._played = True
        self.now += 1
        answer = desk.answer.tolist()
        slots, deployed = self._slots, self.deployed
        count = len(deployed)
        if slot < 0:
            if slot == self._kernels.REFUSED:
                raise ValueError(
                    f"router {self.setting.policy.router.label}: its shares in decision "
                    f"{self.now - 1} are not a distribution within the limits"
                )
            return Decision(-1, 0.0, tuple(answer[:count]), int(answer[slots + 1]))
        return _decision(
            (deployed[slot], answer[slots], tuple(answer[:count]), int(answer[slots + 1]))
        )

    def pass_over(self) -> None:
        """Let the next decision be made by somebody else."""
        if len(self._waiting) >= self._kernels.QUEUE:
            self._rest()
        self.now += 1

    def _learn_most(self) -> int:
        """Learn what waits but for the last queue; returns how much is in the queue."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) > 1:
            # As a round of a simulation ends: by decision, whatever came first.
            waiting.sort(key=_number)
        desk, most = self._desk, self._kernels.QUEUE
        count = 0
        for one in waiting:
            if count == most:
                desk.decide(-1, count, 0, 0)
                count = 0
            self._put(count, one)
            count += 1
        return count

    def _put(self, place: int, one: Observation) -> None:
        """Put an observation in the queue."""
        desk, kernels = self._desk, self._kernels
        _, model, reward, cost, row, features = one
        if self.setting.apart:
            if reward is None:
                desk.put(place, model, 0.0, cost, row, kernels.COST)
            elif cost is None:
                desk.put(place, model, reward, 0.0, row, kernels.REWARD)
            else:
                desk.put(place, model, reward, cost, row, kernels.BOTH)
            return
        if self._reads_features:
            assert features is not None
            row = 1 + place
            desk.tables.features[row, : len(features)] = features
        if model not in self.deployed:
            desk.learn_aside(model, reward, cost, row)
        desk.put(place, model, reward, cost, row, kernels.BOTH)

    # What is remembered.

    def _begin(self) -> Any:
        """Load the deployed models, with limits as they are now, and set their shares."""
        self._desk = desk = self._make_desk(self._grow())
        desk.open(self.deployed, self.models.usable, self.now)
        return desk

    def _rest(self) -> None:
        """End the round, and write what was learnt to the memory; shares are then set anew."""
        if self._desk is None:
            if not self._waiting:
                return
            self._begin()
        observed = self._learn_most() if self._waiting else 0
        self._desk.decide(-1, observed, int(self._played), 0)
        self._played = False
        self._desk.close()
        self._desk = None

    def _make_desk(self, memory: Memory) -> Any:
        router = self._router
        explore = router.parameters[-1] if router.kernel == "epsilon_greedy" else 0.0
        program = self._program(memory.plays.shape[0])
        return self._kernels.Desk(program, memory, self._slots, self.setting.trial, explore)

    def _program(self, size: int) -> Program:
        """Return what the kernels see, with ``size`` models."""
        setting, kernels = self.setting, self._kernels
        reward = outcome("elementwise")
        if setting.tasks:
            reward = outcome(
                "by_task",
                np.zeros((setting.tasks, size)),
                task_prob=np.ones(setting.tasks),
                task_alias=np.zeros(setting.tasks, np.int64),
            )
        elif self._reads_features:
            rows = kernels.QUEUE + 1
            features = padded(np.zeros((rows, setting.features)))
            reward = outcome("by_row", np.zeros((rows, size)), features=features)
        return Program(
            seed=np.uint64(setting.seed),  # type: ignore[arg-type]  # the full unsigned range
            estimator=self._estimator,
            router=self._router,
            reward=reward,
            cost=outcome("elementwise"),
            feedback=kernels.APART if setting.apart else None,
            models=size if setting.apart else 0,
        )

    def _first_memory(self, size: int) -> Memory:
        """Memory of so many models before the first decision."""
        setting, estimator = self.setting, self._estimator
        seen = np.empty((len(estimator.first), size, 1))
        seen[:] = np.array(estimator.first)[:, None, None]
        state = np.zeros((STATES, 1))
        state[: len(self._router.first), 0] = self._router.first
        run = setting.run._replace(n_models=size)
        first = setting.policy.estimator.first_contexts(run, self._program(size).reward)
        contexts = on_lines((1 if first.size else 0, *first.shape))
        contexts[:] = first
        pending = None
        if setting.apart:
            rounds = load_kernel("rounds", _BACKEND)
            pending = rounds.pending(self._kernels.APART, size, 1)
        return Memory(seen, np.zeros((size, 1)), state, contexts, pending)

    def _grow(self) -> Memory:
        """Make room for the models that were added."""
        old, size = self._memory, len(self.models.limit)
        known = old.plays.shape[0]
        if size > known:
            new = self._first_memory(size)
            new.seen[:, :known] = old.seen
            new.plays[:known] = old.plays
            new.state[:] = old.state
            if old.contexts.size:
                # [1, tasks, models, 2] or [1, models, rows, d].
                kept = np.s_[:, :, :known] if self.setting.tasks else np.s_[:, :known]
                new.contexts[kept] = old.contexts
            self._memory = new
        return self._memory

    # Snapshots.

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything that is known and believed, as arrays; nothing changes."""
        memory, models = self._memory, self.models
        desk = self._desk
        waiting = [
            [one.number, one.model, or_nan(one.reward), or_nan(one.cost), one.row]
            for one in self._waiting
        ]
        read = self._waiting if self._reads_features else []
        features = [one.features for one in read]
        found: dict[str, NDArray[Any]] = {
            "numbers": np.array([self.now, self.opened, int(self._played), int(desk is not None)]),
            "deployed": np.array(self.deployed, np.int64),
            "limit": models.limit,
            "arrival": models.arrival,
            "retired": models.retired,
            "failed": models.failed,
            "seen": memory.seen,
            "plays": memory.plays,
            "state": memory.state,
            "contexts": memory.contexts,
            "waiting": np.array(waiting, np.float64).reshape(-1, 5),
            "waiting_features": np.array(features, np.float64),
        }
        if memory.pending is not None:
            found["pending"] = memory.pending
        if desk is not None:
            found["blocks"], found["opened"] = desk.state()
        return {name: np.array(array) for name, array in found.items()}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Know and believe what a snapshot says."""
        now, opened, played, begun = (int(x) for x in kept["numbers"])
        self.now, self.opened, self._played = now, opened, bool(played)
        self.deployed = kept["deployed"].tolist()
        self.models = ModelState(
            *(np.array(kept[name]) for name in ("limit", "arrival", "retired", "failed"))
        )
        # Models that were added since the stage opened have no memory yet.
        memory = self._first_memory(kept["plays"].shape[0])
        for name in ("seen", "plays", "state", "contexts"):
            getattr(memory, name)[:] = kept[name]
        if memory.pending is not None:
            memory.pending[:] = kept["pending"]
        self._memory = memory
        features = iter(kept["waiting_features"])
        self._waiting = [
            Observation(
                int(number),
                int(model),
                or_none(reward),
                or_none(cost),
                int(row),
                next(features) if self._reads_features else None,
            )
            for number, model, reward, cost, row in kept["waiting"].tolist()
        ]
        self._desk = None
        if begun:
            self._desk = self._make_desk(memory)
            self._desk.set_state(self.deployed, kept["blocks"], int(kept["opened"]))


# A named tuple in half the time.
_decision: Final = cast("Callable[[tuple[Any, ...]], Decision]", partial(tuple.__new__, Decision))


def _number(one: Observation) -> int:
    return one.number


def or_nan(value: float | None) -> float:
    """Return a number, or NaN in the place of None."""
    return math.nan if value is None else value


def or_none(value: float) -> float | None:
    """Return a number, or None in the place of NaN."""
    return None if math.isnan(value) else float(value)
