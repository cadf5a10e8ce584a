"""The estimator ``linear``."""

from typing import ClassVar

import numpy as np

from fastroute.kernels.types import F8 as Array
from fastroute.kernels.types import Outcome
from fastroute.policies.estimators.learner import Bounded
from fastroute.policies.part import NotNegative, Positive, RunNumbers

# What is kept of the queries of so many trials must fit into this much memory.
_TOGETHER = 64
_MOST_BYTES = 2**30


class Linear(Bounded):
    r"""``ucb`` for the features x of the query, by a ridge regression for each model.

    .. math::

        U &= \mathrm{clip}(\theta \cdot x + \beta \left\lVert x \right\rVert_P,\; 0,\; 1) \\
        \left\lVert x \right\rVert_P &= \sqrt{x^\top P x} \\
        P &= \left(\mathrm{ridge}\, I + \sum x x^\top\right)^{-1} \\
        \theta &= P \sum r x

    over the queries that the model has answered, with rank-one updates of P and theta (LinUCB; Li,
    Chu, Langford & Schapire 2010, Abbasi-Yadkori, Pal & Szepesvari 2011).  Bounds on costs are
    those of ``ucb``, and so is what deployers and routers that hold their shares see.  The features
    are known before the query is routed.  Needs a scenario whose queries have features, and a
    router that decides every round.

    With d features, a trial keeps N d (d + 1) numbers, d rounded up to a multiple of 8; more than
    16 MiB for a trial are refused.

    Attributes
    ----------
    beta : float
        Width of the bounds, >= 0.
    ridge : float
        Weight of the penalty, > 0.
    gamma, delta, init, init_pulls, prior_reward, prior_cost
        As :class:`~fastroute.policies.estimators.learner.Bounded` has them; without observations
        ``init="formula"`` gives U = beta ||x|| / sqrt(ridge).
    """

    name: ClassVar[str] = "linear"
    needs_features: ClassVar[bool] = True
    learns_late: ClassVar[bool] = False
    passes: ClassVar[str] = "by_features"

    beta: NotNegative = 0.5
    ridge: Positive = 1.0

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the parameters of ``ucb``, and the width for features."""
        return (*super().parameters(run), self.beta)

    def first_contexts(self, run: RunNumbers, queries: Outcome) -> Array:
        """Return P and theta of every model before its first round, [N, d + 1, d]."""
        return ridge_at_first(self.label, run.n_models, queries.features.shape[1], self.ridge)


def ridge_at_first(label: str, models: int, size: int, ridge: float) -> Array:
    """Return P and theta of every model without observations, [N, d + 1, d].

    Raises
    ------
    ValueError
        When that is too much to keep for every trial.
    """
    if _TOGETHER * 8 * models * (size + 1) * size > _MOST_BYTES:
        raise ValueError(
            f'estimator="{label}": {models} models with {size} features take '
            f"{8 * models * (size + 1) * size / 2**20:.0f} MiB for every trial, above "
            f"{_MOST_BYTES / _TOGETHER / 2**20:.0f} MiB; use fewer features, such as the first "
            "principal components"
        )
    kept = np.zeros((models, size + 1, size))
    kept[:, :-1] = np.eye(size) / ridge
    return kept
