"""Policies: estimator x deployer x router triples, and the registry of named ones."""

from fastroute.policies.deployers import DEPLOYERS, Choice, StageProblem
from fastroute.policies.estimators import ESTIMATORS, resolve_gamma
from fastroute.policies.registry import POLICIES, policy
from fastroute.policies.routers import ROUTERS
from fastroute.policies.spec import Policy

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
