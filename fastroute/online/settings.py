"""What an online router is set to: models, stages, budget; kept in its log as plain values."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from fastroute.online.budget import Window
from fastroute.online.plain import Plain
from fastroute.policies import Policy, RunNumbers
from fastroute.policies import policy as named_policy

#: How a router serves: what the policy chooses, or one model while the policy only looks on.
Mode = Literal["apply", "shadow", "fixed"]

#: Decisions that a router expects, where nobody says.
HORIZON: Final = 1_000_000

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]


class OnlineModel(Plain):
    """A model that a router can deploy.

    Attributes
    ----------
    name : str
    limit : float
        Throughput limit: largest share of the queries that it may take, in (0, 1].
    cost : float or None
        Expected cost of a query, in the unit of the budget, until costs are observed; only the
        reservations of a budget window use it.
    """

    name: Annotated[str, Field(min_length=1)]
    limit: Share = 1.0
    cost: NotNegative | None = None


class Stage(Plain):
    """When stages open.

    Attributes
    ----------
    decisions : int or None
        Decisions of a stage; beside ``seconds`` those that are expected of it.
    seconds : float or None
        Seconds of a stage, counted from the start of the epoch of the clock; None: by decisions.
    """

    decisions: Annotated[int, Field(ge=1)] | None = None
    seconds: Positive | None = None

    @model_validator(mode="after")
    def _validate(self) -> Self:
        if self.decisions is None and self.seconds is None:
            raise ValueError("a stage needs decisions=..., or a time such as hours=6")
        return self

    def is_over(self, made: int, moment: float, opened: float) -> bool:
        """Tell whether a stage that opened at a time, with so many decisions made, is over."""
        if self.seconds is None:
            assert self.decisions is not None
            return made >= self.decisions
        if moment < opened:
            # A clock that goes back a little opens no stage twice; one that goes back by more was
            # wrong before.
            return opened - moment > self.seconds
        return math.floor(moment / self.seconds) > math.floor(opened / self.seconds)

    def end_of(self, opened: float) -> float | None:
        """Return when a stage that opened at a time is over by the clock; None without one."""
        if self.seconds is None:
            return None
        return (math.floor(opened / self.seconds) + 1) * self.seconds


def every(
    *,
    decisions: int | None = None,
    seconds: float = 0.0,
    minutes: float = 0.0,
    hours: float = 0.0,
    days: float = 0.0,
) -> Stage:
    """Say how often a stage opens: after so many decisions, or by the clock.

    Parameters
    ----------
    decisions : int, optional
        Decisions of a stage. Beside a time: those that are expected in it, by which ``deploy_cost``
        is spread.
    seconds, minutes, hours, days : float
        Time of a stage, added up.

    Returns
    -------
    Stage

    Raises
    ------
    ValueError
        When neither is given.

    Examples
    --------
    >>> every(hours=6)
    Stage(decisions=None, seconds=21600.0)
    """
    total = seconds + 60.0 * minutes + 3600.0 * hours + 86400.0 * days
    return Stage(decisions=decisions, seconds=total or None)


class OnlineSettings(Plain):
    """What stays the same for the whole life of an online router.

    Attributes
    ----------
    policy : Policy
    budget : float
        Largest mean cost of a query.
    max_deployed : int
    stage : Stage
    seed : int
    horizon, n_models : int
        Decisions and models that are expected, of which rules for gamma ask.
    cost_range : (float, float)
        Smallest and largest cost of a query.
    deploy_cost : float
        One-time charge per newly deployed model, in units of reward.
    tasks : tuple of str
        Tasks that queries may have; empty for any, which no estimator then reads.
    features : int
        Features that every query has; 0 for none.
    intercept : bool
        Put a feature that is always 1 in front of them.
    apart : bool
        Whether rewards and costs are learnt apart, each as soon as it is known.
    mode : {"apply", "shadow", "fixed"}
    serve : str or None
        The model that takes all queries in the modes ``shadow`` and ``fixed``.
    window : Window or None
        Money that may be spent in a day or a month.
    """

    policy: Policy
    budget: NotNegative
    max_deployed: Annotated[int, Field(ge=1, le=64)]
    stage: Stage
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    horizon: Annotated[int, Field(ge=1, lt=2**32)] = HORIZON
    n_models: Annotated[int, Field(ge=1)]
    cost_range: tuple[NotNegative, Positive]
    deploy_cost: NotNegative = 0.0
    tasks: tuple[str, ...] = ()
    features: Annotated[int, Field(ge=0, le=64)] = 0
    intercept: bool = True
    apart: bool
    mode: Mode = "apply"
    serve: str | None = None
    window: Window | None = None

    @field_validator("policy", mode="before")
    @classmethod
    def _read_policy(cls, value: Any) -> Any:
        if isinstance(value, str):
            return named_policy(value)
        return Policy(**value) if isinstance(value, Mapping) else value

    @field_validator("tasks")
    @classmethod
    def _check_tasks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a task is there twice; name every task once")
        return value

    @field_validator("cost_range")
    @classmethod
    def _check_cost_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            raise ValueError("must be the smallest and the largest cost, in this order")
        return value

    @model_validator(mode="after")
    def _validate_together(self) -> Self:
        policy = self.policy
        for part in policy.parts:
            if part.needs_truth:
                raise ValueError(
                    f"{part.kind}={part.label!r} looks at the true means, which nobody knows "
                    "online; choose another policy"
                )
            if "numba" not in part.backends:
                raise ValueError(part.refusal("numba"))
        if policy.estimator.needs_tasks and not self.tasks:
            raise ValueError(
                f'estimator="{policy.estimator.label}" reads the task of every query; name them, '
                'tasks=["code", "math"]'
            )
        if policy.estimator.needs_features and not self.features:
            raise ValueError(
                f'estimator="{policy.estimator.label}" reads the features of every query; say how '
                "many there are, features=8"
            )
        if self.apart and not policy.estimator.learns_late:
            raise ValueError(
                f'apart=True: estimator="{policy.estimator.label}" learns reward and cost '
                "together; leave apart out"
            )
        if self.apart and not counts_apart(policy):
            raise ValueError(
                f'apart=True: estimator="{policy.estimator.label}" cannot count rewards and costs '
                "apart; use apart=False, or give it observe_reward and observe_cost"
            )
        if (self.mode == "apply") != (self.serve is None):
            raise ValueError(
                f"mode={self.mode!r} with serve={self.serve!r}; shadow and fixed need the model "
                "that takes the queries, serve=..., and apply has none"
            )
        return self

    @property
    def stage_length(self) -> int:
        """Decisions that a stage is expected to have."""
        return self.stage.decisions or max(self.horizon // 100, 1)

    def plain(self) -> dict[str, Any]:
        """Return the settings as plain values, from which they can be made again."""
        values = self.model_dump(mode="json", exclude={"policy"})
        return {"policy": self.policy.dump(), **values}


#: What stands for a catalogue.
Catalogue = Iterable[str | OnlineModel | Mapping[str, Any]] | Mapping[str, Any]


def read_catalogue(models: Catalogue) -> list[OnlineModel]:
    """Return the models of a catalogue.

    Parameters
    ----------
    models : sequence or mapping
        Names, :class:`OnlineModel` or tables of its fields; or a mapping from name to the other
        fields, or to the expected cost.

    Raises
    ------
    ValueError
        When a model is there twice, or there is none.
    """
    found = [_read_model(entry) for entry in _entries(models)]
    names = [model.name for model in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"models: {twice[0]!r} is there twice; name every model once")
    if not found:
        raise ValueError("models: is empty; name at least one model")
    return found


def _entries(models: Catalogue) -> Iterable[Any]:
    if isinstance(models, str):
        raise ValueError(f"models={models!r} is one name; pass a list of names")
    if not isinstance(models, Mapping):
        return models
    return [
        {"name": name, **(value if isinstance(value, Mapping) else {"cost": value})}
        for name, value in models.items()
    ]


def _read_model(entry: Any) -> OnlineModel:
    if isinstance(entry, OnlineModel):
        return entry
    if isinstance(entry, str):
        return OnlineModel(name=entry)
    if not isinstance(entry, Mapping):
        raise ValueError(f"models: {entry!r} is no model; pass a name, or fr.OnlineModel(...)")
    return OnlineModel(**entry)


def counts_apart(policy: Policy) -> bool:
    """Whether the estimator can learn rewards and costs apart."""
    try:
        policy.estimator.kernel(RunNumbers(100, 10, 2, 1.0, 0.0, 1.0), apart=True)
    except ValueError:
        return False
    return policy.estimator.learns_late


def new_settings(given: dict[str, Any], catalogue: list[OnlineModel] | None) -> OnlineSettings:
    """Return the settings of a new router."""
    missing = [name for name in ("budget", "max_deployed", "stage") if name not in given]
    if catalogue is None:
        missing.insert(0, "models")
    if missing or catalogue is None:
        raise ValueError(f"{', '.join(missing)}: is missing; a new router needs it")
    given = {"policy": "stageroute", "n_models": len(catalogue), **given}
    if isinstance(given["policy"], str):
        given["policy"] = named_policy(given["policy"])
    if "cost_range" not in given:
        expected = [model.cost for model in catalogue if model.cost]
        largest = 10.0 * max(expected) if expected else 100.0 * given["budget"]
        given["cost_range"] = 0.0, largest or 1.0
    if isinstance(given["policy"], Policy):
        given.setdefault("apart", counts_apart(given["policy"]))
    return OnlineSettings(**given)


def refuse_others(settings: OnlineSettings, given: dict[str, Any]) -> None:
    """Refuse settings that are not those of the log."""
    for name, value in given.items():
        if name == "policy" and isinstance(value, str):
            value = named_policy(value)
        kept = getattr(settings, name)
        if value != kept:
            raise ValueError(
                f"{name}={value!r}, but the log has {name}={kept!r}; leave {name} out, or begin "
                "another log"
            )
