"""An online router behind ``litellm.Router`` and behind LiteLLM's proxy."""

import itertools
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.types.router import CustomRoutingStrategyBase
from numpy.typing import ArrayLike

from fastroute.checks import refused
from fastroute.integrations.litellm_requests import (
    KEY,
    Deployment,
    Request,
    is_fault,
    metadata_key,
    metadata_of,
    name_of,
    run,
    ticket_of,
)
from fastroute.online import (
    BudgetSpentError,
    Choice,
    NothingDeployedError,
    ObservationError,
    OnlineRouter,
)

_LOG: Final = logging.getLogger("fastroute.litellm")

#: Header in which the proxy answers with the id of the decision.
HEADER: Final = "x-fastroute-decision"
#: Answers whose decision is kept in memory, so that a reward can name the answer.
ANSWERS: Final = 100_000
_COUNT: Final = itertools.count()
#: Times that a choice is made again because its model turned out not to be there.
_TRIES: Final = 3

#: Returns the deployments of a group that litellm would choose among, or the one that is asked for.
Healthy = Callable[..., Coroutine[Any, Any, list[Deployment] | Deployment]]


class _Flight:
    """A decision on its way: the deployment works on it, or it has failed there."""

    __slots__ = ("blamed", "id", "model", "next", "open", "since", "tried")

    def __init__(self, choice: Choice, since: float, tried: frozenset[str]) -> None:
        self.id = choice.id
        self.model = choice.serve
        self.since = since
        self.tried = tried  #: models on which the same request has failed before
        self.open = True
        self.blamed = False  #: whether its failure is counted against the model
        self.next: _Flight | None = None  #: decision of the attempt after this one


