"""`discovery`: better models that arrive just after a stage opened and have to wait."""

import numpy as np

from fastroute import checks
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.laws import FixedCost
from fastroute.scenarios.placement import ArrivalRule, place_arrivals

__all__ = ["discovery"]


def discovery(
    *,
    horizon: int | None = None,
    stages: int | str = "T^(1/3)",
    n_arrivals: int = 4,
    gap: float = 0.1,
    base: float = 0.4,
    arrivals: ArrivalRule = "adversarial",
    until: float = 1.0,
    seed: int = 0,
    cost: float = 1.0,
) -> Scenario:
    """Return a stream in which each arrival is better by ``gap`` than all models before it.

    Every query costs ``cost`` with every model and limits are 1, so any budget from there on is
    slack, and the optimum is the newest model's reward: ``base`` + ``gap`` × (arrivals so far).
    A model that arrives one round after a stage of L = ceil(T / K) rounds opened misses the other
    L - 1 of them, whatever the policy knows. So with the default arrivals, none of them in a
    shorter last stage, the regret of the oracle is ``n_arrivals * gap * (L - 1)``, all of it
    discovery.

    Parameters
    ----------
    horizon : int, optional
        Rounds T of the run; needed by ``arrivals="adversarial"``.
    stages : int or str
        Stages of the run, K or "T^x", used by ``arrivals="adversarial"``.
    n_arrivals : int
        Models that arrive, >= 1; one more is there from the start.
    gap : float
        How much better each is than the one before, > 0; ``base + n_arrivals * gap`` <= 1.
    base : float
        Reward of the first model, in [0, 1].
    arrivals : {"regular", "random", "adversarial"}
        Where arrivals lie: evenly, at random, or one round after a stage opens.
    until : float
        End of the time in which models arrive, as a fraction of the horizon.
    seed : int
        Seed of ``arrivals="random"``.
    cost : float
        Cost of every query, > 0.

    Returns
    -------
    Scenario
        For this horizon only, when one is given.

    Raises
    ------
    ValueError
        When an option is out of range.
    """
    n_arrivals = checks.integer("n_arrivals", n_arrivals, 1, checks.MOST_MODELS)
    gap = checks.fraction("gap", gap, zero=False)
    base = checks.fraction("base", base, zero=True)
    cost = checks.positive("cost", cost)
    # The slack forgives 0.4 + 6 * 0.1, which is above 1 in floating point.
    if base + n_arrivals * gap > 1.0 + 1e-9:
        raise ValueError(
            f"gap={gap:g} with base={base:g} and n_arrivals={n_arrivals} raises the reward to "
            f"{base + n_arrivals * gap:g}, above 1; use gap <= {(1.0 - base) / n_arrivals:.4g}"
        )
    place = place_arrivals(
        arrivals, 1, n_arrivals, until=until, horizon=horizon, stages=stages, seed=seed
    )
    return Scenario(
        reward_mean=base + gap * np.arange(n_arrivals + 1),
        cost_mean=np.full(n_arrivals + 1, cost),
        **place._asdict(),
        cost=FixedCost(),
        name="discovery",
        note="synthetic: each arrival better by the same gap, just after a stage opened",
    )
