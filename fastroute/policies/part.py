"""Parts of a policy: estimators, deployers and routers are classes with parameters of their own.

A part is a frozen object. Its class declares the parameters with their ranges, and says what it
needs and which backends run it; nothing else asks for a part by its name.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer
from pydantic_core import to_jsonable_python

from fastroute.kernels.formulas.estimates import count_observation
from fastroute.kernels.types import F8 as Array
from fastroute.kernels.types import EstimatorKernel, Formula, Outcome, RouterKernel
from fastroute.policies.apart import counts_apart
from fastroute.policies.check import check_estimator, check_router
from fastroute.policies.stage import Choice, Mask, StageProblem
from fastroute.references import reference_of
from fastroute.words import closest

#: Rounds between two decisions.
Rounds = Annotated[int, Field(ge=1, lt=2**32)]
#: Observations that are halved.
EvenRounds = Annotated[int, Field(ge=2, lt=2**32, multiple_of=2)]
#: A share of something, or a probability, ends included.
Share = Annotated[float, Field(ge=0.0, le=1.0)]
#: A number above 0 and below infinity.
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
#: A number from 0 on and below infinity.
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]

_PACKAGE: Final = f"{__name__.rpartition('.')[0]}."


class RunNumbers(NamedTuple):
    """The numbers of a run from which a part works its parameters out."""

    horizon: int
    stage_length: int
    n_models: int
    budget: float  #: with the margin taken off
    cost_min: float
    cost_max: float

    @property
    def scaled_budget(self) -> float:
        """``b' = min(b, c_max) / c_max``: the budget on the scale of the rewards."""
        return min(self.budget, self.cost_max) / self.cost_max if self.cost_max > 0.0 else 1.0

    @property
    def pace_and_scale(self) -> tuple[float, float]:
        """``min(b, c_max)``, and what brings costs on the scale of the rewards: ``1 / c_max``."""
        return min(self.budget, self.cost_max), 1.0 / self.cost_max


class Problem(NamedTuple):
    """What is wrong with one option."""

    path: tuple[str, ...]  #: ``("gamma",)``, or ``("router", "step")`` in a table; () for all
    value: Any
    message: str
    allowed: tuple[str, ...] = ()  #: names of options; empty unless the option is unknown

    def __str__(self) -> str:
        """Say it in one line, to be put behind what has the option."""
        if not self.path:
            return f": {self.message}"
        given = f" option {'.'.join(self.path)}={self.value!r}"
        if self.allowed:
            # A message says better what was meant than a name that looks like it.
            listed = (
                f"{_listed(self.allowed)}. {self.message}"
                if self.message
                else one_of(self.path[-1], self.allowed)
            )
            return f"{given} is not one of {listed}"
        return f"{given}: {self.message}"


