"""``Policy``: one estimator x deployer x router triple with its options."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from fastroute.policies.custom import check_router, router_name
from fastroute.policies.estimators import resolve_gamma

_Router = Literal[
    "lp",
    "truth",
    "greedy",
    "epsilon_greedy",
    "uniform",
    "explore_then_commit",
    "elimination",
    "ratio",
    "drift_plus_penalty",
    "pacer",
    "primal_dual",
]


class Policy(BaseModel):
    """A deployment and routing policy.

    Attributes
    ----------
    name : str
        What the policy is called in frames and figures.
    estimator : {"ucb", "mean", "pessimistic", "discounted", "contextual", "thompson", "truth"}
        See :mod:`fastroute.policies.estimators`.
    deployer : {"mip", "top", "newest", "least_pulled", "random", "static", "truth"}
        See :mod:`fastroute.policies.deployers`.
    router : str or callable
        ``"lp"``, ``"truth"``, ``"greedy"``, ``"epsilon_greedy"``, ``"uniform"``,
        ``"explore_then_commit"``, ``"elimination"``, ``"ratio"``, ``"drift_plus_penalty"``,
        ``"pacer"`` or ``"primal_dual"``: see :mod:`fastroute.policies.routers`; or a function of
        your own: see :mod:`fastroute.policies.custom`.
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
        Rounds between two routing decisions (an LP, or a ranking by score); 1 is the paper's
        algorithm.
    discount : float
        For ``"discounted"``: weight that a model's observations keep when it is pulled again, in
        (0, 1).
    explore : float or None
        For ``"epsilon_greedy"`` and ``"explore_then_commit"``: share of uniform routing in [0, 1];
        None is ``T^(-1/3)``, and ``L^(-1/3)`` of a stage of L rounds.
    gain : float or None
        For ``"drift_plus_penalty"`` V, for ``"pacer"`` eta, for ``"primal_dual"`` eps; None is
        ``sqrt(T)``, 0.05 and ``min(1, sqrt(log 2 / (T b')))``.
    smoothing : float
        For ``"pacer"``: weight of the last cost in its running mean, in (0, 1].
    ceiling : float
        For ``"pacer"``: largest price.

    Raises
    ------
    ValueError
        For an unknown option, or a value that is not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise ValueError(_explain(error)) from error

    name: str = "custom"
    estimator: Literal[
        "ucb", "mean", "pessimistic", "discounted", "contextual", "thompson", "truth"
    ] = "ucb"
    deployer: Literal["mip", "top", "newest", "least_pulled", "random", "static", "truth"] = "mip"
    router: _Router | Callable[..., Any] = "lp"
    gamma: float | str = "paper"
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    init: Literal["optimistic", "formula", "prior", "forced"] = "optimistic"
    init_pulls: Annotated[int, Field(ge=1, lt=2**32)] = 1
    prior_reward: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    prior_cost: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    fill: Literal["reduced_cost", "none", "ucb", "least_pulled"] = "reduced_cost"
    margin: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    resolve_every: Annotated[int, Field(ge=1, lt=2**32)] = 1
    discount: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.997
    explore: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    gain: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    smoothing: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    ceiling: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 5.0

    @field_validator("router", mode="before")
    @classmethod
    def _a_function_is_a_router(cls, value: Any) -> Any:
        if not isinstance(value, str):
            check_router(value)
        return value

    @model_validator(mode="after")
    def _every_query_is_read(self) -> Self:
        if self.estimator == "contextual" and self.resolve_every != 1:
            raise ValueError(
                f'estimator="contextual" reads every query, but resolve_every='
                f"{self.resolve_every}; leave resolve_every at 1"
            )
        return self

    @field_serializer("router")
    def _name_of_router(self, value: Any) -> str:
        return value if isinstance(value, str) else router_name(value)

    @field_validator("gamma")
    @classmethod
    def _known_rule(cls, value: float | str) -> float | str:
        resolve_gamma(value, 2, 1, 0.5)
        return value


def _explain(error: ValidationError) -> str:
    """Say in one line what is wrong with the first option that is."""
    first = error.errors()[0]
    if not first["loc"]:
        return f"policy: {str(first['msg']).removeprefix('Value error, ')}"
    option = str(first["loc"][0])
    given = f"policy option {option}={first['input']!r}"
    if first["type"] == "extra_forbidden":
        return f"{given} is not one of {one_of(option, Policy.model_fields)}"
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{given}: {message.replace('Input should be', 'must be')}"


def one_of(name: object, allowed: Iterable[str]) -> str:
    """List what is allowed, and the nearest to what was given."""
    words = list(allowed)
    near = get_close_matches(str(name), words, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ", ".join(repr(word) for word in words) + "." + hint
