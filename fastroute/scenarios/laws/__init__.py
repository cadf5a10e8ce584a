"""Laws of rewards and costs around their means, one file each."""

from fastroute.scenarios.laws.base import CostLaw, RewardLaw
from fastroute.scenarios.laws.bernoulli import Bernoulli
from fastroute.scenarios.laws.beta import Beta
from fastroute.scenarios.laws.by_features import ByFeatures
from fastroute.scenarios.laws.by_task import ByTask
from fastroute.scenarios.laws.fixed import FixedCost
from fastroute.scenarios.laws.lognormal import Lognormal
from fastroute.scenarios.laws.recorded import Recorded
from fastroute.scenarios.laws.uniform import UniformCost

__all__ = [
    "Bernoulli",
    "Beta",
    "ByFeatures",
    "ByTask",
    "CostLaw",
    "FixedCost",
    "Lognormal",
    "Recorded",
    "RewardLaw",
    "UniformCost",
]
