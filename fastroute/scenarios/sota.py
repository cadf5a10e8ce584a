"""`sota`: a synthetic suite shaped like the releases of 2023-2026."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, NamedTuple

from fastroute.scenarios.arrivals import arrivals_by_release, release_calendar
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.laws import CostLaw

__all__ = ["MODELS", "SyntheticModel", "sota"]


class SyntheticModel(NamedTuple):
    """An invented model: no such model exists, and no figure is a measurement."""

    name: str
    released: date
    reward: float
    cost: float


# Sorted by release. Invented so that three things hold, as they did on the market: the best
# reward rises, the price of a family and size never rises, and the price of a given reward
# falls. Most models are dominated by the time the stream ends.
MODELS: Final = (
    SyntheticModel("beta-small-2023", date(2023, 2, 15), 0.42, 0.80),
    SyntheticModel("alpha-medium-2023", date(2023, 3, 15), 0.55, 2.00),
    SyntheticModel("alpha-large-2023", date(2023, 4, 15), 0.66, 24.0),
    SyntheticModel("gamma-medium-2023", date(2023, 7, 15), 0.46, 0.90),
    SyntheticModel("beta-large-2023", date(2023, 8, 15), 0.62, 12.0),
    SyntheticModel("gamma-small-2023", date(2023, 10, 15), 0.36, 0.20),
    SyntheticModel("alpha-small-2023", date(2023, 11, 15), 0.52, 0.70),
    SyntheticModel("beta-large-2024", date(2024, 2, 15), 0.71, 10.0),
    SyntheticModel("beta-small-2024", date(2024, 3, 15), 0.58, 0.60),
    SyntheticModel("gamma-medium-2024", date(2024, 4, 15), 0.61, 0.70),
    SyntheticModel("alpha-large-2024", date(2024, 5, 15), 0.75, 8.00),
    SyntheticModel("gamma-small-2024", date(2024, 7, 15), 0.47, 0.10),
    SyntheticModel("alpha-small-2024", date(2024, 8, 15), 0.63, 0.35),
    SyntheticModel("delta-large-2024", date(2024, 12, 15), 0.74, 0.90),
    SyntheticModel("delta-large-2025", date(2025, 2, 15), 0.80, 0.85),
    SyntheticModel("gamma-medium-2025", date(2025, 4, 15), 0.70, 0.50),
    SyntheticModel("beta-large-2025", date(2025, 5, 15), 0.84, 7.50),
    SyntheticModel("alpha-medium-2025", date(2025, 8, 15), 0.82, 1.20),
    SyntheticModel("alpha-small-2025", date(2025, 9, 15), 0.72, 0.20),
    SyntheticModel("alpha-large-2025", date(2025, 10, 15), 0.88, 6.00),
    SyntheticModel("gamma-small-2025", date(2025, 11, 15), 0.59, 0.06),
    SyntheticModel("delta-large-2026", date(2026, 1, 15), 0.86, 0.55),
    SyntheticModel("gamma-medium-2026", date(2026, 3, 15), 0.79, 0.30),
    SyntheticModel("alpha-large-2026", date(2026, 5, 15), 0.93, 5.00),
)


def sota(
    *,
    limit: float = 0.4,
    initial: int = 5,
    spread: float = 0.8,
    cost: CostLaw | str | Mapping[str, Any] = "uniform",
) -> Scenario:
    """Return a synthetic stream of 24 invented models (**no measurement of any real model**).

    Four families in up to three sizes: the frontier rises from 0.66 to 0.93 while the prices
    of each family fall. Rewards are Bernoulli. With ``limit=0.4`` and budgets from about 1.1
    (the cheapest mix of the first five models) to 5 the budget binds.

    Parameters
    ----------
    limit : float
        Throughput limit of every model, in (0, 1].
    initial : int
        Number of models there from the first round; the others arrive by release date.
    spread : float
        Fraction of the horizon at which the newest model arrives, in [0, 1].
    cost : CostLaw, str or mapping
        Law of the costs around their means: ``"uniform"``, ``"fixed"``,
        ``{"name": "lognormal", "sigma": 0.5}`` or one of your own.

    Returns
    -------
    Scenario
        With the cost unit "synthetic USD per 1,000 queries".

    Raises
    ------
    ValueError
        When an option is out of range.
    """
    return Scenario(
        reward_mean=[model.reward for model in MODELS],
        cost_mean=[model.cost for model in MODELS],
        limit=limit,
        arrival=arrivals_by_release(
            [model.released for model in MODELS], limit=limit, initial=initial, spread=spread
        ),
        arrival_unit="horizon",
        calendar=release_calendar(
            [model.released for model in MODELS], initial=initial, spread=spread
        ),
        cost=cost,
        models=[model.name for model in MODELS],
        name="sota",
        note=(
            "synthetic: invented models, dates, rewards and prices, shaped like the releases of "
            "2023-2026; no figure is a measurement"
        ),
        cost_unit="synthetic USD per 1,000 queries",
    )
