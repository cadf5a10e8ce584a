"""Estimators where a world teaches rewards and costs apart: each with a count of its own."""

from collections.abc import Mapping
from typing import Final

from fastroute.kernels.formulas import divergence, estimates
from fastroute.kernels.types import EstimatorKernel, Formula

#: Formula that observes both -> those that observe the reward and the cost.
_OBSERVATIONS: Final[Mapping[Formula, tuple[Formula, Formula]]] = {
    estimates.count_observation: (estimates.count_reward, estimates.count_cost),
    estimates.discounted_observation: (estimates.discounted_reward, estimates.discounted_cost),
}
#: Formula of what is believed -> the same from two counts.
_BELIEFS: Final[Mapping[Formula | None, Formula | None]] = {
    None: None,
    estimates.bounds: estimates.bounds_apart,
    estimates.interval: estimates.interval_apart,
    divergence.divergence_bounds: divergence.divergence_bounds_apart,
    divergence.divergence_interval: divergence.divergence_interval_apart,
}


def counts_apart(owner: str, kernel: EstimatorKernel) -> EstimatorKernel:
    """Return an estimator that counts rewards and costs apart.

    One that has the formulas ``observe_reward`` and ``observe_cost`` is returned as it is. What is
    seen by the formulas of the package gets a fourth number, the count of the costs.

    Raises
    ------
    ValueError
        When it cannot count them apart.
    """
    if kernel.observe_reward is not None and kernel.observe_cost is not None:
        return kernel
    if (
        kernel.observe not in _OBSERVATIONS
        or kernel.bounds not in _BELIEFS
        or kernel.interval not in _BELIEFS
    ):
        raise ValueError(
            f"{owner} cannot learn rewards and costs apart, as the scenario teaches them "
            "(reward_delay other than cost_delay, or feedback below 1); define the formulas "
            "observe_reward(seen, reward, *parameters) -> seen and observe_cost(seen, cost, "
            "*parameters) -> seen, with a count of the costs among the numbers of seen"
        )
    observe_reward, observe_cost = _OBSERVATIONS[kernel.observe]
    bounds = _BELIEFS[kernel.bounds]
    assert bounds is not None
    return kernel._replace(
        bounds=bounds,
        interval=_BELIEFS[kernel.interval],
        first=(*kernel.first, kernel.first[0]),
        observe_reward=observe_reward,
        observe_cost=observe_cost,
    )
