"""``Policy``: one estimator x deployer x router triple."""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from fastroute.policies.deployers import MIP
from fastroute.policies.estimators import UCB
from fastroute.policies.part import (
    KINDS,
    Deployer,
    Estimator,
    OptionsError,
    Part,
    Problem,
    Router,
    problems_of,
)
from fastroute.policies.reading import make_part, parts_with_option
from fastroute.policies.routers import LP


def _part_of(kind: str) -> BeforeValidator:
    return BeforeValidator(lambda value: make_part(kind, value))


class Policy(BaseModel):
    """A deployment and routing policy.

    A part is an object, ``Pacer(step=0.1)``; its name, ``"pacer"``, for the object with its
    defaults; a table, ``{"name": "pacer", "step": 0.1}``; or something of your own by its place,
    ``"module:name"``.

    Attributes
    ----------
    name : str
        What the policy is called in frames and figures.
    estimator : Estimator
        What is estimated of each model; see :mod:`fastroute.policies.estimators`.
    deployer : Deployer
        Which models are deployed in a stage; see :mod:`fastroute.policies.deployers`.
    router : Router
        How queries are sent to them; see :mod:`fastroute.policies.routers`.  May be a function of
        your own too: see :mod:`fastroute.policies.routers.custom`.
    margin : float
        Solve with budget ``(1 - margin) b`` so that true spending meets b (Agrawal & Devanur 2014).

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
            problems = problems_of(error, Policy.model_fields)
            raise OptionsError("policy", map(_name_owner, problems)) from error

    name: str = "custom"
    estimator: Annotated[Estimator, _part_of("estimator")] = UCB()
    deployer: Annotated[Deployer, _part_of("deployer")] = MIP()
    router: Annotated[Router, _part_of("router")] = LP()
    margin: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0

    @model_validator(mode="after")
    def _validate_resolve_every(self) -> Self:
        every = getattr(self.router, "resolve_every", 1)
        if self.estimator.reads_queries and every != 1:
            raise ValueError(
                f'estimator="{self.estimator.label}" reads every query, but resolve_every='
                f"{every}; leave resolve_every at 1"
            )
        return self

    @model_validator(mode="after")
    def _validate_interval(self) -> Self:
        if self.router.needs_interval and not self.estimator.has_interval:
            raise ValueError(
                f'router="{self.router.label}" needs confidence intervals, which '
                f'estimator="{self.estimator.label}" does not have; give the estimator the formula '
                "interval, or choose another router"
            )
        return self

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Say what is not as by default, as Python that makes an equal policy."""
        return (
            (name, value) for name, value in super().__repr_args__() if name != "margin" or value
        )

    def __str__(self) -> str:
        """Write the policy as ``repr`` does."""
        return repr(self)

    def _repr_html_(self) -> str:
        from fastroute.report.notebook import card_html, policy_card

        return card_html(policy_card(self))

    @property
    def title(self) -> str:
        """What messages call it: its name, or its parts where it has none of its own."""
        if self.name != type(self).model_fields["name"].default:
            return self.name
        return " · ".join(part.label for part in self.parts)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Estimator, deployer and router."""
        return tuple(getattr(self, kind) for kind in KINDS)

    def dump(self) -> dict[str, Any]:
        """Return the policy as plain values; ``Policy(**dump)`` is an equal policy.

        Returns
        -------
        dict
            ``name``, a table for each part (see :meth:`Part.dump`), and ``margin``.

        Raises
        ------
        ValueError
            When a part of the user's own cannot be imported by its name.
        """
        tables = {kind: part.dump() for kind, part in zip(KINDS, self.parts, strict=True)}
        return {"name": self.name, **tables, "margin": self.margin}


def _name_owner(problem: Problem) -> Problem:
    """Say of an option of a part where it belongs."""
    option = problem.path[-1] if problem.path else ""
    if len(problem.path) != 1 or not problem.allowed or not parts_with_option(option):
        return problem
    kind = parts_with_option(option)[0].partition(" ")[0]
    return problem._replace(
        message=f"It is an option of the {kind}; use fastroute.policy(name, {option}=...), or "
        f"give the {kind} as an object."
    )
