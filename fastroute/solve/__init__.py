"""Batch solvers: arrays in, arrays out, with validation, backend choice and readable statuses."""

from fastroute.solve.deployment import DeploymentResult, solve_deployment
from fastroute.solve.routing import RoutingResult, solve_routing
from fastroute.solve.status import InfeasibleWarning, Method, Status

__all__ = [
    "DeploymentResult",
    "InfeasibleWarning",
    "Method",
    "RoutingResult",
    "Status",
    "solve_deployment",
    "solve_routing",
]
