"""Where the arrivals of synthetic scenarios lie: evenly, at random, or just too late."""

from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.kernels import codes
from fastroute.rules import FormulaError, stages_of
from fastroute.rules import rule as read_rule
from fastroute.solve.backend import load_kernel

__all__ = [
    "ArrivalRule",
    "Placement",
    "instance_draws",
    "place_arrivals",
    "stage_count",
    "stage_length",
]

ArrivalRule = Literal["regular", "random", "adversarial"]
_RULES: Final = ("regular", "random", "adversarial")

#: What a draw of the instance stream is for; its word of the counter that is a round elsewhere.
MEANS: Final = 0
ARRIVALS: Final = 1
LIMITS: Final = 2


class Placement(NamedTuple):
    """First rounds of models: arguments of :class:`~fastroute.scenarios.base.Scenario`."""

    arrival: NDArray[np.float64]  #: [N], increasing
    arrival_unit: Literal["round", "horizon"]
    horizon: int | None


def instance_draws(seed: int, trials: int, size: int, purpose: int) -> NDArray[np.float64]:
    """Return uniforms in (0, 1) of the instance stream, [trials, size].

    Row i is a function of (seed, i) alone, so that more trials only add rows.

    Raises
    ------
    ValueError
        When ``seed`` is not an integer in [0, 2**64).
    """
    seed = checks.seed("seed", seed)
    table: NDArray[np.float64] = load_kernel("rng", "numba").uniform_table(
        np.uint64(seed), purpose, 0, codes.STREAM_INSTANCE, trials, size
    )
    # The middle of each of the 2**32 equal cells: never 0, whose normal score is infinite.
    return table + 2.0**-33


def stage_count(stages: int | str, horizon: int) -> int:
    """Return the number of stages K.

    Parameters
    ----------
    stages : int or str
        K, or a rule of T alone, such as "T^(1/3)"; rounded to a whole number of stages as
        ``simulate`` does.
    horizon : int
        T.

    Raises
    ------
    ValueError
        For any other rule, or more stages than rounds.
    """
    if isinstance(stages, str):
        try:
            count = stages_of(read_rule("stages", stages, ("T",)), {"T": horizon})
        except FormulaError as error:
            raise ValueError(
                f"stages={stages!r} must be a whole number or a rule, as 'T^(1/3)'; {error}"
            ) from None
    else:
        count = checks.integer("stages", stages, 1)
        if count > horizon:
            raise ValueError(
                f"stages={count} is more than horizon={horizon}; use at most one stage per round"
            )
    return count


def stage_length(stages: int | str, horizon: int) -> int:
    """Return the rounds of a stage, ceil(T / K); arguments as those of :func:`stage_count`."""
    return -(-horizon // stage_count(stages, horizon))


def place_arrivals(
    rule: ArrivalRule,
    initial: int,
    arriving: int,
    *,
    until: float,
    horizon: int | None,
    stages: int | str,
    seed: int,
) -> Placement:
    """Place the arrivals of models that are not there from the start.

    ========================  ==================================================================
    rule                      the j-th of n models arrives
    ========================  ==================================================================
    ``"regular"``             at ``until * j / (n + 1)`` of the horizon
    ``"random"``              at the j-th smallest of n uniforms on (0, ``until``) of the horizon
    ``"adversarial"``         one round after the opening of the stage in which it would arrive
                              regularly: it waits as long as a model can
    ========================  ==================================================================

    Parameters
    ----------
    rule : {"regular", "random", "adversarial"}
    initial : int
        Models there from the first round; they come first.
    arriving : int
        Models that arrive later, n.
    until : float
        End of the time in which models arrive, as a fraction of the horizon in (0, 1].
    horizon : int or None
        Rounds T; needed by "adversarial".
    stages : int or str
        Stages of the run, used by "adversarial"; see :func:`stage_length`.
    seed : int
        Seed of "random", the same for all trials.

    Returns
    -------
    Placement

    Raises
    ------
    ValueError
        When an option is out of range, or "adversarial" lacks the horizon.
    """
    checks.choice("arrivals", rule, _RULES)
    until = checks.fraction("until", until, zero=False)
    rounds = None if horizon is None else checks.integer("horizon", horizon, 1)
    there = np.zeros(initial)
    if rule == "random":
        fractions = until * np.sort(instance_draws(seed, 1, arriving, ARRIVALS)[0])
    else:
        fractions = until * np.arange(1, arriving + 1) / (arriving + 1)
    if rule != "adversarial":
        return Placement(np.concatenate([there, fractions]), "horizon", rounds)
    if rounds is None:
        raise ValueError(
            "horizon=None but arrivals='adversarial' needs the rounds at which stages open; pass "
            "the horizon (and the stages) of the run"
        )
    length = stage_length(stages, rounds)
    # The slack keeps 0.6 * 1000 = 599.99... in the stage that opens in round 600.
    opened = np.floor(fractions * rounds + 1e-9) // length * length
    late = np.minimum(opened + 1.0, rounds - 1.0)
    return Placement(np.concatenate([there, late]), "round", rounds)
