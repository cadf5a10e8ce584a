"""When the outcomes of a round are learnt, in a world that teaches them late or not at all.

Two passes: one puts the outcome of a round aside, the other lets the estimator observe what is due.
Without these options a round has neither, and the estimator observes the outcome itself.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from fastroute.kernels.codes import STREAM_FEEDBACK
from fastroute.kernels.formulas.outcomes import aliased
from fastroute.kernels.ref.formulas import formula
from fastroute.kernels.ref.passes import Numbers, Pass, Trial
from fastroute.kernels.ref.rng import uniforms
from fastroute.kernels.types import Delay, Program

#: What is due in a round, the earliest outcome first: the model, and what is learnt of it.
Due = defaultdict[int, list[tuple[int, Numbers]]]


def _nothing() -> Due:
    return defaultdict(list)


@dataclass
class Pending:
    """Outcomes of one trial that are yet to be learnt, by the round in which they are due."""

    both: Due = field(default_factory=_nothing)  #: reward and cost together
    reward: Due = field(default_factory=_nothing)
    cost: Due = field(default_factory=_nothing)


def put_aside(program: Program) -> Pass:
    """Pass that puts the outcome of the round aside, where a model was pulled."""
    feedback = program.feedback
    assert feedback is not None

    def put(trial: Trial, now: int) -> None:
        model, late = trial.models[trial.slot], trial.pending
        u_learnt, u_reward, u_cost, _ = uniforms(
            program.seed, now, 0, trial.number, STREAM_FEEDBACK
        )
        reward_late = delay_of(u_reward, feedback.reward, now)
        cost_late = delay_of(u_cost, feedback.cost, now)
        if feedback.together:
            if reward_late >= 0:
                late.both[now + reward_late].append((model, (trial.earned, trial.paid)))
            return
        if reward_late >= 0 and u_learnt < feedback.learnt:
            late.reward[now + reward_late].append((model, (trial.earned,)))
        if cost_late >= 0:
            late.cost[now + cost_late].append((model, (trial.paid,)))

    return put


def learn_due(program: Program, renew: Callable[[Trial, int], None] | None) -> Pass:
    """Pass that lets the estimator observe what is due, and renews bounds of deployed models.

    The reward and the cost of the round, as the router learns them, are the sums of what is due.
    """
    part = program.estimator

    def learn(trial: Trial, now: int) -> None:
        late = trial.pending
        trial.reward = trial.cost = 0.0
        for due, observe in (
            (late.both, part.observe),
            (late.reward, part.observe_reward),
            (late.cost, part.observe_cost),
        ):
            for model, values in due.pop(now, []):
                assert observe is not None
                if due is not late.cost:
                    trial.reward += values[0]
                if due is not late.reward:
                    trial.cost += values[-1]
                seen = tuple(trial.known[:, model].tolist())
                seen = formula(observe)(seen, *values, *part.parameters)
                trial.known[:, model] = seen
                if model in trial.models:
                    slot = trial.models.index(model)
                    trial.seen[slot] = seen
                    if renew is not None:
                        renew(trial, slot)

    return learn


def delay_of(u: float, law: Delay, now: int) -> int:
    """Delay in rounds: that of the round, or drawn from a table of aliases (Walker 1977)."""
    if law.by_round.size:
        return int(law.by_round[now])
    scaled = u * len(law.rounds)
    row = int(scaled)
    probability, alias = float(law.prob[row]), int(law.alias[row])
    return int(law.rounds[int(aliased(scaled - row, row, probability, alias))])
