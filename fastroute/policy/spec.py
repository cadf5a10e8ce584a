"""``Policy``: one estimator x deployer x router triple with its options."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from fastroute.policy.estimators import resolve_gamma


class Policy(BaseModel):
    """A deployment and routing policy.

    Attributes
    ----------
    name : str
        What the policy is called in frames and figures.
    estimator : {"ucb", "mean", "truth"}
        See :mod:`fastroute.policy.estimators`.
    deployer : {"mip", "top", "newest", "least_pulled", "random", "static", "truth"}
        See :mod:`fastroute.policy.deployers`.
    router : {"lp", "truth", "uniform", "greedy"}
        See :mod:`fastroute.policy.routers`.
    gamma : float or str
        Width of the confidence radius: a number, ``"paper"`` (0.1), ``"theory"``
        (``log(N T / delta)``) or ``"scaled:x"`` (x times ``"theory"``).  Small constants starve:
        a model whose first rewards are zero gets a bound that never recovers.
    delta : float
        Failure probability in ``"theory"`` and ``"scaled:x"``.
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
    fill : {"reduced_cost", "none", "ucb", "least_pulled"}
        Use of slots that the deployment optimum leaves empty.  It explores at no cost in the
        objective, and moves regret by a factor.
    margin : float
        Solve with budget ``(1 - margin) b`` so that true spending meets b (Agrawal & Devanur 2014).
    resolve_every : int
        Rounds between two solutions of the routing LP; 1 is the paper's algorithm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "custom"
    estimator: Literal["ucb", "mean", "truth"] = "ucb"
    deployer: Literal["mip", "top", "newest", "least_pulled", "random", "static", "truth"] = "mip"
    router: Literal["lp", "truth", "uniform", "greedy"] = "lp"
    gamma: float | str = "paper"
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    init: Literal["optimistic", "formula", "prior", "forced"] = "optimistic"
    init_pulls: Annotated[int, Field(ge=1, lt=2**32)] = 1
    prior_reward: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    prior_cost: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    fill: Literal["reduced_cost", "none", "ucb", "least_pulled"] = "reduced_cost"
    margin: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    resolve_every: Annotated[int, Field(ge=1, lt=2**32)] = 1

    @field_validator("gamma")
    @classmethod
    def _known_rule(cls, value: float | str) -> float | str:
        resolve_gamma(value, 2, 1, 0.5)
        return value