class OptionsError(ValueError):
    """Options that a policy or a part of one does not have, or values that are not allowed.

    Attributes
    ----------
    problems : tuple of Problem
        All of them; the message is of the first.
    """

    def __init__(self, owner: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{owner}{self.problems[0]}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Be the same error in another process."""
        return _same_error, (str(self), self.problems)

    def under(self, kind: str, beside: Iterable[str] = ()) -> list[Problem]:
        """Return the problems as those of a policy, in which this is the part of that kind.

        Options in `beside` stand beside the part, not in a table of it.
        """
        outside = set(beside)
        return [
            p if p.path and p.path[0] in outside else p._replace(path=(kind, *p.path))
            for p in self.problems
        ]


def _same_error(message: str, problems: tuple[Problem, ...]) -> OptionsError:
    error = OptionsError("", problems)
    error.args = (message,)
    return error


def problems_of(error: ValidationError, allowed: Iterable[str]) -> list[Problem]:
    """Return what pydantic objects to, one problem an option.

    Parameters
    ----------
    error : pydantic.ValidationError
    allowed : iterable of str
        Names of the options that there are.
    """
    found: dict[tuple[str, ...], Problem] = {}
    for detail in error.errors():
        path = tuple(str(part) for part in detail["loc"][:1])
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, OptionsError):
            for problem in inner.under(path[0]):
                found.setdefault(problem.path, problem)
        elif detail["type"] == "extra_forbidden":
            found.setdefault(path, Problem(path, detail["input"], "", tuple(allowed)))
        elif detail["type"] == "missing":
            found.setdefault(
                (), Problem((), None, f"option {path[0]} is missing; it has no default")
            )
        else:
            message = str(detail["msg"]).removeprefix("Value error, ")
            message = message.replace("Input should be", "must be")
            found.setdefault(path, Problem(path, detail["input"], message))
    return list(found.values())


def one_of(name: object, allowed: Iterable[str]) -> str:
    """List what is allowed, and the nearest to what was given."""
    words = list(allowed)
    near = closest(str(name), words)
    hint = f" Did you mean {near!r}?" if near else ""
    return f"{_listed(words)}.{hint}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(map(repr, words))


class Part(BaseModel):
    """Base of estimators, deployers and routers: a frozen object with parameters.

    A subclass declares its parameters as fields with their ranges, as pydantic has them.

    Attributes
    ----------
    kind : str
        Class variable: what the part is in a policy.
    name : str
        Class variable: its word in tables and frames; default the name of the class.
    backends : tuple of str
        Class variable: backends that run it; default all.
    needs_truth : bool
        Class variable: whether it looks at the true means, which only a simulation knows.

    Raises
    ------
    ValueError
        For an option that the part does not have, or a value that is not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    name: ClassVar[str]
    backends: ClassVar[tuple[str, ...]] = ("numba", "jax", "ref")
    needs_truth: ClassVar[bool] = False

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            cls = type(self)
            raise OptionsError(
                f"{cls.kind} {cls.name!r}", problems_of(error, cls.model_fields)
            ) from error

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Name a class that does not name itself."""
        super().__pydantic_init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.name

    @property
    def is_own(self) -> bool:
        """Whether it is of the user's own making."""
        return not type(self).__module__.startswith(_PACKAGE)

    def refusal(self, backend: str) -> str:
        """Say that a backend does not run it, and what to do."""
        return f'backend="{backend}" has no {self.kind} "{self.label}". Use backend="numba".'

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Say what is not as by default, as Python that makes an equal part."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if name is None or name not in fields or value != fields[name].get_default():
                yield name, value

    def dump(self) -> dict[str, Any]:
        """Return the part as a table of plain values, from which a policy makes it again.

        Returns
        -------
        dict
            ``name``, and the options but for those that are None by default. The name of a class
            of the user's own is ``module:name``.

        Raises
        ------
        ValueError
            When the class cannot be imported by its name, or an option is no plain value.
        """
        return {"name": self._word(), **self._plain_options()}

    def _word(self) -> str:
        """Return what a table calls the part."""
        return self._reference(type(self)) if self.is_own else self.name

    def _reference(self, thing: Any) -> str:
        try:
            return reference_of(thing)
        except ValueError as error:
            raise ValueError(f"{self.kind} {self.label}: {error}") from None

    def _plain_options(self) -> dict[str, Any]:
        options = {}
        for option, field in type(self).model_fields.items():
            value = getattr(self, option)
            if field.exclude or (value is None and field.default is None):
                continue
            try:
                options[option] = to_jsonable_python(value)
            except ValueError:
                raise ValueError(
                    f"{self.kind} {self.label}: option {option}={value!r} is no plain value, so "
                    "that a study cannot keep it; use numbers, words and lists of them"
                ) from None
        return options

    @model_serializer(mode="plain")
    def _as_table(self) -> dict[str, Any]:
        return self.dump()


class Estimator(Part):
    """Base of estimators: what a policy believes of each model's reward and cost.

    An estimator of your own is a subclass with the formula ``bounds``, and where it keeps more of a
    model than the observations and the sums of rewards and costs, with ``observe`` and ``first``.
    Formulas are static functions of floats or arrays, written over ``+ - * /`` and the names of
    :mod:`fastroute.kernels.formulas`; ``parameters`` are the numbers that they get last.

    Attributes
    ----------
    needs_tasks : bool
        Class variable: whether it reads the task of every query, so that the scenario must have
        tasks, and the router must decide every round.
    needs_features : bool
        Class variable: the same for the features of every query.
    learns_late : bool
        Class variable: whether it can learn what a query brought in a later round.
    passes : str
        Class variable: which passes of the kernels it is made of; ``"elementwise"`` for formulas.
    forgets : bool
        Class variable: whether its first number does not count the observations.
    observe : callable
        ``(seen, reward, cost, *parameters) -> seen``: what is known of a model after a round in
        which it was pulled; ``seen`` is a tuple, at first that of :meth:`first`.
    observe_reward, observe_cost : callable or None
        ``(seen, reward, *parameters) -> seen`` and ``(seen, cost, *parameters) -> seen``: the same
        in a world that teaches rewards and costs apart, where both are needed. The first number of
        ``seen`` then counts the rewards, and another one must count the costs.
    bounds : callable
        ``(seen, *parameters) -> (upper, lower)``: U and L of a model.
    interval : callable or None
        ``(seen, *parameters) -> (reward, cost, reward_width, cost_width)``: means and half-widths
        of their confidence intervals; the router ``elimination`` asks for it.
    """

    kind: ClassVar[str] = "estimator"
    needs_tasks: ClassVar[bool] = False
    needs_features: ClassVar[bool] = False
    learns_late: ClassVar[bool] = True
    passes: ClassVar[str] = "elementwise"
    forgets: ClassVar[bool] = False

    observe: ClassVar[Formula] = staticmethod(count_observation)
    observe_reward: ClassVar[Formula | None] = None
    observe_cost: ClassVar[Formula | None] = None
    bounds: ClassVar[Formula]
    interval: ClassVar[Formula | None] = None

    @property
    def has_interval(self) -> bool:
        """Whether it tells confidence intervals, or needs none."""
        return type(self).interval is not None

    @property
    def forced_pulls(self) -> int:
        """Pulls that every new model gets before anything else."""
        return 0

    @property
    def unobserved_below(self) -> float:
        """Observations below which a model counts as the best and the cheapest."""
        return float(self.forced_pulls)

    def radius(self, horizon: int, n_models: int) -> float | None:
        """Return gamma, the width of the confidence radius, as a number; None without one."""
        del horizon, n_models
        return None

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the numbers that its formulas need."""
        del run
        return ()

    def first(self, run: RunNumbers) -> tuple[float, ...]:
        """Return what is seen of a model at first: count, sums of rewards and costs, and others."""
        del run
        return 0.0, 0.0, 0.0

    @property
    def reads_queries(self) -> bool:
        """Whether it looks at every query, so that the router must decide every round."""
        return self.needs_tasks or self.needs_features

    def first_contexts(self, run: RunNumbers, queries: Outcome) -> Array:
        """Return what is kept of the queries of a trial at first; an empty array for nothing.

        Parameters
        ----------
        run : RunNumbers
        queries : Outcome
            Law of the rewards, which says what queries there are.
        """
        del run, queries
        return np.zeros((0, 0, 0))

    def bounds_of_all(
        self,
        kernel: EstimatorKernel,
        seen: tuple[Array, ...],
        means: tuple[Array, Array],
        uniforms: Callable[[], Array],
    ) -> tuple[Any, Any]:
        """Return U and L of every model, for a deployer.

        Formulas run over whole tables as they run over lanes.

        Parameters
        ----------
        kernel : EstimatorKernel
            What :meth:`kernel` returned for the run.
        seen : tuple of ndarray, [N, trials]
        means : tuple of ndarray, [N, R]
            True means of rewards and costs, R = 1 or trials.
        uniforms : callable
            Uniform numbers of the stage, [N, trials].

        Returns
        -------
        tuple of ndarray, [N, trials] or what can be broadcast to it
        """
        del means, uniforms
        upper, lower = kernel.bounds(seen, *kernel.parameters)
        return upper, lower

    def kernel(self, run: RunNumbers, *, apart: bool = False) -> EstimatorKernel:
        """Return the estimator as the kernels see it.

        Parameters
        ----------
        run : RunNumbers
        apart : bool
            Whether rewards and costs are learnt apart.

        Raises
        ------
        ValueError
            When its formulas cannot be used.
        """
        cls = type(self)
        bounds: Any = getattr(cls, "bounds", None)
        kernel = EstimatorKernel(
            kernel=self.passes,
            observe=cls.observe,
            bounds=bounds,
            interval=cls.interval,
            parameters=tuple(float(x) for x in self.parameters(run)),
            first=tuple(float(x) for x in self.first(run)),
            unobserved_below=self.unobserved_below,
            forced_pulls=float(self.forced_pulls),
            forgets=self.forgets,
            observe_reward=cls.observe_reward,
            observe_cost=cls.observe_cost,
        )
        # Those of the package are tested; a run need not try them again.
        if self.is_own and self.passes == "elementwise":
            check_estimator(f"{self.kind} {self.label}", kernel)
        return counts_apart(f"{self.kind} {self.label}", kernel) if apart else kernel


class Deployer(Part):
    """Base of deployers: which models a policy deploys when a stage opens.

    A deployer of your own is a subclass with a method ``choose``.
    """

    kind: ClassVar[str] = "deployer"

    def check_run(self, max_deployed: int) -> None:
        """Raise ValueError when its options do not fit the settings of a run.

        Parameters
        ----------
        max_deployed : int
            Models deployed at once.
        """
        del max_deployed

    @abstractmethod
    def choose(self, problem: StageProblem) -> Choice | Mask:
        """Return the sets to deploy, for a batch of trials at once.

        Parameters
        ----------
        problem : StageProblem

        Returns
        -------
        ndarray of bool, [B, N], or Choice
            Of each trial at most ``problem.max_deployed`` models, all of them available
            (``problem.limit > 0``).
        """


class Router(Part):
    """Base of routers: how each query is sent to one of the deployed models.

    A router of your own is a subclass with the formula ``score``, and where it keeps numbers from
    round to round, with ``learn`` and ``first_state``: the model of highest score gets as much as
    its limit allows, then the next (ties: higher U, lower L, lower index).  Formulas are as those
    of :class:`Estimator`.

    Attributes
    ----------
    passes : str
        Class variable: which passes of the kernels it is made of; ``"by_score"`` for formulas.
    needs_interval : bool
        Class variable: whether it needs an estimator with confidence intervals.
    score : callable or None
        ``(upper, lower, state, *parameters) -> score`` of a model; ``lower`` in the cost unit.
    learn : callable or None
        ``(state, reward, cost, *parameters) -> state`` after a round that brought ``reward`` and
        cost ``cost``; ``state`` is a tuple, at first that of :meth:`first_state`.
    """

    kind: ClassVar[str] = "router"
    passes: ClassVar[str] = "by_score"
    needs_interval: ClassVar[bool] = False

    score: ClassVar[Formula | None] = None
    learn: ClassVar[Formula | None] = None

    def parameters(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the numbers that its formulas need."""
        del run
        return ()

    def first_state(self, run: RunNumbers) -> tuple[float, ...]:
        """Return the numbers that it keeps, before the first round."""
        del run
        return ()

    def kernel(self, run: RunNumbers) -> RouterKernel:
        """Return the router as the kernels see it.

        Raises
        ------
        ValueError
            When its formulas cannot be used.
        """
        cls = type(self)
        kernel = RouterKernel(
            kernel=self.passes,
            score=cls.score,
            learn=cls.learn,
            function=None,
            parameters=tuple(float(x) for x in self.parameters(run)),
            first=tuple(float(x) for x in self.first_state(run)),
            resolve_every=int(getattr(self, "resolve_every", 1)),
        )
        if self.is_own and self.passes == "by_score":
            check_router(f"{self.kind} {self.label}", kernel)
        return kernel


#: Field of a policy -> what stands in it.
KINDS: Final[Mapping[str, type[Part]]] = {
    "estimator": Estimator,
    "deployer": Deployer,
    "router": Router,
}
