"""Routers: how each query is sent to one of the deployed models.

A compiled function of your own is a router too; see :mod:`fastroute.policies.routers.custom`.
"""

from typing import Final

from fastroute.policies.part import Router
from fastroute.policies.routers.custom import Custom
from fastroute.policies.routers.drift_plus_penalty import DriftPlusPenalty
from fastroute.policies.routers.elimination import Elimination
from fastroute.policies.routers.epsilon_greedy import EpsilonGreedy
from fastroute.policies.routers.explore_then_commit import ExploreThenCommit
from fastroute.policies.routers.greedy import Greedy
from fastroute.policies.routers.lp import LP
from fastroute.policies.routers.pacer import Pacer
from fastroute.policies.routers.primal_dual import PrimalDual
from fastroute.policies.routers.ratio import Ratio
from fastroute.policies.routers.truth import TrueLP
from fastroute.policies.routers.uniform import Uniform

__all__ = [
    "LP",
    "ROUTERS",
    "Custom",
    "DriftPlusPenalty",
    "Elimination",
    "EpsilonGreedy",
    "ExploreThenCommit",
    "Greedy",
    "Pacer",
    "PrimalDual",
    "Ratio",
    "TrueLP",
    "Uniform",
]

#: Word in a table -> class.
ROUTERS: Final[dict[str, type[Router]]] = {
    cls.name: cls
    for cls in (
        LP,
        TrueLP,
        Greedy,
        EpsilonGreedy,
        Uniform,
        ExploreThenCommit,
        Elimination,
        Ratio,
        DriftPlusPenalty,
        Pacer,
        PrimalDual,
    )
}
