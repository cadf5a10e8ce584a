"""Policies: estimator x deployer x router triples, and the registry of named ones.

A part is a class in a file of its own, in one of three packages with a table of names each.
"""

from fastroute.policies.deployers import (
    DEPLOYERS,
    MIP,
    BestSet,
    LeastPulled,
    Newest,
    RandomSet,
    Static,
    Top,
)
from fastroute.policies.estimators import (
    ESTIMATORS,
    KLUCB,
    UCB,
    Contextual,
    Discounted,
    KnownMeans,
    Linear,
    LinearThompson,
    Mean,
    Pessimistic,
    Thompson,
    resolve_gamma,
)
from fastroute.policies.part import Deployer, Estimator, OptionsError, Part, Router, RunNumbers
from fastroute.policies.registry import POLICIES, policy
from fastroute.policies.routers import (
    LP,
    ROUTERS,
    DriftPlusPenalty,
    Elimination,
    EpsilonGreedy,
    ExploreThenCommit,
    Greedy,
    Pacer,
    PrimalDual,
    Ratio,
    TrueLP,
    Uniform,
)
from fastroute.policies.spec import Policy
from fastroute.policies.stage import Choice, StageProblem

__all__ = [
    "DEPLOYERS",
    "ESTIMATORS",
    "KLUCB",
    "LP",
    "MIP",
    "POLICIES",
    "ROUTERS",
    "UCB",
    "BestSet",
    "Choice",
    "Contextual",
    "Deployer",
    "Discounted",
    "DriftPlusPenalty",
    "Elimination",
    "EpsilonGreedy",
    "Estimator",
    "ExploreThenCommit",
    "Greedy",
    "KnownMeans",
    "LeastPulled",
    "Linear",
    "LinearThompson",
    "Mean",
    "Newest",
    "OptionsError",
    "Pacer",
    "Part",
    "Pessimistic",
    "Policy",
    "PrimalDual",
    "RandomSet",
    "Ratio",
    "Router",
    "RunNumbers",
    "StageProblem",
    "Static",
    "Thompson",
    "Top",
    "TrueLP",
    "Uniform",
    "policy",
    "resolve_gamma",
]