class Integration(CustomLogger):
    """A policy that chooses the deployments of litellm, and learns from litellm's callbacks.

    Every attempt of litellm is one decision and is observed once: an answer with its cost from
    ``standard_logging_object["response_cost"]``, a failure as one.

    A deployment is the model of the router that ``model_info["fastroute"]`` names, else the one
    named as its ``model_info["id"]``, else as its ``litellm_params["model"]``.  Deployments of the
    same model share what is learnt, and its queries are spread evenly over them.  Where a group has
    no deployment that is a model of the router, they are spread evenly over the whole group, and
    nothing is decided or learnt.

    The proxy looks for its hooks in the class of a callback alone, not in what it inherits from: a
    class derived from this one must define them again.

    Parameters
    ----------
    router : OnlineRouter
        It belongs to the integration from now on: all its models are taken for healthy.
    score : callable, optional
        ``score(kwargs, response)`` returns the reward of an answer in [0, 1], or None where it
        comes later; called with what litellm's callbacks get.
    task : callable, optional
        ``task(kwargs)`` returns the task of a request, for a router with tasks.
    features : callable, optional
        ``features(kwargs)`` returns the features of a request, for a router with features.
    allowed_fails : int
        Failures of a model one after another, at which it gets no more traffic.
    cooldown : float
        Seconds after which it gets traffic again.
    failed_reward : float or None
        Reward of an attempt that failed; None: nothing is told of it but its cost, 0.
    patience : float
        Seconds after which a request of which litellm has said nothing is given up, for instance
        one that was cancelled.  It is booked at the mean cost of its model, since it may have been
        billed, and has no reward.
    clock : callable
        Returns seconds from any start on.

    Raises
    ------
    ValueError
        For an option out of its range.

    Examples
    --------
    >>> import fastroute as fr
    >>> from fastroute.integrations.litellm import Integration
    >>> router = fr.OnlineRouter(
    ...     models=["small", "large"], budget=0.002, max_deployed=2, stage=fr.every(hours=6)
    ... )
    >>> integration = Integration(router)
    >>> integration.attach(litellm_router)  # doctest: +SKIP
    """

    def __init__(
        self,
        router: OnlineRouter,
        *,
        score: Callable[[Mapping[str, Any], Any], float | None] | None = None,
        task: Callable[[Request], str | None] | None = None,
        features: Callable[[Request], ArrayLike | None] | None = None,
        allowed_fails: int = 3,
        cooldown: float = 60.0,
        failed_reward: float | None = 0.0,
        patience: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        # Callbacks of one class with the same plain attributes are one callback to litellm.
        self.number = next(_COUNT)
        if allowed_fails < 1:
            raise refused("allowed_fails", allowed_fails, "at least 1")
        if not cooldown > 0.0:
            raise refused("cooldown", cooldown, "a number above 0")
        if failed_reward is not None and not 0.0 <= failed_reward <= 1.0:
            raise refused("failed_reward", failed_reward, "in [0, 1], or None")
        if not patience > 0.0:
            raise refused("patience", patience, "a number above 0")
        self.router = router
        self._score, self._task, self._features = score, task, features
        self._allowed_fails, self._cooldown = allowed_fails, cooldown
        self._failed_reward, self._patience = failed_reward, patience
        self._clock = clock
        self._lock = threading.RLock()
        self._flights: dict[str, _Flight] = {}  #: by ticket, the oldest first
        self._answers: dict[str, int] = {}  #: decision of an answer
        self._early: dict[str, float] = {}  #: rewards of answers that are not known yet
        self._fails: dict[str, int] = {}  #: failures one after another
        self._down: dict[str, float] = {}  #: when a model that failed gets traffic again
        self._away: set[str] = set()  #: models without traffic because litellm leaves them out
        self._costs: dict[str, tuple[int, float]] = {}  #: number and sum, by model
        self._free: set[str] = set()  #: models that are said to be free
        self._served: Any = None
        self._known: frozenset[str] = frozenset()
        # A process that was killed may have left models without traffic.
        for name in router.models:
            router.recover(name)

    def attach(self, router: Any) -> None:
        """Choose the deployments of a ``litellm.Router`` from now on.

        Parameters
        ----------
        router : litellm.Router
        """
        healthy: Healthy
        if hasattr(router, "register_plugin"):
            from litellm.router_api import RoutingContext

            context = RoutingContext(router)

            async def healthy(model: str, request_kwargs: Request, **more: Any) -> Any:
                return await context.select(model, request_kwargs, kind="healthy", **more)

            router.register_plugin(_Strategy(self, healthy))
        else:
            healthy = router.async_get_healthy_deployments
            router.set_custom_routing_strategy(_Strategy(self, healthy))
        litellm.logging_callback_manager.add_litellm_callback(self)
        self._served = router

    @property
    def in_flight(self) -> int:
        """Number of decisions of which the outcome is not known yet."""
        with self._lock:
            self._give_up(self._clock())
            return sum(flight.open for flight in self._flights.values())

    def reward(self, of: Any, value: float) -> bool:
        """Tell what an answer was worth; once, at any time.

        Parameters
        ----------
        of : response, str or int
            The answer, its ``id``, litellm's call id (header ``x-litellm-call-id``), or the id of
            the decision (header ``x-fastroute-decision``), which alone outlives the process.
        value : float
            In [0, 1].

        Returns
        -------
        bool
            Whether it is told; False: the answer is not known yet, as litellm reports it a moment
            after it is given, and its reward is kept until it is.

        Raises
        ------
        ObservationError
            When it is not taken; nothing has changed then.
        """
        if isinstance(of, int):
            self.router.observe(of, reward=value)
            return True
        name = of if isinstance(of, str) else str(of.id)
        with self._lock:
            known = self._answers.get(name)
            if known is None and name.isdigit():
                known = int(name)
            if known is None:
                if not 0.0 <= value <= 1.0:
                    raise ObservationError(
                        "out of range",
                        f"{name}: reward={value!r} is not in [0, 1]; bring scores to that range",
                    )
                if name in self._early:
                    raise ObservationError(
                        "known already", f"{name}: its reward is known already; tell it once"
                    )
                _remember(self._early, name, value)
                return False
        self.router.observe(known, reward=value)
        return True

    def close(self) -> None:
        """Give up what is in flight, and close the router."""
        with self._lock:
            self._give_up(float("inf"))
        self.router.close()

    # Choices.

    def choose(self, group: str, healthy: list[Deployment], request: Request) -> Deployment:
        """Return the deployment that takes a request, and note the decision in its metadata.

        Parameters
        ----------
        group : str
            Of litellm's models.
        healthy : list of dict
            Deployments that litellm would choose among.
        request : dict
            What the caller has given; its metadata is changed.

        Raises
        ------
        litellm.BudgetExceededError
            When the window has no money left for it.
        """
        named: dict[str, list[Deployment]] = {}
        known = self._names()
        for deployment in healthy:
            name = name_of(deployment, known)
            if name is not None:
                named.setdefault(name, []).append(deployment)
        with self._lock:
            now = self._clock()
            self._give_up(now)
            self._take_back(now)
            before = self._end_attempt(request)
            tried = frozenset() if before is None else before.tried | {before.model}
            # Another model for a request that has failed, where there is one.
            allowed = {name for name in named if name not in self._down}
            allowed = allowed - tried or allowed
            choice = self._choose_among(allowed, request) if allowed else None
            if choice is None:
                if named:
                    _LOG.warning("%s: no deployed model is healthy; nothing is decided", group)
                return random.choice(healthy)
            ticket = f"{choice.id}.{secrets.token_hex(8)}"
            flight = self._flights[ticket] = _Flight(choice, now, tried)
            if before is not None:
                before.next = flight
        metadata_of(request)[KEY] = ticket
        there = named[choice.serve]
        return there[0] if len(there) == 1 else random.choice(there)

    def pass_over(self, request: Request) -> None:
        """Note that a request goes to a deployment of its own choice; nothing is decided."""
        with self._lock:
            self._end_attempt(request)

    def _names(self) -> frozenset[str]:
        """Names of the router's models."""
        names = self.router.models
        if len(names) != len(self._known):
            self._known = frozenset(names)
        return self._known

    def _choose_among(self, allowed: set[str], request: Request) -> Choice | None:
        """Let the policy choose one of some models; None where none of them is deployed."""
        router = self.router
        task = None if self._task is None else self._task(request)
        features = None if self._features is None else self._features(request)
        free = router.settings.mode == "apply"
        for _ in range(_TRIES):
            if free:
                self._leave_out(allowed)
            before = router.deployed
            try:
                choice = router.choose(task, features)
            except NothingDeployedError:
                choice = None
            except BudgetSpentError as error:
                raise _budget_error(router, error) from error
            except OSError as error:
                # Queries are answered even where the log cannot be written.
                _LOG.error("%s", error)
                return None
            if router.deployed is not before and self._away:
                self._open_stage_with_all()
            elif choice is None:
                return None
            if choice is not None:
                if choice.serve in allowed:
                    return choice
                if not free:
                    return None
                # A stage has brought it, or another replica has taken it back.
                self._away.discard(choice.serve)
        return None

    def _leave_out(self, allowed: set[str]) -> None:
        """Give traffic to no deployed model but these."""
        out = {name for name in self.router.deployed if name not in allowed} - self._down.keys()
        if out == self._away:
            return
        for name in self._away - out:
            self.router.recover(name)
        for name in out - self._away:
            self.router.fail(name)
        self._away = out

    def _open_stage_with_all(self) -> None:
        """Open a stage again that had to do without what litellm left out for a moment."""
        for name in self._away:
            self.router.recover(name)
        self._away = set()
        self.router.apply()

    def _take_back(self, now: float) -> None:
        """Give models traffic again whose time without it is over."""
        well = [name for name, until in self._down.items() if now >= until]
        for name in well:
            del self._down[name]
            self._fails[name] = 0
            self.router.recover(name)
        if not set(well) <= set(self.router.deployed):
            # A stage has opened without them meanwhile, which may last for hours.
            self._open_stage_with_all()

    def _end_attempt(self, request: Request) -> _Flight | None:
        """End the attempt before this one of the same request, if there was one."""
        key = metadata_key(request)
        metadata = request.get(key)
        if not isinstance(metadata, dict) or KEY not in metadata:
            return None
        # The attempt before keeps its own metadata, so that what is reported late of it is not
        # taken for this one.
        request[key] = {name: value for name, value in metadata.items() if name != KEY}
        flight = self._flights.get(metadata[KEY])
        if flight is not None and flight.open:
            self._close(flight, cost=0.0, reward=self._failed_reward)
        return flight

    # Outcomes.

    def _close(self, flight: _Flight, cost: float, reward: float | None) -> None:
        flight.open = False
        count, total = self._costs.get(flight.model, (0, 0.0))
        self._costs[flight.model] = count + 1, total + cost
        try:
            self.router.observe(flight.id, cost=cost)
            if reward is not None:
                self.router.observe(flight.id, reward=reward)
        except (ObservationError, OSError) as error:
            _LOG.error("%s", error)

    def _give_up(self, now: float) -> None:
        """Close what has waited longer than anybody has patience for."""
        flights = self._flights
        while flights:
            ticket = next(iter(flights))
            flight = flights[ticket]
            if now < flight.since + self._patience:
                return
            del flights[ticket]
            if flight.open:
                count, total = self._costs.get(flight.model, (0, 0.0))
                mean = total / count if count else self.router.settings.budget
                self._close(flight, mean, None)

    def _succeeded(self, kwargs: Mapping[str, Any], response: Any) -> None:
        ticket = ticket_of(kwargs.get("litellm_params") or {})
        payload = kwargs.get("standard_logging_object")
        if ticket is None or payload is None:
            return
        reward = None
        if self._score is not None and ticket in self._flights:
            try:
                reward = self._score(kwargs, response)
            except Exception:
                _LOG.exception("score failed; the answer has no reward yet")
        cost = payload.get("response_cost")
        with self._lock:
            flight = self._flights.pop(ticket, None)
            if flight is None or not flight.open:
                return
            # What litellm cannot price it reports as free.
            free = not cost and not payload.get("cache_hit")
            if free and flight.model not in self._free:
                self._free.add(flight.model)
                _LOG.warning(
                    "litellm says that an answer of %r was free; if it was not, give "
                    "input_cost_per_token and output_cost_per_token in its litellm_params",
                    flight.model,
                )
            self._fails[flight.model] = 0
            for name in (getattr(response, "id", None), kwargs.get("litellm_call_id")):
                if isinstance(name, str):
                    _remember(self._answers, name, flight.id)
                    early = self._early.pop(name, None)
                    reward = early if early is not None else reward
            self._close(flight, cost or 0.0, reward)

    def _failed(self, ticket: str | None, error: object) -> None:
        with self._lock:
            flight = None if ticket is None else self._flights.get(ticket)
            if flight is None:
                return
            if flight.open:
                self._close(flight, 0.0, self._failed_reward)
            if flight.blamed or not is_fault(error):
                return
            flight.blamed = True
            model = flight.model
            self._fails[model] = self._fails.get(model, 0) + 1
            if self._fails[model] >= self._allowed_fails and model not in self._down:
                self._away.discard(model)
                self._down[model] = self._clock() + self._cooldown
                self.router.fail(model)

    # What litellm calls.

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Learn of an answer."""
        self._succeeded(kwargs, response_obj)

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Learn of an answer."""
        self._succeeded(kwargs, response_obj)

    def log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Learn of a failure."""
        self._failed(ticket_of(kwargs.get("litellm_params") or {}), kwargs.get("exception"))

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Learn of a failure."""
        self._failed(ticket_of(kwargs.get("litellm_params") or {}), kwargs.get("exception"))

    async def async_post_call_failure_deployment_hook(
        self, request_data: Any, exception: Any, call_type: Any = None, **_: Any
    ) -> None:
        """Learn of a failed attempt; the proxy logs only one failure of a request."""
        self._failed(ticket_of(request_data), exception)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any
    ) -> None:
        """Choose the deployments of the proxy's router, which it makes after its callbacks."""
        from litellm.proxy import proxy_server

        if proxy_server.llm_router is not None and proxy_server.llm_router is not self._served:
            self.attach(proxy_server.llm_router)

    async def async_post_call_response_headers_hook(
        self, data: Any, user_api_key_dict: Any, response: Any, *_: Any, **__: Any
    ) -> dict[str, str] | None:
        """Answer with the id of the decision."""
        ticket = ticket_of(data)
        if ticket is None:
            return None
        flight = self._flights.get(ticket)
        while flight is not None and flight.next is not None:
            flight = flight.next
        return {HEADER: ticket.split(".")[0] if flight is None else str(flight.id)}


