"""Estimators: what a policy estimates of each model's reward and cost."""

from typing import Final

from fastroute.policies.estimators.bernstein import Bernstein
from fastroute.policies.estimators.change_detector import ChangeDetector
from fastroute.policies.estimators.contextual import Contextual
from fastroute.policies.estimators.discounted import Discounted
from fastroute.policies.estimators.kl_ucb import KLUCB
from fastroute.policies.estimators.learner import Bounded, Learner, resolve_gamma
from fastroute.policies.estimators.linear import Linear
from fastroute.policies.estimators.linear_thompson import LinearThompson
from fastroute.policies.estimators.mean import Mean
from fastroute.policies.estimators.pessimistic import Pessimistic
from fastroute.policies.estimators.sliding_window import SlidingWindow
from fastroute.policies.estimators.thompson import Thompson
from fastroute.policies.estimators.truth import KnownMeans
from fastroute.policies.estimators.ucb import UCB
from fastroute.policies.part import Estimator

__all__ = [
    "ESTIMATORS",
    "KLUCB",
    "UCB",
    "Bernstein",
    "Bounded",
    "ChangeDetector",
    "Contextual",
    "Discounted",
    "KnownMeans",
    "Learner",
    "Linear",
    "LinearThompson",
    "Mean",
    "Pessimistic",
    "SlidingWindow",
    "Thompson",
    "resolve_gamma",
]

#: Word in a table -> class.
ESTIMATORS: Final[dict[str, type[Estimator]]] = {
    cls.name: cls
    for cls in (
        UCB,
        Mean,
        Pessimistic,
        Discounted,
        SlidingWindow,
        ChangeDetector,
        KLUCB,
        Bernstein,
        Contextual,
        Linear,
        Thompson,
        LinearThompson,
        KnownMeans,
    )
}
