"""The routes: each is a method of the router, with its sentences."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from fastroute.online.errors import (
    BudgetSpentError,
    NothingDeployedError,
    ObservationError,
)
from fastroute.online.router import OnlineRouter
from fastroute.online.serving.desk import Desk
from fastroute.online.serving.guard import Guard
from fastroute.online.serving.messages import (
    ApplyBody,
    ChooseBody,
    DeployedAnswer,
    DoneAnswer,
    HealthAnswer,
    LimitBody,
    ObserveBody,
    PlanAnswer,
    RepriceBody,
    StatusAnswer,
    sentence_of,
)
from fastroute.online.serving.metrics import CONTENT_TYPE, Metrics
from fastroute.online.serving.openapi import document
from fastroute.online.serving.traffic import Traffic
from fastroute.online.settings import OnlineModel

#: Most bytes of a body.
LARGEST_BODY: Final = 1 << 20
_STATUS_OF: Final = {"unknown": 404, "lost": 404, "known already": 409, "out of range": 422}
_NOT_KEPT: Final = (
    "the decision log cannot be written, so nothing is decided or learnt; the server's own output "
    "says why"
)
_POLICY_OF_PAGE: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:"
)

log = logging.getLogger(__name__)

Body = TypeVar("Body", bound=BaseModel)
Answer = TypeVar("Answer")


def make_app(router: OnlineRouter, *, token: str | None = None) -> Starlette:
    """Return the application that serves a router, and closes it when it shuts down.

    Parameters
    ----------
    router : OnlineRouter
        With a log.
    token : str, optional
        What every request but that of ``/health`` must show.
    """
    served = _Served(router)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await run_in_threadpool(served.close)

    post, get = ["POST"], ["GET"]
    return Starlette(
        routes=[
            Route("/choose", served.choose, methods=post),
            Route("/observe", served.observe, methods=post),
            Route("/plan", served.plan, methods=get),
            Route("/apply", served.apply, methods=post),
            Route("/models", served.add, methods=post),
            *(
                Route(f"/models/{{name:path}}/{action}", served.change(action), methods=post)
                for action in ("fail", "recover", "retire", "limit", "reprice")
            ),
            Route("/status", served.status, methods=get),
            Route("/metrics", served.text_of_metrics, methods=get),
            Route("/openapi.json", served.openapi, methods=get),
            Route("/health", served.health, methods=get),
            Route("/", served.page, methods=get),
        ],
        middleware=[Middleware(Guard, metrics=served.metrics, token=token)],
        exception_handlers={
            HTTPException: _answer_http,
            ObservationError: _answer_observation,
            ValidationError: _answer_body,
            ValueError: partial(_answer_error, status=422),
            NothingDeployedError: partial(_answer_error, status=503),
            BudgetSpentError: partial(_answer_error, status=429),
            OSError: _answer_not_kept,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_fault,
        },
        lifespan=lifespan,
    )


class _Served:
    """A router, and what its routes share."""

    def __init__(self, router: OnlineRouter) -> None:
        self.router = router
        self.desk = Desk(router.flush)
        self.traffic = Traffic()
        self.metrics = Metrics(router.status)

    def close(self) -> None:
        """Make what still waits, and close the router."""
        self.desk.close()
        self.router.close()

    async def choose(self, request: Request) -> Response:
        body = await _read(request, ChooseBody)
        if self.desk.failure is not None:
            raise self.desk.failure
        begun = time.perf_counter()
        choice = self.router.choose(body.task, body.features)
        self.metrics.choose_seconds.observe(time.perf_counter() - begun)
        self.traffic.note(choice.serve, time.time())
        return JSONResponse(
            {
                "id": str(choice.id),
                "model": choice.model,
                "serve": choice.serve,
                "propensity": choice.propensity,
                "shares": choice.shares,
            }
        )

    async def observe(self, request: Request) -> Response:
        body = await _read(request, ObserveBody)
        await self.desk.do(partial(_observe, self.router, body))
        return _answer(DoneAnswer())

    async def plan(self, request: Request) -> Response:
        return _answer(PlanAnswer.of(await run_in_threadpool(self.router.plan)))

    async def apply(self, request: Request) -> Response:
        body = await _read(request, ApplyBody)
        deployed = await self.desk.do(partial(self.router.apply, body.deploy))
        return _answer(DeployedAnswer(deployed=deployed))

    async def add(self, request: Request) -> Response:
        model = await _read(request, OnlineModel)
        await self.desk.do(partial(self.router.add, model))
        return _answer(DoneAnswer(), 201)

    def change(self, action: str) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers a change of a model."""

        async def changed(request: Request) -> Response:
            name = request.path_params["name"]
            call: Callable[[], None]
            if action == "limit":
                limit = (await _read(request, LimitBody)).limit
                call = partial(self.router.set_limit, name, limit)
            elif action == "reprice":
                factor = (await _read(request, RepriceBody)).factor
                call = partial(self.router.reprice, name, factor)
            else:
                call = partial(getattr(self.router, action), name)
            try:
                await self.desk.do(call)
            except ValueError as error:
                if name in self.router.models:
                    raise
                raise HTTPException(404, str(error)) from None
            return _answer(DoneAnswer())

        return changed

    async def status(self, request: Request) -> Response:
        status = await run_in_threadpool(self.router.status)
        return _answer(StatusAnswer(status=status, traffic=self.traffic.answer(time.time())))

    async def text_of_metrics(self, request: Request) -> Response:
        text = await run_in_threadpool(self.metrics.text)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(document())

    async def health(self, request: Request) -> Response:
        await self.desk.do(_nothing)
        return _answer(HealthAnswer())

    async def page(self, request: Request) -> Response:
        return HTMLResponse(_page(), headers={"Content-Security-Policy": _POLICY_OF_PAGE})


