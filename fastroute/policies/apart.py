"""Estimators where a world teaches rewards and costs apart: each with a count of its own."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from fastroute.kernels.formulas import divergence, estimates, spread, windows
from fastroute.kernels.types import EstimatorKernel, Formula


class _Apart(NamedTuple):
    """What stands for a formula that observes a reward and a cost together."""

    reward: Formula  #: observes the reward
    cost: Formula  #: observes the cost
    #: Formula of what is believed -> the same from what is seen apart.
    beliefs: Mapping[Formula | None, Formula | None]
    blocks: int = 0  #: counts of newest blocks of the costs, which are empty at first


_SUMS: Final[Mapping[Formula | None, Formula | None]] = {
    None: None,
    estimates.bounds: estimates.bounds_apart,
    estimates.interval: estimates.interval_apart,
    divergence.divergence_bounds: divergence.divergence_bounds_apart,
    divergence.divergence_interval: divergence.divergence_interval_apart,
}
_SQUARES: Final[Mapping[Formula | None, Formula | None]] = {
    None: None,
    spread.spread_bounds: spread.spread_bounds_apart,
    spread.spread_interval: spread.spread_interval_apart,
}
_BLOCKS: Final[Mapping[Formula | None, Formula | None]] = {
    None: None,
    estimates.bounds: windows.window_bounds_apart,
    estimates.interval: windows.window_interval_apart,
}
_KNOWN: Final[Mapping[Formula, _Apart]] = {
    estimates.count_observation: _Apart(estimates.count_reward, estimates.count_cost, _SUMS),
    estimates.discounted_observation: _Apart(
        estimates.discounted_reward, estimates.discounted_cost, _SUMS
    ),
    spread.squared_observation: _Apart(spread.squared_reward, spread.squared_cost, _SQUARES),
    windows.windowed_observation: _Apart(
        windows.windowed_reward, windows.windowed_cost, _BLOCKS, blocks=1
    ),
    windows.tested_observation: _Apart(
        windows.tested_reward, windows.tested_cost, _BLOCKS, blocks=1
    ),
}


def counts_apart(owner: str, kernel: EstimatorKernel) -> EstimatorKernel:
    """Return an estimator that counts rewards and costs apart.

    One that has the formulas ``observe_reward`` and ``observe_cost`` is returned as it is. What is
    seen by the formulas of the package gets one number more, the count of the costs, and where
    observations stand in blocks also the count of the newest block of the costs.

    Raises
    ------
    ValueError
        When it cannot count them apart.
    """
    if kernel.observe_reward is not None and kernel.observe_cost is not None:
        return kernel
    known = _KNOWN.get(kernel.observe)
    if known is None or kernel.bounds not in known.beliefs or kernel.interval not in known.beliefs:
        raise ValueError(
            f"{owner} cannot learn rewards and costs apart, as the scenario teaches them "
            "(reward_delay other than cost_delay, or feedback below 1); define the formulas "
            "observe_reward(seen, reward, *parameters) -> seen and observe_cost(seen, cost, "
            "*parameters) -> seen, with a count of the costs among the numbers of seen"
        )
    bounds = known.beliefs[kernel.bounds]
    assert bounds is not None
    return kernel._replace(
        bounds=bounds,
        interval=known.beliefs[kernel.interval],
        first=(*kernel.first, kernel.first[0], *[0.0] * known.blocks),
        observe_reward=known.reward,
        observe_cost=known.cost,
    )
