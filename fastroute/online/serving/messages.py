"""What goes over HTTP: bodies that are read, and answers."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fastroute.online.plan import Plan
from fastroute.online.status import Status


class _Body(BaseModel):
    # Values are not guessed from strings: "0.9" is no reward.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ChooseBody(_Body):
    """A query."""

    task: Annotated[str | None, Field(description="Needed where the router has tasks.")] = None
    features: Annotated[
        list[float] | None, Field(description="Needed where the router has features.")
    ] = None


class ObserveBody(_Body):
    """What a query brought or cost; at least one of the two."""

    id: Annotated[
        str,
        Field(
            pattern="^[0-9]{1,20}$",
            description="Of the choice, as it was answered. A string, because many languages "
            "round numbers that are so large.",
        ),
    ]
    reward: Annotated[float | None, Field(description="In [0, 1].")] = None
    cost: Annotated[float | None, Field(description="At least 0, in the unit of the budget.")] = (
        None
    )


class ApplyBody(_Body):
    """What to deploy; without it, what the policy chooses now."""

    deploy: list[str] | None = None


class LimitBody(_Body):
    """Another throughput limit."""

    limit: Annotated[float, Field(description="Largest share of the queries, in (0, 1].")]


class RepriceBody(_Body):
    """Another price."""

    factor: Annotated[float, Field(description="Queries cost so many times as much from now on.")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ChoiceAnswer(_Answer):
    """Which model takes a query."""

    id: Annotated[str, Field(description="Of the decision; observations name it.")]
    model: Annotated[str, Field(description="What the policy chose.")]
    serve: Annotated[str, Field(description="What is to take the query.")]
    propensity: Annotated[
        float, Field(description="Probability with which the model was chosen, given the shares.")
    ]
    shares: Annotated[
        dict[str, float], Field(description="Share of the traffic of every deployed model.")
    ]


class DoneAnswer(_Answer):
    """A change that is made, and in the log."""

    done: bool = True


class DeployedAnswer(_Answer):
    """What takes queries now."""

    deployed: tuple[str, ...]


class PlannedModelAnswer(_Answer):
    """A model in a plan."""

    name: str
    deploy: bool
    reason: str
    reward_bound: float
    cost_bound: float
    observations: float


class PlanAnswer(_Answer):
    """What a stage would deploy if it opened now, and why."""

    deploy: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    budget_price: Annotated[
        float, Field(description="Worth of one more unit of budget, in reward.")
    ]
    models: tuple[PlannedModelAnswer, ...]

    @classmethod
    def of(cls, plan: Plan) -> "PlanAnswer":
        """Return a plan as it is answered."""
        models = tuple(PlannedModelAnswer(**model._asdict()) for model in plan.models)
        return cls(**{**plan._asdict(), "models": models})


class Minute(_Answer):
    """Queries of a minute."""

    start: Annotated[float, Field(description="In seconds of the epoch.")]
    served: Annotated[dict[str, int], Field(description="Queries of every model.")]


class TrafficAnswer(_Answer):
    """What this server has answered since it started."""

    last: Annotated[int, Field(description="Decisions that the shares are of: the last ones.")]
    shares: Annotated[dict[str, float], Field(description="Share of every model that served.")]
    minutes: Annotated[tuple[Minute, ...], Field(description="The last hour.")]


class StatusAnswer(_Answer):
    """What was decided, observed and spent, and what is known of every model."""

    status: Status
    traffic: TrafficAnswer


class HealthAnswer(_Answer):
    """Whether the router takes queries, and its log can be written."""

    status: str = "ok"


class ErrorAnswer(_Answer):
    """Why something was not done."""

    error: str


def sentence_of(error: ValidationError) -> str:
    """Return what is wrong with a body, as one line that names field, value and remedy."""
    return "; ".join(dict.fromkeys(_problem(detail) for detail in error.errors()))


def _problem(detail: Any) -> str:
    field = ".".join(map(str, detail["loc"]))
    if detail["type"] == "json_invalid":
        return f"the body is not JSON: {detail['ctx']['error']}"
    if detail["type"] == "missing":
        return f"{field}: is missing"
    if detail["type"] == "extra_forbidden":
        return f"{field}: there is no such field; leave it out"
    message = str(detail["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    if not field and detail["type"] == "value_error":
        return message
    given = repr(detail["input"])
    given = given if len(given) <= 60 else f"{given[:56]}..."
    return f"{field}={given}: {message}" if field else f"the body {message}"
