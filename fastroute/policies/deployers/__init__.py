"""Deployers: which models a policy deploys when a stage opens."""

from typing import Final

from fastroute.policies.deployers.least_pulled import LeastPulled
from fastroute.policies.deployers.mip import MIP
from fastroute.policies.deployers.newest import Newest
from fastroute.policies.deployers.random import RandomSet
from fastroute.policies.deployers.screen import Screen
from fastroute.policies.deployers.static import Static
from fastroute.policies.deployers.top import Top
from fastroute.policies.deployers.truth import BestSet
from fastroute.policies.part import Deployer

__all__ = [
    "DEPLOYERS",
    "MIP",
    "BestSet",
    "LeastPulled",
    "Newest",
    "RandomSet",
    "Screen",
    "Static",
    "Top",
]

#: Word in a table -> class.
DEPLOYERS: Final[dict[str, type[Deployer]]] = {
    cls.name: cls for cls in (MIP, Top, Newest, LeastPulled, RandomSet, Screen, Static, BestSet)
}
