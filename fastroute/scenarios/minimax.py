"""`minimax`: the family behind the lower bound on regret, T^(2/3)."""

import numpy as np

from fastroute import checks
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.laws import FixedCost
from fastroute.scenarios.placement import MEANS, ArrivalRule, instance_draws, place_arrivals

__all__ = ["arrivals_of", "minimax"]


def arrivals_of(horizon: int) -> int:
    """Return N(T) = ceil(T^(1/3)), exactly."""
    count = round(horizon ** (1.0 / 3.0))
    # The root of a cube is not always whole in floating point.
    while count**3 < horizon:
        count += 1
    while (count - 1) ** 3 >= horizon:
        count -= 1
    return count


def minimax(
    *,
    horizon: int,
    trials: int,
    seed: int = 0,
    gap_scale: float = 0.5,
    base: float = 0.25,
    arrivals: ArrivalRule = "regular",
    until: float = 1.0,
    stages: int | str = "T^(1/3)",
    cost: float = 1.0,
) -> Scenario:
    """Return a stream in which every arrival is as hard to judge as the time left allows.

    There is one model of reward ``base`` at the start, and N(T) = ceil(T^(1/3)) arrive, each
    better or worse by ε = ``gap_scale`` T^(-1/3) than the incumbent, the best model so far. A fair
    coin decides, afresh for each arrival and trial; a policy that knew the signs would have
    nothing to learn. Between arrivals there are T^(2/3) rounds, in which ε² T^(2/3) is a constant:
    no policy can tell the two cases apart reliably, and each costs it ε T^(2/3) = O(T^(1/3)). So
    the regret is Ω(T^(2/3)).

    Every query costs ``cost`` with every model and limits are 1, so any budget from there on is
    slack, and the optimum is the incumbent's reward: ``base`` + ε × (better arrivals so far).

    Parameters
    ----------
    horizon : int
        Rounds T of the run; the number of models and the gap depend on it.
    trials : int
        Trials of the run; each has signs of its own.
    seed : int
        Seed of the signs (and of ``arrivals="random"``): those of trial i depend on
        (seed, i) alone.
    gap_scale : float
        ε T^(1/3), > 0.
    base : float
        Reward of the first model; ``base`` - ε >= 0 and ``base`` + N ε <= 1.
    arrivals : {"regular", "random", "adversarial"}
        Where arrivals lie: evenly, at random (the same for all trials), or one round after a stage
        opens.
    until : float
        End of the time in which models arrive, as a fraction of the horizon.
    stages : int or str
        Stages of the run, used by ``arrivals="adversarial"``.
    cost : float
        Cost of every query, > 0.

    Returns
    -------
    Scenario
        For this horizon and, unless it is 1, this number of trials only.

    Raises
    ------
    ValueError
        When an option is out of range.

    References
    ----------
    Li & Li, *Near-Optimal Online Deployment and Routing for Streaming LLMs* (ICLR 2026,
    arXiv 2506.17254), lower bound. The constants ``gap_scale`` and ``base`` are choices made here.
    """
    horizon = checks.integer("horizon", horizon, 1)
    trials = checks.integer("trials", trials, 1)
    base = checks.fraction("base", base, zero=False)
    cost = checks.positive("cost", cost)
    gap = checks.positive("gap_scale", gap_scale) * horizon ** (-1.0 / 3.0)
    arriving = arrivals_of(horizon)
    if gap > base or base + arriving * gap > 1.0:
        raise ValueError(
            f"gap_scale={gap_scale:g} with base={base:g} and horizon={horizon} puts rewards "
            f"between {base - gap:.4g} and {base + arriving * gap:.4g}, outside [0, 1]; use a "
            "smaller gap_scale or a longer horizon"
        )
    better = instance_draws(seed, trials, arriving, MEANS) < 0.5
    risen = np.cumsum(better, axis=1)
    reward = np.empty((trials, arriving + 1))
    reward[:, 0] = base
    reward[:, 1:] = base + gap * np.where(better, risen, risen - 1)
    place = place_arrivals(
        arrivals, 1, arriving, until=until, horizon=horizon, stages=stages, seed=seed
    )
    return Scenario(
        reward_mean=reward,
        cost_mean=np.full(arriving + 1, cost),
        **place._asdict(),
        cost=FixedCost(),
        name="minimax",
        note="synthetic: arrivals just better or worse than the best model so far, by a coin",
    )
