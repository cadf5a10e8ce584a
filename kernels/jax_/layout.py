"""What the round loop keeps for every lane, and the numbers of a run.

Arrays are ``[slots, lanes]``: one row per deployed model, one lane per trial.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastroute.kernels.jax_.rng import key_words
from fastroute.kernels.types import Feedback, Outcome, Program

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float, Int, Int32, UInt32


class Fixed(NamedTuple):
    """What the open stage leaves as it is."""

    model: "Int32[Array, 'slots lanes']"  #: -1 for an empty slot
    mean_reward: "Float[Array, 'slots lanes']"  #: double precision, like the cost
    mean_cost: "Float[Array, 'slots lanes']"
    even: "Float[Array, 'slots lanes']"  #: uniform shares within the limits


class Lanes(NamedTuple):
    """What changes from round to round."""

    #: What the estimator has seen of every model, double precision.
    seen: "tuple[Float[Array, 'slots lanes'], ...]"
    plays: "Float[Array, 'slots lanes']"  #: rounds in which the model was pulled
    upper: "Float[Array, 'slots lanes']"  #: bounds
    lower: "Float[Array, 'slots lanes']"
    #: Throughput limits, 0 for an empty slot and what was eliminated.
    limit: "Float[Array, 'slots lanes']"
    side: "Float[Array, 'slots lanes']"  #: the basis, as in ``routing.Answer``
    share: "Float[Array, 'slots lanes']"  #: of the last routing decision
    #: What an estimator that reads queries keeps of every model: parts of ``Memory.contexts``.
    contexts: "tuple[Float[Array, 'slots lanes ...'], ...]"
    i: "Float[Array, ' lanes']"
    j: "Float[Array, ' lanes']"
    status: "Int32[Array, ' lanes']"  #: of the last routing decision
    state: "tuple[Float[Array, ' lanes'], ...]"  #: what the router keeps, double precision


class Numbers(NamedTuple):
    """Numbers of the policy and the run, as scalars: arguments of the compiled functions."""

    key: "UInt32[Array, '2']"
    seen: "tuple[Float[Array, ''], ...]"  #: of the estimator, double precision ...
    bounds: "tuple[Float[Array, ''], ...]"  #: ... and in the precision of the bounds
    unobserved_below: "Float[Array, '']"
    forced_pulls: "Float[Array, '']"
    lp: "tuple[Float[Array, ''], ...]"  #: of the router, in the precision of the bounds ...
    router: "tuple[Float[Array, ''], ...]"  #: ... and double precision
    resolve_every: "Int[Array, '']"
    reward: "tuple[Float[Array, ''], ...]"  #: of the law of the rewards
    cost: "tuple[Float[Array, ''], ...]"
    learnt: "Float[Array, '']"  #: probability that a reward is learnt, 1 where that is no question
    reward_delay: "Int[Array, '']"  #: where it is fixed
    cost_delay: "Int[Array, '']"


class Tables(NamedTuple):
    """Tables of the laws; [0, 0] and [0] where there is none."""

    reward: "Float[Array, 'rows models']"
    cost: "Float[Array, 'rows models']"
    task_prob: "Float[Array, ' tasks']"
    task_alias: "Int[Array, ' tasks']"
    features: "Float[Array, 'rows features']"  #: of the queries; [0, 0] if they have none
    #: Laws of the delays: probability, alias and delay, [1, 3] where they are fixed.
    reward_delay: "Float[Array, 'delays 3']"
    cost_delay: "Float[Array, 'delays 3']"


def numbers_of(program: Program, dtype: np.dtype) -> Numbers:
    """Numbers of a program for the compiled functions."""

    def real(values: tuple[float, ...]) -> tuple[np.floating, ...]:
        return tuple(dtype.type(x) for x in values)

    def double(values: tuple[float, ...]) -> tuple[np.float64, ...]:
        return tuple(np.float64(x) for x in values)

    estimator, router, late = program.estimator, program.router, program.feedback
    # Scalars of NumPy stand for arrays.
    values: dict[str, Any] = {
        "key": key_words(program.seed),
        "seen": double(estimator.parameters),
        "bounds": real(estimator.parameters),
        "unobserved_below": dtype.type(estimator.unobserved_below),
        "forced_pulls": np.float64(estimator.forced_pulls),
        "lp": real(router.parameters),
        "router": double(router.parameters),
        "resolve_every": np.int64(router.resolve_every),
        "reward": double(program.reward.parameters),
        "cost": double(program.cost.parameters),
        "learnt": np.float64(1.0 if late is None else late.learnt),
        "reward_delay": np.int64(0 if late is None else late.reward.rounds[0]),
        "cost_delay": np.int64(0 if late is None else late.cost.rounds[0]),
    }
    return Numbers(**values)


def form_of(program: Program) -> Program:
    """Return the program without its numbers: what is compiled, as a key.

    Only how many numbers there are is left of them; pulls are forced (1) or not (0).
    """
    estimator, router, late = program.estimator, program.router, program.feedback
    return Program(
        seed=0,
        estimator=estimator._replace(
            parameters=(0.0,) * len(estimator.parameters),
            first=(0.0,) * len(estimator.first),
            unobserved_below=0.0,
            forced_pulls=float(estimator.forced_pulls > 0.0),
        ),
        router=router._replace(
            parameters=(0.0,) * len(router.parameters),
            first=(0.0,) * len(router.first),
            resolve_every=0,
        ),
        reward=_form_of_law(program.reward),
        cost=_form_of_law(program.cost),
        feedback=None if late is None else _form_of_feedback(late),
    )


def tables_of(program: Program) -> Tables:
    """Tables of a program for the compiled functions."""
    law, late = program.reward, program.feedback
    delays = [np.zeros((1, 3))] * 2
    if late is not None:
        delays = [
            np.stack([delay.prob, delay.alias.astype(np.float64), delay.rounds], axis=1)
            for delay in (late.reward, late.cost)
        ]
    tasks = law.task_prob, law.task_alias
    found: tuple[Any, ...] = law.table, program.cost.table, *tasks, law.features, *delays
    return Tables(*found)


def _form_of_feedback(feedback: Feedback) -> Feedback:
    # Which delays are drawn shows in what is kept of the rounds.
    none: Any = None
    return Feedback(none, none, float(feedback.learnt >= 1.0), feedback.together)


def _form_of_law(law: Outcome) -> Outcome:
    # Tables are arguments, too; without them a law is a key.
    none: Any = None
    return law._replace(
        parameters=(0.0,) * len(law.parameters),
        table=none,
        task_prob=none,
        task_alias=none,
        features=none,
    )
