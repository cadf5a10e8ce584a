"""Parameters that several estimators have: how a model begins, and how wide its bounds are."""

import math
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, field_validator

from fastroute.checks import refused
from fastroute.kernels.formulas import estimates
from fastroute.kernels.types import Formula
from fastroute.policies.part import Estimator, Rounds, RunNumbers, Share

_PAPER_GAMMA: Final = 0.1
GAMMA_RULES: Final = (
    'a number >= 0, "paper", "theory" or "scaled:x" with x a number >= 0, such as "scaled:0.1"'
)


class Learner(Estimator):
    """An estimator that learns from observations; a model without any needs a rule.

    Attributes
    ----------
    init : {"optimistic", "formula", "prior", "forced"}
        Bounds of a model without observations: U = 1 and L = c_min; what the formulas give at
        n = 0 (U = 2 gamma: not optimistic when gamma is small); ``init_pulls`` pseudo-observations
        at ``prior_reward`` and ``prior_cost``; or ``init_pulls`` real pulls before anything else,
        during which the limits do not hold.
    init_pulls : int
        Number of pseudo-observations or forced pulls.
    prior_reward : float
        In [0, 1].
    prior_cost : float or None
        In the scenario's cost unit; None is the lower end of its cost range.
    """

    bounds: ClassVar[Formula] = staticmethod(estimates.bounds)
    interval: ClassVar[Formula | None] = staticmethod(estimates.interval)
    #: Which bound on the cost it takes: -1 the lower one, +1 the upper one.
    cost_side: ClassVar[float] = -1.0

    init: Literal["optimistic", "formula", "prior", "forced"] = "optimistic"
    init_pulls: Rounds = 1
    prior_reward: Share = 1.0
    prior_cost: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None

    @property
    def forced_pulls(self) -> int:
        """Pulls that every new model gets before anything else."""
        return self.init_pulls if self.init == "forced" else 0

    @property
    def unobserved_below(self) -> float:
        """Observations below which a model counts as the best and the cheapest."""
        return 1.0 if self.init == "optimistic" else float(self.forced_pulls)

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return gamma, the range of the costs, ``cost_side`` and ``unobserved_below``."""
        gamma = self.radius(run.horizon, run.n_models)
        return (
            0.0 if gamma is None else gamma,
            run.cost_min,
            run.cost_max,
            self.cost_side,
            self.unobserved_below,
        )

    def first(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the pseudo-observations of ``init="prior"``; else none."""
        count = float(self.init_pulls) if self.init == "prior" else 0.0
        cost = run.cost_min if self.prior_cost is None else self.prior_cost
        return count, count * self.prior_reward, count * cost


class Bounded(Learner):
    """A learner with a confidence radius.

    Attributes
    ----------
    gamma : float or str
        Width of the confidence radius: a number, ``"paper"`` (0.1), ``"theory"``
        (``log(N T / delta)``) or ``"scaled:x"`` (x times ``"theory"``).  Small constants starve:
        a model whose first rewards are zero gets a bound that never recovers.
    delta : float
        Failure probability in ``"theory"`` and ``"scaled:x"``.
    init, init_pulls, prior_reward, prior_cost
        As :class:`Learner` has them.
    """

    gamma: float | str = "paper"
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05

    @field_validator("gamma")
    @classmethod
    def _validate_gamma(cls, value: float | str) -> float | str:
        try:
            resolve_gamma(value, 2, 1, 0.5)
        except ValueError:
            # The message of the option names the field and the value.
            raise refused("", value, GAMMA_RULES) from None
        return value

    def radius(self, horizon: int, n_models: int) -> float:
        """Return gamma as a number."""
        return resolve_gamma(self.gamma, horizon, n_models, self.delta)


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
        raise refused("gamma", gamma, GAMMA_RULES)
    return value
