"""Estimators: what a policy believes of each model's reward and cost.

``ucb``
    Upper bound on the reward, lower bound on the cost (Li & Li 2025, arXiv 2506.17254)::

        U = clip(r + 2 f_rad(r, n + 1), 0, 1)
        L = clip(c - 2 f_rad(c, n + 1), c_min, c_max)
        f_rad(v, n) = sqrt(gamma v / n) + gamma / n,   means shrunk to sum / (n + 1)

``mean``
    The shrunk means themselves: ``ucb`` with gamma = 0.
``pessimistic``
    ``ucb`` with an *upper* bound on the cost, ``clip(c + 2 f_rad(c, n + 1), c_min, c_max)``: reward
    optimistic, cost pessimistic (Pacchiano, Ghavamzadeh, Bartlett & Jiang 2021, *Stochastic Bandits
    with Linear Constraints*).
``discounted``
    ``ucb`` that forgets: when a model is pulled, the weight of its earlier observations is
    multiplied by ``discount``, so that n is at most ``1 / (1 - discount)`` (Garivier & Moulines
    2011; as in ParetoBandit 2026, a model forgets when it observes).
``contextual``
    ``ucb`` for the task of the query: bounds on the reward from the observations of the same task
    alone, bounds on the cost from all.  The task is known before the query is routed, as a
    classifier in front of the router would tell; deployers, and routers that hold their shares for
    many rounds, see the bounds of ``ucb``.  The regret is still against the optimum that does not
    look at the query, and may be negative.  Needs rewards by task, ``fr.ByTask``, and
    ``resolve_every=1``.
``thompson``
    A sample of the mean reward, drawn anew whenever a deployer or a router looks at it (Ferreira,
    Simchi-Levi & Wang 2018, *Online Network Revenue Management Using Thompson Sampling*)::

        U = clip(m + z sqrt(m (1 - m) / (n + 3)), 0, 1),   m = (S + 1) / (n + 2),   z ~ N(0, 1)

    which is the normal law with mean and variance of the Beta posterior after a uniform prior.
    L is the shrunk mean of the costs.  Takes no gamma.
``truth``
    The true means: the oracle.
"""

import math
from typing import Final

from fastroute.kernels import codes

ESTIMATORS: Final = {
    "ucb": codes.ESTIMATOR_UCB,
    "mean": codes.ESTIMATOR_MEAN,
    "pessimistic": codes.ESTIMATOR_PESSIMISTIC,
    "discounted": codes.ESTIMATOR_DISCOUNTED,
    "contextual": codes.ESTIMATOR_CONTEXTUAL,
    "thompson": codes.ESTIMATOR_THOMPSON,
    "truth": codes.ESTIMATOR_TRUTH,
}

#: Estimators without a confidence radius.
NO_RADIUS: Final = ("mean", "thompson")

#: How the bounds of a model without observations are set.
INIT_RULES: Final = {
    "optimistic": codes.INIT_OPTIMISTIC,
    "formula": codes.INIT_FORMULA,
    "prior": codes.INIT_PRIOR,
    "forced": codes.INIT_FORCED,
}

_PAPER_GAMMA: Final = 0.1
_RULES: Final = (
    'a number >= 0, "paper", "theory" or "scaled:x" with x a number >= 0, such as "scaled:0.1"'
)


def resolve_gamma(gamma: float | str, horizon: int, n_models: int, delta: float) -> float:
    """Width of the confidence radius as a number.

    Parameters
    ----------
    gamma : float or str
        A number; ``"paper"`` (0.1, the value of the paper's experiments); ``"theory"``
        (``log(N T / delta)``, what its proof asks for); ``"scaled:x"`` (x times ``"theory"``).
    horizon, n_models : int
        T and N.
    delta : float
        Probability with which the bounds may fail.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For any other rule.
    """
    theory = math.log(n_models * horizon / delta)
    value: float
    if gamma == "paper":
        value = _PAPER_GAMMA
    elif gamma == "theory":
        value = theory
    else:
        scaled = isinstance(gamma, str) and gamma.startswith("scaled:")
        try:
            value = float(str(gamma).removeprefix("scaled:")) * (theory if scaled else 1.0)
        except ValueError:
            value = math.nan
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError(f"gamma={gamma!r} is not {_RULES}.")
    return value