def _observe(router: OnlineRouter, body: ObserveBody) -> None:
    """Tell a router what was observed; what it knows already in just this way changes nothing."""
    number, reward, cost = int(body.id), body.reward, body.cost
    try:
        router.observe(number, reward=reward, cost=cost)
    except ObservationError as error:
        if error.reason != "known already":
            raise
        known_reward, known_cost = router.known(number)
        reward = None if reward == known_reward else reward
        cost = None if cost == known_cost else cost
        if not (reward is None and cost is None):
            router.observe(number, reward=reward, cost=cost)


def _nothing() -> None:
    """Change nothing: who waits for it waits for the log alone."""


async def _read(request: Request, kind: type[Body]) -> Body:
    """Read a body of JSON; one that is empty has no fields."""
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise HTTPException(413, f"the body is larger than {LARGEST_BODY:,} bytes")
        parts.append(part)
    return kind.model_validate_json(b"".join(parts) or b"{}")


def _answer(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status, media_type="application/json")


@cache
def _page() -> str:
    return Path(__file__).with_name("page.html").read_text(encoding="utf-8")


# Errors: sentences as in Python, and never a traceback.


async def _answer_error(_: Request, error: Exception, status: int) -> Response:
    return JSONResponse({"error": str(error)}, status)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = error.detail
    if said in ("Not Found", "Method Not Allowed"):
        said = f"there is no {request.method} {request.scope['path']}; see GET /openapi.json"
    return JSONResponse({"error": said}, error.status_code, headers=error.headers)


async def _answer_observation(_: Request, error: Exception) -> Response:
    assert isinstance(error, ObservationError)
    # Over HTTP there is no `again`.
    said = {"error": str(error).partition("; again=")[0], "reason": error.reason}
    return JSONResponse(said, _STATUS_OF[error.reason])


async def _answer_body(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    status = 400 if error.errors()[0]["type"] == "json_invalid" else 422
    return JSONResponse({"error": sentence_of(error)}, status)


async def _answer_not_kept(_: Request, error: Exception) -> Response:
    # The address of a database may hold a password, so the sentence stays here.
    log.error("%s", error)
    return JSONResponse({"error": _NOT_KEPT}, 503)


async def _answer_nobody(_: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _answer_fault(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the server has failed; its own output says why"}, 500)
