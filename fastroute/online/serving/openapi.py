"""The description of the routes, as OpenAPI has it."""

from functools import cache
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import fastroute
from fastroute.online.serving import messages
from fastroute.online.settings import OnlineModel


class _Operation(NamedTuple):
    method: str
    path: str
    summary: str
    body: type[BaseModel] | None
    answer: type[BaseModel] | str  #: or the type of a text
    errors: tuple[int, ...] = ()
    done: int = 200


_ERRORS: Final = {
    400: "The body is not JSON.",
    401: "The token is missing or another one.",
    403: "Asked by a page of another site, or by a name that this machine does not have.",
    404: "There is no such decision or model, or a crash has lost the decision.",
    409: "The reward or cost is known already, with another value.",
    413: "The body is larger than 1 MiB.",
    422: "A value that is not allowed; the sentence names field, value and remedy.",
    429: "The window has no money left for the query.",
    503: "No deployed model can take the query, or the decision log cannot be written.",
}
_CHANGED: Final = (400, 404, 413, 422, 503)
_OPERATIONS: Final = (
    _Operation(
        *("post", "/choose", "Choose the model of a query"),
        messages.ChooseBody,
        messages.ChoiceAnswer,
        (400, 413, 422, 429, 503),
    ),
    _Operation(
        "post",
        "/observe",
        "Tell what a query brought or cost; answered when it is in the log. The same once more "
        "changes nothing and is answered alike",
        messages.ObserveBody,
        messages.DoneAnswer,
        (400, 404, 409, 413, 422, 503),
    ),
    _Operation("get", "/plan", "What the next stage would deploy", None, messages.PlanAnswer),
    _Operation(
        *("post", "/apply", "Open a stage now"),
        messages.ApplyBody,
        messages.DeployedAnswer,
        (400, 413, 422, 503),
    ),
    _Operation(
        *("post", "/models", "Add a model, which can be deployed from the next stage on"),
        OnlineModel,
        messages.DoneAnswer,
        (400, 413, 422, 503),
        201,
    ),
    *(
        _Operation("post", f"/models/{{name}}/{action}", says, body, messages.DoneAnswer, _CHANGED)
        for action, says, body in (
            ("fail", "Give a model no traffic from the next query on", None),
            ("recover", "Give a model that had failed traffic again", None),
            ("retire", "Deploy a model no more from the next stage on", None),
            ("limit", "Give a model another throughput limit", messages.LimitBody),
            ("reprice", "Tell that queries to a model have another price", messages.RepriceBody),
        )
    ),
    _Operation(
        *("get", "/status", "What was decided, observed and spent"), None, messages.StatusAnswer
    ),
    _Operation("get", "/metrics", "Numbers for Prometheus", None, "text/plain"),
    _Operation(
        *("get", "/health", "Whether queries are taken and the log can be written"),
        None,
        messages.HealthAnswer,
        (503,),
    ),
    _Operation("get", "/", "A page that shows all this", None, "text/html"),
    _Operation("get", "/openapi.json", "This description", None, "application/json"),
)


@cache
def document() -> dict[str, Any]:
    """Return the description of all routes."""
    read = {o.body for o in _OPERATIONS if o.body is not None}
    said = {o.answer for o in _OPERATIONS if not isinstance(o.answer, str)}
    said.add(messages.ErrorAnswer)
    _, schemas = models_json_schema(
        [
            *((model, "validation") for model in sorted(read, key=lambda m: m.__name__)),
            *((model, "serialization") for model in sorted(said, key=lambda m: m.__name__)),
        ],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in _OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fastroute",
            "version": fastroute.__version__,
            "description": "A policy that deploys language models and routes queries to them.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # Without a token nothing is to be shown.
        "security": [{"token": []}, {}],
    }


def _described(operation: _Operation) -> dict[str, Any]:
    words = [operation.method, *operation.path.replace("{name}", "").split("/")]
    described: dict[str, Any] = {
        "operationId": "_".join(word.partition(".")[0] for word in words if word),
        "summary": operation.summary,
        "responses": {str(operation.done): _content("Done.", operation.answer)},
    }
    if operation.path == "/health":
        described["security"] = []
        errors = set(operation.errors)
    else:
        errors = {401, 403, *operation.errors}
    for status in sorted(errors):
        described["responses"][str(status)] = _content(_ERRORS[status], messages.ErrorAnswer)
    if operation.body is not None:
        optional = all(not field.is_required() for field in operation.body.model_fields.values())
        described["requestBody"] = {
            "required": not optional,
            "content": {"application/json": {"schema": _ref(operation.body)}},
        }
    if "{name}" in operation.path:
        described["parameters"] = [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "description": "Of the model; it may have slashes.",
                "schema": {"type": "string"},
            }
        ]
    return described


def _content(says: str, answer: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"description": says, "content": {answer: {}}}
    return {"description": says, "content": {"application/json": {"schema": _ref(answer)}}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
