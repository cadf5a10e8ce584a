"""Batch solvers: arrays in, arrays out, with validation, backend choice and readable statuses."""

from fastroute.solve.deployment import DeploymentResult, solve_deployment
from fastroute.solve.frontier import Frontier, deployment_frontier, routing_curve
from fastroute.solve.routing import RoutingResult, solve_routing
from fastroute.solve.status import InfeasibleWarning, Method, Status

__all__ = [
    "DeploymentResult",
    "Frontier",
    "InfeasibleWarning",
    "Method",
    "RoutingResult",
    "Status",
    "deployment_frontier",
    "routing_curve",
    "solve_deployment",
    "solve_routing",
]