class _Strategy(CustomRoutingStrategyBase):
    """Chooses among the deployments that a ``litellm.Router`` says are healthy."""

    def __init__(self, integration: Integration, healthy: Healthy) -> None:
        self._integration = integration
        self._healthy = healthy

    async def async_get_available_deployment(
        self,
        model: str,
        messages: Any = None,
        input: Any = None,
        specific_deployment: bool | None = False,
        request_kwargs: Request | None = None,
    ) -> Any:
        request = {} if request_kwargs is None else request_kwargs
        healthy = await self._healthy(
            model,
            request,
            messages=messages,
            input=input,
            specific_deployment=specific_deployment,
        )
        return self._choose(model, healthy, request)

    def get_available_deployment(
        self,
        model: str,
        messages: Any = None,
        input: Any = None,
        specific_deployment: bool | None = False,
        request_kwargs: Request | None = None,
    ) -> Any:
        request = {} if request_kwargs is None else request_kwargs
        healthy = run(
            lambda: self._healthy(
                model,
                request,
                messages=messages,
                input=input,
                specific_deployment=specific_deployment,
            )
        )
        return self._choose(model, healthy, request)

    def _choose(
        self, model: str, healthy: list[Deployment] | Deployment, request: Request
    ) -> Deployment:
        # One that is asked for by its id is no choice.
        if isinstance(healthy, Mapping):
            self._integration.pass_over(request)
            return dict(healthy)
        return self._integration.choose(model, list(healthy), request)


def _budget_error(router: OnlineRouter, error: BudgetSpentError) -> Exception:
    """Return the error of litellm that says that no money is left."""
    window = router.settings.window
    total = 0.0 if window is None else window.total
    return litellm.BudgetExceededError(total, total, message=str(error))


def _remember(kept: dict[str, Any], name: str, value: Any) -> None:
    """Keep one more value, and let go of the oldest when there are too many."""
    kept[name] = value
    if len(kept) > ANSWERS:
        del kept[next(iter(kept))]
