"""Policies: estimator x deployer x router triples, and the registry of named ones."""

from fastroute.policy.deployers import DEPLOYERS, Choice, StageProblem
from fastroute.policy.estimators import ESTIMATORS, resolve_gamma
from fastroute.policy.registry import POLICIES, policy
from fastroute.policy.routers import ROUTERS
from fastroute.policy.spec import Policy

__all__ = [
    "DEPLOYERS",
    "ESTIMATORS",
    "POLICIES",
    "ROUTERS",
    "Choice",
    "Policy",
    "StageProblem",
    "policy",
    "resolve_gamma",
]
